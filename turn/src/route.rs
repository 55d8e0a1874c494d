//! The data path: every packet of every call passes here. Nothing is changed, copied or allocated,
//! and an allocation is looked up once.
//!
//! A payload stays where it was received. Towards a peer its header is left out; towards a client
//! the other header is put beside it.

use core::ops::Range;
use core::time::Duration;

use hairpin_stun::{
    AttributeType, ChannelData, ChannelNumber, Head, Message, PacketBuf, ParseError, decode,
};

use crate::allocation::Allocation;
use crate::allocations::Allocations;
use crate::indication_ids::IndicationIds;
use crate::replies::UNDERSTOOD;
use crate::terms::{Reach, Terms};
use crate::{
    AllocationId, DropReason, Family, FiveTuple, Forward, Fragmentation, PeerAddr, RelayTransport,
    RelayedAddr, Target,
};

/// The longest payload a UDP datagram has over IPv4; what is longer with its header cannot be sent.
const MAX_DATAGRAM: usize = 65_507;

/// Says where packets go.
#[derive(Clone, Copy)]
pub(crate) struct Router<'a> {
    pub(crate) allocations: &'a Allocations,
    pub(crate) terms: &'a Terms,
    pub(crate) now: Duration,
}

/// Where a packet goes, and as what.
pub(crate) struct Route<'a> {
    to: Destination<'a>,
    /// What of the packet is passed on; `None` is all.
    part: Option<Range<usize>>,
    fragmentation: Fragmentation,
}

enum Destination<'a> {
    /// To a peer, from the allocation's relay socket.
    Peer { via: AllocationId, to: PeerAddr },
    /// To a peer, from the address that all allocations share.
    Shared { via: AllocationId, to: PeerAddr },
    /// To one of our own relayed addresses, but not of this shard's allocations.
    Elsewhere { to: RelayedAddr, from: RelayedAddr, otherwise: Option<AllocationId> },
    /// To the client of an allocation, from a peer.
    Client {
        allocation: &'a Allocation,
        peer: PeerAddr,
        channel: Option<ChannelNumber>,
        origin: Origin,
    },
}

/// Where a packet for a client came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// A relay socket.
    Socket,
    /// Another allocation of ours.
    Hairpin,
}

