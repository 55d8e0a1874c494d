//! Who has yet to look at the others, because more may be possible for it than when it last did.

use alloc::collections::BTreeMap;

use crate::queue::Age;
use crate::tickets::{Slot, State, Tickets};

/// One who is to look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looker {
    pub(crate) slot: Slot,
    /// It has looked at those who are older than that.
    pub(crate) after: Option<Age>,
    /// It is to be told that it waits, if it finds nobody.
    pub(crate) is_back: bool,
}

/// Those who are to look, the oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lookers {
    lookers: BTreeMap<Age, Looker>,
}

impl Lookers {
    /// One that waits is to look, at all of them.
    pub(crate) fn add(&mut self, tickets: &mut Tickets, slot: Slot) {
        self.put(tickets, Looker { slot, after: None, is_back: false });
    }

    /// One that waits is to look, or to look on.
    pub(crate) fn put(&mut self, tickets: &mut Tickets, looker: Looker) {
        let held = &mut tickets[looker.slot];
        debug_assert!(held.is_free());
        held.state = State::Looks;
        let known = self.lookers.entry(held.age()).or_insert(looker);
        *known = Looker { is_back: known.is_back || looker.is_back, ..looker };
    }

    pub(crate) fn remove(&mut self, tickets: &mut Tickets, slot: Slot) -> Option<Looker> {
        let held = &mut tickets[slot];
        if held.state != State::Looks {
            return None;
        }
        held.state = State::Waits;
        self.lookers.remove(&held.age())
    }

    pub(crate) fn first(&self) -> Option<Looker> {
        self.lookers.first_key_value().map(|(_, looker)| *looker)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lookers.is_empty()
    }
}
