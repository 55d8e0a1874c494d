//! Looking for a partner.

use std::sync::Arc;
use std::time::Duration;

use super::seats::Waiting;
use super::{Hub, SeatId, State};
use crate::budgets::Wish;
use crate::refusal::{ErrorCode, Refusal};
use crate::wire::ServerMessage;
use crate::{ConnectionId, DEFAULT_POOL, EndReason, Event, MatchRequest, TicketId};

impl Hub {
    /// `join_queue`, in whatever state the client is.
    ///
    /// Whoever waits in the same pool already keeps its place and is told it again. Whoever is in a session
    /// leaves it, as with `skip`: a client that has lost track of its session asks for the next
    /// partner, and an error would leave it stuck until the session expires.
    pub(super) fn join_queue(
        &mut self,
        now: Duration,
        id: ConnectionId,
        user: &str,
        pool: &str,
    ) -> Result<(), Refusal> {
        let seat = self.connections.seat(id);
        if let Some(seat) = seat {
            self.may_be(seat, user)?;
            if let Some((ticket, position)) = self.waits_in(seat, pool) {
                // Without a position yet, the matcher's first word is still on its way.
                if let Some(position) = position {
                    self.queued(ticket, position);
                }
                return Ok(());
            }
        }
        self.afford(now, id, Wish::Join, user)?;
        let seat = match seat {
            Some(seat) => {
                self.identify(now, seat, user);
                seat
            }
            None => self.sit_down(now, id, user, pool),
        };
        self.move_to(seat, pool);
        match self.seats.get(seat).state {
            State::Waiting(_) => self.leave_queue(seat),
            State::Paired { session, .. } => {
                self.part(now, session, Some(seat), EndReason::Skipped);
            }
            State::Idle => {}
        }
        self.enqueue(now, seat);
        Ok(())
    }

    /// Whether a user may ask for a partner once more. Who may not is left where it is.
    ///
    /// Every match is asked for by a join or a skip of each side, so this bounds how many ICE servers are issued, too.
    pub(super) fn afford(
        &mut self,
        now: Duration,
        id: ConnectionId,
        wish: Wish,
        user: &str,
    ) -> Result<(), Refusal> {
        let origin = self.connections.origin(id);
        let taken = self.budgets.take(now, wish, user, origin, &self.config);
        taken.map_err(Refusal::too_often)
    }

    /// The user of a seat is fixed by the first `join_queue`, and changed by a later one only when idle.
    fn may_be(&self, seat: SeatId, user: &str) -> Result<(), Refusal> {
        let current = self.seats.get(seat);
        if *current.user == *user || current.state == State::Idle {
            return Ok(());
        }
        let message = "leave the queue or the session before you change your userId";
        Err(Refusal::new(ErrorCode::UserChange, message))
    }

    fn identify(&mut self, now: Duration, seat: SeatId, user: &str) {
        if *self.seats.get(seat).user != *user {
            self.replace(now, user);
            self.seats.rename(seat, user.into());
        }
    }

    /// The ticket, and its place, of somebody who waits in this pool.
    fn waits_in(&self, seat: SeatId, pool: &str) -> Option<(TicketId, Option<usize>)> {
        let seat = self.seats.get(seat);
        match seat.state {
            State::Waiting(Waiting { ticket, position, .. }) if *seat.pool == *pool => {
                Some((ticket, position))
            }
            _ => None,
        }
    }

    /// Whoever is behind a connection has said who it is.
    fn sit_down(&mut self, now: Duration, id: ConnectionId, user: &str, pool: &str) -> SeatId {
        self.replace(now, user);
        let pool = self.shared_pool(pool);
        let seat = self.seats.take(user.into(), pool, id);
        self.connections.set_seat(id, seat);
        seat
    }

    fn move_to(&mut self, seat: SeatId, pool: &str) {
        if *self.seats.get(seat).pool != *pool {
            self.seats.get_mut(seat).pool = self.shared_pool(pool);
        }
    }

    /// A pool's name, shared by all where that is cheap to find.
    fn shared_pool(&self, pool: &str) -> Arc<str> {
        if pool == DEFAULT_POOL { self.default_pool.clone() } else { pool.into() }
    }

    /// Queues somebody idle in its pool.
    pub(super) fn enqueue(&mut self, now: Duration, seat: SeatId) {
        let expires = now.saturating_add(self.config.queue_timeout);
        let ticket = self.seats.wait(now, seat, expires);
        self.event(Event::Queued);
        self.seek(ticket);
    }

    /// Asks the matcher for a partner for a ticket, if it is live.
    pub(super) fn seek(&mut self, ticket: TicketId) {
        self.requests.extend(self.seats.seek(ticket).map(MatchRequest::Seek));
    }

    /// Leaves the queue; whoever does not wait has nothing to leave, and that is no error: a match may
    /// just have come first.
    pub(super) fn leave_queue(&mut self, seat: SeatId) {
        if let State::Waiting(Waiting { ticket, .. }) = self.seats.get(seat).state {
            self.seats.end_ticket(ticket);
            self.requests.push_back(MatchRequest::Unseek(ticket));
        }
    }

    /// Ends a ticket that has waited in vain, if it is live.
    pub(super) fn queue_timeout(&mut self, ticket: TicketId) {
        if let Some((seat, _)) = self.seats.end_ticket(ticket) {
            self.tell(seat, &ServerMessage::QueueTimeout {});
            self.event(Event::QueueTimeout);
        }
    }
}
