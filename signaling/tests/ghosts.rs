//! A match stands when both were heard of late: who was silent is asked first.

use std::time::Duration;

use hairpin_signaling::{CloseCode, ConnectionId, Event};
use serde_json::json;

use crate::callers::{Ticket, kinds};
use crate::harness::World;

const LONG: Duration = Duration::from_secs(6);
const ANSWER: Duration = Duration::from_secs(3);

/// 1 has waited in silence, of the new wire or the old, and 2 has come.
fn introduced() -> (World, Ticket) {
    let mut world = World::new();
    let a = world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    world.pass(LONG);
    world.hello(2, "b");
    world.say(2, "join_queue", json!({}));
    world.take(1);
    assert_eq!((world.hub.introductions(), world.hub.queue_len()), (1, 2));
    (world, a)
}

#[test]
fn who_was_heard_of_late_is_matched_at_once() {
    let mut world = World::new();
    world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    world.pass(Duration::from_secs(5));
    world.hello(2, "b");
    world.say(2, "join_queue", json!({}));
    assert_eq!(world.heard(2), ["match_found"]);
    assert!(world.pings.is_empty());
}

#[test]
fn who_was_silent_is_pinged_and_matched_when_it_answers() {
    let (mut world, _) = introduced();
    assert_eq!(world.pings, [ConnectionId(1)]);
    assert!(world.events.contains(&Event::Probed));
    assert!(world.take(2).is_empty());
    world.pass(ANSWER - Duration::from_millis(1));
    world.pong(1);
    for (id, initiator) in [(1, true), (2, false)] {
        let heard = world.take(id);
        assert_eq!(heard[0]["payload"]["isInitiator"], initiator, "who waited longer");
    }
    assert_eq!(world.hub.introductions(), 0);
}

#[test]
fn any_message_is_an_answer_and_one_that_says_no_counts() {
    let (mut world, _) = introduced();
    world.say(1, "ping", json!({}));
    assert_eq!(world.heard(1), ["pong", "match_found"]);
    let (mut world, _) = introduced();
    world.say(1, "leave_queue", json!({}));
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 1));
    assert_eq!(world.seeking[0].user.as_ref(), "b");
}

#[test]
fn who_does_not_answer_is_closed_keeps_its_place_and_is_matched_when_it_returns() {
    let (mut world, a) = introduced();
    let since = world.now;
    world.pass(ANSWER);
    assert_eq!(world.code(1), Some(CloseCode::HeartbeatTimeout));
    assert_eq!((world.hub.away(), world.hub.introductions()), (1, 0));
    assert_eq!(world.seeking[0].since, since, "the other has lost nothing");
    assert_eq!(world.heard(2), ["queued"]);
    let heard = world.hello_with(3, a.resume(1));
    assert_eq!(kinds(&heard), ["welcome", "match_found"]);
    assert_eq!(world.heard(2), ["match_found"]);
}

#[test]
fn an_old_client_that_does_not_answer_is_gone() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "a");
    world.pass(LONG);
    world.hello(2, "b");
    world.say(2, "join_queue", json!({}));
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
    assert_eq!(world.pings, [ConnectionId(1), ConnectionId(2)]);
    world.pong(2);
    assert_eq!(world.hub.sessions(), 0);
    world.pong(1);
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
    assert_eq!((world.hub.introductions(), world.hub.sessions()), (0, 1));
}

#[test]
fn whoever_is_to_be_met_may_leave_and_the_other_looks_on() {
    let (mut world, _) = introduced();
    world.say(2, "leave_queue", json!({}));
    assert_eq!((world.hub.introductions(), world.seeking.len()), (0, 1));
    world.pass(ANSWER);
    assert_eq!(world.code(1), Some(CloseCode::HeartbeatTimeout), "it was asked, all the same");
}

#[test]
fn a_ticket_that_ends_while_its_owner_is_asked_ends_the_introduction() {
    let (mut world, _) = introduced();
    // A matcher elsewhere may be late with this.
    let first = hairpin_signaling::TicketId(1);
    world.hub.expired(first);
    world.settle();
    assert_eq!(world.heard(1), ["queue_timeout"]);
    world.pong(1);
    assert_eq!((world.hub.introductions(), world.seeking.len()), (0, 1));
}
