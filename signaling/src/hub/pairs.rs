//! Two users together.

use std::time::Duration;

use serde_json::value::RawValue;

use super::{Hub, SeatId, State};
use crate::budgets::Wish;
use crate::refusal::Refusal;
use crate::wire::ServerMessage;
use crate::{EndReason, Event, IceServers, SessionId, TicketId};

impl Hub {
    pub(super) fn pair(
        &mut self,
        now: Duration,
        first: TicketId,
        second: TicketId,
        ice: &mut impl IceServers,
    ) {
        if first == second || ![first, second].iter().all(|ticket| self.seats.is_live(*ticket)) {
            return self.seek_again(first, second);
        }
        let sides = [first, second].map(|ticket| {
            let (seat, since) =
                self.seats.end_ticket(ticket).expect("both tickets have been looked up");
            self.event(Event::Matched { waited: now.saturating_sub(since) });
            seat
        });
        let session = self.sessions.begin(now, self.config.session_lifetime, sides);
        self.event(Event::SessionStarted);
        let [initiator, answerer] = sides;
        self.introduce(session, initiator, answerer, true, ice);
        self.introduce(session, answerer, initiator, false, ice);
    }

    /// A match of which a side has left meanwhile: the other one still wants a partner.
    fn seek_again(&mut self, first: TicketId, second: TicketId) {
        self.seek(first);
        if second != first {
            self.seek(second);
        }
    }

    /// Puts one side into a session and tells it.
    fn introduce(
        &mut self,
        session: SessionId,
        id: SeatId,
        partner: SeatId,
        is_initiator: bool,
        ice: &mut impl IceServers,
    ) {
        self.seats.get_mut(id).state = State::Paired { session, partner };
        let seat = self.seats.get(id);
        let (to, grant) = (seat.connection, ice.issue(seat.connection, &seat.user));
        let partner = self.seats.get(partner).user.clone();
        self.send(
            to,
            &ServerMessage::MatchFound {
                session_id: session,
                partner_id: &partner,
                is_initiator,
                ice_servers: &grant.servers,
                ice_ttl: grant.ttl.as_secs(),
            },
        );
    }

    /// Passes a signal on, as it is, to the partner in the sender's own session and to nobody else.
    pub(super) fn signal(
        &mut self,
        from: SeatId,
        session: Option<SessionId>,
        signal: &RawValue,
    ) -> Result<(), Refusal> {
        match self.seats.get(from).state {
            State::Paired { session: live, partner } if session == Some(live) => {
                self.tell(partner, &ServerMessage::Signal { session_id: live, signal });
                Ok(())
            }
            _ => Err(Refusal::no_session()),
        }
    }

    /// Ends the session and looks for the next partner in the same pool.
    ///
    /// When the partner was faster, the session is over but the wish is the same: the skipper is queued if
    /// it is idle, and otherwise is where it wanted to be.
    pub(super) fn skip(
        &mut self,
        now: Duration,
        id: SeatId,
        session: Option<SessionId>,
    ) -> Result<(), Refusal> {
        let seat = self.seats.get(id);
        let asks = match seat.state {
            State::Paired { session: live, .. } => session == Some(live),
            State::Idle => session.is_some() && session == seat.last_session,
            State::Waiting(_) => false,
        };
        if asks {
            let (connection, user) = (seat.connection, seat.user.clone());
            self.afford(now, connection, Wish::Skip, &user)?;
        }
        self.end(now, id, session, EndReason::Skipped)?;
        if asks {
            self.enqueue(now, id);
        }
        Ok(())
    }

    /// Ends the session; one that the partner has just ended is ended already.
    pub(super) fn end_session(
        &mut self,
        now: Duration,
        id: SeatId,
        session: Option<SessionId>,
    ) -> Result<(), Refusal> {
        self.end(now, id, session, EndReason::Ended)
    }

    fn end(
        &mut self,
        now: Duration,
        id: SeatId,
        session: Option<SessionId>,
        reason: EndReason,
    ) -> Result<(), Refusal> {
        let session = session.ok_or_else(Refusal::no_session)?;
        let seat = self.seats.get(id);
        match seat.state {
            State::Paired { session: live, .. } if session == live => {
                self.part(now, session, Some(id), reason);
                Ok(())
            }
            _ if seat.last_session == Some(session) => Ok(()),
            _ => Err(Refusal::no_session()),
        }
    }

    /// A session has had its time: neither side left, so both are told.
    pub(super) fn expire(&mut self, now: Duration, session: SessionId) {
        self.part(now, session, None, EndReason::Expired);
    }

    /// Ends a session that is live. `leaver` knows and is not told.
    pub(super) fn part(
        &mut self,
        now: Duration,
        session: SessionId,
        leaver: Option<SeatId>,
        reason: EndReason,
    ) {
        let ended = self.sessions.end(session);
        for id in ended.sides {
            let seat = self.seats.get_mut(id);
            seat.state = State::Idle;
            seat.last_session = Some(session);
            // Who hears `shutting_down` next is not invited to look for somebody else.
            if leaver != Some(id) && reason != EndReason::Shutdown {
                self.tell(id, &ServerMessage::PartnerLeft { session_id: session, reason });
            }
        }
        let lasted = now.saturating_sub(ended.since);
        self.event(Event::SessionEnded { reason, lasted });
    }
}
