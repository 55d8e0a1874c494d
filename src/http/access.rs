//! Who may use this server.

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderValue, ORIGIN};
use hyper::http::request::Parts;

use hairpin_config::AllowedOrigins;

use super::Refusal;

/// Decides who may open a WebSocket and ask for ICE servers: whoever may do one may do the other.
///
/// For now that is everyone, as long as the page they come from is allowed to.
#[derive(Debug)]
pub(crate) struct Access {
    origins: AllowedOrigins,
}

/// Proof that [`Access::check`] let somebody in; what needs it asks for it.
#[derive(Debug)]
pub(crate) struct Admitted(());

impl Access {
    pub(crate) fn new(origins: AllowedOrigins) -> Self {
        Self { origins }
    }

    /// Lets a request in or says why not.
    ///
    /// The origin is checked here and not left to CORS, which does not cover WebSockets (RFC 6455 s10.2).
    pub(crate) fn check(&self, request: &Parts) -> Result<Admitted, Refusal> {
        match request.headers.get(ORIGIN) {
            Some(origin) if !self.allows(origin, &request.headers) => Err(Refusal::Origin),
            _ => Ok(Admitted(())),
        }
    }

    /// What `Access-Control-Allow-Origin` says to this request, if anything; `*` or the one that asked.
    pub(crate) fn allow_origin(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        match &self.origins {
            AllowedOrigins::Any => Some(HeaderValue::from_static("*")),
            AllowedOrigins::List(_) => {
                headers.get(ORIGIN).filter(|origin| self.allows(origin, headers)).cloned()
            }
        }
    }

    /// Whether the answer to [`Access::allow_origin`] depends on who asks.
    pub(crate) fn varies(&self) -> bool {
        matches!(self.origins, AllowedOrigins::List(_))
    }

    /// Origins on the list, and our own: the page at `/` names the host it was loaded from.
    fn allows(&self, origin: &HeaderValue, headers: &HeaderMap) -> bool {
        self.origins.allows(origin.as_bytes(), headers.get(HOST).map(HeaderValue::as_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(origin: Option<&str>) -> Parts {
        let mut request = hyper::Request::builder().header(HOST, "call.example:8080");
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        request.body(()).expect("the headers are valid").into_parts().0
    }

    #[test]
    fn a_list_admits_its_origins_our_own_and_programs() {
        let access = Access::new(AllowedOrigins::List(vec![
            "https://app.example".parse().expect("an origin"),
        ]));
        let admitted = |origin| access.check(&request(origin)).is_ok();
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
    fn only_an_admitted_origin_is_told_so() {
        let access = Access::new(AllowedOrigins::List(vec![
            "https://app.example".parse().expect("an origin"),
        ]));
        let told = |origin| access.allow_origin(&request(origin).headers);
        assert_eq!(told(Some("https://app.example")).expect("allowed"), "https://app.example");
        assert_eq!(told(Some("https://evil.example")), None);
        let any = Access::new(AllowedOrigins::Any);
        assert_eq!(any.allow_origin(&request(Some("null")).headers).expect("allowed"), "*");
    }
}
