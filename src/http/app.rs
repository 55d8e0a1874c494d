//! What every request may need.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::HeaderName;
use axum::http::request::Parts;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::future::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hairpin_config::Host;

use super::access::{Access, authority};
use super::{About, Refusal};
use crate::ice::{IceIssuer, IceUrls};
use crate::identity::Verifier;
use crate::net::Places;
use crate::signaling::{HubHandle, Limits};

/// What every connection shares.
#[derive(Debug)]
pub(super) struct App {
    pub(super) access: Access,
    pub(super) about: About,
    pub(super) ice: Arc<IceIssuer>,
    pub(super) tokens: Arc<Verifier>,
    pub(super) client_ip_header: Option<HeaderName>,
    pub(super) hub: HubHandle,
    pub(super) limits: Limits,
    /// For WebSockets.
    pub(super) sockets: Places,
    /// Everything spawned for a connection.
    pub(super) tasks: TaskTracker,
    /// Cancelled: no new work.
    pub(super) stop: CancellationToken,
    /// Cancelled: no work at all.
    pub(super) cut: CancellationToken,
}

impl App {
    /// Starts something for one connection.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // No async block around it: that would hold the work twice over, in every idle connection.
        self.tasks.spawn(work.with_cancellation_token_owned(self.cut.clone()));
    }
}

/// The descriptor of the connection that a request came by, which a WebSocket keeps.
#[derive(Clone, Debug)]
pub(super) struct Descriptor(
    #[expect(dead_code, reason = "held, and given back")]
    pub(super)  Arc<Option<OwnedSemaphorePermit>>,
);

/// The other end of the connection that a request came by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// The address of whoever asks: what the configured proxy says, which is the last entry of its header, because
/// everything before that is the client's own invention; else the other end of the connection.
#[derive(Debug)]
pub(super) struct ClientAddress(pub(super) IpAddr);

impl FromRequestParts<Arc<App>> for ClientAddress {
    type Rejection = Refusal;

    async fn from_request_parts(request: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        let Peer(peer) = request.extensions.get().expect("every request is served with its peer");
        let header = app.client_ip_header.as_ref();
        let told = header
            .and_then(|name| request.headers.get_all(name).iter().next_back())
            .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        Ok(Self(told.unwrap_or(peer.ip())))
    }
}

/// The ICE URLs for the host the client asked for, which is good enough to send it there again. It ends up in
/// URLs for that client alone.
impl FromRequestParts<Arc<App>> for IceUrls {
    type Rejection = Refusal;

    async fn from_request_parts(request: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        if !app.ice.needs_host() {
            return Ok(app.ice.urls(None));
        }
        let authority = authority(request).and_then(|authority| str::from_utf8(authority).ok());
        let host = authority.and_then(Host::parse).ok_or(Refusal::BadHost)?;
        Ok(app.ice.urls(Some(&host)))
    }
}
