//! Coming, and coming back.

use std::time::Duration;

use super::pairs::Told;
use super::seats::{Home, NewSeat, Reached};
use super::sessions::{Member, Side};
use super::story::Story;
use super::{Hub, SeatId, State};
use crate::refusal::Refusal;
use crate::tokens::{PairClaim, TokenHash};
use crate::wire::{Hello, RestartReason, Resume, ServerMessage};
use crate::{
    CloseCode, ConnectionId, EndReason, Event, IceServers, Naming, Output, Outside, PartnerNews,
    Protocol, Return, SessionId,
};

/// How long somebody who has a name that another wants may take to show that it is there.
const SHOW_LIFE: Duration = Duration::from_secs(5);

impl Hub {
    /// `hello`: somebody comes, or comes back.
    pub(super) fn hello(
        &mut self,
        now: Duration,
        id: ConnectionId,
        hello: Hello,
        outside: &mut impl Outside,
    ) -> Result<(), Refusal> {
        let Hello { whom, resume, pair_token } = hello;
        let user = self.who(now, id, whom, outside)?;
        let pair = pair_token.and_then(|token| self.signer.verify::<PairClaim>(now, &token));
        let pair = pair.filter(|pair| *pair.user == *user);
        let found = resume.as_ref().map(|resume| self.find_seat(resume, &user));
        if let (Some(resume), Some(Ok(seat))) = (&resume, &found) {
            let how = self.come_back(now, id, *seat, resume, outside);
            // What it hears with all else it has missed is not said again.
            let last = self.seats.get(*seat).last_session.filter(|_| how == Return::Resumed);
            let pair = pair.filter(|pair| last != Some(pair.session));
            // Its seat has lost the session that the token is for, to a restart of this server or at another one.
            return self.rejoin(now, *seat, pair, outside);
        }
        let used_up = matches!(found, Some(Err(RestartReason::Expired)));
        if let Some(owner) = self.seats.of_user(&user).filter(|_| used_up) {
            self.is_late(now, owner)?;
        }
        let seat = match pair.as_ref().and_then(|pair| self.side_of(pair)) {
            Some(seat) => seat,
            None => {
                // Whoever can prove that it was somebody need not come from where that one was.
                match (&pair, self.seats.of_user(&user)) {
                    (Some(_), Some(_)) => self.replace(now, &user),
                    _ => self.claim_name(now, id, &user)?,
                }
                self.sit_down(id, &user, Protocol::Resumable)
            }
        };
        let known = self.connections.seat(id) != Some(seat);
        if known {
            self.take_over(now, id, seat);
        }
        let used = self.seats.get(seat).story().map(|story| story.token);
        self.seats.restart(seat);
        self.welcome(id, seat, used, false);
        if let Some(Err(reason)) = found {
            self.send(id, &ServerMessage::Restart { reason });
        }
        if known {
            self.event(Event::Returned(Return::Rejoined));
            self.tell_state(now, seat, outside);
        } else if pair.is_none() && found.is_some() {
            self.event(Event::Returned(Return::TooLate));
        }
        self.rejoin(now, seat, pair, outside)
    }

    /// Somebody comes by a token that is used up. While its user is here by a newer one, this is what it said by an
    /// earlier socket and has come late, or a copy of its page: neither sends it away.
    fn is_late(&mut self, now: Duration, owner: SeatId) -> Result<(), Refusal> {
        let seat = self.seats.get(owner);
        let knows_newest = seat.story().is_some_and(|story| story.earlier_token.is_none());
        let Some(connection) = seat.connection().filter(|_| knows_newest) else { return Ok(()) };
        self.probe(now, connection, SHOW_LIFE);
        Err(Refusal::user_taken(SHOW_LIFE))
    }

    /// The seat that a resume token leads to, or why there is none.
    fn find_seat(&self, resume: &Resume, user: &str) -> Result<SeatId, RestartReason> {
        if resume.epoch != self.epoch {
            return Err(RestartReason::ServerRestarted);
        }
        let seat = self.seats.of_token(TokenHash::of(&resume.token));
        seat.filter(|seat| *self.seats.get(*seat).user == *user).ok_or(RestartReason::Expired)
    }

