//! Two users together.

use std::time::Duration;

use serde_json::value::RawValue;

use super::{Hub, State};
use crate::refusal::Refusal;
use crate::timers::Timer;
use crate::wire::ServerMessage;
use crate::{ConnectionId, EndReason, Event, IceServers, SessionId, TicketId};

/// A live pair. The first side is the initiator.
#[derive(Debug)]
pub(super) struct Session {
    sides: [ConnectionId; 2],
    since: Duration,
    /// When its timer fires.
    until: Duration,
}

impl Hub {
    pub(super) fn pair(
        &mut self,
        now: Duration,
        first: TicketId,
        second: TicketId,
        ice: &mut impl IceServers,
    ) {
        if first == second || ![first, second].iter().all(|id| self.tickets.contains_key(id)) {
            return self.seek_again(first, second);
        }
        let sides = [first, second].map(|ticket| {
            let (id, since) = self.take_ticket(ticket).expect("both tickets have been looked up");
            self.event(Event::Matched { waited: now.saturating_sub(since) });
            id
        });
        let session = self.session_ids.next();
        let until = now.saturating_add(self.config.session_lifetime);
        self.sessions.insert(session, Session { sides, since: now, until });
        self.timers.arm(until, Timer::Session(session));
        self.event(Event::SessionStarted);
        let [initiator, answerer] = sides;
        self.introduce(session, initiator, answerer, true, ice);
        self.introduce(session, answerer, initiator, false, ice);
    }

    /// A match of which a side has left meanwhile: the other one still wants a partner.
    fn seek_again(&mut self, first: TicketId, second: TicketId) {
        if self.tickets.contains_key(&first) {
            self.seek(first);
        }
        if second != first && self.tickets.contains_key(&second) {
            self.seek(second);
        }
    }

    /// Puts one side into a session and tells it.
    fn introduce(
        &mut self,
        session: SessionId,
        id: ConnectionId,
        partner: ConnectionId,
        is_initiator: bool,
        ice: &mut impl IceServers,
    ) {
        let link = self.links.get_mut(&id).expect("who was waiting is connected");
        link.state = State::Paired { session, partner };
        let (user, partner) = (self.user(id), self.user(partner));
        let grant = ice.issue(id, user);
        let text = ServerMessage::MatchFound {
            session_id: session,
            partner_id: partner,
            is_initiator,
            ice_servers: &grant.servers,
            ice_ttl: grant.ttl.as_secs(),
        }
        .encode();
        self.outputs.push_back(crate::Output::Send { to: id, text });
    }

    fn user(&self, id: ConnectionId) -> &str {
        let identity = self.links.get(&id).and_then(|link| link.identity.as_ref());
        &identity.expect("who was waiting is connected and has a name").user
    }

    /// Passes a signal on, as it is, to the partner in the sender's own session and to nobody else.
    pub(super) fn signal(
        &mut self,
        id: ConnectionId,
        session: Option<SessionId>,
        signal: &RawValue,
    ) -> Result<(), Refusal> {
        match self.state(id) {
            State::Paired { session: live, partner } if session == Some(live) => {
                self.send(partner, &ServerMessage::Signal { session_id: live, signal });
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
        id: ConnectionId,
        session: Option<SessionId>,
    ) -> Result<(), Refusal> {
        self.end(now, id, session, EndReason::Skipped)?;
        if self.state(id) == State::Idle {
            self.enqueue(now, id);
        }
        Ok(())
    }

    /// Ends the session; one that the partner has just ended is ended already.
    pub(super) fn end_session(
        &mut self,
        now: Duration,
        id: ConnectionId,
        session: Option<SessionId>,
    ) -> Result<(), Refusal> {
        self.end(now, id, session, EndReason::Ended)
    }

    fn end(
        &mut self,
        now: Duration,
        id: ConnectionId,
        session: Option<SessionId>,
        reason: EndReason,
    ) -> Result<(), Refusal> {
        let session = session.ok_or_else(Refusal::no_session)?;
        match self.state(id) {
            State::Paired { session: live, .. } if session == live => {
                self.part(now, session, Some(id), reason);
                Ok(())
            }
            _ if self.links.get(&id).is_some_and(|link| link.last_session == Some(session)) => {
                Ok(())
            }
            _ => Err(Refusal::no_session()),
        }
    }

    /// A session has had its time: neither side left, so both are told.
    pub(super) fn expire(&mut self, now: Duration, session: SessionId) {
        self.part(now, session, None, EndReason::Expired);
    }

    /// Ends a session. `leaver` knows and is not told.
    pub(super) fn part(
        &mut self,
        now: Duration,
        session: SessionId,
        leaver: Option<ConnectionId>,
        reason: EndReason,
    ) {
        let Some(Session { sides, since, until }) = self.sessions.remove(&session) else { return };
        self.timers.disarm(until, Timer::Session(session));
        for id in sides {
            let link = self.links.get_mut(&id).expect("the sides of a live session are connected");
            link.state = State::Idle;
            link.last_session = Some(session);
            // Who hears `shutting_down` next is not invited to look for somebody else.
            if leaver != Some(id) && reason != EndReason::Shutdown {
                self.send(id, &ServerMessage::PartnerLeft { session_id: session, reason });
            }
        }
        self.event(Event::SessionEnded { reason, lasted: now.saturating_sub(since) });
    }

    fn state(&self, id: ConnectionId) -> State {
        self.links.get(&id).map_or(State::Idle, |link| link.state)
    }
}
