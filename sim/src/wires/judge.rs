//! What must hold, whatever was cut.

use std::time::Duration;

use hairpin_signaling::Departure;
use serde_json::Value;

use super::{Ice, Step, Wires};
use crate::wire_client::{News, State, WireClient};

impl Wires {
    /// What the application hears is each signal once and in order, but where it hears of a restart.
    pub(super) fn read_news(&mut self, client: usize) {
        for news in self.clients[client].wire.take_news() {
            match news {
                News::Met { session, .. } => {
                    let sides = self.sides.entry(session).or_default();
                    sides.insert(client);
                    assert!(sides.len() <= 2, "a session of {sides:?}");
                }
                News::Restart { session } => self.restarted.extend(session),
                News::Signal { session, signal } => self.hear_signal(client, session, &signal),
                News::Left { .. } | News::Goaway(_) => {}
            }
        }
    }

    fn hear_signal(&mut self, client: usize, session: String, signal: &Value) {
        let n = signal["n"].as_u64().expect("a number");
        assert_ne!(signal["from"], *self.clients[client].wire.user());
        let restarted = self.restarted.contains(&session);
        let last = self.heard.entry((session, client)).or_default();
        assert!(n > *last, "u{client} hears {n} after {last}");
        assert!(restarted || n == *last + 1, "u{client} hears {n} after {last} without a restart");
        *last = n;
    }

    /// Lets everybody come back and everything arrive, and looks whether all is well.
    pub fn heal(&mut self) {
        for client in 0..self.clients.len() {
            self.apply(Step::Notice(client));
        }
        for _ in 0..45 {
            for client in 0..self.clients.len() {
                if self.clients[client].socket.is_none() {
                    self.open(client);
                }
                self.act(client, WireClient::ping);
            }
            self.settle();
            self.pass(Duration::from_secs(1));
            self.settle();
        }
        self.check();
    }

    fn check(&self) {
        let hub = self.lobby.hub();
        let states: Vec<_> = self.clients.iter().map(|client| client.wire.state()).collect();
        let waiting = states.iter().filter(|state| ***state == State::Waiting).count();
        let told: Vec<_> = self.clients.iter().map(|client| client.wire.is_settled()).collect();
        assert!(told.iter().all(|told| *told), "all is said and heard: {told:?}");
        assert_eq!((hub.connections(), hub.away()), (states.len(), 0));
        assert_eq!((hub.queue_len(), self.lobby.matcher().offers()), (waiting, 0), "{states:?}");
        assert!(waiting <= 1, "two wait for each other: {states:?}");
        let mut paired = 0;
        for (n, state) in states.iter().enumerate() {
            let State::Paired { session, partner } = state else { continue };
            paired += 1;
            let other = states.iter().position(
                |other| matches!(other, State::Paired { session: theirs, partner } if theirs == session && *partner == format!("u{n}")),
            );
            let other = other.unwrap_or_else(|| panic!("u{n} is alone: {states:?}"));
            assert_eq!(*partner, format!("u{other}"));
            let sent = self.sent.get(&(session.clone(), partner.clone())).copied().unwrap_or(0);
            let heard = self.heard.get(&(session.clone(), n)).copied().unwrap_or(0);
            let complete = heard == sent || self.restarted.contains(session);
            assert!(complete, "u{n} has heard {heard} of {sent}");
        }
        assert_eq!(2 * hub.sessions(), paired, "{states:?}");
    }

    /// Everybody leaves, and nothing is left behind.
    pub fn all_leave(mut self, departure: Departure) {
        let sockets: Vec<_> = self.sockets.keys().copied().collect();
        for socket in sockets {
            self.lose(socket, departure);
        }
        let last = self.now + Duration::from_secs(60);
        while let Some(at) = self.lobby.poll_timeout() {
            self.now = at.max(self.now);
            assert!(self.now <= last, "somebody stays");
            self.lobby.handle_timeout(self.now, &mut Ice);
            self.carry_out();
        }
        let (hub, matcher) = (self.lobby.hub(), self.lobby.matcher());
        let rest = [hub.connections(), hub.sessions(), hub.queue_len(), hub.away(), matcher.len()];
        assert_eq!(rest, [0; 5]);
    }
}
