//! The waiting room.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::time::Duration;

use crate::{Inserted, Match, Outcome, Ticket, TicketId, Waited};

/// Pairs tickets of the same pool, the oldest first, never a user with itself.
///
/// Any two tickets of a pool whose users differ may meet, a user has one ticket, and an insertion that can
/// match does. So two tickets never wait in the same pool: a pool is a chair, not a queue, and the one
/// sitting in it is the oldest by default.
///
/// Every operation is O(log n) in the number of waiting tickets. The maps are ordered ones on purpose:
/// pool and user names are a stranger's choice, and a tree has no collisions to force and no rehash to
/// wait for. Memory grows with the tickets that wait, and shrinks with them.
#[derive(Debug, Default)]
pub struct Matcher {
    waiting: BTreeMap<TicketId, Waiting>,
    by_pool: BTreeMap<Arc<str>, TicketId>,
    by_user: BTreeMap<Arc<str>, TicketId>,
}

#[derive(Debug)]
struct Waiting {
    user: Arc<str>,
    pool: Arc<str>,
    since: Duration,
}

impl Matcher {
    /// An empty waiting room.
    pub fn new() -> Self {
        Self::default()
    }

    /// Matches the ticket with the oldest one it may meet, or lets it wait.
    ///
    /// A user has one ticket: an earlier one of the same user leaves first, and its place with it.
    pub fn insert(&mut self, now: Duration, ticket: Ticket) -> Inserted {
        debug_assert!(!self.waiting.contains_key(&ticket.id), "ticket ids are used once");
        let replaced = self.by_user.get(&ticket.user).copied();
        if let Some(earlier) = replaced {
            self.take(earlier);
        }
        let partner = self.by_pool.get(&ticket.pool).copied();
        let outcome = match partner.and_then(|id| self.take(id).map(|waiting| (id, waiting))) {
            Some((id, partner)) => Outcome::Matched(Match {
                first: Waited { id, waited: now.saturating_sub(partner.since) },
                second: Waited { id: ticket.id, waited: Duration::ZERO },
            }),
            None => {
                self.seat(now, ticket);
                Outcome::Waiting { position: 1 }
            }
        };
        Inserted { outcome, replaced }
    }

    /// Takes a ticket out. False if it does not wait (any more).
    pub fn remove(&mut self, id: TicketId) -> bool {
        self.take(id).is_some()
    }

    /// How many tickets wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The ticket that waits in a pool.
    pub fn waiting(&self, pool: &str) -> Option<TicketId> {
        self.by_pool.get(pool).copied()
    }

    fn seat(&mut self, since: Duration, Ticket { id, user, pool }: Ticket) {
        self.by_pool.insert(pool.clone(), id);
        self.by_user.insert(user.clone(), id);
        self.waiting.insert(id, Waiting { user, pool, since });
    }

    fn take(&mut self, id: TicketId) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        self.by_pool.remove(&waiting.pool);
        self.by_user.remove(&waiting.user);
        Some(waiting)
    }
}
