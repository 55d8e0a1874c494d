//! Plain HTTP where browsers look first: it answers the challenges of ACME authorities (RFC 8555 s8.3), and sends everybody
//! else to https. Nothing else is spoken here, and nothing of a request is kept but its path.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{self, HeaderValue};
use axum::http::uri::PathAndQuery;
use axum::http::{Method, Request, Response, StatusCode};
use hairpin_config::Host;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::certificates::Certificates;
use crate::log_limit::LogLimit;
use crate::net::{Budgets, canonical};

const CHALLENGES: &str = "/.well-known/acme-challenge/";

/// How long a client may take to ask.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// And how long it may stay.
const LIFETIME: Duration = Duration::from_secs(15);

/// The largest header of a request.
const BUFFER: usize = 16 * 1024;

/// After an error of `accept`, which is about file descriptors, not about the next connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Listeners on which nothing but a redirection is served.
pub(crate) struct Redirect {
    listeners: Vec<TcpListener>,
    certificates: Certificates,
    budgets: Budgets,
}

impl Redirect {
    /// Takes bound sockets.
    ///
    /// # Errors
    /// What the system says when a socket cannot be registered with the runtime.
    pub(crate) fn new(
        listeners: Vec<std::net::TcpListener>,
        certificates: Certificates,
        budgets: Budgets,
    ) -> io::Result<Self> {
        let adopt = |listener: std::net::TcpListener| {
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener)
        };
        let listeners = listeners.into_iter().map(adopt).collect::<io::Result<_>>()?;
        Ok(Self { listeners, certificates, budgets })
    }

    /// Answers until `stop`; then closes, with all connections.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self { listeners, certificates, budgets } = self;
        let mut accepting = JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(listener, certificates.clone(), budgets.clone()));
        }
        stop.cancelled().await;
    }
}

/// Accepts connections, for ever; those that are open end with it.
async fn accept(listener: TcpListener, certificates: Certificates, budgets: Budgets) {
    let certificates = Arc::new(certificates);
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => {
                cannot_accept(&error);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let Some(descriptor) = budgets.descriptor() else { continue };
        let Some(place) = budgets.http.take(canonical(peer).ip()) else { continue };
        let certificates = certificates.clone();
        connections.spawn(async move {
            let _held = (descriptor, place);
            if let Ok(Err(error)) =
                tokio::time::timeout(LIFETIME, serve(stream, certificates)).await
            {
                tracing::debug!(%peer, %error, "HTTP connection broke");
            }
        });
    }
}

fn cannot_accept(error: &io::Error) {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.admit() {
        tracing::warn!(%error, left_out, "cannot accept connections to be redirected");
    }
}

async fn serve(stream: TcpStream, certificates: Arc<Certificates>) -> hyper::Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&request, &certificates);
        async move { Ok::<_, Infallible>(answer) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

fn answer<B>(request: &Request<B>, certificates: &Certificates) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if let Some(token) = path.strip_prefix(CHALLENGES) {
        let is_read = [Method::GET, Method::HEAD].contains(request.method());
        let answer = is_read.then(|| certificates.http_challenge(token)).flatten();
        return match answer {
            Some(answer) => response(StatusCode::OK, answer),
            None => response(StatusCode::NOT_FOUND, String::new()),
        };
    }
    let asked = request.uri().authority().map(|authority| authority.as_str());
    let asked = asked.or_else(|| request.headers().get(header::HOST)?.to_str().ok());
    let asked = asked.and_then(Host::parse);
    let host = certificates.host_for(asked.as_ref().map(Host::as_str));
    let location = host.and_then(|host| location(&host, request.uri().path_and_query()));
    let Some(location) = location else {
        return response(StatusCode::NOT_FOUND, String::new());
    };
    let mut answer = response(StatusCode::PERMANENT_REDIRECT, String::new());
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}

fn response(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(text.into()));
    *answer.status_mut() = status;
    // RFC 8555 s8.3 asks for it; and no browser takes it for a page.
    let kind = HeaderValue::from_static("application/octet-stream");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// The same place by https. The host is one of ours; of what was asked for only the path and the query, which cannot hold
/// what a header must not.
fn location(host: &str, path: Option<&PathAndQuery>) -> Option<HeaderValue> {
    let path = path.map_or("/", PathAndQuery::as_str);
    let path = if path.starts_with('/') { path } else { "/" };
    HeaderValue::try_from(format!("https://{host}{path}")).ok()
}

/// Where a redirecting listener is, in words for the summary.
pub(crate) fn line(addresses: &[SocketAddr]) -> Option<(&'static str, String)> {
    let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
    (!addresses.is_empty()).then(|| ("sends to https", addresses.join(", ")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_path_of_a_request_is_in_the_answer() {
        for (path, expected) in [
            ("/", "https://a.example/"),
            ("/x/y?z=1&w=%0d%0a", "https://a.example/x/y?z=1&w=%0d%0a"),
            ("//evil.example/", "https://a.example//evil.example/"),
            ("/@evil.example", "https://a.example/@evil.example"),
            ("*", "https://a.example/"),
        ] {
            let path: PathAndQuery = path.parse().expect("a path");
            assert_eq!(location("a.example", Some(&path)).expect("a place"), expected);
        }
        assert_eq!(location("a.example", None).expect("a place"), "https://a.example/");
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_leads_to_the_host_it_is_meant_to(path in any::<Vec<u8>>()) {
            let asked = [b"/", &path[..]].concat();
            if let Ok(path) = PathAndQuery::try_from(&asked[..]) {
                let place = location("a.example", Some(&path)).expect("it fits in a header");
                prop_assert!(place.as_bytes().starts_with(b"https://a.example/"));
                prop_assert!(!place.as_bytes().iter().any(u8::is_ascii_control));
            }
        }
    }
}
