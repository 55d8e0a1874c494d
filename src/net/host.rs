//! The name by which a client reaches this server.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// A host as it stands in a URI (RFC 3986 s3.2.2): a DNS name in lower case, an IPv4 address, or an
/// IPv6 address in brackets; without a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host(Box<str>);

impl Host {
    /// From `host` or `host:port`.
    pub(crate) fn parse(authority: &str) -> Option<Self> {
        if let Some(rest) = authority.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            let fine = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            return fine.then(|| Self(format!("[{address}]").into()));
        }
        let host = match authority.split_once(':') {
            Some((host, port)) => is_port(port).then_some(host)?,
            None => authority,
        };
        is_name(host).then(|| Self(host.to_ascii_lowercase().into()))
    }

    /// From a host without a port, an IPv6 address with or without brackets.
    pub(crate) fn bare(host: &str) -> Option<Self> {
        match host.parse::<Ipv6Addr>() {
            Ok(address) => Some(Self(format!("[{address}]").into())),
            Err(_) => Self::parse(host),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// A DNS name (RFC 1123 s2.1, and the underscores people use), or an IPv4 address: what ends in a number
/// must be an address, as browsers have it.
fn is_name(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let ends_in_number = host
        .rsplit('.')
        .next()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    if ends_in_number {
        return host.parse::<Ipv4Addr>().is_ok();
    }
    host.len() <= 253 && host.split('.').all(label)
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
