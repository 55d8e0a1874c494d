//! All allocations of a shard, found by 5-tuple, by relayed address and by age.

mod movers;
mod twins;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use core::net::IpAddr;
use core::time::Duration;

use hairpin_stun::ChannelNumber;
use hashbrown::HashTable;

use self::movers::Movers;
use crate::allocation::{Allocation, Claim, Limits, Part, Pending};
use crate::gate::Caller;
use crate::key_hasher::KeyHasher;
use crate::slab::Slab;
use crate::{
    AllocationId, Bound, Event, FiveTuple, Mobility, Output, Owner, Path, PathChange, PeerAddr,
    Refusal, RelayTransport, RelayedAddr, RelayedAddresses, ReleaseReason,
};

/// A slab of allocations. Its two indexes hold slot numbers only, four bytes each, and find the
/// keys in the slab.
pub(crate) struct Allocations {
    slab: Slab<State>,
    /// What is pending or live.
    by_tuple: HashTable<u32>,
    /// What is live and gets datagrams: a TCP allocation is reached through its socket alone. None where all have the same
    /// relayed address.
    by_relayed: Option<HashTable<u32>>,
    /// What is live: an ordered set, so that nothing ever looks at all allocations.
    deadlines: BTreeSet<(Duration, u32)>,
    keys: KeyHasher,
    movers: Movers,
    /// What has come to be and what has ended, not yet told.
    changes: VecDeque<Output>,
}

/// Nearly all are live, and those are spared a pointer.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all are live, and those are spared a pointer"
)]
enum State {
    /// Waits for its relay socket.
    Pending(Box<Pending>),
    /// Waits for it too, only to have it closed: the client has gone.
    Abandoned(Owner),
    Live(Allocation),
}

/// Lookups. An allocation whose time is over is gone even before [`Allocations::expire`] takes it.
impl Allocations {
    /// `seed` keeps strangers from choosing colliding keys.
    pub(crate) fn new(relayed: RelayedAddresses, seed: u64) -> Self {
        Self {
            slab: Slab::new(),
            by_tuple: HashTable::new(),
            by_relayed: (relayed == RelayedAddresses::Unique).then(HashTable::new),
            deadlines: BTreeSet::new(),
            keys: KeyHasher::new(seed),
            movers: Movers::new(seed),
            changes: VecDeque::new(),
        }
    }

    /// How many there are, those included that are over and not yet taken away.
    pub(crate) fn len(&self) -> usize {
        self.deadlines.len()
    }

    /// Bytes of memory taken, without what single allocations hold on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.slab.bytes()
            + self.by_tuple.allocation_size()
            + self.by_relayed.as_ref().map_or(0, HashTable::allocation_size)
            + self.deadlines.len() * size_of::<(Duration, u32)>()
            + self.changes.capacity() * size_of::<Output>()
    }

    /// A live allocation.
    pub(crate) fn live(&self, now: Duration, id: AllocationId) -> Option<&Allocation> {
        self.get(id).filter(|allocation| now < allocation.expires())
    }

    /// An allocation, even if its time is over.
    pub(crate) fn get(&self, id: AllocationId) -> Option<&Allocation> {
        match self.slab.get(id)? {
            State::Live(allocation) => Some(allocation),
            State::Pending(_) | State::Abandoned(_) => None,
        }
    }

    /// The live allocation of a 5-tuple.
    pub(crate) fn by_tuple(
        &self,
        now: Duration,
        tuple: &FiveTuple,
    ) -> Option<(AllocationId, &Allocation)> {
        match self.find(tuple)? {
            (id, State::Live(allocation)) if now < allocation.expires() => Some((id, allocation)),
            // Of two with ends of their own the other may live.
            (_, State::Live(allocation)) => self.twin(now, allocation),
            _ => None,
        }
    }

    /// The live allocation of who asks. Without one it is 437; somebody else's is 441.
    pub(crate) fn owned_by(
        &self,
        now: Duration,
        caller: &Caller<'_>,
    ) -> Result<AllocationId, Refusal> {
        let found = self.by_tuple(now, &caller.tuple);
        let (id, allocation) = found.ok_or(Refusal::AllocationMismatch)?;
        if *allocation.claim().username != *caller.username {
            return Err(Refusal::WrongCredentials);
        }
        Ok(id)
    }

    /// The live allocation that has a relayed address.
    pub(crate) fn by_relayed(&self, now: Duration, relayed: RelayedAddr) -> Option<&Allocation> {
        let same = |&index: &u32| self.slab.at(index).and_then(|s| s.1.relayed()) == Some(relayed);
        let index = *self.by_relayed.as_ref()?.find(self.keys.relayed(relayed), same)?;
        match self.slab.at(index)? {
            (_, State::Live(allocation)) if now < allocation.expires() => Some(allocation),
            _ => None,
        }
    }

    /// What waits for its relay socket.
    pub(crate) fn pending(&self, id: AllocationId) -> Option<&Pending> {
        match self.slab.get(id)? {
            State::Pending(pending) => Some(pending),
            State::Abandoned(_) | State::Live(_) => None,
        }
    }

    /// Who waits for a relay socket on a 5-tuple.
    pub(crate) fn pending_on(&self, tuple: &FiveTuple) -> Option<&Claim> {
        self.pending(self.find(tuple)?.0).map(|pending| &pending.claim)
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|&(expires, _)| expires)
    }

    /// What has changed and must be told.
    pub(crate) fn poll_change(&mut self) -> Option<Output> {
        self.changes.pop_front()
    }

    /// Whether a 5-tuple has an allocation or waits for one.
    pub(crate) fn has(&self, tuple: &FiveTuple) -> bool {
        self.find(tuple).is_some()
    }

    fn find(&self, tuple: &FiveTuple) -> Option<(AllocationId, &State)> {
        let mut found = None;
        self.by_tuple.find(self.keys.tuple(tuple), |&index| {
            found = self.slab.at(index);
            let claim = found.and_then(|(_, state)| state.claim());
            claim.is_some_and(|claim| claim.tuple == *tuple)
        })?;
        found
    }
}

