//! What goes on record of sessions: that each began and ended, once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hairpin_signaling::{
    ConnectionId, Departure, EndReason, NodeId, PartnerNews, Protocol, Record, RemotePartner, Role,
    SessionId,
};
use proptest::prelude::*;
use serde_json::json;

use crate::harness::{APART, World};

const MINUTE: Duration = Duration::from_secs(60);
const WINDOW: Duration = Duration::from_secs(30);

/// What is on record of the end of each session, and that there is but one such record of each.
type Ends = BTreeMap<SessionId, (EndReason, Option<Arc<str>>, Duration, Option<bool>)>;

fn ends(records: &[Record]) -> Ends {
    let mut all = Ends::new();
    for record in records {
        if let Record::SessionEnded { session, reason, by, lasted, relayed, .. } = record {
            let earlier = all.insert(*session, (*reason, by.clone(), *lasted, *relayed));
            assert_eq!(earlier, None, "a session ends once: {record:?}");
        }
    }
    all
}

fn starts(records: &[Record]) -> Vec<SessionId> {
    let start = |record: &Record| match record {
        Record::SessionStarted { session, .. } => Some(*session),
        _ => None,
    };
    let all: Vec<_> = records.iter().filter_map(start).collect();
    let mut different = all.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), all.len(), "a session begins once");
    all
}

/// The only end there is.
fn end(world: &World) -> (EndReason, Option<Arc<str>>, Duration, Option<bool>) {
    let ends = ends(&world.records);
    assert_eq!(ends.len(), 1, "{ends:?}");
    ends.into_values().next().expect("there is one")
}

#[test]
fn a_session_is_on_record_with_who_met_and_who_ended_it_why_and_after_how_long() {
    for (kind, reason) in [("skip", EndReason::Skipped), ("end_session", EndReason::Ended)] {
        let mut world = World::new();
        let session: SessionId = world.meet().parse().expect("an id");
        let users = ["a", "b"].map(Arc::<str>::from);
        let started = Record::SessionStarted { session, users: users.clone() };
        assert_eq!(world.records, [started]);
        world.pass_alive(MINUTE, &[1, 2]);
        world.say(2, kind, json!({}));
        let ended = Record::SessionEnded {
            session,
            users,
            reason,
            by: Some("b".into()),
            lasted: MINUTE,
            relayed: None,
        };
        assert_eq!(world.records[1..], [ended]);
    }
}

#[test]
fn whoever_is_lost_has_ended_it_and_nobody_has_whose_time_was_over_or_whom_the_operator_parted() {
    let mut world = World::new();
    world.meet();
    world.disconnect(1);
    assert_eq!(end(&world), (EndReason::Disconnected, Some("a".into()), Duration::ZERO, None));

    let mut world = World::new();
    world.meet();
    let expires = Duration::from_secs(7200);
    world.pass_alive(expires, &[1, 2]);
    assert_eq!(end(&world), (EndReason::Expired, None, expires, None));

    let mut world = World::new();
    let session: SessionId = world.meet().parse().expect("an id");
    let live: Vec<_> = world.hub.live_sessions().collect();
    assert_eq!((live.len(), live[0].id, live[0].since), (1, session, world.now));
    assert!(!live[0].reported);
    world.say(1, "report", json!({ "reason": "x" }));
    assert!(world.hub.live_sessions().all(|live| live.reported && *live.users[1] == *"b"));
    assert!(world.hub.end_session_by_operator(world.now, session));
    assert!(!world.hub.end_session_by_operator(world.now, session));
    world.settle();
    assert_eq!(
        (world.heard(1).pop(), world.heard(2).pop()),
        (Some("partner_left".into()), Some("partner_left".into()))
    );
    assert_eq!(end(&world), (EndReason::Ended, None, Duration::ZERO, None));
}

#[test]
fn media_that_went_over_a_relay_once_did() {
    for (said, relayed) in [
        (&[][..], None),
        (&[(1, false)][..], Some(false)),
        (&[(1, false), (2, true), (1, false)][..], Some(true)),
    ] {
        let mut world = World::new();
        let session = world.meet();
        for (id, relayed) in said {
            world.say(*id, "path", json!({ "relayed": relayed }));
        }
        world.say(1, "end_session", json!({ "sessionId": session }));
        world.say(2, "path", json!({ "relayed": true }));
        assert_eq!((world.heard(1), end(&world).3), (vec![], relayed), "too late is no error");
        world.say(1, "path", json!({ "relayed": "perhaps" }));
        world.say(1, "path", json!({ "relayed": true, "sessionId": "0".repeat(32) }));
        assert_eq!(world.heard(1), ["invalid_field", "no_session"]);
    }
}

