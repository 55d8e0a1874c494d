//! What is where.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::StatusCode;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, CACHE_CONTROL, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use axum::{Json, Router};
use serde_json::{Value, json};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::access::{Access, Admitted};
use super::app::{App, ClientAddress};
use super::operations::{Answer, Content, Described, Operation};
use super::websocket::{self, websocket};
use super::{Refusal, about, page};
use crate::ice::IceUrls;

/// The longest body of a request in bytes. No route takes one yet.
const BODY: usize = 16 * 1024;

/// Whether the demo page is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Served,
    Absent,
}

/// All of it. Errors are in JSON, whoever finds them.
pub(super) fn routes(app: Arc<App>, page: Page) -> Router {
    let mut router = page::client().merge(api(&app.access).into_router());
    if page == Page::Served {
        router = router.merge(page::routes());
    }
    router
        .method_not_allowed_fallback(only_get)
        .fallback(async || Refusal::NotFound)
        .layer((
            SetResponseHeaderLayer::overriding(
                X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            ),
            map_response(long_body_in_json),
            from_fn(one_host),
            from_fn_with_state(app.clone(), websocket_at_root),
            RequestBodyLimitLayer::new(BODY),
        ))
        .with_state(app)
}

/// What programs ask for.
pub(super) fn api(access: &Access) -> Described<Arc<App>> {
    Described::new()
        .route(WS, any(websocket))
        .route(ICE, ice_route(access))
        .route(about::ABOUT, about::route(access))
}

const WS: Operation = Operation::new(
    "get",
    "/ws",
    "Becomes a WebSocket, as a handshake at `/` does: what is said on it is in asyncapi.yaml.",
)
.answers(&[Answer::new(101, "The WebSocket is open.", Content::Nothing)])
.refusals(&[
    Refusal::BadHandshake("what is wrong with the handshake"),
    Refusal::UpgradeRequired,
    Refusal::Origin,
    Refusal::BadHost,
    Refusal::Full,
    Refusal::TooMany,
    Refusal::Stopping,
]);

const ICE: Operation = Operation::new(
    "get",
    "/v1/ice",
    "ICE servers with credentials of one's own, as `match_found` has them.",
)
.answers(&[Answer::new(200, "They are good for `ttl` seconds.", Content::Json("Ice"))])
.refusals(&[
    Refusal::BadHost,
    Refusal::Origin,
    Refusal::TooOften { retry_after: Duration::from_secs(1) },
]);

/// A proxy in front of us may have believed the other one (RFC 9112 s3.2).
async fn one_host(request: Request, next: Next) -> Response {
    match request.headers().get_all(HOST).iter().count() {
        0 | 1 => next.run(request).await,
        _ => Refusal::BadHost.into_response(),
    }
}

/// Clients that were told nothing but a host ask for a WebSocket at `/`, where the page is.
async fn websocket_at_root(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    match request.uri().path() {
        "/" if websocket::wanted(request.headers()) => websocket.call(request, app).await,
        _ => next.run(request).await,
    }
}

fn ice_route(access: &Access) -> MethodRouter<Arc<App>> {
    // The fallback is given here, and not left to the router's, because it is to have these layers too.
    get(ice).fallback(only_get).layer((
        SetResponseHeaderLayer::overriding(CACHE_CONTROL, HeaderValue::from_static("no-store")),
        map_response(preflight_without_content),
        access.cors(),
    ))
}

pub(super) async fn only_get() -> Refusal {
    Refusal::Method("GET, HEAD")
}

async fn ice(
    State(app): State<Arc<App>>,
    _: Admitted,
    urls: IceUrls,
    ClientAddress(client): ClientAddress,
) -> Result<Json<Value>, Refusal> {
    let grant = app.ice.issue(&urls, client)?;
    Ok(Json(json!({ "iceServers": grant.servers, "ttl": grant.ttl.as_secs() })))
}

/// What a browser asks before it asks is answered by headers alone (RFC 9110 s15.3.5). Only answers to that name methods.
async fn preflight_without_content(mut response: Response) -> Response {
    if response.headers().contains_key(ACCESS_CONTROL_ALLOW_METHODS) {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}

/// [`RequestBodyLimitLayer`] says it in plain text.
async fn long_body_in_json(response: Response) -> Response {
    match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::LongBody.into_response(),
        _ => response,
    }
}
