//! The queue of one URL, in virtual time.

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::backlog::{Backlog, Failed, Pushed};
use super::event::Webhook;

const START: Duration = Duration::from_secs(1_000_000_000);

fn webhook(id: &str, about: &str) -> Arc<Webhook> {
    let (id, about, body) = (id.into(), about.into(), "{}".into());
    Arc::new(Webhook { id, created: START, about, body })
}

fn backlog(webhooks: &[(&str, &str)]) -> Backlog {
    let mut backlog = Backlog::default();
    for (id, about) in webhooks {
        assert_eq!(backlog.push(webhook(id, about)), Pushed::Waits);
    }
    backlog
}

/// Everything that may be sent now.
fn sent(backlog: &mut Backlog, now: Duration) -> Vec<(u64, Arc<str>)> {
    let polled = std::iter::from_fn(|| backlog.poll(now));
    polled.map(|(number, webhook)| (number, webhook.id.clone())).collect()
}

fn ids(sent: &[(u64, Arc<str>)]) -> Vec<&str> {
    sent.iter().map(|(_, id)| &**id).collect()
}

#[test]
fn what_concerns_one_session_waits_for_what_came_before() {
    let mut backlog = backlog(&[("a1", "a"), ("b1", "b"), ("a2", "a")]);
    let first = sent(&mut backlog, START);
    assert_eq!(ids(&first), ["a1", "b1"]);
    assert_eq!(backlog.failed(first[0].0, START, None, 1.0), Failed::TriedAgain);
    backlog.arrived(first[1].0);
    // The failure of a1 holds a2 back, though the receiver is well.
    assert_eq!(ids(&sent(&mut backlog, START)), [""; 0]);
    let due = backlog.poll_timeout().expect("a1 is tried again");
    let again = sent(&mut backlog, due);
    assert_eq!(ids(&again), ["a1"]);
    backlog.arrived(again[0].0);
    assert_eq!(ids(&sent(&mut backlog, due)), ["a2"]);
}

#[test]
fn one_that_always_fails_delays_no_other() {
    let mut backlog = backlog(&[("poison", "p")]);
    let mut now = START;
    let mut arrived = 0;
    for number in 0..200 {
        let id = format!("good{number}");
        backlog.push(webhook(&id, &id));
        for (number, id) in sent(&mut backlog, now) {
            if &*id == "poison" {
                backlog.failed(number, now, None, 0.5);
            } else {
                backlog.arrived(number);
                arrived += 1;
            }
        }
        now = backlog.poll_timeout().unwrap_or(now).max(now);
    }
    assert!(arrived >= 190, "{arrived} of 200 have arrived");
    assert!(backlog.len() <= 11);
}

#[test]
fn a_receiver_that_is_down_is_asked_one_at_a_time_and_ever_more_rarely() {
    let names: Vec<String> = (0..50).map(|number| format!("w{number:02}")).collect();
    let webhooks: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &**name)).collect();
    let mut backlog = backlog(&webhooks);
    let mut now = START;
    let first = sent(&mut backlog, now);
    assert_eq!(first.len(), 8, "a few in flight");
    for (number, _) in first {
        backlog.failed(number, now, None, 1.0);
    }
    let mut attempts = 0;
    while now < START + Duration::from_secs(3600) {
        now = backlog.poll_timeout().expect("there is more to try");
        let one = sent(&mut backlog, now);
        assert!(one.len() <= 1, "{one:?}");
        for (number, _) in one {
            attempts += 1;
            backlog.failed(number, now, None, 1.0);
        }
    }
    assert!((50..=70).contains(&attempts), "{attempts} in an hour");
    // It is back.
    now = backlog.poll_timeout().expect("there is more to try");
    let mut order = Vec::new();
    while backlog.len() > 0 {
        for (number, id) in sent(&mut backlog, now) {
            backlog.arrived(number);
            order.push(id);
        }
    }
    // The one that showed it, and then all the others in order, at once.
    assert!(order[1..].is_sorted(), "{order:?}");
    assert_eq!(order.len(), 50);
}

