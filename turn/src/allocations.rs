//! All allocations of a shard, found by 5-tuple, by relayed address and by age.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use core::hash::Hasher;
use core::net::SocketAddr;
use core::time::Duration;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;
use hashbrown::HashTable;

use crate::allocation::{Allocation, Claim, Pending};
use crate::slab::Slab;
use crate::{AllocationId, FiveTuple, RelayedAddr, Transport};

/// A slab of allocations. Its two indexes hold slot numbers only, four bytes each, and find the
/// keys in the slab.
pub(crate) struct Allocations {
    slab: Slab<State>,
    /// Every state that is not abandoned.
    by_tuple: HashTable<u32>,
    /// Live only.
    by_relayed: HashTable<u32>,
    /// Live only: an ordered set, so that nothing ever looks at all allocations.
    deadlines: BTreeSet<(Duration, u32)>,
    keys: KeyHasher,
}

#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are live, and those are spared a pointer"
)]
enum State {
    Pending(Box<Pending>),
    Live(Allocation),
}

impl Allocations {
    /// `seed` keeps strangers from choosing colliding keys.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            slab: Slab::new(),
            by_tuple: HashTable::new(),
            by_relayed: HashTable::new(),
            deadlines: BTreeSet::new(),
            keys: KeyHasher { seed, shared: SharedSeed::from_u64(seed) },
        }
    }

    /// How many are live.
    pub(crate) fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Bytes of memory taken, without what single allocations hold on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.slab.bytes()
            + self.by_tuple.allocation_size()
            + self.by_relayed.allocation_size()
            + self.deadlines.len() * size_of::<(Duration, u32)>()
    }

    /// A live allocation. One whose time is over is gone even before its timer fires.
    pub(crate) fn live(&self, now: Duration, id: AllocationId) -> Option<&Allocation> {
        self.get(id).filter(|allocation| now < allocation.expires)
    }

    /// An allocation whose timer has not fired yet.
    pub(crate) fn get(&self, id: AllocationId) -> Option<&Allocation> {
        match self.slab.get(id)? {
            State::Live(allocation) => Some(allocation),
            State::Pending(_) => None,
        }
    }

    /// The live allocation of a 5-tuple.
    pub(crate) fn by_tuple(
        &self,
        now: Duration,
        tuple: &FiveTuple,
    ) -> Option<(AllocationId, &Allocation)> {
        let (id, _) = self.find(tuple)?;
        Some((id, self.live(now, id)?))
    }

    /// The live allocation that has a relayed address.
    pub(crate) fn by_relayed(&self, now: Duration, relayed: RelayedAddr) -> Option<AllocationId> {
        let same =
            |&index: &u32| self.slab.at(index).and_then(|(_, s)| s.relayed()) == Some(relayed);
        let index = *self.by_relayed.find(self.keys.relayed(relayed), same)?;
        let (id, _) = self.slab.at(index)?;
        self.live(now, id).map(|_| id)
    }

    /// A live allocation, to change its permissions and channels.
    pub(crate) fn get_mut(&mut self, id: AllocationId) -> Option<&mut Allocation> {
        match self.slab.get_mut(id)? {
            State::Live(allocation) => Some(allocation),
            State::Pending(_) => None,
        }
    }

    /// What waits for its relay socket.
    pub(crate) fn pending(&self, id: AllocationId) -> Option<&Pending> {
        match self.slab.get(id)? {
            State::Pending(pending) => Some(pending),
            State::Live(_) => None,
        }
    }

    /// What waits for its relay socket on a 5-tuple.
    pub(crate) fn pending_on(&self, tuple: &FiveTuple) -> Option<&Pending> {
        self.pending(self.find(tuple)?.0)
    }

    /// Takes a 5-tuple for an allocation to come. It must be free.
    pub(crate) fn begin(&mut self, pending: Pending) -> AllocationId {
        let hash = self.keys.tuple(&pending.claim.tuple);
        let id = self.slab.insert(State::Pending(Box::new(pending)));
        let (slab, keys) = (&self.slab, &self.keys);
        self.by_tuple.insert_unique(hash, id.index, |&index| {
            let (_, state) = slab.at(index).expect("every indexed slot is taken");
            keys.tuple(&state.claim().tuple)
        });
        id
    }

    /// Makes live what was pending.
    pub(crate) fn promote(&mut self, id: AllocationId, relayed: RelayedAddr, expires: Duration) {
        if self.pending(id).is_none() {
            return;
        }
        self.slab.replace_with(id, |state| match state {
            State::Pending(pending) => {
                State::Live(Allocation::new(pending.claim, relayed, expires))
            }
            live => live,
        });
        self.deadlines.insert((expires, id.index));
        let (slab, keys) = (&self.slab, &self.keys);
        self.by_relayed.insert_unique(keys.relayed(relayed), id.index, |&index| {
            let relayed = slab.at(index).and_then(|(_, state)| state.relayed());
            keys.relayed(relayed.expect("every slot indexed here is live"))
        });
    }

    /// Gives up what is pending on a 5-tuple, which is free again at once. The slot stays taken
    /// until the relay socket is heard of.
    pub(crate) fn abandon(&mut self, tuple: &FiveTuple) {
        let Some((id, State::Pending(_))) = self.find(tuple) else { return };
        self.unindex_tuple(id.index, tuple);
        if let Some(State::Pending(pending)) = self.slab.get_mut(id) {
            pending.abandoned = true;
        }
    }

    /// Drops what was pending.
    pub(crate) fn cancel(&mut self, id: AllocationId) {
        if let Some(State::Pending(pending)) = self.slab.get(id) {
            if !pending.abandoned {
                let tuple = pending.claim.tuple;
                self.unindex_tuple(id.index, &tuple);
            }
            self.slab.remove(id);
        }
    }

    /// Gives a live allocation a new end.
    pub(crate) fn prolong(&mut self, id: AllocationId, expires: Duration) {
        let Some(State::Live(allocation)) = self.slab.get_mut(id) else { return };
        self.deadlines.remove(&(allocation.expires, id.index));
        self.deadlines.insert((expires, id.index));
        allocation.expires = expires;
    }

    /// Ends a live allocation.
    pub(crate) fn remove(&mut self, id: AllocationId) -> Option<Allocation> {
        let State::Live(Allocation { claim, relayed, expires, .. }) = self.slab.get(id)? else {
            return None;
        };
        let (tuple, relayed, expires) = (claim.tuple, *relayed, *expires);
        self.deadlines.remove(&(expires, id.index));
        self.unindex_tuple(id.index, &tuple);
        let hash = self.keys.relayed(relayed);
        if let Ok(entry) = self.by_relayed.find_entry(hash, |&index| index == id.index) {
            entry.remove();
        }
        match self.slab.remove(id)? {
            State::Live(allocation) => Some(allocation),
            State::Pending(_) => None,
        }
    }

    /// When the next allocation ends.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|&(expires, _)| expires)
    }

    /// An allocation whose time is over.
    pub(crate) fn next_expired(&self, now: Duration) -> Option<AllocationId> {
        let &(_, index) = self.deadlines.first().filter(|&&(expires, _)| expires <= now)?;
        self.slab.at(index).map(|(id, _)| id)
    }

    fn find(&self, tuple: &FiveTuple) -> Option<(AllocationId, &State)> {
        let same = |&index: &u32| {
            self.slab.at(index).is_some_and(|(_, state)| state.claim().tuple == *tuple)
        };
        self.slab.at(*self.by_tuple.find(self.keys.tuple(tuple), same)?)
    }

    fn unindex_tuple(&mut self, index: u32, tuple: &FiveTuple) {
        let hash = self.keys.tuple(tuple);
        if let Ok(entry) = self.by_tuple.find_entry(hash, |&other| other == index) {
            entry.remove();
        }
    }
}

