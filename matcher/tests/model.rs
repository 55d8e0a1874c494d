//! The matcher against the plainest program that follows the same rules.

use std::collections::BTreeSet;
use std::time::Duration;

use hairpin_matcher::{Inserted, Match, Matcher, Outcome, Ticket, TicketId, Waited};
use proptest::prelude::*;

fn ticket(id: u64, user: &str, pool: &str) -> Ticket {
    Ticket { id: TicketId(id), user: user.into(), pool: pool.into() }
}

/// A list, the oldest first, searched from its head.
#[derive(Default)]
struct List(Vec<(Duration, Ticket)>);

impl List {
    fn insert(&mut self, now: Duration, new: Ticket) -> Inserted {
        let replaced = self.0.iter().find(|(_, old)| old.user == new.user).map(|(_, old)| old.id);
        self.0.retain(|(_, old)| old.user != new.user);
        let partner =
            self.0.iter().position(|(_, old)| old.pool == new.pool && old.user != new.user);
        let outcome = match partner.map(|index| self.0.remove(index)) {
            Some((since, old)) => Outcome::Matched(Match {
                first: Waited { id: old.id, waited: now - since },
                second: Waited { id: new.id, waited: Duration::ZERO },
            }),
            None => {
                let position = 1 + self.0.iter().filter(|(_, old)| old.pool == new.pool).count();
                self.0.push((now, new));
                Outcome::Waiting { position }
            }
        };
        Inserted { outcome, replaced }
    }

    fn remove(&mut self, id: TicketId) -> bool {
        let before = self.0.len();
        self.0.retain(|(_, ticket)| ticket.id != id);
        self.0.len() < before
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert { user: u8, pool: u8 },
    Remove { ago: u64 },
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..6u8, 0..4u8).prop_map(|(user, pool)| Op::Insert { user, pool }),
        1 => (0..8u64).prop_map(|ago| Op::Remove { ago }),
        1 => (0..1000u64).prop_map(Op::Pass),
    ]
}

proptest! {
    #[test]
    fn it_does_what_a_list_does(ops in prop::collection::vec(op(), 0..200)) {
        let (mut matcher, mut list) = (Matcher::new(), List::default());
        let (mut now, mut ids) = (Duration::ZERO, 0);
        for op in ops {
            match op {
                Op::Insert { user, pool } => {
                    ids += 1;
                    let ticket = ticket(ids, &user.to_string(), &pool.to_string());
                    prop_assert_eq!(matcher.insert(now, ticket.clone()), list.insert(now, ticket));
                }
                Op::Remove { ago } => {
                    let id = TicketId(ids.saturating_sub(ago));
                    prop_assert_eq!(matcher.remove(id), list.remove(id));
                }
                Op::Pass(ms) => now += Duration::from_millis(ms),
            }
            prop_assert_eq!(matcher.len(), list.0.len());
            for (_, ticket) in &list.0 {
                prop_assert_eq!(matcher.waiting(&ticket.pool), Some(ticket.id));
            }
        }
        for (_, ticket) in &list.0 {
            prop_assert!(matcher.remove(ticket.id));
        }
        prop_assert!(matcher.is_empty());
    }
}

#[test]
fn a_user_never_meets_itself() {
    let mut matcher = Matcher::new();
    matcher.insert(Duration::ZERO, ticket(1, "a", "x"));
    let again = matcher.insert(Duration::ZERO, ticket(2, "a", "x"));
    assert_eq!(
        again,
        Inserted { outcome: Outcome::Waiting { position: 1 }, replaced: Some(TicketId(1)) }
    );
    assert_eq!(matcher.waiting("x"), Some(TicketId(2)));
}

#[test]
fn a_user_has_one_ticket_over_all_pools() {
    let mut matcher = Matcher::new();
    matcher.insert(Duration::ZERO, ticket(1, "a", "x"));
    matcher.insert(Duration::ZERO, ticket(2, "b", "y"));
    let moved = matcher.insert(Duration::from_secs(3), ticket(3, "a", "y"));
    assert_eq!(moved.replaced, Some(TicketId(1)));
    let Outcome::Matched(Match { first, second }) = moved.outcome else { panic!("{moved:?}") };
    assert_eq!((first.id, first.waited.as_secs(), second.id), (TicketId(2), 3, TicketId(3)));
    assert!(matcher.is_empty());
}

#[test]
fn a_burst_is_matched_completely_and_each_ticket_once() {
    for users in [10_000, 100_000] {
        let mut matcher = Matcher::new();
        let mut matched = BTreeSet::new();
        for id in 0..users {
            let inserted =
                matcher.insert(Duration::ZERO, ticket(id, &format!("user-{id}"), "default"));
            if let Outcome::Matched(Match { first, second }) = inserted.outcome {
                assert!(matched.insert(first.id) && matched.insert(second.id));
            }
        }
        assert_eq!((matched.len() as u64, matcher.len()), (users, 0));
    }
}

#[test]
fn a_crowd_of_lonely_pools_waits_and_leaves_nothing_behind() {
    let mut matcher = Matcher::new();
    for id in 0..10_000 {
        matcher.insert(Duration::ZERO, ticket(id, &format!("user-{id}"), &format!("pool-{id}")));
    }
    assert_eq!(matcher.len(), 10_000);
    assert!((0..10_000).all(|id| matcher.remove(TicketId(id))));
    assert!(matcher.is_empty() && !matcher.remove(TicketId(0)));
}
