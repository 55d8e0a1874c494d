//! Floods and floods of bytes.

use std::time::Duration;

use hairpin_signaling::{CloseCode, Config, ConnectionId, Rate};
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
                "binary" => world.hub.handle_binary(world.now, ConnectionId(1)),
                text => world.hub.handle_message(world.now, ConnectionId(1), text),
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
