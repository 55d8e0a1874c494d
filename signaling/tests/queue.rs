//! Joining, waiting and leaving.

use std::time::Duration;

use hairpin_signaling::{CloseCode, ConnectionId, ErrorCode, Event, TicketId};
use serde_json::{Value, json};

use crate::harness::{ALONE, World};

#[test]
fn two_who_join_are_matched_and_exactly_one_is_the_initiator() {
    let mut world = World::new();
    for (id, user) in [(1, "a"), (2, "b")] {
        world.connect(id);
        world.join(id, user);
    }
    let first = world.take(1);
    assert_eq!(first[0], json!({ "type": "queued", "payload": { "position": 1, "waiting": 1 } }));
    let found = |message: &Value, partner: &str, initiator: bool, user: &str| {
        let session = message["payload"]["sessionId"].as_str().expect("a string").to_owned();
        let servers = json!([{ "urls": ["turn:relay.example:3478"], "username": user, "credential": "secret" }]);
        let payload = json!({
            "sessionId": session, "partnerId": partner, "isInitiator": initiator,
            "iceServers": servers, "iceTtl": 600
        });
        assert_eq!(*message, json!({ "type": "match_found", "payload": payload }));
        session
    };
    let second = world.take(2);
    assert_eq!((first.len(), second.len()), (2, 1));
    let session = found(&first[1], "b", true, "600:a");
    assert_eq!(found(&second[0], "a", false, "600:b"), session);
    assert_eq!(world.ice.issued, [(ConnectionId(1), "a".into()), (ConnectionId(2), "b".into())]);
    assert_eq!((world.hub.queue_len(), world.hub.sessions(), world.hub.connections()), (0, 1, 2));
}

#[test]
fn the_wait_is_reported_once_for_each_side() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "a");
    world.pass(Duration::from_secs(7));
    world.connect(2);
    world.join(2, "b");
    assert_eq!(world.pings, [ConnectionId(1)], "who has been silent is asked first");
    world.pong(1);
    let waits = world.events.iter().filter_map(|event| match event {
        Event::Matched { waited } => Some(waited.as_secs()),
        _ => None,
    });
    assert_eq!(waits.collect::<Vec<_>>(), [7, 0]);
}

#[test]
fn joining_again_keeps_the_place_and_the_deadline() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "a");
    let tickets = world.tickets();
    world.pass_alive(Duration::from_secs(60), &[1]);
    world.join(1, "a");
    assert_eq!(world.heard(1), ["queued", "queued"]);
    assert_eq!(world.tickets(), tickets);
    world.pass_alive(Duration::from_secs(59), &[1]);
    assert_eq!(world.hub.queue_len(), 1);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.heard(1), ["queue_timeout"]);
}

#[test]
fn joining_another_pool_moves_there() {
    let mut world = World::new();
    for id in [1, 2] {
        world.connect(id);
    }
    world.join(1, "a");
    world.say(1, "join_queue", json!({ "userId": "a", "matchMode": "video" }));
    world.join(2, "b");
    assert_eq!((world.hub.sessions(), world.hub.queue_len(), world.seeking.len()), (0, 2, 2));
    world.say(2, "join_queue", json!({ "userId": "b", "matchMode": "video" }));
    assert_eq!((world.hub.sessions(), world.hub.queue_len(), world.seeking.len()), (1, 0, 0));
}

#[test]
fn leaving_the_queue_leaves_it_and_is_never_an_error() {
    let mut world = World::new();
    world.connect(1);
    world.say(1, "leave_queue", json!({ "userId": "a" }));
    world.join(1, "a");
    world.say(1, "leave_queue", json!({ "userId": "a" }));
    world.say_text(1, r#"{"type":"leave_queue"}"#);
    assert_eq!(world.heard(1), ["queued"]);
    assert!(world.seeking.is_empty());
    assert_eq!((world.hub.queue_len(), world.hub.connections()), (0, 1));
}

#[test]
fn two_minutes_in_vain_end_with_queue_timeout() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "a");
    world.pass_alive(Duration::from_millis(119_999), &[1]);
    assert_eq!(world.heard(1), ["queued"]);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.take(1), [json!({ "type": "queue_timeout", "payload": {} })]);
    assert!(world.seeking.is_empty());
    assert!(world.events.contains(&Event::QueueTimeout));
    world.join(1, "a");
    assert_eq!(world.heard(1), ["queued"], "one may try again");
}

