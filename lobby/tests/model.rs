//! Anything, in any order, heard by clients who take note of who they were given.

#[path = "model/op.rs"]
mod op;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hairpin_lobby::Lobby;
use hairpin_signaling::{
    Config, ConnectionId, Departure, Hub, IceGrant, IceServers, Keys, MessageKind, Output,
    SessionId, Tokens,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use self::op::{CLIENTS, Op, POOLS, op};

/// Remembers whom it issued servers to, and under which name.
#[derive(Default)]
struct Ice(BTreeMap<ConnectionId, String>);

impl Tokens for Ice {}

impl IceServers for Ice {
    fn issue(&mut self, connection: ConnectionId, user: &str, _: SessionId) -> IceGrant {
        self.0.insert(connection, user.to_owned());
        IceGrant::default()
    }
}

/// A `match_found` as its client understood it.
#[derive(Clone, Debug)]
struct Found {
    client: ConnectionId,
    partner: String,
    initiator: bool,
}

/// What leaves somebody who looks for a partner where it is.
const REFUSED: [&str; 5] = ["user_change", "too_often", "barred", "no_room", "invalid_field"];

fn has(pairs: &BTreeSet<[String; 2]>, [a, b]: &[String; 2]) -> bool {
    [[a, b], [b, a]].into_iter().any(|pair| pairs.contains(&pair.map(Clone::clone)))
}

struct World {
    lobby: Lobby,
    now: Duration,
    ice: Ice,
    /// Each slot's present connection.
    slots: BTreeMap<u64, ConnectionId>,
    opened: u64,
    /// The session each connection is in.
    live: BTreeMap<ConnectionId, String>,
    /// The session each connection was in last.
    last: BTreeMap<ConnectionId, String>,
    sessions: BTreeSet<String>,
    /// The pool each connection has named last.
    pools: BTreeMap<ConnectionId, u8>,
    /// Who each connection is.
    users: BTreeMap<ConnectionId, String>,
    /// Whom each was given last.
    partners: BTreeMap<ConnectionId, String>,
    /// Those who have met before, who have blocked each other, and who is barred, and until when.
    met: BTreeSet<[String; 2]>,
    blocks: BTreeSet<[String; 2]>,
    barred: BTreeMap<String, Duration>,
    /// Who was told a place in the queue, and nothing since.
    waiting: BTreeSet<ConnectionId>,
    /// The code of the room each waits in, and the one that each has named.
    rooms: BTreeMap<ConnectionId, String>,
    codes: BTreeMap<ConnectionId, String>,
    /// How things were before somebody looked for a partner, should it be refused.
    before: Before,
}

#[derive(Default)]
struct Before {
    live: Option<String>,
    pool: Option<u8>,
    user: Option<String>,
    waited: bool,
    room: Option<String>,
}

fn name(user: u8) -> String {
    format!("u{user}")
}

impl World {
    fn new() -> Self {
        Self {
            lobby: Lobby::new(
                Config { pools: vec![POOLS[1].into()], ..Config::default() },
                &Keys::new([0; 2], b"north"),
            ),
            now: Duration::ZERO,
            ice: Ice::default(),
            slots: BTreeMap::new(),
            opened: 0,
            live: BTreeMap::new(),
            last: BTreeMap::new(),
            sessions: BTreeSet::new(),
            pools: BTreeMap::new(),
            users: BTreeMap::new(),
            partners: BTreeMap::new(),
            met: BTreeSet::new(),
            blocks: BTreeSet::new(),
            barred: BTreeMap::new(),
            waiting: BTreeSet::new(),
            rooms: BTreeMap::new(),
            codes: BTreeMap::new(),
            before: Before::default(),
        }
    }

    fn apply(&mut self, op: &Op) {
        self.before = Before::default();
        match *op {
            Op::Connect(slot) if !self.slots.contains_key(&slot) => {
                self.opened += 1;
                let id = ConnectionId(self.opened);
                self.slots.insert(slot, id);
                self.lobby.connect(self.now, id, None);
            }
            Op::Connect(_) => {}
            Op::Disconnect(slot) => {
                if let Some(id) = self.slots.remove(&slot) {
                    self.forget(id);
                    self.lobby.disconnect(self.now, id, Departure::Lost, &mut self.ice);
                }
            }
            Op::Join { client, user, pool } => {
                let mode = POOLS[usize::from(pool) % POOLS.len()];
                let data = json!({ "userId": name(user), "matchMode": mode });
                self.look(client, name(user), Some(pool), "join_queue", data);
            }
            Op::CreateRoom { client, user } => {
                let data = json!({ "userId": name(user) });
                self.look(client, name(user), None, "create_room", data);
            }
            Op::JoinRoom { client, user, of } => {
                let code = self.slots.get(&of).and_then(|id| self.rooms.get(id)).cloned();
                let code = code.unwrap_or_else(|| "22222222".into());
                if let Some(id) = self.slots.get(&client) {
                    self.codes.insert(*id, code.clone());
                }
                let data = json!({ "userId": name(user), "code": code });
                self.look(client, name(user), None, "join_room", data);
            }
            Op::Leave(client) => {
                if let Some(id) = self.slots.get(&client) {
                    self.waiting.remove(id);
                    self.rooms.remove(id);
                }
                self.say(client, "leave_queue", json!({}));
            }
            Op::Block { client, user } => {
                let mut data = json!({});
                user.into_iter().for_each(|user| data["userId"] = name(user).into());
                self.say(client, "block", data);
            }
            Op::Words(client) => self.say(client, "message", json!({ "text": client.to_string() })),
            Op::Report(client) => self.say(client, "report", json!({ "reason": "x" })),
            Op::Bar { user, seconds } => {
                let (user, until) = (name(user), self.now + Duration::from_secs(seconds));
                let bar = |hub: &mut Hub| hub.bar(self.now, &user, until);
                self.lobby.administer(self.now, &mut self.ice, bar).expect("there is room");
                self.barred.insert(user, until);
            }
            Op::Skip(client) => self.leave_session(client, "skip"),
            Op::End(client) => self.leave_session(client, "end_session"),
            Op::Pass(seconds) => self.pass(Duration::from_secs(seconds)),
        }
        self.listen();
        self.check();
    }

    fn look(&mut self, client: u64, user: String, pool: Option<u8>, kind: &str, data: Value) {
        let Some(&id) = self.slots.get(&client) else { return };
        // What a client is in, it leaves by looking for somebody, unless it is refused.
        self.before = Before {
            live: self.live.remove(&id),
            pool: self.pools.get(&id).copied(),
            user: self.users.insert(id, user),
            waited: self.waiting.remove(&id),
            room: self.rooms.remove(&id),
        };
        self.pools.extend(pool.map(|pool| (id, pool)));
        self.say(client, kind, data);
    }

    fn refused(&mut self, id: ConnectionId) {
        let Before { live, pool, user, waited, room } = std::mem::take(&mut self.before);
        if let Some(user) = user {
            self.users.insert(id, user);
        }
        self.live.extend(live.map(|session| (id, session)));
        self.pools.extend(pool.map(|pool| (id, pool)));
        self.rooms.extend(room.map(|room| (id, room)));
        self.waiting.extend(waited.then_some(id));
    }

    fn forget(&mut self, id: ConnectionId) {
        self.live.remove(&id);
        self.waiting.remove(&id);
        self.rooms.remove(&id);
    }

    fn leave_session(&mut self, client: u64, how: &str) {
        let Some(&id) = self.slots.get(&client) else { return };
        let session = self.last.get(&id).cloned().unwrap_or_default();
        self.before.live = self.live.get(&id).filter(|live| **live == session).cloned();
        self.live.retain(|of, live| *of != id || *live != session);
        // Who waits in a room skips what it had before.
        if how == "skip" && !session.is_empty() {
            self.before.room = self.rooms.remove(&id);
        }
        self.say(client, how, json!({ "sessionId": session }));
    }

    fn say(&mut self, client: u64, kind: &str, data: Value) {
        let Some(&id) = self.slots.get(&client) else { return };
        let text = json!({ "type": kind, "data": data }).to_string();
        self.lobby.handle_message(self.now, id, &text, &mut self.ice);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        // What is due may come in slices, and bring more that is due: whether others are there is told as it changes.
        let mut slices = 0;
        while let Some(at) = self.lobby.poll_timeout().filter(|at| *at <= end) {
            slices = if at > self.now { 0 } else { slices + 1 };
            assert!(slices < 10, "what is due is done");
            self.now = at.max(self.now);
            self.lobby.handle_timeout(self.now, &mut self.ice);
            self.listen();
        }
        self.now = end;
    }

    /// Carries out everything, and looks at the matches of this step.
    fn listen(&mut self) {
        let mut found: BTreeMap<String, Vec<Found>> = BTreeMap::new();
        while let Some(output) = self.lobby.poll_output() {
            match output {
                Output::Send { to, kind, text } => {
                    let message: Value = serde_json::from_str(&text).expect("JSON");
                    let payload = &message["payload"];
                    let session = || payload["sessionId"].as_str().expect("a string").to_owned();
                    match kind {
                        MessageKind::MatchFound => {
                            assert_eq!(self.live.insert(to, session()), None, "matched once");
                            self.last.insert(to, session());
                            let partner = payload["partnerId"].as_str().expect("a string").into();
                            let initiator = payload["isInitiator"] == true;
                            let side = Found { client: to, partner, initiator };
                            found.entry(session()).or_default().push(side);
                        }
                        MessageKind::PartnerLeft => {
                            assert_eq!(self.live.remove(&to), Some(session()));
                        }
                        MessageKind::Queued => {
                            self.waiting.insert(to);
                        }
                        MessageKind::QueueTimeout => assert!(self.waiting.remove(&to)),
                        MessageKind::RoomCreated => {
                            let code = payload["code"].as_str().expect("a string").to_owned();
                            self.rooms.insert(to, code);
                        }
                        MessageKind::RoomClosed => assert!(self.rooms.remove(&to).is_some()),
                        MessageKind::Blocked => {
                            let whom = payload["userId"].as_str().expect("a string").to_owned();
                            if self.partners.get(&to) == Some(&whom) {
                                self.live.remove(&to);
                            }
                            self.blocks.insert([self.users[&to].clone(), whom]);
                        }
                        MessageKind::Error if payload["code"] == "barred" && self.is_new(to) => {
                            self.waiting.remove(&to);
                            self.rooms.remove(&to);
                        }
                        MessageKind::Error
                            if REFUSED.contains(&payload["code"].as_str().expect("a code")) =>
                        {
                            self.refused(to);
                        }
                        _ => {}
                    }
                }
                Output::Close { to, .. } => {
                    self.forget(to);
                    self.slots.retain(|_, id| *id != to);
                }
                Output::Ping { .. }
                | Output::ToNode { .. }
                | Output::Event(_)
                | Output::Record(_) => {}
            }
        }
        for (session, sides) in found {
            let [a, b] = &sides[..] else { panic!("a session of {sides:?}") };
            assert_ne!(a.client, b.client, "nobody meets itself");
            assert_ne!(a.partner, b.partner, "nor under another connection");
            assert_eq!((&self.ice.0[&a.client], &self.ice.0[&b.client]), (&b.partner, &a.partner));
            assert_ne!(a.initiator, b.initiator, "one of them makes the offer");
            self.may_meet(a, b);
            self.may_meet(b, a);
            let rooms = [a, b].map(|side| self.rooms.remove(&side.client));
            match rooms {
                [None, None] => assert_eq!(self.pool(a.client), self.pool(b.client)),
                [Some(code), None] => assert_eq!(self.codes[&b.client], code, "by its code"),
                [None, Some(code)] => assert_eq!(self.codes[&a.client], code, "by its code"),
                [Some(_), Some(_)] => panic!("nobody leaves a room for another so"),
            }
            assert!(self.sessions.insert(session), "a session's name is new");
        }
    }

    fn check(&self) {
        let (hub, matcher) = (self.lobby.hub(), self.lobby.matcher());
        assert_eq!(hub.connections(), self.slots.len());
        assert_eq!(2 * hub.sessions(), self.live.len());
        assert_eq!(hub.queue_len(), matcher.len(), "hub and matcher know of the same tickets");
        if matcher.offers() > 0 {
            return;
        }
        assert_eq!(self.waiting.len(), hub.queue_len(), "who waits has been told");
        for (a, b) in self.waiting.iter().flat_map(|a| self.waiting.range(..a).map(move |b| (a, b)))
        {
            let pair = [self.users[a].clone(), self.users[b].clone()];
            assert!(
                self.pool(*a) != self.pool(*b) || self.are_apart(&pair) || has(&self.met, &pair),
                "two wait for each other: {pair:?}"
            );
        }
    }

    /// Whether it hears that it is barred without having asked for anything.
    fn is_new(&self, id: ConnectionId) -> bool {
        let before = &self.before;
        let asked = before.user.is_some() || before.live.is_some() || before.room.is_some();
        !asked && self.users.get(&id).is_some_and(|user| self.barred.contains_key(user))
    }

    fn pool(&self, id: ConnectionId) -> u8 {
        self.pools.get(&id).copied().unwrap_or_default()
    }

    fn are_apart(&self, pair: &[String; 2]) -> bool {
        has(&self.blocks, pair)
    }

    /// One side of a match, and the other one.
    fn may_meet(&mut self, one: &Found, other: &Found) {
        let pair = [other.partner.clone(), one.partner.clone()];
        assert!(!self.are_apart(&pair), "one of {pair:?} has blocked the other");
        let until = self.barred.get(&pair[0]).copied().unwrap_or_default();
        assert!(until <= self.now, "{pair:?} is barred");
        self.waiting.remove(&one.client);
        self.partners.insert(one.client, one.partner.clone());
        self.met.insert(pair);
    }

    fn everybody_leaves(mut self) {
        for slot in 0..CLIENTS {
            self.apply(&Op::Disconnect(slot));
        }
        assert_eq!((self.lobby.hub().sessions(), self.lobby.matcher().len()), (0, 0));
        assert_eq!(
            (self.lobby.hub().poll_timeout(), self.lobby.matcher().poll_timeout()),
            (None, None),
            "nothing is left behind"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_match_is_mutual_told_once_and_leaves_nobody_waiting_for_nothing(
        ops in prop::collection::vec(op(), 0..150)
    ) {
        let mut world = World::new();
        for op in &ops {
            world.apply(op);
        }
        world.everybody_leaves();
    }
}
