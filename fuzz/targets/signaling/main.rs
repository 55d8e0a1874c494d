//! The lobby, which is the hub and the matcher: arbitrary text between messages that mean something, from connections
//! that come and go.
#![no_main]

mod step;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hairpin_lobby::Lobby;
use hairpin_signaling::{
    Config, ConnectionId, Departure, Hub, IceGrant, IceServers, Keys, MessageKind, Origin, Output,
    Record, Restored, SessionId, Tokens,
};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

use self::step::Step;

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
    codes: Vec<Value>,
    /// What is on record: who has blocked whom, who is barred, and which sessions of this hub have begun and ended.
    blocks: BTreeSet<[Arc<str>; 2]>,
    bars: BTreeMap<Arc<str>, Duration>,
    begun: BTreeSet<SessionId>,
    ended: BTreeSet<SessionId>,
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
            codes: Vec::new(),
            blocks: BTreeSet::new(),
            bars: BTreeMap::new(),
            begun: BTreeSet::new(),
            ended: BTreeSet::new(),
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
                let mode = ["global", "buddies_first"][usize::from(pool % 2)];
                let data = json!({ "userId": name(user), "matchMode": mode });
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
                (self.begun, self.ended) = Default::default();
                let blocks = self.blocks.iter().cloned().map(|[by, whom]| (by, whom)).collect();
                let bars = self.bars.iter().map(|(user, until)| (user.clone(), *until)).collect();
                let restored = Restored { blocks, bars, reports: Vec::new() };
                let restore = |hub: &mut Hub| hub.restore(self.now, restored);
                self.lobby.administer(self.now, &mut NoIce, restore).expect("they are few");
            }
            Step::CreateRoom { from, user } => {
                self.say(from, "create_room", json!({ "userId": name(user) }));
            }
            Step::JoinRoom { from, user, code } => {
                let data = json!({ "userId": name(user), "code": pick(&self.codes, Some(code)) });
                self.say(from, "join_room", data);
            }
            Step::Beside { from, kind, session: number, text } => {
                let kind = ["message", "report", "path"][usize::from(kind % 3)];
                let data = json!({
                    "sessionId": number.and_then(session), "text": text, "reason": text,
                    "relayed": text.is_empty(),
                });
                self.say(from, kind, data);
            }
            Step::Block { from, user } => {
                self.say(from, "block", json!({ "userId": user.map(name) }));
            }
            Step::Unblock { from, user } => {
                self.say(from, "unblock", json!({ "userId": name(user) }));
            }
            Step::Bar { user, seconds } => {
                let until = self.now + Duration::from_secs(seconds.into());
                let bar = |hub: &mut Hub| hub.bar(self.now, &name(user), until);
                let barred = self.lobby.administer(self.now, &mut NoIce, bar);
                assert_eq!(barred.is_ok(), seconds > 0);
            }
            Step::Unbar { user } => {
                let unbar = |hub: &mut Hub| hub.unbar(self.now, &name(user));
                self.lobby.administer(self.now, &mut NoIce, unbar);
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
                Output::Record(record) => self.note(record),
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

    /// Sessions begin and end once, and who is blocked or barred meets nobody whom it is not to meet.
    fn note(&mut self, record: Record) {
        match record {
            Record::SessionStarted { session, users: [a, b] } => {
                assert!(self.begun.insert(session), "it has begun before");
                for pair in [[a.clone(), b.clone()], [b.clone(), a.clone()]] {
                    assert!(!self.blocks.contains(&pair), "{pair:?} have met");
                    let until = self.bars.get(&pair[0]).copied().unwrap_or_default();
                    assert!(until <= self.now, "{pair:?} have met");
                }
            }
            Record::SessionEnded { session, .. } => {
                assert!(self.ended.insert(session), "it has ended before");
            }
            Record::Blocked { by, whom } => assert!(self.blocks.insert([by, whom])),
            Record::Unblocked { by, whom } => assert!(self.blocks.remove(&[by, whom])),
            Record::Barred { user, until } => {
                self.bars.insert(user, until);
            }
            Record::Unbarred { user } => assert!(self.bars.remove(&user).is_some()),
            Record::Report { by, about, .. } => assert_ne!(by, about),
            _ => {}
        }
    }

    fn learn(&mut self, to: ConnectionId, text: &str) {
        let message: Value = serde_json::from_str(text).expect("what the hub says is JSON");
        let payload = &message["payload"];
        if message["type"] == "welcome" {
            self.welcomed.insert(to);
            let resume = json!({ "token": payload["resumeToken"], "epoch": payload["epoch"] });
            self.resumes.push(resume);
        }
        self.codes.extend((message["type"] == "room_created").then(|| payload["code"].clone()));
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
    Lobby::new(Config { reports_to_bar: 2, ..Config::default() }, &Keys::new([starts; 2], b"north"))
}

fn pick(from: &[Value], which: Option<u8>) -> Value {
    let pick = |which: u8| from.get(usize::from(which) % from.len().max(1)).cloned();
    which.and_then(pick).unwrap_or_default()
}

struct NoIce;

impl Tokens for NoIce {}

impl IceServers for NoIce {
    fn issue(&mut self, _: ConnectionId, _: &str, _: SessionId) -> IceGrant {
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
