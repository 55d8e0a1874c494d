//! What the admin API says when it does not do what it was asked.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequestParts, Path};
use axum::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use hairpin_signaling::Denied;
use serde_json::{Value, json};

use crate::signaling::Busy;

/// Why not: a code for programs, and words for people that name the field and what to do.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
    retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None }
    }

    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_field", message)
    }

    pub(super) fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<Busy> for Problem {
    fn from(_: Busy) -> Self {
        let message = "the server has too much to do to answer now; ask again";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message).retry_after(1)
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Invalid(message) => Self::invalid(message),
            // RFC 4918 s11.5: the server cannot store it.
            Denied::Full(message) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "full", message),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({ "code": self.code, "message": self.message });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Whom or what the path names.
pub(super) struct Named<T>(pub(super) T);

impl<T: serde::de::DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, state).await;
        path.map(|Path(names)| Self(names))
            .map_err(|_| Problem::invalid("an id in the path: give it in UTF-8, percent-encoded"))
    }
}

/// The JSON of a body.
pub(super) fn body(body: Result<Bytes, BytesRejection>) -> Result<Value, Problem> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = format!("the body is longer than {} bytes", super::MAX_BODY_BYTES);
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "long_body", message)
        }
        status => Problem::new(status, "bad_body", "the body broke off"),
    })?;
    let value = serde_json::from_slice(&body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, "bad_json", format!("the body is no JSON: {error}"))
    })?;
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(Problem::new(StatusCode::BAD_REQUEST, "bad_json", "the body is no JSON object")),
    }
}

pub(super) async fn no_such_path() -> Problem {
    Problem::not_found(
        "not_found",
        "there is nothing at this path; docs/admin.md has all there are",
    )
}

pub(super) async fn wrong_method(method: Method) -> Problem {
    let message = format!("this path does not take {method}; docs/admin.md has what it takes");
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
}
