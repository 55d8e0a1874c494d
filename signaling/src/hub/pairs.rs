//! Two users together.

use std::time::Duration;

use serde_json::value::RawValue;

use super::relations::Met;
use super::sessions::{Member, OnRecord, Session, Side};
use super::{Hub, SeatId, State};
use crate::budgets::Wish;
use crate::refusal::Refusal;
use crate::tokens::{PairClaim, Role};
use crate::wire::{Match, ServerMessage, SessionRef};
use crate::{
    EndReason, Event, IceServers, MatchRequest, NodeId, Output, PartnerNews, Protocol, Record,
    RemotePartner, SessionId, TicketId,
};

/// On which occasion somebody is told of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    First,
    /// It has lost what it was told before.
    Again {
        partner_away: bool,
    },
}

impl Hub {
    /// Two who are here and there begin a session. Both tickets are live.
    pub(super) fn pair(
        &mut self,
        now: Duration,
        first: TicketId,
        second: TicketId,
        ice: &mut impl IceServers,
    ) {
        let seats = [first, second].map(|ticket| self.end_wait(now, ticket));
        self.unite(now, seats, ice);
    }

    /// Two who are here and wait for nobody any more begin a session, the initiator first.
    pub(super) fn unite(&mut self, now: Duration, seats: [SeatId; 2], ice: &mut impl IceServers) {
        let session = self.sessions.new_id();
        let members = seats.map(|seat| self.member(seat));
        self.begin(now, session, members);
        for (seat, role) in seats.into_iter().zip([Role::Initiator, Role::Answerer]) {
            self.seats.get_mut(seat).state = State::Paired { session, role };
        }
        for seat in seats {
            self.tell_match(now, seat, Told::First, ice);
        }
    }

    /// A ticket of ours meets somebody at another node. Both nodes know the session by the same id.
    pub(super) fn pair_with(
        &mut self,
        now: Duration,
        ticket: TicketId,
        (session, role): (SessionId, Role),
        RemotePartner { node, user, protocol }: RemotePartner,
        ice: &mut impl IceServers,
    ) {
        // Whoever left or stopped while the match was on its way is not met; who is only away looks on when it is back.
        if self.draining.is_some()
            || self.reached_by(ticket).is_none_or(|own| self.are_apart(&own, &user))
            || self.sessions.find(session).is_some()
        {
            let news = PartnerNews::Left(EndReason::Disconnected);
            return self.outputs.push_back(Output::ToNode { node, session, news });
        }
        self.requests.push_back(MatchRequest::Unseek(ticket));
        let seat = self.end_wait(now, ticket);
        let mut members = [self.member(seat), Member { side: Side::There(node), user, protocol }];
        if role == Role::Answerer {
            members.reverse();
        }
        self.begin(now, session, members);
        self.seats.get_mut(seat).state = State::Paired { session, role };
        self.tell_match(now, seat, Told::First, ice);
    }

    /// Two have met. What two nodes have of it is put on record by the initiator's.
    fn begin(&mut self, now: Duration, session: SessionId, members: [Member; 2]) {
        let users = members.each_ref().map(|member| member.user.clone());
        if let Side::Here(_) = members[0].side {
            self.record(Record::SessionStarted { session, users });
        }
        self.sessions.begin(now, self.config.session_lifetime, (session, now), members);
        self.event(Event::SessionStarted);
    }

    fn end_wait(&mut self, now: Duration, ticket: TicketId) -> SeatId {
        let (seat, since) = self.seats.end_ticket(ticket).expect("the ticket is live");
        self.event(Event::Matched { waited: now.saturating_sub(since) });
        seat
    }

