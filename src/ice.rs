//! Who gets which ICE servers, and how often.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hairpin_config::{Host, IceService, IceSettings, IceUrl, Protocol};
use hairpin_signaling::{IceGrant, IceServer, SessionId};
use hairpin_turn::{Holder, Pseudonyms, rest_credentials};

use crate::clock::Clock;
use crate::net::{AddressLimit, network};

/// Makes the `iceServers` that a client hands to `RTCPeerConnection`: where this server is reached, and
/// credentials by the REST convention (draft-uberti-behave-turn-rest) that the relay accepts. They are in the name of
/// whoever they are for, so that the relay can count what one person holds, and say that name to nobody.
pub(crate) struct IceIssuer {
    secret: Box<[u8]>,
    pseudonyms: Pseudonyms,
    ttl: Duration,
    place: Place,
    limit: AddressLimit,
}

/// The bound addresses at which a client finds the relay.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Listening<'a> {
    pub(crate) udp: &'a [SocketAddr],
    pub(crate) tcp: &'a [SocketAddr],
    /// TCP, where there is a certificate.
    pub(crate) tls: &'a [SocketAddr],
}

/// Where clients are told to go.
enum Place {
    /// The same for all of them.
    Fixed(IceUrls),
    /// To the host by which they reached us.
    TheirHost(Ports),
}

/// Where a client finds STUN and TURN. Made once for each client, and as cheap to clone as an `Arc`.
#[derive(Clone, Debug, Default)]
pub(crate) struct IceUrls(Arc<UrlsByScheme>);

#[derive(Debug, Default)]
struct UrlsByScheme {
    /// `stun:` and `stuns:`, which take no credentials.
    stun: Vec<String>,
    /// `turn:` and `turns:`.
    turn: Vec<String>,
}

/// A client has asked more often than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooOften {
    /// When it may ask again.
    pub(crate) retry_after: Duration,
}

impl IceIssuer {
    /// `secret` is one the relay accepts. Without a host in the settings it is `domain`, if there is one.
    pub(crate) fn new(
        settings: &IceSettings,
        domain: Option<&Host>,
        secret: &[u8],
        listening: Listening<'_>,
        clock: Clock,
    ) -> Self {
        let ports = Ports {
            udp: port(listening.udp, 3478),
            // Networks that allow but one port to the outside allow 443, and some of them TLS alone.
            tcp: port(listening.tcp, 443),
            tls: port(listening.tls, 443),
        };
        let place = match settings.host.as_ref().or(domain) {
            _ if !settings.urls.is_empty() => Place::Fixed(settings.urls.iter().cloned().collect()),
            Some(host) => Place::Fixed(ports.urls(host)),
            None => Place::TheirHost(ports),
        };
        let limit = AddressLimit::per_minute(settings.requests_per_minute, clock);
        let pseudonyms = Pseudonyms::new(secret);
        Self { secret: secret.into(), pseudonyms, ttl: settings.ttl, place, limit }
    }

    /// Whether URLs are made from the host that the client used.
    pub(crate) fn needs_host(&self) -> bool {
        matches!(self.place, Place::TheirHost(_))
    }

    /// The URLs for a client that reached us as `host`; none if it is to be told a host and has named none.
    pub(crate) fn urls(&self, host: Option<&Host>) -> IceUrls {
        match &self.place {
            Place::Fixed(urls) => urls.clone(),
            Place::TheirHost(ports) => host.map(|host| ports.urls(host)).unwrap_or_default(),
        }
    }

    /// Servers for whoever asks from this address. All that is known of it is where it is, so its allocations are
    /// counted together with those of its network.
    ///
    /// # Errors
    /// The address has had all it may have for now.
    pub(crate) fn issue(&self, urls: &IceUrls, address: IpAddr) -> Result<IceGrant, TooOften> {
        self.count(address)?;
        Ok(self.grant(urls, &self.pseudonyms.of(Holder::Network(network(address)))))
    }

