//! Packets from other allocations of ours.

use hairpin_stun::PacketBuf;

use super::Server;
use crate::shared::Scope;
use crate::{AllocationId, Forward, Now, PeerAddr, RelayedAddr};

impl Server {
    /// Takes a datagram that an allocation of another shard, at `from`, sent to `to`.
    ///
    /// `None` also when no live allocation of this shard has that address; the packet is then
    /// dropped.
    pub fn handle_relayed<'b>(
        &mut self,
        now: Now,
        to: RelayedAddr,
        from: RelayedAddr,
        packet: PacketBuf<'b>,
    ) -> Option<Forward<'b>> {
        self.route(now, packet, |router, bytes| router.hairpin(to, from, bytes.len()))
    }

    /// Takes a packet that another allocation has sent to the address that both share, and that is for this one (see
    /// [`shared`](crate::shared)). To its client it comes from that address.
    pub fn handle_partner<'b>(
        &mut self,
        now: Now,
        id: AllocationId,
        shared: PeerAddr,
        packet: PacketBuf<'b>,
    ) -> Option<Forward<'b>> {
        self.route(now, packet, |router, bytes| router.partner_data(id, shared, bytes.len()))
    }

    /// The session that an allocation's credentials were issued for, if they were.
    pub fn scope(&self, id: AllocationId) -> Option<Scope> {
        self.terms.scope_of(&self.allocations.get(id)?.claim().username)
    }
}
