//! A queue by age that knows everybody's place in it.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::tickets::Slot;

/// Who has waited longer is less: since when, then by the ticket's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Age {
    pub(crate) since: u64,
    pub(crate) id: u64,
}

/// A ticket in a queue: its age, and where it is. Packed, for there are several to a ticket.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
pub(crate) struct Entry {
    since: u64,
    id: u64,
    slot: Slot,
}

impl Entry {
    pub(crate) fn new(age: Age, slot: Slot) -> Self {
        Self { since: age.since, id: age.id, slot }
    }

    pub(crate) fn age(self) -> Age {
        Age { since: self.since, id: self.id }
    }

    pub(crate) fn slot(self) -> Slot {
        self.slot
    }
}

/// Entries to a chunk: few enough to be moved, many enough that there are few chunks to count.
const CHUNK: usize = 256;

/// Tickets in order of age, in chunks: most come at the end and go at the start, which is quick, and the others find
/// their place by two short searches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    chunks: Vec<Chunk>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Chunk {
    /// None here is older, and none in an earlier chunk is as young.
    least: Age,
    entries: VecDeque<Entry>,
}

/// A place in a queue, as long as that does not change.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cursor {
    chunk: u32,
    index: u32,
}

impl Queue {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn insert(&mut self, entry: Entry) {
        let age = entry.age();
        self.len += 1;
        let Some(last) = self.chunks.last_mut() else {
            let entries = VecDeque::from([entry]);
            self.chunks.push(Chunk { least: age, entries });
            return;
        };
        if last.entries.back().is_none_or(|back| back.age() < age) && age >= last.least {
            if last.entries.len() < CHUNK {
                last.entries.push_back(entry);
            } else {
                // It is a long queue, and will go on.
                let mut entries = VecDeque::with_capacity(CHUNK);
                entries.push_back(entry);
                self.chunks.push(Chunk { least: age, entries });
            }
            return;
        }
        let at = self.chunk_of(age);
        let chunk = &mut self.chunks[at];
        chunk.least = chunk.least.min(age);
        let index = chunk.entries.partition_point(|other| other.age() < age);
        chunk.entries.insert(index, entry);
        if chunk.entries.len() > CHUNK {
            let entries = chunk.entries.split_off(CHUNK / 2);
            let least = entries[0].age();
            self.chunks.insert(at + 1, Chunk { least, entries });
        }
    }

    /// False if it is not there.
    pub(crate) fn remove(&mut self, age: Age) -> bool {
        if self.chunks.is_empty() {
            return false;
        }
        let at = self.chunk_of(age);
        let entries = &mut self.chunks[at].entries;
        let index = match entries.front() {
            Some(front) if front.age() == age => 0,
            _ => entries.partition_point(|other| other.age() < age),
        };
        if entries.get(index).is_none_or(|entry| entry.age() != age) {
            return false;
        }
        entries.remove(index);
        let (len, capacity) = (entries.len(), entries.capacity());
        self.len -= 1;
        if len == 0 && (self.chunks.len() > 1 || capacity > CHUNK / 8) {
            self.chunks.remove(at);
        } else if len < CHUNK / 4 {
            self.merge(at);
            at.checked_sub(1).into_iter().for_each(|before| self.merge(before));
        }
        true
    }

    /// Joins a chunk that has become small with the next, so that few people never hold many chunks.
    fn merge(&mut self, at: usize) {
        if at + 1 < self.chunks.len() {
            let len = self.chunks[at].entries.len() + self.chunks[at + 1].entries.len();
            if len <= CHUNK / 2 {
                let mut next = self.chunks.remove(at + 1);
                self.chunks[at].entries.append(&mut next.entries);
            }
        }
    }

    /// Nobody is younger.
    pub(crate) fn last(&self) -> Option<Entry> {
        self.chunks.last()?.entries.back().copied()
    }

