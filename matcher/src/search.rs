//! Whom a ticket is to be offered: the oldest it may meet.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::index::{Index, QueueId};
use crate::kinds::{KindId, Kinds};
use crate::meets::{Moment, are_buddies, meets};
use crate::names::Names;
use crate::profile::Criterion;
use crate::queue::{Age, Cursor, Entry, Queue};
use crate::rooms::Rooms;
use crate::tickets::{Held, Search, Slot, Tickets};

/// A kind of which so few wait has no need of its index.
const FEW: usize = 8;
/// Tickets that one look may look at; it goes on later.
const GLANCE: usize = 4096;

/// All that a search looks at.
#[derive(Clone, Copy)]
pub(crate) struct Searcher<'a> {
    pub(crate) criteria: &'a [Criterion],
    pub(crate) names: &'a Names,
    pub(crate) tickets: &'a Tickets,
    pub(crate) kinds: &'a Kinds,
    pub(crate) rooms: &'a Rooms,
    pub(crate) index: &'a Index,
    pub(crate) moment: Moment,
}

/// What a search comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    Found(Slot),
    Nobody,
    /// Nobody up to that age. There are more to be looked at.
    Unfinished(Age),
}

/// What a search needs while it lasts, kept from one to the next. It also counts the work.
#[derive(Clone, Debug, Default)]
pub(crate) struct Desk {
    sources: Vec<Reverse<Source>>,
    found: Vec<QueueId>,
    other: Vec<QueueId>,
    pub(crate) work: usize,
}

/// A queue, and who is next in it.
#[derive(Clone, Copy, Debug)]
struct Source {
    next: Entry,
    queue: At,
    cursor: Cursor,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Kind(KindId),
    Within(QueueId),
}

impl Searcher<'_> {
    /// The oldest buddy if it asks for those first, else the oldest of all who are younger than `after`.
    pub(crate) fn search(self, slot: Slot, after: Option<Age>, desk: &mut Desk) -> Sight {
        let held = &self.tickets[slot];
        let buddy = self.buddy(held, desk);
        match (held.search, buddy) {
            (Search::BuddiesFirst | Search::BuddiesOnly, Some(buddy)) => {
                return Sight::Found(buddy);
            }
            (Search::BuddiesOnly, None) => return Sight::Nobody,
            _ => {}
        }
        let others = self.oldest(held, after, desk);
        let age = |slot: Slot| self.tickets[slot].age();
        match (others, buddy) {
            (Sight::Found(other), Some(buddy)) if age(buddy) < age(other) => Sight::Found(buddy),
            (Sight::Found(other), _) => Sight::Found(other),
            (Sight::Unfinished(end), Some(buddy)) if age(buddy) > end => Sight::Unfinished(end),
            (_, Some(buddy)) => Sight::Found(buddy),
            (others, None) => others,
        }
    }

    /// The oldest mutual buddy that it may meet, in whatever room outside of the pools.
    fn buddy(self, held: &Held, desk: &mut Desk) -> Option<Slot> {
        if held.search == Search::NoBuddies {
            return None;
        }
        desk.work += held.buddies().len() / 8;
        let buddies = held.buddies().iter().filter_map(|&name| self.names.ticket(name));
        let buddies = buddies.filter(|&slot| {
            let other = &self.tickets[slot];
            other.is_free() && are_buddies(held, other) && self.may_meet(held, other)
        });
        buddies.min_by_key(|&slot| self.tickets[slot].age())
    }

    pub(crate) fn may_meet(self, a: &Held, b: &Held) -> bool {
        meets(self.criteria, self.kinds, self.moment, a, b)
    }

    fn oldest(self, held: &Held, after: Option<Age>, desk: &mut Desk) -> Sight {
        self.gather(held, after, desk);
        let mut sources = BinaryHeap::from(core::mem::take(&mut desk.sources));
        let (mut sight, mut seen) = (Sight::Nobody, 0);
        while let Some(mut first) = sources.peek_mut() {
            let Source { next, queue, cursor } = &mut first.0;
            let other = &self.tickets[next.slot()];
            seen += 1;
            if self.may_meet(held, other) {
                sight = Sight::Found(next.slot());
                break;
            }
            if seen == GLANCE {
                sight = Sight::Unfinished(next.age());
                break;
            }
            let queue = self.queue(*queue);
            if let Some(entry) = queue.next(cursor) {
                *next = entry;
            } else {
                alloc::collections::binary_heap::PeekMut::pop(first);
            }
        }
        desk.work += 4 + seen;
        desk.sources = sources.into_vec();
        desk.sources.clear();
        sight
    }

    /// The queues in which all are whom a ticket may meet, with the oldest of each.
    fn gather(self, held: &Held, after: Option<Age>, desk: &mut Desk) {
        let room = &self.rooms[held.room];
        let terms = self.kinds[held.kind].terms().unwrap_or(&[]);
        let waited = self.moment.now.saturating_sub(held.since);
        let Desk { sources, found, other, work } = desk;
        sources.clear();
        let mut add = |at: At, queue: &Queue| {
            let mut cursor = after.map_or(Cursor::default(), |after| queue.after(after));
            if let Some(next) = queue.next(&mut cursor) {
                sources.push(Reverse(Source { next, queue: at, cursor }));
            }
        };
        *work += room.lanes.len() / 8;
        for &lane in &room.lanes {
            if !self.kinds.may_meet(held.kind, lane) {
                continue;
            }
            let queue = &self.kinds[lane].queue;
            let is_covered = held.details.is_some()
                && queue.len() > FEW
                && self
                    .index
                    .cover(self.criteria, self.kinds, (held, terms), (lane, waited), found, other)
                    .is_some();
            if is_covered {
                *work += found.len();
                for &id in found.iter() {
                    add(At::Within(id), self.index.queue(id));
                }
            } else {
                add(At::Kind(lane), queue);
            }
        }
    }

    fn queue(&self, at: At) -> &Queue {
        match at {
            At::Kind(kind) => &self.kinds[kind].queue,
            At::Within(queue) => self.index.queue(queue),
        }
    }
}

impl Ord for Source {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.next.age().cmp(&other.next.age())
    }
}

impl PartialOrd for Source {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Eq for Source {}

impl PartialEq for Source {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
