//! The name by which a server is reached.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host as it stands in a URI (RFC 3986 s3.2.2): a DNS name in lower case, an IPv4 address, or an
/// IPv6 address in brackets; without a port.
///
/// Whatever a stranger sends as one ends up in URLs only after it has proved to be nothing but a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Host(Box<str>);

impl Host {
    /// From `host` or `host:port`, as a request's Host header or `:authority` has it.
    pub fn parse(authority: &str) -> Option<Self> {
        split_port(authority).map(|(host, _)| host)
    }

    /// From a host without a port, an IPv6 address with or without brackets.
    pub fn bare(host: &str) -> Option<Self> {
        if let Ok(address) = host.parse::<Ipv6Addr>() {
            return Some(Self::v6(address));
        }
        split_port(host).filter(|(_, port)| port.is_none()).map(|(host, _)| host)
    }

    /// The text, as it stands in a URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is a DNS name and no address. Certificates are for names, with few exceptions.
    pub fn is_name(&self) -> bool {
        is_name(&self.0)
    }

    fn v6(address: Ipv6Addr) -> Self {
        Self(format!("[{address}]").into())
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The host and the port of `host` or `host:port`.
pub(crate) fn split_port(authority: &str) -> Option<(Host, Option<u16>)> {
    if let Some(rest) = authority.strip_prefix('[') {
        let (address, rest) = rest.split_once(']')?;
        let host = Host::v6(address.parse().ok()?);
        return match rest {
            "" => Some((host, None)),
            _ => Some((host, Some(port(rest.strip_prefix(':')?)?))),
        };
    }
    let (host, port) = match authority.split_once(':') {
        Some((host, text)) => (host, Some(port(text)?)),
        None => (authority, None),
    };
    let fits = is_name(host) || host.parse::<Ipv4Addr>().is_ok();
    fits.then(|| (Host(host.to_ascii_lowercase().into()), port))
}

fn port(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// A DNS name (RFC 1123 s2.1, and the underscores people use). What ends in a number is none: it must be
/// an address, as browsers have it.
pub(crate) fn is_name(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.len() <= 253
        && host.split('.').all(is_label)
        && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_taken_without_their_port() {
        for (authority, host) in [
            ("example.org", "example.org"),
            ("Example.ORG:8080", "example.org"),
            ("my_box", "my_box"),
            ("192.0.2.1:443", "192.0.2.1"),
            ("[2001:DB8::1]", "[2001:db8::1]"),
            ("[::1]:8080", "[::1]"),
        ] {
            assert_eq!(Host::parse(authority).map(|h| h.to_string()).as_deref(), Some(host));
        }
        assert_eq!(
            Host::bare("2001:db8::1").map(|h| h.to_string()).as_deref(),
            Some("[2001:db8::1]")
        );
        assert_eq!(Host::bare("example.org:80"), None);
        for (host, is_name) in [("example.org", true), ("192.0.2.1", false), ("::1", false)] {
            assert_eq!(Host::bare(host).map(|host| host.is_name()), Some(is_name));
        }
    }

    #[test]
    fn nothing_else_is_a_host() {
        let long_label = "a".repeat(64);
        let long_name = "a.".repeat(127) + "a";
        for authority in [
            "",
            ":80",
            "a b",
            "a/b",
            "a?x=y",
            "user@host",
            "a..b",
            ".a",
            "-a",
            "a-",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[not]",
            "::1",
            "a:b",
            "a:",
            "a:65536",
            "a:+80",
            "é.org",
            "a,stun:evil",
            "a\"b",
            &long_label,
            &long_name,
        ] {
            assert_eq!(Host::parse(authority), None, "{authority}");
        }
    }
}
