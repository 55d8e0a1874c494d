//! What crosses the border between the state machine and its caller.

use alloc::sync::Arc;
use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use crate::{Network, pseudonym};

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
    /// A byte stream; framed by the caller with [`hairpin_stun::Reader`] (RFC 8656 s12.5).
    Tcp,
    /// The same under TLS.
    Tls,
    /// Datagrams under DTLS.
    Dtls,
}

impl Transport {
    /// Whether it is a byte stream, in which ChannelData is padded and whose client has shown that its address is its own.
    pub fn is_stream(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
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

/// A connection between a relayed address and a peer, of a TCP allocation (RFC 6062 s3): CONNECTION-ID on the wire. Of a
/// number of shards the one that has it is told by the number alone: the remainder of a division by how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId(pub u32);

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

/// Whose allocation it is, for quotas. Shared, so that an allocation costs a pointer.
///
/// A static user and a REST id of the same text are different people: anybody may be given a REST
/// name of any id.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum User {
    /// A static user, by name.
    Static(Arc<str>),
    /// Whoever REST credentials were issued to, by the id in the username.
    Rest(Arc<str>),
}

impl User {
    /// Whether the name is one that a server of ours made up, which anybody is given who asks, and as many as it asks for.
    pub fn is_pseudonym(&self) -> bool {
        matches!(self, Self::Rest(id) if id.starts_with(pseudonym::MARK))
    }
}

/// Whom an allocation is counted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// By name.
    pub user: User,
    /// By where the client is.
    pub network: Network,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Static(name) | Self::Rest(name)) = self;
        f.write_str(name)
    }
}