    /// The seat, here, of the side that a pair token is for.
    fn side_of(&self, pair: &PairClaim) -> Option<SeatId> {
        match self.sessions.find(pair.session)?.member(pair.role).side {
            Side::Here(seat) if *self.seats.get(seat).user == *pair.user => Some(seat),
            Side::Here(_) | Side::There(_) => None,
        }
    }

    /// Somebody comes back to a seat that is still there, and hears all it has missed, or how things are.
    fn come_back(
        &mut self,
        now: Duration,
        id: ConnectionId,
        seat: SeatId,
        resume: &Resume,
        ice: &mut impl IceServers,
    ) -> Return {
        self.take_over(now, id, seat);
        let used = TokenHash::of(&resume.token);
        let story = self.seats.story_mut(seat).expect("only a seat with a story has a token");
        story.anew &= used != story.token;
        let missed: Result<Vec<_>, _> = match resume.received {
            None => Err(RestartReason::StateAsked),
            Some(_) if story.anew => Err(RestartReason::MissedTooMuch),
            Some(received) => match story.after(received) {
                Some(missed) => Ok(missed.cloned().collect()),
                None => Err(RestartReason::MissedTooMuch),
            },
        };
        match missed {
            Ok(missed) => {
                self.welcome(id, seat, Some(used), true);
                for (kind, text) in missed {
                    self.outputs.push_back(Output::Send { to: id, kind, text });
                }
                self.event(Event::Returned(Return::Resumed));
                self.renew_old_ice(now, seat, ice);
                Return::Resumed
            }
            Err(reason) => {
                self.seats.restart(seat);
                self.welcome(id, seat, Some(used), false);
                self.send(id, &ServerMessage::Restart { reason });
                self.event(Event::Returned(Return::Restarted));
                self.tell_state(now, seat, ice);
                Return::Restarted
            }
        }
    }

    /// A connection serves a seat from now on; the one that did is closed.
    fn take_over(&mut self, now: Duration, id: ConnectionId, seat: SeatId) {
        let reached = self.seats.get(seat).reached;
        self.seats.set_reached(seat, Reached::By(id));
        self.seats.get_mut(seat).home = Home::At(self.connections.origin(id));
        self.connections.set_seat(id, seat);
        match reached {
            Reached::By(earlier) => self.close(now, earlier, CloseCode::Replaced),
            Reached::Away(_) => self.back(seat),
        }
    }

    /// Somebody whose connection was gone is there again.
    fn back(&mut self, seat: SeatId) {
        match self.seats.get(seat).state {
            State::Idle | State::Hosting(_) | State::Knocking(_) => {}
            State::Waiting(waiting) => self.seek(waiting.ticket),
            State::Paired { session, role } => {
                self.tell_partner(session, role, PartnerNews::Back);
            }
        }
    }

    fn welcome(&mut self, id: ConnectionId, seat: SeatId, used: Option<TokenHash>, resumed: bool) {
        let (token, hash) = self.resume_tokens.next();
        if let Some(used) = used {
            self.seats.rotate(seat, used, hash);
        }
        let received = self.seats.get(seat).story().map_or(0, |story| story.heard);
        let window = self.config.resume_window.as_millis();
        let epoch = self.epoch.clone();
        let welcome = ServerMessage::Welcome {
            epoch: &epoch,
            resume_token: &token,
            resumed,
            received,
            resume_window_ms: u64::try_from(window).unwrap_or(u64::MAX),
            ping_ms: Default::default(),
        };
        self.send(id, &welcome);
    }

    /// Says what is the case to somebody who begins anew.
    fn tell_state(&mut self, now: Duration, seat: SeatId, ice: &mut impl IceServers) {
        match self.seats.get(seat).state {
            State::Idle | State::Knocking(_) => {}
            State::Hosting(_) => self.tell_room(now, seat),
            State::Waiting(waiting) => {
                if let Some(place) = waiting.place {
                    self.tell_place(seat, place);
                }
            }
            State::Paired { session, role } => {
                let partner = self.sessions.get(session).member(role.other()).side;
                let partner_away = match partner {
                    Side::Here(partner) => self.seats.get(partner).connection().is_none(),
                    Side::There(_) => false,
                };
                self.tell_match(now, seat, Told::Again { partner_away }, ice);
            }
        }
    }

