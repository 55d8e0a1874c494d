//! Coming, going, and being alive.

use std::sync::Arc;
use std::time::Duration;

use super::{Hub, Link, State};
use crate::refusal::{ErrorCode, Refusal};
use crate::timers::Timer;
use crate::{CloseCode, ConnectionId, EndReason, Event, Output};

impl Hub {
    pub(super) fn admit(&mut self, now: Duration, id: ConnectionId) {
        let wake = now.saturating_add(self.config.heartbeat.min(self.config.heartbeat_timeout));
        let earlier = self.links.insert(id, Link::new(now, wake));
        debug_assert!(earlier.is_none(), "connection ids are used once");
        self.timers.arm(wake, Timer::Heartbeat(id));
        self.event(Event::Connected);
        if self.draining {
            self.turn_away(now, id);
        }
    }

    /// Counts a message of `len` bytes, and closes a connection that sends too much. False if it is not to be read.
    pub(super) fn accept(&mut self, now: Duration, id: ConnectionId, len: usize) -> bool {
        let Some(link) = self.links.get_mut(&id) else { return false };
        link.last_heard = now;
        if len > self.config.max_message {
            self.close(now, id, CloseCode::MessageTooBig);
            return false;
        }
        let allowed = link.messages.take(now, self.config.messages, 1)
            && link.bytes.take(now, self.config.bytes, len);
        if !allowed {
            self.refuse(id, &Refusal::new(ErrorCode::Flood, "more than you may send"));
            self.close(now, id, CloseCode::Flood);
        }
        allowed
    }

    /// Binds a user to a connection, and sends away the one that had it before.
    pub(super) fn take_over(&mut self, now: Duration, id: ConnectionId, user: &Arc<str>) {
        if let Some(earlier) = self.users.insert(user.clone(), id) {
            self.refuse(
                earlier,
                &Refusal::new(ErrorCode::Replaced, "this user has connected from elsewhere"),
            );
            self.close(now, earlier, CloseCode::Replaced);
        }
    }

    pub(super) fn turn_away(&mut self, now: Duration, id: ConnectionId) {
        self.refuse(id, &Refusal::new(ErrorCode::ShuttingDown, "the server is stopping"));
        self.close(now, id, CloseCode::GoingAway);
    }

    /// Pings, or gives up on, a connection whose heartbeat timer has fired.
    pub(super) fn heartbeat(&mut self, now: Duration, id: ConnectionId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let dead_at = link.last_heard.saturating_add(self.config.heartbeat_timeout);
        if now >= dead_at {
            return self.close(now, id, CloseCode::HeartbeatTimeout);
        }
        if now >= link.last_ping.saturating_add(self.config.heartbeat) {
            link.last_ping = now;
            self.outputs.push_back(Output::Ping { to: id });
        }
        link.wake = dead_at.min(link.last_ping.saturating_add(self.config.heartbeat));
        self.timers.arm(link.wake, Timer::Heartbeat(id));
    }

    /// Closes a connection and forgets it, before its client has a chance to say more.
    fn close(&mut self, now: Duration, id: ConnectionId, code: CloseCode) {
        self.event(Event::Closed(code));
        self.outputs.push_back(Output::Close { to: id, code });
        self.leave(
            now,
            id,
            match code {
                CloseCode::Replaced => EndReason::Replaced,
                CloseCode::GoingAway => EndReason::Shutdown,
                _ => EndReason::Disconnected,
            },
        );
    }

    /// Forgets a connection that is gone; one that is forgotten already is no news.
    pub(super) fn forget(&mut self, now: Duration, id: ConnectionId) {
        if self.links.contains_key(&id) {
            self.leave(now, id, EndReason::Disconnected);
        }
    }

    fn leave(&mut self, now: Duration, id: ConnectionId, reason: EndReason) {
        self.leave_queue(id);
        if let Some(State::Paired { session, .. }) = self.links.get(&id).map(|link| link.state) {
            self.part(now, session, Some(id), reason);
        }
        let link = self.links.remove(&id).expect("callers have looked it up");
        self.timers.disarm(link.wake, Timer::Heartbeat(id));
        if let Some(identity) = link.identity
            && self.users.get(&identity.user) == Some(&id)
        {
            self.users.remove(&identity.user);
        }
        self.event(Event::Disconnected);
    }
}