impl<'a> Router<'a> {
    /// ChannelData from a client (RFC 8656 s12.6).
    #[inline]
    pub(crate) fn channel_data(
        self,
        tuple: &FiveTuple,
        data: Result<ChannelData, ParseError>,
    ) -> Result<Route<'a>, DropReason> {
        let data = data.map_err(|_| DropReason::Malformed)?;
        let found = self.allocations.by_tuple(self.now, tuple);
        let (id, allocation) = found.ok_or(DropReason::NoAllocation)?;
        let (id, allocation, peer) = match allocation.peer_of(self.now, data.number) {
            Some(peer) => (id, allocation, peer),
            None => self.twins_channel(allocation, data.number).ok_or(DropReason::NoChannel)?,
        };
        let len = data.payload.len();
        Ok(Route::new(self.to_peer(id, allocation, peer, len)?, Some(data.payload)))
    }

    /// A Send indication from a client (RFC 8656 s11.2).
    pub(crate) fn send_indication(
        self,
        tuple: &FiveTuple,
        Sent { peer, data, fragmentation }: &Sent,
    ) -> Result<Route<'a>, DropReason> {
        let found = self.allocations.by_tuple(self.now, tuple);
        let (id, allocation) = found.ok_or(DropReason::NoAllocation)?;
        // "MUST ignore" (RFC 6062 s5.1). ChannelData finds no channel there.
        if allocation.transport() == RelayTransport::Tcp {
            return Err(DropReason::Unexpected);
        }
        let (id, allocation) = match Family::of(peer.0.ip()) == allocation.family() {
            true => (id, allocation),
            false => self.allocations.twin(self.now, allocation).unwrap_or((id, allocation)),
        };
        let to = self.to_peer(id, allocation, peer, data.len())?;
        // Between the families DONT-FRAGMENT is ignored (RFC 8656 s14).
        let translates = tuple.client.is_ipv4() != peer.0.is_ipv4();
        let fragmentation = if translates { Fragmentation::Allowed } else { *fragmentation };
        Ok(Route { fragmentation, ..Route::new(to, Some(data.clone())) })
    }

    /// A channel of the other one of two allocations.
    #[cold]
    fn twins_channel(
        self,
        allocation: &Allocation,
        number: ChannelNumber,
    ) -> Option<(AllocationId, &'a Allocation, &'a PeerAddr)> {
        let (id, twin) = self.allocations.twin(self.now, allocation)?;
        Some((id, twin, twin.peer_of(self.now, number)?))
    }

    /// A datagram from a peer to the relay socket of an allocation.
    #[inline]
    pub(crate) fn peer_data(
        self,
        id: AllocationId,
        peer: PeerAddr,
        len: usize,
    ) -> Result<Route<'a>, DropReason> {
        let allocation = self.allocations.live(self.now, id).ok_or(DropReason::NoAllocation)?;
        Ok(Route::new(self.to_client(allocation, peer, Origin::Socket, len)?, None))
    }

    /// A packet from another allocation, at the address that all share, for one of ours.
    pub(crate) fn partner_data(
        self,
        id: AllocationId,
        shared: PeerAddr,
        len: usize,
    ) -> Result<Route<'a>, DropReason> {
        let allocation = self.allocations.live(self.now, id).ok_or(DropReason::NoAllocation)?;
        Ok(Route::new(self.to_client(allocation, shared, Origin::Hairpin, len)?, None))
    }

    /// A packet from another shard's allocation, at `from`, for one of ours.
    pub(crate) fn hairpin(
        self,
        to: RelayedAddr,
        from: RelayedAddr,
        len: usize,
    ) -> Result<Route<'a>, DropReason> {
        let found = self.allocations.by_relayed(self.now, to);
        let allocation = found.ok_or(DropReason::NoAllocation)?;
        let to = self.to_client(allocation, PeerAddr(from.0), Origin::Hairpin, len)?;
        Ok(Route::new(to, None))
    }

    /// From a client to a peer: through the allocation's relay socket, unless the peer is one of
    /// us.
    #[inline(always)]
    fn to_peer(
        self,
        via: AllocationId,
        allocation: &Allocation,
        peer: &PeerAddr,
        len: usize,
    ) -> Result<Destination<'a>, DropReason> {
        if !allocation.admits(self.now, peer.0.ip()) {
            return Err(DropReason::NoPermission);
        }
        if !allocation.affords(self.now, len) {
            return Err(DropReason::BandwidthLimit);
        }
        match self.terms.reach(peer) {
            Reach::Network => Ok(Destination::Peer { via, to: *peer }),
            Reach::Shared => Ok(Destination::Shared { via, to: *peer }),
            Reach::Ourselves => {
                self.to_ourselves(via, allocation.relayed(), RelayedAddr(peer.0), len)
            }
            Reach::Denied => Err(DropReason::PeerDenied),
        }
    }

    /// A hairpin: to another client of ours, without leaving the process.
    fn to_ourselves(
        self,
        via: AllocationId,
        from: RelayedAddr,
        to: RelayedAddr,
        len: usize,
    ) -> Result<Destination<'a>, DropReason> {
        if let Some(receiver) = self.allocations.by_relayed(self.now, to) {
            return self.to_client(receiver, PeerAddr(from.0), Origin::Hairpin, len);
        }
        let otherwise = self.terms.allows_explicitly(to.0.ip()).then_some(via);
        Ok(Destination::Elsewhere { to, from, otherwise })
    }

    /// From a peer to a client (RFC 8656 s11.3, s12.7): as ChannelData when the peer has a channel,
    /// else as a Data indication; neither without a permission.
    #[inline(always)]
    fn to_client(
        self,
        allocation: &'a Allocation,
        peer: PeerAddr,
        origin: Origin,
        len: usize,
    ) -> Result<Destination<'a>, DropReason> {
        if !allocation.admits(self.now, peer.0.ip()) {
            return Err(DropReason::NoPermission);
        }
        if !allocation.affords(self.now, len) {
            return Err(DropReason::BandwidthLimit);
        }
        let channel = allocation.channel_of(self.now, &peer);
        Ok(Destination::Client { allocation, peer, channel, origin })
    }
}

