//! Who may be found by whom: queues by kind, and within a kind by word and by number.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use hashbrown::HashTable;

use crate::Kind;
use crate::arena::Arena;
use crate::kinds::{KindId, Kinds, Takes, Term};
use crate::names::{Name, Seed, wide};
use crate::profile::Criterion;
use crate::queue::{Entry, Queue};
use crate::rooms::{BUDDIES, Room, Rooms};
use crate::tickets::{Fact, Held};

/// The number of a queue by word or number.
pub(crate) type QueueId = u32;

/// Kinds of which somebody waits in a room. Whoever is of yet another waits with the rest, of whom everybody may be
/// worth a look: those who make up wishes cost the others a bounded time.
const LANES: usize = 256;

/// Ranges of numbers that one looks through, else at all of a kind.
const RANGES: usize = 24;

/// Queues within the kinds' queues.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    seed: Seed,
    queues: Arena<Queue>,
    by_word: HashTable<(u64, QueueId)>,
    by_range: BTreeMap<(KindId, u8, i64), QueueId>,
}

/// Where a ticket is beside the queue of its kind.
#[derive(Clone, Copy, Debug)]
enum Place {
    Word(u64),
    Range(KindId, u8, i64),
}

/// Whether a word is one's own, or one that one seeks and has not.
#[derive(Clone, Copy, Debug)]
enum Role {
    Has,
    Seeks,
}

impl Index {
    pub(crate) fn new(seed: Seed) -> Self {
        let by_word = HashTable::new();
        Self { seed, queues: Arena::new(), by_word, by_range: BTreeMap::new() }
    }

    pub(crate) fn queue(&self, id: QueueId) -> &Queue {
        &self.queues[id]
    }

    /// Lets a ticket be found. Says in how many queues it is.
    pub(crate) fn insert(
        &mut self,
        criteria: &[Criterion],
        kinds: &mut Kinds,
        rooms: &mut Rooms,
        held: &mut Held,
        entry: Entry,
    ) -> usize {
        let room = &mut rooms[held.room];
        room.queue.insert(entry);
        if held.room == BUDDIES {
            return 1;
        }
        let lane = choose_lane(kinds, room, held.kind);
        held.is_of_rest = lane != held.kind;
        kinds[lane].queue.insert(entry);
        let mut count = 2;
        for_each_place(criteria, kinds[held.kind].terms(), (held, lane), |place| {
            count += 1;
            let id = self.find(place).unwrap_or_else(|| self.add(place));
            self.queues[id].insert(entry);
        });
        count
    }

    /// Takes a ticket out of all queues.
    pub(crate) fn remove(
        &mut self,
        criteria: &[Criterion],
        kinds: &mut Kinds,
        rooms: &mut Rooms,
        held: &Held,
    ) {
        let (room, age) = (&mut rooms[held.room], held.age());
        let was_there = room.queue.remove(age);
        debug_assert!(was_there);
        if held.room == BUDDIES {
            return;
        }
        let lane = if held.is_of_rest { room.rest } else { held.kind };
        let kind = &mut kinds[lane];
        kind.queue.remove(age);
        if kind.queue.is_empty() {
            let place = kind.place;
            room.lanes.swap_remove(place as usize);
            if let Some(&moved) = room.lanes.get(place as usize) {
                kinds[moved].place = place;
            }
        }
        for_each_place(criteria, kinds[held.kind].terms(), (held, lane), |place| {
            let Some(id) = self.find(place) else { return };
            self.queues[id].remove(age);
            if self.queues[id].is_empty() {
                self.forget(place, id);
            }
        });
    }

    /// The queues of a kind in which all are whom a ticket of these terms may meet. `None` is the kind's own.
    pub(crate) fn cover(
        &self,
        criteria: &[Criterion],
        kinds: &Kinds,
        (held, terms): (&Held, &[Term]),
        (lane, waited): (KindId, u64),
        found: &mut Vec<QueueId>,
        scratch: &mut Vec<QueueId>,
    ) -> Option<()> {
        let theirs = kinds[lane].terms();
        let mut best: Option<usize> = None;
        for (index, (criterion, term)) in criteria.iter().zip(terms).enumerate() {
            scratch.clear();
            let their = theirs.and_then(|terms| terms.get(index));
            match (held.fact(index), term.takes, their.map(|term| term.takes)) {
                (Fact::Tags { is, .. }, Takes::Alike, _) => {
                    self.words(lane, index, Role::Has, is, scratch);
                }
                (Fact::Tags { wants, .. }, Takes::Tagged, _) => {
                    self.words(lane, index, Role::Has, wants, scratch);
                }
                (Fact::Tags { is, .. }, Takes::Anyone, Some(Takes::Alike)) => {
                    self.words(lane, index, Role::Has, is, scratch);
                }
                (Fact::Tags { is, .. }, Takes::Anyone, Some(Takes::Tagged)) => {
                    self.words(lane, index, Role::Seeks, is, scratch);
                }
                (&Fact::Number { is, within }, Takes::Near, _) => {
                    let Kind::Number(band) = criterion.kind else { continue };
                    let width = criterion.width(band, within, waited);
                    if self.ranges(lane, index, *criterion, is, width, scratch).is_none() {
                        continue;
                    }
                }
                _ => continue,
            }
            let len = scratch.iter().map(|&id| self.queues[id].len()).sum();
            if best.is_none_or(|best| len < best) {
                best = Some(len);
                core::mem::swap(found, scratch);
            }
        }
        best.map(|_| ())
    }

