//! A socket is lost and its seat stays: what the partner hears, and who waits meanwhile.

use std::time::Duration;

use hairpin_signaling::{CloseCode, Config, Departure};
use serde_json::json;

use crate::callers::kinds;
use crate::harness::{APART, World};

const WINDOW: Duration = Duration::from_secs(30);

#[test]
fn a_partner_hears_of_being_away_and_of_coming_back() {
    let mut world = World::new();
    let (session, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    world.hello_with(3, a.resume(2));
    let payload = json!({ "sessionId": session });
    assert_eq!(
        world.take(2),
        [
            json!({ "type": "partner_away", "payload": payload, "seq": 2 }),
            json!({ "type": "partner_back", "payload": payload, "seq": 3 }),
        ]
    );
}

#[test]
fn a_partner_who_does_not_come_back_has_left_when_the_window_closes() {
    let mut world = World::new();
    let (session, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    world.take(2);
    world.pass_alive(WINDOW - Duration::from_millis(1), &[2]);
    assert!(world.take(2).is_empty());
    world.pass(Duration::from_millis(1));
    let left = json!({ "sessionId": session, "reason": "disconnected" });
    assert_eq!(world.take(2), [json!({ "type": "partner_left", "payload": left, "seq": 3 })]);
    assert_eq!((world.hub.away(), world.hub.sessions()), (0, 0));
    let heard = world.hello_with(3, a.resume(2));
    assert_eq!(heard[1]["payload"]["reason"], "expired");
}

#[test]
fn who_left_while_somebody_was_away_is_among_what_that_one_missed() {
    let mut world = World::new();
    let (session, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    world.say(2, "end_session", json!({}));
    // With the proof of the session, too: it is told once.
    let heard = world.hello_with(3, a.resume_pair(2));
    assert_eq!(kinds(&heard), ["welcome", "partner_left"]);
    let left = json!({ "sessionId": session, "reason": "ended" });
    assert_eq!(heard[1], json!({ "type": "partner_left", "payload": left, "seq": 3 }));
}

#[test]
fn who_has_forgotten_all_and_comes_back_too_late_for_its_session_is_told() {
    let mut world = World::new();
    let (session, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    world.say(2, "end_session", json!({}));
    let mut hello = a.resume_pair(2);
    hello["resume"].as_object_mut().expect("fields").remove("received");
    let heard = world.hello_with(3, hello);
    assert_eq!(kinds(&heard), ["welcome", "restart", "partner_left"]);
    let left = json!({ "sessionId": session, "reason": "ended" });
    assert_eq!(heard[2], json!({ "type": "partner_left", "payload": left, "seq": 1 }));
}

#[test]
fn both_may_be_away_and_each_finds_the_other_in_the_same_session() {
    let mut world = World::new();
    let (_, [a, b]) = world.meet_with_hello();
    world.disconnect(1);
    world.disconnect(2);
    assert_eq!((world.hub.away(), world.hub.sessions()), (2, 1));
    world.pass(WINDOW / 2);
    assert_eq!(kinds(&world.hello_with(3, a.resume(2))), ["welcome", "partner_away"]);
    assert_eq!(
        kinds(&world.hello_with(4, b.resume(1))),
        ["welcome", "partner_away", "partner_back"],
        "as it was while it was away"
    );
    assert_eq!(world.heard(3), ["partner_back"]);
    world.pass_alive(WINDOW, &[3, 4]);
    world.signal(3, json!(1));
    assert_eq!(world.heard(4), ["signal"]);
}

#[test]
fn an_old_client_goes_with_its_socket_and_hears_only_of_the_end() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "old");
    let new = world.hello(2, "new");
    world.say(2, "join_queue", json!({}));
    world.take(1);
    world.disconnect(2);
    world.hello_with(3, new.resume(1));
    world.disconnect(3);
    assert!(world.take(1).is_empty());
    world.pass_alive(WINDOW, &[1]);
    assert_eq!(world.heard(1), ["partner_left"]);

    world.pass_alive(APART, &[1]);
    world.join(1, "old");
    world.hello_with(4, json!({ "userId": "new" }));
    world.say(4, "join_queue", json!({}));
    world.pong(1);
    world.take(4);
    world.disconnect(1);
    let left = world.take(4);
    assert_eq!(left[0]["payload"]["reason"], "disconnected");
}

#[test]
fn who_waits_is_not_matched_while_away_and_then_is_before_those_who_came_later() {
    let mut world = World::new();
    world.matching = false;
    let a = world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    let since = world.seeking[0].since;
    world.pass(Duration::from_secs(1));
    world.disconnect(1);
    assert_eq!((world.seeking.len(), world.hub.queue_len()), (0, 1));
    world.pass(WINDOW / 2);
    let heard = world.hello_with(2, a.resume(0));
    assert_eq!(heard[0]["payload"]["resumed"], true);
    assert_eq!((world.seeking[0].since, world.seeking.len()), (since, 1));
    world.disconnect(2);
    world.pass(WINDOW);
    assert!(world.is_nobody_there() && world.seeking.is_empty());
}

#[test]
fn waiting_goes_on_while_away_and_ends_when_it_would_have() {
    let queue_timeout = Duration::from_secs(20);
    let mut world = World::with(Config { queue_timeout, ..Config::default() });
    let a = world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    world.take(1);
    world.disconnect(1);
    world.pass(queue_timeout + Duration::from_secs(1));
    let heard = world.hello_with(2, a.resume(1));
    assert_eq!(heard[0]["payload"]["resumed"], true);
    world.pass(Duration::ZERO);
    assert_eq!(world.heard(2).last().map(String::as_str), Some("queue_timeout"));
}

#[test]
fn what_ends_a_seat_at_once_and_what_does_not() {
    for (departure, away) in [(Departure::Lost, 1), (Departure::Goodbye, 0)] {
        let mut world = World::new();
        world.meet_with_hello();
        world.depart(1, departure);
        assert_eq!(world.hub.away(), away, "{departure:?}");
    }
    let mut world = World::new();
    world.meet_with_hello();
    world.say_text(1, &"x".repeat(65 * 1024));
    assert_eq!((world.code(1), world.hub.away()), (Some(CloseCode::MessageTooBig), 0));
    let mut world = World::new();
    world.meet_with_hello();
    for _ in 0..300 {
        world.signal(1, json!(0));
    }
    assert_eq!((world.code(1), world.hub.away()), (Some(CloseCode::Flood), 0));
    let mut world = World::new();
    world.meet_with_hello();
    world.pass_alive(Duration::from_secs(60), &[2]);
    assert_eq!((world.code(1), world.hub.away()), (Some(CloseCode::HeartbeatTimeout), 1));
}

#[test]
fn a_window_of_nothing_keeps_nobody() {
    let mut world = World::with(Config { resume_window: Duration::ZERO, ..Config::default() });
    let (_, [a, _]) = world.meet_with_hello();
    world.disconnect(1);
    assert_eq!(world.heard(2), ["partner_left"]);
    let heard = world.hello_with(3, a.resume_pair(2));
    assert_eq!(kinds(&heard), ["welcome", "restart", "partner_left"]);
    assert_eq!(heard[0]["payload"]["resumeWindowMs"], 0);
}

#[test]
fn servers_that_ran_low_while_away_are_renewed_on_return() {
    let mut world = World::new();
    let (_, [a, _]) = world.meet_with_hello();
    world.pass_alive(Duration::from_secs(280), &[1, 2]);
    world.disconnect(1);
    let heard = world.hello_with(3, a.resume(2));
    assert_eq!(kinds(&heard), ["welcome"], "they are good for more than half their time");
    world.disconnect(3);
    world.pass(Duration::from_secs(21));
    let heard = world.hello_with(4, a.resume(2));
    assert_eq!(kinds(&heard), ["welcome", "ice_servers"]);
    world.take(2);
    world.pass_alive(Duration::from_secs(479 - 301), &[2, 4]);
    assert!(world.take(2).is_empty());
    world.pass_alive(Duration::from_secs(2), &[2, 4]);
    assert_eq!(world.heard(2), ["ice_servers"], "at 80 % of their time");
}
