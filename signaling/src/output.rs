//! What crosses the border from the hub to its caller.

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::{CloseCode, ConnectionId, ErrorCode, TicketId};

/// What the caller must carry out, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a text message.
    Send {
        /// The recipient.
        to: ConnectionId,
        /// What it says.
        kind: MessageKind,
        /// JSON.
        text: String,
    },
    /// Send a WebSocket ping.
    Ping {
        /// The recipient.
        to: ConnectionId,
    },
    /// Send what is still to be sent, then a close frame, then close the socket. The hub has already
    /// forgotten the connection; telling it of the disconnect is allowed and changes nothing.
    Close {
        /// Whose socket.
        to: ConnectionId,
        /// Why.
        code: CloseCode,
    },
    /// Something worth counting or logging.
    Event(Event),
}

/// The types of messages to clients; `type` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageKind {
    /// A place in the queue.
    Queued,
    /// A partner.
    MatchFound,
    /// Something from the partner.
    Signal,
    /// The end of a session.
    PartnerLeft,
    /// The end of waiting in vain.
    QueueTimeout,
    /// A refusal.
    Error,
}

impl MessageKind {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::MatchFound,
        Self::Signal,
        Self::PartnerLeft,
        Self::QueueTimeout,
        Self::Error,
    ];

    /// The `type` on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::MatchFound => "match_found",
            Self::Signal => "signal",
            Self::PartnerLeft => "partner_left",
            Self::QueueTimeout => "queue_timeout",
            Self::Error => "error",
        }
    }
}

/// What the hub asks of the matcher, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchRequest {
    /// Look for a partner.
    Seek(Seek),
    /// Stop looking. The matcher may have matched or forgotten the ticket: that is no error.
    Unseek(TicketId),
}

/// A user who looks for a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seek {
    /// The name under which [`Hub::queued`](crate::Hub::queued) and [`Hub::matched`](crate::Hub::matched) answer.
    pub ticket: TicketId,
    /// Who; never matched with itself.
    pub user: Arc<str>,
    /// The `matchMode`: only users of the same pool meet.
    pub pool: Arc<str>,
    /// When to give up, and say so by [`Hub::expired`](crate::Hub::expired).
    pub expires: Duration,
}

/// Something that happened, for counters and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A connection came.
    Connected,
    /// A connection went: its client closed it, or a [`Event::Closed`] of ours came before.
    Disconnected,
    /// The hub closed a connection.
    Closed(CloseCode),
    /// A user entered the queue.
    Queued,
    /// A user was matched; emitted once for each side.
    Matched {
        /// The time from entering the queue to the match.
        waited: Duration,
    },
    /// A user waited in vain.
    QueueTimeout,
    /// Two users were put together.
    SessionStarted,
    /// A session ended.
    SessionEnded {
        /// Why.
        reason: EndReason,
        /// How long it was.
        lasted: Duration,
    },
    /// A client was answered with an error.
    Refused(ErrorCode),
}

/// Why a session ended; `reason` in `partner_left`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndReason {
    /// The partner looks for somebody else.
    Skipped,
    /// The partner stopped.
    Ended,
    /// The partner's connection is gone.
    Disconnected,
    /// The partner came by another connection.
    Replaced,
    /// The session had its time.
    Expired,
    /// The server is stopping; the clients hear `shutting_down` instead.
    Shutdown,
}

impl EndReason {
    /// Every one of them.
    pub const ALL: [Self; 6] = [
        Self::Skipped,
        Self::Ended,
        Self::Disconnected,
        Self::Replaced,
        Self::Expired,
        Self::Shutdown,
    ];

    /// The reason on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ended => "ended",
            Self::Disconnected => "disconnected",
            Self::Replaced => "replaced",
            Self::Expired => "expired",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Serialize for EndReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
