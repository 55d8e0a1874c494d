//! What time brings: offers that lapse, tickets that widen or expire, and who looks again for that.

use super::Matcher;
use crate::kinds::Takes;
use crate::lookers::Looker;
use crate::profile;
use crate::search::Sight;
use crate::tickets::{Slot, State};
use crate::{Output, TicketId};

/// So much work fits a call, in tickets that are looked at.
const SLICE: usize = 6000;
/// The work of a ticket that wakes.
const WAKE: usize = 4;
/// Slots to look through for one unit of work.
const SLOTS: usize = 4;

impl Matcher {
    /// As much as fits a call. Nobody looks before all is known of that time, so that the oldest do so first.
    pub(super) fn do_what_is_due(&mut self, now: u64) {
        self.desk.work = 0;
        self.end_offers(now);
        self.review(now);
        self.wake(now);
        let is_more = |at: Option<u64>| at.is_some_and(|at| at <= now);
        if self.review.is_none() && !is_more(self.offers.next()) && !is_more(self.timers.next()) {
            self.look(now);
        }
        let Self { places, rooms, tickets, kinds, outputs, .. } = self;
        places.tell(now, rooms, tickets, kinds, outputs);
    }

    fn has_time(&self) -> bool {
        self.desk.work < SLICE
    }

    /// Offers whose time is over.
    fn end_offers(&mut self, now: u64) {
        while self.has_time()
            && let Some(id) = self.offers.due(now)
        {
            self.desk.work += 2 * WAKE;
            let offer = self.offers.remove(id);
            for (slot, acknowledged) in offer.sides.into_iter().zip(offer.acknowledged) {
                if !acknowledged {
                    let id = TicketId(self.tickets[slot].id);
                    self.take(slot);
                    self.outputs.push_back(Output::Lapsed(id));
                }
            }
            for (slot, acknowledged) in offer.sides.into_iter().zip(offer.acknowledged) {
                if acknowledged && self.put_back(now, slot) {
                    self.wait(now, slot);
                    let looker = Looker { slot, after: None, is_back: true };
                    self.lookers.put(&mut self.tickets, looker);
                }
            }
        }
    }

    /// A ticket is offered to nobody any more. Whether it is to go on, not being over by itself.
    pub(super) fn put_back(&mut self, now: u64, slot: Slot) -> bool {
        let held = &mut self.tickets[slot];
        held.state = State::New;
        if held.expires <= now {
            let id = TicketId(held.id);
            self.take(slot);
            self.outputs.push_back(Output::Expired(id));
            return false;
        }
        self.widen(now, slot);
        true
    }

    /// Gives a ticket that is in no queue the kind that it is by now.
    fn widen(&mut self, now: u64, slot: Slot) {
        let held = &self.tickets[slot];
        let waited = now.saturating_sub(held.since);
        self.terms.clear();
        self.terms.extend_from_slice(self.kinds[held.origin].terms().unwrap_or(&[]));
        profile::widen(&self.criteria, &mut self.terms, waited);
        let kind = self.kinds.take(self.rooms[held.room].serial, &self.terms);
        let before = core::mem::replace(&mut self.tickets[slot].kind, kind);
        self.kinds.release(before);
    }

    /// Since nobody else is there, who has just parted may meet again.
    fn review(&mut self, now: u64) {
        while let Some(slot) = self.review
            && self.has_time()
        {
            let end = slot.saturating_add(SLOTS as u32).min(self.tickets.end());
            self.desk.work += 1;
            for slot in slot..end {
                if self.may_meet_again(now, slot) {
                    self.lookers.add(&mut self.tickets, slot);
                }
            }
            self.review = (end < self.tickets.end()).then_some(end);
        }
    }

    /// Whether a ticket waits, and so does somebody whom it met of late and may meet again.
    fn may_meet_again(&self, now: u64, slot: Slot) -> bool {
        let Some(held) = self.tickets.get(slot).filter(|held| held.is_free()) else { return false };
        let searcher = self.searcher(now);
        held.recent().iter().any(|&(user, _)| {
            let other = self.names.ticket(user).map(|slot| &self.tickets[slot]);
            other.is_some_and(|other| other.is_free() && searcher.may_meet(held, other))
        })
    }

