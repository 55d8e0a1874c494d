//! What crosses the border from the hub to its caller.

use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use hairpin_matcher::{Ticket, TicketId};

use crate::record::Record;
use crate::{CloseCode, ConnectionId, ErrorCode, NodeId, SessionId};

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
        text: Arc<str>,
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
    /// Tell another node, which has the other side of a session; there it goes to
    /// [`Hub::partner_news`](crate::Hub::partner_news).
    ToNode {
        /// Which.
        node: NodeId,
        /// The session.
        session: SessionId,
        /// What its side there is to hear.
        news: PartnerNews,
    },
    /// Something worth counting or logging.
    Event(Event),
    /// Something worth keeping, and telling an app's backend.
    Record(Record),
}

/// The types of messages to clients; `type` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MessageKind {
    /// A seat, and how to come back to it.
    Welcome,
    /// Nothing that was numbered before counts any more.
    Restart,
    /// A place in the queue.
    Queued,
    /// A partner.
    MatchFound,
    /// The session somebody is in who came back.
    Rejoined,
    /// Something from the partner.
    Signal,
    /// The partner's connection is gone; it may come back.
    PartnerAway,
    /// It has.
    PartnerBack,
    /// The end of a session.
    PartnerLeft,
    /// The end of waiting in vain.
    QueueTimeout,
    /// Fresh ICE servers.
    IceServers,
    /// The server is stopping: come back elsewhere.
    Goaway,
    /// An answer to a ping.
    Pong,
    /// How far a client's messages have arrived.
    Ack,
    /// A partner, if both agree.
    MatchOffer,
    /// The code of a room.
    RoomCreated,
    /// The end of a room's time.
    RoomClosed,
    /// Words from the partner.
    Message,
    /// A report has arrived.
    Reported,
    /// Somebody is never met again.
    Blocked,
    /// Somebody may be met again.
    Unblocked,
    /// A newer token counts.
    TokenRenewed,
    /// A token runs out soon.
    TokenExpiring,
    /// A refusal.
    Error,
}

impl MessageKind {
    /// Every one of them.
    pub const ALL: [Self; 24] = [
        Self::Welcome,
        Self::Restart,
        Self::Queued,
        Self::MatchFound,
        Self::Rejoined,
        Self::Signal,
        Self::PartnerAway,
        Self::PartnerBack,
        Self::PartnerLeft,
        Self::QueueTimeout,
        Self::IceServers,
        Self::Goaway,
        Self::Pong,
        Self::Ack,
        Self::MatchOffer,
        Self::RoomCreated,
        Self::RoomClosed,
        Self::Message,
        Self::Reported,
        Self::Blocked,
        Self::Unblocked,
        Self::TokenRenewed,
        Self::TokenExpiring,
        Self::Error,
    ];

    /// The `type` on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::Restart => "restart",
            Self::Queued => "queued",
            Self::MatchFound => "match_found",
            Self::Rejoined => "rejoined",
            Self::Signal => "signal",
            Self::PartnerAway => "partner_away",
            Self::PartnerBack => "partner_back",
            Self::PartnerLeft => "partner_left",
            Self::QueueTimeout => "queue_timeout",
            Self::IceServers => "ice_servers",
            Self::Goaway => "goaway",
            Self::Pong => "pong",
            Self::Ack => "ack",
            Self::MatchOffer => "match_offer",
            Self::RoomCreated => "room_created",
            Self::RoomClosed => "room_closed",
            Self::Message => "message",
            Self::Reported => "reported",
            Self::Blocked => "blocked",
            Self::Unblocked => "unblocked",
            Self::TokenRenewed => "token_renewed",
            Self::TokenExpiring => "token_expiring",
            Self::Error => "error",
        }
    }
}

/// What the hub asks of the matcher, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchRequest {
    /// Look for a partner: [`Matcher::insert`](hairpin_matcher::Matcher::insert).
    Seek(Box<Ticket>),
    /// Stop looking. The matcher may have matched or forgotten the ticket: that is no error.
    Unseek(TicketId),
    /// Whoever waits with this ticket agrees to what it was offered.
    Acknowledge(TicketId),
    /// Whether others are there than two who may have parted just now.
    InCompany(bool),
}

/// What the sides of a session tell each other, through the hubs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartnerNews {
    /// A signal, as it is: JSON.
    Signal(Arc<str>),
    /// Words, as its client has sent them.
    Message(Arc<str>),
    /// Its connection is gone; it may come back.
    Away,
    /// It has come back.
    Back,
    /// It has left, and the session is over.
    Left(EndReason),
}

/// The other side of a session whose seat is at another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemotePartner {
    /// Where.
    pub node: NodeId,
    /// Who.
    pub user: Arc<str>,
    /// Whether it understands more than the old wire.
    pub protocol: Protocol,
}

/// What a client understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A seat goes with its connection, and nothing is numbered.
    Plain,
    /// It has said `hello`.
    Resumable,
}

impl Protocol {
    /// The `partnerProtocol` on the wire.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Resumable => 1,
        }
    }
}

/// How a client's connection came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// The client closed it with 1000: it is not coming back.
    Goodbye,
    /// In any other way.
    Lost,
}

/// How somebody who came back was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Return {
    /// It heard what it had missed.
    Resumed,
    /// It was told how things are.
    Restarted,
    /// Its session was put together again.
    Rejoined,
    /// There was nothing to come back to.
    TooLate,
}

impl Return {
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::Resumed, Self::Restarted, Self::Rejoined, Self::TooLate];

    /// What it is called in labels.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resumed => "resumed",
            Self::Restarted => "restarted",
            Self::Rejoined => "rejoined",
            Self::TooLate => "too_late",
        }
    }
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
    /// A seat lost its connection, and stays for a while.
    Away,
    /// Somebody came back.
    Returned(Return),
    /// A match waits until a side that was silent has shown life.
    Probed,
    /// Somebody did not answer in time when it was to meet another, and has lost its place.
    Lapsed,
    /// Something that was to last could not be kept: there is too much of it.
    Full,
    /// A client was answered with an error.
    Refused(ErrorCode),
}

/// Why a session ended; `reason` in `partner_left`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename_all = "snake_case"))]
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
    #[cfg_attr(test, schemars(skip))]
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
