//! Metrics, health and the admin API, on a listener of their own.

mod access;
mod answers;
mod operations;
mod sessions;
mod users;

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::response::IntoResponse;
use axum::routing::{delete, get, put};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;

pub(crate) use access::Tokens;
#[cfg(test)]
pub(super) use operations::ANY;

use super::Refusal;
use super::operations::Described;
use crate::certificates::{self, Certificates};
use crate::identity::{Trouble, Verifier};
use crate::log_limit::LogLimit;
use crate::metrics::{self, Metrics};
use crate::signaling::HubHandle;
use crate::supervisor::Supervisor;

/// Scrapers and health checks at a time. For one more the oldest goes, or idle ones would keep health checks out.
const CONNECTIONS: usize = 64;

/// How long one of them may take to ask.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one of them may stay.
const LIFETIME: Duration = Duration::from_secs(60);

/// After an error of `accept`, which is about file descriptors, not about the next connection.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest body of a request: a list of buddies is the longest thing to say.
const MAX_BODY_BYTES: usize = 256 << 10;

/// What the admin listener serves.
#[derive(Clone)]
pub(crate) struct Admin {
    /// What is told about.
    pub(crate) health: Health,
    /// What is asked and told.
    pub(crate) hub: HubHandle,
    /// Who may.
    pub(crate) tokens: Arc<Tokens>,
}

/// How the server is.
#[derive(Clone)]
pub(crate) struct Health {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) draining: CancellationToken,
    pub(crate) supervisor: Supervisor,
    /// Whose keys may be old.
    pub(crate) tokens: Arc<Verifier>,
    /// Which may be old, too, where there are any.
    pub(crate) certificates: Option<Certificates>,
}

/// Answers `/metrics`, `/healthz`, `/readyz` and the API under `/v1/` until it is dropped, with all its connections.
/// `/readyz` says 503 from the moment `draining` is cancelled, or a part of the server has failed.
pub(crate) async fn serve(listener: TcpListener, admin: Admin) {
    let router = router(admin);
    let mut connections = tokio::task::JoinSet::new();
    let mut by_age = VecDeque::<AbortHandle>::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                cannot_accept(&error);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        by_age.retain(|connection| !connection.is_finished());
        if by_age.len() >= CONNECTIONS
            && let Some(oldest) = by_age.pop_front()
        {
            oldest.abort();
        }
        let router = router.clone().layer(Extension(peer));
        by_age.push_back(connections.spawn(async move {
            let served = tokio::time::timeout(LIFETIME, connection(stream, router));
            if let Ok(Err(error)) = served.await {
                tracing::debug!(%error, "admin connection broke");
            }
        }));
    }
}

/// Strangers cause it who take the last descriptor.
fn cannot_accept(error: &io::Error) {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.admit() {
        tracing::warn!(%error, left_out, "admin listener cannot accept");
    }
}

async fn connection(stream: TcpStream, router: Router) -> hyper::Result<()> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
}

pub(super) fn router(admin: Admin) -> Router {
    routes(admin.health.clone()).merge(api(admin))
}

fn routes(health: Health) -> Router {
    let never_cached = HeaderValue::from_static("no-store");
    self::health()
        .into_router()
        .method_not_allowed_fallback(async || Refusal::Method("GET, HEAD"))
        .fallback(async || Refusal::NotFound)
        .layer(SetResponseHeaderLayer::overriding(CACHE_CONTROL, never_cached))
        .with_state(health)
}

/// What anybody who reaches the listener may ask.
pub(super) fn health() -> Described<Health> {
    Described::new()
        .route(operations::METRICS, get(metrics))
        .route(operations::HEALTHZ, get(async || "ok\n"))
        .route(operations::READYZ, get(readyz))
}

/// What an app's backend asks and decides: below `/v1`.
pub(super) fn backend() -> Described<HubHandle> {
    use operations::*;
    Described::new()
        .route(LIST_SESSIONS, get(sessions::list))
        .route(SHOW_SESSION, get(sessions::show))
        .route(END_SESSION, delete(sessions::end))
        .route(SHOW_USER, get(users::show))
        .route(SHOW_BAR, get(users::bar))
        .route(SET_BAR, put(users::set_bar))
        .route(LIFT_BAR, delete(users::lift_bar))
        .route(SHOW_BLOCKS, get(users::blocks))
        .route(SET_BLOCKS, put(users::set_blocks))
        .route(BLOCK, put(users::block))
        .route(UNBLOCK, delete(users::unblock))
        .route(SHOW_PROFILE, get(users::profile))
        .route(SET_PROFILE, put(users::set_profile))
}

/// With who may, and what is said of all of it.
fn api(admin: Admin) -> Router {
    let access = axum::middleware::from_fn_with_state(admin.tokens.clone(), access::check);
    let hub = backend()
        .into_router()
        .method_not_allowed_fallback(answers::wrong_method)
        .fallback(answers::no_such_path)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(access)
        .with_state(admin.hub);
    Router::new().nest("/v1", hub)
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], health.metrics.text())
}

async fn readyz(State(health): State<Health>) -> (StatusCode, String) {
    let (mut status, mut text) = if health.supervisor.has_failed() {
        (StatusCode::SERVICE_UNAVAILABLE, "failed\n".to_owned())
    } else if health.draining.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".to_owned())
    } else {
        (StatusCode::OK, "ok\n".to_owned())
    };
    match health.tokens.trouble() {
        None => {}
        Some(Trouble::Old(why)) => text += &format!("{why}\n"),
        Some(Trouble::NoKeys(why)) => {
            status = StatusCode::SERVICE_UNAVAILABLE;
            text = format!("{why}\n");
        }
    }
    match health.certificates.as_ref().map_or(Ok(()), Certificates::health) {
        Ok(()) => {}
        Err(certificates::Trouble::Degraded(why)) => text += &format!("{why}\n"),
        Err(certificates::Trouble::Expired(why)) => {
            status = StatusCode::SERVICE_UNAVAILABLE;
            text = format!("{why}\n");
        }
    }
    // Calls go on without them.
    if let Some(why) = health.metrics.records.wrong() {
        text += &format!("records cannot be written: {why}\n");
    }
    (status, text)
}
