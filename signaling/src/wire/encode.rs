//! What clients are sent.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::refusal::Refusal;
use crate::{EndReason, IceServer, MessageKind, SessionId};

/// A message to a client.
#[derive(Serialize)]
#[serde(
    tag = "type",
    content = "payload",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
pub(crate) enum ServerMessage<'a> {
    Queued {
        position: usize,
    },
    MatchFound {
        session_id: SessionId,
        partner_id: &'a str,
        is_initiator: bool,
        ice_servers: &'a [IceServer],
        ice_ttl: u64,
    },
    Signal {
        session_id: SessionId,
        signal: &'a RawValue,
    },
    PartnerLeft {
        session_id: SessionId,
        reason: EndReason,
    },
    QueueTimeout {},
    Error {
        code: &'static str,
        message: &'a str,
        temporary: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

impl ServerMessage<'_> {
    pub(crate) fn kind(&self) -> MessageKind {
        match self {
            Self::Queued { .. } => MessageKind::Queued,
            Self::MatchFound { .. } => MessageKind::MatchFound,
            Self::Signal { .. } => MessageKind::Signal,
            Self::PartnerLeft { .. } => MessageKind::PartnerLeft,
            Self::QueueTimeout {} => MessageKind::QueueTimeout,
            Self::Error { .. } => MessageKind::Error,
        }
    }

    pub(crate) fn encode(&self) -> String {
        serde_json::to_string(self).expect("string keys and infallible values serialise")
    }
}

impl<'a> From<&'a Refusal> for ServerMessage<'a> {
    fn from(Refusal { code, message, retry_after }: &'a Refusal) -> Self {
        // Upwards: who comes a fraction early is refused again.
        let retry_after_ms = retry_after
            .map(|wait| u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
        let temporary = code.temporary();
        Self::Error { code: code.as_str(), message, temporary, retry_after_ms }
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
        let found = ServerMessage::MatchFound {
            session_id,
            partner_id: "b\"",
            is_initiator: true,
            ice_servers: &servers,
            ice_ttl: 600,
        };
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
            ServerMessage::Queued { position: 1 }.encode(),
            r#"{"type":"queued","payload":{"position":1}}"#
        );
        assert_eq!(
            ServerMessage::QueueTimeout {}.encode(),
            r#"{"type":"queue_timeout","payload":{}}"#
        );
        let refusal = Refusal::new(ErrorCode::ShuttingDown, "soon");
        assert_eq!(
            ServerMessage::from(&refusal).encode(),
            r#"{"type":"error","payload":{"code":"shutting_down","message":"soon","temporary":true}}"#
        );
        let refusal = Refusal::too_often(std::time::Duration::from_micros(1_500));
        assert_eq!(
            ServerMessage::from(&refusal).encode(),
            r#"{"type":"error","payload":{"code":"too_often","message":"you ask for partners too often; ask again later","temporary":true,"retryAfterMs":2}}"#
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
