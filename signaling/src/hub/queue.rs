//! Looking for a partner.

use std::sync::Arc;
use std::time::Duration;

use super::seats::{Seat, Waiting};
use super::{Hub, SeatId, State};
use crate::attributes::Wishes;
use crate::budgets::Wish;
use crate::refusal::{ErrorCode, Refusal};
use crate::tokens::PlaceClaim;
use crate::wire::{JoinQueue, ServerMessage, Whom, no_user};
use crate::{
    ConnectionId, EndReason, Event, MatchRequest, Place, Protocol, Ticket, TicketId, Tokens,
};

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
        join: JoinQueue,
        tokens: &mut impl Tokens,
    ) -> Result<(), Refusal> {
        let pool = self.shared_pool(self.config.mode(&join.mode)?);
        let wishes = self.config.attributes.wishes(join.wishes())?;
        let JoinQueue { whom, place_token, .. } = join;
        let user = &self.named(now, id, seat, whom, tokens)?;
        if let Some(seat) = seat
            && let Some((ticket, place)) = self.waits_in(seat, &pool)
            && *self.seats.get(seat).wishes == wishes
        {
            // Without a place yet, the matcher's first word is still on its way.
            if let Some(place) = place {
                self.queued(ticket, place);
            }
            return Ok(());
        }
        self.may_meet(now, user)?;
        self.afford(now, Some(id), Wish::Join, user)?;
        let seat = self.seated(now, id, seat, user)?;
        self.seats.get_mut(seat).pool = pool;
        self.leave_all(now, seat);
        let blocked = self.claims_over(id, wishes.clone()).blocked;
        self.keep_blocks(now, seat, &blocked);
        *self.seats.get_mut(seat).wishes = wishes;
        let since = place_token.and_then(|token| self.proven_since(now, seat, &token));
        self.enqueue(now, seat, since.unwrap_or(now));
        Ok(())
    }

    /// Who somebody is by what it says of itself now, or has said before.
    pub(super) fn named(
        &mut self,
        now: Duration,
        id: ConnectionId,
        seat: Option<SeatId>,
        whom: Whom,
        tokens: &mut impl Tokens,
    ) -> Result<Arc<str>, Refusal> {
        let user = self.whose(now, id, whom, tokens)?;
        // Who has said `hello` has said who it is.
        let known = seat.map(|seat| self.seats.get(seat));
        let known = known.filter(|seat| seat.protocol() == Protocol::Resumable);
        let user = user.or_else(|| known.map(|seat| seat.user.clone()));
        let user = user.ok_or_else(no_user)?;
        if let Some(seat) = seat {
            self.may_be(seat, &user)?;
        }
        Ok(user)
    }

    /// The seat of whoever is behind a connection, under the name that it may have.
    pub(super) fn seated(
        &mut self,
        now: Duration,
        id: ConnectionId,
        seat: Option<SeatId>,
        user: &str,
    ) -> Result<SeatId, Refusal> {
        match seat {
            Some(seat) => {
                self.take_name(now, id, seat, user)?;
                Ok(seat)
            }
            None => {
                self.claim_name(now, id, user)?;
                Ok(self.sit_down(id, user, Protocol::Plain))
            }
        }
    }

    /// Somebody who looks for a partner anew leaves whatever it was in.
    pub(super) fn leave_all(&mut self, now: Duration, seat: SeatId) {
        self.leave_queue(seat);
        if let State::Paired { session, role } = self.seats.get(seat).state {
            self.part(now, session, Some(role), EndReason::Skipped);
        }
    }

    /// Whether a user may have something once more. Who may not is left where it is.
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
        taken.map_err(|wait| Refusal::too_often(wish.what(), wait))
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

    fn take_name(
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
    pub(super) fn tell_place(&mut self, id: SeatId, place: Place) {
        let seat = self.seats.get(id);
        let State::Waiting(waiting) = seat.state else { return };
        let sign = || self.signer.sign(&PlaceClaim::new(waiting.since, &seat.user, &seat.pool));
        let token = (seat.protocol() == Protocol::Resumable).then(sign).flatten();
        let Place { position, waiting, eta } = place;
        let eta_ms = eta.map(|eta| u64::try_from(eta.as_millis()).unwrap_or(u64::MAX));
        let place_token = token.as_deref();
        self.tell(id, &ServerMessage::Queued { position, waiting, eta_ms, place_token });
    }

    /// The ticket, and its place, of somebody who waits in this pool.
    fn waits_in(&self, seat: SeatId, pool: &str) -> Option<(TicketId, Option<Place>)> {
        let seat = self.seats.get(seat);
        match seat.state {
            State::Waiting(Waiting { ticket, place, .. }) if *seat.pool == *pool => {
                Some((ticket, place))
            }
            _ => None,
        }
    }

    /// A mode's name, shared by all where that is cheap to find.
    pub(super) fn shared_pool(&self, pool: &str) -> Arc<str> {
        if *self.global == *pool { self.global.clone() } else { pool.into() }
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
        self.requests.extend(self.ticket(ticket).map(Box::new).map(MatchRequest::Seek));
    }

    /// A ticket that is live, as the matcher is to have it.
    fn ticket(&self, id: TicketId) -> Option<Ticket> {
        let seat = self.seats.get(self.seats.of_ticket(id)?);
        let State::Waiting(Waiting { since, expires, .. }) = seat.state else { return None };
        let Wishes { buddies, blocked, profile } = self.wishes(seat);
        Some(Ticket {
            id,
            user: seat.user.clone(),
            mode: self.config.matcher_mode(&seat.pool),
            since,
            expires,
            buddies: buddies.unwrap_or_default(),
            blocked,
            recent: self.relations.acquaintances.recent(&seat.user),
            profile,
        })
    }

    /// What counts of all that is said of a user: its token before what its app pushes, that before its own word, and
    /// every block.
    fn wishes(&self, seat: &Seat) -> Wishes {
        let mut all = (*seat.wishes).clone();
        if let Some(pushed) = self.relations.profiles.wishes(&seat.user) {
            all = pushed.clone().over(all);
        }
        if let Some(connection) = seat.connection() {
            all = self.claims_over(connection, all);
        }
        let mut lasting = self.relations.blocks.of(&seat.user).cloned().peekable();
        if lasting.peek().is_none() {
            return all;
        }
        Wishes { blocked: lasting.collect(), ..Wishes::default() }.over(all)
    }

    /// Leaves the queue, or a room; whoever does not wait has nothing to leave, and that is no error: a match may
    /// just have come first.
    pub(super) fn leave_queue(&mut self, seat: SeatId) {
        self.leave_room(seat);
        if let State::Waiting(Waiting { ticket, .. }) = self.seats.get(seat).state {
            self.withdraw(seat);
            self.seats.end_ticket(ticket);
        }
    }

    /// Ends a ticket that has waited in vain, if it is live.
    pub(super) fn queue_timeout(&mut self, ticket: TicketId) {
        if let Some((seat, _)) = self.seats.end_ticket(ticket) {
            self.tell(seat, &ServerMessage::QueueTimeout { reason: None });
            self.event(Event::QueueTimeout);
        }
    }
}