    /// Puts a session together again of which somebody idle can prove that it is a side.
    fn rejoin(
        &mut self,
        now: Duration,
        seat: SeatId,
        pair: Option<PairClaim>,
        ice: &mut impl IceServers,
    ) -> Result<(), Refusal> {
        let (Some(pair), State::Idle) = (pair, self.seats.get(seat).state) else { return Ok(()) };
        let since = pair.since().min(now);
        let PairClaim { session, role, partner, pool, .. } = pair;
        // A partner that is here and does something else has left. So has one that could not come back in any case.
        let there = self.seats.of_user(&partner);
        let is_over = self.sessions.has_ended(session)
            || self.sessions.find(session).is_some()
            || there.is_some_and(|partner| !self.is_left_over(partner, session))
            || self.are_apart(&self.seats.get(seat).user, &partner)
            || [&*self.seats.get(seat).user, &partner].map(|user| self.is_barred(now, user))
                != [false; 2]
            || self.config.resume_window.is_zero();
        if is_over {
            self.seats.get_mut(seat).last_session = Some(session);
            let reason = EndReason::Ended;
            self.tell(seat, &ServerMessage::PartnerLeft { session_id: session, reason });
            return Ok(());
        }
        let pool = self.shared_pool(&pool);
        let other = there.unwrap_or_else(|| {
            let (_, hash) = self.resume_tokens.next();
            self.seats.take(NewSeat {
                user: partner.into(),
                pool: pool.clone(),
                reached: Reached::Away(now.saturating_add(self.config.resume_window)),
                home: Home::Unknown,
                story: Some(Story::new(hash)),
            })
        });
        self.seats.get_mut(seat).pool = pool;
        let mut members = [seat, other].map(|seat| self.member(seat));
        if role.index() == 1 {
            members.reverse();
        }
        self.sessions.begin(now, self.config.session_lifetime, (session, since), members);
        self.seats.get_mut(seat).state = State::Paired { session, role };
        self.seats.get_mut(other).state = State::Paired { session, role: role.other() };
        self.event(Event::SessionStarted);
        self.event(Event::Returned(Return::Rejoined));
        for side in [Some(seat), there].into_iter().flatten() {
            self.tell_state(now, side, ice);
        }
        Ok(())
    }

    /// Whether somebody does nothing since its partner did not come back to this session. Their media may flow all the
    /// same.
    fn is_left_over(&self, seat: SeatId, session: SessionId) -> bool {
        let seat = self.seats.get(seat);
        seat.state == State::Idle
            && seat.last_session == Some(session)
            && seat.protocol() == Protocol::Resumable
    }

    pub(super) fn member(&self, id: SeatId) -> Member {
        let seat = self.seats.get(id);
        Member { side: Side::Here(id), user: seat.user.clone(), protocol: seat.protocol() }
    }

    /// Makes a user's name free for somebody who has but said it. In open mode a name is no password, and partners are
    /// shown it: so only whoever comes from where its owner is takes it over, and one that is elsewhere keeps it for as
    /// long as it shows life. With tokens whoever says a name has proved it.
    pub(super) fn claim_name(
        &mut self,
        now: Duration,
        id: ConnectionId,
        user: &str,
    ) -> Result<(), Refusal> {
        let Some(seat) = self.seats.of_user(user) else { return Ok(()) };
        let seat = self.seats.get(seat);
        match (seat.home, seat.reached) {
            _ if self.config.naming == Naming::Tokens => {}
            (Home::At(origin), _) if origin == self.connections.origin(id) => {}
            (Home::Unknown, _) => {}
            (_, Reached::By(owner)) => {
                self.probe(now, owner, SHOW_LIFE);
                return Err(Refusal::user_taken(SHOW_LIFE));
            }
            (_, Reached::Away(until)) => {
                return Err(Refusal::user_taken(until.saturating_sub(now)));
            }
        }
        self.replace(now, user);
        Ok(())
    }

    /// Whoever is behind a connection has said who it is, and nobody else is that.
    pub(super) fn sit_down(&mut self, id: ConnectionId, user: &str, protocol: Protocol) -> SeatId {
        let story = match protocol {
            Protocol::Plain => None,
            Protocol::Resumable => Some(Story::new(self.resume_tokens.next().1)),
        };
        let seat = self.seats.take(NewSeat {
            user: user.into(),
            pool: self.global.clone(),
            reached: Reached::By(id),
            home: Home::At(self.connections.origin(id)),
            story,
        });
        self.connections.set_seat(id, seat);
        seat
    }
}
