//! Users: what they do, who is barred, who is blocked, and what a backend says of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use hairpin_signaling::{Denied, Doing, Hub, MAX_USER_LEN, PushedProfile, Whereabouts};
use serde_json::{Value, json};

use super::answers::{self, Named, Problem};
use crate::clock::Clock;
use crate::signaling::HubHandle;

type Body = Result<Bytes, BytesRejection>;

pub(super) async fn show(
    State(hub): State<HubHandle>,
    Named(id): Named<String>,
) -> Result<Json<Value>, Problem> {
    let user = user(&id)?;
    let asked = user.clone();
    let known = hub.administer(move |now, hub| (hub.whereabouts(now, &asked), now));
    let (Whereabouts { is_connected, doing, barred_until, reporters }, now) = known.await?;
    let (state, session, waited) = match doing {
        Doing::Nothing => ("absent", None, None),
        Doing::Idle => ("idle", None, None),
        Doing::Waiting { since } => ("waiting", None, Some(now.saturating_sub(since))),
        Doing::InRoom => ("in_room", None, None),
        Doing::InSession(session) => ("in_session", Some(session.to_string()), None),
    };
    let waited = waited.map(|waited| u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
    Ok(Json(json!({
        "userId": &*user, "connected": is_connected, "state": state, "sessionId": session,
        "waitingMs": waited, "barredUntil": barred_until.map(Clock::text), "reporters": reporters,
    })))
}

pub(super) async fn bar(
    State(hub): State<HubHandle>,
    Named(id): Named<String>,
) -> Result<Json<Value>, Problem> {
    let user = user(&id)?;
    let asked = user.clone();
    let until = hub.administer(move |now, hub| hub.barred_until(now, &asked)).await?;
    until.map(|until| barred(&user, until)).ok_or_else(not_barred)
}

pub(super) async fn set_bar(
    State(hub): State<HubHandle>,
    Named(id): Named<String>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let user = user(&id)?;
    let length = Length::read(&answers::body(body)?)?;
    let asked = user.clone();
    let done = hub.administer(move |now, hub| {
        let until = length.until(now);
        hub.bar(now, &asked, until).map(|()| until)
    });
    Ok(barred(&user, done.await??))
}

pub(super) async fn lift_bar(
    State(hub): State<HubHandle>,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    let user = user(&id)?;
    let lifted = hub.administer(move |now, hub| hub.unbar(now, &user)).await?;
    if lifted { Ok(StatusCode::NO_CONTENT) } else { Err(not_barred()) }
}

pub(super) async fn blocks(
    State(hub): State<HubHandle>,
    Named(id): Named<String>,
) -> Result<Json<Value>, Problem> {
    let user = user(&id)?;
    let asked = user.clone();
    let blocks = hub.administer(move |_, hub| hub.blocks_of(&asked).collect::<Vec<_>>()).await?;
    Ok(blocked(&user, &blocks))
}

pub(super) async fn set_blocks(
    State(hub): State<HubHandle>,
    Named(id): Named<String>,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let user = user(&id)?;
    let wanted = block_list(&answers::body(body)?)?;
    let asked = user.clone();
    let done = hub.administer(move |now, hub| replace_blocks(hub, now, &asked, &wanted)).await?;
    Ok(blocked(&user, &done?))
}

pub(super) async fn block(
    State(hub): State<HubHandle>,
    Named((id, other)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let [by, whom] = [user(&id)?, user(&other)?];
    hub.administer(move |now, hub| hub.block(now, &by, &whom)).await??;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn unblock(
    State(hub): State<HubHandle>,
    Named((id, other)): Named<(String, String)>,
) -> Result<StatusCode, Problem> {
    let [by, whom] = [user(&id)?, user(&other)?];
    let taken_back = hub.administer(move |_, hub| hub.unblock(&by, &whom)).await?;
    match taken_back {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Problem::not_found("not_blocked", "this user has not blocked that one")),
    }
}

pub(super) async fn profile(
    State(hub): State<HubHandle>,
    Named(id): Named<String>,
) -> Result<Json<PushedProfile>, Problem> {
    let user = user(&id)?;
    let said = hub.administer(move |_, hub| hub.profile(&user).cloned()).await?;
    Ok(Json(said.unwrap_or_default()))
}

pub(super) async fn set_profile(
    State(hub): State<HubHandle>,
    Named(id): Named<String>,
    body: Body,
) -> Result<StatusCode, Problem> {
    let user = user(&id)?;
    let said: PushedProfile = serde_json::from_value(answers::body(body)?)
        .map_err(|error| Problem::invalid(error.to_string()))?;
    hub.administer(move |now, hub| hub.set_profile(now, &user, said)).await??;
    Ok(StatusCode::NO_CONTENT)
}

/// How long somebody is barred.
#[derive(Clone, Copy)]
enum Length {
    Until(Duration),
    For(Duration),
}

impl Length {
    fn read(body: &Value) -> Result<Self, Problem> {
        const LONGEST: u64 = 100 * 366 * 86_400;
        let form = || {
            Problem::invalid(
                "the body: give {\"seconds\": n}, or {\"until\": \"2030-01-01T00:00:00Z\"}, and nothing else",
            )
        };
        let fields = body.as_object().filter(|fields| fields.len() == 1).ok_or_else(form)?;
        match (fields.get("seconds"), fields.get("until")) {
            (Some(seconds), None) => {
                let seconds = seconds.as_u64().filter(|seconds| (1..=LONGEST).contains(seconds));
                let problem =
                    || Problem::invalid(format!("seconds: give a number from 1 to {LONGEST}"));
                Ok(Self::For(Duration::from_secs(seconds.ok_or_else(problem)?)))
            }
            (None, Some(until)) => {
                let until = until.as_str().and_then(Clock::parse);
                let problem =
                    || Problem::invalid("until: give a time in UTC, such as 2030-01-01T00:00:00Z");
                Ok(Self::Until(until.ok_or_else(problem)?))
            }
            _ => Err(form()),
        }
    }

    fn until(self, now: Duration) -> Duration {
        match self {
            Self::Until(until) => until,
            Self::For(length) => now + length,
        }
    }
}

fn block_list(body: &Value) -> Result<BTreeSet<Arc<str>>, Problem> {
    let form =
        || Problem::invalid("blocks: give a list of user ids, as in {\"blocks\": [\"a\", \"b\"]}");
    let fields = body.as_object().filter(|fields| fields.len() == 1).ok_or_else(form)?;
    let blocks = fields.get("blocks").and_then(Value::as_array).ok_or_else(form)?;
    blocks.iter().map(|id| user(id.as_str().ok_or_else(form)?)).collect()
}

/// All or nothing. What goes makes room for what comes.
fn replace_blocks(
    hub: &mut Hub,
    now: Duration,
    by: &str,
    wanted: &BTreeSet<Arc<str>>,
) -> Result<Vec<Arc<str>>, Denied> {
    let before: BTreeSet<Arc<str>> = hub.blocks_of(by).collect();
    for whom in before.difference(wanted) {
        hub.unblock(by, whom);
    }
    let mut added = wanted.difference(&before).map(|whom| hub.block(now, by, whom));
    let done = added.try_for_each(|added| added);
    if done.is_err() {
        for whom in wanted.difference(&before) {
            hub.unblock(by, whom);
        }
        for whom in before.difference(wanted) {
            hub.block(now, by, whom)?;
        }
    }
    done.map(|()| hub.blocks_of(by).collect())
}

fn user(id: &str) -> Result<Arc<str>, Problem> {
    match (1..=MAX_USER_LEN).contains(&id.len()) {
        true => Ok(id.into()),
        false => Err(Problem::invalid(format!("a user id: give 1 to {MAX_USER_LEN} bytes"))),
    }
}

fn barred(user: &str, until: Duration) -> Json<Value> {
    Json(json!({ "userId": user, "until": Clock::text(until) }))
}

fn blocked(user: &str, blocks: &[Arc<str>]) -> Json<Value> {
    Json(json!({ "userId": user, "blocks": blocks.iter().map(|id| &**id).collect::<Vec<_>>() }))
}

fn not_barred() -> Problem {
    Problem::not_found("not_barred", "this user is not barred")
}
