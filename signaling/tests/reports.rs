//! Reports and what may come of them: who is reported by many is barred for a time, as is whom the operator bars.

use std::time::Duration;

use hairpin_signaling::{Config, Denied, Departure, Origin, PastReport, Record, Restored};
use serde_json::{Value, json};

use crate::callers::kinds;
use crate::harness::{World, config};

const HOUR: Duration = Duration::from_secs(3600);

/// Who is reported by three within an hour is barred for two.
fn strict() -> World {
    let (report_window, bar_time) = (HOUR, 2 * HOUR);
    World::with(Config { reports_to_bar: 3, report_window, bar_time, ..config() })
}

fn reports(world: &World) -> Vec<(&str, &str, &str)> {
    let reports = world.records.iter().filter_map(|record| match record {
        Record::Report { by, about, reason, .. } => Some((&**by, &**about, &**reason)),
        _ => None,
    });
    reports.collect()
}

fn bars(world: &World) -> Vec<(&str, Duration)> {
    let bars = world.records.iter().filter_map(|record| match record {
        Record::Barred { user, until } => Some((&**user, *until)),
        _ => None,
    });
    bars.collect()
}

/// Connection 1 is `user`, who meets `by` as connection 2, who reports it so many times. Both are gone then.
fn meet_and_report(world: &mut World, user: &str, by: &str, times: usize) {
    world.connect(2);
    world.join(2, by);
    world.connect(1);
    world.join(1, user);
    assert_eq!(world.heard(2).last().map(String::as_str), Some("match_found"), "{user} {by}");
    for _ in 0..times {
        world.say(2, "report", json!({ "reason": "rude" }));
        assert_eq!(world.heard(2), ["reported"]);
    }
    for id in [1, 2] {
        world.disconnect(id);
        world.closed.clear();
    }
}

fn error(heard: &[Value]) -> (String, u64) {
    let payload = &heard.last().expect("an answer")["payload"];
    let code = payload["code"].as_str().unwrap_or_default().to_owned();
    (code, payload["retryAfterMs"].as_u64().unwrap_or_default())
}

#[test]
fn a_report_is_passed_on_once_and_the_session_goes_on() {
    let mut world = World::new();
    let session = world.meet();
    for _ in 0..3 {
        world.say(1, "report", json!({ "reason": "rude \u{1f620}" }));
        let reported = json!({ "type": "reported", "payload": { "sessionId": session } });
        assert_eq!(world.take(1), [reported]);
    }
    assert_eq!(reports(&world), [("a", "b", "rude \u{1f620}")]);
    assert!(world.take(2).is_empty(), "the other one does not hear of it");
    assert_eq!(world.hub.sessions(), 1);
    world.say(2, "report", json!({ "reason": "no, you" }));
    assert_eq!(reports(&world)[1..], [("b", "a", "no, you")]);
}

#[test]
fn a_report_may_be_about_the_last_partner_or_an_earlier_one_and_counts_once_in_all() {
    let mut world = World::new();
    let session = world.meet();
    world.say(1, "report", json!({ "reason": "rude" }));
    world.say(1, "end_session", json!({ "sessionId": session }));
    world.say(1, "report", json!({ "reason": "rude" }));
    world.say(2, "report", json!({ "reason": "left" }));
    assert_eq!(reports(&world), [("a", "b", "rude"), ("b", "a", "left")]);
    world.take(1);
    world.join(1, "a");
    world.connect(3);
    world.join(3, "c");
    world.take(1);
    world.say(1, "report", json!({ "reason": "dull" }));
    world.say(1, "report", json!({ "reason": "rude", "sessionId": session }));
    let answers = world.take(1);
    assert_eq!(kinds(&answers), ["reported", "reported"]);
    assert_eq!(answers[1]["payload"]["sessionId"], *session);
    assert_eq!(reports(&world)[2..], [("a", "c", "dull")]);
    world.say(3, "report", json!({ "reason": "x", "sessionId": session }));
    assert_eq!(
        world.heard(3).last().map(String::as_str),
        Some("no_session"),
        "it was not in that one"
    );
}

