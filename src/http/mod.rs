//! HTTP: the page, ICE servers, and the way to a WebSocket.
//!
//! There is no listener here. Every TCP port tells protocols apart by the first bytes, and the front door
//! hands the connections that speak HTTP to [`Web::serve`].

mod access;
pub(crate) mod admin;
mod app;
mod io;
mod page;
mod refusal;
#[cfg(test)]
mod tests;
mod upgrade;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use refusal::Refusal;

use crate::ice::IceIssuer;
use crate::net::{Connection, Io};
use crate::signaling::{HubHandle, Limits};
use app::App;
use io::Reread;

type Response = hyper::Response<Full<Bytes>>;

/// Connections that have not become WebSockets; each costs a few KiB and a file descriptor. More wait for
/// one of these to end, which none can put off for longer than [`LIFETIME`].
const CONNECTIONS: usize = 8192;

/// How long a client may take to send a request's header, or to think of another request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may go on with one request after the other, or with not reading the answer.
const LIFETIME: Duration = Duration::from_secs(120);

/// How long a connection has to finish what it is at when its time is over.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The largest request header; also what a connection may buffer.
const BUFFER: usize = 16 * 1024;

/// The HTTP server. Clones are the same server.
#[derive(Clone, Debug)]
pub(crate) struct Web {
    app: Arc<App>,
}

impl Web {
    pub(crate) fn new(
        settings: &hairpin_config::HttpSettings,
        limits: Limits,
        ice: Arc<IceIssuer>,
        hub: HubHandle,
    ) -> Self {
        Self { app: Arc::new(App::new(settings, limits, ice, hub)) }
    }

    /// Serves a connection on a task of its own, as soon as there is room for one more. After the stop it closes.
    pub(crate) async fn serve(&self, connection: Connection) {
        let permit = self.app.connections.clone().acquire_owned().await;
        let permit = permit.expect("nobody closes this semaphore");
        if !self.app.stop.is_cancelled() {
            self.app.spawn(serve(self.app.clone(), connection, permit));
        }
    }

    /// Lasts until `stop`; then takes no more connections, has the hub send its clients away, and returns when
    /// the last one has gone. How long that may take is for the caller to say: dropping the future cuts what is left.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let app = self.app;
        let _cut = app.cut.clone().drop_guard();
        stop.cancelled().await;
        app.stop.cancel();
        app.hub.drain().await;
        app.tasks.close();
        app.tasks.wait().await;
    }
}

/// Serves one connection until it closes or becomes a WebSocket.
async fn serve(
    app: Arc<App>,
    Connection { io: Io::Tcp(stream), peer, local, already_read }: Connection,
    _: OwnedSemaphorePermit,
) {
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => Reread::new(already_read, stream),
        Err(error) => return tracing::debug!(%peer, %local, %error, "connection dropped"),
    };
    let stop = app.stop.clone();
    let service = service_fn(move |request| {
        let response = app.answer(request, peer);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = either(stop.cancelled(), tokio::time::sleep(LIFETIME)) => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(LAST_WORDS, connection).await {
                Ok(ended) => ended,
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%peer, %local, %error, "HTTP connection broke");
    }
}

async fn either(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    tokio::select! {
        () = a => {}
        () = b => {}
    }
}

fn response(status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}

fn json(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = response(status, body.to_string());
    let media_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    response
}
