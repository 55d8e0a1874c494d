//! Pairs that have yet to acknowledge each other.

use alloc::collections::VecDeque;

use crate::arena::Arena;
use crate::tickets::Slot;

/// The number of an offer.
pub(crate) type OfferId = u32;

/// Two tickets that are offered to each other, the older one first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offer {
    pub(crate) sides: [Slot; 2],
    pub(crate) acknowledged: [bool; 2],
    until: u64,
    serial: u64,
}

impl Offer {
    /// The side that is not this one.
    pub(crate) fn other(&self, slot: Slot) -> Slot {
        self.sides[usize::from(self.sides[0] == slot)]
    }
}

/// All offers, in the order in which their times are over: all have the same time.
#[derive(Clone, Debug)]
pub(crate) struct Offers {
    within: u64,
    offers: Arena<Offer>,
    order: VecDeque<(OfferId, u64)>,
    serial: u64,
}

impl Offers {
    pub(crate) fn new(within: u64) -> Self {
        Self { within, offers: Arena::new(), order: VecDeque::new(), serial: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.offers.len()
    }

    pub(crate) fn add(&mut self, now: u64, sides: [Slot; 2]) -> OfferId {
        self.serial += 1;
        let (until, serial) = (now.saturating_add(self.within), self.serial);
        let id = self.offers.insert(Offer { sides, acknowledged: [false; 2], until, serial });
        self.order.push_back((id, serial));
        id
    }

    /// One side agrees. Says whether both have now.
    pub(crate) fn acknowledge(&mut self, id: OfferId, slot: Slot) -> bool {
        let offer = &mut self.offers[id];
        offer.acknowledged[usize::from(offer.sides[1] == slot)] = true;
        offer.acknowledged == [true; 2]
    }

    pub(crate) fn remove(&mut self, id: OfferId) -> Offer {
        let offer = self.offers.remove(id).expect("who is offered knows the offer");
        self.tidy();
        offer
    }

    /// The first offer whose time is over.
    pub(crate) fn due(&self, now: u64) -> Option<OfferId> {
        let &(id, _) = self.order.front()?;
        (self.offers[id].until <= now).then_some(id)
    }

    /// When the first one's time is over.
    pub(crate) fn next(&self) -> Option<u64> {
        self.order.front().map(|&(id, _)| self.offers[id].until)
    }

    /// Leaves an offer that is there in front.
    fn tidy(&mut self) {
        let is_gone = |&(id, serial): &(OfferId, u64)| {
            self.offers.get(id).is_none_or(|offer| offer.serial != serial)
        };
        while self.order.front().is_some_and(is_gone) {
            self.order.pop_front();
        }
        // What is over behind the front is counted among the offers of the last seconds.
        if self.order.is_empty() && self.order.capacity() > 1024 {
            self.order = VecDeque::new();
        }
    }
}
