//! What a receiver is told.

use std::sync::Arc;
use std::time::Duration;

use hairpin_signaling::Record;
use serde_json::{Value, json};

use crate::clock::Clock;
use crate::records::{Lost, SavedWebhook};

/// Something to tell every receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Webhook {
    /// The same at every URL and every attempt: who has seen it has seen this.
    pub(super) id: Arc<str>,
    /// When it happened, since 1970.
    pub(super) created: Duration,
    /// The session, or the user where it is about no session.
    pub(super) about: Arc<str>,
    /// The JSON that is signed and sent.
    pub(super) body: Arc<str>,
}

impl Webhook {
    /// Of what happened at this time, if receivers are told of such.
    pub(super) fn of(at: Duration, record: &Record) -> Option<Self> {
        let (kind, about, data) = match record {
            Record::SessionStarted { session, users } => {
                let data = json!({ "sessionId": session.to_string(), "users": users.each_ref().map(|user| &**user) });
                ("session_started", session.to_string(), data)
            }
            Record::SessionEnded { session, users, reason, by, lasted, relayed } => {
                let id = session.to_string();
                let users = users.each_ref().map(|user| &**user);
                let data = ended(&id, users, reason.as_str(), by.as_deref(), *lasted, *relayed);
                ("session_ended", id, data)
            }
            Record::Report { session, by, about, reason } => {
                let data = json!({
                    "sessionId": session.to_string(), "by": &**by, "about": &**about, "reason": &**reason,
                });
                ("report", session.to_string(), data)
            }
            Record::Barred { user, until } => {
                let data = json!({ "userId": &**user, "until": Clock::text(*until) });
                ("barred", user.to_string(), data)
            }
            _ => return None,
        };
        Some(Self::new(at, kind, about, data))
    }

    /// Of a session that the last run left open.
    pub(super) fn of_lost(now: Duration, lost: &Lost) -> Self {
        let users = lost.users.each_ref().map(|user| &**user);
        let data = ended(&lost.session, users, lost.reason, None, lost.lasted, None);
        Self::new(now, "session_ended", lost.session.to_string(), data)
    }

    /// One that the last run did not deliver.
    pub(super) fn restored(saved: &SavedWebhook) -> Self {
        let data = serde_json::from_str::<Value>(&saved.body).unwrap_or_default();
        let of = |name: &str| data["data"][name].as_str().map(Arc::from);
        let about = of("sessionId").or_else(|| of("userId")).unwrap_or_else(|| saved.id.clone());
        Self { id: saved.id.clone(), created: saved.created, about, body: saved.body.clone() }
    }

    fn new(at: Duration, kind: &str, about: String, data: Value) -> Self {
        let id = format!("msg_{:032x}", rand::random::<u128>());
        let body = json!({ "id": id, "type": kind, "createdAt": Clock::text(at), "data": data });
        let body = body.to_string().into();
        Self { id: id.into(), created: at, about: about.into(), body }
    }
}

fn ended(
    session: &str,
    users: [&str; 2],
    reason: &str,
    by: Option<&str>,
    lasted: Duration,
    relayed: Option<bool>,
) -> Value {
    let lasted = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
    json!({
        "sessionId": session, "users": users, "reason": reason, "by": by, "durationMs": lasted, "relayed": relayed,
    })
}
