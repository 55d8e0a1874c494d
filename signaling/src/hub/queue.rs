//! Looking for a partner.

use std::sync::Arc;
use std::time::Duration;

use super::seats::Waiting;
use super::{Hub, SeatId, State};
use crate::budgets::Wish;
use crate::refusal::{ErrorCode, Refusal};
use crate::tokens::PlaceClaim;
use crate::wire::{JoinQueue, ServerMessage, no_user};
use crate::{ConnectionId, DEFAULT_POOL, EndReason, Event, MatchRequest, Protocol, TicketId};

/// Who has waited for longer has left meanwhile.
const OLDEST_PLACE: Duration = Duration::from_secs(3600);

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
        seat: Option<SeatId>,
        JoinQueue { user, pool, place_token }: JoinQueue,
    ) -> Result<(), Refusal> {
        // Who has said `hello` has said who it is.
        let known = seat.map(|seat| self.seats.get(seat));
        let known = known.filter(|seat| seat.protocol() == Protocol::Resumable);
        let user = user.map(Arc::from).or_else(|| known.map(|seat| seat.user.clone()));
        let user: &str = &user.ok_or_else(no_user)?;
        let pool: &str = &pool;
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
        self.afford(now, Some(id), Wish::Join, user)?;
        let seat = match seat {
            Some(seat) => {
                self.identify(now, id, seat, user)?;
                seat
            }
            None => {
                self.claim_name(now, id, user)?;
                self.sit_down(id, user, Protocol::Plain)
            }
        };
        self.move_to(seat, pool);
        match self.seats.get(seat).state {
            State::Waiting(_) => self.leave_queue(seat),
            State::Paired { session, role } => {
                self.part(now, session, Some(role), EndReason::Skipped);
            }
            State::Idle => {}
        }
        let since = place_token.and_then(|token| self.proven_since(now, seat, &token));
        self.enqueue(now, seat, since.unwrap_or(now));
        Ok(())
    }

    /// Whether a user may ask for a partner once more. Who may not is left where it is.
    ///
    /// Every match is asked for by a join or a skip of each side, so this bounds how many ICE servers are issued, too.
    pub(super) fn afford(
        &mut self,
        now: Duration,
        id: Option<ConnectionId>,
        wish: Wish,
        user: &str,
    ) -> Result<(), Refusal> {
        let origin = id.and_then(|id| self.connections.origin(id));
        let taken = self.budgets.take(now, wish, user, origin, &self.config);
        taken.map_err(Refusal::too_often)
    }

    /// The user of a seat is fixed by `hello`, or by the first `join_queue`, and changed by a later one only when idle.
    fn may_be(&self, seat: SeatId, user: &str) -> Result<(), Refusal> {
        let current = self.seats.get(seat);
        let message = match (current.protocol(), current.state) {
            _ if *current.user == *user => return Ok(()),
            (Protocol::Resumable, _) => "your hello has said another userId",
            (Protocol::Plain, State::Idle) => return Ok(()),
            (Protocol::Plain, _) => "leave the queue or the session before you change your userId",
        };
        Err(Refusal::new(ErrorCode::UserChange, message))
    }

    fn identify(
        &mut self,
        now: Duration,
        id: ConnectionId,
        seat: SeatId,
        user: &str,
    ) -> Result<(), Refusal> {
        if *self.seats.get(seat).user != *user {
            self.claim_name(now, id, user)?;
            self.seats.rename(seat, user.into());
        }
        Ok(())
    }

    /// Since when somebody waits by the word of another server, or of this one before it was started anew.
    fn proven_since(&self, now: Duration, seat: SeatId, token: &str) -> Option<Duration> {
        let claim: PlaceClaim = self.signer.verify(now, token)?;
        let seat = self.seats.get(seat);
        let is_its_own = *claim.user == *seat.user && *claim.pool == *seat.pool;
        let oldest = now.saturating_sub(OLDEST_PLACE);
        (is_its_own && claim.since() <= now && claim.since() >= oldest).then(|| claim.since())
    }

    /// Tells somebody its place, and gives it the proof of it.
    pub(super) fn tell_position(&mut self, id: SeatId, position: usize) {
        let seat = self.seats.get(id);
        let State::Waiting(waiting) = seat.state else { return };
        let sign = || self.signer.sign(&PlaceClaim::new(waiting.since, &seat.user, &seat.pool));
        let token = (seat.protocol() == Protocol::Resumable).then(sign).flatten();
        self.tell(id, &ServerMessage::Queued { position, place_token: token.as_deref() });
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

    fn move_to(&mut self, seat: SeatId, pool: &str) {
        if *self.seats.get(seat).pool != *pool {
            self.seats.get_mut(seat).pool = self.shared_pool(pool);
        }
    }

    /// A pool's name, shared by all where that is cheap to find.
    pub(super) fn shared_pool(&self, pool: &str) -> Arc<str> {
        if pool == DEFAULT_POOL { self.default_pool.clone() } else { pool.into() }
    }

    /// Queues somebody idle in its pool, as one who waits since then.
    pub(super) fn enqueue(&mut self, now: Duration, seat: SeatId, since: Duration) {
        let expires = now.saturating_add(self.config.queue_timeout);
        let ticket = self.seats.wait(seat, since, expires);
        self.event(Event::Queued);
        self.seek(ticket);
    }

    /// Asks the matcher for a partner for a ticket, if it is live and somebody is there to meet.
    pub(super) fn seek(&mut self, ticket: TicketId) {
        let seat = self.seats.of_ticket(ticket).map(|seat| self.seats.get(seat));
        if self.draining.is_some() || seat.is_none_or(|seat| seat.connection().is_none()) {
            return;
        }
        self.requests.extend(self.seats.seek(ticket).map(MatchRequest::Seek));
    }

    /// Leaves the queue; whoever does not wait has nothing to leave, and that is no error: a match may
    /// just have come first.
    pub(super) fn leave_queue(&mut self, seat: SeatId) {
        if let State::Waiting(Waiting { ticket, .. }) = self.seats.get(seat).state {
            self.withdraw(seat);
            self.seats.end_ticket(ticket);
        }
    }

    /// Ends a ticket that has waited in vain, if it is live.
    pub(super) fn queue_timeout(&mut self, ticket: TicketId) {
        self.end_introduction(ticket);
        if let Some((seat, _)) = self.seats.end_ticket(ticket) {
            self.tell(seat, &ServerMessage::QueueTimeout {});
            self.event(Event::QueueTimeout);
        }
    }
}
