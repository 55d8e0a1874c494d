//! What the state machine asks of its caller.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use hairpin_stun::ChannelNumber;

use crate::{AllocationId, Event, Family, FiveTuple, PeerAddr, RelayedAddr, User};

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
    /// A permission or a channel has come to be, or is good for longer. See [`Path`].
    Path {
        /// The allocation it is of.
        id: AllocationId,
        /// Which peers may now exchange packets with the client, and how.
        path: Path,
        /// Whether it was there before.
        change: PathChange,
        /// Until when, on the monotonic clock; its end needs no further word.
        expires: Duration,
    },
    /// Every path of an allocation that has not reached its end is closed before it.
    PathClosed {
        /// The allocation.
        id: AllocationId,
    },
    /// Something worth counting or logging.
    Event(Event),
}

/// A way for packets between a client and its peers, through an allocation.
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
