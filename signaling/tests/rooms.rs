//! Rooms: who has the code meets who waits there, and nobody else does.

use std::time::Duration;

use hairpin_signaling::{Config, Departure, Origin, Rate};
use serde_json::{Value, json};

use crate::callers::{Ticket, kinds};
use crate::harness::{World, config};

const LIFETIME: Duration = Duration::from_secs(600);

/// The code in what somebody has heard.
fn code(heard: &[Value]) -> String {
    let created = heard.iter().rev().find(|message| message["type"] == "room_created");
    created.expect("a room")["payload"]["code"].as_str().expect("a string").to_owned()
}

/// 1 is `a` and has said hello and made a room.
pub(crate) fn room() -> (World, Ticket, String) {
    let mut world = World::new();
    let a = world.hello(1, "a");
    world.say(1, "create_room", json!({}));
    let code = code(&world.take(1));
    (world, a, code)
}

/// The same, but 1 knows only the old wire.
pub(crate) fn plain_room() -> (World, String) {
    let mut world = World::new();
    world.connect(1);
    world.say(1, "create_room", json!({ "userId": "a" }));
    let code = code(&world.take(1));
    (world, code)
}

pub(crate) fn enter(world: &mut World, id: u64, user: &str, code: &str) {
    world.connect(id);
    world.say(id, "join_room", json!({ "userId": user, "code": code }));
}

#[test]
fn a_room_says_its_code_and_how_long_it_waits() {
    let mut world = World::new();
    world.hello(1, "a");
    world.say(1, "create_room", json!({}));
    let created = &world.take(1)[0];
    assert_eq!((&created["seq"], &created["payload"]["expiresInMs"]), (&json!(1), &json!(600_000)));
    let code = created["payload"]["code"].as_str().expect("a string");
    assert_eq!(code.len(), 8);
    assert!(
        code.chars().all(|symbol| symbol.is_ascii_alphanumeric() && !"0O1ILU".contains(symbol))
    );
    assert_eq!((world.hub.queue_len(), world.hub.sessions()), (0, 0));
}

#[test]
fn the_two_are_a_pair_like_any_other() {
    let (mut world, mut a, code) = room();
    let b = world.hello(2, "b");
    let typed = format!(" {}-{} ", code[..4].to_lowercase(), &code[4..]);
    world.say(2, "join_room", json!({ "code": typed }));
    let (host, guest) = (world.take(1), world.take(2));
    assert_eq!((kinds(&host), kinds(&guest)), (vec!["match_found"], vec!["match_found"]));
    let [host, guest] = [&host[0]["payload"], &guest[0]["payload"]];
    assert_eq!(host["sessionId"], guest["sessionId"]);
    assert_eq!((&host["partnerId"], &guest["partnerId"]), (&json!("b"), &json!("a")));
    assert_eq!((&host["isInitiator"], &guest["isInitiator"]), (&json!(true), &json!(false)));
    assert_eq!(guest["iceServers"][0]["username"], "600:b");
    // It is put together again after a restart, as any other.
    a.pair_token = host["pairToken"].clone();
    world.restart(1, b"north");
    assert_eq!(kinds(&world.hello_with(3, a.resume_pair(2))), ["welcome", "restart", "rejoined"]);
    assert!(b.pair_token.is_null());
}

#[test]
fn an_old_client_can_do_both() {
    let (mut world, code) = plain_room();
    enter(&mut world, 2, "b", &code);
    let session = world.session(1);
    assert_eq!((session, world.heard(1)), (world.session(2), vec!["match_found".to_owned()]));
    world.say(2, "signal", json!({ "signal": 1 }));
    assert_eq!(world.heard(1), ["signal"]);
    world.say(2, "end_session", json!({}));
    assert_eq!(world.heard(1), ["partner_left"]);
}

#[test]
fn nobody_is_matched_out_of_a_room() {
    let (mut world, _, code) = room();
    for (id, user) in [(2, "b"), (3, "c")] {
        world.connect(id);
        world.join(id, user);
    }
    assert_eq!((world.hub.sessions(), world.take(1).len()), (1, 0));
    enter(&mut world, 4, "d", &code);
    assert_eq!(world.hub.sessions(), 2);
    assert_eq!(world.heard(4), ["match_found"]);
}

#[test]
fn a_code_is_good_for_one_meeting() {
    let (mut world, _, code) = room();
    enter(&mut world, 2, "b", &code);
    enter(&mut world, 3, "c", &code);
    assert_eq!((world.heard(3), world.hub.sessions()), (vec!["no_room".into()], 1));
}

