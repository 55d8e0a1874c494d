//! What clients are sent.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::refusal::Refusal;
use crate::{EndReason, IceServer, MessageKind, SessionId};

/// A message to a client.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(
    tag = "type",
    content = "payload",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub(crate) enum ServerMessage<'a> {
    /// You have a seat.
    Welcome {
        /// Names the server's present life: numbers and resume tokens of another one count no more.
        epoch: &'a str,
        /// By which you come back. Each is used once.
        resume_token: &'a str,
        /// Whether you are where you were: what you missed follows. Else a `restart` follows if you had asked to resume.
        resumed: bool,
        /// The last `id` of yours that has arrived.
        received: u64,
        /// How long your seat outlives a connection.
        resume_window_ms: u64,
        ping_ms: PingIntervals,
    },
    /// What was numbered before does not count any more; what is the case follows.
    Restart { reason: RestartReason },
    /// You wait. Said when it changes, at most once a second.
    Queued {
        /// 1 is the next to be matched.
        position: u32,
        /// How many wait where you do, yourself included.
        waiting: u32,
        /// How long it may take, where that can be guessed.
        #[serde(skip_serializing_if = "Option::is_none")]
        eta_ms: Option<u64>,
        /// Goes into a later `join_queue`, at whichever server, for your seniority.
        #[serde(skip_serializing_if = "Option::is_none")]
        place_token: Option<&'a str>,
    },
    /// Somebody is there for you. Answer `accept`, or anything: who does not loses its place. Not numbered: whoever is
    /// away is not met.
    MatchOffer { within_ms: u64 },
    /// You have a partner.
    MatchFound(Match<'a>),
    /// You are in this session: the connection you have with your partner goes on.
    Rejoined {
        #[serde(flatten)]
        of: Match<'a>,
        /// Whether your partner has yet to come back.
        partner_away: bool,
    },
    /// From your partner, as it was sent.
    Signal {
        session_id: SessionId,
        #[cfg_attr(test, schemars(with = "serde_json::Value"))]
        signal: &'a RawValue,
    },
    /// Your partner has lost its WebSocket. Media may flow all the same.
    PartnerAway { session_id: SessionId },
    /// Your partner's WebSocket has come back.
    PartnerBack { session_id: SessionId },
    /// The session is over, and you are not in the queue.
    PartnerLeft { session_id: SessionId, reason: EndReason },
    /// You are not in the queue any more.
    QueueTimeout {
        /// Absent: nobody came in time.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<TimeoutReason>,
    },
    /// You have a room, and wait in it.
    RoomCreated {
        /// For whomever you want to meet there.
        code: &'a str,
        expires_in_ms: u64,
    },
    /// The room's time is over, and you do not wait in it any more.
    RoomClosed { code: &'a str },
    /// From your partner.
    Message { session_id: SessionId, text: &'a str },
    /// Your report has arrived.
    Reported { session_id: SessionId },
    /// You will not meet this user again.
    Blocked { user_id: &'a str },
    /// You may meet this user again.
    Unblocked { user_id: &'a str },
    /// The newer token counts.
    TokenRenewed { expires_in_ms: u64 },
    /// Your token runs out: bring a newer one with `renew_token`.
    TokenExpiring { expires_in_ms: u64 },
    /// Fresh ones for the session you are in.
    IceServers {
        /// For `RTCPeerConnection.setConfiguration`.
        ice_servers: &'a [IceServer],
        /// For how many seconds their credentials are accepted.
        ice_ttl: u64,
    },
    /// The server is stopping: close with 4900 and connect again after so long.
    Goaway { retry_after_ms: u64 },
    /// The server is there.
    Pong {},
    /// Your messages up to this one have arrived.
    Ack { id: u64 },
    /// A request was refused. The connection stays open unless a close follows.
    Error {
        #[cfg_attr(test, schemars(with = "crate::ErrorCode"))]
        code: &'static str,
        /// For people; may change.
        message: &'a str,
        /// Whether the same request may succeed later.
        temporary: bool,
        /// When, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
        /// The number of the message that is refused, if it had one.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<u64>,
    },
}

/// A session, as one of its sides sees it.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct Match<'a> {
    pub(crate) session_id: SessionId,
    pub(crate) partner_id: &'a str,
    /// Exactly one of the two makes the offer.
    pub(crate) is_initiator: bool,
    /// For `new RTCPeerConnection`, yours alone.
    pub(crate) ice_servers: &'a [IceServer],
    /// For how many seconds their credentials are accepted.
    pub(crate) ice_ttl: u64,
    /// 1 if the partner has said `hello`, else 0. For who has said so itself, as the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(max = 1)))]
    pub(crate) partner_protocol: Option<u8>,
    /// Signed: goes into every `hello` while the session lasts, and puts it together again at a server that knows nothing of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pair_token: Option<&'a str>,
}

/// How often a client is to ask whether its connection is alive, in milliseconds.
#[derive(Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct PingIntervals {
    /// While it waits, or sets a call up.
    pub(crate) setup: u64,
    /// Otherwise.
    pub(crate) idle: u64,
}

impl Default for PingIntervals {
    fn default() -> Self {
        Self { setup: 3_000, idle: 15_000 }
    }
}

/// Why somebody does not wait any more, where it is not for the time that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum TimeoutReason {
    /// It was to meet somebody and did not answer.
    Unanswered,
}

/// Why somebody who came back begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub(crate) enum RestartReason {
    /// Its seat was at another server, or at this one before it was started anew.
    ServerRestarted,
    /// There is no such seat, or no more.
    Expired,
    /// More was said to it than is kept.
    MissedTooMuch,
    /// It has forgotten what it heard, and asks how things are.
    StateAsked,
}

