//! What happened, for counters and logs: the core counts nothing itself.

use hairpin_stun::Method;

use crate::{FiveTuple, Refusal, RelayedAddr, User};

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
    /// An allocation has another 5-tuple (RFC 8016): both of two, if there are two.
    Moved {
        /// The one it had.
        from: FiveTuple,
        /// The one it has. Port 0 of the client if its stream is closed and it has not come again.
        to: FiveTuple,
        /// Its relayed address.
        relayed: RelayedAddr,
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
    /// A request was answered with an error, but for [`Event::Challenged`].
    Refused {
        /// The client.
        tuple: FiveTuple,
        /// What was asked for.
        method: RequestMethod,
        /// The error sent.
        refusal: Refusal,
    },
    /// A request that proves nothing was answered with 401 and what a proof takes; every client begins like this.
    Challenged {
        /// The client.
        tuple: FiveTuple,
        /// What was asked for.
        method: RequestMethod,
    },
    /// A Binding request was answered with success.
    BindingAnswered,
    /// A packet was dropped.
    Dropped(DropReason),
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

/// A method that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestMethod {
    /// What is my address? (RFC 8489 s2)
    Binding,
    /// An allocation, please (RFC 8656 s7).
    Allocate,
    /// A longer life for it, or none (RFC 8656 s8).
    Refresh,
    /// Let peers in (RFC 8656 s10).
    CreatePermission,
    /// A number for a peer (RFC 8656 s12).
    ChannelBind,
    /// A connection to a peer (RFC 6062 s5.2).
    Connect,
    /// A stream of the client's for it (RFC 6062 s5.4).
    ConnectionBind,
}

impl RequestMethod {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Binding,
        Self::Allocate,
        Self::Refresh,
        Self::CreatePermission,
        Self::ChannelBind,
        Self::Connect,
        Self::ConnectionBind,
    ];

    /// `None` for methods that requests are not answered to.
    pub(crate) fn of(method: Method) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.method() == method)
    }

    /// The method on the wire.
    pub fn method(self) -> Method {
        match self {
            Self::Binding => Method::BINDING,
            Self::Allocate => Method::ALLOCATE,
            Self::Refresh => Method::REFRESH,
            Self::CreatePermission => Method::CREATE_PERMISSION,
            Self::ChannelBind => Method::CHANNEL_BIND,
            Self::Connect => Method::CONNECT,
            Self::ConnectionBind => Method::CONNECTION_BIND,
        }
    }

    /// What it is called in labels and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Binding => "binding",
            Self::Allocate => "allocate",
            Self::Refresh => "refresh",
            Self::CreatePermission => "create_permission",
            Self::ChannelBind => "channel_bind",
            Self::Connect => "connect",
            Self::ConnectionBind => "connection_bind",
        }
    }
}

/// Why a packet was dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DropReason {
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
    /// A request that proves nothing, from an address that has been answered too often of late.
    AnswerLimit,
    /// The user, or all users together, relay as many bytes a second as they may.
    BandwidthLimit,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Malformed,
        Self::Unexpected,
        Self::NoAllocation,
        Self::NoChannel,
        Self::NoPermission,
        Self::PeerDenied,
        Self::TooLong,
        Self::AnswerLimit,
        Self::BandwidthLimit,
    ];

    /// What it is called in labels and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unexpected => "unexpected",
            Self::NoAllocation => "no_allocation",
            Self::NoChannel => "no_channel",
            Self::NoPermission => "no_permission",
            Self::PeerDenied => "peer_denied",
            Self::TooLong => "too_long",
            Self::AnswerLimit => "answer_limit",
            Self::BandwidthLimit => "bandwidth_limit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters are kept in arrays, by the place of a variant.
    #[test]
    fn all_are_there_in_their_order() {
        assert!((0..).zip(RequestMethod::ALL).all(|(place, method)| method as usize == place));
        assert!((0..).zip(DropReason::ALL).all(|(place, reason)| reason as usize == place));
    }
}
