//! Anything, in any order, watched by clients who believe what they are told.

mod op;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hairpin_signaling::ConnectionId;
use proptest::prelude::*;
use serde_json::{Value, json};

use self::op::{CLIENTS, Op, op};
use crate::harness::World;

fn name(user: u8) -> String {
    format!("u{user}")
}

/// What the clients together know.
struct Watch {
    world: World,
    /// Each slot's present connection.
    slots: BTreeMap<u64, u64>,
    connections: u64,
    /// The session each connection is in, from what it was told and did.
    live: BTreeMap<u64, String>,
    /// The session each connection was told of last.
    last: BTreeMap<u64, String>,
    /// Who each connection is.
    users: BTreeMap<u64, String>,
    /// With whom each was last.
    partners: BTreeMap<u64, String>,
    /// Who has blocked whom.
    blocks: BTreeSet<[String; 2]>,
    barred: BTreeMap<String, Duration>,
    /// The code of the room each connection waits in, and the last that each has named.
    rooms: BTreeMap<u64, String>,
    codes: BTreeMap<u64, String>,
}

impl Watch {
    fn new(matching: bool) -> Self {
        let mut world = World::new();
        world.matching = matching;
        let [live, last, users, partners] = std::array::from_fn(|_| BTreeMap::new());
        let [rooms, codes] = std::array::from_fn(|_| BTreeMap::new());
        let (slots, blocks, barred) = (BTreeMap::new(), BTreeSet::new(), BTreeMap::new());
        let connections = 0;
        Self {
            world,
            slots,
            connections,
            live,
            last,
            users,
            partners,
            blocks,
            barred,
            rooms,
            codes,
        }
    }

    fn apply(&mut self, op: &Op) {
        match *op {
            Op::Connect(slot) if !self.slots.contains_key(&slot) => {
                self.connections += 1;
                self.slots.insert(slot, self.connections);
                self.world.connect(self.connections);
            }
            Op::Disconnect(slot) => {
                if let Some(id) = self.slots.remove(&slot) {
                    self.live.remove(&id);
                    self.rooms.remove(&id);
                    self.world.disconnect(id);
                }
            }
            Op::Bar { user, seconds } => {
                let (user, until) = (name(user), self.world.now + Duration::from_secs(seconds));
                self.world.hub.bar(self.world.now, &user, until).expect("there is room");
                self.world.settle();
                self.barred.insert(user, until);
            }
            Op::Pass(seconds) => self.world.pass(Duration::from_secs(seconds)),
            Op::MatchLate(index) => self.world.match_late(index),
            Op::Connect(_) => {}
            Op::Join { client, .. }
            | Op::Leave(client)
            | Op::Skip(client)
            | Op::End(client)
            | Op::Signal(client)
            | Op::Stranger { client, .. }
            | Op::Words(client)
            | Op::Report(client)
            | Op::Block { client, .. }
            | Op::Unblock { client, .. }
            | Op::CreateRoom { client, .. }
            | Op::JoinRoom { client, .. } => {
                if let Some(&id) = self.slots.get(&client) {
                    self.speak(id, op);
                }
            }
        }
        self.listen();
        self.check();
    }

