//! The data path: every packet of every call passes here, and nothing is copied or allocated.
//!
//! A payload stays where it was received. Towards a peer its header is left out; towards a client
//! the other header is written in front of it.

use core::ops::Range;
use core::time::Duration;

use hairpin_stun::{AttributeType, ChannelData, Head, Message, PacketBuf, TransactionId, decode};

use sha2::{Digest, Sha256};

use crate::own_addresses::Standing;
use crate::request::UNDERSTOOD;
use crate::{
    AllocationId, DropReason, FiveTuple, Forward, PeerAddr, RelayedAddr, Server, Target, Transport,
};

/// The longest payload a UDP datagram has over IPv4; what is longer with its header cannot be sent.
const MAX_DATAGRAM: usize = 65_507;

impl Server {
    /// ChannelData from a client (RFC 8656 s12.6).
    pub(crate) fn channel_data<'b>(
        &mut self,
        now: Duration,
        tuple: &FiveTuple,
        packet: PacketBuf<'b>,
    ) -> Result<Forward<'b>, DropReason> {
        let data = ChannelData::parse(packet.payload()).map_err(|_| DropReason::Malformed)?;
        let (id, allocation) =
            self.allocations.by_tuple(now, tuple).ok_or(DropReason::NoAllocation)?;
        let peer = allocation.channels.peer(now, data.number).ok_or(DropReason::NoChannel)?;
        let packet = packet.narrow(data.payload).ok_or(DropReason::Malformed)?;
        self.relay_to_peer(now, id, peer, packet)
    }

    /// A Send indication from a client (RFC 8656 s11.2).
    pub(crate) fn send_indication<'b>(
        &mut self,
        now: Duration,
        tuple: &FiveTuple,
        peer: PeerAddr,
        packet: PacketBuf<'b>,
    ) -> Result<Forward<'b>, DropReason> {
        let (id, _) = self.allocations.by_tuple(now, tuple).ok_or(DropReason::NoAllocation)?;
        self.relay_to_peer(now, id, peer, packet)
    }

    /// From a client to a peer: through the allocation's relay socket, unless the peer is one of
    /// us.
    fn relay_to_peer<'b>(
        &mut self,
        now: Duration,
        id: AllocationId,
        peer: PeerAddr,
        packet: PacketBuf<'b>,
    ) -> Result<Forward<'b>, DropReason> {
        let allocation = self.allocations.live(now, id).ok_or(DropReason::NoAllocation)?;
        if !allocation.permissions.admit(now, peer.0.ip()) {
            return Err(DropReason::NoPermission);
        }
        let from = allocation.relayed;
        match self.own.classify(peer.0) {
            None => Ok(Forward::new(Head::EMPTY, packet, Target::Peer { via: id, to: peer })),
            Some(Standing::Relayed) => {
                self.relay_to_ourselves(now, id, from, RelayedAddr(peer.0), packet)
            }
            Some(Standing::Other) if self.rules.policy.allows(peer.0.ip()) => {
                Ok(Forward::new(Head::EMPTY, packet, Target::Peer { via: id, to: peer }))
            }
            Some(Standing::Listener | Standing::Other) => Err(DropReason::PeerDenied),
        }
    }

    /// A hairpin: to another client of ours, without leaving the process.
    fn relay_to_ourselves<'b>(
        &mut self,
        now: Duration,
        via: AllocationId,
        from: RelayedAddr,
        to: RelayedAddr,
        packet: PacketBuf<'b>,
    ) -> Result<Forward<'b>, DropReason> {
        if let Some(id) = self.allocations.by_relayed(now, to) {
            return self.relay_to_client(now, id, PeerAddr(from.0), packet, true);
        }
        let otherwise = self.rules.policy.allows(to.0.ip()).then_some(via);
        Ok(Forward::new(Head::EMPTY, packet, Target::Hairpin { to, from, otherwise }))
    }

    /// From a peer to a client (RFC 8656 s11.3, s12.7): as ChannelData when the peer has a channel,
    /// else as a Data indication; neither without a permission.
    pub(crate) fn relay_to_client<'b>(
        &mut self,
        now: Duration,
        id: AllocationId,
        peer: PeerAddr,
        packet: PacketBuf<'b>,
        hairpin: bool,
    ) -> Result<Forward<'b>, DropReason> {
        let allocation = self.allocations.live(now, id).ok_or(DropReason::NoAllocation)?;
        if !allocation.permissions.admit(now, peer.0.ip()) {
            return Err(DropReason::NoPermission);
        }
        let tuple = allocation.claim.tuple;
        let len = packet.payload().len();
        // Over a stream ChannelData is padded (RFC 8656 s12.5).
        let head = match (allocation.channels.number(now, peer), tuple.transport) {
            (Some(number), Transport::Udp) => Head::channel_data(number, len),
            (Some(number), Transport::Tcp) => Head::padded_channel_data(number, len),
            (None, _) => Head::data_indication(peer.0, self.indication_ids.next(), len),
        };
        let head = head.ok_or(DropReason::TooLong)?;
        let forward = Forward::new(head, packet, Target::Client { tuple, hairpin });
        if tuple.transport == Transport::Udp && forward.wire_len() > MAX_DATAGRAM {
            return Err(DropReason::TooLong);
        }
        Ok(forward)
    }
}

/// The peer and the place of the data of a Send indication, relative to the message's start.
///
/// One walk over the attributes: for a client without channels this is the way of every packet.
pub(crate) fn read_send(message: &Message<'_>) -> Result<(PeerAddr, Range<usize>), DropReason> {
    let (mut peer, mut data) = (None, None);
    for attribute in message.attributes() {
        match attribute.kind {
            AttributeType::XOR_PEER_ADDRESS => peer = peer.or(Some(attribute.value)),
            AttributeType::DATA => data = data.or(Some(attribute.range())),
            // DONT-FRAGMENT among them: no datagram rather than one that may be cut up (RFC 8656
            // s11.2).
            kind if kind.is_comprehension_required() && !UNDERSTOOD.contains(&kind) => {
                return Err(DropReason::Unexpected);
            }
            _ => {}
        }
    }
    let peer = peer
        .and_then(|value| decode::xor_address(value, message.transaction_id()))
        .ok_or(DropReason::Malformed)?;
    Ok((PeerAddr(peer), data.ok_or(DropReason::Malformed)?))
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