    /// How many are older.
    pub(crate) fn rank(&self, age: Age) -> usize {
        let Some(last) = self.last().map(Entry::age) else { return 0 };
        if last <= age {
            return self.len - usize::from(last == age);
        }
        let at = self.chunk_of(age);
        let within = self.chunks[at].entries.partition_point(|other| other.age() < age);
        let lens = |chunks: &[Chunk]| chunks.iter().map(|chunk| chunk.entries.len()).sum::<usize>();
        // Counted from the nearer end.
        if at < self.chunks.len() / 2 {
            lens(&self.chunks[..at]) + within
        } else {
            self.len - lens(&self.chunks[at..]) + within
        }
    }

    /// The place of the first that is younger than that.
    pub(crate) fn after(&self, age: Age) -> Cursor {
        if self.chunks.is_empty() {
            return Cursor::default();
        }
        let chunk = self.chunk_of(age);
        let index = self.chunks[chunk].entries.partition_point(|other| other.age() <= age);
        Cursor { chunk: chunk as u32, index: index as u32 }
    }

    /// The place of the one with so many ahead.
    pub(crate) fn nth(&self, mut ahead: usize) -> Cursor {
        for (at, chunk) in self.chunks.iter().enumerate() {
            if ahead < chunk.entries.len() {
                return Cursor { chunk: at as u32, index: ahead as u32 };
            }
            ahead -= chunk.entries.len();
        }
        Cursor { chunk: self.chunks.len() as u32, index: 0 }
    }

    /// Who is there, and steps on.
    pub(crate) fn next(&self, cursor: &mut Cursor) -> Option<Entry> {
        loop {
            let entries = &self.chunks.get(cursor.chunk as usize)?.entries;
            if let Some(&entry) = entries.get(cursor.index as usize) {
                cursor.index += 1;
                return Some(entry);
            }
            *cursor = Cursor { chunk: cursor.chunk + 1, index: 0 };
        }
    }

    /// The last chunk that begins no later, else the first.
    fn chunk_of(&self, age: Age) -> usize {
        // Who leaves is most often the oldest.
        if self.chunks.get(1).is_none_or(|second| age < second.least) {
            return 0;
        }
        self.chunks.partition_point(|chunk| chunk.least <= age).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn age(since: u64) -> Age {
        Age { since: since / 3, id: since % 3 }
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_set_with_ranks(
            steps in prop::collection::vec((0..9u8, 0..1500u64), 0..1500),
        ) {
            let (mut queue, mut set) = (Queue::default(), BTreeSet::new());
            for (step, at) in steps {
                if step < 6 && set.insert(age(at)) {
                    queue.insert(Entry::new(age(at), at as Slot));
                } else if step >= 6 {
                    prop_assert_eq!(queue.remove(age(at)), set.remove(&age(at)));
                }
                prop_assert_eq!(queue.rank(age(at)), set.range(..age(at)).count());
                let next = queue.next(&mut queue.after(age(at))).map(Entry::age);
                prop_assert_eq!(next, set.range(age(at)..).find(|&&a| a > age(at)).copied());
            }
            prop_assert_eq!(queue.len(), set.len());
            let mut cursor = queue.nth(set.len() / 2);
            for &age in set.iter().skip(set.len() / 2) {
                prop_assert_eq!(queue.next(&mut cursor).map(Entry::age), Some(age));
            }
            prop_assert!(queue.next(&mut cursor).is_none());
        }
    }

    #[test]
    fn few_who_are_left_of_many_hold_few_chunks() {
        let mut queue = Queue::default();
        for at in 0..100_000 {
            queue.insert(Entry::new(age(at), 0));
        }
        assert_eq!(queue.chunks.len(), 100_000_usize.div_ceil(CHUNK));
        for at in (0..100_000).filter(|at| at % 200 != 0) {
            assert!(queue.remove(age(at)));
        }
        assert_eq!(queue.len(), 500);
        assert!(queue.chunks.len() < 20, "{}", queue.chunks.len());
        for at in (0..100_000).step_by(200) {
            assert!(queue.remove(age(at)));
        }
        assert!(queue.chunks.is_empty() || queue.chunks[0].entries.capacity() <= CHUNK / 8);
    }
}