    fn speak(&mut self, id: u64, op: &Op) {
        let last = self.last.get(&id).cloned().unwrap_or_default();
        match op {
            Op::Join { user, pool, .. } => {
                let pool = ["video", "chess", "go"][usize::from(*pool) % 3];
                let data = json!({ "userId": name(*user), "matchMode": pool });
                self.look(id, "join_queue", data, name(*user));
            }
            Op::Leave(_) => {
                self.world.say(id, "leave_queue", json!({}));
                self.rooms.remove(&id);
            }
            Op::Skip(_) => {
                self.world.say(id, "skip", json!({ "sessionId": last }));
                if !self.was_told(id, &["too_often", "barred"]) {
                    self.forget_old_session(id, &last);
                    self.rooms.retain(|of, _| *of != id || last.is_empty());
                }
            }
            Op::CreateRoom { user, .. } => {
                self.look(id, "create_room", json!({ "userId": name(*user) }), name(*user));
            }
            Op::JoinRoom { user, of, .. } => {
                let code = self.slots.get(of).and_then(|id| self.rooms.get(id)).cloned();
                let code = code.unwrap_or_else(|| "22222222".into());
                let data = json!({ "userId": name(*user), "code": code });
                if self.look(id, "join_room", data, name(*user)) {
                    self.codes.insert(id, code);
                }
            }
            Op::Words(_) => self.world.say(id, "message", json!({ "text": id.to_string() })),
            Op::Report(_) => self.world.say(id, "report", json!({ "reason": "x" })),
            Op::Block { user, .. } => {
                let mut data = json!({});
                user.iter().for_each(|user| data["userId"] = name(*user).into());
                self.world.say(id, "block", data);
                let answer = self.world.inbox.get(&ConnectionId(id)).and_then(|inbox| inbox.last());
                let blocked = answer.filter(|answer| answer["type"] == "blocked").cloned();
                if let Some(whom) = blocked
                    .and_then(|answer| answer["payload"]["userId"].as_str().map(str::to_owned))
                {
                    if self.partners.get(&id) == Some(&whom) {
                        self.live.remove(&id);
                    }
                    self.blocks.insert([self.users[&id].clone(), whom]);
                }
            }
            Op::Unblock { user, .. } => {
                self.world.say(id, "unblock", json!({ "userId": name(*user) }));
                if let Some(by) = self.users.get(&id) {
                    self.blocks.remove(&[by.clone(), name(*user)]);
                }
            }
            Op::End(_) => {
                self.world.say(id, "end_session", json!({ "sessionId": last }));
                self.forget_old_session(id, &last);
            }
            Op::Signal(_) => {
                let data = json!({ "sessionId": last, "targetUserId": "u0", "signal": id });
                self.world.say(id, "signal", data);
            }
            Op::Stranger { session_of, .. } => {
                let session = self.slots.get(session_of).and_then(|id| self.live.get(id)).cloned();
                let foreign = session.filter(|session| self.live.get(&id) != Some(session));
                let data =
                    json!({ "sessionId": foreign.unwrap_or_default(), "signal": "mischief" });
                self.world.say(id, "signal", data);
            }
            _ => unreachable!("not something a client says"),
        }
    }

    /// Looks for somebody in some way, under this name: whether that was granted. What it was in it has left then.
    fn look(&mut self, id: u64, kind: &str, data: Value, user: String) -> bool {
        let last = self.last.get(&id).cloned().unwrap_or_default();
        self.world.say(id, kind, data);
        let refused = ["user_change", "too_often", "barred", "no_room", "invalid_field"];
        if self.was_told(id, &refused) {
            return false;
        }
        self.forget_old_session(id, &last);
        self.rooms.remove(&id);
        self.users.insert(id, user);
        true
    }

    /// Whether one of these errors is what came of it.
    fn was_told(&self, id: u64, errors: &[&str]) -> bool {
        self.world.inbox.get(&ConnectionId(id)).is_some_and(|inbox| {
            let code = |message: &Value| message["payload"]["code"].as_str().map(str::to_owned);
            inbox.iter().filter_map(code).any(|code| errors.contains(&&*code))
        })
    }

    fn forget_old_session(&mut self, id: u64, old: &str) {
        if self.live.get(&id).is_some_and(|live| live == old) {
            self.live.remove(&id);
        }
    }

    /// Reads everybody's messages. A match is two of them, so both are read before any is judged.
    fn listen(&mut self) {
        let inboxes = std::mem::take(&mut self.world.inbox);
        let mut met: BTreeMap<String, Vec<(u64, String)>> = BTreeMap::new();
        for (id, message) in inboxes.iter().flat_map(|(id, inbox)| inbox.iter().map(|m| (id.0, m)))
        {
            if message["type"] == "match_found" {
                let [session, partner] = ["sessionId", "partnerId"]
                    .map(|field| message["payload"][field].as_str().expect("a string").to_owned());
                met.entry(session).or_default().push((id, partner));
            }
        }
        for sides in met.values() {
            self.may_meet(sides);
        }
        for (id, message) in inboxes.iter().flat_map(|(id, inbox)| inbox.iter().map(|m| (id.0, m)))
        {
            self.hear(id, message);
        }
        let closed: Vec<_> = self.world.closed.keys().map(|id| id.0).collect();
        self.live.retain(|id, _| !closed.contains(id));
        self.rooms.retain(|id, _| !closed.contains(id));
        self.slots.retain(|_, id| !closed.contains(id));
    }

