//! The lobby, which is the hub and the matcher: arbitrary text between messages that mean something, from connections
//! that come and go.
#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use arbitrary::Arbitrary;
use hairpin_lobby::Lobby;
use hairpin_signaling::{
    Config, ConnectionId, Departure, IceGrant, IceServers, Keys, MessageKind, Origin, Output,
    Tokens,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// One thing that happens, to one of a few connections.
#[derive(Arbitrary, Debug)]
enum Step {
    Connect(u8),
    Disconnect(u8),
    Text {
        from: u8,
        text: String,
    },
    Binary {
        from: u8,
    },
    Pong {
        from: u8,
    },
    Join {
        from: u8,
        user: u8,
        pool: u8,
    },
    Leave {
        from: u8,
        user: u8,
    },
    Signal {
        from: u8,
        session: u8,
        target: u8,
        signal: String,
    },
    Skip {
        from: u8,
        session: u8,
    },
    End {
        from: u8,
        session: u8,
    },
    Wait {
        seconds: u8,
    },
    /// With tokens that somebody was given, which may be another.
    Hello {
        from: u8,
        user: u8,
        resume: Option<u8>,
        received: Option<u8>,
        pair: Option<u8>,
    },
    /// Whatever a client says of numbers, true or not.
    Numbered {
        from: u8,
        kind: u8,
        id: Option<u8>,
        ack: Option<u64>,
        place: Option<u8>,
    },
    Drain {
        spread: u8,
        grace: u8,
    },
    /// Another hub with the same secret.
    Restart,
}

fuzz_target!(|steps: Vec<Step>| {
    let mut world = World::default();
    for step in steps {
        world.run(step);
    }
    world.close();
});

struct World {
    lobby: Lobby,
    starts: u64,
    draining: bool,
    /// Resume tokens with their epochs, and pair and place tokens.
    resumes: Vec<Value>,
    proofs: Vec<Value>,
    /// Connections that were welcomed: what a seat missed comes again, by another connection.
    welcomed: BTreeSet<ConnectionId>,
    now: Duration,
    connected: BTreeSet<ConnectionId>,
    /// Every session there was, in order, with its two sides.
    sessions: Vec<(String, Vec<ConnectionId>)>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            lobby: lobby(0),
            starts: 0,
            draining: false,
            resumes: Vec::new(),
            proofs: Vec::new(),
            welcomed: BTreeSet::new(),
            now: Duration::from_secs(1_000_000),
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
                    self.lobby.connect(self.now, connection(id), Some(Origin(u64::from(id % 2))));
                }
            }
            Step::Disconnect(id) => {
                self.connected.remove(&connection(id));
                self.welcomed.remove(&connection(id));
                self.lobby.disconnect(self.now, connection(id), Departure::Lost, &mut NoIce);
            }
            Step::Text { from, text } => {
                self.lobby.handle_message(self.now, connection(from), &text, &mut NoIce);
            }
            Step::Binary { from } => {
                self.lobby.handle_binary(self.now, connection(from), &mut NoIce);
            }
            Step::Pong { from } => {
                self.lobby.handle_pong(self.now, connection(from), &mut NoIce);
            }
            Step::Join { from, user, pool } => {
                let data = json!({ "userId": name(user), "matchMode": ["global", "buddies_first"][usize::from(pool % 2)] });
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
                self.lobby.handle_timeout(self.now, &mut NoIce);
                assert!(self.lobby.poll_timeout().is_none_or(|next| next > self.now), "overdue");
            }
            Step::Hello { from, user, resume, received, pair } => {
                let mut data =
                    json!({ "userId": name(user), "pairToken": pick(&self.proofs, pair) });
                if let Value::Object(mut resume) = pick(&self.resumes, resume) {
                    resume.insert("received".into(), json!(received));
                    data["resume"] = resume.into();
                }
                self.say(from, "hello", data);
            }
            Step::Numbered { from, kind, id, ack, place } => {
                let kinds = ["join_queue", "skip", "end_session", "leave_queue", "signal", "ping"];
                let data = json!({ "signal": kind, "placeToken": pick(&self.proofs, place) });
                let kind = kinds[usize::from(kind) % kinds.len()];
                let text = json!({ "type": kind, "data": data, "id": id, "ack": ack }).to_string();
                self.lobby.handle_message(self.now, connection(from), &text, &mut NoIce);
            }
            Step::Drain { spread, grace } => {
                self.draining = true;
                let [spread, grace] = [spread, grace].map(|time| Duration::from_secs(time.into()));
                self.lobby.drain(self.now, spread, grace);
            }
            Step::Restart => {
                self.starts += 1;
                (self.lobby, self.draining) = (lobby(self.starts), false);
                self.connected.clear();
                self.welcomed.clear();
            }
        }
        self.drain();
    }

    fn say(&mut self, from: u8, kind: &str, data: Value) {
        let text = json!({ "type": kind, "data": data }).to_string();
        self.lobby.handle_message(self.now, connection(from), &text, &mut NoIce);
    }

    fn drain(&mut self) {
        // Who matched in this step, by session.
        let mut matched: BTreeMap<String, Vec<ConnectionId>> = BTreeMap::new();
        while let Some(output) = self.lobby.poll_output() {
            match output {
                Output::Send { to, kind, text } => {
                    assert!(self.connected.contains(&to), "{to:?} is not connected");
                    self.learn(to, &text);
                    self.check(to, kind, &text, &mut matched);
                }
                Output::Ping { to } => assert!(self.connected.contains(&to)),
                Output::Close { to, .. } => {
                    assert!(self.connected.remove(&to));
                    self.welcomed.remove(&to);
                }
                Output::ToNode { .. } => unreachable!("there is one node"),
                Output::Event(_) => {}
            }
        }
        for (session, sides) in matched {
            assert_eq!(sides.len(), 2, "a match has two sides: {sides:?}");
            assert_ne!(sides[0], sides[1]);
            self.sessions.push((session, sides));
        }
        let hub = self.lobby.hub();
        let met = self.lobby.matcher().len();
        assert!(met <= hub.queue_len());
        assert!(self.draining || hub.queue_len() <= met + hub.away());
        assert_eq!(hub.connections(), self.connected.len());
        assert!(2 * hub.sessions() + hub.queue_len() <= self.connected.len() + hub.away());
    }

    fn learn(&mut self, to: ConnectionId, text: &str) {
        let message: Value = serde_json::from_str(text).expect("what the hub says is JSON");
        let payload = &message["payload"];
        if message["type"] == "welcome" {
            self.welcomed.insert(to);
            let resume = json!({ "token": payload["resumeToken"], "epoch": payload["epoch"] });
            self.resumes.push(resume);
        }
        let proofs = ["pairToken", "placeToken"].map(|field| payload[field].clone());
        self.proofs.extend(proofs.into_iter().filter(Value::is_string));
        let counts = !["welcome", "restart", "pong", "ack", "goaway"]
            .contains(&message["type"].as_str().expect("a type"));
        assert_eq!(message["seq"].is_u64(), counts && self.welcomed.contains(&to), "{text}");
    }

    /// What is sent is of the protocol, and a signal stays between the two sides of its session.
    fn check(
        &self,
        to: ConnectionId,
        kind: MessageKind,
        text: &str,
        matched: &mut BTreeMap<String, Vec<ConnectionId>>,
    ) {
        let message: Value = serde_json::from_str(text).expect("what the hub says is JSON");
        let payload = &message["payload"];
        let session = || payload["sessionId"].as_str().expect("a string").to_owned();
        assert_eq!(message["type"], kind.as_str());
        match kind {
            // It may have been missed, and come again.
            MessageKind::MatchFound if self.sessions.iter().any(|(id, _)| *id == session()) => {
                assert!(self.welcomed.contains(&to));
            }
            MessageKind::MatchFound => {
                assert!(payload["isInitiator"].is_boolean());
                matched.entry(session()).or_default().push(to);
            }
            MessageKind::Signal if !self.welcomed.contains(&to) => {
                let session = session();
                let (_, sides) =
                    self.sessions.iter().find(|(id, _)| *id == session).expect("it was announced");
                assert!(sides.contains(&to));
            }
            _ => {}
        }
    }

    /// When all are gone, nothing is left.
    fn close(mut self) {
        self.lobby.drain(self.now, Duration::ZERO, Duration::ZERO);
        self.drain();
        // Those who could come back do not.
        while let Some(at) = self.lobby.poll_timeout() {
            self.now = at.max(self.now);
            self.lobby.handle_timeout(self.now, &mut NoIce);
            self.drain();
        }
        let hub = self.lobby.hub();
        assert!(self.connected.is_empty() && self.lobby.matcher().is_empty());
        assert_eq!((hub.connections(), hub.sessions()), (0, 0));
        assert_eq!(self.lobby.poll_timeout(), None);
    }
}

fn lobby(starts: u64) -> Lobby {
    Lobby::new(Config::default(), &Keys::new([starts; 2], b"north"))
}

fn pick(from: &[Value], which: Option<u8>) -> Value {
    let pick = |which: u8| from.get(usize::from(which) % from.len().max(1)).cloned();
    which.and_then(pick).unwrap_or_default()
}

struct NoIce;

impl Tokens for NoIce {}

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
