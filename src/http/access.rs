//! Who may use this server.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header::{
    AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, Method, request::Parts};
use tower_http::cors::{AllowOrigin, CorsLayer};

use hairpin_config::{AllowedOrigins, Host};

use super::Refusal;
use super::app::App;

/// Decides which pages may open a WebSocket and ask for ICE servers: those that may do one may do the other. Who sits
/// in front of them is told by a token.
#[derive(Clone, Debug)]
pub(super) struct Access {
    origins: AllowedOrigins,
    /// The name this server goes by, where that is known. Else it is whatever a client calls it, which a page can choose
    /// by pointing a name of its own at us.
    own_host: Option<Host>,
}

/// Proof that [`Access::check`] let somebody in; what needs it asks for it.
#[derive(Debug)]
pub(super) struct Admitted(());

impl Access {
    pub(super) fn new(origins: AllowedOrigins, own_host: Option<Host>) -> Self {
        Self { origins, own_host }
    }

    /// Lets a request in or says why not.
    ///
    /// The origin is checked here and not left to CORS, which does not cover WebSockets (RFC 6455 s10.2).
    fn check(&self, request: &Parts) -> Result<Admitted, Refusal> {
        match request.headers.get(ORIGIN) {
            Some(origin) if !self.allows(origin, request) => Err(Refusal::Origin),
            _ => Ok(Admitted(())),
        }
    }

    /// Origins on the list, and our own: the page at `/` names the host it was loaded from.
    fn allows(&self, origin: &HeaderValue, request: &Parts) -> bool {
        let own = authority(request).filter(|authority| self.is_own(authority));
        self.origins.allows(origin.as_bytes(), own)
    }

    fn is_own(&self, authority: &[u8]) -> bool {
        let Some(own) = &self.own_host else { return true };
        str::from_utf8(authority).ok().and_then(Host::parse).is_some_and(|asked| asked == *own)
    }

    /// Tells browsers that pages of allowed origins may GET, and read the answer, whatever it is (Fetch s3.2).
    pub(super) fn cors(&self) -> CorsLayer {
        let allow_origin = match &self.origins {
            AllowedOrigins::Any => AllowOrigin::any(),
            AllowedOrigins::List(_) => {
                let access = self.clone();
                AllowOrigin::predicate(move |origin, request| access.allows(origin, request))
            }
        };
        CorsLayer::new()
            .allow_origin(allow_origin)
            .allow_methods([Method::GET])
            .allow_headers([AUTHORIZATION, CONTENT_TYPE])
            .expose_headers([RETRY_AFTER, WWW_AUTHENTICATE])
            .max_age(Duration::from_secs(86_400))
    }
}

impl FromRequestParts<Arc<App>> for Admitted {
    type Rejection = Refusal;

    async fn from_request_parts(request: &mut Parts, app: &Arc<App>) -> Result<Self, Refusal> {
        app.access.check(request)
    }
}

/// What stands behind `Authorization: Bearer` (RFC 6750 s2.1).
pub(super) fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}

/// The host, with its port if it has one, that the client asked for: HTTP/2 and proxies put it into the URI
/// (RFC 9113 s8.3.1, RFC 9112 s3.2.2).
pub(super) fn authority(request: &Parts) -> Option<&[u8]> {
    match request.uri.authority() {
        Some(authority) => Some(authority.as_str().as_bytes()),
        None => request.headers.get(HOST).map(HeaderValue::as_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_admits_its_origins_our_own_and_programs() {
        let list = vec!["https://app.example".parse().expect("an origin")];
        let access = Access::new(AllowedOrigins::List(list), None);
        let admitted = |origin: Option<&str>| {
            let by_header = axum::http::Request::builder().header(HOST, "call.example:8080");
            let by_uri = axum::http::Request::builder().uri("http://call.example:8080/ws");
            let [by_header, by_uri] = [by_header, by_uri].map(|mut request| {
                if let Some(origin) = origin {
                    request = request.header(ORIGIN, origin);
                }
                let request = request.body(()).expect("the headers are valid").into_parts().0;
                access.check(&request).is_ok()
            });
            assert_eq!(by_header, by_uri);
            by_header
        };
        assert!(admitted(Some("https://app.example")));
        assert!(admitted(Some("HTTPS://App.Example")));
        assert!(admitted(Some("http://call.example:8080")));
        assert!(admitted(None));
        assert!(!admitted(Some("https://app.example.evil")));
        assert!(!admitted(Some("https://evil.example")));
        assert!(!admitted(Some("http://call.example")));
        assert!(!admitted(Some("null")));
    }
    #[test]
    fn a_name_that_was_pointed_at_us_is_not_our_own() {
        let access = Access::new(AllowedOrigins::List(vec![]), Host::parse("call.example"));
        let admitted = |host: &str| {
            let request = axum::http::Request::builder().header(HOST, host);
            let request = request.header(ORIGIN, format!("http://{host}"));
            access.check(&request.body(()).expect("the headers are valid").into_parts().0).is_ok()
        };
        assert!(admitted("call.example") && admitted("call.example:8080"));
        assert!(!admitted("rebound.example") && !admitted("127.0.0.1:8080"));
    }
}