    /// Tickets whose time has come to expire, or to look again.
    fn wake(&mut self, now: u64) {
        let most = SLICE.saturating_sub(self.desk.work) / WAKE;
        let mut due = core::mem::take(&mut self.due);
        self.timers.take_due(&mut self.tickets, now, most, &mut due);
        for slot in due.drain(..) {
            self.desk.work += WAKE;
            self.wake_one(now, slot);
        }
        self.due = due;
    }

    fn wake_one(&mut self, now: u64, slot: Slot) {
        let held = &self.tickets[slot];
        if held.expires <= now {
            let id = TicketId(held.id);
            self.stop_waiting(now, slot);
            self.take(slot);
            self.outputs.push_back(Output::Expired(id));
            return;
        }
        let waited = now.saturating_sub(held.since);
        let terms = self.kinds[held.kind].terms().unwrap_or(&[]);
        let mut is_wider = false;
        for (criterion, term) in self.criteria.iter().zip(terms) {
            is_wider |= criterion.widened(term.takes, waited) != term.takes;
        }
        let has_bands = terms.iter().any(|term| term.takes == Takes::Near);
        if is_wider {
            let entry = self.tickets.entry(slot);
            self.index.remove(
                &self.criteria,
                &mut self.kinds,
                &mut self.rooms,
                &self.tickets[slot],
            );
            self.widen(now, slot);
            let held = &mut self.tickets[slot];
            let Self { index, criteria, kinds, rooms, desk, .. } = self;
            desk.work += index.insert(criteria, kinds, rooms, held, entry);
        }
        if is_wider || has_bands || self.may_meet_again(now, slot) {
            self.lookers.add(&mut self.tickets, slot);
        }
        let wakes = self.wakes(now, slot);
        self.timers.set(&mut self.tickets, slot, wakes);
    }

    /// When a ticket that waits is to be thought of again.
    pub(super) fn wakes(&self, now: u64, slot: Slot) -> u64 {
        let held = &self.tickets[slot];
        let terms = self.kinds[held.origin].terms().unwrap_or(&[]);
        let widens = profile::widens(&self.criteria, terms, held, now);
        // Whether there will be company then, nobody knows.
        let again = held.recent().iter().flat_map(|&(_, parted)| {
            self.apart.map(|apart| parted.saturating_add(apart)).into_iter()
        });
        let times = widens.into_iter().chain(again.filter(|&at| at > now));
        times.fold(held.expires, u64::min)
    }

    /// Those who are to look do so, the oldest first.
    fn look(&mut self, now: u64) {
        while self.has_time()
            && let Some(looker) = self.lookers.first()
        {
            let slot = looker.slot;
            match self.search(now, slot, looker.after) {
                Sight::Found(other) => {
                    let (a, b) = self.fairest(now, slot, other);
                    self.desk.work += 4 * WAKE;
                    self.offer(now, a, b);
                }
                sight => {
                    self.lookers.remove(&mut self.tickets, slot);
                    if let Sight::Unfinished(end) = sight {
                        let looker = Looker { slot, after: Some(end), is_back: false };
                        self.lookers.put(&mut self.tickets, looker);
                    }
                    if looker.is_back {
                        self.tell(now, slot);
                    }
                }
            }
        }
    }

    /// The oldest who looks has found somebody. If that one has yet to look, too, it may see somebody who has waited
    /// longer than the one who found it: then it is those two, unless the same is so once more.
    fn fairest(&mut self, now: u64, finder: Slot, found: Slot) -> (Slot, Slot) {
        let (mut a, mut b) = (finder, found);
        if self.tickets[b].state != State::Looks {
            return (a, b);
        }
        while let Sight::Found(other) = self.search(now, b, None)
            && self.tickets[other].age() < self.tickets[a].age()
            && self.has_time()
        {
            (a, b) = (b, other);
        }
        (a, b)
    }
}
