//! What tickets are and take, as far as few values tell it: tickets of the same kind are in one queue.

use alloc::boxed::Box;

use crate::arena::Arena;
use crate::names::{Numbers, Seed};
use crate::queue::Queue;
use crate::sketch::Sketch;

/// The number of a kind.
pub(crate) type KindId = u32;

/// Kinds that nobody is of, and which are remembered for how long their people waited. Who makes up more than these
/// makes all of them forgotten, and then nobody is told how long it will be.
const REMEMBERED: usize = 1024;

/// What a ticket is and takes in one respect, as far as it is no matter of words and numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    /// Which choice; of words and numbers 0 if there are any. [`Term::UNSAID`] if there is none.
    pub(crate) is: u8,
    pub(crate) takes: Takes,
}

/// Whom somebody takes in one respect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Anyone,
    /// Who is one of these choices.
    OneOf(u64),
    /// Who has one of its own words.
    Alike,
    /// Who has one of other words.
    Tagged,
    /// Whose number is near.
    Near,
}

impl Term {
    pub(crate) const UNSAID: u8 = u8::MAX;

    /// All that it says.
    fn numbers(self) -> [u64; 2] {
        let (takes, set) = match self.takes {
            Takes::Anyone => (0, 0),
            Takes::OneOf(set) => (1, set),
            Takes::Alike => (2, 0),
            Takes::Tagged => (3, 0),
            Takes::Near => (4, 0),
        };
        [u64::from(self.is) << 8 | takes, set]
    }

    /// Whether this one may take that one, by all that is known here.
    fn may_take(self, other: Self) -> bool {
        match self.takes {
            Takes::Anyone => true,
            Takes::OneOf(set) => set.checked_shr(other.is.into()).is_some_and(|set| set & 1 == 1),
            Takes::Alike | Takes::Tagged | Takes::Near => other.is != Self::UNSAID,
        }
    }
}

/// Tickets that say and take the same, words and numbers aside.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    /// The room's serial number.
    room: u64,
    /// `None` of a room's kind for whoever is of a kind too rare to have its own queue.
    terms: Option<Box<[Term]>>,
    uses: u32,
    /// Those who wait, and can be found by all others.
    pub(crate) queue: Queue,
    /// Where it is among the kinds of its room that somebody waits of.
    pub(crate) place: u32,
    /// How long those waited who were matched.
    pub(crate) waits: Option<Box<Sketch>>,
}

impl Kind {
    pub(crate) fn terms(&self) -> Option<&[Term]> {
        self.terms.as_deref()
    }
}

/// All kinds.
#[derive(Clone, Debug)]
pub(crate) struct Kinds {
    seed: Seed,
    numbers: Numbers,
    kinds: Arena<Kind>,
    unused: usize,
}

impl Kinds {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, numbers: Numbers::new(), kinds: Arena::new(), unused: 0 }
    }

    /// The kind of a room's tickets of these terms, which is [released](Kinds::release) as often as it is taken.
    pub(crate) fn take(&mut self, room: u64, terms: &[Term]) -> KindId {
        let hash = self.hash(room, terms);
        let is_it = |kind: &Kind| kind.room == room && kind.terms.as_deref() == Some(terms);
        if let Some(id) = self.numbers.find(hash, |id| is_it(&self.kinds[id])) {
            let kind = &mut self.kinds[id];
            self.unused -= usize::from(kind.uses == 0);
            kind.uses += 1;
            return id;
        }
        let id = self.add(room, Some(terms.into()));
        self.numbers.insert(hash, id);
        id
    }

    /// A kind of a room for whoever has no queue of its own.
    pub(crate) fn add_rest(&mut self, room: u64) -> KindId {
        self.add(room, None)
    }

    fn add(&mut self, room: u64, terms: Option<Box<[Term]>>) -> KindId {
        let queue = Queue::default();
        self.kinds.insert(Kind { room, terms, uses: 1, queue, place: 0, waits: None })
    }

    pub(crate) fn release(&mut self, id: KindId) {
        let kind = &mut self.kinds[id];
        kind.uses -= 1;
        if kind.uses > 0 {
            return;
        }
        if kind.waits.is_none() || kind.terms.is_none() {
            return self.forget(id);
        }
        self.unused += 1;
        if self.unused > REMEMBERED {
            self.unused = 0;
            for id in 0..self.kinds.end() {
                if self.kinds.get(id).is_some_and(|kind| kind.uses == 0) {
                    self.forget(id);
                }
            }
        }
    }

    fn forget(&mut self, id: KindId) {
        let Some(Kind { room, terms: Some(terms), .. }) = self.kinds.remove(id) else { return };
        self.numbers.remove(self.hash(room, &terms), id);
    }

    fn hash(&self, room: u64, terms: &[Term]) -> u32 {
        let numbers = terms.iter().flat_map(|term| term.numbers());
        self.seed.of_numbers(core::iter::once(room).chain(numbers))
    }

    /// One more of a kind that somebody is of.
    pub(crate) fn take_again(&mut self, id: KindId) -> KindId {
        self.kinds[id].uses += 1;
        id
    }

    /// Whether two of these kinds may take each other, by all that is known here.
    pub(crate) fn may_meet(&self, a: KindId, b: KindId) -> bool {
        match (&self.kinds[a].terms, &self.kinds[b].terms) {
            (Some(a), Some(b)) => a.iter().zip(b).all(|(a, b)| a.may_take(*b) && b.may_take(*a)),
            _ => true,
        }
    }
}

impl core::ops::Index<KindId> for Kinds {
    type Output = Kind;

    fn index(&self, id: KindId) -> &Kind {
        &self.kinds[id]
    }
}

impl core::ops::IndexMut<KindId> for Kinds {
    fn index_mut(&mut self, id: KindId) -> &mut Kind {
        &mut self.kinds[id]
    }
}
