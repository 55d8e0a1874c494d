//! Floods and floods of bytes.

use std::time::Duration;

use hairpin_signaling::{CloseCode, Config, Origin, Rate};
use serde_json::json;

use crate::harness::World;

fn small() -> World {
    World::with(Config {
        messages: Rate::new(2, 5),
        bytes: Rate::new(1000, 4000),
        ..Config::default()
    })
}

#[test]
fn a_flood_of_messages_is_closed_with_its_code() {
    let mut world = small();
    world.connect(1);
    for _ in 0..6 {
        world.say(1, "leave_queue", json!({}));
    }
    assert_eq!(world.heard(1), ["flood"]);
    assert_eq!(world.code(1), Some(CloseCode::Flood));
    assert_eq!(world.hub.connections(), 0);
    world.say(1, "leave_queue", json!({}));
    assert!(world.inbox.is_empty(), "what was on its way already is ignored");
}

#[test]
fn a_flood_of_binary_or_broken_messages_is_one_too() {
    for text in ["{", "binary"] {
        let mut world = small();
        world.connect(1);
        for _ in 0..6 {
            match text {
                "binary" => world.binary(1),
                text => world.say_text(1, text),
            }
        }
        world.settle();
        assert_eq!(world.code(1), Some(CloseCode::Flood), "{text}");
    }
}

#[test]
fn a_flood_of_bytes_is_closed_with_its_code() {
    let mut world = small();
    world.connect(1);
    let long = " ".repeat(1500);
    for _ in 0..3 {
        world.say_text(1, &long);
    }
    assert_eq!(world.heard(1), ["bad_message", "bad_message", "flood"]);
    assert_eq!(world.code(1), Some(CloseCode::Flood));
}

#[test]
fn who_keeps_to_the_rate_is_never_closed() {
    let mut world = small();
    world.connect(1);
    for _ in 0..100 {
        world.say(1, "leave_queue", json!({}));
        world.pass(Duration::from_millis(500));
    }
    assert_eq!(world.code(1), None);
}

#[test]
fn sixty_four_kibibytes_pass_and_a_byte_more_does_not() {
    let mut world = World::new();
    world.connect(1);
    world.say_text(1, &" ".repeat(64 * 1024));
    assert_eq!(world.heard(1), ["bad_message"]);
    world.say_text(1, &" ".repeat(64 * 1024 + 1));
    assert_eq!(world.code(1), Some(CloseCode::MessageTooBig));
    assert_eq!(world.hub.connections(), 0);
}

#[test]
fn a_flooder_s_partner_is_told_that_it_left() {
    let mut world = World::new();
    world.meet();
    for _ in 0..400 {
        world.say(1, "leave_queue", json!({}));
    }
    assert_eq!(world.code(1), Some(CloseCode::Flood));
    assert_eq!(world.take(2)[0]["payload"]["reason"], "disconnected");
}

/// Skips until that is refused, and says how often it was not; the partner comes again at once, each time as
/// somebody else.
fn skip_all(world: &mut World, session: &mut String) -> usize {
    for skipped in 0..1000 {
        world.say(1, "skip", json!({ "sessionId": *session }));
        if world.heard(1).contains(&"too_often".to_owned()) {
            return skipped;
        }
        world.say(2, "join_queue", json!({ "userId": format!("b{skipped}") }));
        *session = world.session(1);
        world.take(1);
    }
    panic!("without end")
}

#[test]
fn two_who_join_and_skip_without_end_get_few_credentials() {
    let mut world = World::new();
    let mut session = world.meet();
    assert_eq!(skip_all(&mut world, &mut session), 30);
    // 31 matches, each with a grant for both sides.
    assert_eq!(world.ice.issued.len(), 2 * 31);
}

#[test]
fn a_refused_skip_stays_in_its_session_and_is_told_when_to_try_again() {
    let mut world = World::new();
    let mut session = world.meet();
    skip_all(&mut world, &mut session);
    world.take(2);
    world.say(1, "skip", json!({ "sessionId": session }));
    let refusal = &world.take(1)[0]["payload"];
    assert_eq!((&refusal["code"], &refusal["temporary"]), (&json!("too_often"), &json!(true)));
    let wait = refusal["retryAfterMs"].as_u64().expect("a time");
    assert_eq!(wait, 2000, "thirty a minute");
    world.say(1, "signal", json!({ "sessionId": session, "signal": 1 }));
    assert_eq!(world.heard(2), ["signal"], "nobody was told that it left");

    world.pass(Duration::from_millis(wait));
    world.say(1, "skip", json!({ "sessionId": session }));
    assert_eq!(world.heard(2), ["partner_left"]);
}

/// Joins and leaves until that is refused, and says how often it was not.
fn join_all(world: &mut World, id: u64, user: &str) -> usize {
    for joined in 0..1000 {
        world.join(id, user);
        if world.heard(id).contains(&"too_often".to_owned()) {
            return joined;
        }
        world.say(id, "leave_queue", json!({}));
    }
    panic!("without end")
}

#[test]
fn a_refused_join_stays_idle_and_leaves_the_user_s_other_connection_alone() {
    let mut world = World::new();
    world.connect(1);
    assert_eq!(join_all(&mut world, 1, "a"), 10);
    assert_eq!(world.hub.queue_len(), 0);
    world.connect(2);
    world.join(2, "a");
    assert_eq!(world.heard(2), ["too_often"], "the user's budget, and not the connection's");
    assert_eq!(world.code(1), None);
    world.join(2, "b");
    assert_eq!(world.heard(2), ["queued"], "somebody else has its own");
}

#[test]
fn a_new_connection_is_no_new_budget() {
    let mut world = World::new();
    world.connect(1);
    join_all(&mut world, 1, "a");
    world.disconnect(1);
    world.connect(2);
    assert_eq!(join_all(&mut world, 2, "a"), 0);
    world.pass_alive(Duration::from_secs(60), &[2]);
    assert_eq!(join_all(&mut world, 2, "a"), 10);
}

#[test]
fn who_waits_already_may_ask_again_and_again() {
    let mut world = World::new();
    world.connect(1);
    for _ in 0..100 {
        world.join(1, "a");
        assert_eq!(world.heard(1), ["queued"]);
    }
}

#[test]
fn a_skip_that_brings_nothing_costs_nothing() {
    let mut world = World::new();
    let session = world.meet();
    world.say(1, "skip", json!({ "sessionId": session }));
    for _ in 0..100 {
        world.say(1, "skip", json!({ "sessionId": session }));
        world.say(1, "skip", json!({ "sessionId": "0".repeat(32) }));
    }
    assert!(!world.heard(1).contains(&"too_often".to_owned()));
}

#[test]
fn names_that_are_made_up_share_the_bound_of_where_they_come_from() {
    let mut world =
        World::with(Config { messages: Rate::new(10_000, 10_000), ..Config::default() });
    let [here, there] = [1, 2].map(|network| Some(Origin(network)));
    world.matching = false;
    world.connect_from(1, here);
    for n in 0..1000 {
        world.join(1, &format!("made-up-{n}"));
        world.say(1, "leave_queue", json!({}));
    }
    assert!(world.take(1).is_empty(), "a school lives behind one address");
    world.join(1, "made-up-1000");
    assert_eq!(world.heard(1), ["too_often"]);
    world.connect_from(2, here);
    world.join(2, "another");
    assert_eq!(world.heard(2), ["too_often"]);
    world.connect_from(3, there);
    world.join(3, "far");
    assert!(world.take(3).is_empty());
    assert_eq!(world.hub.queue_len(), 1);
}
