//! Why a WebSocket is closed.

/// Why a connection is closed, as its client sees it. Codes of our own lie between 4000 and 4999: below
/// 4500 the client should connect again, from 4500 on it should not until somebody asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum CloseCode {
    /// The server is stopping.
    GoingAway,
    /// A message was over the limit.
    MessageTooBig,
    /// The server, or the part of it that would answer, has failed. Issued by the caller, when it is the hub that failed.
    ServerFailed,
    /// Nothing was heard for longer than the heartbeat allows.
    HeartbeatTimeout,
    /// The client reads slower than it is sent to. Issued by the caller, who owns the socket.
    SlowReader,
    /// The client began a message and did not finish it. Issued by the caller, who reads them.
    SlowSender,
    /// The same user came by another connection.
    Replaced,
    /// The client sent more than it may.
    Flood,
    /// Its token has run out, and it brought no newer one.
    TokenExpired,
}

impl CloseCode {
    /// Every one of them.
    pub const ALL: [Self; 9] = [
        Self::GoingAway,
        Self::MessageTooBig,
        Self::ServerFailed,
        Self::HeartbeatTimeout,
        Self::SlowReader,
        Self::SlowSender,
        Self::Replaced,
        Self::Flood,
        Self::TokenExpired,
    ];

    /// The status code of the close frame (RFC 6455 s7.4).
    pub fn code(self) -> u16 {
        match self {
            Self::GoingAway => 1001,
            Self::MessageTooBig => 1009,
            Self::ServerFailed => 1011,
            Self::HeartbeatTimeout => 4000,
            Self::SlowReader => 4001,
            Self::SlowSender => 4002,
            Self::Replaced => 4500,
            Self::Flood => 4501,
            Self::TokenExpired => 4502,
        }
    }

    /// The reason of the close frame, at most 123 bytes.
    pub fn reason(self) -> &'static str {
        match self {
            Self::GoingAway => "the server is stopping",
            Self::MessageTooBig => "message too big",
            Self::ServerFailed => "the server has failed",
            Self::HeartbeatTimeout => "no sign of life",
            Self::SlowReader => "reading too slowly",
            Self::SlowSender => "a message was not finished in time",
            Self::Replaced => "connected from elsewhere",
            Self::Flood => "too many messages",
            Self::TokenExpired => "the token has run out",
        }
    }

    /// Whether the client should connect again by itself, after a random pause.
    pub fn reconnect(self) -> bool {
        match self {
            Self::GoingAway
            | Self::ServerFailed
            | Self::HeartbeatTimeout
            | Self::SlowReader
            | Self::SlowSender => true,
            Self::MessageTooBig | Self::Replaced | Self::Flood | Self::TokenExpired => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_codes_say_by_their_range_whether_to_reconnect() {
        for code in CloseCode::ALL.into_iter().filter(|code| code.code() >= 4000) {
            assert_eq!(code.reconnect(), (4000..4500).contains(&code.code()), "{code:?}");
        }
    }

    #[test]
    fn a_reason_fits_into_a_close_frame() {
        assert!(CloseCode::ALL.iter().all(|code| code.reason().len() <= 123));
    }
}
