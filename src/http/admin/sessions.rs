//! Live sessions.

use std::collections::BinaryHeap;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use hairpin_signaling::{Hub, LiveSession, SessionId};
use serde_json::{Value, json};

use super::answers::{Named, Problem};
use crate::clock::Clock;
use crate::signaling::HubHandle;

/// How many sessions an answer has unless it is asked for fewer or more, and at most.
const PAGE: [usize; 2] = [100, 1000];

pub(super) async fn list(
    State(hub): State<HubHandle>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, Problem> {
    let Page { limit, after } = Page::read(query.as_deref().unwrap_or_default())?;
    let page = hub.administer(move |now, hub| (page(hub, limit, after), hub.sessions(), now));
    let (sessions, total, now) = page.await?;
    let next = (sessions.len() == limit).then(|| sessions.last()).flatten();
    let next = next.map(|session| session.id.to_string());
    let sessions: Vec<Value> = sessions.iter().map(|session| shown(session, now)).collect();
    Ok(Json(json!({ "sessions": sessions, "next": next, "total": total })))
}

pub(super) async fn show(
    State(hub): State<HubHandle>,
    Named(id): Named<String>,
) -> Result<Json<Value>, Problem> {
    let id = session_id(&id, "the id in the path")?;
    let find =
        move |now, hub: &mut Hub| (hub.live_sessions().find(|session| session.id == id), now);
    let (session, now) = hub.administer(find).await?;
    session.map(|session| Json(shown(&session, now))).ok_or_else(none)
}

pub(super) async fn end(
    State(hub): State<HubHandle>,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    let id = session_id(&id, "the id in the path")?;
    let ended = hub.administer(move |now, hub| hub.end_session_by_operator(now, id)).await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(none()) }
}

/// Which of the sessions, which are in the order of their ids.
struct Page {
    limit: usize,
    after: Option<SessionId>,
}

impl Page {
    fn read(query: &str) -> Result<Self, Problem> {
        let [limit, most] = PAGE;
        let mut page = Self { limit, after: None };
        for field in query.split('&').filter(|field| !field.is_empty()) {
            match field.split_once('=').unwrap_or((field, "")) {
                ("limit", value) => {
                    let within = value.parse().ok().filter(|limit| (1..=most).contains(limit));
                    let problem =
                        || Problem::invalid(format!("limit: give a number from 1 to {most}"));
                    page.limit = within.ok_or_else(problem)?;
                }
                ("after", value) => page.after = Some(session_id(value, "after")?),
                _ => return Err(Problem::invalid("the query may hold limit and after alone")),
            }
        }
        Ok(page)
    }
}

/// The first so many ids after that one. It looks at every session, and keeps no more than it answers.
fn page(hub: &Hub, limit: usize, after: Option<SessionId>) -> Vec<LiveSession> {
    let mut first = BinaryHeap::with_capacity(limit + 1);
    let later = hub.live_sessions().filter(|session| after.is_none_or(|after| after < session.id));
    for session in later {
        first.push(ById(session));
        if first.len() > limit {
            first.pop();
        }
    }
    first.into_sorted_vec().into_iter().map(|ById(session)| session).collect()
}

struct ById(LiveSession);

impl Ord for ById {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(&other.0.id)
    }
}

impl PartialOrd for ById {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for ById {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for ById {}

fn shown(session: &LiveSession, now: Duration) -> Value {
    let LiveSession { id, users, since, reported } = session;
    let lasted = u64::try_from(now.saturating_sub(*since).as_millis()).unwrap_or(u64::MAX);
    json!({
        "sessionId": id.to_string(), "users": users.each_ref().map(|user| &**user),
        "startedAt": Clock::text(*since), "durationMs": lasted, "reported": reported,
    })
}

fn session_id(text: &str, field: &str) -> Result<SessionId, Problem> {
    text.parse().map_err(|error| Problem::invalid(format!("{field}: {error}, as in match_found")))
}

fn none() -> Problem {
    Problem::not_found("no_session", "no session with this id is live")
}
