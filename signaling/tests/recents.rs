//! What is known of users that have gone and come: whom they have met of late, and what their app says of them.

use std::time::Duration;

use hairpin_matcher::{Attribute, Kind};
use hairpin_signaling::{
    ClaimedWishes, Config, Declaration, Declared, Denied, Identity, MatchRequest, Naming,
    PushedProfile,
};
use serde_json::json;

use crate::harness::{APART, World, config};

const IN_COMPANY: Duration = Duration::from_secs(20);

/// With genders, of which there are two.
fn gendered() -> World {
    World::with(genders())
}

/// The same, and everybody is whoever its token says.
fn gendered_by_tokens() -> World {
    World::with(Config { naming: Naming::Tokens, ..genders() })
}

fn genders() -> Config {
    let attribute = Attribute { kind: Kind::Choice, widen: None };
    let values = ["woman", "man"].map(Into::into).into();
    let gender = Declaration { name: "gender".into(), attribute, values };
    Config { attributes: Declared(vec![gender]), ..config() }
}

fn said(profile: serde_json::Value) -> PushedProfile {
    serde_json::from_value(profile).expect("a profile")
}

#[test]
fn two_who_press_next_do_not_get_each_other_at_once_but_meet_again_when_nobody_else_is_there() {
    let mut world = World::new();
    let session = world.meet();
    for id in [1, 2] {
        world.say(id, "skip", json!({ "sessionId": session }));
    }
    assert_eq!((world.hub.queue_len(), world.hub.sessions()), (2, 0));
    for id in [1, 2] {
        world.say(id, "leave_queue", json!({}));
    }
    world.pass_alive(APART, &[1, 2]);
    world.join(1, "a");
    world.join(2, "b");
    assert_eq!(world.hub.sessions(), 1);
}

#[test]
fn partners_are_remembered_when_both_have_gone_and_come_again() {
    let mut world = World::new();
    world.meet();
    world.disconnect(1);
    world.disconnect(2);
    for (id, user) in [(3, "b"), (4, "a")] {
        world.connect(id);
        world.join(id, user);
    }
    assert_eq!((world.hub.queue_len(), world.hub.sessions()), (2, 0));
    assert_eq!(&*world.seeking[0].recent[0].user, "a");
    assert_eq!(world.seeking[0].recent[0].parted, world.now);
}

#[test]
fn the_last_five_partners_are_known_the_newest_last() {
    let mut world = World::new();
    world.connect(1);
    for n in 0..7 {
        world.join(1, "a");
        world.connect(10 + n);
        world.join(10 + n, &format!("u{n}"));
        assert_eq!(world.hub.sessions(), 1, "{n}");
        world.disconnect(10 + n);
        world.pass_alive(Duration::from_secs(10), &[1]);
    }
    world.join(1, "a");
    let known: Vec<_> = world.seeking[0].recent.iter().map(|recent| &*recent.user).collect();
    assert_eq!(known, ["u2", "u3", "u4", "u5", "u6"]);
}

#[test]
fn the_matcher_hears_when_there_is_company_and_when_there_is_not() {
    let mut world = World::new();
    let company = |world: &mut World| -> Option<bool> {
        let requests = std::iter::from_fn(|| world.hub.poll_match_request());
        let company = |request| match request {
            MatchRequest::InCompany(company) => Some(company),
            _ => None,
        };
        let heard: Vec<_> = requests.filter_map(company).collect();
        assert!(heard.len() <= 1, "{heard:?}");
        heard.first().copied()
    };
    for id in 1..=4 {
        world.hub.connect(world.now, hairpin_signaling::ConnectionId(id), None);
    }
    let join = |world: &mut World, id: u64| {
        let text = json!({ "type": "join_queue", "data": { "userId": format!("u{id}") } });
        let id = hairpin_signaling::ConnectionId(id);
        world.hub.handle_message(world.now, id, &text.to_string(), &mut world.ice);
    };
    join(&mut world, 1);
    join(&mut world, 2);
    assert_eq!(company(&mut world), None, "two who may have parted just now");
    join(&mut world, 3);
    assert_eq!(company(&mut world), Some(true));
    join(&mut world, 4);
    assert_eq!(company(&mut world), None);
    for id in [3, 4] {
        let id = hairpin_signaling::ConnectionId(id);
        world.hub.disconnect(world.now, id, hairpin_signaling::Departure::Lost);
    }
    assert_eq!(company(&mut world), Some(false));
}

#[test]
fn while_others_are_there_two_are_apart_for_longer() {
    let mut world = World::new();
    world.meet();
    world.say(1, "end_session", json!({}));
    for (id, user) in [(3, "c"), (4, "d")] {
        world.connect(id);
        world.join(id, user);
    }
    for (after, met) in [(APART + APART, 1), (IN_COMPANY - APART - APART, 2)] {
        world.pass_alive(after, &[1, 2, 3, 4]);
        world.join(1, "a");
        world.join(2, "b");
        assert_eq!(world.hub.sessions(), met, "after {after:?} more");
        for id in [1, 2] {
            world.say(id, "leave_queue", json!({}));
        }
    }
}

