//! Metrics and health, on a listener of their own.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;

use super::Refusal;
use super::operations::{Answer, Content, Described, Operation};
use crate::log_limit::LogLimit;
use crate::metrics::{self, Metrics};
use crate::supervisor::Supervisor;

/// Scrapers and health checks at a time. For one more the oldest goes, or idle ones would keep health checks out.
const CONNECTIONS: usize = 64;

/// How long one of them may take to ask.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one of them may stay.
const LIFETIME: Duration = Duration::from_secs(60);

/// After an error of `accept`, which is about file descriptors, not about the next connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What is told about.
#[derive(Clone)]
pub(super) struct Health {
    metrics: Arc<Metrics>,
    draining: CancellationToken,
    supervisor: Supervisor,
}

/// Answers `/metrics`, `/healthz` and `/readyz` until it is dropped, with all its connections.
/// `/readyz` says 503 from the moment `draining` is cancelled, or a part of the server has failed.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    draining: CancellationToken,
    supervisor: Supervisor,
) {
    let router = routes(Health { metrics, draining, supervisor });
    let mut connections = tokio::task::JoinSet::new();
    let mut by_age = VecDeque::<AbortHandle>::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
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
        let router = router.clone();
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

fn routes(health: Health) -> Router {
    let never_cached = HeaderValue::from_static("no-store");
    self::health()
        .into_router()
        .method_not_allowed_fallback(async || Refusal::Method("GET, HEAD"))
        .fallback(async || Refusal::NotFound)
        .layer(SetResponseHeaderLayer::overriding(CACHE_CONTROL, never_cached))
        .with_state(health)
}

/// What is asked for there.
pub(super) fn health() -> Described<Health> {
    Described::new()
        .route(METRICS, get(metrics))
        .route(HEALTHZ, get(async || "ok\n"))
        .route(READYZ, get(readyz))
}

const TEXT: Content = Content::Text("text/plain; charset=utf-8");

const METRICS: Operation =
    Operation::new("get", "/metrics", "Metrics for Prometheus: docs/metrics.md.")
        .answers(&[Answer::new(200, "All of them.", Content::Text(metrics::CONTENT_TYPE))]);

const HEALTHZ: Operation = Operation::new("get", "/healthz", "Whether the process answers.")
    .answers(&[Answer::new(200, "It does: `ok`.", TEXT)]);

const READYZ: Operation = Operation::new("get", "/readyz", "Whether new clients should come here.")
    .answers(&[
        Answer::new(200, "They should: `ok`, and on further lines what troubles it.", TEXT),
        Answer::new(503, "It is `stopping`, or has `failed`.", TEXT),
    ]);

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], health.metrics.text())
}

async fn readyz(State(health): State<Health>) -> (StatusCode, &'static str) {
    if health.supervisor.has_failed() {
        (StatusCode::SERVICE_UNAVAILABLE, "failed\n")
    } else if health.draining.is_cancelled() {
        (StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}
