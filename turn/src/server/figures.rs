//! What a shard holds.

use core::time::Duration;

use super::Server;
use crate::answer_limit::AnswerLimit;
use crate::{AllocationId, FiveTuple, Now, Output, RelayedAddr};

impl Server {
    /// How many allocations there are. Those whose time is over count until
    /// [`handle_timeout`](Self::handle_timeout) takes them away.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// When the live allocation of a 5-tuple ends, if it has one; of two the last.
    pub fn allocated_until(&self, now: Now, tuple: &FiveTuple) -> Option<Duration> {
        self.allocations.ends(now.monotonic, tuple)
    }

    /// The relayed address of an allocation.
    pub fn relayed(&self, id: AllocationId) -> Option<RelayedAddr> {
        self.allocations.get(id).map(|allocation| allocation.relayed())
    }

    /// Bytes of memory taken by tables and queues, without what each live allocation holds besides.
    /// Strangers cannot make it grow.
    pub fn table_bytes(&self) -> usize {
        let limit = self.answer_limit.as_ref().map_or(0, AnswerLimit::bytes);
        self.allocations.bytes() + limit + self.outputs.capacity() * size_of::<Output>()
    }
}
