//! Whether two tickets may meet: the rules in their plainest form.

use alloc::sync::Arc;
use core::time::Duration;

use crate::{Attribute, Band, Kind, Mode, Profile, Rules, Seeks, Ticket, Value};

/// Whether two tickets may meet now. `in_company` is whether others are there, so that two who have just parted need not
/// meet again soon.
pub(crate) fn meets(
    rules: &Rules,
    now: Duration,
    in_company: bool,
    a: &Ticket,
    b: &Ticket,
) -> bool {
    a.user != b.user
        && !a.blocked.contains(&b.user)
        && !b.blocked.contains(&a.user)
        && share_a_room(a, b)
        && !is_recent(rules, now, in_company, a, b)
        && accepts(rules, now, a, b)
        && accepts(rules, now, b, a)
}

/// Whether each is among the other's buddies.
pub(crate) fn are_buddies(a: &Ticket, b: &Ticket) -> bool {
    a.buddies.contains(&b.user) && b.buddies.contains(&a.user)
}

fn share_a_room(a: &Ticket, b: &Ticket) -> bool {
    use Mode::{Buddies, BuddiesFirst, Global, Pool};
    match (&a.mode, &b.mode) {
        (Pool(a), Pool(b)) => a == b,
        (Pool(_), _) | (_, Pool(_)) => false,
        (Global | BuddiesFirst, Global | BuddiesFirst) => true,
        (Buddies, _) | (_, Buddies) => are_buddies(a, b),
    }
}

fn is_recent(rules: &Rules, now: Duration, in_company: bool, a: &Ticket, b: &Ticket) -> bool {
    let apart = if in_company { rules.apart_in_company } else { rules.apart_alone };
    let parted = |a: &Ticket, b: &Ticket| {
        a.recent.iter().filter(|recent| recent.user == b.user).map(|recent| recent.parted).max()
    };
    parted(a, b).max(parted(b, a)).is_some_and(|parted| now < parted.saturating_add(apart))
}

fn accepts(rules: &Rules, now: Duration, a: &Ticket, b: &Ticket) -> bool {
    let waited = now.saturating_sub(a.since);
    (0u8..)
        .zip(&rules.attributes)
        .all(|(index, attribute)| takes(attribute, index, waited, &a.profile, &b.profile))
}

fn takes(
    attribute: &Attribute,
    index: u8,
    waited: Duration,
    mine: &Profile,
    theirs: &Profile,
) -> bool {
    let seeks = mine.seeks.iter().find(|(at, _)| *at == index).map(|(_, seeks)| seeks);
    let is = |profile: &Profile| {
        profile.is.iter().find(|(at, _)| *at == index).map(|(_, value)| value.clone())
    };
    let widened = attribute.widen.is_some_and(|after| waited >= after);
    match (attribute.kind, seeks, is(mine), is(theirs)) {
        (_, Some(Seeks::Anyone), _, _) => true,
        (Kind::Choice, Some(Seeks::OneOf(set)), _, Some(Value::Choice(choice))) => {
            widened || set >> choice & 1 == 1
        }
        (Kind::Choice, Some(Seeks::OneOf(_)), _, _) => widened,
        (Kind::Tags, Some(Seeks::Tags(wanted)), _, theirs) => widened || shares(wanted, theirs),
        (Kind::Tags, _, Some(Value::Tags(own)), theirs) => widened || shares(&own, theirs),
        (Kind::Number(band), seeks, Some(Value::Number(own)), theirs) => {
            let within = match seeks {
                Some(Seeks::Within(within)) => Band { within: *within, ..band },
                _ => band,
            };
            matches!(theirs, Some(Value::Number(theirs)) if within.holds(attribute.widen, waited, own, theirs))
        }
        _ => true,
    }
}

fn shares(wanted: &[Arc<str>], theirs: Option<Value>) -> bool {
    matches!(theirs, Some(Value::Tags(theirs)) if wanted.iter().any(|tag| theirs.contains(tag)))
}

impl Band {
    fn holds(self, widen: Option<Duration>, waited: Duration, a: i32, b: i32) -> bool {
        let times = widen.map_or(0, |every| waited.as_nanos() / every.as_nanos().max(1));
        let wider = u128::from(self.step).saturating_mul(times).min(u128::from(u32::MAX)) as u32;
        let width = self.within.max(self.within.saturating_add(wider).min(self.most));
        let apart = a.abs_diff(b);
        let apart =
            self.around.map_or(apart, |around| apart.min(around.get().saturating_sub(apart)));
        apart <= width
    }
}