impl State {
    fn claim(&self) -> &Claim {
        match self {
            Self::Pending(pending) => &pending.claim,
            Self::Live(allocation) => &allocation.claim,
        }
    }

    fn relayed(&self) -> Option<RelayedAddr> {
        match self {
            Self::Pending(_) => None,
            Self::Live(allocation) => Some(allocation.relayed),
        }
    }
}

/// Hashes addresses as the few machine words they are; every packet passes here.
struct KeyHasher {
    seed: u64,
    shared: SharedSeed,
}

impl KeyHasher {
    fn tuple(&self, tuple: &FiveTuple) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        write_addr(&mut hasher, tuple.client);
        write_addr(&mut hasher, tuple.server);
        hasher.write_u8(match tuple.transport {
            Transport::Udp => 0,
            Transport::Tcp => 1,
        });
        hasher.finish()
    }

    fn relayed(&self, relayed: RelayedAddr) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        write_addr(&mut hasher, relayed.0);
        hasher.finish()
    }
}

fn write_addr(hasher: &mut FoldHasher<'_>, addr: SocketAddr) {
    match addr {
        SocketAddr::V4(addr) => {
            hasher.write_u64(u64::from(addr.ip().to_bits()) << 16 | u64::from(addr.port()));
        }
        SocketAddr::V6(addr) => {
            hasher.write_u128(addr.ip().to_bits());
            hasher.write_u16(addr.port());
        }
    }
}
