//! The shard: what comes in, sorted, and what goes out.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec;
use core::ops::Range;
use core::time::Duration;

use hairpin_stun::{Class, FirstByte, Message, Method};

use crate::allocations::Allocations;
use crate::nonce::{Features, Nonces};
use crate::own::OwnAddrs;
use crate::relay::{IndicationIds, Packet, read_send};
use crate::reply::scratch_len;
use crate::{
    AllocationId, BindError, Config, Drop, Event, FiveTuple, Forward, Now, Output, PeerAddr,
    RelayedAddr, ReleaseReason,
};

/// One shard of a TURN server: allocations and all that may be done with them.
///
/// The caller drives it as the crate's documentation says. Packets handed in lie at `datagram` in
/// `buf`, with [`HEADROOM`](crate::HEADROOM) bytes before and [`TAILROOM`](crate::TAILROOM) after
/// them that may be overwritten; where that room is missing, packets that need it are dropped. No
/// input makes it panic, and the memory it takes grows with live allocations alone.
pub struct Server {
    pub(crate) config: Config,
    pub(crate) own: OwnAddrs,
    pub(crate) nonces: Nonces,
    pub(crate) allocations: Allocations,
    pub(crate) indication_ids: IndicationIds,
    /// Where answers are written before they are given away at their true size.
    pub(crate) scratch: Box<[u8]>,
    outputs: VecDeque<Output>,
}

impl Server {
    /// A shard without allocations.
    pub fn new(config: Config) -> Self {
        let secrets = &config.credentials.secrets;
        Self {
            own: OwnAddrs::new(&config),
            nonces: Nonces::new(secrets, config.seed, Features::default(), config.nonce_lifetime),
            allocations: Allocations::new(config.seed),
            indication_ids: IndicationIds::new(config.seed),
            scratch: vec![0; scratch_len(&config)].into(),
            outputs: VecDeque::new(),
            config,
        }
    }

    /// Takes a datagram, or a frame of a stream, from a client (RFC 7983, RFC 8656 s12).
    ///
    /// Returns what to pass on at once; answers come out of [`poll_output`](Self::poll_output).
    pub fn handle_client(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        buf: &mut [u8],
        datagram: Range<usize>,
    ) -> Option<Forward> {
        let first = buf.get(datagram.clone())?.first().copied();
        let forward = match first.map(FirstByte::of) {
            Some(FirstByte::ChannelData) => self.channel_data(now.monotonic, &tuple, buf, datagram),
            Some(FirstByte::Stun) => return self.handle_stun(now, tuple, buf, datagram),
            Some(FirstByte::Dtls | FirstByte::Other) | None => Err(Drop::Malformed),
        };
        self.forwarded(forward)
    }

    /// Takes a datagram that a peer sent to the relay socket of an allocation.
    pub fn handle_peer(
        &mut self,
        now: Now,
        id: AllocationId,
        peer: PeerAddr,
        buf: &mut [u8],
        datagram: Range<usize>,
    ) -> Option<Forward> {
        let packet = Packet { buf, payload: datagram };
        let forward = self.relay_to_client(now.monotonic, id, peer, packet, false);
        self.forwarded(forward)
    }

    /// Takes a datagram that an allocation of another shard, at `from`, sent to `to`.
    ///
    /// `None` also when no live allocation of this shard has that address; the packet is then
    /// dropped.
    pub fn handle_relayed(
        &mut self,
        now: Now,
        to: RelayedAddr,
        from: RelayedAddr,
        buf: &mut [u8],
        datagram: Range<usize>,
    ) -> Option<Forward> {
        let packet = Packet { buf, payload: datagram };
        let forward = match self.allocations.by_relayed(now.monotonic, to) {
            Some(id) => self.relay_to_client(now.monotonic, id, PeerAddr(from.0), packet, true),
            None => Err(Drop::NoAllocation),
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

    /// Whether a 5-tuple has a live allocation: an idle stream without one is not worth keeping.
    pub fn has_allocation(&self, now: Now, tuple: &FiveTuple) -> bool {
        self.allocations.by_tuple(now.monotonic, tuple).is_some()
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

    fn handle_stun(
        &mut self,
        now: Now,
        tuple: FiveTuple,
        buf: &mut [u8],
        datagram: Range<usize>,
    ) -> Option<Forward> {
        let Ok(message) = Message::parse(&buf[datagram.clone()]) else {
            return self.forwarded(Err(Drop::Malformed));
        };
        match (message.class(), message.method()) {
            (Class::Indication, Method::SEND) => {
                let forward = read_send(&message).and_then(|(peer, data)| {
                    let payload = datagram.start + data.start..datagram.start + data.end;
                    self.send_indication(now.monotonic, &tuple, peer, Packet { buf, payload })
                });
                self.forwarded(forward)
            }
            // Keeps a NAT's mapping alive and asks for nothing (RFC 8489 s3).
            (Class::Indication, Method::BINDING) => None,
            (Class::Request, _) => {
                self.handle_request(now, tuple, &message);
                None
            }
            _ => self.forwarded(Err(Drop::Unexpected)),
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

    fn forwarded(&mut self, forward: Result<Forward, Drop>) -> Option<Forward> {
        forward.map_err(|reason| self.event(Event::Dropped(reason))).ok()
    }
}
