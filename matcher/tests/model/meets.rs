//! Who may meet whom, written down once more, from the descriptions of [`Mode`], [`Kind`] and [`Band`].

use std::sync::Arc;
use std::time::Duration;

use hairpin_matcher::{Attribute, Band, Kind, Mode, Rules, Seeks, Ticket, Value};

pub(crate) fn may_meet(
    rules: &Rules,
    now: Duration,
    in_company: bool,
    a: &Ticket,
    b: &Ticket,
) -> bool {
    let buddies = a.mode == Mode::Buddies || b.mode == Mode::Buddies;
    let apart = if in_company && !buddies { rules.apart_in_company } else { rules.apart_alone };
    let each_way = |a: &Ticket, b: &Ticket| {
        let is_recent =
            a.recent.iter().any(|recent| recent.user == b.user && now < recent.parted + apart);
        !a.blocked.contains(&b.user) && !is_recent && takes(rules, now, a, b)
    };
    a.user != b.user && modes_fit(a, b) && each_way(a, b) && each_way(b, a)
}

pub(crate) fn are_buddies(a: &Ticket, b: &Ticket) -> bool {
    let has = |a: &Ticket, b: &Ticket| a.buddies.contains(&b.user);
    has(a, b) && has(b, a)
}

fn modes_fit(a: &Ticket, b: &Ticket) -> bool {
    let pool = |ticket: &Ticket| match &ticket.mode {
        Mode::Pool(name) => Some(Arc::clone(name)),
        _ => None,
    };
    if pool(a).is_some() || pool(b).is_some() {
        return pool(a) == pool(b);
    }
    let is_choosy = [a, b].iter().any(|ticket| ticket.mode == Mode::Buddies);
    !is_choosy || are_buddies(a, b)
}

fn takes(rules: &Rules, now: Duration, a: &Ticket, b: &Ticket) -> bool {
    let waited = now.checked_sub(a.since).unwrap_or_default();
    rules.attributes.iter().enumerate().all(|(index, attribute)| {
        let seeks = a.profile.seeks.iter().find(|(at, _)| usize::from(*at) == index);
        let seeks = seeks.map(|(_, seeks)| seeks);
        if matches!(seeks, Some(Seeks::Anyone)) {
            return true;
        }
        match attribute.kind {
            Kind::Choice => takes_choice(attribute, waited, seeks, said(b, index)),
            Kind::Tags => takes_tags(attribute, waited, seeks, said(a, index), said(b, index)),
            Kind::Number(band) => {
                let (Some(Value::Number(own)), their) = (said(a, index), said(b, index)) else {
                    return true;
                };
                let Some(Value::Number(their)) = their else { return false };
                apart(band, own, their) <= width(attribute, band, waited, seeks)
            }
        }
    })
}

fn said(ticket: &Ticket, index: usize) -> Option<Value> {
    let said = ticket.profile.is.iter().find(|(at, _)| usize::from(*at) == index);
    said.map(|(_, value)| value.clone())
}

fn is_wide(attribute: &Attribute, waited: Duration) -> bool {
    attribute.widen.is_some_and(|after| after <= waited)
}

fn takes_choice(
    attribute: &Attribute,
    waited: Duration,
    seeks: Option<&Seeks>,
    their: Option<Value>,
) -> bool {
    let Some(Seeks::OneOf(set)) = seeks else { return true };
    let is_sought = match their {
        Some(Value::Choice(choice)) => set & (1 << choice) != 0,
        _ => false,
    };
    is_sought || is_wide(attribute, waited)
}

fn takes_tags(
    attribute: &Attribute,
    waited: Duration,
    seeks: Option<&Seeks>,
    own: Option<Value>,
    their: Option<Value>,
) -> bool {
    let words = |value: Option<Value>| match value {
        Some(Value::Tags(words)) => words.to_vec(),
        _ => Vec::new(),
    };
    let wanted = match seeks {
        Some(Seeks::Tags(words)) if !words.is_empty() => words.to_vec(),
        _ => words(own),
    };
    let their = words(their);
    wanted.is_empty()
        || is_wide(attribute, waited)
        || wanted.iter().any(|word| their.contains(word))
}

fn width(attribute: &Attribute, band: Band, waited: Duration, seeks: Option<&Seeks>) -> u64 {
    let first = match seeks {
        Some(Seeks::Within(within)) => u64::from(*within),
        _ => u64::from(band.within),
    };
    let (mut width, mut left) = (first, waited);
    while let Some(after) = attribute.widen
        && left >= after
        && width < u64::from(band.most)
    {
        width = (width + u64::from(band.step)).min(u64::from(band.most));
        left -= after;
    }
    width
}

fn apart(band: Band, a: i32, b: i32) -> u64 {
    let straight = (i64::from(a) - i64::from(b)).unsigned_abs();
    match band.around {
        Some(around) => straight.min(u64::from(around.get()) - straight),
        None => straight,
    }
}
