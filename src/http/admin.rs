//! Metrics and health, on a listener of their own.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Refusal, Response, response};
use crate::metrics::{self, Metrics};
use crate::supervisor::Supervisor;

/// Scrapers and health checks at a time.
const CONNECTIONS: usize = 64;

/// How long one of them may stay.
const LIFETIME: Duration = Duration::from_secs(60);

/// After an error of `accept`, which is about file descriptors, not about the next connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers `/metrics`, `/healthz` and `/readyz` until it is dropped, with all its connections.
/// `/readyz` says 503 from the moment `draining` is cancelled.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    draining: CancellationToken,
    supervisor: Supervisor,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let permit = permits.clone().acquire_owned().await.expect("nobody closes this semaphore");
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "admin listener cannot accept");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let (metrics, draining) = (metrics.clone(), draining.clone());
        let supervisor = supervisor.clone();
        connections.spawn(async move {
            let served = tokio::time::timeout(
                LIFETIME,
                connection(stream, &metrics, &draining, &supervisor),
            );
            if let Ok(Err(error)) = served.await {
                tracing::debug!(%error, "admin connection broke");
            }
            drop(permit);
        });
    }
}

async fn connection(
    stream: TcpStream,
    metrics: &Metrics,
    draining: &CancellationToken,
    supervisor: &Supervisor,
) -> hyper::Result<()> {
    let service = service_fn(|request| {
        let response =
            answer(&request, metrics, draining, supervisor).unwrap_or_else(Response::from);
        async { Ok::<_, Infallible>(response) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer(
    request: &Request<Incoming>,
    metrics: &Metrics,
    draining: &CancellationToken,
    supervisor: &Supervisor,
) -> Result<Response, Refusal> {
    let path = request.uri().path();
    if !["/metrics", "/healthz", "/readyz"].contains(&path) {
        return Err(Refusal::NotFound);
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        return Err(Refusal::Method("GET, HEAD"));
    }
    let (status, media_type, body) = match path {
        "/metrics" => (StatusCode::OK, metrics::CONTENT_TYPE, metrics.text()),
        "/readyz" if supervisor.has_failed() => {
            (StatusCode::SERVICE_UNAVAILABLE, "text/plain", "failed\n".to_owned())
        }
        "/readyz" if draining.is_cancelled() => {
            (StatusCode::SERVICE_UNAVAILABLE, "text/plain", "stopping\n".to_owned())
        }
        _ => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
    };
    let mut response = response(status, body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