#[test]
fn a_wrong_code_leaves_one_where_one_is_and_one_s_own_is_refused_clearly() {
    let (mut world, _, code) = room();
    world.say(1, "join_room", json!({ "code": code }));
    let error = &world.take(1)[0]["payload"];
    assert_eq!((&error["code"], &error["temporary"]), (&json!("invalid_field"), &json!(false)));
    assert!(error["message"].as_str().is_some_and(|message| message.contains("your own room")));
    world.connect(2);
    world.join(2, "b");
    world.take(2);
    for wrong in ["22222222", "!", "0O1ILU00", "22222222222222"] {
        world.say(2, "join_room", json!({ "userId": "b", "code": wrong }));
        assert_eq!(world.heard(2), ["no_room"], "{wrong}");
    }
    assert_eq!(world.hub.queue_len(), 1);
    enter(&mut world, 3, "c", &code);
    assert_eq!(world.heard(3), ["match_found"], "the room is still there");
}

#[test]
fn whatever_looks_for_a_partner_leaves_the_room() {
    for (kind, queued) in [("join_queue", 1), ("leave_queue", 0), ("skip", 1), ("create_room", 0)] {
        let (mut world, _, code) = room();
        world.say(1, kind, json!({}));
        assert_eq!(world.hub.queue_len(), queued, "{kind}");
        enter(&mut world, 2, "b", &code);
        assert_eq!(world.heard(2), ["no_room"], "{kind}");
        assert_eq!(world.hub.sessions(), 0, "{kind}");
        world.depart(1, Departure::Goodbye);
        world.depart(2, Departure::Goodbye);
        assert!(world.is_nobody_there(), "{kind}");
    }
}

#[test]
fn whatever_one_is_in_is_left_for_a_room() {
    let mut world = World::new();
    world.meet();
    world.say(1, "create_room", json!({ "userId": "a" }));
    let code = code(&world.take(1));
    assert_eq!(world.take(2)[0]["payload"]["reason"], "skipped");
    world.say(2, "create_room", json!({ "userId": "b" }));
    world.say(2, "join_room", json!({ "userId": "b", "code": code }));
    assert_eq!(world.heard(2), ["room_created", "match_found"]);
    world.disconnect(1);
    world.disconnect(2);
    assert!(world.is_nobody_there());
}

#[test]
fn a_room_closes_when_its_time_is_over() {
    let (mut world, code) = plain_room();
    world.pass_alive(LIFETIME - Duration::from_secs(1), &[1]);
    assert!(world.take(1).is_empty());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.take(1), [json!({ "type": "room_closed", "payload": { "code": code } })]);
    enter(&mut world, 2, "b", &code);
    assert_eq!(world.heard(2), ["no_room"]);
    let lasting = Config { room_lifetime: Duration::from_secs(7), ..config() };
    let mut world = World::with(lasting);
    world.hello(1, "a");
    world.say(1, "create_room", json!({}));
    world.pass(Duration::from_secs(7));
    assert_eq!(world.heard(1), ["room_created", "room_closed"]);
}

#[test]
fn a_lost_connection_keeps_the_room_and_who_comes_back_hears_what_became_of_it() {
    let (mut world, a, code) = room();
    world.pass(Duration::from_secs(1));
    world.disconnect(1);
    world.pass(Duration::from_secs(1));
    // It has forgotten all it heard.
    let heard = world.hello_with(2, a.resume(Value::Null));
    assert_eq!(kinds(&heard), ["welcome", "restart", "room_created"]);
    assert_eq!(heard[2]["payload"], json!({ "code": code, "expiresInMs": 598_000 }));
    world.disconnect(2);
    world.pass(Duration::from_secs(31));
    enter(&mut world, 3, "b", &code);
    assert_eq!(world.heard(3), ["no_room"]);
    world.disconnect(3);
    assert!(world.is_nobody_there());

    let mut world = World::with(Config { room_lifetime: Duration::from_secs(7), ..config() });
    let a = world.hello(1, "a");
    world.say(1, "create_room", json!({}));
    world.disconnect(1);
    world.pass(Duration::from_secs(8));
    let heard = world.hello_with(2, a.resume(1));
    assert_eq!(kinds(&heard), ["welcome", "room_closed"]);
}

