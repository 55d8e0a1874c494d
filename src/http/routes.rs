//! What is where.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, CACHE_CONTROL, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get};
use axum::{Json, Router};
use hairpin_signaling::ErrorCode;
use serde_json::{Value, json};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::access::{Access, Admitted, bearer};
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
        .route(V1_WS, any(websocket).layer(access.cors()))
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
    BAD_TOKEN,
    OLD_TOKEN,
    NEW_KEY,
    Refusal::Full,
    Refusal::TooMany,
    Refusal::Stopping,
]);

/// The same, for who wants to read why: pages cannot read what a handshake is answered.
const V1_WS: Operation = Operation {
    path: "/v1/ws",
    summary: "As `/ws`. A GET that is no handshake is told why one would be refused, or 426 if it would not.",
    ..WS
};

const ICE: Operation = Operation::new(
    "get",
    "/v1/ice",
    "ICE servers with credentials of one's own, as `match_found` has them.",
)
.answers(&[Answer::new(200, "They are good for `ttl` seconds.", Content::Json("Ice"))])
.refusals(&[
    Refusal::BadHost,
    Refusal::Origin,
    Refusal::NO_TOKEN,
    BAD_TOKEN,
    OLD_TOKEN,
    NEW_KEY,
    Refusal::TooOften { retry_after: Duration::from_secs(1) },
]);

const BAD_TOKEN: Refusal = Refusal::Token {
    code: ErrorCode::TokenInvalid,
    why: "what is wrong with the token",
    retry_after: None,
};

const OLD_TOKEN: Refusal = Refusal::Token {
    code: ErrorCode::TokenExpired,
    why: "the token has run out",
    retry_after: None,
};

const NEW_KEY: Refusal = Refusal::Token {
    code: ErrorCode::TokenUnverified,
    why: "the key of the token is being fetched",
    retry_after: Some(Duration::from_secs(1)),
};

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
    headers: HeaderMap,
) -> Result<Json<Value>, Refusal> {
    let grant = if app.tokens.is_open() {
        app.ice.issue(&urls, client)?
    } else {
        // First, for to read a token costs more.
        app.ice.count(client)?;
        let token = bearer(&headers).and_then(|token| str::from_utf8(token).ok());
        let identity = app.tokens.verify(token.ok_or(Refusal::NO_TOKEN)?)?;
        app.ice.issue_to(&urls, &identity.user)
    };
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