/// From a claim to a live allocation.
impl Allocations {
    /// Takes a 5-tuple for an allocation to come. It must be free.
    pub(crate) fn begin(&mut self, pending: Pending) -> AllocationId {
        let tuple = pending.claim.tuple;
        let id = self.slab.insert(State::Pending(Box::new(pending)));
        self.index_tuple(id, &tuple);
        id
    }

    fn index_tuple(&mut self, id: AllocationId, tuple: &FiveTuple) {
        let hash = self.keys.tuple(tuple);
        let (slab, keys) = (&self.slab, &self.keys);
        self.by_tuple.insert_unique(hash, id.index, |&index| {
            let claim = slab.at(index).and_then(|(_, state)| state.claim());
            keys.tuple(&claim.expect("every slot indexed here has a claim").tuple)
        });
    }

    /// Makes live what was pending. What was abandoned is told to be closed again.
    pub(crate) fn promote(&mut self, now: Duration, id: AllocationId, bound: Bound) {
        let relayed = bound.relayed;
        let Some(&Pending { ref claim, transport, lifetime, part, mobility, .. }) =
            self.pending(id)
        else {
            return self.close_abandoned(id, relayed);
        };
        let first = match part {
            Part::Second { first, .. } if self.get(first).is_none() => {
                // The client has gone, and the first with it.
                let owner = claim.owner();
                self.slab.replace_with(id, |_| State::Abandoned(owner));
                return self.close_abandoned(id, relayed);
            }
            Part::Second { first, .. } => Some(first),
            Part::Alone | Part::Left(_) | Part::First { .. } => None,
        };
        let (tuple, user, expires) = (claim.tuple, claim.user.clone(), now + lifetime);
        self.slab.replace_with(id, |state| match state {
            State::Pending(pending) => {
                State::Live(Allocation::new(pending.claim, bound, transport, expires))
            }
            other => other,
        });
        self.deadlines.insert((expires, id.index));
        if let Some(by_relayed) = &mut self.by_relayed
            && transport == RelayTransport::Udp
        {
            let (slab, keys) = (&self.slab, &self.keys);
            by_relayed.insert_unique(keys.relayed(relayed), id.index, |&index| {
                let relayed = slab.at(index).and_then(|(_, state)| state.relayed());
                keys.relayed(relayed.expect("every slot indexed here is live"))
            });
        }
        match first {
            Some(first) => self.link(first, id),
            None if mobility == Mobility::On => self.enlist(id),
            None => {}
        }
        self.changes.push_back(Output::Event(Event::Allocated { tuple, relayed, user }));
    }

    /// Gives up what is pending on a 5-tuple, which is free again at once. The slot stays taken
    /// until the relay socket is heard of.
    pub(crate) fn abandon(&mut self, tuple: &FiveTuple) {
        let Some((id, State::Pending(pending))) = self.find(tuple) else { return };
        let owner = pending.claim.owner();
        self.unindex_tuple(id.index, tuple);
        self.slab.replace_with(id, |_| State::Abandoned(owner));
    }

    /// Drops what was to get a relay socket and does not.
    pub(crate) fn cancel(&mut self, id: AllocationId) {
        match self.slab.get(id) {
            Some(State::Pending(pending)) => {
                let tuple = pending.claim.tuple;
                self.unindex_tuple(id.index, &tuple);
                self.slab.remove(id);
            }
            Some(State::Abandoned(_)) => _ = self.slab.remove(id),
            Some(State::Live(_)) | None => {}
        }
    }

    fn close_abandoned(&mut self, id: AllocationId, relayed: RelayedAddr) {
        if let Some(State::Abandoned(owner)) = self.slab.get(id) {
            let owner = owner.clone();
            self.slab.remove(id);
            self.changes.push_back(Output::CloseRelay { id, relayed, owner });
        }
    }

