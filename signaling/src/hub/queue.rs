//! Looking for a partner.

use std::sync::Arc;
use std::time::Duration;

use super::seats::Waiting;
use super::{Hub, SeatId, State};
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
        let seat = match self.connections.seat(id) {
            Some(seat) => {
                self.identify(now, seat, user)?;
                seat
            }
            None => self.sit_down(now, id, user, pool),
        };
        let moves = self.move_to(seat, pool);
        match self.seats.get(seat).state {
            State::Waiting(Waiting { ticket, position, .. }) if !moves => {
                // Without a position yet, the matcher's first word is still on its way.
                if let Some(position) = position {
                    self.queued(ticket, position);
                }
                return Ok(());
            }
            State::Waiting(_) => self.leave_queue(seat),
            State::Paired { session, .. } => {
                self.part(now, session, Some(seat), EndReason::Skipped);
            }
            State::Idle => {}
        }
        self.enqueue(now, seat);
        Ok(())
    }

    /// The user of a seat is fixed by the first `join_queue`, and changed by a later one only when idle.
    fn identify(&mut self, now: Duration, seat: SeatId, user: &str) -> Result<(), Refusal> {
        let current = self.seats.get(seat);
        if *current.user == *user {
            return Ok(());
        }
        if current.state != State::Idle {
            let message = "leave the queue or the session before you change your userId";
            return Err(Refusal::new(ErrorCode::UserChange, message));
        }
        self.replace(now, user);
        self.seats.rename(seat, user.into());
        Ok(())
    }

    /// Whoever is behind a connection has said who it is.
    fn sit_down(&mut self, now: Duration, id: ConnectionId, user: &str, pool: &str) -> SeatId {
        self.replace(now, user);
        let pool = self.shared_pool(pool);
        let seat = self.seats.take(user.into(), pool, id);
        self.connections.set_seat(id, seat);
        seat
    }

    /// Whether that is another pool than before.
    fn move_to(&mut self, seat: SeatId, pool: &str) -> bool {
        let moves = *self.seats.get(seat).pool != *pool;
        if moves {
            self.seats.get_mut(seat).pool = self.shared_pool(pool);
        }
        moves
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
