//! Which pages may use a server.

use std::fmt;
use std::str::FromStr;

use crate::error::Invalid;
use crate::host::split_port;

/// An origin (RFC 6454 s6.2) as browsers write it: `scheme://host[:port]` in lower case, the scheme's own
/// port left out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin(Box<str>);

impl Origin {
    /// The text, as an Origin header has it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || {
            let fix = "give scheme://host or scheme://host:port without a path, *, or none";
            Invalid::new("is not an origin", fix)
        };
        let (scheme, authority) = text.split_once("://").ok_or_else(invalid)?;
        let (host, port) = split_port(authority).ok_or_else(invalid)?;
        if !is_scheme(scheme) || port == Some(0) {
            return Err(invalid());
        }
        let scheme = scheme.to_ascii_lowercase();
        let own_port = match &*scheme {
            "https" => Some(443),
            "http" => Some(80),
            _ => None,
        };
        Ok(Self(match port.filter(|_| port != own_port) {
            Some(port) => format!("{scheme}://{host}:{port}").into(),
            None => format!("{scheme}://{host}").into(),
        }))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A scheme (RFC 3986 s3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// The origins (RFC 6454) that may read our answers and open WebSockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AllowedOrigins {
    /// Every one.
    Any,
    /// These alone, beside the server's own.
    List(Vec<Origin>),
}

impl AllowedOrigins {
    /// Whether a page may use the server. `origin` is the value of its request's Origin header; `host` is
    /// the host and port it asked, from the Host header or `:authority`: the server's own pages name it.
    pub fn allows(&self, origin: &[u8], host: Option<&[u8]>) -> bool {
        let Self::List(list) = self else { return true };
        let own = host.is_some_and(|host| {
            let scheme_end = origin.windows(3).position(|window| window == b"://");
            scheme_end.is_some_and(|end| host.eq_ignore_ascii_case(&origin[end + 3..]))
        });
        own || list.iter().any(|allowed| allowed.as_str().as_bytes().eq_ignore_ascii_case(origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(origins: &[&str]) -> AllowedOrigins {
        AllowedOrigins::List(origins.iter().map(|text| text.parse().expect("valid")).collect())
    }

    #[test]
    fn a_list_admits_its_origins_and_our_own() {
        let list = list(&["https://app.example"]);
        let admitted = |origin: &str| list.allows(origin.as_bytes(), Some(b"call.example:8080"));
        assert!(admitted("https://app.example"));
        assert!(admitted("HTTPS://App.Example"));
        assert!(admitted("http://call.example:8080"));
        assert!(!admitted("https://app.example.evil"));
        assert!(!admitted("https://evil.example"));
        assert!(!admitted("http://call.example"));
        assert!(!admitted("call.example:8080"));
        assert!(!admitted("null"));
        assert!(!admitted(""));
        assert!(!list.allows(b"http://call.example", None));
    }

    #[test]
    fn any_admits_what_is_no_origin_too() {
        assert!(AllowedOrigins::Any.allows(b"null", None));
        assert!(AllowedOrigins::Any.allows(b"\xff", Some(b"call.example")));
    }
}