    /// Counts a request from this address, as [`IceIssuer::issue`] does.
    ///
    /// # Errors
    /// The address has had all it may have for now.
    pub(crate) fn count(&self, address: IpAddr) -> Result<(), TooOften> {
        self.limit.take(address).map_err(|retry_after| TooOften { retry_after })
    }

    /// Servers for a user whose allocations are to be counted together. Not limited here.
    pub(crate) fn issue_to(&self, urls: &IceUrls, user: &str) -> IceGrant {
        self.grant(urls, &self.pseudonyms.of(Holder::User(user)))
    }

    /// The same for a user who has been matched: its allocations are told from those of other sessions where all share
    /// one relayed address. The hub limits how often one is matched.
    pub(crate) fn issue_in(&self, urls: &IceUrls, user: &str, session: SessionId) -> IceGrant {
        self.grant(urls, &self.pseudonyms.of_user_in(user, &session.to_string()))
    }

    fn grant(&self, IceUrls(urls): &IceUrls, name: &str) -> IceGrant {
        let mut servers = Vec::with_capacity(2);
        if !urls.stun.is_empty() {
            servers.push(IceServer { urls: urls.stun.clone(), username: None, credential: None });
        }
        if !urls.turn.is_empty() {
            let expiry = Clock::unix() + self.ttl.as_secs();
            let credentials = rest_credentials(&self.secret, name, expiry);
            servers.push(IceServer {
                urls: urls.turn.clone(),
                username: Some(credentials.username),
                credential: Some(credentials.password),
            });
        }
        IceGrant { servers, ttl: self.ttl }
    }
}

impl FromIterator<IceUrl> for IceUrls {
    fn from_iter<I: IntoIterator<Item = IceUrl>>(urls: I) -> Self {
        let mut by_scheme = UrlsByScheme::default();
        for url in urls {
            match url.service() {
                IceService::Stun => by_scheme.stun.push(url.to_string()),
                IceService::Turn => by_scheme.turn.push(url.to_string()),
            }
        }
        Self(Arc::new(by_scheme))
    }
}

impl std::fmt::Debug for IceIssuer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceIssuer").finish_non_exhaustive()
    }
}

/// The ports that URLs name.
struct Ports {
    udp: Option<u16>,
    tcp: Option<u16>,
    tls: Option<u16>,
}

impl Ports {
    /// At most four: from five on browsers complain that they slow discovery down.
    fn urls(&self, host: &Host) -> IceUrls {
        let udp = self
            .udp
            .into_iter()
            .flat_map(|port| [IceUrl::stun(host, port), IceUrl::turn(host, port, Protocol::Udp)]);
        let tcp = self.tcp.map(|port| IceUrl::turn(host, port, Protocol::Tcp));
        // No certificate is for an address, with few exceptions, and a browser would try in vain.
        let tls = self.tls.filter(|_| host.is_name()).map(|port| IceUrl::turns(host, port));
        udp.chain(tcp).chain(tls).collect()
    }
}