#[test]
fn who_is_blocked_finds_no_room() {
    let (mut world, _, code) = room();
    world.say(1, "block", json!({ "userId": "b" }));
    enter(&mut world, 2, "b", &code);
    enter(&mut world, 3, "b2", "22222222");
    let (blocked, wrong) = (world.take(2), world.take(3));
    assert_eq!(blocked, wrong, "nothing tells it from a room that there is not");
    world.join(2, "b");
    world.take(2);
    world.pass(Duration::from_secs(2));
    world.say(2, "join_room", json!({ "userId": "b", "code": code }));
    assert_eq!((world.heard(2), world.hub.queue_len()), (vec!["no_room".into()], 1));
    assert_eq!(world.heard(1), ["blocked"], "nobody is asked whether it is there");
    world.say(1, "ping", json!({}));
    enter(&mut world, 4, "c", &code);
    assert_eq!(world.heard(4), ["match_found"]);

    let (mut world, _, code) = room();
    world.pass(Duration::from_secs(2));
    enter(&mut world, 2, "b", &code);
    world.take(1);
    world.say(1, "block", json!({ "userId": "b" }));
    assert_eq!((world.heard(1), world.heard(2)), (vec!["blocked".into()], vec!["no_room".into()]));
    assert_eq!(world.hub.sessions(), 0);
}

#[test]
fn guessing_is_bounded_for_a_user_and_for_where_it_comes_from() {
    let fast = Rate::new(10_000, 10_000);
    let mut world = World::with(Config { messages: fast, ..config() });
    world.connect(9);
    world.say(9, "create_room", json!({ "userId": "host" }));
    let code = code(&world.take(9));
    let guess = |world: &mut World, id: u64, user: &str, code: &str| {
        world.say(id, "join_room", json!({ "userId": user, "code": code }));
        world.take(id).pop().expect("an answer")["payload"].clone()
    };
    world.connect_from(1, Some(Origin(1)));
    for _ in 0..10 {
        assert_eq!(guess(&mut world, 1, "a", "22222222")["code"], "no_room");
    }
    let refused = guess(&mut world, 1, "a", &code);
    assert_eq!(
        (&refused["code"], &refused["retryAfterMs"]),
        (&json!("too_often"), &json!(6000)),
        "even a right one"
    );
    let made_up = (0..1000)
        .take_while(|n| guess(&mut world, 1, &format!("x{n}"), "22222222")["code"] == "no_room");
    assert_eq!(made_up.count(), 90, "ten users' worth of an origin");
    world.connect_from(2, Some(Origin(2)));
    world.say(2, "join_room", json!({ "userId": "b", "code": code }));
    assert_eq!(world.heard(2), ["match_found"]);
}

#[test]
fn rooms_cost_what_a_join_does() {
    let mut world = World::new();
    world.connect(1);
    for _ in 0..10 {
        world.say(1, "create_room", json!({ "userId": "a" }));
    }
    assert_eq!(world.heard(1), ["room_created"; 10]);
    world.say(1, "create_room", json!({ "userId": "a" }));
    assert_eq!(world.heard(1), ["too_often"]);
}

#[test]
fn ten_thousand_rooms_are_kept_apart_and_nothing_is_left_of_them() {
    let mut world = World::new();
    let mut codes = Vec::new();
    for id in 0..10_000 {
        world.connect(id);
        world.say(id, "create_room", json!({ "userId": format!("u{id}") }));
        codes.push(code(&world.take(id)));
    }
    let different: std::collections::BTreeSet<_> = codes.iter().collect();
    assert_eq!(different.len(), codes.len());
    enter(&mut world, 20_000, "guest", &codes[7_777]);
    assert_eq!(world.take(20_000)[0]["payload"]["partnerId"], "u7777");
    for id in (0..10_000).chain([20_000]) {
        world.disconnect(id);
    }
    assert!(world.is_nobody_there());
}

#[test]
fn a_server_that_stops_opens_no_rooms_and_no_doors() {
    let (mut world, _, code) = room();
    world.pass(Duration::from_secs(2));
    world.hello(2, "b");
    world.say(2, "join_room", json!({ "code": code }));
    world.hello(3, "c");
    world.hub.drain(world.now, Duration::from_secs(10), Duration::from_secs(10));
    world.settle();
    world.take(1);
    world.say(1, "accept", json!({}));
    world.say(3, "create_room", json!({}));
    world.say(3, "join_room", json!({ "code": code }));
    assert_eq!(world.hub.sessions(), 0);
    assert_eq!(world.heard(3), ["shutting_down"; 2]);
}