    /// Two were told that they have met.
    fn may_meet(&mut self, sides: &[(u64, String)]) {
        let [(a, user_b), (b, user_a)] = sides else { panic!("{sides:?}") };
        for [by, whom] in [[user_a, user_b], [user_b, user_a]] {
            assert!(!self.blocks.contains(&[by.clone(), whom.clone()]), "{by} has blocked {whom}");
        }
        for user in [user_a, user_b] {
            let until = self.barred.get(user).copied().unwrap_or_default();
            assert!(until <= self.world.now, "{user} is barred");
        }
        for (owner, guest) in [(a, b), (b, a)] {
            if let Some(code) = self.rooms.remove(owner) {
                assert_eq!(self.codes.get(guest), Some(&code), "by its code and not otherwise");
            }
        }
        self.partners.extend([(*a, user_b.clone()), (*b, user_a.clone())]);
        self.codes.remove(a);
        self.codes.remove(b);
    }

    fn hear(&mut self, id: u64, message: &Value) {
        let payload = &message["payload"];
        let session = || payload["sessionId"].as_str().expect("a session id").to_owned();
        match message["type"].as_str().expect("a type") {
            "match_found" => {
                assert_eq!(self.live.insert(id, session()), None, "one session at a time");
                self.last.insert(id, session());
            }
            "room_created" => {
                let code = payload["code"].as_str().expect("a string").to_owned();
                self.rooms.insert(id, code);
            }
            "room_closed" => assert!(self.rooms.remove(&id).is_some()),
            "error" if payload["code"] == "barred" => {
                // Who waited when that happened does not any more.
                let user = self.users.get(&id);
                if user.is_some_and(|user| self.barred.contains_key(user)) {
                    self.rooms.remove(&id);
                }
            }
            "message" => {
                let sender: u64 =
                    payload["text"].as_str().and_then(|text| text.parse().ok()).expect("a number");
                assert_eq!(self.live.get(&sender), Some(&session()));
                assert_eq!(self.live.get(&id), Some(&session()), "only the partner hears");
                assert_ne!(sender, id);
            }
            "partner_left" => assert_eq!(self.live.remove(&id), Some(session())),
            "signal" => {
                let sender = payload["signal"].as_u64().expect("nobody hears a stranger");
                assert_ne!(sender, id);
                assert_eq!(self.live.get(&sender), Some(&session()));
                assert_eq!(self.live.get(&id), Some(&session()), "only the partner hears");
            }
            _ => {}
        }
    }

    fn check(&self) {
        let hub = &self.world.hub;
        assert_eq!(hub.connections(), self.slots.len());
        assert_eq!(
            hub.queue_len(),
            self.world.seeking.len(),
            "every ticket is matched or taken back"
        );
        assert_eq!(2 * hub.sessions(), self.live.len());
        let sessions: BTreeSet<_> = self.live.values().collect();
        assert_eq!(2 * sessions.len(), self.live.len(), "a pair is mutual");
        let issued = &self.world.ice.issued;
        let user =
            |id: &u64| &issued.iter().rev().find(|(of, _)| of.0 == *id).expect("was matched").1;
        let mut busy: Vec<&str> = self.live.keys().map(|id| user(id).as_str()).collect();
        busy.extend(self.world.seeking.iter().map(|seek| &*seek.user));
        let users: BTreeSet<_> = busy.iter().collect();
        assert_eq!(users.len(), busy.len(), "one queue entry or session per user");
    }

    fn everybody_leaves(mut self) {
        for slot in 0..CLIENTS {
            self.apply(&Op::Disconnect(slot));
        }
        let hub = &self.world.hub;
        let rest = (hub.connections(), hub.sessions(), hub.queue_len(), hub.poll_timeout());
        assert_eq!(rest, (0, 0, 0, None), "nothing is left behind");
    }
}

proptest! {
    #[test]
    fn nobody_is_ever_told_anything_untrue(
        matching in any::<bool>(),
        ops in prop::collection::vec(op(), 1..200),
    ) {
        let mut watch = Watch::new(matching);
        for op in &ops {
            watch.apply(op);
        }
        watch.everybody_leaves();
    }

    #[test]
    fn no_text_panics(texts in prop::collection::vec(".{0,40}", 1..20)) {
        let mut world = World::new();
        world.meet();
        for text in texts {
            world.say_text(1, &text);
            world.say_text(1, &format!(r#"{{"type":"signal","data":{text}}}"#));
            world.say_text(1, &format!(r#"{{"type":"join_queue","data":{{"userId":{text:?}}}}}"#));
        }
        world.disconnect(1);
        world.disconnect(2);
        prop_assert_eq!(world.hub.poll_timeout(), None);
    }
}