#[test]
fn what_an_app_says_counts_more_than_what_its_user_says() {
    let mut world = gendered();
    let pushed = said(json!({ "attributes": { "gender": "man" }, "seeks": { "gender": "woman" } }));
    world.hub.set_profile(world.now, "a", pushed.clone()).expect("it is right");
    assert_eq!(world.hub.profile("a"), Some(&pushed));
    world.connect(1);
    world.connect(2);
    // It says it is a woman who seeks anybody.
    let lie = json!({ "userId": "a", "attributes": { "gender": "woman" }, "seeks": { "gender": "anyone" } });
    world.say(1, "join_queue", lie);
    world.say(2, "join_queue", json!({ "userId": "b", "attributes": { "gender": "man" } }));
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 2));
    world.say(2, "join_queue", json!({ "userId": "b", "attributes": { "gender": "woman" } }));
    assert_eq!(world.hub.sessions(), 1);
}

#[test]
fn what_an_app_says_of_somebody_who_waits_counts_at_once() {
    let mut world = gendered();
    for (id, user) in [(1, "a"), (2, "b")] {
        world.connect(id);
        let join = json!({ "userId": user, "attributes": { "gender": "man" }, "seeks": { "gender": "woman" } });
        world.say(id, "join_queue", join);
    }
    let since = world.seeking[0].since;
    world.pass(Duration::from_secs(1));
    for user in ["a", "b"] {
        let anyone = said(json!({ "seeks": { "gender": "anyone" } }));
        world.hub.set_profile(world.now, user, anyone).expect("it is right");
        assert_eq!(world.hub.sessions(), 0);
        world.settle();
        let still = world.seeking.iter().find(|ticket| *ticket.user == *user);
        assert!(still.is_none_or(|ticket| ticket.since == since), "it keeps its place");
    }
    assert_eq!(world.hub.sessions(), 1);
}

#[test]
fn a_profile_that_is_wrong_is_refused_by_its_field_and_the_old_one_holds() {
    let mut world = gendered();
    let right = said(json!({ "buddies": ["b"] }));
    world.hub.set_profile(world.now, "a", right.clone()).expect("it is right");
    for (profile, field) in [
        (json!({ "buddies": "b" }), "buddies"),
        (json!({ "blocked": [1] }), "blocked"),
        (json!({ "attributes": { "gender": "robot" } }), "attributes.gender"),
        (json!({ "seeks": { "colour": "red" } }), "seeks.colour"),
    ] {
        let Err(Denied::Invalid(message)) = world.hub.set_profile(world.now, "a", said(profile))
        else {
            panic!("{field} is right")
        };
        assert!(message.contains(field), "{message}");
        assert_eq!(world.hub.profile("a"), Some(&right));
    }
    assert!(world.hub.set_profile(world.now, "", right).is_err());
    let unknown = serde_json::from_value::<PushedProfile>(json!({ "budies": [] }));
    assert!(unknown.is_err(), "a field of another name is a mistake");
}

#[test]
fn profiles_are_bounded() {
    let mut world = World::new();
    let names: Vec<_> = (0..200).map(|n| format!("{n:0>128}")).collect();
    let big = said(json!({ "buddies": names }));
    let mut kept = 0;
    let full = loop {
        match world.hub.set_profile(world.now, &format!("u{kept}"), big.clone()) {
            Ok(()) => kept += 1,
            Err(denied) => break denied,
        }
    };
    assert!(matches!(full, Denied::Full(_)), "{full}");
    assert!((100..100_000).contains(&kept), "{kept}");
    world.hub.set_profile(world.now, "u0", PushedProfile::default()).expect("it is taken back");
    world.hub.set_profile(world.now, "another", big).expect("there is room again");
}

#[test]
fn a_token_counts_more_than_what_an_app_says_and_what_it_blocks_lasts() {
    let mut world = gendered_by_tokens();
    let claims = |gender: &str, blocked: serde_json::Value| ClaimedWishes {
        attributes: Some(json!({ "gender": gender })),
        blocked: Some(blocked),
        ..ClaimedWishes::default()
    };
    for (token, user, wishes) in [
        ("1", "a", claims("man", json!(["c"]))),
        ("2", "b", claims("woman", json!([]))),
        ("3", "c", claims("woman", json!([]))),
        ("4", "a", claims("woman", json!([]))),
    ] {
        let identity = Identity { wishes, ..Identity::new(user, Duration::from_secs(3600)) };
        world.ice.tokens.insert(token.into(), Ok(identity));
    }
    let pushed = said(json!({ "attributes": { "gender": "woman" }, "seeks": { "gender": "man" } }));
    world.hub.set_profile(world.now, "a", pushed).expect("it is right");
    for (id, token, seeks) in [(1, "1", "woman"), (3, "3", "man")] {
        world.connect(id);
        world.say(id, "join_queue", json!({ "token": token, "seeks": { "gender": seeks } }));
    }
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 2), "a has blocked c");
    world.connect(2);
    world.say(2, "join_queue", json!({ "token": "2", "seeks": { "gender": "anyone" } }));
    assert_eq!(world.hub.sessions(), 0, "its app says that a seeks a man");
    world.hub.set_profile(world.now, "a", PushedProfile::default()).expect("it is right");
    world.settle();
    assert_eq!(world.hub.sessions(), 1);
    // A newer token says less, and the block is still there.
    world.say(1, "end_session", json!({}));
    world.say(2, "end_session", json!({}));
    world.say(1, "join_queue", json!({ "token": "4", "seeks": { "gender": "anyone" } }));
    world.say(3, "join_queue", json!({ "seeks": { "gender": "anyone" } }));
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 2));
    world.say(1, "unblock", json!({ "userId": "c" }));
    world.say(3, "ping", json!({}));
    assert_eq!(world.hub.sessions(), 1);
}
