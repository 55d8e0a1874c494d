//! Many tickets: long scripts beside the model, and what only shows in a crowd.

use std::time::Duration;

use hairpin_matcher::{Attribute, Kind, Matcher, Output, Rules, Seeks, Ticket, TicketId, Value};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use crate::hall::{Hall, SECOND, START};
use crate::model::Pair;
use crate::random::{Texts, rules, wish};

#[test]
fn a_long_evening_goes_by_the_model() {
    const PEOPLE: u8 = 60;
    let mut runner = TestRunner::deterministic();
    let mut random = |most: u64| (0..most).new_tree(&mut runner).unwrap().current();
    let mut wishes = TestRunner::deterministic();
    let wish = wish(PEOPLE, 10);
    let (mut texts, mut pair) = (Texts::new(PEOPLE), Pair::new(rules(true)));
    for _ in 0..4000 {
        let pick = |ids: &[TicketId], at: u64| ids.get(at as usize % ids.len().max(1)).copied();
        match random(10) {
            0..5 => {
                let wish = wish.new_tree(&mut wishes).unwrap().current();
                let ticket = texts.ticket(pair.now, &wish);
                pair.insert(ticket);
            }
            5 => pick(&pair.ids(), random(1000)).into_iter().for_each(|id| pair.remove(id)),
            6..9 => {
                pick(&pair.asked(), random(1000)).into_iter().for_each(|id| pair.acknowledge(id));
            }
            _ => match random(8) {
                0 => pair.doze(Duration::from_millis(random(5000))),
                in_company @ 1..3 => pair.set_in_company(in_company == 1),
                _ => pair.pass(Duration::from_millis(random(3000))),
            },
        }
    }
    assert!(pair.offered.len() > 300 && pair.matched > 100, "{}", pair.matched);
    for id in pair.ids() {
        pair.remove(id);
    }
    assert_eq!(pair.matcher.poll_timeout(), None);
    assert!(texts.are_released());
}

/// Offers, by numbers.
fn offers(matcher: &mut Matcher) -> Vec<[u64; 2]> {
    let outputs = std::iter::from_fn(|| matcher.poll_output());
    outputs
        .filter_map(|output| match output {
            Output::Offer(both) => Some([both.first.id.0, both.second.id.0]),
            _ => None,
        })
        .collect()
}

fn chooser(id: u64, is: u8, seeks: u64) -> Ticket {
    let mut ticket = Hall::ticket(START, id, &id.to_string());
    ticket.profile.is = Box::new([(0, Value::Choice(is))]);
    ticket.profile.seeks = Box::new([(0, Seeks::OneOf(seeks))]);
    ticket
}

/// Thousands whom it may not meet are in front of the only one whom it may: it waits until it has looked at all of them.
#[test]
fn a_look_that_takes_long_goes_on() {
    const SHY: u64 = 9000;
    let attribute = Attribute { kind: Kind::Choice, widen: None };
    let rules = Rules { attributes: vec![attribute], ..Rules::default() };
    let mut matcher = Matcher::new(rules, [1, 2]);
    for id in 0..=SHY {
        let mut ticket = chooser(id, 0, 1 << 1);
        if id < SHY {
            ticket.blocked = Box::new(["newcomer".into()]);
        }
        ticket.blocked = [&ticket.blocked[..], &["nobody's friend".into()]].concat().into();
        matcher.insert(START, ticket);
    }
    while matcher.poll_output().is_some() {}
    let mut join = |id: u64, user: &str| {
        let mut newcomer = chooser(id, 1, 1 << 0);
        newcomer.user = user.into();
        matcher.insert(START, newcomer);
        let first = matcher.poll_output();
        assert!(matches!(first, Some(Output::Waiting { id: told, .. }) if told.0 == id));
        let mut calls = 0;
        while matcher.poll_timeout() == Some(START) {
            matcher.handle_timeout(START);
            calls += 1;
        }
        (matcher.poll_output(), matcher.poll_output(), calls)
    };
    assert_eq!(join(SHY + 2, "nobody's friend"), (None, None, 1));
    let (Some(Output::Offer(both)), None, calls) = join(SHY + 1, "newcomer") else {
        panic!("nothing but an offer")
    };
    assert_eq!((both.first.id.0, both.second.id.0, calls), (SHY, SHY + 1, 1));
}

/// Strangers make up wishes of all kinds. Whatever they are, no two are left who may meet.
#[test]
fn more_kinds_than_there_are_lanes_meet_all_the_same() {
    let attribute = Attribute { kind: Kind::Choice, widen: None };
    let rules = Rules { attributes: vec![attribute], ..Rules::default() };
    let mut matcher = Matcher::new(rules, [1, 2]);
    let mut dice = 1_u64;
    let mut waiting: Vec<(u64, u8, u64)> = Vec::new();
    let mut most = 0;
    for id in 0..3000 {
        let mut roll = || {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            dice >> 33
        };
        let (is, seeks) = (roll() as u8 % 64, 1 << (roll() % 64) | 1 << (roll() % 64));
        matcher.insert(START, chooser(id, is, seeks));
        let takes = |seeks: u64, is: u8| seeks >> is & 1 == 1;
        let found = waiting
            .iter()
            .position(|&(_, theirs, sought)| takes(seeks, theirs) && takes(sought, is));
        let expected = found.map(|at| [waiting.remove(at).0, id]);
        assert_eq!(offers(&mut matcher), Vec::from_iter(expected));
        if found.is_none() {
            waiting.push((id, is, seeks));
        }
        most = most.max(waiting.len());
    }
    assert!(most > 500, "{most} of as many kinds have waited");
}

/// While thousands widen, call after call, others join between the calls, and the oldest still come first.
#[test]
fn many_widen_in_slices() {
    const COUNT: u64 = 5000;
    let attribute = Attribute { kind: Kind::Choice, widen: Some(10 * SECOND) };
    let rules = Rules { attributes: vec![attribute], ..Rules::default() };
    let mut matcher = Matcher::new(rules, [1, 2]);
    // Everybody seeks what nobody is.
    for id in 0..COUNT {
        matcher.insert(START, chooser(id, 0, 1 << 5));
    }
    assert_eq!(offers(&mut matcher), [[0; 2]; 0]);
    let now = START + 10 * SECOND;
    let (mut pairs, mut calls) = (Vec::new(), 0);
    while matcher.poll_timeout().is_some_and(|next| next <= now) {
        matcher.handle_timeout(now);
        pairs.extend(offers(&mut matcher));
        calls += 1;
        if calls <= 4 {
            let mut late = chooser(COUNT + calls, 5, u64::MAX);
            late.since = now;
            matcher.insert(now, late);
            pairs.extend(offers(&mut matcher));
        }
    }
    assert!(calls > 4, "it is too much for {calls} calls");
    assert_eq!(pairs.len() as u64, (COUNT + 4) / 2);
    let mut ids: Vec<u64> = pairs.iter().flatten().copied().collect();
    // Those who joined meanwhile took the oldest that was left, and all others met the next.
    let is_late = |both: &&[u64; 2]| both[1] > COUNT;
    assert!(pairs.iter().filter(|both| !is_late(both)).is_sorted());
    assert!(pairs.iter().filter(|both| !is_late(both)).all(|both| both[1] - both[0] <= 2));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len() as u64, COUNT + 4);
}
