//! A ticket as the caller hands it in becomes a ticket as it is held: texts become numbers, and a profile becomes the
//! terms of a kind and the facts beyond.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::kinds::{Takes, Term};
use crate::names::{Name, Names};
use crate::tickets::{Details, Fact, Held, nanos};
use crate::{Attribute, Band, Kind, Profile, Seeks, Ticket, Value};

/// An attribute, its times in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Criterion {
    pub(crate) kind: Kind,
    pub(crate) widen: Option<u64>,
}

impl Criterion {
    pub(crate) fn new(attribute: &Attribute) -> Self {
        Self { kind: attribute.kind, widen: attribute.widen.map(nanos) }
    }

    /// Of who takes that, whom it takes after such a wait.
    pub(crate) fn widened(self, takes: Takes, waited: u64) -> Takes {
        match takes {
            Takes::OneOf(_) | Takes::Alike | Takes::Tagged
                if self.widen.is_some_and(|after| waited >= after) =>
            {
                Takes::Anyone
            }
            takes => takes,
        }
    }

    /// How many times a band has become wider, and how wide it is.
    pub(crate) fn width(self, band: Band, within: u32, waited: u64) -> u32 {
        let times = self.widen.map_or(0, |every| waited / every.max(1));
        let wider = times.saturating_mul(band.step.into());
        let wider = u32::try_from(wider).unwrap_or(u32::MAX);
        within.max(within.saturating_add(wider).min(band.most))
    }

    /// After which wait it takes more than after this one. `None` is never.
    pub(crate) fn widens_after(self, takes: Takes, fact: &Fact, waited: u64) -> Option<u64> {
        let every = self.widen?;
        match (self.kind, takes, fact) {
            (_, Takes::Anyone, _) => None,
            (Kind::Number(band), Takes::Near, &Fact::Number { within, .. }) => {
                let is_over = self.width(band, within, waited) >= within.max(band.most);
                if is_over || every == 0 || band.step == 0 {
                    return None;
                }
                (waited / every + 1).checked_mul(every)
            }
            _ => (waited < every).then_some(every),
        }
    }
}

/// The terms of a ticket that is new, and what is beyond them.
pub(crate) fn read(
    criteria: &[Criterion],
    ticket: &Ticket,
    names: &mut Names,
    terms: &mut Vec<Term>,
) -> Option<Box<Details>> {
    terms.clear();
    let mut facts = Vec::new();
    for (index, criterion) in (0u8..).zip(criteria) {
        let (term, fact) = read_one(*criterion, index, &ticket.profile, names);
        terms.push(term);
        if fact != Fact::None && facts.is_empty() {
            // Just so many, so that a box takes them as they are.
            facts = Vec::with_capacity(criteria.len());
            facts.resize(criteria.len(), Fact::None);
        }
        if fact != Fact::None {
            facts[usize::from(index)] = fact;
        }
    }
    let Ticket { buddies, blocked, recent, .. } = ticket;
    let lists = [buddies.len(), blocked.len(), recent.len(), facts.len()];
    if lists == [0; 4] {
        return None;
    }
    let recent = recent.iter().map(|recent| (names.take(&recent.user), nanos(recent.parted)));
    let recent = recent.collect();
    let [buddies, blocked] = [buddies, blocked].map(|list| sorted(list, names));
    Some(Box::new(Details { buddies, blocked, recent, facts: facts.into() }))
}

fn read_one(criterion: Criterion, index: u8, profile: &Profile, names: &mut Names) -> (Term, Fact) {
    let is = profile.is.iter().find(|(at, _)| *at == index).map(|(_, value)| value);
    let seeks = profile.seeks.iter().find(|(at, _)| *at == index).map(|(_, seeks)| seeks);
    let anyone = matches!(seeks, Some(Seeks::Anyone));
    match (criterion.kind, is) {
        (Kind::Choice, is) => {
            let is = if let Some(&Value::Choice(choice)) = is { choice } else { Term::UNSAID };
            let takes = match seeks {
                Some(&Seeks::OneOf(set)) => Takes::OneOf(set),
                _ => Takes::Anyone,
            };
            (Term { is, takes }, Fact::None)
        }
        (Kind::Tags, is) => {
            let own: &[Arc<str>] = if let Some(Value::Tags(own)) = is { own } else { &[] };
            let sought: &[Arc<str>] =
                if let Some(Seeks::Tags(sought)) = seeks { sought } else { &[] };
            let [own, sought] = [own, sought].map(|list| sorted(list, names));
            let takes = match (&own[..], &sought[..]) {
                _ if anyone => Takes::Anyone,
                ([], []) => Takes::Anyone,
                (_, []) => Takes::Alike,
                (_, _) => Takes::Tagged,
            };
            let is = if own.is_empty() { Term::UNSAID } else { 0 };
            let nothing = own.is_empty() && sought.is_empty();
            let tags = Fact::Tags { is: own, wants: sought };
            (Term { is, takes }, if nothing { Fact::None } else { tags })
        }
        (Kind::Number(band), Some(&Value::Number(number))) => {
            let within =
                if let Some(&Seeks::Within(within)) = seeks { within } else { band.within };
            let takes = if anyone { Takes::Anyone } else { Takes::Near };
            (Term { is: 0, takes }, Fact::Number { is: number, within })
        }
        (Kind::Number(_), _) => (Term { is: Term::UNSAID, takes: Takes::Anyone }, Fact::None),
    }
}

fn sorted(list: &[Arc<str>], names: &mut Names) -> Box<[Name]> {
    let mut list: Vec<Name> = list.iter().map(|text| names.take(text)).collect();
    list.sort_unstable();
    list.dedup_by(|next, name| {
        let is_again = next == name;
        if is_again {
            names.release(*next);
        }
        is_again
    });
    list.into()
}

/// Makes the terms those of a ticket after such a wait, and says whether they are others.
pub(crate) fn widen(criteria: &[Criterion], terms: &mut [Term], waited: u64) -> bool {
    let mut is_wider = false;
    for (term, criterion) in terms.iter_mut().zip(criteria) {
        let takes = criterion.widened(term.takes, waited);
        is_wider |= takes != term.takes;
        term.takes = takes;
    }
    is_wider
}

/// When a ticket that has waited until now begins to take more, by its terms when it was new.
pub(crate) fn widens(criteria: &[Criterion], terms: &[Term], held: &Held, now: u64) -> Option<u64> {
    let waited = now.saturating_sub(held.since);
    let each = criteria.iter().zip(terms).enumerate().filter_map(|(index, (criterion, term))| {
        criterion.widens_after(term.takes, held.fact(index), waited)
    });
    each.min().map(|waited| held.since.saturating_add(waited))
}
