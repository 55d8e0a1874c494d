//! Anything, in any order, heard by clients who take note of who they were given.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hairpin_lobby::Lobby;
use hairpin_signaling::{
    Config, ConnectionId, Departure, IceGrant, IceServers, Keys, MessageKind, Output, Tokens,
};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Few, so that they meet.
const POOLS: [&str; 2] = ["global", "chess"];
const CLIENTS: u64 = 6;

#[derive(Clone, Debug)]
enum Op {
    Connect(u64),
    Disconnect(u64),
    Join { client: u64, user: u8, pool: u8 },
    Leave(u64),
    Skip(u64),
    End(u64),
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let client = || 0..CLIENTS;
    prop_oneof![
        3 => client().prop_map(Op::Connect),
        1 => client().prop_map(Op::Disconnect),
        6 => (client(), 0..5u8, 0..2u8).prop_map(|(client, user, pool)| Op::Join { client, user, pool }),
        1 => client().prop_map(Op::Leave),
        2 => client().prop_map(Op::Skip),
        1 => client().prop_map(Op::End),
        1 => (0..100u64).prop_map(Op::Pass),
    ]
}

/// Remembers whom it issued servers to, and under which name.
#[derive(Default)]
struct Ice(BTreeMap<ConnectionId, String>);

impl Tokens for Ice {}

impl IceServers for Ice {
    fn issue(&mut self, connection: ConnectionId, user: &str) -> IceGrant {
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
    /// What whoever joined last was in, and its pool before, should it be refused.
    before_join: (Option<String>, Option<u8>),
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
            before_join: (None, None),
        }
    }

    fn apply(&mut self, op: &Op) {
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
                    self.live.remove(&id);
                    self.lobby.disconnect(self.now, id, Departure::Lost, &mut self.ice);
                }
            }
            Op::Join { client, user, pool } => self.join(client, user, pool),
            Op::Leave(client) => self.say(client, "leave_queue", json!({})),
            Op::Skip(client) => self.leave_session(client, "skip"),
            Op::End(client) => self.leave_session(client, "end_session"),
            Op::Pass(seconds) => self.pass(Duration::from_secs(seconds)),
        }
        self.listen();
        self.check();
    }

    fn join(&mut self, client: u64, user: u8, pool: u8) {
        let Some(&id) = self.slots.get(&client) else { return };
        // What a client is in, it leaves by joining, unless it is refused.
        self.before_join = (self.live.remove(&id), self.pools.insert(id, pool));
        let data = json!({ "userId": format!("u{user}"), "matchMode": POOLS[usize::from(pool) % POOLS.len()] });
        self.say(client, "join_queue", data);
    }

    fn leave_session(&mut self, client: u64, how: &str) {
        let Some(id) = self.slots.get(&client) else { return };
        let session = self.last.get(id).cloned().unwrap_or_default();
        self.live.retain(|of, live| of != id || *live != session);
        self.say(client, how, json!({ "sessionId": session }));
    }

    fn say(&mut self, client: u64, kind: &str, data: Value) {
        let Some(&id) = self.slots.get(&client) else { return };
        let text = json!({ "type": kind, "data": data }).to_string();
        self.lobby.handle_message(self.now, id, &text, &mut self.ice);
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.lobby.poll_timeout().filter(|at| *at <= end) {
            self.now = at;
            self.lobby.handle_timeout(at, &mut self.ice);
            assert!(self.lobby.poll_timeout().is_none_or(|next| next > at), "what is due is done");
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
                        MessageKind::Error if payload["code"] == "user_change" => {
                            let (live, pool) = std::mem::take(&mut self.before_join);
                            self.live.extend(live.map(|session| (to, session)));
                            self.pools.extend(pool.map(|pool| (to, pool)));
                        }
                        _ => {}
                    }
                }
                Output::Close { to, .. } => {
                    self.live.remove(&to);
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
            assert_eq!(
                self.pools[&a.client], self.pools[&b.client],
                "they have looked for the same"
            );
            assert!(self.sessions.insert(session), "a session's name is new");
        }
    }

    fn check(&self) {
        let (hub, matcher) = (self.lobby.hub(), self.lobby.matcher());
        assert_eq!(hub.connections(), self.slots.len());
        assert_eq!(2 * hub.sessions(), self.live.len());
        assert_eq!(hub.queue_len(), matcher.len(), "hub and matcher know of the same tickets");
        let free = matcher.len() - 2 * matcher.offers();
        assert!(free <= POOLS.len(), "two wait for each other");
    }

    fn everybody_leaves(mut self) {
        for slot in 0..CLIENTS {
            self.apply(&Op::Disconnect(slot));
        }
        assert_eq!((self.lobby.hub().sessions(), self.lobby.matcher().len()), (0, 0));
        assert_eq!(self.lobby.poll_timeout(), None, "nothing is left behind");
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
