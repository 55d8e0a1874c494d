//! What the state machine asks of its caller.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use hairpin_stun::ChannelNumber;

use crate::{
    AllocationId, Bandwidth, ConnectionId, Event, Family, FiveTuple, Owner, PeerAddr, RelayedAddr,
    ReservationToken,
};

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
    /// Check the quotas, choose a random free port in the relay range, bind a socket (a TCP one
    /// listens, and what it accepts goes to
    /// [`Server::handle_accepted`](crate::Server::handle_accepted)), and answer with [`Server::handle_relay_bound`](crate::Server::handle_relay_bound).
    BindRelay {
        /// The allocation it is for.
        id: AllocationId,
        /// What it must be.
        wanted: Wanted,
        /// Whose bounds it counts against.
        owner: Owner,
    },
    /// Close the relay socket of an allocation that is gone and give back what it counted for.
    CloseRelay {
        /// The allocation; its index may be used again from now on.
        id: AllocationId,
        /// What it was.
        relayed: RelayedAddr,
        /// Whose bounds it counted against.
        owner: Owner,
    },
    /// Connect over TCP from the relayed address of an allocation to a peer, and answer with
    /// [`Server::handle_connected`](crate::Server::handle_connected), or with
    /// [`Server::handle_connection_closed`](crate::Server::handle_connection_closed).
    Connect {
        /// The connection it will be.
        id: ConnectionId,
        /// The allocation it is of.
        via: AllocationId,
        /// The peer.
        to: PeerAddr,
        /// What is known of the peer's address.
        reach: ConnectReach,
    },
    /// From now on pass bytes, as they are and both ways, between a client's stream, after the
    /// answers that wait for it, and a connection to a peer (RFC 6062 s5.4); nothing more of that
    /// stream is a frame. When it is over, tell
    /// [`Server::handle_connection_closed`](crate::Server::handle_connection_closed).
    Pipe {
        /// The client's data connection.
        client: FiveTuple,
        /// The connection to the peer.
        id: ConnectionId,
    },
    /// Close a connection to a peer, and the client's data connection to it if there is one. It
    /// needs no answer.
    CloseConnection {
        /// The connection.
        id: ConnectionId,
    },
    /// Give a stream of a client to another shard, with what has been received of it: first of all
    /// this frame, which names a connection of that shard (RFC 6062 s5.4), or an allocation (RFC
    /// 8016). Of a client over UDP, give it just this datagram.
    HandOver {
        /// The client's stream.
        client: FiveTuple,
        /// The shard's number.
        shard: usize,
        /// A frame that was taken and not been answered.
        frame: Vec<u8>,
    },
    /// From now on this shard takes the datagrams from a 5-tuple, whichever they reach: a client of
    /// its has moved there (RFC 8016). Before the answer that follows is sent, see to it that others
    /// will have heard when the client has.
    Expect {
        /// The client, over UDP.
        client: FiveTuple,
    },
    /// No longer.
    Forget {
        /// The client. It need not have been expected.
        client: FiveTuple,
    },
    /// A permission or a channel has come to be, or has another end now. See [`Path`].
    Path {
        /// The allocation it is of.
        id: AllocationId,
        /// The allocation's client.
        tuple: FiveTuple,
        /// The allocation's relayed address.
        relayed: RelayedAddr,
        /// Which peers may exchange packets with the client, and how.
        path: Path,
        /// Whether it was there before.
        change: PathChange,
        /// Until when, on the monotonic clock; not at that time any more, and without further word.
        expires: Duration,
    },
    /// Every path of an allocation is closed before its time.
    PathClosed {
        /// The allocation.
        id: AllocationId,
    },
    /// Something worth counting or logging.
    Event(Event),
}

/// A way for packets between a client and its peers, through an allocation.
///
/// Who hears every [`Output::Path`] and [`Output::PathClosed`] knows, without asking, which packets
/// the server passes on:
/// - in a Send indication, to a peer whose IP address has a permission;
/// - in ChannelData, to the peer of its channel, if that peer's IP address has a permission too (a
///   channel lives for 600 s, the permission made with it for 300 s);
/// - from a peer, if its IP address has a permission: as ChannelData if the peer has a channel, port
///   included, else in a Data indication.
///
/// What is told are the ends in effect: a path is over when its allocation is, so a Refresh that
/// moves the end of the allocation may renew paths. A path that reaches its end is not spoken of
/// again; nor is one whose allocation expires, because no path outlives that. When an allocation ends
/// before its time, one [`Output::PathClosed`] closes whatever paths it has left.
///
/// To peers at our own addresses [`OwnAddresses`](crate::OwnAddresses) and the policy apply besides:
/// a listener gets nothing, a relayed address of ours only what its allocation's own paths let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A permission: packets to and from any port of this address (RFC 8656 s9).
    Permission(IpAddr),
    /// A channel: a number for a peer (RFC 8656 s12).
    Channel {
        /// The number.
        number: ChannelNumber,
        /// The peer, port included.
        peer: PeerAddr,
    },
}

/// Whether a path is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathChange {
    /// It was not there.
    Opened,
    /// It was there, and has another end now.
    Renewed,
}

/// Where a connection to a peer may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectReach {
    /// To the address.
    Network,
    /// To the TCP allocation whose relayed address it is, or nowhere.
    Ourselves,
    /// To that allocation if there is one, else to the address.
    Either,
}

/// How peers reach a relayed address (REQUESTED-TRANSPORT, RFC 8656 s18.8, RFC 6062 s4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayTransport {
    /// In datagrams.
    Udp,
    /// Over TCP connections, each of which has a stream of the client's to itself.
    Tcp,
}

/// What a relay socket must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What peers use.
    pub transport: RelayTransport,
    /// The family asked for.
    pub family: Family,
    /// Which port.
    pub port: WantedPort,
}

/// Which port an allocation asks for (RFC 8656 s7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantedPort {
    /// Any that is free.
    Any,
    /// An even one (EVEN-PORT with R=0, RFC 8656 s18.7).
    Even,
    /// An even one, with the next one held for somebody who knows [`Bound::reserved`] (R=1).
    EvenWithNext,
    /// The one that is held under a token, of whatever family that is.
    Reserved(ReservationToken),
}

/// A relay socket that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What peers see.
    pub relayed: RelayedAddr,
    /// Under which the next port is held, where that was wanted.
    pub reserved: Option<ReservationToken>,
    /// What bounds its packets.
    pub bandwidth: Bandwidth,
}

impl From<RelayedAddr> for Bound {
    fn from(relayed: RelayedAddr) -> Self {
        Self { relayed, reserved: None, bandwidth: Bandwidth::default() }
    }
}

/// Why a relay socket could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindError {
    /// The user holds as many allocations as it may: 486.
    UserQuota,
    /// The client's network holds as many allocations as it may: 486.
    AddressQuota,
    /// The server holds as many allocations as it may: 486.
    TotalQuota,
    /// No port, no file descriptor, or the server is shutting down: 508.
    Capacity,
}

impl BindError {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::UserQuota, Self::AddressQuota, Self::TotalQuota, Self::Capacity];

    /// What it is called in labels and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::UserQuota => "user",
            Self::AddressQuota => "address",
            Self::TotalQuota => "total",
            Self::Capacity => "capacity",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters are kept in arrays, by the place of a variant.
    #[test]
    fn all_bind_errors_are_there_in_their_order() {
        assert!((0..).zip(BindError::ALL).all(|(place, error)| error as usize == place));
    }
}
