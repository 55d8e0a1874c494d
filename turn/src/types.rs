//! What crosses the border between the state machine and its caller.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::Range;
use core::time::Duration;

/// Bytes that must be free in front of every datagram handed in: room for the largest header
/// written in place, a Data indication with an IPv6 peer (20 + 24 + 4).
pub const HEADROOM: usize = 48;

/// Bytes that must be free after every datagram handed in: a DATA attribute's padding (RFC 8489
/// s14).
pub const TAILROOM: usize = 3;

/// The two clocks, both read by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Time since any fixed origin; never goes back. All lifetimes are counted on it.
    pub monotonic: Duration,
    /// Seconds since 1970-01-01 UTC, for nonces and REST usernames, which other machines issue and
    /// read.
    pub unix: u64,
}

/// How a client reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams; a message each.
    Udp,
    /// A byte stream; framed by the caller with `hairpin_stun::frame` (RFC 8656 s12.5).
    Tcp,
}

/// "The combination of the client IP address and port, server IP address and port, and transport
/// protocol" (RFC 8656 s3): what identifies an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FiveTuple {
    /// The transport between client and server.
    pub transport: Transport,
    /// The client's address as the server sees it.
    pub client: SocketAddr,
    /// The server's address at which the client's packets arrive, and from which answers leave.
    pub server: SocketAddr,
}

/// A relayed transport address (RFC 8656 s3) in its advertised form: what peers see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelayedAddr(pub SocketAddr);

/// The address of a peer as the relay sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerAddr(pub SocketAddr);

/// An allocation of one shard. The index is dense and reused, so a caller can keep its sockets in a
/// vector; the generation tells a reused index from the allocation that had it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AllocationId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl AllocationId {
    /// A small number, unique among the shard's live allocations.
    pub fn index(self) -> usize {
        self.index as usize
    }

    /// Both halves in one number, for use as an event token.
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The inverse of [`AllocationId::to_u64`].
    pub fn from_u64(token: u64) -> Self {
        Self { index: token as u32, generation: (token >> 32) as u32 }
    }
}

/// An address family a client can ask a relayed address of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Family {
    /// 0x01
    V4,
    /// 0x02
    V6,
}

impl Family {
    /// The family of an address.
    pub fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// Whose allocation it is, for quotas: the username, or for REST credentials what follows the
/// colon. Shared, so that an allocation costs a pointer.
pub type User = Arc<str>;

/// A packet to pass on: `range` of the buffer that was handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Which bytes of the buffer to send. Headers are already in place.
    pub range: Range<usize>,
    /// Where they go.
    pub to: Target,
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
    /// To one of our own relay addresses, but not of this shard's allocations: hand the bytes to
    /// the shard that owns `to`, which takes them in
    /// [`Server::handle_relayed`](crate::Server::handle_relayed) as coming from `from`.
    Hairpin {
        /// The relayed address aimed at.
        to: RelayedAddr,
        /// The sending allocation's own relayed address.
        from: RelayedAddr,
        /// When no shard owns `to`: send through this allocation's relay socket, or drop if `None`,
        /// because the policy does not allow the address as an ordinary peer.
        otherwise: Option<AllocationId>,
    },
}

/// What the caller must carry out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a STUN message to a client, from `to.server`.
    Transmit {
        /// The client's 5-tuple.
        to: FiveTuple,
        /// The whole message.
        bytes: Vec<u8>,
    },
    /// Check the quotas, choose a random free port in the relay range, bind a socket, and answer
    /// with [`Server::handle_relay_bound`](crate::Server::handle_relay_bound).
    BindRelay {
        /// The allocation it is for.
        id: AllocationId,
        /// The family asked for.
        family: Family,
        /// Whether the port must be even (EVEN-PORT, RFC 8656 s18.7).
        even_port: bool,
        /// Whose quota it counts against.
        user: User,
    },
    /// Close the relay socket of an allocation that is gone and give its quota back.
    CloseRelay {
        /// The allocation; its index may be used again from now on.
        id: AllocationId,
        /// What it was.
        relayed: RelayedAddr,
        /// Whose quota it counted against.
        user: User,
    },
    /// Something worth counting or logging.
    Event(Event),
}

/// Why a relay socket could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindError {
    /// The user holds as many allocations as it may: 486.
    UserQuota,
    /// The server holds as many allocations as it may: 486.
    TotalQuota,
    /// No port, no file descriptor, or the server is shutting down: 508.
    Capacity,
}

/// Something that happened, for counters and logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An allocation came to be.
    Allocated {
        /// Its 5-tuple.
        tuple: FiveTuple,
        /// Its relayed address.
        relayed: RelayedAddr,
        /// Whose it is.
        user: User,
    },
    /// An allocation went.
    Released {
        /// Its 5-tuple.
        tuple: FiveTuple,
        /// Its relayed address.
        relayed: RelayedAddr,
        /// Why.
        reason: ReleaseReason,
    },
    /// A request was answered with an error.
    Refused {
        /// The client.
        tuple: FiveTuple,
        /// The STUN method number.
        method: u16,
        /// The ERROR-CODE sent.
        code: u16,
    },
    /// A Binding request was answered.
    Bound,
    /// A packet was dropped.
    Dropped(Drop),
}

/// Why an allocation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReleaseReason {
    /// Its lifetime ran out.
    Expired,
    /// A Refresh with LIFETIME 0.
    Deleted,
    /// The client's TCP connection closed.
    Disconnected,
}

/// Why a packet was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drop {
    /// Neither STUN nor ChannelData, or broken in its framing.
    Malformed,
    /// A STUN message that no server answers: an unknown method, a response, an indication not for
    /// us.
    Unexpected,
    /// ChannelData or an indication on a 5-tuple without an allocation.
    NoAllocation,
    /// ChannelData on a number that is not bound.
    NoChannel,
    /// No live permission for the peer.
    NoPermission,
    /// The peer's address is not allowed.
    PeerDenied,
    /// Too long for one datagram to the client once its header is in front.
    TooLong,
}