    /// Whether it was indexed.
    fn unindex_tuple(&mut self, index: u32, tuple: &FiveTuple) -> bool {
        let hash = self.keys.tuple(tuple);
        let entry = self.by_tuple.find_entry(hash, |&other| other == index);
        entry.map(|entry| entry.remove()).is_ok()
    }
}

/// What becomes of a live allocation.
impl Allocations {
    /// See [`Allocation::permit`]; 437 without an allocation.
    pub(crate) fn permit(
        &mut self,
        now: Duration,
        id: AllocationId,
        peers: &[IpAddr],
        limits: Limits,
    ) -> Result<(), Refusal> {
        let (allocation, tell) = self.change(id).ok_or(Refusal::AllocationMismatch)?;
        allocation.permit(now, peers, limits, tell)
    }

    /// See [`Allocation::bind_channel`]; 437 without an allocation.
    pub(crate) fn bind_channel(
        &mut self,
        now: Duration,
        id: AllocationId,
        number: ChannelNumber,
        peer: PeerAddr,
        limits: Limits,
    ) -> Result<(), Refusal> {
        let (allocation, tell) = self.change(id).ok_or(Refusal::AllocationMismatch)?;
        allocation.bind_channel(now, number, peer, limits, tell)
    }

    /// Gives an allocation a new end.
    pub(crate) fn prolong(&mut self, now: Duration, id: AllocationId, expires: Duration) {
        let Some(allocation) = self.get(id) else { return };
        let old = allocation.expires();
        self.deadlines.remove(&(old, id.index));
        self.deadlines.insert((expires, id.index));
        if let Some((allocation, tell)) = self.change(id) {
            allocation.prolong(now, expires, tell);
        }
    }

    /// Ends an allocation, its permissions and its channels.
    pub(crate) fn release(&mut self, id: AllocationId, reason: ReleaseReason) {
        let Some(allocation) = self.get(id) else { return };
        let (tuple, relayed) = (*allocation.tuple(), allocation.relayed());
        // The paths of one that expires have ended by then, as was told.
        let owner = self.owner_of(allocation);
        let closes_paths = reason != ReleaseReason::Expired && allocation.has_paths();
        self.deadlines.remove(&(allocation.expires(), id.index));
        let led = self.unindex_tuple(id.index, &tuple);
        let hash = self.keys.relayed(relayed);
        if let Some(by_relayed) = &mut self.by_relayed
            && let Ok(entry) = by_relayed.find_entry(hash, |&index| index == id.index)
        {
            entry.remove();
        }
        let Some(State::Live(allocation)) = self.slab.remove(id) else { return };
        self.leave_mover(&allocation);
        self.leave_twin(&allocation, led);
        if closes_paths {
            self.changes.push_back(Output::PathClosed { id });
        }
        self.changes.push_back(Output::CloseRelay { id, relayed, owner });
        self.changes.push_back(Output::Event(Event::Released { tuple, relayed, reason }));
    }

    /// Releases allocations whose time is over, so many of them at most.
    pub(crate) fn expire(&mut self, now: Duration, most: usize) {
        for _ in 0..most {
            let Some(&(expires, index)) = self.deadlines.first() else { return };
            let Some((id, _)) = self.slab.at(index).filter(|_| expires <= now) else { return };
            self.release(id, ReleaseReason::Expired);
        }
    }

    /// Releases the allocations of a 5-tuple whose time is over, so that the 5-tuple is free.
    pub(crate) fn expire_on(&mut self, now: Duration, tuple: &FiveTuple) {
        while let Some((id, State::Live(allocation))) = self.find(tuple)
            && allocation.expires() <= now
        {
            self.release(id, ReleaseReason::Expired);
        }
    }

    /// An allocation to change, and how to tell what changes of its paths.
    fn change(
        &mut self,
        id: AllocationId,
    ) -> Option<(&mut Allocation, impl FnMut(Path, PathChange, Duration) + '_)> {
        let State::Live(allocation) = self.slab.get_mut(id)? else { return None };
        let (tuple, relayed) = (*allocation.tuple(), allocation.relayed());
        let is_path = allocation.transport() == RelayTransport::Udp;
        let changes = &mut self.changes;
        let tell = move |path, change, expires| {
            if is_path {
                changes.push_back(Output::Path { id, tuple, relayed, path, change, expires });
            }
        };
        Some((allocation, tell))
    }
}

impl State {
    fn claim(&self) -> Option<&Claim> {
        match self {
            Self::Pending(pending) => Some(&pending.claim),
            Self::Abandoned(_) => None,
            Self::Live(allocation) => Some(allocation.claim()),
        }
    }

    fn relayed(&self) -> Option<RelayedAddr> {
        match self {
            Self::Pending(_) | Self::Abandoned(_) => None,
            Self::Live(allocation) => Some(allocation.relayed()),
        }
    }
}
