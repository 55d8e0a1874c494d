//! Being read, and going.

use std::time::Duration;

use super::connections::Unread;
use super::seats::Reached;
use super::{Hub, SeatId, State};
use crate::refusal::{ErrorCode, Refusal};
use crate::{CloseCode, ConnectionId, Departure, EndReason, Event, Output, PartnerNews, Protocol};

impl Hub {
    /// Counts a message of `len` bytes, and closes a connection that sends too much. `None` if it is not to be read; else
    /// who sits behind it.
    pub(super) fn read(
        &mut self,
        now: Duration,
        id: ConnectionId,
        len: usize,
    ) -> Option<Option<SeatId>> {
        match self.connections.count(now, id, len, &self.config) {
            Ok(seat) => return Some(seat),
            Err(Unread::Gone) => {}
            Err(Unread::TooBig) => self.close(now, id, CloseCode::MessageTooBig),
            Err(Unread::Flood) => {
                self.refuse(id, &Refusal::new(ErrorCode::Flood, "more than you may send"));
                self.close(now, id, CloseCode::Flood);
            }
        }
        None
    }

    pub(super) fn turn_away(&mut self, now: Duration, id: ConnectionId) {
        self.refuse(id, &Refusal::shutting_down());
        self.close(now, id, CloseCode::GoingAway);
    }

    /// Sends away whoever has a user's name, so that it is free.
    pub(super) fn replace(&mut self, now: Duration, user: &str) {
        let Some(seat) = self.seats.of_user(user) else { return };
        match self.seats.get(seat).reached {
            Reached::By(earlier) => {
                let message = "this user has connected from elsewhere";
                self.refuse(earlier, &Refusal::new(ErrorCode::Replaced, message));
                self.close(now, earlier, CloseCode::Replaced);
            }
            Reached::Away(_) => self.vacate(now, seat, EndReason::Replaced),
        }
    }

    /// Closes a connection and forgets it, before its client has a chance to say more.
    pub(super) fn close(&mut self, now: Duration, id: ConnectionId, code: CloseCode) {
        self.event(Event::Closed(code));
        self.outputs.push_back(Output::Close { to: id, code });
        let (departure, reason) = match code {
            CloseCode::Replaced => (Departure::Goodbye, EndReason::Replaced),
            CloseCode::TokenExpired => (Departure::Goodbye, EndReason::Ended),
            CloseCode::GoingAway => (Departure::Lost, EndReason::Shutdown),
            code if code.reconnect() => (Departure::Lost, EndReason::Disconnected),
            _ => (Departure::Goodbye, EndReason::Disconnected),
        };
        self.leave(now, id, departure, reason);
    }

    /// Forgets a connection that is gone; one that is forgotten already is no news.
    pub(super) fn forget(&mut self, now: Duration, id: ConnectionId, departure: Departure) {
        if self.connections.contains(id) {
            self.leave(now, id, departure, EndReason::Disconnected);
        }
    }

    /// A connection goes, and with it the seat it serves, unless that is for somebody who may come back.
    fn leave(&mut self, now: Duration, id: ConnectionId, departure: Departure, reason: EndReason) {
        self.identities.forget(id);
        let served = |seat: &SeatId| self.seats.get(*seat).connection() == Some(id);
        if let Some(seat) = self.connections.close(id).filter(served) {
            if departure == Departure::Lost && self.may_come_back(seat) {
                self.go_away(now, seat);
            } else {
                self.vacate(now, seat, reason);
            }
        }
        self.event(Event::Disconnected);
    }

    /// Who can come back, and has something to come back to.
    fn may_come_back(&self, seat: SeatId) -> bool {
        let seat = self.seats.get(seat);
        seat.protocol() == Protocol::Resumable
            && seat.state != State::Idle
            && !self.config.resume_window.is_zero()
    }

    /// A seat is without a connection: it keeps its place in the queue, but is not matched, and its session.
    fn go_away(&mut self, now: Duration, seat: SeatId) {
        let until = now.saturating_add(self.config.resume_window);
        self.seats.set_reached(seat, Reached::Away(until));
        self.event(Event::Away);
        self.withdraw(seat);
        self.stop_knocking(seat);
        // Who has been sent elsewhere comes back there, and so does its partner.
        if let (State::Paired { session, role }, None) =
            (self.seats.get(seat).state, &self.draining)
        {
            self.tell_partner(session, role, PartnerNews::Away);
        }
    }

    /// Somebody has not come back in time.
    pub(super) fn give_up(&mut self, now: Duration, seat: SeatId) {
        let reason = match &self.draining {
            Some(_) => EndReason::Shutdown,
            None => EndReason::Disconnected,
        };
        self.vacate(now, seat, reason);
    }

    /// Ends a seat, whatever its client was doing.
    fn vacate(&mut self, now: Duration, seat: SeatId, reason: EndReason) {
        self.leave_queue(seat);
        if let State::Paired { session, role } = self.seats.get(seat).state {
            self.part(now, session, Some(role), reason);
        }
        self.seats.leave(seat);
    }
}