    /// Tells one side of its session.
    pub(super) fn tell_match(
        &mut self,
        now: Duration,
        id: SeatId,
        told: Told,
        ice: &mut impl IceServers,
    ) {
        let State::Paired { session, role } = self.seats.get(id).state else { return };
        let may_have = match told {
            // A join or a skip has paid for it.
            Told::First => true,
            Told::Again { .. } => self.afford_ice(now, id).is_ok(),
        };
        let grant = may_have.then(|| self.lease_ice(now, id, ice)).flatten().unwrap_or_default();
        let seat = self.seats.get(id);
        let since = self.sessions.get(session).since;
        let partner = self.sessions.get(session).member(role.other());
        let (partner_id, partner_protocol) = (partner.user.clone(), partner.protocol);
        let counts = seat.protocol() == Protocol::Resumable;
        let claim = |users| PairClaim::new(now, session, role, users, &seat.pool).begun(since);
        let sign = |users| self.signer.sign(&claim(users));
        let token = counts.then(|| sign([&*seat.user, &*partner_id])).flatten();
        let of = Match {
            session_id: session,
            partner_id: &partner_id,
            is_initiator: role == Role::Initiator,
            ice_servers: &grant.servers,
            ice_ttl: grant.ttl.as_secs(),
            partner_protocol: counts.then_some(partner_protocol.number()),
            pair_token: token.as_deref(),
        };
        match told {
            Told::First => self.tell(id, &ServerMessage::MatchFound(of)),
            Told::Again { partner_away } => {
                self.tell(id, &ServerMessage::Rejoined { of, partner_away });
            }
        }
    }

    /// Passes a signal on, as it is, to the partner in the sender's own session and to nobody else.
    pub(super) fn signal(
        &mut self,
        from: SeatId,
        session: SessionRef,
        signal: &RawValue,
    ) -> Result<(), Refusal> {
        let State::Paired { session: live, role } = self.seats.get(from).state else {
            return Err(Refusal::no_session());
        };
        if !session.means(live) {
            return Err(Refusal::no_session());
        }
        match self.sessions.get(live).member(role.other()).side {
            Side::Here(partner) => {
                self.tell(partner, &ServerMessage::Signal { session_id: live, signal });
            }
            Side::There(node) => {
                let news = PartnerNews::Signal(signal.get().into());
                self.outputs.push_back(Output::ToNode { node, session: live, news });
            }
        }
        Ok(())
    }

    /// Tells a side's partner, wherever that is.
    pub(super) fn tell_partner(&mut self, session: SessionId, of: Role, news: PartnerNews) {
        match self.sessions.get(session).member(of.other()).side {
            Side::Here(partner) => self.hear_of_partner(partner, session, &news),
            Side::There(node) => self.outputs.push_back(Output::ToNode { node, session, news }),
        }
    }

    fn hear_of_partner(&mut self, id: SeatId, session_id: SessionId, news: &PartnerNews) {
        match news {
            PartnerNews::Signal(signal) => {
                // What another node sends has been read there.
                if let Ok(signal) = serde_json::from_str::<&RawValue>(signal) {
                    self.tell(id, &ServerMessage::Signal { session_id, signal });
                }
            }
            PartnerNews::Message(text) => {
                self.tell(id, &ServerMessage::Message { session_id, text })
            }
            // A client of the old wire knows of no coming back.
            _ if self.seats.get(id).protocol() == Protocol::Plain => {}
            PartnerNews::Away => self.tell(id, &ServerMessage::PartnerAway { session_id }),
            PartnerNews::Back => self.tell(id, &ServerMessage::PartnerBack { session_id }),
            PartnerNews::Left(_) => unreachable!("whoever leaves parts"),
        }
    }

