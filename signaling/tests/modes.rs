//! Modes, pools and wishes as the hub hands them to the matcher; who meets whom by them is the matcher's to say.

use std::time::Duration;

use hairpin_matcher::{Attribute, Kind, Mode, Seeks, Value};
use hairpin_signaling::{Config, Declaration, Declared};
use serde_json::{Value as Json, json};

use crate::harness::{World, config};

fn world() -> World {
    let choice = |name: &str, values: &[&str]| Declaration {
        name: name.into(),
        attribute: Attribute { kind: Kind::Choice, widen: None },
        values: values.iter().map(|value| (*value).into()).collect(),
    };
    let attributes = Declared(vec![choice("gender", &["woman", "man"])]);
    World::with(Config { attributes, ..config() })
}

fn join(world: &mut World, id: u64, user: &str, mut data: Json) {
    world.connect(id);
    data["userId"] = json!(user);
    world.say(id, "join_queue", data);
}

fn refusal(world: &mut World, id: u64) -> String {
    let heard = world.take(id);
    let error = heard.last().expect("an error");
    assert_eq!(
        (&error["type"], &error["payload"]["code"]),
        (&json!("error"), &json!("invalid_field"))
    );
    error["payload"]["message"].as_str().expect("a string").to_owned()
}

#[test]
fn there_are_three_modes_and_the_pools_that_were_configured() {
    for (mode, expected) in [
        (json!(null), Mode::Global),
        (json!(""), Mode::Global),
        (json!("default"), Mode::Global),
        (json!("global"), Mode::Global),
        (json!("buddies_first"), Mode::BuddiesFirst),
        (json!("buddies"), Mode::Buddies),
        (json!("chess"), Mode::Pool("chess".into())),
    ] {
        let mut world = world();
        join(&mut world, 1, "a", json!({ "matchMode": mode }));
        assert_eq!(world.seeking[0].mode, expected, "{mode}");
    }
    for mode in ["Global", "x", "buddies "] {
        let mut world = world();
        join(&mut world, 1, "a", json!({ "matchMode": mode }));
        let words =
            "matchMode must be one of global, buddies_first, buddies, video, chess, go (--pool)";
        assert_eq!(refusal(&mut world, 1), words);
        assert!(world.seeking.is_empty());
    }
}

#[test]
fn wishes_reach_the_matcher_and_are_kept_for_the_next_one() {
    let mut world = world();
    let wishes = json!({
        "matchMode": "buddies_first", "buddies": ["x", "b"], "blocked": ["y"],
        "attributes": { "gender": "man" }, "seeks": { "gender": ["woman", "man"] },
    });
    join(&mut world, 1, "a", wishes);
    let asked = |world: &World| {
        let ticket =
            world.seeking.iter().find(|ticket| &*ticket.user == "a").expect("a waits").clone();
        (ticket.mode, ticket.buddies, ticket.blocked, ticket.profile)
    };
    let first = asked(&world);
    assert_eq!(
        (&first.0, &*first.1, &*first.2),
        (&Mode::BuddiesFirst, &["b".into(), "x".into()][..], &["y".into()][..])
    );
    assert_eq!(
        (&*first.3.is, &*first.3.seeks),
        (&[(0, Value::Choice(1))][..], &[(0, Seeks::OneOf(0b11))][..])
    );
    join(&mut world, 2, "b", json!({ "attributes": { "gender": "man" } }));
    assert_eq!(world.hub.sessions(), 1);
    world.disconnect(2);
    assert!(world.heard(1).contains(&"partner_left".into()));
    world.say(1, "skip", json!({}));
    assert_eq!(asked(&world), first);
}

#[test]
fn other_wishes_while_one_waits_are_a_new_place_and_the_same_are_not() {
    let mut world = world();
    join(&mut world, 1, "a", json!({ "seeks": { "gender": "man" } }));
    let since = world.now;
    world.pass(Duration::from_secs(5));
    world.say(1, "join_queue", json!({ "userId": "a", "seeks": { "gender": "man" } }));
    assert_eq!(world.seeking[0].since, since);
    world.say(1, "join_queue", json!({ "userId": "a", "seeks": { "gender": "woman" } }));
    assert_eq!((world.seeking.len(), world.seeking[0].since), (1, since + Duration::from_secs(5)));
    assert_eq!(*world.seeking[0].profile.seeks, [(0, Seeks::OneOf(1))]);
}

#[test]
fn a_wrong_wish_changes_nothing_and_its_field_is_named() {
    let mut world = world();
    join(&mut world, 1, "a", json!({ "seeks": { "gender": "man" } }));
    for (wish, words) in [
        (json!({ "buddies": "b" }), "buddies must be a list"),
        (json!({ "blocked": [7] }), "blocked must be a list"),
        (json!({ "attributes": { "gender": "x" } }), "attributes.gender must be one of"),
        (
            json!({ "seeks": { "age": 30 } }),
            "seeks.age is no attribute of this server, which has gender",
        ),
    ] {
        world.say(1, "join_queue", wish);
        assert!(refusal(&mut world, 1).starts_with(words), "{words}");
        assert_eq!(
            (world.seeking.len(), &*world.seeking[0].profile.seeks),
            (1, &[(0, Seeks::OneOf(2))][..])
        );
    }
}

#[test]
fn a_place_is_told_when_it_changes_and_proven_by_its_token() {
    let mut world = world();
    world.hello(1, "a");
    world.say(1, "join_queue", json!({ "matchMode": "buddies" }));
    let queued = world.take(1);
    let queued = &queued.last().expect("queued")["payload"];
    assert_eq!((&queued["position"], &queued["waiting"]), (&json!(1), &json!(1)));
    assert!(queued["placeToken"].is_string() && queued.get("etaMs").is_none());
    let place =
        hairpin_matcher::Place { position: 3, waiting: 9, eta: Some(Duration::from_millis(1500)) };
    let ticket = world.seeking[0].id;
    world.hub.queued(ticket, place);
    world.settle();
    let queued = &world.take(1)[0]["payload"];
    assert_eq!(
        (&queued["position"], &queued["waiting"], &queued["etaMs"]),
        (&json!(3), &json!(9), &json!(1500))
    );
}
