//! Whose a `userId` is: a name is no password, and partners are shown it.

use std::time::Duration;

use hairpin_signaling::{CloseCode, ConnectionId, Origin};
use serde_json::{Value, json};

use crate::callers::kinds;
use crate::harness::World;

const HERE: Option<Origin> = Some(Origin(1));
const ELSEWHERE: Option<Origin> = Some(Origin(2));

fn hello_from(world: &mut World, id: u64, origin: Option<Origin>, data: Value) -> Vec<Value> {
    world.connect_from(id, origin);
    world.say(id, "hello", data);
    world.take(id)
}

fn a() -> Value {
    json!({ "userId": "a" })
}

#[test]
fn from_the_same_network_the_newer_socket_has_the_name_and_the_older_one_nothing() {
    let mut world = World::new();
    hello_from(&mut world, 1, HERE, a());
    hello_from(&mut world, 2, HERE, json!({ "userId": "b" }));
    world.say(1, "join_queue", json!({}));
    world.say(2, "join_queue", json!({}));
    world.take(2);
    let heard = hello_from(&mut world, 3, HERE, a());
    assert_eq!(kinds(&heard), ["welcome"], "a new seat");
    assert_eq!(world.code(1), Some(CloseCode::Replaced));
    assert_eq!(world.take(2)[0]["payload"]["reason"], "replaced");
}

#[test]
fn from_elsewhere_a_name_is_taken_and_its_owner_goes_on() {
    for how in ["hello", "join_queue"] {
        let mut world = World::new();
        hello_from(&mut world, 1, HERE, a());
        world.connect_from(2, ELSEWHERE);
        world.say(2, how, a());
        let heard = world.take(2);
        assert_eq!(heard[0]["payload"]["code"], "user_taken", "{how}");
        assert_eq!(heard[0]["payload"]["temporary"], true);
        assert_eq!(heard[0]["payload"]["retryAfterMs"], 5000);
        assert_eq!(world.pings, [ConnectionId(1)], "is it there?");
        world.pass(Duration::from_secs(4));
        world.pong(1);
        world.pass(Duration::from_secs(4));
        assert_eq!(world.code(1), None);
        world.say(2, how, a());
        assert_eq!(world.heard(2), ["user_taken"]);
    }
}

#[test]
fn a_ghost_does_not_keep_its_name() {
    let mut world = World::new();
    hello_from(&mut world, 1, HERE, a());
    hello_from(&mut world, 2, ELSEWHERE, a());
    world.pass(Duration::from_secs(5));
    assert_eq!(world.code(1), Some(CloseCode::HeartbeatTimeout));
    world.say(2, "hello", a());
    assert_eq!(world.heard(2), ["welcome"]);
}

#[test]
fn a_seat_that_is_away_keeps_its_name_for_whoever_has_the_token() {
    let mut world = World::new();
    let heard = hello_from(&mut world, 1, HERE, a());
    let welcome = &heard[0]["payload"];
    let token = json!({
        "token": welcome["resumeToken"], "epoch": welcome["epoch"], "received": 0,
    });
    world.say(1, "join_queue", json!({}));
    world.disconnect(1);
    world.pass(Duration::from_secs(10));
    let heard = hello_from(&mut world, 2, ELSEWHERE, a());
    assert_eq!(heard[0]["payload"]["code"], "user_taken");
    assert_eq!(heard[0]["payload"]["retryAfterMs"], 20_000, "until its window closes");
    // Its owner has changed networks.
    let hello = json!({ "userId": "a", "resume": token });
    let heard = hello_from(&mut world, 3, ELSEWHERE, hello);
    assert_eq!(
        (kinds(&heard), &heard[0]["payload"]["resumed"]),
        (vec!["welcome", "queued", "queued"], &json!(true))
    );
    // And is at home there now.
    let heard = hello_from(&mut world, 4, HERE, a());
    assert_eq!(heard[0]["payload"]["code"], "user_taken");
}

#[test]
fn who_has_said_hello_has_said_who_it_is() {
    let mut world = World::new();
    world.hello(1, "a");
    world.say(1, "join_queue", json!({ "userId": "b" }));
    assert_eq!(world.heard(1), ["user_change"]);
    world.say(1, "join_queue", json!({ "userId": "a" }));
    assert_eq!(world.heard(1), ["queued"]);
    // Only then may it be left out.
    world.connect(2);
    world.say(2, "join_queue", json!({}));
    assert_eq!(world.heard(2), ["invalid_field"]);
}

#[test]
fn a_pair_token_is_proof_of_a_name_wherever_its_bearer_is() {
    let mut world = World::new();
    hello_from(&mut world, 1, HERE, a());
    hello_from(&mut world, 2, HERE, json!({ "userId": "b" }));
    world.say(1, "join_queue", json!({}));
    world.say(2, "join_queue", json!({}));
    let found = world.take(1).pop().expect("a match");
    world.take(2);
    let hello = json!({ "userId": "a", "pairToken": found["payload"]["pairToken"] });
    let heard = hello_from(&mut world, 3, ELSEWHERE, hello.clone());
    assert_eq!(kinds(&heard), ["welcome", "rejoined"]);
    assert_eq!(world.code(1), Some(CloseCode::Replaced));
    assert!(world.take(2).is_empty());
    let mut stolen = hello;
    stolen["userId"] = json!("mallory");
    let heard = hello_from(&mut world, 4, ELSEWHERE, stolen);
    assert_eq!(kinds(&heard), ["welcome"]);
    assert_eq!(world.code(3), None);
}

/// A `hello` may be stuck in a network that its client has left, and arrive when it is back by another.
#[test]
fn a_hello_that_comes_late_sends_nobody_away() {
    for with_pair in [false, true] {
        let mut world = World::new();
        let (_, [a, _]) = world.meet_with_hello();
        let late = if with_pair { a.resume_pair(2) } else { a.resume(2) };
        world.hello_with(3, a.resume(2));
        world.say(3, "ping", json!({}));
        world.take(2);
        let heard = world.hello_with(4, late.clone());
        assert_eq!(heard[0]["payload"]["code"], "user_taken");
        assert_eq!((world.code(3), world.take(2).len()), (None, 0));
        // It is not shut out for good, if it is a page that has lost its token.
        world.pass_alive(Duration::from_secs(5), &[2, 4]);
        assert_eq!(world.code(3), Some(CloseCode::HeartbeatTimeout));
        world.say(4, "hello", late);
        let expected: &[&str] =
            if with_pair { &["welcome", "restart", "rejoined"] } else { &["welcome", "restart"] };
        assert_eq!(kinds(&world.take(4)), expected);
    }
}
