//! Who comes to a room whose owner was silent, or is away.

use std::time::Duration;

use hairpin_signaling::{CloseCode, ConnectionId, Departure, Event};
use serde_json::json;

use crate::callers::kinds;
use crate::rooms::{enter, plain_room, room};

const ANSWER: Duration = Duration::from_secs(3);

#[test]
fn who_was_silent_is_asked_before_anybody_meets_it() {
    let (mut world, _, code) = room();
    world.pass(Duration::from_secs(2));
    enter(&mut world, 2, "b", &code);
    assert_eq!((world.heard(1), world.heard(2)), (vec!["match_offer".into()], vec![]));
    world.say(1, "accept", json!({}));
    assert_eq!(
        (world.heard(1), world.heard(2)),
        (vec!["match_found".into()], vec!["match_found".into()])
    );

    let (mut world, code) = plain_room();
    world.pass(Duration::from_secs(6));
    enter(&mut world, 2, "b", &code);
    assert_eq!((&world.pings[..], world.hub.sessions()), (&[ConnectionId(1)][..], 0));
    world.pong(1);
    world.beat();
    assert_eq!(
        (world.heard(1), world.heard(2)),
        (vec!["match_found".into()], vec!["match_found".into()])
    );
}

#[test]
fn nobody_meets_a_ghost_and_a_page_that_sleeps_keeps_its_room() {
    let (mut world, _, code) = room();
    world.pass(Duration::from_secs(2));
    enter(&mut world, 2, "b", &code);
    world.take(1);
    world.pong(1);
    world.beat();
    assert_eq!(world.hub.sessions(), 0, "a browser answers pings for a page that sleeps");
    world.pass(ANSWER);
    assert_eq!((world.heard(1), world.heard(2)), (vec![], vec!["no_room".into()]));
    world.say(1, "ping", json!({}));
    world.say(2, "join_room", json!({ "userId": "b", "code": code }));
    assert_eq!(world.heard(2), ["match_found"]);

    let (mut world, code) = plain_room();
    world.pass(Duration::from_secs(6));
    enter(&mut world, 2, "b", &code);
    world.pass(ANSWER);
    assert_eq!(
        (world.code(1), world.heard(2)),
        (Some(CloseCode::HeartbeatTimeout), vec!["no_room".into()])
    );
    assert!(world.events.contains(&Event::Probed));
}

#[test]
fn who_is_away_may_come_back_to_whoever_is_at_the_door() {
    let (mut world, a, code) = room();
    world.disconnect(1);
    enter(&mut world, 2, "b", &code);
    assert!(world.take(2).is_empty());
    world.pass(Duration::from_secs(1));
    let heard = world.hello_with(3, a.resume(1));
    assert_eq!(kinds(&heard), ["welcome", "match_found"]);
    assert_eq!(world.heard(2), ["match_found"]);

    let (mut world, a, code) = room();
    world.disconnect(1);
    enter(&mut world, 2, "b", &code);
    world.pass(ANSWER);
    assert_eq!(world.heard(2), ["no_room"]);
    assert_eq!(kinds(&world.hello_with(3, a.resume(1))), ["welcome"], "the room is still there");
    world.say(2, "join_room", json!({ "userId": "b", "code": code }));
    assert_eq!(world.heard(3), ["match_found"]);
}

#[test]
fn whoever_is_at_the_door_may_leave_or_lose_its_connection() {
    for leave in ["leave_queue", "join_queue", "create_room", "disconnect"] {
        let (mut world, _, code) = room();
        world.pass(Duration::from_secs(2));
        let b = world.hello(2, "b");
        world.say(2, "join_room", json!({ "code": code }));
        world.say(2, "join_room", json!({ "code": code }));
        match leave {
            "disconnect" => world.disconnect(2),
            kind => world.say(2, kind, json!({})),
        }
        world.say(1, "accept", json!({}));
        assert_eq!(world.hub.sessions(), 0, "{leave}");
        if leave == "disconnect" {
            let heard = world.hello_with(3, b.resume(0));
            assert_eq!(heard[1]["payload"]["code"], "no_room", "{heard:?}");
            world.disconnect(3);
        }
        world.depart(1, Departure::Goodbye);
        world.depart(2, Departure::Goodbye);
        world.pass(Duration::from_secs(40));
        assert!(world.is_nobody_there(), "{leave}");
    }
}

#[test]
fn nobody_else_comes_in_meanwhile() {
    let (mut world, _, code) = room();
    world.pass(Duration::from_secs(2));
    enter(&mut world, 2, "b", &code);
    enter(&mut world, 3, "c", &code);
    assert_eq!(world.heard(3), ["no_room"]);
    world.say(1, "leave_queue", json!({}));
    assert_eq!(world.heard(2), ["no_room"], "who waited for the answer hears it");
}
