//! The URLs a client is given to reach a STUN or TURN server.

use std::fmt;
use std::str::FromStr;

use crate::error::Invalid;
use crate::host::{Host, split_port};
use crate::types::Protocol;

/// A URL that RTCPeerConnection takes (RFC 7064, RFC 7065).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IceUrl {
    service: IceService,
    text: Box<str>,
}

/// What is at the end of an [`IceUrl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IceService {
    /// `stun:` and `stuns:`: answers everyone, without credentials.
    Stun,
    /// `turn:` and `turns:`: relays, for those with credentials.
    Turn,
}

impl IceUrl {
    /// `stun:host:port`.
    pub fn stun(host: &Host, port: u16) -> Self {
        Self { service: IceService::Stun, text: format!("stun:{host}:{port}").into() }
    }

    /// `turn:host:port?transport=...`.
    pub fn turn(host: &Host, port: u16, protocol: Protocol) -> Self {
        let transport = match protocol {
            Protocol::Udp => "udp",
            Protocol::Tcp => "tcp",
        };
        let text = format!("turn:{host}:{port}?transport={transport}").into();
        Self { service: IceService::Turn, text }
    }

    /// `turns:host:port?transport=tcp`: TURN under TLS. Browsers speak it over TCP alone.
    pub fn turns(host: &Host, port: u16) -> Self {
        let text = format!("turns:{host}:{port}?transport=tcp").into();
        Self { service: IceService::Turn, text }
    }

    /// Whether it leads to a STUN or a TURN server.
    pub fn service(&self) -> IceService {
        self.service
    }

    /// The text, as a client is given it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for IceUrl {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let invalid = || {
            let fix = "give stun:host, turn:host:3478?transport=udp, turns:host:443?transport=tcp or the like";
            Invalid::new("is not a STUN or TURN URL", fix)
        };
        let (scheme, rest) = text.split_once(':').ok_or_else(invalid)?;
        let (authority, query) = match rest.split_once('?') {
            Some((authority, query)) => (authority, Some(query)),
            None => (rest, None),
        };
        let service = match (scheme, query) {
            ("stun" | "stuns", None) => IceService::Stun,
            ("turn" | "turns", None | Some("transport=udp" | "transport=tcp")) => IceService::Turn,
            _ => return Err(invalid()),
        };
        match split_port(authority) {
            None | Some((_, Some(0))) => Err(invalid()),
            Some(_) => Ok(Self { service, text: text.into() }),
        }
    }
}

impl fmt::Display for IceUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_can_be_read() {
        let host = Host::bare("2001:db8::1").expect("an address");
        for (url, service, text) in [
            (IceUrl::stun(&host, 3478), IceService::Stun, "stun:[2001:db8::1]:3478"),
            (
                IceUrl::turn(&host, 443, Protocol::Tcp),
                IceService::Turn,
                "turn:[2001:db8::1]:443?transport=tcp",
            ),
            (
                IceUrl::turn(&host, 3478, Protocol::Udp),
                IceService::Turn,
                "turn:[2001:db8::1]:3478?transport=udp",
            ),
            (IceUrl::turns(&host, 443), IceService::Turn, "turns:[2001:db8::1]:443?transport=tcp"),
        ] {
            assert_eq!((url.service(), url.as_str()), (service, text));
            assert_eq!(text.parse(), Ok(url));
        }
    }
}
