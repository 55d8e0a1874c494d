//! Words between two who are together.

use std::time::Duration;

use hairpin_signaling::{Config, NodeId, Origin, PartnerNews, Protocol, Rate, RemotePartner, Role};
use serde_json::json;

use crate::callers::kinds;
use crate::harness::{World, config};

#[test]
fn words_reach_the_partner_as_they_are_and_nobody_else() {
    let mut world = World::new();
    let session = world.meet();
    world.connect(3);
    world.join(3, "c");
    world.take(3);
    let text = "h\u{e9}llo \"you\"\n\u{1f600}";
    world.say(1, "message", json!({ "text": text }));
    let message = json!({ "type": "message", "payload": { "sessionId": session, "text": text } });
    assert_eq!(world.take(2), [message]);
    world.say(2, "message", json!({ "text": "x".repeat(4000), "sessionId": session }));
    assert_eq!(world.take(1)[0]["payload"]["text"], "x".repeat(4000));
    assert!(world.take(3).is_empty());
}

#[test]
fn words_need_a_session_and_are_not_empty_nor_too_many() {
    let mut world = World::new();
    let session = world.meet();
    for wrong in [
        json!({}),
        json!({ "text": "" }),
        json!({ "text": 1 }),
        json!({ "text": "x".repeat(4001) }),
    ] {
        world.say(1, "message", wrong);
        assert_eq!(world.heard(1), ["invalid_field"]);
    }
    world.say(1, "message", json!({ "text": "x", "sessionId": "0".repeat(32) }));
    assert_eq!(world.heard(1), ["no_session"]);
    world.say(2, "end_session", json!({}));
    world.take(1);
    world.say(1, "message", json!({ "text": "x", "sessionId": session }));
    world.connect(3);
    world.say(3, "message", json!({ "text": "x" }));
    assert_eq!(
        (world.heard(1), world.heard(3)),
        (vec!["no_session".into()], vec!["no_session".into()])
    );
    assert!(world.take(2).is_empty());
}

#[test]
fn words_wait_for_who_is_away_and_are_not_kept_when_it_has_heard_them() {
    let mut world = World::new();
    let (_, [_, b]) = world.meet_with_hello();
    world.disconnect(2);
    for n in 0..3 {
        world.say(1, "message", json!({ "text": format!("word {n}") }));
    }
    let heard = world.hello_with(3, b.resume(1));
    assert_eq!(kinds(&heard), ["welcome", "message", "message", "message"]);
    assert_eq!((&heard[3]["seq"], &heard[3]["payload"]["text"]), (&json!(4), &json!("word 2")));
    world.say_numbered(1, 1, "message", json!({ "text": "once" }));
    world.say_numbered(1, 1, "message", json!({ "text": "once" }));
    assert_eq!(world.heard(3), ["message"], "what is said again is not heard again");
}

#[test]
fn sixty_a_minute_and_twenty_at_once() {
    let mut world = World::new();
    world.meet();
    for n in 0..25 {
        world.say(1, "message", json!({ "text": n.to_string() }));
    }
    assert_eq!(world.take(2).len(), 20);
    let refused = world.take(1);
    assert_eq!(refused.len(), 5);
    let error = &refused[0]["payload"];
    assert_eq!((&error["code"], &error["retryAfterMs"]), (&json!("too_often"), &json!(1000)));
    world.say(2, "message", json!({ "text": "others have their own" }));
    assert_eq!(world.heard(1), ["message"]);
    world.pass(Duration::from_secs(1));
    world.say(1, "message", json!({ "text": "x" }));
    assert_eq!(world.heard(2), ["message"]);
}

#[test]
fn many_names_of_one_origin_share_a_bound() {
    let fast = Rate::new(100_000, 100_000);
    let partner_messages = Rate::per_minute(1);
    let mut world =
        World::with(Config { partner_messages, messages: fast, joins: fast, ..config() });
    let mut said = 0;
    for n in 0..150 {
        let (a, b) = (2 * n, 2 * n + 1);
        world.connect_from(a, Some(Origin(1)));
        world.connect_from(b, Some(Origin(2)));
        world.join(a, &format!("a{n}"));
        world.join(b, &format!("b{n}"));
        world.say(a, "message", json!({ "text": "x" }));
        said += usize::from(world.heard(b).contains(&"message".to_owned()));
    }
    assert_eq!(said, 100);
}

#[test]
fn words_cross_nodes() {
    let mut world = World::new();
    world.matching = false;
    world.connect(1);
    world.join(1, "a");
    let (node, session) = (NodeId(7), world.hub.new_session_id());
    let partner = RemotePartner { node, user: "b".into(), protocol: Protocol::Resumable };
    let ticket = world.tickets()[0];
    world.hub.matched_with(world.now, ticket, (session, Role::Initiator), partner, &mut world.ice);
    world.settle();
    world.say(1, "message", json!({ "text": "over there" }));
    let news = PartnerNews::Message("over there".into());
    assert_eq!(world.told_nodes, [(node, session, news)]);
    world.take(1);
    world.hub.partner_news(world.now, node, session, PartnerNews::Message("and back".into()));
    world.settle();
    assert_eq!(world.take(1)[0]["payload"]["text"], "and back");
    world.hub.partner_news(world.now, NodeId(8), session, PartnerNews::Message("no".into()));
    world.settle();
    assert!(world.take(1).is_empty(), "another node has no side of it");
}
