//! The shard: what comes in, sorted, and what goes out.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use core::time::Duration;

use hairpin_stun::{Class, FirstByte, Message, Method, PacketBuf};

use crate::allocations::Allocations;
use crate::nonce::{Features, Nonces};
use crate::relay::{IndicationIds, read_send};
use crate::reply::scratch_len;
use crate::{
    AllocationId, BindError, DropReason, Event, FiveTuple, Forward, Now, Output, OwnAddresses,
    PeerAddr, RelayedAddr, ReleaseReason, Rules,
};

/// One shard of a TURN server: allocations and all that may be done with them.
///
/// The caller drives it as the crate's documentation says. No input makes it panic, and the memory
/// it takes grows with live allocations alone.
pub struct Server {
    pub(crate) rules: Arc<Rules>,
    pub(crate) own: OwnAddresses,
    pub(crate) nonces: Nonces,
    pub(crate) allocations: Allocations,
    pub(crate) indication_ids: IndicationIds,
    /// Where answers are written before they are given away at their true size.
    pub(crate) scratch: Box<[u8]>,
    outputs: VecDeque<Output>,
}

impl Server {
    /// A shard without allocations. `seed` is secret randomness of its own, for hash tables and the
    /// transaction ids of indications.
    pub fn new(rules: Arc<Rules>, own: OwnAddresses, seed: u64) -> Self {
        let secrets = &rules.credentials.secrets;
        Self {
            nonces: Nonces::new(secrets, seed, Features::default(), rules.nonce_lifetime),
            allocations: Allocations::new(seed),
            indication_ids: IndicationIds::new(seed),
            scratch: vec![0; scratch_len(&rules)].into(),
            outputs: VecDeque::new(),
            own,
            rules,
        }
    }

    /// Takes a datagram, or a frame of a stream, from a client (RFC 7983, RFC 8656 s12).
    ///
    /// Returns what to pass on at once; answers come out of [`poll_output`](Self::poll_output).
    pub fn handle_client<'b>(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        packet: PacketBuf<'b>,
    ) -> Option<Forward<'b>> {
        let forward = match packet.payload().first().copied().map(FirstByte::of) {
            Some(FirstByte::ChannelData) => self.channel_data(now.monotonic, &tuple, packet),
            Some(FirstByte::Stun) => return self.handle_stun(now, tuple, packet),
            Some(FirstByte::Dtls | FirstByte::Other) | None => Err(DropReason::Malformed),
        };
        self.forwarded(forward)
    }

    /// Takes a datagram that a peer sent to the relay socket of an allocation.
    pub fn handle_peer<'b>(
        &mut self,
        now: Now,
        id: AllocationId,
        peer: PeerAddr,
        packet: PacketBuf<'b>,
    ) -> Option<Forward<'b>> {
        let forward = self.relay_to_client(now.monotonic, id, peer, packet, false);
        self.forwarded(forward)
    }

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
        let forward = match self.allocations.by_relayed(now.monotonic, to) {
            Some(id) => self.relay_to_client(now.monotonic, id, PeerAddr(from.0), packet, true),
            None => Err(DropReason::NoAllocation),
        };
        self.forwarded(forward)
    }

    /// Takes the answer to [`Output::BindRelay`], which lets the Allocate request be answered: with
    /// success, with 486 for a quota or with 508 for a lack of capacity.
    ///
    /// Every `BindRelay` is answered exactly once. When the client is gone by then, a bound socket
    /// is asked to be closed again.
    pub fn handle_relay_bound(
        &mut self,
        now: Now,
        id: AllocationId,
        bound: Result<RelayedAddr, BindError>,
    ) {
        self.finish_allocate(now.monotonic, id, bound);
    }

    /// Frees the allocation of a client whose stream is closed.
    pub fn handle_disconnect(&mut self, now: Now, tuple: &FiveTuple) {
        self.allocations.abandon(tuple);
        if let Some((id, _)) = self.allocations.by_tuple(now.monotonic, tuple) {
            self.release(id, ReleaseReason::Disconnected);
        }
    }

    /// Frees the allocations whose time is over.
    pub fn handle_timeout(&mut self, now: Now) {
        while let Some(id) = self.allocations.next_expired(now.monotonic) {
            self.release(id, ReleaseReason::Expired);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next worth a call, on the monotonic clock.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.allocations.next_deadline()
    }

    /// What the caller must do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many allocations are live.
    pub fn allocations(&self) -> usize {
        self.allocations.len()
    }

    /// The live allocation of a 5-tuple, if it has one.
    pub fn allocation_of(&self, now: Now, tuple: &FiveTuple) -> Option<AllocationId> {
        self.allocations.by_tuple(now.monotonic, tuple).map(|(id, _)| id)
    }

    /// The relayed address of a live allocation.
    pub fn relayed(&self, id: AllocationId) -> Option<RelayedAddr> {
        self.allocations.get(id).map(|allocation| allocation.relayed)
    }

    /// Bytes of memory taken by tables and queues, without what each live allocation holds besides.
    /// Strangers cannot make it grow.
    pub fn table_bytes(&self) -> usize {
        self.allocations.bytes() + self.outputs.capacity() * size_of::<Output>()
    }

    fn handle_stun<'b>(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        packet: PacketBuf<'b>,
    ) -> Option<Forward<'b>> {
        let Ok(message) = Message::parse(packet.payload()) else {
            return self.forwarded(Err(DropReason::Malformed));
        };
        match (message.class(), message.method()) {
            (Class::Indication, Method::SEND) => {
                let forward = read_send(&message).and_then(|(peer, data)| {
                    let packet = packet.narrow(data).ok_or(DropReason::Malformed)?;
                    self.send_indication(now.monotonic, &tuple, peer, packet)
                });
                self.forwarded(forward)
            }
            // Keeps a NAT's mapping alive and asks for nothing (RFC 8489 s3).
            (Class::Indication, Method::BINDING) => None,
            (Class::Request, _) => {
                self.handle_request(now, tuple, &message);
                None
            }
            _ => self.forwarded(Err(DropReason::Unexpected)),
        }
    }

    /// Ends a live allocation, its permissions and its channels.
    pub(crate) fn release(&mut self, id: AllocationId, reason: ReleaseReason) {
        let Some(allocation) = self.allocations.remove(id) else { return };
        let (relayed, claim) = (allocation.relayed, allocation.claim);
        self.output(Output::CloseRelay { id, relayed, user: claim.user });
        self.event(Event::Released { tuple: claim.tuple, relayed, reason });
    }

    pub(crate) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.output(Output::Event(event));
    }

    fn forwarded<'b>(&mut self, forward: Result<Forward<'b>, DropReason>) -> Option<Forward<'b>> {
        forward.map_err(|reason| self.event(Event::Dropped(reason))).ok()
    }
}