#[test]
fn there_is_no_report_without_a_partner_or_a_reason() {
    let mut world = World::new();
    world.connect(1);
    world.say(1, "report", json!({ "reason": "x" }));
    world.join(1, "a");
    world.take(1);
    world.say(1, "report", json!({ "reason": "x" }));
    world.say(1, "report", json!({ "reason": "x", "sessionId": "nonsense" }));
    assert_eq!(world.heard(1), ["no_session", "no_session"]);
    for wrong in [json!({}), json!({ "reason": "" }), json!({ "reason": "x".repeat(501) })] {
        world.say(1, "report", wrong);
        assert_eq!(world.heard(1), ["invalid_field"]);
    }
    assert!(world.records.is_empty());
}

#[test]
fn by_default_nobody_is_barred_however_many_complain() {
    let mut world = World::new();
    for n in 0..50 {
        meet_and_report(&mut world, "a", &format!("u{n}"), 1);
        world.pass(Duration::from_secs(10));
    }
    assert_eq!((reports(&world).len(), bars(&world)), (50, vec![]));
}

#[test]
fn who_is_reported_by_enough_others_is_barred_for_a_time_and_begins_anew() {
    let mut world = strict();
    for by in ["u1", "u2", "u3"] {
        assert!(!world.hub.is_barred(world.now, "a"));
        meet_and_report(&mut world, "a", by, 2);
        world.pass(Duration::from_secs(10));
    }
    assert_eq!(bars(&world), [("a", world.now - Duration::from_secs(10) + 2 * HOUR)]);
    world.connect(1);
    for kind in ["join_queue", "create_room", "join_room"] {
        world.say(1, kind, json!({ "userId": "a", "code": "22222222" }));
        assert_eq!(error(&world.take(1)), ("barred".into(), 7_190_000), "{kind}");
    }
    world.pass_alive(2 * HOUR - Duration::from_secs(10), &[1]);
    assert!(!world.hub.is_barred(world.now, "a"));
    world.disconnect(1);
    for by in ["u1", "u2"] {
        meet_and_report(&mut world, "a", by, 1);
        world.pass(Duration::from_secs(10));
    }
    assert_eq!(bars(&world).len(), 1, "what it was barred for does not count again");
}

#[test]
fn one_who_complains_again_and_again_counts_once_and_old_reports_do_not_count() {
    let mut world = strict();
    for _ in 0..5 {
        meet_and_report(&mut world, "a", "u1", 1);
        world.pass(Duration::from_secs(60));
    }
    assert_eq!((reports(&world).len(), bars(&world).len()), (5, 0));
    for by in ["u2", "u3", "u4", "u5"] {
        world.pass(HOUR / 2);
        meet_and_report(&mut world, "a", by, 1);
    }
    assert!(bars(&world).is_empty(), "never three within an hour");
}

#[test]
fn who_is_barred_by_reports_stays_in_its_session_and_finds_no_other() {
    let mut world = strict();
    for by in ["u1", "u2"] {
        meet_and_report(&mut world, "a", by, 1);
        world.pass(Duration::from_secs(10));
    }
    let session = world.meet();
    world.say(2, "report", json!({ "reason": "rude" }));
    assert_eq!((world.hub.sessions(), world.hub.is_barred(world.now, "a")), (1, true));
    world.say(1, "skip", json!({ "sessionId": session }));
    assert_eq!(world.heard(1), ["barred"]);
    assert_eq!((world.hub.sessions(), world.heard(2)), (1, vec!["reported".to_owned()]));
    world.say(1, "end_session", json!({ "sessionId": session }));
    world.say(1, "skip", json!({ "sessionId": session }));
    assert_eq!((world.heard(1), world.hub.queue_len()), (vec!["barred".into()], 0));
}

#[test]
fn who_waits_when_it_is_barred_does_not_wait_any_more() {
    let mut world = World::new();
    let a = world.hello(1, "a");
    world.say(1, "join_queue", json!({}));
    world.connect(2);
    world.say(2, "create_room", json!({ "userId": "b" }));
    for user in ["a", "b"] {
        world.hub.bar(world.now, user, world.now + HOUR).expect("there is room");
    }
    world.settle();
    assert_eq!(
        (error(&world.take(1)), error(&world.take(2))),
        (("barred".into(), 3_600_000), ("barred".into(), 3_600_000))
    );
    assert_eq!((world.hub.queue_len(), world.seeking.len()), (0, 0));
    world.depart(2, Departure::Goodbye);
    // Who is away hears it when it is back.
    assert!(world.hub.unbar(world.now, "a") && !world.hub.unbar(world.now, "a"));
    world.say(1, "join_queue", json!({}));
    world.disconnect(1);
    world.hub.bar(world.now, "a", world.now + HOUR).expect("there is room");
    world.settle();
    let heard = world.hello_with(3, a.resume(3));
    assert_eq!(error(&heard).0, "barred");
    assert_eq!(world.hub.queue_len(), 0);
}

