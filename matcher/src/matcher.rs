//! The waiting room.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use core::time::Duration;

use crate::{Match, Output, Ticket, TicketId, Waited};

/// Pairs tickets of the same pool, the oldest first, never a user with itself.
///
/// Any two tickets of a pool whose users differ may meet, a user has one ticket, and an insertion that can
/// match does. So two tickets never wait in the same pool: a pool is a chair, not a queue, and the one
/// sitting in it is the oldest by default.
///
/// Time in here is the matcher's own. The only thing it brings today is a ticket's end; a rule that grows
/// more lenient with waiting would make its matches in [`Matcher::handle_timeout`] too, and callers would not
/// notice: whatever happens comes out of [`Matcher::poll_output`], an insertion's result included.
///
/// Every operation is O(log n) in the number of waiting tickets. The maps are ordered ones on purpose:
/// pool and user names are a stranger's choice, and a tree has no collisions to force and no rehash to
/// wait for. Memory grows with the tickets that wait, and shrinks with them.
#[derive(Debug, Default)]
pub struct Matcher {
    waiting: BTreeMap<TicketId, Waiting>,
    by_pool: BTreeMap<Arc<str>, TicketId>,
    by_user: BTreeMap<Arc<str>, TicketId>,
    by_end: BTreeSet<(Duration, TicketId)>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Waiting {
    user: Arc<str>,
    pool: Arc<str>,
    since: Duration,
    expires: Duration,
}

impl Matcher {
    /// An empty waiting room.
    pub fn new() -> Self {
        Self::default()
    }

    /// Matches the ticket with the oldest one it may meet, or lets it wait: [`Output::Matched`] or
    /// [`Output::Waiting`] follows.
    ///
    /// A user has one ticket: an earlier one of the same user leaves first, and its place with it, which
    /// [`Output::Replaced`] says.
    pub fn insert(&mut self, now: Duration, ticket: Ticket) {
        debug_assert!(!self.waiting.contains_key(&ticket.id), "ticket ids are used once");
        if let Some(&earlier) = self.by_user.get(&ticket.user) {
            self.take(earlier);
            self.outputs.push_back(Output::Replaced(earlier));
        }
        let partner = self.by_pool.get(&ticket.pool).copied();
        let output = match partner.and_then(|id| self.take(id).map(|waiting| (id, waiting))) {
            Some((id, partner)) => {
                let waited = |id, since| Waited { id, waited: now.saturating_sub(since) };
                let (first, second) = (waited(id, partner.since), waited(ticket.id, ticket.since));
                // Somebody who comes back may have waited for longer than whoever took its place.
                Output::Matched(match ticket.since < partner.since {
                    true => Match { first: second, second: first },
                    false => Match { first, second },
                })
            }
            None => {
                let id = ticket.id;
                self.seat(ticket);
                Output::Waiting { id, position: 1 }
            }
        };
        self.outputs.push_back(output);
    }

    /// Takes a ticket out. False if it does not wait (any more).
    pub fn remove(&mut self, id: TicketId) -> bool {
        self.take(id).is_some()
    }

    /// Ends the tickets whose time is over. To be called at [`Matcher::poll_timeout`]; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(&(_, id)) = self.by_end.first().filter(|(expires, _)| *expires <= now) {
            self.take(id);
            self.outputs.push_back(Output::Expired(id));
        }
    }

    /// When [`Matcher::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.by_end.first().map(|(expires, _)| *expires)
    }

    /// What has happened since the last call, in order; `None` when all has been told.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
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

    fn seat(&mut self, Ticket { id, user, pool, since, expires }: Ticket) {
        self.by_pool.insert(pool.clone(), id);
        self.by_user.insert(user.clone(), id);
        self.by_end.insert((expires, id));
        self.waiting.insert(id, Waiting { user, pool, since, expires });
    }

    fn take(&mut self, id: TicketId) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        self.by_pool.remove(&waiting.pool);
        self.by_user.remove(&waiting.user);
        self.by_end.remove(&(waiting.expires, id));
        Some(waiting)
    }
}