#[test]
fn a_closed_socket_leaves_the_queue_at_once() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "a");
    world.disconnect(1);
    world.connect(2);
    world.join(2, "b");
    assert_eq!(world.heard(2), ["queued"]);
    assert_eq!((world.hub.queue_len(), world.hub.connections()), (1, 1));
}

#[test]
fn a_new_tab_takes_over_the_place_of_the_old_one_which_is_told() {
    let mut world = World::new();
    for id in [1, 2] {
        world.connect(id);
        world.join(id, "a");
    }
    assert_eq!(world.heard(1), ["queued", "replaced"]);
    assert_eq!(world.code(1), Some(CloseCode::Replaced));
    assert_eq!(world.heard(2), ["queued"], "nobody is matched with themselves");
    assert_eq!((world.hub.queue_len(), world.hub.connections(), world.seeking.len()), (1, 1, 1));
    world.disconnect(1);
    world.say(1, "join_queue", json!({ "userId": "a" }));
    assert_eq!(world.hub.queue_len(), 1, "the old connection is history");
}

#[test]
fn a_user_id_changes_only_when_idle() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "a");
    world.join(1, "b");
    assert_eq!(world.heard(1), ["queued", "user_change"]);
    assert_eq!(&*world.seeking[0].user, "a");
    world.say(1, "leave_queue", json!({}));
    world.join(1, "b");
    assert_eq!(&*world.seeking[0].user, "b");
    world.connect(2);
    world.join(2, "a");
    assert_eq!(world.code(1), None, "the old name is free");
    assert_eq!(world.hub.sessions(), 1);
}

#[test]
fn a_match_with_somebody_who_has_left_makes_the_other_seek_again() {
    let mut world = World::new();
    world.matching = false;
    for (id, user) in [(1, "a"), (2, "b")] {
        world.connect(id);
        world.join(id, user);
    }
    let [first, second] = [TicketId(1), TicketId(2)];
    assert_eq!(world.tickets(), [first, second]);
    world.disconnect(1);
    world.seeking.clear();
    let now = world.now;
    world.hub.matched(now, first, second, &mut world.ice);
    world.settle();
    assert_eq!(world.tickets(), [second]);
    world.hub.matched(now, second, second, &mut world.ice);
    world.settle();
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 1), "never with oneself");
    world.hub.matched(now, TicketId(77), TicketId(78), &mut world.ice);
    world.hub.queued(TicketId(77), ALONE);
    world.hub.expired(TicketId(77));
    world.settle();
    assert!(world.inbox.is_empty());
}

#[test]
fn a_wrong_message_is_answered_and_changes_nothing() {
    let mut world = World::new();
    world.connect(1);
    world.say_text(1, "{");
    world.say(1, "dance", json!({}));
    world.say(1, "join_queue", json!({ "userId": 7 }));
    world.binary(1);
    let messages = world.take(1);
    let codes: Vec<_> =
        messages.iter().map(|m| m["payload"]["code"].as_str().expect("a string")).collect();
    assert_eq!(codes, ["bad_message", "unknown_type", "invalid_field", "bad_message"]);
    for message in &messages {
        assert_eq!(message["type"], "error");
        assert_eq!(message["payload"]["temporary"], false);
        assert!(message["payload"]["message"].is_string());
    }
    assert!(world.events.contains(&Event::Refused(ErrorCode::UnknownType)));
    world.join(1, "a");
    assert_eq!(world.heard(1), ["queued"]);
}
