//! Coming, going, and being read.

use std::time::Duration;

use super::connections::Unread;
use super::{Hub, SeatId, State};
use crate::refusal::{ErrorCode, Refusal};
use crate::{CloseCode, ConnectionId, EndReason, Event, Output};

impl Hub {
    /// Counts a message of `len` bytes, and closes a connection that sends too much. `None` if it is not to be read;
    /// else who sits there, if anybody.
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
        self.refuse(id, &Refusal::new(ErrorCode::ShuttingDown, "the server is stopping"));
        self.close(now, id, CloseCode::GoingAway);
    }

    /// Sends away whoever has a user's name, so that it is free.
    pub(super) fn replace(&mut self, now: Duration, user: &str) {
        let Some(seat) = self.seats.of_user(user) else { return };
        let earlier = self.seats.get(seat).connection;
        let message = "this user has connected from elsewhere";
        self.refuse(earlier, &Refusal::new(ErrorCode::Replaced, message));
        self.close(now, earlier, CloseCode::Replaced);
    }

    /// Closes a connection and forgets it, before its client has a chance to say more.
    pub(super) fn close(&mut self, now: Duration, id: ConnectionId, code: CloseCode) {
        self.event(Event::Closed(code));
        self.outputs.push_back(Output::Close { to: id, code });
        let reason = match code {
            CloseCode::Replaced => EndReason::Replaced,
            CloseCode::GoingAway => EndReason::Shutdown,
            _ => EndReason::Disconnected,
        };
        self.leave(now, id, reason);
    }

    /// Forgets a connection that is gone; one that is forgotten already is no news.
    pub(super) fn forget(&mut self, now: Duration, id: ConnectionId) {
        if self.connections.contains(id) {
            self.leave(now, id, EndReason::Disconnected);
        }
    }

    /// A connection goes, and today its seat with it.
    fn leave(&mut self, now: Duration, id: ConnectionId, reason: EndReason) {
        if let Some(seat) = self.connections.close(id) {
            self.leave_queue(seat);
            if let State::Paired { session, .. } = self.seats.get(seat).state {
                self.part(now, session, Some(seat), reason);
            }
            self.seats.leave(seat);
        }
        self.event(Event::Disconnected);
    }
}
