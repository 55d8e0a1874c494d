//! When tickets expire, widen, or may meet again whom they have just met.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::tickets::{NEVER, Slot, Tickets};

/// A bucket is 67 ms wide.
const WIDTH: u32 = 26;

/// A timer for each ticket, in buckets by time: set and taken back without a search.
#[derive(Clone, Debug, Default)]
pub(crate) struct Timers {
    buckets: BTreeMap<u64, Bucket>,
}

#[derive(Clone, Debug)]
struct Bucket {
    /// Nothing here is due earlier.
    least: u64,
    timers: Vec<Timer>,
}

/// Packed, for every ticket has one.
#[derive(Clone, Copy, Debug)]
#[repr(C, packed(4))]
struct Timer {
    at: u64,
    slot: Slot,
}

impl Timers {
    /// Sets the timer of a ticket, instead of the one it has.
    pub(crate) fn set(&mut self, tickets: &mut Tickets, slot: Slot, at: u64) {
        if tickets[slot].wakes == at {
            return;
        }
        self.clear(tickets, slot);
        if at == NEVER {
            return;
        }
        let bucket = self.buckets.entry(at >> WIDTH);
        let bucket = bucket.or_insert(Bucket { least: at, timers: Vec::new() });
        bucket.least = bucket.least.min(at);
        let held = &mut tickets[slot];
        (held.wakes, held.link) = (at, bucket.timers.len() as u32);
        bucket.timers.push(Timer { at, slot });
    }

    pub(crate) fn clear(&mut self, tickets: &mut Tickets, slot: Slot) {
        let held = &mut tickets[slot];
        if held.wakes == NEVER {
            return;
        }
        let (key, place) = (held.wakes >> WIDTH, held.link as usize);
        held.wakes = NEVER;
        let bucket = self.buckets.get_mut(&key).expect("the timer is in its bucket");
        bucket.timers.swap_remove(place);
        if let Some(&Timer { slot, .. }) = bucket.timers.get(place) {
            tickets[slot].link = place as u32;
        } else if bucket.timers.is_empty() {
            self.buckets.remove(&key);
        }
    }

    /// Takes so many of those that are due, in any order.
    pub(crate) fn take_due(
        &mut self,
        tickets: &mut Tickets,
        now: u64,
        most: usize,
        due: &mut Vec<Slot>,
    ) {
        while let Some(mut first) = self.buckets.first_entry() {
            let Bucket { least, timers } = first.get_mut();
            if *least > now {
                return;
            }
            *least = NEVER;
            let mut place = 0;
            while let Some(&Timer { at, slot }) = timers.get(place) {
                if at > now || due.len() == most {
                    *least = at.min(*least);
                    if at <= now {
                        return;
                    }
                    place += 1;
                    continue;
                }
                timers.swap_remove(place);
                if let Some(&Timer { slot, .. }) = timers.get(place) {
                    tickets[slot].link = place as u32;
                }
                tickets[slot].wakes = NEVER;
                due.push(slot);
            }
            if timers.is_empty() {
                first.remove();
            }
        }
    }

    /// When the first is due, or a little earlier if that one has been taken back.
    pub(crate) fn next(&self) -> Option<u64> {
        self.buckets.first_key_value().map(|(_, bucket)| bucket.least)
    }
}