impl<'a> Route<'a> {
    #[inline(always)]
    fn new(to: Destination<'a>, part: Option<Range<usize>>) -> Self {
        Self { to, part, fragmentation: Fragmentation::Allowed }
    }
}

impl Route<'_> {
    /// The packet, on its way. Takes an id from `indications` if it leaves as a Data indication.
    /// `None` when it is too long for that way.
    #[inline(always)]
    pub(crate) fn forward<'b>(
        self,
        packet: PacketBuf<'b>,
        indications: &mut IndicationIds,
    ) -> Option<Forward<'b>> {
        let packet = match self.part {
            Some(part) => packet.narrow(part)?,
            None => packet,
        };
        match self.to {
            Destination::Peer { via, to } => {
                let to = Target::Peer { via, to };
                Some(Forward::to_peer(packet, to, self.fragmentation))
            }
            Destination::Shared { via, to } => {
                let to = Target::Shared { via, to };
                Some(Forward::to_peer(packet, to, self.fragmentation))
            }
            Destination::Elsewhere { to, from, otherwise } => {
                let to = Target::Hairpin { to, from, otherwise };
                Some(Forward::to_peer(packet, to, self.fragmentation))
            }
            Destination::Client { allocation, peer, channel, origin } => {
                let (tuple, len) = (allocation.tuple(), packet.payload().len());
                let to_client = |head| to_client(head, packet, tuple, origin);
                match channel {
                    // Over a stream ChannelData is padded (RFC 8656 s12.5).
                    Some(number) if tuple.transport.is_stream() => {
                        to_client(Head::padded_channel_data(number, len)?)
                    }
                    Some(number) => to_client(Head::channel_data(number, len)?),
                    None => to_client(Head::data_indication(peer.0, indications.next(), len)?),
                }
            }
        }
    }
}

/// Inlined for each kind of head, so that each is written where it stays.
#[inline(always)]
fn to_client<'b>(
    head: Head,
    packet: PacketBuf<'b>,
    tuple: &FiveTuple,
    origin: Origin,
) -> Option<Forward<'b>> {
    let wire_len = head.as_ref().len() + packet.payload().len() + head.padding().len();
    let fits = tuple.transport.is_stream() || wire_len <= MAX_DATAGRAM;
    let hairpin = origin == Origin::Hairpin;
    fits.then(|| Forward::new(head, packet, Target::Client { tuple: *tuple, hairpin }))
}

/// What a Send indication asks for.
pub(crate) struct Sent {
    peer: PeerAddr,
    /// Where in the message the data lies.
    data: Range<usize>,
    fragmentation: Fragmentation,
}

impl Sent {
    /// One walk over the attributes: for a client without channels this is the way of every packet.
    pub(crate) fn parse(message: &Message<'_>) -> Result<Self, DropReason> {
        let (mut peer, mut data) = (None, None);
        let mut fragmentation = Fragmentation::Allowed;
        for attribute in message.attributes() {
            match attribute.kind {
                AttributeType::XOR_PEER_ADDRESS => peer = peer.or(Some(attribute.value)),
                AttributeType::DATA => data = data.or(Some(attribute.range())),
                AttributeType::DONT_FRAGMENT => fragmentation = Fragmentation::Forbidden,
                kind if kind.is_comprehension_required() && !UNDERSTOOD.contains(&kind) => {
                    return Err(DropReason::Unexpected);
                }
                _ => {}
            }
        }
        let peer = peer
            .and_then(|value| decode::xor_address(value, message.transaction_id()))
            .ok_or(DropReason::Malformed)?;
        Ok(Self { peer: PeerAddr(peer), data: data.ok_or(DropReason::Malformed)?, fragmentation })
    }
}
