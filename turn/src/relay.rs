//! The data path: every packet of every call passes here, and nothing is copied or allocated.
//!
//! A payload stays where it was received. Towards a peer its header is left out; towards a client
//! the other header is written in front of it.

use core::ops::Range;
use core::time::Duration;

use hairpin_stun::{
    AttributeType, ChannelData, Message, TransactionId, decode, write_channel_data_header,
    write_data_indication,
};

use sha2::{Digest, Sha256};

use crate::own::Own;
use crate::request::UNDERSTOOD;
use crate::{
    AllocationId, Drop, FiveTuple, Forward, PeerAddr, RelayedAddr, Server, Target, Transport,
};

/// The longest payload a UDP datagram has over IPv4; what is longer with its header cannot be sent.
const MAX_DATAGRAM: usize = 65_507;

/// A payload and the buffer it lies in.
pub(crate) struct Packet<'b> {
    pub(crate) buf: &'b mut [u8],
    pub(crate) payload: Range<usize>,
}

impl Server {
    /// ChannelData from a client (RFC 8656 s12.6).
    pub(crate) fn channel_data(
        &mut self,
        now: Duration,
        tuple: &FiveTuple,
        buf: &mut [u8],
        datagram: Range<usize>,
    ) -> Result<Forward, Drop> {
        let start = datagram.start;
        let data = ChannelData::parse(&buf[datagram]).map_err(|_| Drop::Malformed)?;
        let (id, allocation) = self.allocations.by_tuple(now, tuple).ok_or(Drop::NoAllocation)?;
        let peer = allocation.channels.peer(now, data.number).ok_or(Drop::NoChannel)?;
        let payload = start + data.payload.start..start + data.payload.end;
        self.relay_to_peer(now, id, peer, Packet { buf, payload })
    }

    /// A Send indication from a client (RFC 8656 s11.2).
    pub(crate) fn send_indication(
        &mut self,
        now: Duration,
        tuple: &FiveTuple,
        peer: PeerAddr,
        packet: Packet<'_>,
    ) -> Result<Forward, Drop> {
        let (id, _) = self.allocations.by_tuple(now, tuple).ok_or(Drop::NoAllocation)?;
        self.relay_to_peer(now, id, peer, packet)
    }

    /// From a client to a peer: through the allocation's relay socket, unless the peer is one of
    /// us.
    fn relay_to_peer(
        &mut self,
        now: Duration,
        id: AllocationId,
        peer: PeerAddr,
        packet: Packet<'_>,
    ) -> Result<Forward, Drop> {
        let allocation = self.allocations.live(now, id).ok_or(Drop::NoAllocation)?;
        if !allocation.permissions.admit(now, peer.0.ip()) {
            return Err(Drop::NoPermission);
        }
        let from = allocation.relayed;
        match self.own.classify(peer.0) {
            None => Ok(Forward { range: packet.payload, to: Target::Peer { via: id, to: peer } }),
            Some(Own::Relayed) => {
                self.relay_to_ourselves(now, id, from, RelayedAddr(peer.0), packet)
            }
            Some(Own::Other) if self.config.policy.allows(peer.0.ip()) => {
                Ok(Forward { range: packet.payload, to: Target::Peer { via: id, to: peer } })
            }
            Some(Own::Listener | Own::Other) => Err(Drop::PeerDenied),
        }
    }

    /// A hairpin: to another client of ours, without leaving the process.
    fn relay_to_ourselves(
        &mut self,
        now: Duration,
        via: AllocationId,
        from: RelayedAddr,
        to: RelayedAddr,
        packet: Packet<'_>,
    ) -> Result<Forward, Drop> {
        if let Some(id) = self.allocations.by_relayed(now, to) {
            return self.relay_to_client(now, id, PeerAddr(from.0), packet, true);
        }
        let otherwise = self.config.policy.allows(to.0.ip()).then_some(via);
        Ok(Forward { range: packet.payload, to: Target::Hairpin { to, from, otherwise } })
    }

    /// From a peer to a client (RFC 8656 s11.3, s12.7): as ChannelData when the peer has a channel,
    /// else as a Data indication; neither without a permission.
    pub(crate) fn relay_to_client(
        &mut self,
        now: Duration,
        id: AllocationId,
        peer: PeerAddr,
        Packet { buf, payload }: Packet<'_>,
        hairpin: bool,
    ) -> Result<Forward, Drop> {
        let allocation = self.allocations.live(now, id).ok_or(Drop::NoAllocation)?;
        if !allocation.permissions.admit(now, peer.0.ip()) {
            return Err(Drop::NoPermission);
        }
        let tuple = allocation.claim.tuple;
        let range = match allocation.channels.number(now, peer) {
            Some(number) => write_channel_data_header(buf, payload, number)
                .and_then(|range| pad_for(tuple.transport, buf, range)),
            None => write_data_indication(buf, payload, peer.0, self.indication_ids.next()),
        };
        range
            .filter(|range| tuple.transport == Transport::Tcp || range.len() <= MAX_DATAGRAM)
            .map(|range| Forward { range, to: Target::Client { tuple, hairpin } })
            .ok_or(Drop::TooLong)
    }
}

/// Over a stream ChannelData is padded to four bytes, which its length does not count (RFC 8656
/// s12.5).
fn pad_for(transport: Transport, buf: &mut [u8], range: Range<usize>) -> Option<Range<usize>> {
    if transport == Transport::Udp {
        return Some(range);
    }
    let end = range.start + range.len().next_multiple_of(4);
    buf.get_mut(range.end..end)?.fill(0);
    Some(range.start..end)
}

/// The peer and the place of the data of a Send indication, relative to the message's start.
///
/// One walk over the attributes: for a client without channels this is the way of every packet.
pub(crate) fn read_send(message: &Message<'_>) -> Result<(PeerAddr, Range<usize>), Drop> {
    let (mut peer, mut data) = (None, None);
    for attribute in message.attributes() {
        match attribute.kind {
            AttributeType::XOR_PEER_ADDRESS => peer = peer.or(Some(attribute.value)),
            AttributeType::DATA => data = data.or(Some(attribute.range())),
            // DONT-FRAGMENT among them: no datagram rather than one that may be cut up (RFC 8656
            // s11.2).
            kind if kind.is_comprehension_required() && !UNDERSTOOD.contains(&kind) => {
                return Err(Drop::Unexpected);
            }
            _ => {}
        }
    }
    let peer = peer
        .and_then(|value| decode::xor_address(value, message.transaction_id()))
        .ok_or(Drop::Malformed)?;
    Ok((PeerAddr(peer), data.ok_or(Drop::Malformed)?))
}

/// Transaction ids for Data indications. The RFC says random; ours start at a random one and count,
/// because nobody answers an indication, and a counter is what a packet can afford.
pub(crate) struct IndicationIds {
    head: [u8; 4],
    next: u64,
}

impl IndicationIds {
    /// From a digest, which says nothing of the seed.
    pub(crate) fn new(seed: u64) -> Self {
        let digest = Sha256::new().chain_update(b"indications").chain_update(seed.to_be_bytes());
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = <[u8; 32]>::from(digest.finalize());
        Self { head: [a, b, c, d], next: u64::from_be_bytes([e, f, g, h, i, j, k, l]) }
    }

    fn next(&mut self) -> TransactionId {
        self.next = self.next.wrapping_add(1);
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.head);
        id[4..].copy_from_slice(&self.next.to_be_bytes());
        TransactionId(id)
    }
}
