//! What people are told of their places.

use std::collections::BTreeMap;
use std::time::Duration;

use hairpin_matcher::{Attribute, Kind, Mode, Output, Place, Seeks, TicketId, Value};

use crate::hall::{Hall, SECOND, START, names};

/// Joins who waits for a friend that never comes.
fn wait(hall: &mut Hall, user: &str) {
    hall.join(user, |ticket| {
        (ticket.mode, ticket.expires) = (Mode::Buddies, START + 9999 * SECOND)
    });
}

/// What is said until then, by whom.
fn told_until(hall: &mut Hall, end: Duration) -> Vec<(Duration, u64, Place)> {
    let mut told = Vec::new();
    while let Some(next) = hall.matcher.poll_timeout().filter(|at| *at <= end) {
        hall.now = hall.now.max(next);
        hall.matcher.handle_timeout(hall.now);
        for output in hall.outputs() {
            let Output::Waiting { id, place } = output else { panic!("{output:?}") };
            told.push((hall.now, id.0, place));
        }
    }
    hall.now = end;
    told
}

#[test]
fn who_moves_up_is_told_soon_and_nobody_else() {
    let mut hall = Hall::new(&[]);
    for user in ["ann", "bob", "eve"] {
        wait(&mut hall, user);
    }
    hall.now += SECOND;
    let end = hall.now + 10 * SECOND;
    told_until(&mut hall, end);
    hall.matcher.remove(hall.now, TicketId(2));
    let end = hall.now + 10 * SECOND;
    let told = told_until(&mut hall, end);
    let places: Vec<_> =
        told.iter().map(|(_, id, place)| (*id, place.position, place.waiting)).collect();
    assert_eq!(places, [(1, 1, 2), (3, 2, 2)]);
    assert!(told.iter().all(|(at, ..)| *at + 9 * SECOND <= end));
    let end = hall.now + 100 * SECOND;
    assert_eq!(told_until(&mut hall, end), []);
}

#[test]
fn rooms_are_counted_on_their_own() {
    let mut hall = Hall::new(&[]);
    let everybody = &["ann", "bob", "eve", "dan"];
    let modes = [Mode::Global, Mode::BuddiesFirst, Mode::Buddies, Mode::Pool("chess".into())];
    for (id, (user, mode)) in (0..).zip(everybody.iter().zip(modes)) {
        let mut ticket = Hall::ticket(hall.now, id, user);
        (ticket.mode, ticket.blocked) = (mode, names(everybody));
        hall.matcher.insert(hall.now, ticket);
    }
    let places: Vec<_> = hall
        .outputs()
        .into_iter()
        .map(|output| match output {
            Output::Waiting { place, .. } => (place.position, place.waiting),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(places, [(1, 1), (2, 2), (1, 1), (1, 1)]);
}

/// However many wait, few of them are told at a time, and those in front most often.
#[test]
fn a_long_queue_is_told_bit_by_bit() {
    const COUNT: u64 = 20_000;
    let mut hall = Hall::new(&[]);
    for user in 0..COUNT {
        let mut ticket = Hall::ticket(hall.now, user, &user.to_string());
        (ticket.mode, ticket.expires) = (Mode::Buddies, START + 9999 * SECOND);
        hall.matcher.insert(hall.now, ticket);
    }
    hall.outputs();
    // Each second one in a hundred goes, evenly from all of the queue.
    let mut last: BTreeMap<u64, Duration> = BTreeMap::new();
    let mut by_place = [0; 2];
    for second in 0..100 {
        for id in (second..COUNT).step_by(100) {
            hall.matcher.remove(hall.now, TicketId(id));
        }
        let end = hall.now + SECOND;
        let told = told_until(&mut hall, end);
        assert!(told.len() <= 1100, "{}", told.len());
        for (at, id, place) in told {
            let before = last.insert(id, at);
            assert!(before.is_none_or(|before| before + SECOND <= at));
            by_place[usize::from(place.position > 100)] += 1;
        }
    }
    assert!(by_place[0] > 500 && by_place[1] > 10_000, "{by_place:?}");
}

/// Half a minute is how long men wait here, and women not at all.
#[test]
fn an_estimate_comes_from_those_who_were_like_it() {
    let mut hall = Hall::new(&[Attribute { kind: Kind::Choice, widen: None }]);
    let mut next = 0;
    let mut join = |hall: &mut Hall, gender: u8| {
        next += 1;
        let mut ticket = Hall::ticket(hall.now, next, &next.to_string());
        ticket.profile.is = Box::new([(0, Value::Choice(gender))]);
        ticket.profile.seeks = Box::new([(0, Seeks::OneOf(1 << (1 - gender)))]);
        hall.matcher.insert(hall.now, ticket);
        hall.outputs()
    };
    let waits = |outputs: &[Output]| match outputs {
        [Output::Waiting { place, .. }] => place.eta,
        other => panic!("{other:?}"),
    };
    assert_eq!(waits(&join(&mut hall, 0)), None);
    for _ in 0..30 {
        hall.now += 30 * SECOND;
        let [Output::Offer(both)] = join(&mut hall, 1)[..] else { panic!("she finds him") };
        hall.matcher.acknowledge(hall.now, both.first.id);
        hall.matcher.acknowledge(hall.now, both.second.id);
        hall.outputs();
        join(&mut hall, 0);
    }
    hall.now += SECOND;
    let men = waits(&join(&mut hall, 0)).expect("men have waited");
    assert!(men >= 20 * SECOND && men <= 40 * SECOND, "{men:?}");
}
