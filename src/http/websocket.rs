//! The way to a WebSocket: the server's side of the handshake (RFC 6455 s4.2), and what becomes of the connection.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, FromRequestParts, State};
use axum::http::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use axum::http::{HeaderMap, StatusCode, Version, request::Parts};
use axum::response::Response;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::downcast;
use tungstenite::handshake::derive_accept_key;

use super::Refusal;
use super::app::{App, Descriptor};
use super::entry::{Entry, PROTOCOL, offered};
use super::io::Reread;
use crate::net::AsyncIo;
use crate::signaling::{Visitor, socket};

/// Whether a request wants to become a WebSocket.
pub(super) fn wanted(headers: &HeaderMap) -> bool {
    has_token(headers, UPGRADE, "websocket")
}

/// Answers a handshake, and serves the WebSocket as soon as the answer is out.
pub(super) async fn websocket(
    entry: Entry,
    handshake: Handshake,
    Extension(descriptor): Extension<Descriptor>,
    State(app): State<Arc<App>>,
) -> Response {
    let (response, upgrade) = handshake.accept();
    let (hub, limits) = (app.hub.clone(), app.limits);
    let Entry { address, ice, identity, place } = entry;
    let visitor = Box::new(Visitor { address, ice, identity });
    app.spawn(async move {
        let Ok(upgraded) = upgrade.await else { return };
        let (read, stream) = taken_apart(upgraded);
        socket::serve(stream, read, visitor, &hub, limits).await;
        drop((place, descriptor));
    });
    response
}

/// What the client has sent after its handshake, and the socket. Of HTTP nothing is left, not even its buffer.
fn taken_apart(upgraded: Upgraded) -> (Vec<u8>, AsyncIo) {
    let parts =
        downcast::<TokioIo<Reread>>(upgraded).expect("connections are served on nothing else");
    let (unread, stream) = parts.io.into_inner().into_parts();
    ([&parts.read_buf[..], &unread].concat(), stream)
}

/// A handshake without fault.
#[derive(Debug)]
pub(super) struct Handshake {
    upgrade: OnUpgrade,
    accept: HeaderValue,
    /// Whether it offers our protocol by name, which is to be answered then (RFC 6455 s4.2.2).
    named: Option<HeaderValue>,
}

impl FromRequestParts<Arc<App>> for Handshake {
    type Rejection = Refusal;

    async fn from_request_parts(request: &mut Parts, _: &Arc<App>) -> Result<Self, Refusal> {
        const NO_UPGRADE: Refusal =
            Refusal::BadHandshake("a WebSocket takes HTTP/1.1 and Connection: upgrade");
        let headers = &request.headers;
        if !wanted(headers) {
            return Err(Refusal::UpgradeRequired);
        }
        if request.version != Version::HTTP_11 || !has_token(headers, CONNECTION, "upgrade") {
            return Err(NO_UPGRADE);
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(Refusal::UpgradeRequired);
        }
        // "A base64-encoded value that, when decoded, is 16 bytes in length"
        let Some(key) = headers.get(SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24) else {
            return Err(Refusal::BadHandshake("Sec-WebSocket-Key is missing or not 16 bytes"));
        };
        let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
            .expect("base64 is a valid header value");
        let upgrade = request.extensions.remove::<OnUpgrade>().ok_or(NO_UPGRADE)?;
        let named = offered(&request.headers).any(|name| name == PROTOCOL);
        let named = named.then_some(HeaderValue::from_static(PROTOCOL));
        Ok(Self { upgrade, accept, named })
    }
}

impl Handshake {
    /// 101 Switching Protocols, and the connection it leads to once it is sent.
    fn accept(self) -> (Response, OnUpgrade) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        headers.extend(self.named.map(|name| (SEC_WEBSOCKET_PROTOCOL, name)));
        (response, self.upgrade)
    }
}

/// Whether a comma-separated header holds a token, in whichever case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}
