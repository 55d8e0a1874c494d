//! What a client is told when it cannot have what it asked for.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{
    ALLOW, HeaderName, HeaderValue, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE, WWW_AUTHENTICATE,
};
use axum::response::{IntoResponse, Response};
use hairpin_signaling::{BadToken, ErrorCode};
use serde_json::json;

use crate::ice::TooOften;

/// A request that is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The Host header is missing, or neither a DNS name nor an address.
    BadHost,
    /// Not a WebSocket handshake (RFC 6455 s4.2.1); says what is wrong with it.
    BadHandshake(&'static str),
    /// The page that asks comes from an origin that is not on the list.
    Origin,
    /// No such path.
    NotFound,
    /// The path exists, and knows these methods alone.
    Method(&'static str),
    /// The path speaks WebSocket only, and version 13 of it.
    UpgradeRequired,
    /// The body is longer than any may be.
    LongBody,
    /// The client asked too often.
    TooOften {
        /// When it may ask again.
        retry_after: Duration,
    },
    /// The token is missing, or does not count.
    Token { code: ErrorCode, why: &'static str, retry_after: Option<Duration> },
    /// As many WebSockets are open as there may be.
    Full,
    /// As many are open from this address as one may have.
    TooMany,
    /// The server is stopping.
    Stopping,
}

impl Refusal {
    /// Somebody must say by a token who it is, and has not.
    pub(super) const NO_TOKEN: Self = Self::Token {
        code: ErrorCode::TokenMissing,
        why: "say with `Authorization: Bearer TOKEN` who you are",
        retry_after: None,
    };

    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BadHost | Self::BadHandshake(_) => StatusCode::BAD_REQUEST,
            // Who comes again in a moment may have what it asks for.
            Self::Token { retry_after: Some(_), .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Token { .. } => StatusCode::UNAUTHORIZED,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::LongBody => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooOften { .. } | Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
            Self::Full | Self::Stopping => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) fn code(self) -> &'static str {
        match self {
            Self::BadHost => "bad_host",
            Self::BadHandshake(_) => "bad_handshake",
            Self::Origin => "origin_not_allowed",
            Self::NotFound => "not_found",
            Self::Method(_) => "method_not_allowed",
            Self::UpgradeRequired => "upgrade_required",
            Self::LongBody => "long_body",
            Self::TooOften { .. } => "too_many_requests",
            Self::Token { code, .. } => code.as_str(),
            Self::Full | Self::TooMany => "too_many_connections",
            Self::Stopping => "shutting_down",
        }
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            Self::BadHost => "there must be one Host header, with a DNS name or an IP address",
            Self::BadHandshake(what) => what,
            Self::Origin => "pages of this origin may not use this server",
            Self::NotFound => "there is nothing at this path",
            Self::Method(_) => "this path does not take this method",
            Self::UpgradeRequired => {
                "nothing is in the way of a WebSocket, but this is no handshake for one of version 13"
            }
            Self::LongBody => "the body of the request is too long",
            Self::Token { why, .. } => why,
            Self::TooOften { .. } => "too many requests from this address",
            Self::Full => "as many WebSockets are open as there may be",
            Self::TooMany => "as many WebSockets are open from this address as one may have",
            Self::Stopping => "the server is stopping",
        }
    }

    pub(super) fn headers(self) -> Vec<(HeaderName, HeaderValue)> {
        let seconds = |s: u64| vec![(RETRY_AFTER, HeaderValue::from(s.max(1)))];
        match self {
            Self::Method(allow) => vec![(ALLOW, HeaderValue::from_static(allow))],
            Self::UpgradeRequired => vec![
                (UPGRADE, HeaderValue::from_static("websocket")),
                (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            ],
            Self::TooOften { retry_after } | Self::Token { retry_after: Some(retry_after), .. } => {
                seconds(retry_after.as_secs_f64().ceil() as u64)
            }
            // Who has brought none is told no more than that (RFC 6750 s3.1).
            Self::Token { code: ErrorCode::TokenMissing, .. } => {
                vec![(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"hairpin\""))]
            }
            Self::Token { .. } => vec![(
                WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"hairpin\", error=\"invalid_token\""),
            )],
            Self::Full | Self::TooMany | Self::Stopping => seconds(5),
            Self::BadHost
            | Self::BadHandshake(_)
            | Self::Origin
            | Self::NotFound
            | Self::LongBody => vec![],
        }
    }
}

impl From<BadToken> for Refusal {
    fn from(bad: BadToken) -> Self {
        let why = match bad.message() {
            Cow::Borrowed(why) => why,
            Cow::Owned(_) => "the token does not count here",
        };
        Self::Token { code: bad.code(), why, retry_after: bad.retry_after() }
    }
}

impl From<TooOften> for Refusal {
    fn from(TooOften { retry_after }: TooOften) -> Self {
        Self::TooOften { retry_after }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({ "error": { "code": self.code(), "message": self.message() } });
        let mut response = (self.status(), Json(error)).into_response();
        response.headers_mut().extend(self.headers());
        response
    }
}