#[test]
fn the_oldest_goes_when_too_many_wait() {
    let mut backlog = Backlog::default();
    for number in 0..10_000 {
        assert_eq!(backlog.push(webhook(&number.to_string(), "same")), Pushed::Waits);
    }
    let flying = sent(&mut backlog, START);
    assert_eq!(ids(&flying), ["0"]);
    // The one on its way is not given up: it may have arrived.
    let Pushed::InPlaceOf(dropped) = backlog.push(webhook("new", "same")) else { panic!("full") };
    assert_eq!(&*dropped.id, "1");
    backlog.arrived(flying[0].0);
    assert_eq!(ids(&sent(&mut backlog, START)), ["2"]);
    assert_eq!(backlog.len(), 9_999);
}

#[test]
fn a_receiver_that_asks_for_time_gets_it_within_reason() {
    for (asked, given) in [(90, 90), (1_000_000, 3600)] {
        let mut backlog = backlog(&[("a", "a"), ("b", "b")]);
        let flying = sent(&mut backlog, START);
        for (number, _) in flying {
            backlog.failed(number, START, Some(Duration::from_secs(asked)), 0.0);
        }
        assert_eq!(backlog.poll_timeout(), Some(START + Duration::from_secs(given)));
    }
}

#[test]
fn after_a_day_it_is_given_up_and_not_before() {
    let mut backlog = backlog(&[("a", "a")]);
    let mut now = START;
    let mut attempts = 0;
    loop {
        let (number, _) = backlog.poll(now).expect("it is due");
        attempts += 1;
        match backlog.failed(number, now, None, 1.0) {
            Failed::TriedAgain => now = backlog.poll_timeout().expect("it is tried again"),
            Failed::GivenUp(webhook) => break assert_eq!(&*webhook.id, "a"),
        }
        assert!(attempts < 100);
    }
    let hours = (now - START).as_secs() / 3600;
    assert!((24..26).contains(&hours) && attempts > 30, "{attempts} in {hours} h");
    assert_eq!((backlog.len(), backlog.poll_timeout()), (0, None));
}

#[test]
fn who_wants_no_more_gets_no_more() {
    let mut backlog = backlog(&[("a", "a"), ("b", "b")]);
    let flying = sent(&mut backlog, START);
    assert_eq!(backlog.close().len(), 2);
    // What was on its way ends somehow.
    assert_eq!(backlog.arrived(flying[0].0), None);
    assert_eq!(backlog.failed(flying[1].0, START, None, 1.0), Failed::TriedAgain);
    assert_eq!(backlog.push(webhook("c", "c")), Pushed::Gone);
    assert_eq!((backlog.len(), backlog.poll(START * 2)), (0, None));
}

proptest! {
    /// Whatever fails and whenever, everything arrives, each once, and in order about each session.
    #[test]
    fn everything_arrives_once_and_in_order(
        sessions in prop::collection::vec(0..5_u8, 1..60),
        failures in prop::collection::vec(any::<bool>(), 0..200),
    ) {
        let mut backlog = Backlog::default();
        for (number, session) in sessions.iter().enumerate() {
            backlog.push(webhook(&format!("{number:03}"), &session.to_string()));
        }
        let (mut now, mut failures) = (START, failures.into_iter());
        let mut arrived: Vec<Arc<Webhook>> = Vec::new();
        while backlog.len() > 0 {
            let mut flying = Vec::new();
            while let Some((number, webhook)) = backlog.poll(now) {
                let session = &webhook.about;
                prop_assert!(flying.iter().all(|(_, other): &(u64, Arc<Webhook>)| other.about != *session));
                flying.push((number, webhook));
            }
            for (number, webhook) in flying {
                if failures.next().unwrap_or(false) {
                    backlog.failed(number, now, None, 0.3);
                } else {
                    prop_assert!(backlog.arrived(number).is_some());
                    arrived.push(webhook);
                }
            }
            if backlog.len() > 0 {
                let due = backlog.poll_timeout();
                prop_assert!(due.is_some(), "stuck with {}", backlog.len());
                now = now.max(due.unwrap_or_default());
            }
        }
        prop_assert_eq!(arrived.len(), sessions.len());
        for session in sessions {
            let of = arrived.iter().filter(|webhook| *webhook.about == session.to_string());
            let order: Vec<_> = of.map(|webhook| &webhook.id).collect();
            prop_assert!(order.is_sorted() && order.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}