/// The preferred port if it is bound, else the first that is.
fn port(bound: &[SocketAddr], preferred: u16) -> Option<u16> {
    let mut ports = bound.iter().map(SocketAddr::port);
    let first = ports.clone().next();
    ports.find(|port| *port == preferred).or(first)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn issuer(host: Option<&str>, urls: &[&str], udp: &[u16], tcp: &[u16]) -> IceIssuer {
        let settings = IceSettings {
            host: host.and_then(Host::bare),
            urls: urls.iter().map(|url| url.parse().expect("an ICE URL")).collect(),
            requests_per_minute: NonZeroU32::MIN,
            ..hairpin_config::Config::default().ice
        };
        let bound = |ports: &[u16]| -> Vec<SocketAddr> {
            ports.iter().map(|port| SocketAddr::from(([0, 0, 0, 0], *port))).collect()
        };
        let (udp, tcp) = (bound(udp), bound(tcp));
        let listening = Listening { udp: &udp, tcp: &tcp, tls: &[] };
        IceIssuer::new(&settings, None, b"north", listening, Clock::start())
    }

    /// What a matched user is given who reached us as `host`.
    fn grant(issuer: &IceIssuer, host: Option<&str>) -> IceGrant {
        let host = host.and_then(Host::parse);
        issuer.issue_to(&issuer.urls(host.as_ref()), "ada")
    }

    fn urls(grant: &IceGrant) -> Vec<&str> {
        grant.servers.iter().flat_map(|server| &server.urls).map(String::as_str).collect()
    }

    #[test]
    fn urls_name_the_host_that_was_used_and_the_best_ports() {
        let issuer = issuer(None, &[], &[443, 3478], &[3478, 443]);
        assert!(issuer.needs_host());
        assert_eq!(
            urls(&grant(&issuer, Some("[2001:db8::1]:8080"))),
            [
                "stun:[2001:db8::1]:3478",
                "turn:[2001:db8::1]:3478?transport=udp",
                "turn:[2001:db8::1]:443?transport=tcp"
            ]
        );
        assert!(grant(&issuer, None).servers.is_empty());
    }

    #[test]
    fn without_443_tcp_goes_to_the_port_there_is() {
        let issuer = issuer(Some("turn.example"), &[], &[], &[5349]);
        assert!(!issuer.needs_host());
        assert_eq!(urls(&grant(&issuer, Some("other"))), ["turn:turn.example:5349?transport=tcp"]);
    }

    #[test]
    fn with_a_certificate_there_is_a_fourth_way_for_who_uses_a_name() {
        let settings = hairpin_config::Config::default().ice;
        let [udp, tcp] = [[3478, 443], [3478, 443]]
            .map(|ports| ports.map(|port| SocketAddr::from(([0; 4], port))));
        let listening = Listening { udp: &udp, tcp: &tcp, tls: &tcp };
        let domain = Host::bare("call.example");
        let issuer = |domain: Option<&Host>| {
            IceIssuer::new(&settings, domain, b"north", listening, Clock::start())
        };
        let expected = [
            "stun:call.example:3478",
            "turn:call.example:3478?transport=udp",
            "turn:call.example:443?transport=tcp",
            "turns:call.example:443?transport=tcp",
        ];
        assert_eq!(urls(&grant(&issuer(None), Some("call.example:8443"))), expected);
        // Whoever came by an address, or by another name, is told the one that the certificate is for.
        assert_eq!(urls(&grant(&issuer(domain.as_ref()), Some("192.0.2.1"))), expected);
        assert_eq!(urls(&grant(&issuer(None), Some("192.0.2.1"))).len(), 3);
    }

    #[test]
    fn configured_urls_are_handed_out_as_they_are_and_stun_gets_no_credentials() {
        let given = ["turns:a.example:443?transport=tcp", "stun:b.example"];
        let grant = grant(&issuer(None, &given, &[3478], &[3478]), None);
        assert_eq!(urls(&grant), ["stun:b.example", "turns:a.example:443?transport=tcp"]);
        assert_eq!(grant.servers[0].username, None);
        assert!(grant.servers[1].credential.is_some());
    }

    fn name(grant: &IceGrant) -> (u64, String) {
        let username = grant.servers[1].username.as_deref().expect("turn has one");
        let (expiry, id) = username.split_once(':').expect("expiry:id");
        (expiry.parse().expect("seconds"), id.to_owned())
    }

    fn user(issuer: &IceIssuer, user: &str) -> String {
        name(&issuer.issue_to(&issuer.urls(None), user)).1
    }

    fn network(issuer: &IceIssuer, address: &str) -> String {
        let address = address.parse().expect("an address");
        name(&issuer.issue(&issuer.urls(None), address).expect("not too often")).1
    }

    fn generous() -> IceIssuer {
        let mut settings = hairpin_config::Config::default().ice;
        settings.host = Host::bare("a");
        let udp = [SocketAddr::from(([0; 4], 3478))];
        let listening = Listening { udp: &udp, ..Listening::default() };
        IceIssuer::new(&settings, None, b"north", listening, Clock::start())
    }

    #[test]
    fn usernames_expire() {
        let issuer = generous();
        let (expiry, _) = name(&issuer.issue_to(&issuer.urls(None), "ada"));
        assert!((590..=601).contains(&(expiry - Clock::unix())));
    }

    #[test]
    fn a_person_has_one_name_and_different_people_have_different_ones() {
        let issuer = generous();
        assert_eq!(user(&issuer, "ada"), user(&issuer, "ada"));
        assert_ne!(user(&issuer, "ada"), user(&issuer, "bob"));
        // A network is what one subscriber has: an IPv4 address, or an IPv6 /64.
        assert_eq!(network(&issuer, "192.0.2.1"), network(&issuer, "::ffff:192.0.2.1"));
        assert_ne!(network(&issuer, "192.0.2.1"), network(&issuer, "192.0.2.2"));
        assert_eq!(network(&issuer, "2001:db8::1"), network(&issuer, "2001:db8::ffff:2"));
        assert_ne!(network(&issuer, "2001:db8::1"), network(&issuer, "2001:db8:0:1::1"));
    }

    #[test]
    fn both_people_of_a_session_bear_its_mark_and_nobody_else_does() {
        let issuer = generous();
        let [first, second] = ["1".repeat(32), "2".repeat(32)].map(|id| id.parse().expect("an id"));
        let split = |user: &str, session| {
            let name = name(&issuer.issue_in(&issuer.urls(None), user, session)).1;
            let (name, mark) = name.split_once('.').expect("name.session");
            (name.to_owned(), mark.to_owned())
        };
        let ((ada, ours), (bob, also_ours)) = (split("ada", first), split("bob", first));
        assert_eq!((&ada, &bob), (&user(&issuer, "ada"), &user(&issuer, "bob")));
        assert_eq!(ours, also_ours);
        assert_ne!(ours, split("ada", second).1);
        assert!(!"1".repeat(32).contains(&ours), "a session's id is nobody else's business");
    }

    #[test]
    fn every_node_with_the_secret_gives_a_person_the_same_name() {
        assert_eq!(user(&generous(), "ada"), user(&generous(), "ada"));
        assert_eq!(network(&generous(), "192.0.2.1"), network(&generous(), "192.0.2.1"));
    }

    #[test]
    fn a_name_tells_nobody_the_user_id() {
        let issuer = generous();
        for id in ["ada", "alice", "Zoë:1 %", "0123456789abcdef", &"\u{7f}".repeat(128)] {
            let name = user(&issuer, id);
            assert!(!name.contains(id), "{name}");
            // 96 bits, whatever the id: its length says nothing either.
            let digits = name.strip_prefix('~').expect("the mark of a name of ours");
            assert_eq!(digits.len(), 24);
            assert!(digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
        }
    }

    #[test]
    fn nobody_can_choose_a_user_id_that_is_a_network() {
        let issuer = generous();
        // 65.97.97.97 is "Aaaa" in octets.
        for id in ["65.97.97.97", "65.97.97.97/32", "Aaaa", "network\0Aaaa"] {
            assert_ne!(user(&issuer, id), network(&issuer, "65.97.97.97"));
        }
    }

    #[test]
    fn an_address_is_limited_and_a_match_is_not() {
        let issuer = issuer(Some("a"), &[], &[3478], &[]);
        let (urls, address) = (issuer.urls(None), IpAddr::from([192, 0, 2, 1]));
        assert!(issuer.issue(&urls, address).is_ok());
        let TooOften { retry_after } = issuer.issue(&urls, address).expect_err("one a minute");
        assert!(retry_after > Duration::from_secs(50), "{retry_after:?}");
        assert_eq!(issuer.issue_to(&urls, "ada").servers.len(), 2);
    }
}
