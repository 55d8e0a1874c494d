//! What two can do to each other.

use std::time::Duration;

use hairpin_matcher::Mode;
use hairpin_signaling::{CloseCode, EndReason, Event};
use serde_json::{Value, json};

use crate::harness::{APART, World};

fn left(session: &str, reason: &str) -> Value {
    json!({ "type": "partner_left", "payload": { "sessionId": session, "reason": reason } })
}

fn ended(world: &World) -> Vec<EndReason> {
    let reason = |event: &Event| match event {
        Event::SessionEnded { reason, .. } => Some(*reason),
        _ => None,
    };
    world.events.iter().filter_map(reason).collect()
}

#[test]
fn a_signal_reaches_the_partner_as_it_is_whatever_its_target() {
    let mut world = World::new();
    let session = world.meet();
    world.connect(3);
    world.join(3, "c");
    world.take(3);
    for signal in [json!({ "sdp": "v=0\r\n", "n": [1, null] }), Value::Null, json!("x"), json!(7)] {
        world.say(
            1,
            "signal",
            json!({ "sessionId": session, "targetUserId": "c", "signal": signal }),
        );
        let payload = json!({ "sessionId": session, "signal": signal });
        assert_eq!(world.take(2), [json!({ "type": "signal", "payload": payload })]);
    }
    assert!(world.inbox.is_empty());
}

#[test]
fn a_signal_outside_a_live_session_is_refused() {
    let mut world = World::new();
    let session = world.meet();
    world.connect(3);
    world.join(3, "c");
    world.take(3);
    world.say(3, "signal", json!({ "sessionId": session, "targetUserId": "a", "signal": 1 }));
    assert_eq!(world.heard(3), ["no_session"], "the session of others");
    world.say(1, "signal", json!({ "sessionId": "0".repeat(32), "signal": 1 }));
    world.say(1, "signal", json!({ "sessionId": "", "signal": 1 }));
    assert_eq!(world.heard(1), ["no_session", "no_session"]);
    world.say(2, "end_session", json!({ "sessionId": session }));
    world.take(1);
    world.say(1, "signal", json!({ "sessionId": session, "signal": 1 }));
    assert_eq!(world.heard(1), ["no_session"], "a session that is over");
    assert!(world.inbox.is_empty());
}

#[test]
fn skip_tells_the_partner_and_queues_the_skipper_at_once() {
    let mut world = World::new();
    let session = world.meet();
    world.say(1, "skip", json!({ "sessionId": session }));
    assert_eq!(world.take(2), [left(&session, "skipped")]);
    assert_eq!(world.heard(1), ["queued"]);
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 1));
    assert_eq!(ended(&world), [EndReason::Skipped]);
    world.connect(3);
    world.join(3, "c");
    assert_eq!(world.heard(1), ["match_found"]);
}

#[test]
fn a_skipper_stays_in_its_pool() {
    let mut world = World::new();
    for (id, user) in [(1, "a"), (2, "b")] {
        world.connect(id);
        world.say(id, "join_queue", json!({ "userId": user, "matchMode": "video" }));
    }
    let session = world.session(1);
    world.say(1, "skip", json!({ "sessionId": session }));
    assert_eq!(world.seeking[0].mode, Mode::Pool("video".into()));
}

#[test]
fn both_skipping_at_once_ends_well() {
    let mut world = World::new();
    let session = world.meet();
    world.matching = false;
    world.say(1, "skip", json!({ "sessionId": session }));
    world.say(2, "skip", json!({ "sessionId": session }));
    assert_eq!(world.heard(2), ["partner_left"], "and no error");
    assert_eq!(world.heard(1), [""; 0]);
    assert_eq!((world.hub.sessions(), world.hub.queue_len(), world.seeking.len()), (0, 2, 2));
    world.say(2, "skip", json!({ "sessionId": session }));
    assert_eq!((world.hub.queue_len(), world.seeking.len()), (2, 2), "once is enough");
}