impl ServerMessage<'_> {
    pub(crate) fn kind(&self) -> MessageKind {
        match self {
            Self::Welcome { .. } => MessageKind::Welcome,
            Self::Restart { .. } => MessageKind::Restart,
            Self::Queued { .. } => MessageKind::Queued,
            Self::MatchFound(_) => MessageKind::MatchFound,
            Self::Rejoined { .. } => MessageKind::Rejoined,
            Self::Signal { .. } => MessageKind::Signal,
            Self::PartnerAway { .. } => MessageKind::PartnerAway,
            Self::PartnerBack { .. } => MessageKind::PartnerBack,
            Self::PartnerLeft { .. } => MessageKind::PartnerLeft,
            Self::QueueTimeout { .. } => MessageKind::QueueTimeout,
            Self::MatchOffer { .. } => MessageKind::MatchOffer,
            Self::RoomCreated { .. } => MessageKind::RoomCreated,
            Self::RoomClosed { .. } => MessageKind::RoomClosed,
            Self::Message { .. } => MessageKind::Message,
            Self::Reported { .. } => MessageKind::Reported,
            Self::Blocked { .. } => MessageKind::Blocked,
            Self::Unblocked { .. } => MessageKind::Unblocked,
            Self::TokenRenewed { .. } => MessageKind::TokenRenewed,
            Self::TokenExpiring { .. } => MessageKind::TokenExpiring,
            Self::IceServers { .. } => MessageKind::IceServers,
            Self::Goaway { .. } => MessageKind::Goaway,
            Self::Pong {} => MessageKind::Pong,
            Self::Ack { .. } => MessageKind::Ack,
            Self::Error { .. } => MessageKind::Error,
        }
    }

    pub(crate) fn encode(&self) -> String {
        serde_json::to_string(self).expect("string keys and infallible values serialise")
    }

    /// With its number in front, for a client that counts.
    pub(crate) fn numbered(&self, seq: u64) -> String {
        let text = self.encode();
        format!("{{\"seq\":{seq},{}", &text[1..])
    }
}

impl<'a> From<&'a Refusal> for ServerMessage<'a> {
    fn from(Refusal { code, message, retry_after, id }: &'a Refusal) -> Self {
        // Upwards: who comes a fraction early is refused again.
        let retry_after_ms = retry_after
            .map(|wait| u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        let temporary = code.temporary();
        Self::Error { code: code.as_str(), message, temporary, retry_after_ms, id: *id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorCode;
    use crate::ids::SessionIds;

    #[test]
    fn messages_have_exactly_the_names_of_the_protocol() {
        let session_id = SessionIds::new([0; 2]).next();
        let servers = [
            IceServer { urls: vec!["stun:h:3478".into()], username: None, credential: None },
            IceServer {
                urls: vec!["turn:h:3478".into()],
                username: Some("u".into()),
                credential: Some("c".into()),
            },
        ];
        let found = ServerMessage::MatchFound(Match {
            session_id,
            partner_id: "b\"",
            is_initiator: true,
            ice_servers: &servers,
            ice_ttl: 600,
            partner_protocol: None,
            pair_token: None,
        });
        assert_eq!(
            found.encode(),
            format!(
                r#"{{"type":"match_found","payload":{{"sessionId":"{session_id}","partnerId":"b\"","isInitiator":true,{}{}"#,
                r#""iceServers":[{"urls":["stun:h:3478"]},{"urls":["turn:h:3478"],"username":"u","credential":"c"}],"#,
                r#""iceTtl":600}}"#
            )
        );
        let left = ServerMessage::PartnerLeft { session_id, reason: EndReason::Skipped }.encode();
        assert_eq!(
            left,
            format!(
                r#"{{"type":"partner_left","payload":{{"sessionId":"{session_id}","reason":"skipped"}}}}"#
            )
        );
        assert_eq!(
            ServerMessage::Queued { position: 1, waiting: 7, eta_ms: None, place_token: None }
                .encode(),
            r#"{"type":"queued","payload":{"position":1,"waiting":7}}"#
        );
        assert_eq!(
            ServerMessage::QueueTimeout { reason: None }.encode(),
            r#"{"type":"queue_timeout","payload":{}}"#
        );
        let refusal = Refusal::new(ErrorCode::ShuttingDown, "soon");
        assert_eq!(
            ServerMessage::from(&refusal).encode(),
            r#"{"type":"error","payload":{"code":"shutting_down","message":"soon","temporary":true}}"#
        );
        let refusal = Refusal::too_often("skip", std::time::Duration::from_micros(1_500));
        assert_eq!(
            ServerMessage::from(&refusal).encode(),
            r#"{"type":"error","payload":{"code":"too_often","message":"you skip too often; do it again later","temporary":true,"retryAfterMs":2}}"#
        );
        assert_eq!(
            ServerMessage::PartnerAway { session_id }.numbered(12),
            format!(
                r#"{{"seq":12,"type":"partner_away","payload":{{"sessionId":"{session_id}"}}}}"#
            )
        );
        let raw = RawValue::from_string("{ \"x\": [1, 2] }".into()).expect("JSON");
        assert_eq!(
            ServerMessage::Signal { session_id, signal: &raw }.encode(),
            format!(
                r#"{{"type":"signal","payload":{{"sessionId":"{session_id}","signal":{{ "x": [1, 2] }}}}}}"#
            )
        );
    }
}
