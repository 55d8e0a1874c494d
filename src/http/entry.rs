//! Who may come in by a WebSocket. A handshake is let in or refused here, and a plain GET is told the same.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};
use hairpin_signaling::Identity;

use super::Refusal;
use super::access::{Admitted, bearer};
use super::app::{App, ClientAddress};
use crate::ice::IceUrls;
use crate::net::Place;

/// What we speak on a WebSocket, where a client asks for it by name.
pub(super) const PROTOCOL: &str = "hairpin";

/// Before a token among those names: a browser lets a page say nothing else in a handshake, and a URL is written into logs.
const TOKEN: &str = "hairpin.token.";

/// All that a client needs to come in, but the form of a handshake.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) address: IpAddr,
    pub(super) ice: IceUrls,
    /// Who it is, if it has said so already, on the heap: few who are open do.
    pub(super) identity: Option<Box<Identity>>,
    pub(super) place: Place,
}

impl FromRequestParts<Arc<App>> for Entry {
    type Rejection = Refusal;

    async fn from_request_parts(request: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        if request.method != Method::GET {
            return Err(Refusal::Method("GET"));
        }
        let _: Admitted = Admitted::from_request_parts(request, app).await?;
        let ice = IceUrls::from_request_parts(request, app).await?;
        let ClientAddress(address) = ClientAddress::from_request_parts(request, app).await?;
        if app.stop.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let place = app.sockets.take(address).ok_or_else(|| match app.sockets.are_taken() {
            true => Refusal::Full,
            false => Refusal::TooMany,
        })?;
        // Last, for it costs most.
        let identity = match token(&request.headers)? {
            Some(token) if !app.tokens.is_open() => Some(Box::new(app.tokens.verify(token)?)),
            _ => None,
        };
        Ok(Self { address, ice, identity, place })
    }
}

/// The names of protocols that a client offers (RFC 6455 s4.1).
pub(super) fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter();
    values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).map(str::trim)
}

/// The token of a handshake, among its protocols or, from what is no browser, as a bearer's. It may as well come later.
fn token(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let mut tokens = offered(headers).filter_map(|name| name.strip_prefix(TOKEN));
    match (tokens.next(), tokens.next()) {
        (Some(_), Some(_)) => {
            Err(Refusal::BadHandshake("Sec-WebSocket-Protocol holds more than one token"))
        }
        (Some(token), None) => Ok(Some(token)),
        (None, _) => Ok(bearer(headers).and_then(|token| str::from_utf8(token).ok())),
    }
}
