//! One connection, from the front door to its end, or to its WebSocket.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncWriteExt;

use super::app::{App, Descriptor, Peer};
use super::io::Reread;
use crate::net::{AsyncIo, Connection, Held};

/// How long a client may take to send a request's header, or to think of another request; over HTTP/2, to
/// answer a ping.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a connection may go on with one request after the other, or with not reading the answer.
const LIFETIME: Duration = Duration::from_secs(120);

/// How long a connection has to finish what it is at when its time is over.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The largest request header; also what a connection may buffer.
const BUFFER: usize = 16 * 1024;

/// Requests that one HTTP/2 connection may have open: the page and all its files, twice.
const STREAMS: u32 = 16;

/// Serves one connection until it closes or becomes a WebSocket.
pub(super) async fn serve(
    app: Arc<App>,
    router: Router,
    Connection { io, peer, local, already_read, held }: Connection,
) {
    let stream = match AsyncIo::try_from(io) {
        Ok(stream) => TokioIo::new(Reread::new(already_read, stream)),
        Err(error) => return tracing::debug!(%peer, %local, %error, "connection dropped"),
    };
    let Held { descriptor, place: _place } = held;
    let descriptor = Descriptor(Arc::new(descriptor));
    let stop = app.stop.clone();
    let builder = builder(app);
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(descriptor.clone());
        router.call(request)
    });
    let mut connection = std::pin::pin!(builder.serve_connection_with_upgrades(stream, service));
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

/// Answers a connection that there is no room for, whatever it asks; within no time, or not at all.
pub(super) async fn refuse(Connection { io, .. }: Connection) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n\
        Content-Length: 0\r\nConnection: close\r\n\r\n";
    let Ok(mut stream) = AsyncIo::try_from(io) else { return };
    let said = async {
        stream.write_all(ANSWER).await?;
        stream.shutdown().await
    };
    // Who does not take it has not lost much.
    let _ = tokio::time::timeout(Duration::from_secs(1), said).await;
}

/// HTTP/1.1, or HTTP/2 for those who begin with its preface; all that a client can make us store has a bound.
fn builder(app: Arc<App>) -> Builder<Tracked> {
    let mut builder = Builder::new(Tracked(app));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(HEADER_TIMEOUT)
        .keep_alive_timeout(HEADER_TIMEOUT)
        .max_header_list_size(BUFFER as u32)
        .max_concurrent_streams(STREAMS)
        .max_send_buf_size(BUFFER)
        // The least there may be without asking: the bodies of requests are short.
        .initial_stream_window_size(65_535)
        .initial_connection_window_size(65_535);
    builder
}

/// Spawns HTTP/2's streams where they are waited for, and cut, with everything else.
#[derive(Clone)]
struct Tracked(Arc<App>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Tracked {
    fn execute(&self, stream: F) {
        self.0.spawn(stream);
    }
}

async fn either(a: impl Future<Output = ()>, b: impl Future<Output = ()>) {
    tokio::select! {
        () = a => {}
        () = b => {}
    }
}
