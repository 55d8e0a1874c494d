//! Who has blocked whom: they never meet again, whoever of them said so, and wherever.

use std::time::Duration;

use hairpin_signaling::{Config, ConnectionId, Denied, Keys, Origin, PushedProfile, Rate, Record};
use serde_json::json;

use crate::callers::kinds;
use crate::harness::{APART, World, config};

const A_WHILE: Duration = Duration::from_secs(60);

/// Whether 1 and 2 are matched when both wait, which nobody else does. They leave again.
fn would_meet(world: &mut World) -> bool {
    world.pass_alive(A_WHILE, &[1, 2]);
    for (id, user) in [(1, "a"), (2, "b")] {
        world.join(id, user);
    }
    let met = world.hub.sessions() > 0;
    for id in [1, 2] {
        world.say(id, "end_session", json!({}));
        world.say(id, "leave_queue", json!({}));
        world.take(id);
    }
    met
}

fn two() -> World {
    let mut world = World::new();
    world.connect(1);
    world.connect(2);
    world
}

#[test]
fn a_block_ends_the_session_at_once_and_the_other_one_hears_only_that_it_ended() {
    let mut world = World::new();
    let session = world.meet();
    world.say(1, "block", json!({}));
    assert_eq!(world.take(1), [json!({ "type": "blocked", "payload": { "userId": "b" } })]);
    let left = json!({ "sessionId": session, "reason": "ended" });
    assert_eq!(world.take(2), [json!({ "type": "partner_left", "payload": left })]);
    assert_eq!(world.hub.sessions(), 0);
}

#[test]
fn who_blocks_and_who_is_blocked_never_meet_again_whoever_comes_first() {
    for blocker in [1, 2] {
        let mut world = World::new();
        world.meet();
        world.say(blocker, "block", json!({}));
        assert!(!would_meet(&mut world));
        // Nor when they have gone and come again.
        for id in [1, 2] {
            world.disconnect(id);
        }
        world.pass(A_WHILE);
        for (id, user) in [(3, "b"), (4, "a")] {
            world.connect(id);
            world.join(id, user);
        }
        world.pass_alive(A_WHILE, &[3, 4]);
        assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 2), "{blocker} blocks");
    }
}

#[test]
fn others_are_met_as_before() {
    let mut world = World::new();
    world.meet();
    world.say(1, "block", json!({}));
    world.join(1, "a");
    world.join(2, "b");
    world.connect(3);
    world.join(3, "c");
    assert_eq!(world.heard(3), ["match_found"]);
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (1, 1));
}

#[test]
fn a_block_may_be_of_the_last_partner_or_of_anybody_by_name() {
    let mut world = World::new();
    let session = world.meet();
    world.say(2, "end_session", json!({ "sessionId": session }));
    world.say(1, "block", json!({}));
    assert_eq!(world.take(1)[1]["payload"]["userId"], "b");
    assert!(!would_meet(&mut world));

    let mut world = two();
    world.join(1, "a");
    world.say(1, "block", json!({ "userId": "b" }));
    assert_eq!(world.heard(1), ["queued", "blocked", "queued"]);
    world.join(2, "b");
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 2));
}

#[test]
fn who_has_met_nobody_blocks_nobody_and_nobody_blocks_itself() {
    let mut world = two();
    world.say(1, "block", json!({}));
    assert_eq!(world.heard(1), ["no_session"], "it has not said who it is");
    world.join(1, "a");
    world.take(1);
    world.say(1, "block", json!({}));
    world.say(1, "block", json!({ "userId": "a" }));
    assert_eq!(world.heard(1), ["no_session", "invalid_field"]);
    assert!(world.records.is_empty());
}

#[test]
fn unblocked_is_unblocked() {
    let mut world = World::new();
    world.meet();
    world.say(1, "block", json!({}));
    assert!(!would_meet(&mut world));
    world.say(2, "unblock", json!({ "userId": "a" }));
    assert!(!would_meet(&mut world), "that was not b's to say");
    world.say(1, "unblock", json!({ "userId": "b" }));
    assert_eq!(world.heard(1), ["unblocked"]);
    assert!(would_meet(&mut world));
    let [a, b]: [std::sync::Arc<str>; 2] = ["a", "b"].map(Into::into);
    let blocked = Record::Blocked { by: a.clone(), whom: b.clone() };
    let unblocked = Record::Unblocked { by: a, whom: b };
    let count = |wanted: &Record| world.records.iter().filter(|record| *record == wanted).count();
    assert_eq!((count(&blocked), count(&unblocked)), (1, 1));
}

