//! `id`, `ack` and `seq`: both directions are numbered, once and in order.

use serde_json::{Value, json};

use crate::callers::{kinds, numbers};
use crate::harness::World;

#[test]
fn messages_are_numbered_from_one_and_answers_are_not() {
    let mut world = World::new();
    let a = world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    world.say(1, "ping", json!({}));
    world.say_numbered(1, 1, "leave_queue", json!({}));
    world.beat();
    world.say(1, "signal", json!({ "signal": 1 }));
    let heard = world.take(1);
    assert_eq!(kinds(&heard), ["queued", "pong", "ack", "error"]);
    assert_eq!(numbers(&heard), [1, 0, 0, 2]);
    assert_eq!(world.texts_of(1)[2], r#"{"type":"pong","payload":{}}"#);
    assert_eq!(world.texts_of(1)[3], r#"{"type":"ack","payload":{"id":1}}"#);
    drop(a);
}

#[test]
fn acks_are_cumulative_and_come_when_the_inputs_are_done() {
    let mut world = World::new();
    world.meet_with_hello();
    for id in 1..=5 {
        world.say_numbered(1, id, "signal", json!({ "signal": id }));
    }
    assert!(world.take(1).is_empty());
    assert_eq!(world.hub.poll_timeout(), Some(world.now), "soon, not some time");
    world.beat();
    assert_eq!(world.take(1), [json!({ "type": "ack", "payload": { "id": 5 } })]);
    assert_eq!(world.take(2).len(), 5);
}

#[test]
fn what_was_processed_is_acked_again_and_not_processed() {
    let mut world = World::new();
    world.meet_with_hello();
    world.say_numbered(1, 1, "signal", json!({ "signal": "once" }));
    world.beat();
    world.take(1);
    world.say_numbered(1, 1, "signal", json!({ "signal": "once" }));
    world.beat();
    assert_eq!(world.take(1), [json!({ "type": "ack", "payload": { "id": 1 } })]);
    assert_eq!(world.heard(2), ["signal"]);
}

#[test]
fn a_gap_is_refused_and_nothing_is_processed() {
    let mut world = World::new();
    world.meet_with_hello();
    world.say_numbered(1, 2, "signal", json!({ "signal": 2 }));
    world.beat();
    let heard = world.take(1);
    assert_eq!(kinds(&heard), ["error"]);
    let payload = &heard[0]["payload"];
    assert_eq!((&payload["code"], &payload["id"]), (&json!("invalid_field"), &json!(2)));
    assert!(world.take(2).is_empty());
    world.say_numbered(1, 1, "signal", json!({ "signal": 1 }));
    world.say_numbered(1, 2, "signal", json!({ "signal": 2 }));
    assert_eq!(world.heard(2), ["signal", "signal"]);
}

#[test]
fn without_a_number_a_message_is_processed_and_not_acked() {
    let mut world = World::new();
    world.meet_with_hello();
    world.signal(1, json!(1));
    world.beat();
    assert!(world.take(1).is_empty());
    assert_eq!(world.heard(2), ["signal"]);
}

#[test]
fn an_error_names_the_message_it_is_about_which_counts_as_heard() {
    let mut world = World::new();
    world.hello(1, "a");
    world.say_numbered(1, 1, "signal", json!({ "signal": 1 }));
    world.say_numbered(1, 2, "dance", json!({}));
    world.say_numbered(1, 3, "join_queue", json!({ "matchMode": 7 }));
    world.beat();
    let heard = world.take(1);
    let errors: Vec<_> = heard[..3]
        .iter()
        .map(|m| (m["payload"]["code"].clone(), m["payload"]["id"].clone()))
        .collect();
    let expected = [("no_session", 1), ("unknown_type", 2), ("invalid_field", 3)];
    assert_eq!(errors, expected.map(|(code, id)| (json!(code), json!(id))));
    assert_eq!(heard[3], json!({ "type": "ack", "payload": { "id": 3 } }));
}

#[test]
fn a_client_hears_on_its_return_how_far_it_got_and_says_the_rest_again() {
    let mut world = World::new();
    let (_, [a, _]) = world.meet_with_hello();
    world.say_numbered(1, 1, "signal", json!({ "signal": 1 }));
    world.disconnect(1);
    let heard = world.hello_with(3, a.resume(2));
    assert_eq!(heard[0]["payload"]["received"], 1);
    for id in 1..=2 {
        world.say_numbered(3, id, "signal", json!({ "signal": id }));
    }
    let signals: Vec<_> = world
        .take(2)
        .iter()
        .filter(|m| m["type"] == "signal")
        .map(|m| m["payload"]["signal"].clone())
        .collect();
    assert_eq!(signals, [1, 2]);
}

#[test]
fn after_a_restart_both_count_from_one() {
    let mut world = World::new();
    let (_, [a, _]) = world.meet_with_hello();
    for id in 1..=3 {
        world.say_numbered(1, id, "signal", json!({ "signal": id }));
    }
    world.disconnect(1);
    let heard = world.hello_with(3, a.resume(Value::Null));
    assert_eq!((numbers(&heard), &heard[0]["payload"]["received"]), (vec![0, 0, 1], &json!(0)));
    world.take(2);
    world.say_numbered(3, 1, "signal", json!({ "signal": "anew" }));
    assert_eq!(world.take(2)[0]["payload"]["signal"], "anew");
}

/// What has been acked is not kept, and cannot be asked for.
#[test]
fn an_ack_comes_with_any_message() {
    for say in
        [r#"{"type":"ping","ack":2}"#, r#"{"type":"ack","ack":2}"#, r#"{"type":"dance","ack":2}"#]
    {
        let mut world = World::new();
        let (_, [a, _]) = world.meet_with_hello();
        world.say_text(1, say);
        world.disconnect(1);
        let heard = world.hello_with(3, a.resume(1));
        let expired = json!({ "reason": "missed_too_much" });
        // The token that it had was the newest.
        assert_eq!(heard[1]["payload"], expired, "{say}");
    }
    let mut world = World::new();
    let (_, [a, _]) = world.meet_with_hello();
    world.ack(1, 1);
    world.disconnect(1);
    assert_eq!(kinds(&world.hello_with(3, a.resume(1))), ["welcome", "match_found"]);
}
