//! What becomes of two who are offered to each other.

use std::sync::Arc;
use std::time::Duration;

use hairpin_matcher::{Mode, Output, TicketId};

use crate::hall::{Hall, SECOND, START, names};

#[test]
fn a_match_stands_when_both_have_acknowledged_it() {
    let mut hall = Hall::new(&[]);
    hall.join("ann", |_| ());
    hall.join("bob", |_| ());
    assert_eq!((hall.matcher.offers(), hall.matcher.len()), (1, 2));
    hall.matcher.acknowledge(hall.now, TicketId(2));
    hall.matcher.acknowledge(hall.now, TicketId(2));
    assert_eq!(hall.outputs(), []);
    hall.matcher.acknowledge(hall.now, TicketId(1));
    let [Output::Matched(both)] = hall.outputs()[..] else { panic!("they are matched") };
    assert_eq!((both.first.id, both.first.waited), (TicketId(1), 2 * SECOND));
    assert_eq!((both.second.id, both.second.waited), (TicketId(2), SECOND));
    assert!(hall.matcher.is_empty() && hall.matcher.poll_timeout().is_none());
}

#[test]
fn who_acknowledges_in_vain_is_back_in_its_old_place() {
    let mut hall = Hall::new(&[]);
    hall.join("ann", |_| ());
    hall.join("bob", |_| ());
    hall.matcher.acknowledge(hall.now, TicketId(1));
    hall.join("eve", |ticket| ticket.blocked = names(&["ann"]));
    hall.now = START + 4 * SECOND;
    hall.matcher.handle_timeout(hall.now - Duration::from_nanos(1));
    assert_eq!(hall.outputs(), []);
    assert_eq!(hall.matcher.poll_timeout(), Some(hall.now));
    hall.matcher.handle_timeout(hall.now);
    let outputs = hall.outputs();
    assert_eq!(outputs[0], Output::Lapsed(TicketId(2)));
    let Output::Waiting { id: TicketId(1), place } = outputs[1] else { panic!("{outputs:?}") };
    assert_eq!((place.position, place.waiting), (1, 2));
    assert!(!hall.matcher.holds(TicketId(2)));
    assert_eq!(hall.join("dan", |_| ()), Some(1));
}

#[test]
fn whose_partner_goes_looks_at_once() {
    let mut hall = Hall::new(&[]);
    hall.join("ann", |_| ());
    hall.join("bob", |_| ());
    hall.join("eve", |_| ());
    assert!(hall.matcher.remove(hall.now, TicketId(2)));
    assert_eq!(hall.offers(), [[1, 3]]);
    assert!(!hall.matcher.remove(hall.now, TicketId(2)));
}

#[test]
fn an_offer_that_outlives_a_ticket_ends_first() {
    for acknowledges in [None, Some(1)] {
        let mut hall = Hall::new(&[]);
        hall.join("ann", |ticket| ticket.expires = START + 2 * SECOND);
        hall.join("bob", |_| ());
        acknowledges.into_iter().for_each(|id| hall.matcher.acknowledge(hall.now, TicketId(id)));
        hall.matcher.handle_timeout(START + 3 * SECOND);
        assert_eq!(hall.outputs(), []);
        hall.matcher.handle_timeout(START + 4 * SECOND);
        let [ann, bob] = [1, 2].map(TicketId);
        let expected = match acknowledges {
            None => [Output::Lapsed(ann), Output::Lapsed(bob)],
            Some(_) => [Output::Lapsed(bob), Output::Expired(ann)],
        };
        assert_eq!(hall.outputs(), expected);
    }
}

#[test]
fn an_old_ticket_comes_before_those_who_waited_meanwhile() {
    let mut hall = Hall::new(&[]);
    let shy = &["bob", "eve", "old"];
    hall.join("bob", |ticket| ticket.blocked = names(shy));
    hall.join("eve", |ticket| ticket.blocked = names(shy));
    hall.join("old", |ticket| ticket.since = START - 60 * SECOND);
    assert_eq!(hall.join("dan", |_| ()), Some(3));
    assert_eq!(hall.join("fay", |_| ()), Some(1));
}

#[test]
fn pools_that_come_and_go_are_forgotten() {
    let mut hall = Hall::new(&[]);
    let pools: Vec<Arc<str>> = (0..200).map(|pool| format!("pool {pool}").into()).collect();
    for pool in &pools {
        for user in ["ann", "bob"] {
            hall.join(user, |ticket| ticket.mode = Mode::Pool(Arc::clone(pool)));
        }
        let ids: Vec<TicketId> = (hall.next - 1..=hall.next).map(TicketId).collect();
        ids.iter().for_each(|id| hall.matcher.acknowledge(hall.now, *id));
        assert!(matches!(hall.outputs()[..], [Output::Matched(_)]));
    }
    let held = pools.iter().filter(|pool| Arc::strong_count(pool) > 1).count();
    assert!((1..=64).contains(&held), "{held}");
    assert_eq!(hall.matcher.poll_timeout(), None);
}
