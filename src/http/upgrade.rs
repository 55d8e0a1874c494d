//! The server's side of a WebSocket handshake (RFC 6455 s4.2).

use hyper::body::Incoming;
use hyper::header::{
    CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_VERSION, UPGRADE,
};
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Request, StatusCode, Version};
use tungstenite::handshake::derive_accept_key;

use super::{Refusal, Response, response};

/// A handshake without fault.
#[derive(Debug)]
pub(crate) struct Handshake {
    upgrade: OnUpgrade,
    accept: HeaderValue,
}

/// Whether a request wants to become a WebSocket.
pub(crate) fn wanted(headers: &HeaderMap) -> bool {
    has_token(headers, UPGRADE, "websocket")
}

impl Handshake {
    /// Reads a handshake from a GET request.
    pub(crate) fn read(request: &mut Request<Incoming>) -> Result<Self, Refusal> {
        let headers = request.headers();
        if !wanted(headers) {
            return Err(Refusal::UpgradeRequired);
        }
        if request.version() != Version::HTTP_11 || !has_token(headers, CONNECTION, "upgrade") {
            return Err(Refusal::BadHandshake(
                "a WebSocket takes HTTP/1.1 and Connection: upgrade",
            ));
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
        Ok(Self { upgrade: hyper::upgrade::on(request), accept })
    }

    /// 101 Switching Protocols, and the connection it leads to once it is sent.
    pub(crate) fn accept(self) -> (Response, OnUpgrade) {
        let mut response = response(StatusCode::SWITCHING_PROTOCOLS, "");
        let headers = response.headers_mut();
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
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
