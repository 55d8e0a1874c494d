//! The matcher against the plainest program that follows the same rules.

use std::collections::BTreeSet;
use std::iter;
use std::time::Duration;

use hairpin_matcher::{Match, Matcher, Output, Ticket, TicketId, Waited};
use proptest::prelude::*;

/// Long enough for everything here but waiting itself.
const PATIENCE: Duration = Duration::from_secs(120);

fn ticket(id: u64, user: &str, pool: &str) -> Ticket {
    ticket_until(PATIENCE, id, user, pool)
}

fn ticket_until(expires: Duration, id: u64, user: &str, pool: &str) -> Ticket {
    Ticket {
        id: TicketId(id),
        user: user.into(),
        pool: pool.into(),
        since: Duration::ZERO,
        expires,
    }
}

/// Everything that has happened.
fn drain(matcher: &mut Matcher) -> Vec<Output> {
    iter::from_fn(|| matcher.poll_output()).collect()
}

fn insert(matcher: &mut Matcher, now: Duration, ticket: Ticket) -> Vec<Output> {
    matcher.insert(now, ticket);
    drain(matcher)
}

/// A list, the oldest first, searched from its head.
#[derive(Default)]
struct List(Vec<Ticket>);

impl List {
    fn insert(&mut self, now: Duration, new: Ticket) -> Vec<Output> {
        let replaced = self.0.iter().find(|old| old.user == new.user).map(|old| old.id);
        self.0.retain(|old| old.user != new.user);
        let partner = self.0.iter().position(|old| old.pool == new.pool && old.user != new.user);
        let outcome = match partner.map(|index| self.0.remove(index)) {
            Some(old) => {
                let mut sides = [old, new];
                sides.sort_by_key(|side| side.since);
                let waited = sides.map(|side| Waited { id: side.id, waited: now - side.since });
                let [first, second] = waited;
                Output::Matched(Match { first, second })
            }
            None => {
                let position = 1 + self.0.iter().filter(|old| old.pool == new.pool).count();
                let id = new.id;
                self.0.push(new);
                Output::Waiting { id, position }
            }
        };
        replaced.map(Output::Replaced).into_iter().chain([outcome]).collect()
    }

    fn remove(&mut self, id: TicketId) -> bool {
        let before = self.0.len();
        self.0.retain(|ticket| ticket.id != id);
        self.0.len() < before
    }

    /// Ends what is due, the earliest end first and then the oldest.
    fn handle_timeout(&mut self, now: Duration) -> Vec<Output> {
        let (mut due, rest): (Vec<_>, Vec<_>) =
            self.0.drain(..).partition(|ticket| ticket.expires <= now);
        self.0 = rest;
        due.sort_by_key(|ticket| (ticket.expires, ticket.id));
        due.into_iter().map(|ticket| Output::Expired(ticket.id)).collect()
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// Somebody who has waited for so long already.
    Insert {
        user: u8,
        pool: u8,
        patience: u64,
        waited: u64,
    },
    Remove {
        ago: u64,
    },
    Pass(u64),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..6u8, 0..4u8, 0..2000u64, prop_oneof![Just(0), 0..1000u64])
            .prop_map(|(user, pool, patience, waited)| Op::Insert { user, pool, patience, waited }),
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
                Op::Insert { user, pool, patience, waited } => {
                    ids += 1;
                    let end = now + Duration::from_millis(patience);
                    let since = now.saturating_sub(Duration::from_millis(waited));
                    let ticket = ticket_until(end, ids, &user.to_string(), &pool.to_string());
                    let ticket = Ticket { since, ..ticket };
                    prop_assert_eq!(insert(&mut matcher, now, ticket.clone()), list.insert(now, ticket));
                }
                Op::Remove { ago } => {
                    let id = TicketId(ids.saturating_sub(ago));
                    prop_assert_eq!(matcher.remove(id), list.remove(id));
                }
                Op::Pass(ms) => {
                    now += Duration::from_millis(ms);
                    matcher.handle_timeout(now);
                    prop_assert_eq!(drain(&mut matcher), list.handle_timeout(now));
                }
            }
            prop_assert_eq!(matcher.len(), list.0.len());
            prop_assert_eq!(matcher.poll_timeout(), list.0.iter().map(|ticket| ticket.expires).min());
            for ticket in &list.0 {
                prop_assert_eq!(matcher.waiting(&ticket.pool), Some(ticket.id));
            }
        }
        for ticket in &list.0 {
            prop_assert!(matcher.remove(ticket.id));
        }
        prop_assert!(matcher.is_empty());
        prop_assert_eq!((matcher.poll_timeout(), matcher.poll_output()), (None, None));
    }
}

#[test]
fn a_user_never_meets_itself() {
    let mut matcher = Matcher::new();
    insert(&mut matcher, Duration::ZERO, ticket(1, "a", "x"));
    let again = insert(&mut matcher, Duration::ZERO, ticket(2, "a", "x"));
    let second = TicketId(2);
    assert_eq!(again, [Output::Replaced(TicketId(1)), Output::Waiting { id: second, position: 1 }]);
    assert_eq!(matcher.waiting("x"), Some(second));
}

#[test]
fn a_user_has_one_ticket_over_all_pools() {
    let mut matcher = Matcher::new();
    insert(&mut matcher, Duration::ZERO, ticket(1, "a", "x"));
    insert(&mut matcher, Duration::ZERO, ticket(2, "b", "y"));
    let moved = insert(&mut matcher, Duration::from_secs(3), ticket(3, "a", "y"));
    let [Output::Replaced(TicketId(1)), Output::Matched(Match { first, second })] = moved[..]
    else {
        panic!("{moved:?}")
    };
    assert_eq!((first.id, first.waited.as_secs(), second.id), (TicketId(2), 3, TicketId(3)));
    assert!(matcher.is_empty());
}

#[test]
fn a_ticket_waits_until_its_end_and_no_longer() {
    let mut matcher = Matcher::new();
    let end = Duration::from_secs(120);
    insert(&mut matcher, Duration::ZERO, ticket_until(end, 1, "a", "x"));
    assert_eq!(matcher.poll_timeout(), Some(end));
    matcher.handle_timeout(end - Duration::from_nanos(1));
    assert_eq!(drain(&mut matcher), []);
    matcher.handle_timeout(end);
    assert_eq!(drain(&mut matcher), [Output::Expired(TicketId(1))]);
    let alone = insert(&mut matcher, end, ticket_until(2 * end, 2, "b", "x"));
    assert_eq!(alone, [Output::Waiting { id: TicketId(2), position: 1 }]);
}

#[test]
fn a_burst_is_matched_completely_and_each_ticket_once() {
    for users in [10_000, 100_000] {
        let mut matcher = Matcher::new();
        let mut matched = BTreeSet::new();
        for id in 0..users {
            matcher.insert(Duration::ZERO, ticket(id, &format!("user-{id}"), "default"));
            if let Some(Output::Matched(Match { first, second })) = matcher.poll_output() {
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
