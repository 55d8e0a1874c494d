//! One request and its answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, HOST, HeaderName,
    HeaderValue, ORIGIN, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use hairpin_config::{Host, HttpSettings};

use super::access::{Access, Admitted};
use super::io::Reread;
use super::page::File;
use super::upgrade::{self, Handshake};
use super::{Refusal, Response, json, response};
use crate::ice::{IceIssuer, IceUrls};
use crate::signaling::{HubHandle, Limits, socket};

/// What every connection shares.
#[derive(Debug)]
pub(super) struct App {
    pub(super) access: Access,
    pub(super) ice: Arc<IceIssuer>,
    pub(super) client_ip_header: Option<HeaderName>,
    pub(super) page: bool,
    pub(super) hub: HubHandle,
    pub(super) limits: Limits,
    /// A permit for every connection there may be that is not a WebSocket.
    pub(super) connections: Arc<Semaphore>,
    /// A permit for every WebSocket there may be.
    pub(super) sockets: Arc<Semaphore>,
    /// Everything spawned for a connection.
    pub(super) tasks: TaskTracker,
    /// Cancelled: no new work.
    pub(super) stop: CancellationToken,
    /// Cancelled: no work at all.
    pub(super) cut: CancellationToken,
}

impl App {
    pub(super) fn new(
        settings: &HttpSettings,
        limits: Limits,
        ice: Arc<IceIssuer>,
        hub: HubHandle,
    ) -> Self {
        Self {
            access: Access::new(settings.allowed_origins.clone()),
            ice,
            client_ip_header: settings.client_ip_header.clone(),
            page: settings.page,
            hub,
            limits,
            connections: Arc::new(Semaphore::new(super::CONNECTIONS)),
            sockets: Arc::new(Semaphore::new(settings.max_websockets.min(Semaphore::MAX_PERMITS))),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            cut: CancellationToken::new(),
        }
    }

    /// Starts something for one connection.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let cut = self.cut.clone();
        // On the heap: every future around it would hold a copy of its size.
        let work = Box::pin(work);
        self.tasks.spawn(async move {
            cut.run_until_cancelled(work).await;
        });
    }

    /// Answers a request that came from `peer`.
    pub(super) fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response {
        let mut response = self.route(request, peer).unwrap_or_else(Response::from);
        let nosniff = HeaderValue::from_static("nosniff");
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, nosniff);
        response
    }

    fn route(&self, request: Request<Incoming>, peer: SocketAddr) -> Result<Response, Refusal> {
        match request.uri().path() {
            "/ws" => self.websocket(request),
            // Clients that were told nothing but a host.
            "/" if upgrade::wanted(request.headers()) => self.websocket(request),
            "/v1/ice" => Ok(self.ice_with_cors(&request.into_parts().0, peer)),
            path if self.page => {
                let file = File::at(path).ok_or(Refusal::NotFound)?;
                only_get(request.method())?;
                Ok(file.serve(request.headers()))
            }
            _ => Err(Refusal::NotFound),
        }
    }

    fn websocket(&self, mut request: Request<Incoming>) -> Result<Response, Refusal> {
        if request.method() != Method::GET {
            return Err(Refusal::Method("GET"));
        }
        let handshake = Handshake::read(&mut request)?;
        let request = request.into_parts().0;
        let admitted = self.access.check(&request)?;
        let ice = self.ice_urls(&request)?;
        if self.stop.is_cancelled() {
            return Err(Refusal::Stopping);
        }
        let permit = self.sockets.clone().try_acquire_owned().map_err(|_| Refusal::Full)?;
        let (response, upgrade) = handshake.accept();
        self.open(admitted, upgrade, ice, permit);
        Ok(response)
    }

    /// Serves a WebSocket as soon as the handshake's answer is out.
    fn open(&self, _: Admitted, upgrade: OnUpgrade, ice: IceUrls, permit: OwnedSemaphorePermit) {
        let (hub, limits) = (self.hub.clone(), self.limits);
        self.spawn(async move {
            let Ok(upgraded) = upgrade.await else { return };
            let (read, stream) = taken_apart(upgraded);
            socket::serve(stream, read, ice, &hub, limits).await;
            drop(permit);
        });
    }

    /// Other origins' pages need to be told that they may read the answer, whatever it is.
    fn ice_with_cors(&self, request: &Parts, peer: SocketAddr) -> Response {
        let mut response = match request.method {
            Method::OPTIONS => preflight(),
            _ => self.ice(request, peer).unwrap_or_else(Response::from),
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.access.varies() {
            headers.insert(VARY, HeaderValue::from(ORIGIN));
        }
        if let Some(origin) = self.access.allow_origin(&request.headers) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let readable = HeaderValue::from_static("retry-after");
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, readable);
        }
        response
    }

    fn ice(&self, request: &Parts, peer: SocketAddr) -> Result<Response, Refusal> {
        only_get(&request.method)?;
        let admitted = self.access.check(request)?;
        self.ice_servers(admitted, request, peer)
    }

    fn ice_servers(
        &self,
        _: Admitted,
        request: &Parts,
        peer: SocketAddr,
    ) -> Result<Response, Refusal> {
        let urls = self.ice_urls(request)?;
        let grant = self.ice.issue(&urls, self.client(&request.headers, peer))?;
        let body = json!({ "iceServers": grant.servers, "ttl": grant.ttl.as_secs() });
        Ok(json(StatusCode::OK, &body))
    }

    /// The ICE URLs for the host the client asked for, if they depend on it.
    fn ice_urls(&self, request: &Parts) -> Result<IceUrls, Refusal> {
        let host = if self.ice.needs_host() { Some(host(request)?) } else { None };
        Ok(self.ice.urls(host.as_ref()))
    }

    /// The client's address: what the configured proxy says, which is the last entry of its header,
    /// because everything before that is the client's own invention.
    fn client(&self, headers: &HeaderMap, peer: SocketAddr) -> IpAddr {
        let header = self.client_ip_header.as_ref();
        header
            .and_then(|name| headers.get_all(name).iter().next_back())
            .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
            .unwrap_or(peer.ip())
    }
}

/// What the client has sent after its handshake, and the socket. Of HTTP nothing is left, not even its buffer.
fn taken_apart(upgraded: Upgraded) -> (Vec<u8>, TcpStream) {
    let parts =
        upgraded.downcast::<TokioIo<Reread>>().expect("connections are served on nothing else");
    let (unread, stream) = parts.io.into_inner().into_parts();
    ([&parts.read_buf[..], &unread].concat(), stream)
}

/// The host the client asked for, which is good enough to send it there again. It ends up in URLs for
/// that client alone.
fn host(request: &Parts) -> Result<Host, Refusal> {
    let authority = match request.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers.get(HOST).and_then(|value| value.to_str().ok()),
    };
    authority.and_then(Host::parse).ok_or(Refusal::BadHost)
}

fn only_get(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::GET | Method::HEAD => Ok(()),
        _ => Err(Refusal::Method("GET, HEAD")),
    }
}

/// What a browser asks before it asks (Fetch s3.2.2).
fn preflight() -> Response {
    let mut response = response(StatusCode::NO_CONTENT, "");
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
    let allowed = HeaderValue::from_static("authorization, content-type");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}
