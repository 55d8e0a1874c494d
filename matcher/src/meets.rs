//! Whether two tickets may meet: the one place that says so. The index only leaves out those of whom this is sure to say
//! no.

use crate::kinds::{Kinds, Takes};
use crate::names::Name;
use crate::profile::Criterion;
use crate::rooms::{BUDDIES, GLOBAL};
use crate::tickets::{Details, Fact, Held};
use crate::{Band, Kind};

/// What decides beside the two tickets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) now: u64,
    /// How long those who have parted are kept apart at present.
    pub(crate) apart: u64,
    /// How long those are of whom one would meet nobody but the other's like: for them it is as if nobody else were there.
    pub(crate) apart_alone: u64,
}

/// Whether two tickets may meet now.
pub(crate) fn meets(
    criteria: &[Criterion],
    kinds: &Kinds,
    moment: Moment,
    a: &Held,
    b: &Held,
) -> bool {
    a.user != b.user
        && share_a_room(a, b)
        && kinds.may_meet(a.kind, b.kind)
        && !blocks(a, b)
        && !blocks(b, a)
        && !is_recent(moment, a, b)
        && !is_recent(moment, b, a)
        && accepts(criteria, kinds, moment, a, b)
        && accepts(criteria, kinds, moment, b, a)
}

/// Whether each is among the other's buddies.
pub(crate) fn are_buddies(a: &Held, b: &Held) -> bool {
    has(a.buddies(), b.user) && has(b.buddies(), a.user)
}

fn share_a_room(a: &Held, b: &Held) -> bool {
    match (a.room, b.room) {
        (BUDDIES, GLOBAL | BUDDIES) | (GLOBAL, BUDDIES) => are_buddies(a, b),
        (a, b) => a == b,
    }
}

fn blocks(a: &Held, b: &Held) -> bool {
    a.details.as_ref().is_some_and(|details| has(&details.blocked, b.user))
}

fn is_recent(moment: Moment, a: &Held, b: &Held) -> bool {
    let apart = match a.room == BUDDIES || b.room == BUDDIES {
        true => moment.apart_alone,
        false => moment.apart,
    };
    let is_recent =
        |&(user, parted): &(Name, u64)| user == b.user && moment.now < parted.saturating_add(apart);
    a.recent().iter().any(is_recent)
}

fn has(names: &[Name], name: Name) -> bool {
    names.binary_search(&name).is_ok()
}

/// What the kinds do not tell: shared words, and numbers that are near.
fn accepts(criteria: &[Criterion], kinds: &Kinds, moment: Moment, a: &Held, b: &Held) -> bool {
    let Some(Details { facts, .. }) = a.details.as_deref() else { return true };
    let terms = kinds[a.kind].terms().unwrap_or(&[]);
    let waited = moment.now.saturating_sub(a.since);
    let each = facts.iter().zip(terms).zip(criteria).enumerate();
    each.into_iter().all(|(index, ((mine, term), criterion))| {
        match (criterion.kind, term.takes, mine, b.fact(index)) {
            (_, Takes::Alike, Fact::Tags { is, .. }, Fact::Tags { is: theirs, .. }) => {
                share(is, theirs)
            }
            (_, Takes::Tagged, Fact::Tags { wants, .. }, Fact::Tags { is: theirs, .. }) => {
                share(wants, theirs)
            }
            (
                Kind::Number(band),
                Takes::Near,
                &Fact::Number { is, within },
                &Fact::Number { is: theirs, .. },
            ) => band.apart(is, theirs) <= criterion.width(band, within, waited),
            (_, Takes::Alike | Takes::Tagged | Takes::Near, _, _) => false,
            (_, Takes::Anyone | Takes::OneOf(_), _, _) => true,
        }
    })
}

/// Whether two lists in ascending order have anything in common.
fn share(mut a: &[Name], mut b: &[Name]) -> bool {
    while let ([first, rest @ ..], [other, others @ ..]) = (a, b) {
        match first.cmp(other) {
            core::cmp::Ordering::Less => a = rest,
            core::cmp::Ordering::Greater => b = others,
            core::cmp::Ordering::Equal => return true,
        }
    }
    false
}

impl Band {
    fn apart(self, a: i32, b: i32) -> u32 {
        let apart = a.abs_diff(b);
        self.around.map_or(apart, |around| {
            let apart = apart % around;
            apart.min(around.get() - apart)
        })
    }
}
