//! Stopping: everybody is sent elsewhere, one after the other, and calls go on meanwhile.

use std::time::Duration;

use hairpin_signaling::{CloseCode, Departure, EndReason, Event};
use serde_json::json;

use crate::harness::World;

const SPREAD: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(5);

fn drain(world: &mut World) {
    world.hub.drain(world.now, SPREAD, GRACE);
    world.settle();
}

#[test]
fn goaways_are_spread_evenly_and_each_says_when_to_come_back() {
    let mut world = World::new();
    for id in 1..=100 {
        world.hello(id, &format!("u{id}"));
    }
    drain(&mut world);
    let mut retries = Vec::new();
    for second in 1..=10 {
        world.pass(Duration::from_millis(999));
        let told: Vec<_> = (1..=100).flat_map(|id| world.take(id)).collect();
        assert_eq!(told.len(), 10, "in second {second}");
        for message in told {
            let retry = message["payload"]["retryAfterMs"].as_u64().expect("a number");
            assert_eq!(message, json!({ "type": "goaway", "payload": { "retryAfterMs": retry } }));
            assert!(retry <= 1000);
            retries.push(retry);
        }
        world.pass(Duration::from_millis(1));
        // What is due at the full second belongs to the next.
        let early: Vec<_> = (1..=100)
            .filter(|id| {
                !world.inbox.get(&hairpin_signaling::ConnectionId(*id)).is_none_or(Vec::is_empty)
            })
            .collect();
        assert!(early.len() <= 1);
    }
    retries.sort_unstable();
    assert!(retries[10] < 300 && retries[89] > 700, "they differ: {retries:?}");
}

#[test]
fn who_stays_is_closed_and_who_goes_is_not_missed() {
    let mut world = World::new();
    world.meet_with_hello();
    drain(&mut world);
    let goaway = world.take(1).remove(0);
    let retry =
        Duration::from_millis(goaway["payload"]["retryAfterMs"].as_u64().expect("a number"));
    world.pass_alive(retry + GRACE - Duration::from_millis(1), &[1, 2]);
    assert_eq!(world.code(1), None);
    world.take(2);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.code(1), Some(CloseCode::GoingAway));
    assert!(world.take(2).is_empty(), "its partner is going to move, too");
    world.disconnect(2);
    world.pass(Duration::from_secs(60));
    assert!(world.is_nobody_there());
    let ended =
        |event: &Event| matches!(event, Event::SessionEnded { reason: EndReason::Shutdown, .. });
    assert_eq!(world.events.iter().filter(|event| ended(event)).count(), 1);
}

#[test]
fn pairs_are_signalled_until_they_go() {
    let mut world = World::new();
    let (session, _) = world.meet_with_hello();
    drain(&mut world);
    world.pass(SPREAD - Duration::from_secs(5));
    world.take(2);
    world.signal(1, json!("still"));
    assert_eq!(
        world.take(2),
        [
            json!({ "type": "signal", "payload": { "sessionId": session, "signal": "still" }, "seq": 2 })
        ]
    );
    world.depart(1, Departure::Lost);
    assert!(world.take(2).is_empty());
    world.signal(2, json!("whoever left has its reasons"));
    assert!(world.take(2).is_empty());
    world.say(2, "end_session", json!({}));
    assert!(world.take(2).is_empty());
}

#[test]
fn nobody_is_matched_any_more() {
    let mut world = World::new();
    world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    for (id, user) in [(2, "b"), (3, "c")] {
        world.hello(id, user);
    }
    drain(&mut world);
    assert!(world.seeking.is_empty());
    for id in [2, 3] {
        world.say(id, "join_queue", json!({}));
    }
    assert_eq!((world.seeking.len(), world.hub.sessions(), world.hub.queue_len()), (0, 0, 3));
}

#[test]
fn an_answer_that_comes_during_the_drain_makes_no_match() {
    let mut world = World::new();
    world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    world.pass(Duration::from_secs(6));
    world.hello(2, "b");
    world.say(2, "join_queue", json!({}));
    assert_eq!(world.introductions(), 1);
    drain(&mut world);
    world.pong(1);
    assert_eq!((world.hub.sessions(), world.introductions()), (0, 0));
}

#[test]
fn who_comes_is_sent_on_and_the_old_wire_hears_what_it_always_did() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "old");
    world.take(1);
    drain(&mut world);
    let text = r#"{"type":"error","payload":{"code":"shutting_down","message":"the server is stopping","temporary":true}}"#;
    assert_eq!(world.texts_of(1).last().map(String::as_str), Some(text));
    assert_eq!(world.code(1), Some(CloseCode::GoingAway));
    world.connect(2);
    assert_eq!(
        (world.texts_of(2), world.code(2)),
        (vec![text.to_owned()], Some(CloseCode::GoingAway))
    );
    world.pass(Duration::from_secs(60));
    assert!(world.is_nobody_there());
}

#[test]
fn a_call_moves_to_another_server_with_the_same_secret() {
    let mut world = World::new();
    let (session, [a, b]) = world.meet_with_hello();
    drain(&mut world);
    world.disconnect(1);
    world.disconnect(2);
    world.pass(Duration::from_secs(60));
    assert!(world.is_nobody_there());
    world.restart(5, b"north");
    for (id, ticket) in [(3, a), (4, b)] {
        let heard = world.hello_with(id, ticket.resume_pair(9));
        assert_eq!(heard[2]["payload"]["sessionId"], session);
    }
    world.signal(4, json!("here"));
    assert_eq!(world.heard(3), ["partner_back", "signal"]);
}