#[test]
fn whom_the_operator_bars_is_out_of_its_session_until_that_is_over_or_taken_back() {
    let mut world = World::new();
    world.meet();
    world.hub.bar(world.now, "a", world.now + HOUR).expect("there is room");
    world.settle();
    assert_eq!(
        (world.heard(1), world.heard(2)),
        (vec!["partner_left".into(), "barred".into()], vec!["partner_left".into()])
    );
    world.join(1, "a");
    assert_eq!(world.heard(1), ["barred"]);
    world.hub.bar(world.now, "a", world.now + 2 * HOUR).expect("there is room");
    assert_eq!(world.hub.barred_until(world.now, "a"), Some(world.now + 2 * HOUR), "for longer");
    assert!(world.hub.unbar(world.now, "a"));
    world.settle();
    assert!(world.records.contains(&Record::Unbarred { user: "a".into() }));
    world.take(1);
    world.join(1, "a");
    assert_eq!(world.heard(1), ["queued"]);
    let past = world.hub.bar(world.now, "a", world.now);
    assert!(matches!(past, Err(Denied::Invalid(_))));
}

#[test]
fn bars_and_reports_on_record_count_after_a_restart() {
    let mut world = strict();
    let report = |by: &str, ago: Duration| PastReport {
        about: "a".into(),
        by: by.into(),
        at: Duration::from_secs(1_000_000) - ago,
    };
    let restored = Restored {
        bars: vec![("b".into(), world.now + HOUR), ("c".into(), world.now)],
        reports: vec![report("u1", HOUR / 2), report("u2", HOUR / 4), report("u3", 2 * HOUR)],
        ..Restored::default()
    };
    world.hub.restore(world.now, restored).expect("there is room");
    world.settle();
    assert!(world.records.is_empty());
    let barred = ["a", "b", "c"].map(|user| world.hub.is_barred(world.now, user));
    assert_eq!(barred, [false, true, false]);
    meet_and_report(&mut world, "a", "u4", 1);
    assert!(world.hub.is_barred(world.now, "a"), "the third of an hour");
}

#[test]
fn nothing_is_left_of_bars_that_are_over_and_their_number_is_bounded() {
    let mut world = World::new();
    let most = 1 << 17;
    for n in 0..most {
        let until = world.now + Duration::from_secs(60 + n);
        world.hub.bar(world.now, &format!("u{n}"), until).expect("there is room");
        while world.hub.poll_output().is_some() {}
    }
    let full = world.hub.bar(world.now, "one-more", world.now + HOUR);
    assert!(matches!(full, Err(Denied::Full(_))), "{full:?}");
    world.settle();
    assert!(world.events.contains(&hairpin_signaling::Event::Full));
    assert_eq!(world.hub.poll_timeout(), None, "bars end without anybody looking after them");
    world.pass(Duration::from_secs(61));
    world.hub.bar(world.now, "one-more", world.now + HOUR).expect("one is over");
}

/// Ten thousand names from anywhere, each of which meets and reports the same one.
#[test]
fn ten_thousand_made_up_users_are_heard_and_nothing_is_left_that_waits() {
    let mut world = World::new();
    for n in 0..10_000u64 {
        world.now += Duration::from_secs(1);
        world.connect_from(1, Some(Origin(1)));
        world.connect_from(2, Some(Origin(n)));
        world.join(1, &format!("victim-{n}"));
        world.join(2, &format!("made-up-{n}"));
        world.say(2, "report", json!({ "reason": "x" }));
        for id in [1, 2] {
            world.depart(id, Departure::Goodbye);
            world.take(id);
        }
        world.texts.clear();
        world.events.clear();
    }
    assert_eq!(reports(&world).len(), 10_000);
    assert!(world.is_nobody_there());
}
