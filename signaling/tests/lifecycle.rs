//! Heartbeats and the end of everything.

use std::time::Duration;

use hairpin_signaling::{CloseCode, ConnectionId, Event};
use serde_json::json;

use crate::harness::World;

#[test]
fn a_silent_connection_is_pinged_and_then_given_up() {
    let mut world = World::new();
    world.connect(1);
    world.pass(Duration::from_millis(24_999));
    assert!(world.pings.is_empty());
    world.pass(Duration::from_millis(1));
    assert_eq!(world.pings, [ConnectionId(1)]);
    world.pass(Duration::from_millis(34_999));
    assert_eq!((world.pings.len(), world.code(1)), (2, None));
    world.pass(Duration::from_millis(1));
    assert_eq!(world.code(1), Some(CloseCode::HeartbeatTimeout));
    assert_eq!((world.hub.connections(), world.hub.poll_timeout()), (0, None));
}

#[test]
fn a_pong_or_any_message_is_life() {
    let mut world = World::new();
    world.connect(1);
    world.connect(2);
    for _ in 0..20 {
        world.pass(Duration::from_secs(50));
        world.pong(1);
        world.say_text(2, "?");
    }
    assert_eq!((world.code(1), world.code(2)), (None, None));
    assert_eq!(world.pings.len(), 2 * 40, "and pings keep their pace");
}

#[test]
fn a_dead_socket_s_partner_is_told() {
    let mut world = World::new();
    world.meet();
    world.pass_alive(Duration::from_secs(70), &[2]);
    assert_eq!(world.code(1), Some(CloseCode::HeartbeatTimeout));
    assert_eq!(world.take(2)[0]["payload"]["reason"], "disconnected");
}

#[test]
fn a_timer_called_late_does_what_was_due() {
    let mut world = World::new();
    world.connect(1);
    world.join(1, "a");
    world.now += Duration::from_secs(100_000);
    world.hub.handle_timeout(world.now, &mut world.ice);
    world.settle();
    assert_eq!(world.code(1), Some(CloseCode::HeartbeatTimeout));
    assert_eq!((world.hub.queue_len(), world.hub.poll_timeout()), (0, None));
    assert!(world.seeking.is_empty());
}

#[test]
fn draining_tells_everybody_once_and_closes() {
    let mut world = World::new();
    world.meet();
    world.connect(3);
    world.join(3, "c");
    world.connect(4);
    world.take(3);
    world.hub.drain(world.now, Duration::ZERO, Duration::ZERO);
    world.settle();
    for id in 1..=4 {
        let message = &world.take(id)[..];
        let payload = json!({
            "code": "shutting_down", "message": "the server is stopping", "temporary": true
        });
        assert_eq!(message, [json!({ "type": "error", "payload": payload })]);
        assert_eq!(world.code(id), Some(CloseCode::GoingAway));
    }
    assert!(world.seeking.is_empty());
    let rest = (world.hub.connections(), world.hub.sessions(), world.hub.queue_len());
    assert_eq!((rest, world.hub.poll_timeout()), ((0, 0, 0), None));
    world.connect(5);
    assert_eq!(world.heard(5), ["shutting_down"], "nobody is admitted any more");
    assert_eq!(world.code(5), Some(CloseCode::GoingAway));
}

#[test]
fn every_connection_comes_and_goes_once_in_the_events() {
    let mut world = World::new();
    world.meet();
    world.connect(3);
    world.join(3, "a");
    for id in [1, 2, 3, 3, 9] {
        world.disconnect(id);
    }
    let count = |event| world.events.iter().filter(|e| **e == event).count();
    assert_eq!((count(Event::Connected), count(Event::Disconnected)), (3, 3));
    assert_eq!(count(Event::Closed(CloseCode::Replaced)), 1);
}
