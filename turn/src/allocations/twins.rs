//! Dual allocations (RFC 8656 s7.2): two of one 5-tuple, of either family, each with its own relay socket, end,
//! permissions and channels. The 5-tuple leads to the one that is left, or to either.

use core::time::Duration;

use super::{Allocations, State};
use crate::allocation::{Allocation, Pending, Twin, Unmet};
use crate::{AllocationId, Family, FiveTuple};

impl Allocations {
    /// The other one of two, if it lives.
    pub(crate) fn twin(
        &self,
        now: Duration,
        allocation: &Allocation,
    ) -> Option<(AllocationId, &Allocation)> {
        let id = allocation.twin()?;
        Some((id, self.live(now, id)?))
    }

    /// An allocation, or the other one of two, whichever is of a family.
    pub(crate) fn of_family(
        &self,
        now: Duration,
        id: AllocationId,
        family: Family,
    ) -> Option<AllocationId> {
        let allocation = self.live(now, id)?;
        if allocation.family() == family {
            return Some(id);
        }
        self.twin(now, allocation).map(|(id, _)| id)
    }

    /// When the last of the allocations of a 5-tuple ends.
    pub(crate) fn ends(&self, now: Duration, tuple: &FiveTuple) -> Option<Duration> {
        let live = self.by_tuple(now, tuple).map(|(_, allocation)| allocation);
        let allocation = live.or_else(|| self.arrival(now, tuple))?;
        let twin = self.twin(now, allocation).map(|(_, twin)| twin.expires());
        Some(twin.map_or(allocation.expires(), |end| end.max(allocation.expires())))
    }

    /// Begins the second of two, whose first is live.
    pub(crate) fn begin_twin(&mut self, first: AllocationId, pending: Pending) -> AllocationId {
        self.set_twin(first, Twin::Awaited);
        self.slab.insert(State::Pending(alloc::boxed::Box::new(pending)))
    }

    /// Notes that the other of two is not to be had.
    pub(crate) fn set_unmet(&mut self, id: AllocationId, unmet: Unmet) {
        if let Some(State::Live(allocation)) = self.slab.get_mut(id) {
            allocation.set_unmet(unmet);
            allocation.set_twin(Twin::None);
        }
    }

    pub(super) fn link(&mut self, first: AllocationId, second: AllocationId) {
        self.set_twin(first, Twin::Is(second));
        self.set_twin(second, Twin::Is(first));
    }

    /// Has the twin of what is gone stand alone, and the 5-tuple lead to it if it led to that.
    pub(super) fn leave_twin(&mut self, gone: &Allocation, led: bool) {
        let Some(twin) = gone.twin().filter(|twin| self.get(*twin).is_some()) else { return };
        self.set_twin(twin, Twin::None);
        if led {
            self.index_tuple(twin, gone.tuple());
        }
    }

    fn set_twin(&mut self, id: AllocationId, twin: Twin) {
        if let Some(State::Live(allocation)) = self.slab.get_mut(id) {
            allocation.set_twin(twin);
        }
    }
}