#[test]
fn a_late_skip_does_not_end_the_next_session() {
    let mut world = World::new();
    let session = world.meet();
    world.say(1, "skip", json!({ "sessionId": session }));
    world.pass_alive(APART, &[1, 2]);
    world.join(2, "b");
    let next = world.session(2);
    world.take(1);
    world.take(2);
    world.say(2, "skip", json!({ "sessionId": session }));
    world.say(2, "end_session", json!({ "sessionId": session }));
    assert!(world.inbox.is_empty());
    world.say(2, "signal", json!({ "sessionId": next, "signal": 1 }));
    assert_eq!(world.heard(1), ["signal"]);
}

#[test]
fn skip_and_end_of_a_session_one_was_never_in_are_refused() {
    let mut world = World::new();
    let session = world.meet();
    world.connect(3);
    for kind in ["skip", "end_session"] {
        world.say(3, kind, json!({ "sessionId": session }));
        world.say(3, kind, json!({ "sessionId": "nonsense" }));
        assert_eq!(world.heard(3), ["no_session", "no_session"]);
    }
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (1, 0));
}

#[test]
fn end_session_tells_the_partner_and_queues_nobody() {
    let mut world = World::new();
    let session = world.meet();
    world.say(2, "end_session", json!({ "sessionId": session }));
    assert_eq!(world.take(1), [left(&session, "ended")]);
    world.say(1, "end_session", json!({ "sessionId": session }));
    assert!(world.inbox.is_empty(), "both ending at once is no error");
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 0));
    world.say(1, "skip", json!({ "sessionId": session }));
    assert_eq!(world.heard(1), ["queued"], "next, after the partner has left");
}

#[test]
fn joining_from_a_session_leaves_it() {
    let mut world = World::new();
    let session = world.meet();
    world.join(1, "a");
    assert_eq!(world.take(2), [left(&session, "skipped")]);
    assert_eq!(world.heard(1), ["queued"]);
}

#[test]
fn a_closed_socket_ends_the_session_at_once() {
    let mut world = World::new();
    let session = world.meet();
    world.disconnect(1);
    assert_eq!(world.take(2), [left(&session, "disconnected")]);
    assert_eq!((world.hub.sessions(), world.hub.connections()), (0, 1));
}

#[test]
fn a_new_tab_ends_the_session_of_the_old_one() {
    let mut world = World::new();
    let session = world.meet();
    world.connect(3);
    world.join(3, "a");
    assert_eq!(world.heard(1), ["replaced"]);
    assert_eq!(world.code(1), Some(CloseCode::Replaced));
    assert_eq!(world.take(2), [left(&session, "replaced")]);
    assert_eq!(world.heard(3), ["queued"]);
}

#[test]
fn a_session_ends_after_two_hours_for_both() {
    let mut world = World::new();
    let session = world.meet();
    world.pass_alive(Duration::from_secs(7199), &[1, 2]);
    assert!(world.inbox.is_empty());
    world.pass(Duration::from_secs(1));
    assert_eq!(world.take(1), [left(&session, "expired")]);
    assert_eq!(world.take(2), [left(&session, "expired")]);
    assert_eq!((world.hub.sessions(), world.hub.connections()), (0, 2));
    let lasted = Duration::from_secs(7200);
    assert!(world.events.contains(&Event::SessionEnded { reason: EndReason::Expired, lasted }));
}

#[test]
fn session_ids_are_never_used_twice() {
    let mut world = World::new();
    let mut sessions = vec![world.meet()];
    for _ in 0..20 {
        world.say(1, "skip", json!({ "sessionId": sessions.last() }));
        world.pass_alive(APART, &[1, 2]);
        world.join(2, "b");
        sessions.push(world.session(2));
    }
    let different: std::collections::BTreeSet<_> = sessions.iter().collect();
    assert_eq!(different.len(), sessions.len());
}
