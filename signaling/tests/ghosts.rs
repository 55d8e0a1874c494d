//! A match stands when both have agreed to it: who was silent is asked first.

use std::time::Duration;

use hairpin_signaling::{CloseCode, ConnectionId, Event};
use serde_json::json;

use crate::callers::{Ticket, kinds};
use crate::harness::World;

const LONG: Duration = Duration::from_secs(6);
const ANSWER: Duration = Duration::from_secs(3);

/// 1 has said hello and waited in silence, and 2 has come.
fn introduced() -> (World, Ticket) {
    let mut world = World::new();
    let a = world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    world.pass(LONG);
    world.take(1);
    world.hello(2, "b");
    world.say(2, "join_queue", json!({}));
    assert_eq!((world.introductions(), world.hub.queue_len()), (1, 2));
    (world, a)
}

/// The same, but 1 knows only the old wire.
fn introduced_plainly() -> World {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "a");
    world.pass(LONG);
    world.take(1);
    world.hello(2, "b");
    world.say(2, "join_queue", json!({}));
    assert_eq!((world.introductions(), world.hub.queue_len()), (1, 2));
    world
}

#[test]
fn who_has_said_something_just_now_is_matched_at_once() {
    let mut world = World::new();
    world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    world.pass(Duration::from_secs(5));
    world.say(1, "ping", json!({}));
    world.pass(Duration::from_secs(1));
    world.hello(2, "b");
    world.say(2, "join_queue", json!({}));
    assert_eq!(world.heard(2), ["match_found"]);
    assert!(!world.heard(1).contains(&"match_offer".into()));
}

#[test]
fn an_old_client_whose_socket_lives_has_agreed() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "a");
    world.pass(Duration::from_secs(5));
    world.connect(2);
    world.join(2, "b");
    assert_eq!(world.heard(2), ["match_found"]);
    assert!(world.pings.is_empty());
}

#[test]
fn who_was_silent_is_offered_the_match_and_has_it_when_it_accepts() {
    let (mut world, _) = introduced();
    let offer = world.take(1);
    assert_eq!(
        offer,
        [json!({ "type": "match_offer", "payload": { "withinMs": 3000 } })],
        "it is not numbered"
    );
    assert!(world.events.contains(&Event::Probed));
    assert!(world.take(2).is_empty());
    world.pass(ANSWER - Duration::from_millis(1));
    world.say(1, "accept", json!({}));
    for (id, initiator) in [(1, true), (2, false)] {
        let heard = world.take(id);
        assert_eq!(heard[0]["payload"]["isInitiator"], initiator, "who waited longer");
    }
    assert_eq!(world.introductions(), 0);
}

#[test]
fn any_message_is_an_answer_and_one_that_says_no_counts() {
    let (mut world, _) = introduced();
    world.say(1, "ping", json!({}));
    assert_eq!(world.heard(1), ["match_offer", "pong", "match_found"]);
    let (mut world, _) = introduced();
    world.say(1, "leave_queue", json!({}));
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 1));
    assert_eq!(world.seeking[0].user.as_ref(), "b");
}

/// A browser answers pings for a page that sleeps.
#[test]
fn a_pong_is_no_answer_but_by_a_client_of_the_old_wire() {
    let (mut world, _) = introduced();
    world.pong(1);
    assert_eq!((world.introductions(), world.hub.sessions()), (1, 0));
    let mut world = introduced_plainly();
    assert_eq!(world.pings, [ConnectionId(1)]);
    world.pong(1);
    assert_eq!((world.heard(1), world.hub.sessions()), (vec!["match_found".to_owned()], 1));
}