    fn words(
        &self,
        lane: KindId,
        index: usize,
        role: Role,
        words: &[Name],
        into: &mut Vec<QueueId>,
    ) {
        let found =
            words.iter().filter_map(|&word| self.find(Place::word(lane, index, role, word)));
        into.extend(found);
    }

    fn ranges(
        &self,
        lane: KindId,
        index: usize,
        criterion: Criterion,
        number: i32,
        width: u32,
        into: &mut Vec<QueueId>,
    ) -> Option<()> {
        let Kind::Number(band) = criterion.kind else { return None };
        let around = band.around.map(|around| i64::from(around.get()));
        let number =
            around.map_or(i64::from(number), |around| i64::from(number).rem_euclid(around));
        let (from, to) = (number - i64::from(width), number + i64::from(width));
        let mut take = |from: i64, to: i64| {
            let range = |number: i64| number.div_euclid(step(criterion));
            let keys = (lane, index as u8, range(from))..=(lane, index as u8, range(to));
            for (_, &queue) in self.by_range.range(keys) {
                if into.len() == RANGES {
                    return None;
                }
                into.push(queue);
            }
            Some(())
        };
        match around {
            Some(around) if to - from + 1 >= around => take(0, around - 1),
            // What overlaps is found twice, which does no harm.
            Some(around) if from < 0 => take(from + around, around - 1).and(take(0, to)),
            Some(around) if to >= around => take(from, around - 1).and(take(0, to - around)),
            _ => take(from, to),
        }
    }

    fn hash(&self, key: u64) -> u64 {
        wide(self.seed.of_number(key))
    }

    fn find(&self, place: Place) -> Option<QueueId> {
        match place {
            Place::Word(key) => {
                self.by_word.find(self.hash(key), |&(of, _)| of == key).map(|&(_, id)| id)
            }
            Place::Range(lane, index, range) => self.by_range.get(&(lane, index, range)).copied(),
        }
    }

    fn add(&mut self, place: Place) -> QueueId {
        let id = self.queues.insert(Queue::default());
        match place {
            Place::Word(key) => {
                let seed = self.seed;
                let hash = move |key: u64| wide(seed.of_number(key));
                self.by_word.insert_unique(hash(key), (key, id), |&(key, _)| hash(key));
            }
            Place::Range(lane, index, range) => {
                self.by_range.insert((lane, index, range), id);
            }
        }
        id
    }

    fn forget(&mut self, place: Place, id: QueueId) {
        self.queues.remove(id);
        match place {
            Place::Word(key) => {
                let hash = self.hash(key);
                if let Ok(entry) = self.by_word.find_entry(hash, |&(of, _)| of == key) {
                    entry.remove();
                }
                if self.by_word.is_empty() {
                    self.by_word = HashTable::new();
                }
            }
            Place::Range(lane, index, range) => {
                self.by_range.remove(&(lane, index, range));
            }
        }
    }
}

/// The lane of a kind, or that of the rest.
fn choose_lane(kinds: &mut Kinds, room: &mut Room, kind: KindId) -> KindId {
    let is_full = kinds[kind].queue.is_empty() && room.lanes.len() >= LANES;
    let lane = if is_full { room.rest } else { kind };
    if kinds[lane].queue.is_empty() {
        kinds[lane].place = room.lanes.len() as u32;
        room.lanes.push(lane);
    }
    lane
}

fn for_each_place(
    criteria: &[Criterion],
    terms: Option<&[Term]>,
    (held, lane): (&Held, KindId),
    mut then: impl FnMut(Place),
) {
    let Some(facts) = held.details.as_ref().map(|details| &details.facts) else { return };
    let each = facts.iter().zip(criteria).zip(terms.unwrap_or(&[]));
    for (index, ((fact, &criterion), term)) in each.enumerate() {
        match fact {
            Fact::None => {}
            Fact::Tags { is, wants } => {
                for &word in is {
                    then(Place::word(lane, index, Role::Has, word));
                }
                // Who takes anyone is found by anyone.
                let wants = if term.takes == Takes::Tagged { wants } else { &[][..] };
                for &word in wants {
                    then(Place::word(lane, index, Role::Seeks, word));
                }
            }
            Fact::Number { is, .. } => {
                let Kind::Number(band) = criterion.kind else { continue };
                let number = i64::from(*is);
                let around = band.around.map(|around| i64::from(around.get()));
                let number = around.map_or(number, |around| number.rem_euclid(around));
                let range = number.div_euclid(step(criterion));
                then(Place::Range(lane, index as u8, range));
            }
        }
    }
}

/// How many numbers are in a range: about as many as one looks for at first.
fn step(criterion: Criterion) -> i64 {
    let Kind::Number(band) = criterion.kind else { return 1 };
    i64::from(band.within.max(band.most / 8).max(1))
}

impl Place {
    /// A kind's number has less than 24 bits, for more than 16 million tickets are no queue any more.
    fn word(lane: KindId, index: usize, role: Role, word: Name) -> Self {
        let lane = u64::from(lane) << 1 | u64::from(matches!(role, Role::Seeks));
        Self::Word((lane << 4 | index as u64) << 32 | u64::from(word))
    }
}
