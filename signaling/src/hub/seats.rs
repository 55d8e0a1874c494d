//! People as the hub sees them: who each is, and whether it waits or has a partner.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crate::{ConnectionId, Seek, SessionId, TicketId};

/// A user's place in the hub, never used twice. Sessions and tickets are between seats, whatever connection they
/// are reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeatId(u64);

/// All seats, found by their id, by their user and by the ticket they wait with.
pub(super) struct Seats {
    taken: BTreeMap<SeatId, Seat>,
    by_user: BTreeMap<Arc<str>, SeatId>,
    by_ticket: BTreeMap<TicketId, SeatId>,
    last_seat: u64,
    last_ticket: u64,
}

/// Who somebody is and what it does.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) user: Arc<str>,
    /// Where it looks for partners, and where `skip` queues it again.
    pub(super) pool: Arc<str>,
    /// By which it is reached.
    pub(super) connection: ConnectionId,
    pub(super) state: State,
    /// The session it was in before, for a `skip` or `end_session` that crosses a `partner_left`.
    pub(super) last_session: Option<SessionId>,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Waiting(Waiting),
    Paired { session: SessionId, partner: SeatId },
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) ticket: TicketId,
    pub(super) since: Duration,
    /// When the matcher gives the ticket up.
    expires: Duration,
    /// What the matcher has said last.
    pub(super) position: Option<usize>,
}

impl Seats {
    pub(super) fn new() -> Self {
        Self {
            taken: BTreeMap::new(),
            by_user: BTreeMap::new(),
            by_ticket: BTreeMap::new(),
            last_seat: 0,
            last_ticket: 0,
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.by_ticket.len()
    }

    pub(super) fn get(&self, id: SeatId) -> &Seat {
        self.taken.get(&id).expect(LIVE)
    }

    pub(super) fn get_mut(&mut self, id: SeatId) -> &mut Seat {
        self.taken.get_mut(&id).expect(LIVE)
    }

    pub(super) fn of_user(&self, user: &str) -> Option<SeatId> {
        self.by_user.get(user).copied()
    }

    /// Gives a user that has none a seat.
    pub(super) fn take(
        &mut self,
        user: Arc<str>,
        pool: Arc<str>,
        connection: ConnectionId,
    ) -> SeatId {
        self.last_seat += 1;
        let id = SeatId(self.last_seat);
        let earlier = self.by_user.insert(user.clone(), id);
        debug_assert!(earlier.is_none(), "a user has one seat");
        let (state, last_session) = (State::Idle, None);
        self.taken.insert(id, Seat { user, pool, connection, state, last_session });
        id
    }

    /// Gives a seat to another user, who has none.
    pub(super) fn rename(&mut self, id: SeatId, user: Arc<str>) {
        let seat = self.taken.get_mut(&id).expect(LIVE);
        self.by_user.remove(&mem::replace(&mut seat.user, user.clone()));
        self.by_user.insert(user, id);
    }

    /// Gives up the seat of somebody who is idle.
    pub(super) fn leave(&mut self, id: SeatId) {
        let seat = self.taken.remove(&id).expect(LIVE);
        debug_assert_eq!(seat.state, State::Idle);
        self.by_user.remove(&seat.user);
    }

    /// Lets somebody who is idle wait with a new ticket.
    pub(super) fn wait(&mut self, now: Duration, id: SeatId, expires: Duration) -> TicketId {
        self.last_ticket += 1;
        let ticket = TicketId(self.last_ticket);
        let seat = self.get_mut(id);
        debug_assert_eq!(seat.state, State::Idle);
        seat.state = State::Waiting(Waiting { ticket, since: now, expires, position: None });
        self.by_ticket.insert(ticket, id);
        ticket
    }

    /// What the matcher is to look for, for a ticket that is live.
    pub(super) fn seek(&self, ticket: TicketId) -> Option<Seek> {
        let seat = self.get(*self.by_ticket.get(&ticket)?);
        let State::Waiting(Waiting { expires, .. }) = seat.state else { unreachable!("{WAITS}") };
        Some(Seek { ticket, user: seat.user.clone(), pool: seat.pool.clone(), expires })
    }

    pub(super) fn is_live(&self, ticket: TicketId) -> bool {
        self.by_ticket.contains_key(&ticket)
    }

    /// Takes note of a place in the queue, and says who is to hear of it.
    pub(super) fn set_position(
        &mut self,
        ticket: TicketId,
        position: usize,
    ) -> Option<ConnectionId> {
        let seat = self.get_mut(*self.by_ticket.get(&ticket)?);
        let State::Waiting(waiting) = &mut seat.state else { unreachable!("{WAITS}") };
        waiting.position = Some(position);
        Some(seat.connection)
    }

    /// Ends a ticket, if it is live: who waited, and since when.
    pub(super) fn end_ticket(&mut self, ticket: TicketId) -> Option<(SeatId, Duration)> {
        let id = self.by_ticket.remove(&ticket)?;
        let state = mem::replace(&mut self.get_mut(id).state, State::Idle);
        let State::Waiting(waiting) = state else { unreachable!("{WAITS}") };
        Some((id, waiting.since))
    }
}

const LIVE: &str = "who closes a connection gives its seat up, and who gives a seat up ends its session and ticket";
const WAITS: &str = "a ticket's owner waits";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_stays_small() {
        assert!(size_of::<Seat>() <= 160, "{}", size_of::<Seat>());
    }
}