#[test]
fn who_does_not_answer_loses_its_place_and_the_other_keeps_its_own() {
    let (mut world, _) = introduced();
    let since = world.now;
    world.take(1);
    world.pass(ANSWER);
    let heard = world.take(1);
    assert_eq!(heard[0]["type"], "queue_timeout");
    assert_eq!(heard[0]["payload"], json!({ "reason": "unanswered" }));
    assert!(world.events.contains(&Event::Lapsed));
    assert_eq!((world.code(1), world.introductions(), world.hub.queue_len()), (None, 0, 1));
    assert_eq!((&*world.seeking[0].user, world.seeking[0].since), ("b", since));
    assert_eq!(world.heard(2), ["queued"]);
    world.say(1, "join_queue", json!({}));
    assert_eq!((world.heard(1), world.heard(2)), (vec![], vec!["match_offer".to_owned()]));
    world.say(2, "accept", json!({}));
    assert_eq!(
        (world.heard(1), world.heard(2)),
        (vec!["match_found".to_owned()], vec!["match_found".to_owned()])
    );
}

#[test]
fn an_old_client_that_does_not_answer_is_gone() {
    let mut world = introduced_plainly();
    world.pass(ANSWER);
    assert_eq!((world.code(1), world.hub.queue_len()), (Some(CloseCode::HeartbeatTimeout), 1));
}

#[test]
fn both_may_have_been_silent_and_both_are_asked() {
    let mut world = World::new();
    world.matching = false;
    for (id, user) in [(1, "a"), (2, "b")] {
        world.hello(id, user);
        world.say(id, "join_queue", json!({}));
    }
    world.pass(LONG);
    world.match_late(0);
    for id in [1, 2] {
        assert_eq!(world.heard(id).last().map(String::as_str), Some("match_offer"));
    }
    world.say(2, "accept", json!({}));
    assert_eq!(world.hub.sessions(), 0);
    world.say(1, "accept", json!({}));
    assert_eq!(
        (world.heard(1), world.heard(2)),
        (vec!["match_found".to_owned()], vec!["match_found".to_owned()])
    );
}

/// What a page does that finds its socket dead: it does not wait for the close.
#[test]
fn who_comes_back_by_another_socket_while_it_is_asked_has_answered() {
    let (mut world, a) = introduced();
    let heard = world.hello_with(3, a.resume(1));
    assert_eq!(kinds(&heard), ["welcome", "match_found"]);
    assert_eq!(world.heard(2), ["match_found"]);
    assert_eq!((world.introductions(), world.hub.sessions()), (0, 1));
}

#[test]
fn whoever_is_to_be_met_may_leave_and_the_other_looks_on() {
    let (mut world, _) = introduced();
    world.say(2, "leave_queue", json!({}));
    assert_eq!((world.introductions(), world.seeking.len()), (0, 1));
    world.pass(ANSWER);
    assert_eq!(
        (world.hub.queue_len(), world.code(1)),
        (1, None),
        "nobody waits for its answer any more"
    );
}

#[test]
fn whoever_is_asked_and_loses_its_socket_keeps_its_place() {
    let (mut world, a) = introduced();
    let since = world.seeking[0].since;
    world.disconnect(1);
    assert_eq!((world.introductions(), world.hub.away()), (0, 1));
    world.pass(ANSWER);
    let heard = world.hello_with(3, a.resume(1));
    assert_eq!(kinds(&heard), ["welcome"], "b has been silent meanwhile");
    assert_eq!(world.seeking.iter().map(|ticket| ticket.since).min(), Some(since));
    world.say(2, "accept", json!({}));
    assert_eq!((world.hub.sessions(), world.heard(3)), (1, vec!["match_found".to_owned()]));
}

#[test]
fn a_ticket_that_ends_while_its_owner_is_asked_ends_after_the_offer() {
    let mut world = World::new();
    world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    world.pass_alive(Duration::from_secs(118), &[1]);
    world.hello(2, "b");
    world.say(2, "join_queue", json!({}));
    world.take(1);
    world.pass(Duration::from_millis(2500));
    world.say(1, "accept", json!({}));
    assert_eq!((world.heard(1), world.hub.sessions()), (vec!["match_found".to_owned()], 1));
}
