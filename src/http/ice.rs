//! Short-lived ICE servers.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use hairpin_config::{Host, IceService, IceSettings, IceUrl, Protocol};
use hairpin_signaling::{IceGrant, IceServer};
use hairpin_turn::rest_credentials;

/// Makes the `iceServers` that a client hands to `RTCPeerConnection`: where this server is reached, and
/// credentials by the REST convention (draft-uberti-behave-turn-rest) that the relay accepts.
pub(crate) struct IceIssuer {
    secret: Box<[u8]>,
    ttl: Duration,
    host: Option<Host>,
    urls: Vec<IceUrl>,
    udp: Option<u16>,
    tcp: Option<u16>,
}

impl IceIssuer {
    /// `secret` is one the relay accepts; `turn_udp` and `turn_tcp` are its bound addresses.
    pub(crate) fn new(
        settings: &IceSettings,
        secret: &[u8],
        turn_udp: &[SocketAddr],
        turn_tcp: &[SocketAddr],
    ) -> Self {
        Self {
            secret: secret.into(),
            ttl: settings.ttl,
            host: settings.host.clone(),
            urls: settings.urls.clone(),
            udp: port(turn_udp, 3478),
            // Networks that allow but one port to the outside allow 443.
            tcp: port(turn_tcp, 443),
        }
    }

    /// Whether URLs are made from the host that the client used.
    pub(crate) fn needs_host(&self) -> bool {
        self.urls.is_empty() && self.host.is_none()
    }

    /// Servers for a client that reached us as `host`, under a random name.
    pub(crate) fn issue(&self, host: Option<&Host>) -> IceGrant {
        self.grant(host, &format!("{:024x}", rand::random::<u128>() >> 32))
    }

    /// Servers for a user whose allocations are to be counted together.
    pub(crate) fn issue_to(&self, host: Option<&Host>, user: &str) -> IceGrant {
        self.grant(host, &username(user))
    }

    fn grant(&self, host: Option<&Host>, id: &str) -> IceGrant {
        let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let credentials = rest_credentials(&self.secret, id, (unix + self.ttl).as_secs());
        let (stun, turn): (Vec<_>, Vec<_>) =
            self.urls(host).into_iter().partition(|url| url.service() == IceService::Stun);
        let text = |urls: Vec<IceUrl>| urls.iter().map(ToString::to_string).collect();
        let mut servers = Vec::with_capacity(2);
        if !stun.is_empty() {
            servers.push(IceServer { urls: text(stun), username: None, credential: None });
        }
        if !turn.is_empty() {
            servers.push(IceServer {
                urls: text(turn),
                username: Some(credentials.username),
                credential: Some(credentials.password),
            });
        }
        IceGrant { servers, ttl: self.ttl }
    }

    /// At most four: from five on browsers complain that they slow discovery down.
    fn urls(&self, host: Option<&Host>) -> Vec<IceUrl> {
        if !self.urls.is_empty() {
            return self.urls.clone();
        }
        let Some(host) = self.host.as_ref().or(host) else { return vec![] };
        let mut urls = Vec::with_capacity(3);
        if let Some(port) = self.udp {
            urls.push(IceUrl::stun(host, port));
            urls.push(IceUrl::turn(host, port, Protocol::Udp));
        }
        if let Some(port) = self.tcp {
            urls.push(IceUrl::turn(host, port, Protocol::Tcp));
        }
        urls
    }
}

impl std::fmt::Debug for IceIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceIssuer").finish_non_exhaustive()
    }
}

/// The preferred port if it is bound, else the first that is.
fn port(bound: &[SocketAddr], preferred: u16) -> Option<u16> {
    let mut ports = bound.iter().map(SocketAddr::port);
    let first = ports.clone().next();
    ports.find(|port| *port == preferred).or(first)
}

/// A user id in the characters that survive everywhere a TURN username goes, distinct ids staying
/// distinct: all but letters, digits and `-._@` as in RFC 3986 s2.1. At most 384 bytes for the hub's
/// 128, so that "expiry:id" stays within USERNAME's 509.
fn username(user: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(user.len());
    for byte in user.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._@".contains(&byte) {
            out.push(byte.into());
        } else {
            write!(out, "%{byte:02X}").expect("writing to a String does not fail");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer(host: Option<&str>, urls: &[&str], udp: &[u16], tcp: &[u16]) -> IceIssuer {
        let settings = IceSettings {
            host: host.and_then(Host::bare),
            urls: urls.iter().map(|url| url.parse().expect("an ICE URL")).collect(),
            ..hairpin_config::Config::default().ice
        };
        let bound = |ports: &[u16]| -> Vec<SocketAddr> {
            ports.iter().map(|port| SocketAddr::from(([0, 0, 0, 0], *port))).collect()
        };
        IceIssuer::new(&settings, b"north", &bound(udp), &bound(tcp))
    }

    fn urls(grant: &IceGrant) -> Vec<&str> {
        grant.servers.iter().flat_map(|server| &server.urls).map(String::as_str).collect()
    }

    #[test]
    fn urls_name_the_host_that_was_used_and_the_best_ports() {
        let issuer = issuer(None, &[], &[443, 3478], &[3478, 443]);
        let host = Host::parse("[2001:db8::1]:8080");
        assert_eq!(
            urls(&issuer.issue(host.as_ref())),
            [
                "stun:[2001:db8::1]:3478",
                "turn:[2001:db8::1]:3478?transport=udp",
                "turn:[2001:db8::1]:443?transport=tcp"
            ]
        );
    }

    #[test]
    fn without_443_tcp_goes_to_the_port_there_is() {
        let issuer = issuer(Some("turn.example"), &[], &[], &[5349]);
        assert_eq!(urls(&issuer.issue(None)), ["turn:turn.example:5349?transport=tcp"]);
    }

    #[test]
    fn configured_urls_are_handed_out_as_they_are_and_stun_gets_no_credentials() {
        let given = ["turns:a.example:443?transport=tcp", "stun:b.example"];
        let grant = issuer(None, &given, &[3478], &[3478]).issue(None);
        assert_eq!(urls(&grant), ["stun:b.example", "turns:a.example:443?transport=tcp"]);
        assert_eq!(grant.servers[0].username, None);
        assert!(grant.servers[1].credential.is_some());
    }

    #[test]
    fn usernames_expire_and_keep_users_apart() {
        let issuer = issuer(Some("a"), &[], &[3478], &[]);
        let name = |grant: IceGrant| grant.servers[1].username.clone().expect("turn has one");
        let first = name(issuer.issue_to(None, "Zoë:1 %"));
        let (expiry, id) = first.split_once(':').expect("expiry:id");
        assert_eq!(id, "Zo%C3%AB%3A1%20%25");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let expiry: u64 = expiry.parse().expect("seconds");
        assert!((590..=601).contains(&(expiry - now.as_secs())));
        assert!(name(issuer.issue_to(None, &"\u{7f}".repeat(128))).len() <= 509);
        assert_ne!(name(issuer.issue(None)), name(issuer.issue(None)));
    }
}
