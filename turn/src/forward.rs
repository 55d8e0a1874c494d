//! What is passed on at once: the packet that came, with another head, or none.

use hairpin_stun::{Head, PacketBuf};

use crate::{AllocationId, FiveTuple, PeerAddr, RelayedAddr};

/// A packet to pass on: a header beside the payload, which has not moved.
///
/// [`into_bytes`](Self::into_bytes) puts them together in the payload's buffer. Who can gather sends
/// [`head`](Self::head), [`payload`](Self::payload) and [`padding`](Self::padding) one after the
/// other and leaves the buffer as it is.
#[derive(Debug)]
pub struct Forward<'b> {
    head: Head,
    packet: PacketBuf<'b>,
    /// Whether it may be cut up on its way. Means nothing unless it leaves towards a peer.
    pub fragmentation: Fragmentation,
    /// Where it goes.
    pub to: Target,
}

impl<'b> Forward<'b> {
    #[inline]
    pub(crate) fn new(head: Head, packet: PacketBuf<'b>, to: Target) -> Self {
        Self { head, packet, fragmentation: Fragmentation::Allowed, to }
    }

    #[inline]
    pub(crate) fn to_peer(packet: PacketBuf<'b>, to: Target, fragmentation: Fragmentation) -> Self {
        Self { head: Head::EMPTY, packet, fragmentation, to }
    }

    /// What goes in front of the payload, at most [`HEADROOM`](crate::HEADROOM) bytes; empty unless
    /// it goes to a client.
    #[inline]
    pub fn head(&self) -> &[u8] {
        self.head.as_ref()
    }

    /// The payload.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        self.packet.payload()
    }

    /// The zeros that go behind the payload, at most [`TAILROOM`](crate::TAILROOM) bytes.
    #[inline]
    pub fn padding(&self) -> &'static [u8] {
        self.head.padding()
    }

    /// Bytes of all three.
    #[inline]
    pub fn wire_len(&self) -> usize {
        self.head().len() + self.payload().len() + self.padding().len()
    }

    /// The payload with the room around it, for [`Server::handle_partner`](crate::Server::handle_partner).
    #[inline]
    pub fn into_packet(self) -> PacketBuf<'b> {
        self.packet
    }

    /// The whole packet as it goes over the wire, in the buffer of its payload.
    #[inline]
    pub fn into_bytes(self) -> &'b [u8] {
        self.packet.enclose(&self.head)
    }
}

/// Whether a datagram may be cut up on its way to a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragmentation {
    /// It may: the DF bit is clear.
    #[default]
    Allowed,
    /// It is lost rather than cut up (DONT-FRAGMENT, RFC 8656 s11.2): the DF bit is set, or over IPv6
    /// it is not fragmented here.
    Forbidden,
}

/// Where a [`Forward`] goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// To a client of this shard, from the address at which it reaches the server.
    Client {
        /// The client's 5-tuple.
        tuple: FiveTuple,
        /// Whether the packet came from another allocation of this shard (and not from a relay
        /// socket).
        hairpin: bool,
    },
    /// To a peer, from this allocation's relay socket.
    Peer {
        /// The allocation whose relay socket sends.
        via: AllocationId,
        /// The peer.
        to: PeerAddr,
    },
    /// To a peer of an allocation that shares its relayed address: ask [`shared`](crate::shared) whether it leaves through
    /// the shared socket, or whose here it is.
    Shared {
        /// The allocation that sends.
        via: AllocationId,
        /// The peer; the shared address itself for other allocations.
        to: PeerAddr,
    },
    /// To one of our own relay addresses, but not of this shard's allocations: hand the bytes to
    /// the shard that owns `to`, which takes them in
    /// [`Server::handle_relayed`](crate::Server::handle_relayed) as coming from `from`.
    Hairpin {
        /// The relayed address aimed at.
        to: RelayedAddr,
        /// The sending allocation's own relayed address.
        from: RelayedAddr,
        /// When no shard owns `to`: send through this allocation's relay socket, or drop if `None`,
        /// because the policy does not explicitly allow the address as an ordinary peer.
        otherwise: Option<AllocationId>,
    },
}
