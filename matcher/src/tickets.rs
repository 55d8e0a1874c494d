//! The tickets that are held, by where they are and by the caller's numbers.

use alloc::boxed::Box;
use core::time::Duration;

use crate::arena::Arena;
use crate::kinds::KindId;
use crate::names::{Name, Numbers, Seed};
use crate::queue::{Age, Entry};
use crate::rooms::RoomId;

/// Where a ticket is.
pub(crate) type Slot = u32;

/// A ticket, with its texts replaced by their numbers. What most tickets do not have is in a box of its own.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: u64,
    pub(crate) since: u64,
    pub(crate) expires: u64,
    /// When its timer goes off; [`NEVER`] if it has none.
    pub(crate) wakes: u64,
    /// Where its timer is among others of about the same time; of one that is offered, the number of the offer.
    pub(crate) link: u32,
    pub(crate) user: Name,
    pub(crate) room: RoomId,
    /// What it is and takes now.
    pub(crate) kind: KindId,
    /// What it was and took when it was new.
    pub(crate) origin: KindId,
    pub(crate) search: Search,
    pub(crate) state: State,
    /// Whether it is in the queue of its room's rest, and not in that of its kind.
    pub(crate) is_of_rest: bool,
    pub(crate) told: Told,
    pub(crate) details: Option<Box<Details>>,
}

/// How it looks for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    Oldest,
    BuddiesFirst,
    BuddiesOnly,
    /// In a pool, where buddies are like all others.
    NoBuddies,
}

/// What it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It is new, and in no queue.
    New,
    /// It can be offered to others.
    Waits,
    /// Likewise, and it has yet to look at them itself.
    Looks,
    /// It is offered to another.
    Offered,
}

/// The place that it was last told, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Told {
    pub(crate) at: u64,
    pub(crate) position: u32,
    pub(crate) waiting: u32,
}

/// Whom it rather meets, whom not, and what it says and asks beyond its kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Details {
    /// In ascending order, as all names here.
    pub(crate) buddies: Box<[Name]>,
    pub(crate) blocked: Box<[Name]>,
    pub(crate) recent: Box<[(Name, u64)]>,
    /// One for each attribute, or none at all.
    pub(crate) facts: Box<[Fact]>,
}

/// What a ticket says and asks in one respect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// What its kind says is all.
    None,
    Tags {
        is: Box<[Name]>,
        /// Empty if it is those above that it seeks.
        wants: Box<[Name]>,
    },
    Number {
        is: i32,
        within: u32,
    },
}

/// The end of time.
pub(crate) const NEVER: u64 = u64::MAX;

/// Nanoseconds, which last for 584 years; whatever is later is never.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER)
}

impl Held {
    pub(crate) fn age(&self) -> Age {
        Age { since: self.since, id: self.id }
    }

    pub(crate) fn is_free(&self) -> bool {
        matches!(self.state, State::Waits | State::Looks)
    }

    pub(crate) fn fact(&self, attribute: usize) -> &Fact {
        let details = self.details.as_ref();
        details.and_then(|details| details.facts.get(attribute)).unwrap_or(&Fact::None)
    }

    pub(crate) fn buddies(&self) -> &[Name] {
        self.details.as_ref().map_or(&[], |details| &details.buddies)
    }

    pub(crate) fn recent(&self) -> &[(Name, u64)] {
        self.details.as_ref().map_or(&[], |details| &details.recent)
    }
}

impl Details {
    /// Every name in here, as often as it was taken.
    pub(crate) fn names(&self) -> impl Iterator<Item = Name> {
        let of_facts = self.facts.iter().flat_map(|fact| match fact {
            Fact::Tags { is, wants } => [&is[..], &wants[..]],
            Fact::None | Fact::Number { .. } => [&[][..], &[][..]],
        });
        let recent = self.recent.iter().map(|&(name, _)| name);
        let lists = [&self.buddies[..], &self.blocked[..]].into_iter();
        lists.chain(of_facts).flatten().copied().chain(recent)
    }
}

/// All tickets.
#[derive(Clone, Debug)]
pub(crate) struct Tickets {
    seed: Seed,
    slots: Arena<Held>,
    by_id: Numbers,
}

impl Tickets {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, slots: Arena::new(), by_id: Numbers::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// All slots are less.
    pub(crate) fn end(&self) -> Slot {
        self.slots.end()
    }

    pub(crate) fn find(&self, id: u64) -> Option<Slot> {
        self.by_id.find(self.seed.of_number(id), |slot| self.slots[slot].id == id)
    }

    pub(crate) fn insert(&mut self, held: Held) -> Slot {
        let hash = self.seed.of_number(held.id);
        let slot = self.slots.insert(held);
        self.by_id.insert(hash, slot);
        slot
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Held {
        let held = self.slots.remove(slot).expect("who is removed is there");
        self.by_id.remove(self.seed.of_number(held.id), slot);
        held
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Held> {
        self.slots.get(slot)
    }

    pub(crate) fn entry(&self, slot: Slot) -> Entry {
        Entry::new(self[slot].age(), slot)
    }
}

impl core::ops::Index<Slot> for Tickets {
    type Output = Held;

    fn index(&self, slot: Slot) -> &Held {
        &self.slots[slot]
    }
}

impl core::ops::IndexMut<Slot> for Tickets {
    fn index_mut(&mut self, slot: Slot) -> &mut Held {
        &mut self.slots[slot]
    }
}
