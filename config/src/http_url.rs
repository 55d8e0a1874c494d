//! URLs that we ask ourselves.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

use crate::error::Invalid;

/// An `http` or `https` URL of a host, without a user, a password or a fragment.
///
/// Its `Debug` and `Display` leave the query out, which may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpUrl(Uri);

impl HttpUrl {
    /// The whole of it, to make a request of.
    pub fn uri(&self) -> &Uri {
        &self.0
    }

    /// Whether it is asked through TLS.
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Whether it is on this machine, by what it says: an address of loopback, or `localhost`.
    pub fn is_loopback(&self) -> bool {
        let host = self.0.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.eq_ignore_ascii_case("localhost")
            || bare.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
    }

    /// The scheme, the host and the port: what a log may show, for a path can be a secret too.
    pub fn origin(&self) -> String {
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        format!("{}://{authority}", self.0.scheme_str().unwrap_or_default())
    }
}

impl FromStr for HttpUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid =
            |problem: &str| Invalid::new(problem, "give a URL such as https://example.org/path");
        if text.contains('#') {
            return Err(invalid("has a fragment, which no server sees"));
        }
        let uri: Uri = text.parse().map_err(|_| invalid("is not a URL"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(invalid("is neither http:// nor https://"));
        }
        let authority = uri.authority().ok_or_else(|| invalid("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("holds a user or a password, which would be shown"));
        }
        if authority.host().is_empty() || authority.port_u16() == Some(0) {
            return Err(invalid("names no host and port that can be asked"));
        }
        Ok(Self(uri))
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.0.path())
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_is_taken() {
        let url: HttpUrl = "https://example.org/keys?secret=1".parse().expect("a URL");
        assert!(url.is_https() && !url.is_loopback());
        assert_eq!(url.uri().path_and_query().map(|it| it.as_str()), Some("/keys?secret=1"));
        assert_eq!(url.to_string(), "https://example.org/keys");
        assert_eq!(format!("{url:?}"), "\"https://example.org/keys\"");
        assert_eq!(url.origin(), "https://example.org");
        for near in ["http://localhost:1/", "http://127.0.0.9", "http://[::1]:8080/a"] {
            let url: HttpUrl = near.parse().expect("a URL");
            assert!(url.is_loopback() && !url.is_https(), "{near}");
        }
        let far: HttpUrl = "http://localhost.example".parse().expect("a URL");
        assert!(!far.is_loopback());
    }

    #[test]
    fn what_cannot_be_asked_is_refused() {
        for text in [
            "",
            "keys",
            "/keys",
            "example.org",
            "ftp://example.org/",
            "https://",
            "https:///keys",
            "https://user:word@example.org/",
            "https://example.org:0/",
            "https://example.org/#keys",
            "https://exa mple.org/",
            "file:///etc/passwd",
        ] {
            assert!(text.parse::<HttpUrl>().is_err(), "{text}");
        }
    }
}