#[test]
fn whom_a_join_names_as_blocked_is_so_for_good() {
    let mut world = two();
    world.say(1, "join_queue", json!({ "userId": "a", "blocked": ["b", "c", "a"] }));
    world.say(1, "leave_queue", json!({}));
    let blocks: Vec<_> = world.hub.blocks_of("a").collect();
    assert_eq!(blocks, ["b".into(), "c".into()]);
    assert!(!would_meet(&mut world), "the list is not said again");
    world.say(1, "join_queue", json!({ "userId": "a", "blocked": ["b"] }));
    let blocked = |record: &&Record| matches!(record, Record::Blocked { .. });
    assert_eq!(world.records.iter().filter(blocked).count(), 2, "each is new once");
    world.say(1, "unblock", json!({ "userId": "b" }));
    world.join(2, "b");
    world.say(1, "ping", json!({}));
    assert_eq!(world.hub.sessions(), 1, "who waits and unblocks looks again");
}

#[test]
fn who_are_offered_to_each_other_are_not_matched_when_one_of_them_blocks() {
    let mut world = World::new();
    world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    world.pass(APART);
    world.hello(2, "b");
    world.say(2, "join_queue", json!({}));
    assert_eq!(world.introductions(), 1);
    world.say(2, "block", json!({ "userId": "a" }));
    assert_eq!((world.introductions(), world.hub.queue_len()), (0, 2));
    world.say(1, "accept", json!({}));
    world.say(2, "accept", json!({}));
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 2));
    // Nor by a matcher that has not heard of it yet.
    let mut world = two();
    world.matching = false;
    world.join(1, "a");
    world.join(2, "b");
    let [a, b] = world.tickets()[..] else { panic!("two wait") };
    world.say(1, "block", json!({ "userId": "b" }));
    world.hub.matched(world.now, a, b, &mut world.ice);
    world.settle();
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 2));
}

#[test]
fn who_is_blocked_while_away_hears_that_it_ended_when_it_is_back() {
    let mut world = World::new();
    let (_, [_, b]) = world.meet_with_hello();
    world.disconnect(2);
    world.say(1, "block", json!({}));
    let heard = world.hello_with(3, b.resume(1));
    assert_eq!(kinds(&heard), ["welcome", "partner_left"]);
    assert_eq!(heard[1]["payload"]["reason"], "ended");
}

#[test]
fn a_session_of_two_who_are_apart_is_not_put_together_again() {
    let mut world = World::new();
    let (_, [a, b]) = world.meet_with_hello();
    world.restart(1, b"north");
    world.hub.block(world.now, "b", "a").expect("there is room");
    let heard = world.hello_with(3, a.resume_pair(2));
    assert_eq!(kinds(&heard), ["welcome", "restart", "partner_left"]);
    let heard = world.hello_with(4, b.resume_pair(2));
    assert_eq!(kinds(&heard), ["welcome", "restart", "partner_left"]);
    assert_eq!(world.hub.sessions(), 0);
}

#[test]
fn a_user_blocks_so_many_and_so_fast_and_the_session_ends_all_the_same() {
    let mut world =
        World::with(Config { blocks: Rate::per_minute(3), messages: fast(), ..config() });
    world.connect(1);
    world.join(1, "a");
    for n in 0..4 {
        world.say(1, "block", json!({ "userId": format!("u{n}") }));
    }
    assert_eq!(world.heard(1).last().map(String::as_str), Some("too_often"));
    world.connect(2);
    world.join(2, "b");
    world.take(1);
    world.say(1, "block", json!({}));
    assert_eq!((world.heard(1), world.hub.sessions()), (vec!["too_often".into()], 0));
    world.say(1, "block", json!({ "userId": "u1" }));
    assert_eq!(world.heard(1), ["blocked"], "who is blocked already costs nothing");

    let mut world = World::with(Config { messages: fast(), ..config() });
    world.connect(1);
    world.join(1, "a");
    for n in 0..201 {
        world.pass(Duration::from_millis(300));
        world.say(1, "block", json!({ "userId": format!("u{n}") }));
    }
    let last = world.take(1).pop().expect("an answer");
    assert_eq!(last["payload"]["code"], "invalid_field", "{last}");
    assert_eq!(world.hub.blocks_of("a").count(), 200);
}

