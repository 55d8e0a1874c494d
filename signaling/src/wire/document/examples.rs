//! Every message of the server, with as little and as much in it as there may be.

use serde_json::value::RawValue;

use super::super::encode::{Match, PingIntervals, RestartReason, ServerMessage, TimeoutReason};
use crate::ids::SessionIds;
use crate::refusal::Refusal;
use crate::{EndReason, ErrorCode, IceServer, SessionId};

/// What messages borrow from.
pub(super) struct Parts {
    session_id: SessionId,
    none: Vec<IceServer>,
    servers: Vec<IceServer>,
    signals: [Box<RawValue>; 2],
    refusals: Vec<Refusal>,
}

impl Parts {
    pub(super) fn new() -> Self {
        let turn = |scheme: &str| IceServer {
            urls: vec![format!("{scheme}:call.example:3478")],
            username: Some("1700000000:ann".into()),
            credential: Some("b3BlbiBzZXNhbWU=".into()),
        };
        let stun = IceServer {
            urls: vec!["stun:call.example:3478".into()],
            username: None,
            credential: None,
        };
        let raw = |text: &str| RawValue::from_string(text.into()).expect("it is JSON");
        let plain = ErrorCode::ALL.into_iter().map(|code| Refusal::new(code, "in words"));
        let full = Refusal {
            id: Some(7),
            ..Refusal::too_often(
                "you ask too often; ask again later",
                std::time::Duration::from_millis(1_500),
            )
        };
        Self {
            session_id: SessionIds::new([1, 2]).next(),
            none: Vec::new(),
            servers: vec![stun, turn("turn"), turn("turns")],
            signals: [raw("null"), raw(r#"{"description":{"type":"offer","sdp":"v=0"}}"#)],
            refusals: plain.chain([full]).collect(),
        }
    }

    /// Each with the name it goes by.
    pub(super) fn messages(&self) -> Vec<(&'static str, ServerMessage<'_>)> {
        use ServerMessage::*;
        let Self { session_id, .. } = *self;
        let (code, text) = ("K7QM2ZT4", "hello there");
        let bare = || Match {
            session_id,
            partner_id: "bob",
            is_initiator: false,
            ice_servers: &self.none,
            ice_ttl: 0,
            partner_protocol: None,
            pair_token: None,
        };
        let full = || Match {
            session_id,
            partner_id: "bob \"the builder\"",
            is_initiator: true,
            ice_servers: &self.servers,
            ice_ttl: 600,
            partner_protocol: Some(1),
            pair_token: Some("cGFpcg.c2lnbmVk"),
        };
        let [none, offer] = &self.signals;
        let mut all = vec![
            (
                "minimal",
                Welcome {
                    epoch: "e1",
                    resume_token: "r1",
                    resumed: false,
                    received: 0,
                    resume_window_ms: 0,
                    ping_ms: PingIntervals::default(),
                },
            ),
            (
                "full",
                Welcome {
                    epoch: "e1",
                    resume_token: "r2",
                    resumed: true,
                    received: 12,
                    resume_window_ms: 30_000,
                    ping_ms: PingIntervals::default(),
                },
            ),
            ("minimal", Queued { position: 1, waiting: 1, eta_ms: None, place_token: None }),
            (
                "full",
                Queued {
                    position: 3,
                    waiting: 40,
                    eta_ms: Some(4_500),
                    place_token: Some("cGxhY2U.c2lnbmVk"),
                },
            ),
            ("full", MatchOffer { within_ms: 3_000 }),
            ("minimal", MatchFound(bare())),
            ("full", MatchFound(full())),
            ("minimal", Rejoined { of: bare(), partner_away: false }),
            ("full", Rejoined { of: full(), partner_away: true }),
            ("null", Signal { session_id, signal: none }),
            ("full", Signal { session_id, signal: offer }),
            ("full", PartnerAway { session_id }),
            ("full", PartnerBack { session_id }),
            ("minimal", QueueTimeout { reason: None }),
            ("full", QueueTimeout { reason: Some(TimeoutReason::Unanswered) }),
            ("full", RoomCreated { code, expires_in_ms: 600_000 }),
            ("full", RoomClosed { code }),
            ("full", Message { session_id, text }),
            ("full", Reported { session_id }),
            ("full", Blocked { user_id: "bob" }),
            ("full", Unblocked { user_id: "bob" }),
            ("full", TokenRenewed { expires_in_ms: 3_600_000 }),
            ("full", TokenExpiring { expires_in_ms: 60_000 }),
            ("full", IceServers { ice_servers: &self.servers, ice_ttl: 600 }),
            ("full", Goaway { retry_after_ms: 1_234 }),
            ("full", Pong {}),
            ("full", Ack { id: 4 }),
        ];
        for (name, reason) in [
            ("server_restarted", RestartReason::ServerRestarted),
            ("expired", RestartReason::Expired),
            ("missed_too_much", RestartReason::MissedTooMuch),
            ("state_asked", RestartReason::StateAsked),
        ] {
            all.push((name, Restart { reason }));
        }
        for reason in EndReason::ALL.into_iter().filter(|reason| *reason != EndReason::Shutdown) {
            all.push((reason.as_str(), PartnerLeft { session_id, reason }));
        }
        for refusal in &self.refusals {
            let name = if refusal.id.is_some() { "full" } else { refusal.code.as_str() };
            all.push((name, refusal.into()));
        }
        all
    }
}