#[test]
fn a_session_that_a_restart_has_cut_goes_on_and_ends_with_its_whole_time() {
    let mut world = World::new();
    let (_, [a, b]) = world.meet_with_hello();
    world.pass_alive(MINUTE, &[1, 2]);
    assert_eq!(starts(&world.records).len(), 1);
    for round in 0..2 {
        let mut tickets = [a.clone(), b.clone()];
        world.restart(1 + round, b"north");
        for (n, ticket) in tickets.iter_mut().enumerate() {
            let id = 10 * (round + 1) + n as u64;
            let heard = world.hello_with(id, ticket.resume_pair(2));
            assert_eq!(heard.last().expect("news")["type"], "rejoined");
        }
        world.pass_alive(MINUTE, &[10 * (round + 1), 10 * (round + 1) + 1]);
    }
    world.say(20, "end_session", json!({}));
    assert_eq!(starts(&world.records).len(), 1, "it is no second start");
    assert_eq!(end(&world), (EndReason::Ended, Some("a".into()), 3 * MINUTE, None));
}

#[test]
fn a_session_that_has_ended_on_record_and_is_put_together_again_does_not_end_twice() {
    let mut world = World::new();
    let (_, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    world.pass_alive(WINDOW, &[2]);
    assert_eq!(end(&world).0, EndReason::Disconnected);
    let heard = world.hello_with(3, a.resume_pair(2));
    assert_eq!(heard.last().expect("news")["type"], "rejoined");
    assert_eq!(world.hub.sessions(), 1);
    world.say(3, "end_session", json!({}));
    assert_eq!((starts(&world.records).len(), end(&world).0), (1, EndReason::Disconnected));
}

#[test]
fn a_server_that_stops_leaves_sessions_to_where_they_go_on() {
    let stop = |world: &mut World| {
        world.hub.drain(world.now, Duration::ZERO, Duration::ZERO);
        world.settle();
        world.pass(MINUTE);
        assert!(world.is_nobody_there());
    };
    let mut world = World::new();
    world.meet_with_hello();
    stop(&mut world);
    assert_eq!((starts(&world.records).len(), ends(&world.records).len()), (1, 0));
    // Clients of the old wire cannot come back.
    let mut world = World::new();
    world.meet();
    stop(&mut world);
    assert_eq!(end(&world), (EndReason::Shutdown, None, Duration::ZERO, None));
}

#[test]
fn what_two_nodes_have_is_put_on_record_by_the_initiator_s() {
    for (role, records) in [(Role::Initiator, 2), (Role::Answerer, 0)] {
        let mut world = World::new();
        world.matching = false;
        world.connect(1);
        world.join(1, "a");
        let (node, session) = (NodeId(7), world.hub.new_session_id());
        let partner = RemotePartner { node, user: "b".into(), protocol: Protocol::Plain };
        let ticket = world.tickets()[0];
        world.hub.matched_with(world.now, ticket, (session, role), partner, &mut world.ice);
        world.pass_alive(MINUTE, &[1]);
        let left = PartnerNews::Left(EndReason::Skipped);
        world.hub.partner_news(world.now, node, session, left);
        world.settle();
        assert_eq!(world.records.len(), records, "{role:?}");
        if role == Role::Initiator {
            assert_eq!(end(&world), (EndReason::Skipped, Some("b".into()), MINUTE, None));
        }
    }
}

#[test]
fn rooms_are_on_record_like_any_other_session() {
    let mut world = World::new();
    world.connect(1);
    world.connect(2);
    world.say(1, "create_room", json!({ "userId": "a" }));
    let code = world.take(1)[0]["payload"]["code"].clone();
    world.say(2, "join_room", json!({ "userId": "b", "code": code }));
    world.say(2, "end_session", json!({}));
    assert_eq!((starts(&world.records).len(), end(&world).1), (1, Some("b".into())));
}

#[derive(Clone, Debug)]
enum Op {
    /// User so and so comes, with what it knows of its seat or without.
    Come {
        user: usize,
        knows: bool,
    },
    Lose(usize),
    Goodbye(usize),
    Say(usize, &'static str),
    Pass(u64),
    Restart,
}

fn op() -> impl Strategy<Value = Op> {
    let user = || 0..4usize;
    prop_oneof![
        4 => (user(), any::<bool>()).prop_map(|(user, knows)| Op::Come { user, knows }),
        2 => user().prop_map(Op::Lose),
        1 => user().prop_map(Op::Goodbye),
        6 => (user(), prop_oneof![
            4 => Just("join_queue"), 1 => Just("skip"), 1 => Just("end_session"),
            1 => Just("block"), 2 => Just("ping"),
        ]).prop_map(|(user, kind)| Op::Say(user, kind)),
        3 => (0..40u64).prop_map(Op::Pass),
        1 => Just(Op::Restart),
    ]
}

/// Users whose sockets come and go, with what they remember.
#[derive(Default)]
struct Story {
    connections: u64,
    at: [Option<u64>; 4],
    resume: [serde_json::Value; 4],
    pair: [serde_json::Value; 4],
    restarts: u64,
}

impl Story {
    fn apply(&mut self, world: &mut World, op: &Op) {
        match *op {
            Op::Come { user, knows } => {
                self.connections += 1;
                self.at[user] = Some(self.connections);
                let mut data = json!({ "userId": format!("u{user}") });
                if knows && !self.resume[user].is_null() {
                    data["resume"] = self.resume[user].clone();
                    data["pairToken"] = self.pair[user].clone();
                }
                world.connect(self.connections);
                world.say(self.connections, "hello", data);
            }
            Op::Lose(user) => self.depart(world, user, Departure::Lost),
            Op::Goodbye(user) => self.depart(world, user, Departure::Goodbye),
            Op::Say(user, kind) => {
                if let Some(id) = self.at[user] {
                    world.say(id, kind, json!({}));
                }
            }
            Op::Pass(seconds) => world.pass(Duration::from_secs(seconds)),
            Op::Restart => {
                self.restarts += 1;
                self.at = [None; 4];
                world.restart(self.restarts, b"north");
            }
        }
        for user in 0..4 {
            let Some(id) = self.at[user] else { continue };
            for message in world.take(id) {
                let payload = &message["payload"];
                if message["type"] == "welcome" {
                    self.resume[user] = json!({
                        "token": payload["resumeToken"], "epoch": payload["epoch"], "received": 0,
                    });
                }
                if payload["pairToken"].is_string() {
                    self.pair[user] = payload["pairToken"].clone();
                }
            }
            if world.closed.contains_key(&ConnectionId(id)) {
                self.at[user] = None;
            }
        }
    }

    fn depart(&mut self, world: &mut World, user: usize, departure: Departure) {
        if let Some(id) = self.at[user].take() {
            world.depart(id, departure);
        }
    }
}

proptest! {
    /// A server that is killed may leave a session without an end, and the next one may end what that one had ended.
    #[test]
    fn however_sockets_come_and_go_each_session_begins_once_and_ends_once(
        ops in prop::collection::vec(op(), 1..150),
    ) {
        let (mut world, mut story) = (World::new(), Story::default());
        let mut begun = Vec::new();
        for op in &ops {
            if let Op::Restart = op {
                begun.extend(starts(&world.records));
                ends(&world.records);
                world.records.clear();
            }
            story.apply(&mut world, op);
        }
        let crashed = story.restarts > 0;
        for user in 0..4 {
            story.depart(&mut world, user, Departure::Goodbye);
        }
        world.pass(WINDOW + APART);
        prop_assert!(world.is_nobody_there());
        let (here, ended) = (starts(&world.records), ends(&world.records));
        begun.extend(&here);
        prop_assert!(ended.keys().all(|session| begun.contains(session)), "what ends has begun");
        prop_assert!(here.iter().all(|session| ended.contains_key(session)), "what begins ends");
        prop_assert!(crashed || ended.len() == begun.len());
        begun.sort_unstable();
        let all = begun.len();
        begun.dedup();
        prop_assert_eq!(begun.len(), all);
    }
}