/// Anybody can say a list of names, under any number of names.
#[test]
fn made_up_users_do_not_fill_what_lasts() {
    let mut world = World::with(Config { messages: fast(), ..config() });
    world.connect_from(1, Some(Origin(7)));
    for n in 0..500 {
        let blocked: Vec<_> = (0..200).map(|m| format!("x{n}-{m}")).collect();
        let join = json!({ "userId": format!("made-up-{n}"), "blocked": blocked });
        world.say(1, "join_queue", join);
        world.say(1, "leave_queue", json!({}));
    }
    let kept: usize = (0..500).map(|n| world.hub.blocks_of(&format!("made-up-{n}")).count()).sum();
    assert_eq!(kept, 2000, "ten users' worth of an origin");
}

#[test]
fn what_an_app_says_of_blocks_holds_beside_what_its_users_say() {
    let mut world = World::new();
    world.meet();
    let blocked = PushedProfile { blocked: Some(json!(["a"])), ..PushedProfile::default() };
    world.hub.set_profile(world.now, "b", blocked).expect("it is right");
    world.settle();
    for id in [1, 2] {
        assert_eq!(world.heard(id), ["partner_left"], "the session ends");
    }
    assert!(!would_meet(&mut world));
    world.say(2, "unblock", json!({ "userId": "a" }));
    assert!(!would_meet(&mut world), "that was the app's word");
    world.hub.set_profile(world.now, "b", PushedProfile::default()).expect("it is right");
    assert!(world.hub.profile("b").is_none());
    assert!(would_meet(&mut world));
}

#[test]
fn whoever_runs_the_server_blocks_and_unblocks_for_users_there_or_not() {
    let mut world = two();
    world.hub.block(world.now, "a", "b").expect("there is room");
    assert!(!would_meet(&mut world));
    assert!(world.hub.unblock("a", "b") && !world.hub.unblock("a", "b"));
    assert!(would_meet(&mut world));
    world.join(1, "a");
    world.join(2, "b");
    world.pass_alive(A_WHILE, &[1, 2]);
    for id in [1, 2] {
        world.take(id);
    }
    assert_eq!(world.hub.sessions(), 1);
    world.hub.block(world.now, "b", "a").expect("there is room");
    world.settle();
    assert_eq!(
        (world.heard(1), world.heard(2)),
        (vec!["partner_left".into()], vec!["partner_left".into()])
    );
    for wrong in ["", &"x".repeat(129)] {
        assert!(matches!(world.hub.block(world.now, "a", wrong), Err(Denied::Invalid(_))));
        assert!(matches!(world.hub.block(world.now, wrong, "a"), Err(Denied::Invalid(_))));
    }
    assert!(matches!(world.hub.block(world.now, "a", "a"), Err(Denied::Invalid(_))));
}

#[test]
fn blocks_on_record_hold_after_a_restart_and_are_not_put_on_record_again() {
    let mut world = two();
    world.hub = hairpin_signaling::Hub::new(config(), &Keys::new([1; 2], b"north"));
    let restored = hairpin_signaling::Restored {
        blocks: vec![("a".into(), "b".into())],
        ..Default::default()
    };
    world.hub.restore(world.now, restored).expect("there is room");
    for (id, user) in [(1, "a"), (2, "b")] {
        world.hub.connect(world.now, ConnectionId(id), None);
        world.join(id, user);
    }
    world.pass_alive(A_WHILE, &[1, 2]);
    assert_eq!((world.hub.sessions(), world.hub.queue_len()), (0, 2));
    assert!(world.records.is_empty());
}

fn fast() -> Rate {
    Rate::new(10_000, 10_000)
}