    /// Another node has news of a side that it has.
    pub(super) fn hear_from_node(
        &mut self,
        now: Duration,
        from: NodeId,
        session: SessionId,
        news: PartnerNews,
    ) {
        let Some(sides) = self.sessions.find(session).map(|session| session.sides()) else {
            return;
        };
        let theirs = sides.into_iter().find(|(_, side)| *side == Side::There(from));
        match (theirs, news) {
            (None, _) => {}
            (Some((role, _)), PartnerNews::Left(reason)) => {
                self.part(now, session, Some(role), reason);
            }
            (Some((role, _)), news) => self.tell_partner(session, role, news),
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
        session: SessionRef,
    ) -> Result<(), Refusal> {
        let seat = self.seats.get(id);
        let last = seat.last_session.is_some_and(|last| session.means(last));
        let asks = match seat.state {
            State::Paired { session: live, .. } => session.means(live),
            State::Idle => last,
            State::Hosting(_) | State::Knocking(_) => last || session == SessionRef::Mine,
            State::Waiting(_) => false,
        };
        if !asks {
            return self.end(now, id, session, EndReason::Skipped);
        }
        let (connection, user) = (seat.connection(), seat.user.clone());
        self.may_meet(now, &user)?;
        self.afford(now, connection, Wish::Skip, &user)?;
        self.leave_all(now, id);
        self.enqueue(now, id, now);
        Ok(())
    }

    /// Ends the session; one that the partner has just ended is ended already.
    pub(super) fn end_session(
        &mut self,
        now: Duration,
        id: SeatId,
        session: SessionRef,
    ) -> Result<(), Refusal> {
        self.end(now, id, session, EndReason::Ended)
    }

    fn end(
        &mut self,
        now: Duration,
        id: SeatId,
        session: SessionRef,
        reason: EndReason,
    ) -> Result<(), Refusal> {
        let seat = self.seats.get(id);
        match seat.state {
            State::Paired { session: live, role } if session.means(live) => {
                self.part(now, live, Some(role), reason);
                Ok(())
            }
            _ if seat.last_session.is_some_and(|last| session.means(last)) => Ok(()),
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
        leaver: Option<Role>,
        reason: EndReason,
    ) {
        let mut ended = self.sessions.end(now, session, reason);
        self.record_end(now, session, &ended, leaver, reason);
        for (role, side) in ended.sides() {
            let knows = leaver == Some(role);
            let reported = *ended.reported_by(role);
            let [user, partner] = [role, role.other()].map(|role| ended.member(role).user.clone());
            let met = Met { session, user: partner, parted: now, reported };
            if let Side::Here(_) = side {
                self.relations.acquaintances.parted(&user, met);
            }
            match side {
                Side::Here(id) => {
                    self.seats.lease_ice(id, None);
                    let seat = self.seats.get_mut(id);
                    seat.state = State::Idle;
                    seat.last_session = Some(session);
                    // Who hears that the server stops is not invited to look for somebody else.
                    if !knows && reason != EndReason::Shutdown {
                        self.tell(id, &ServerMessage::PartnerLeft { session_id: session, reason });
                    }
                }
                Side::There(node) if !knows => {
                    let news = PartnerNews::Left(reason);
                    self.outputs.push_back(Output::ToNode { node, session, news });
                }
                Side::There(_) => {}
            }
        }
        let lasted = now.saturating_sub(ended.since);
        self.event(Event::SessionEnded { reason, lasted });
    }

    /// Once for each session, by the node of its initiator. One that a server leaves because it stops goes on where
    /// those who can come back put it together again, and ends on record there.
    fn record_end(
        &mut self,
        now: Duration,
        session: SessionId,
        ended: &Session,
        leaver: Option<Role>,
        reason: EndReason,
    ) {
        let members = [Role::Initiator, Role::Answerer].map(|role| ended.member(role));
        let goes_on = reason == EndReason::Shutdown
            && members.iter().any(|member| member.protocol == Protocol::Resumable);
        let is_ours = matches!(members[0].side, Side::Here(_));
        if ended.end == OnRecord::Already || goes_on || !is_ours {
            return;
        }
        let by = leaver.filter(|_| reason != EndReason::Shutdown);
        self.record(Record::SessionEnded {
            session,
            users: ended.users(),
            reason,
            by: by.map(|role| ended.member(role).user.clone()),
            lasted: now.saturating_sub(ended.since),
            relayed: ended.relayed,
        });
    }
}
