//! The hub and the matcher: arbitrary text between messages that mean something, from connections
//! that come and go.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::Arbitrary;
use hairpin_matcher::{Matcher, Outcome, Ticket, TicketId};
use hairpin_signaling::{Config, ConnectionId, Hub, IceGrant, IceServers, Output};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// One thing that happens, to one of a few connections.
#[derive(Arbitrary, Debug)]
enum Step {
    Connect(u8),
    Disconnect(u8),
    Text { from: u8, text: String },
    Binary { from: u8 },
    Pong { from: u8 },
    Join { from: u8, user: u8, pool: u8 },
    Leave { from: u8, user: u8 },
    Signal { from: u8, session: u8, target: u8, signal: String },
    Skip { from: u8, session: u8 },
    End { from: u8, session: u8 },
    Wait { seconds: u8 },
}

fuzz_target!(|steps: Vec<Step>| {
    let mut world = World::default();
    for step in steps {
        world.run(step);
    }
    world.close();
});

struct World {
    hub: Hub,
    matcher: Matcher,
    now: Duration,
    connected: BTreeSet<ConnectionId>,
    /// Every session there was, in order, with its two sides.
    sessions: Vec<(String, Vec<ConnectionId>)>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            hub: Hub::new(Config::default(), [0; 2]),
            matcher: Matcher::new(),
            now: Duration::ZERO,
            connected: BTreeSet::new(),
            sessions: Vec::new(),
        }
    }
}

impl World {
    fn run(&mut self, step: Step) {
        let session = |number: u8| {
            let known = self.sessions.len().max(1);
            self.sessions.get(usize::from(number) % known).map(|(id, _)| id.clone())
        };
        match step {
            Step::Connect(id) => {
                if self.connected.insert(connection(id)) {
                    self.hub.connect(self.now, connection(id));
                }
            }
            Step::Disconnect(id) => {
                self.connected.remove(&connection(id));
                self.hub.disconnect(self.now, connection(id));
            }
            Step::Text { from, text } => {
                self.hub.handle_message(self.now, connection(from), &text);
            }
            Step::Binary { from } => self.hub.handle_binary(self.now, connection(from)),
            Step::Pong { from } => self.hub.handle_pong(self.now, connection(from)),
            Step::Join { from, user, pool } => {
                let data = json!({ "userId": name(user), "matchMode": name(pool % 2) });
                self.say(from, "join_queue", data);
            }
            Step::Leave { from, user } => {
                self.say(from, "leave_queue", json!({ "userId": name(user) }));
            }
            Step::Signal { from, session: number, target, signal } => {
                let data = json!({
                    "sessionId": session(number), "targetUserId": name(target), "signal": signal,
                });
                self.say(from, "signal", data);
            }
            Step::Skip { from, session: number } => {
                let data = json!({ "sessionId": session(number) });
                self.say(from, "skip", data);
            }
            Step::End { from, session: number } => {
                let data = json!({ "sessionId": session(number) });
                self.say(from, "end_session", data);
            }
            Step::Wait { seconds } => {
                self.now += Duration::from_secs(seconds.into());
                self.hub.handle_timeout(self.now);
                assert!(self.hub.poll_timeout().is_none_or(|next| next > self.now), "overdue");
            }
        }
        self.drain();
    }

    fn say(&mut self, from: u8, kind: &str, data: Value) {
        let text = json!({ "type": kind, "data": data }).to_string();
        self.hub.handle_message(self.now, connection(from), &text);
    }

    fn drain(&mut self) {
        // Who matched in this step, by session.
        let mut matched: BTreeMap<String, Vec<ConnectionId>> = BTreeMap::new();
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Send { to, text } => {
                    assert!(self.connected.contains(&to), "{to:?} is not connected");
                    self.check(to, &text, &mut matched);
                }
                Output::Ping { to } => assert!(self.connected.contains(&to)),
                Output::Close { to, .. } => assert!(self.connected.remove(&to)),
                Output::Seek(seek) => {
                    let id = TicketId(seek.ticket.0);
                    let ticket = Ticket { id, user: seek.user, pool: seek.pool };
                    match self.matcher.insert(self.now, ticket).outcome {
                        Outcome::Matched(pair) => {
                            let [first, second] = [pair.first, pair.second]
                                .map(|side| hairpin_signaling::TicketId(side.id.0));
                            self.hub.matched(self.now, first, second, &mut NoIce);
                        }
                        Outcome::Waiting { position } => self.hub.queued(seek.ticket, position),
                    }
                }
                Output::Unseek(ticket) => {
                    self.matcher.remove(TicketId(ticket.0));
                }
                Output::Event(_) => {}
            }
        }
        for (session, sides) in matched {
            assert_eq!(sides.len(), 2, "a match has two sides: {sides:?}");
            assert_ne!(sides[0], sides[1]);
            self.sessions.push((session, sides));
        }
        assert_eq!(self.hub.queue_len(), self.matcher.len());
        assert_eq!(self.hub.connections(), self.connected.len());
        assert!(2 * self.hub.sessions() + self.hub.queue_len() <= self.connected.len());
    }

    /// What is sent is of the protocol, and a signal stays between the two sides of its session.
    fn check(
        &self,
        to: ConnectionId,
        text: &str,
        matched: &mut BTreeMap<String, Vec<ConnectionId>>,
    ) {
        let message: Value = serde_json::from_str(text).expect("what the hub says is JSON");
        let payload = &message["payload"];
        let session = || payload["sessionId"].as_str().expect("a string").to_owned();
        match message["type"].as_str().expect("a string") {
            "match_found" => {
                assert!(payload["isInitiator"].is_boolean());
                matched.entry(session()).or_default().push(to);
            }
            "signal" => {
                let session = session();
                let (_, sides) =
                    self.sessions.iter().find(|(id, _)| *id == session).expect("it was announced");
                assert!(sides.contains(&to));
            }
            "queued" | "partner_left" | "queue_timeout" | "error" => {}
            other => panic!("the protocol has no {other}"),
        }
    }

    /// When all are gone, nothing is left.
    fn close(mut self) {
        self.hub.drain(self.now);
        self.drain();
        assert!(self.connected.is_empty() && self.matcher.is_empty());
        assert_eq!((self.hub.connections(), self.hub.sessions()), (0, 0));
    }
}

struct NoIce;

impl IceServers for NoIce {
    fn issue(&mut self, _: ConnectionId, _: &str) -> IceGrant {
        IceGrant::default()
    }
}

/// Few connections and few names, so that they meet.
fn connection(number: u8) -> ConnectionId {
    ConnectionId(u64::from(number % 6))
}

fn name(number: u8) -> String {
    format!("n{}", number % 5)
}
