//! What a [`Relay`](super::Relay) is made of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use hairpin_stun::{ChannelNumbers, Key};
use hairpin_turn::{Anonymity, Credentials, IpRange, OwnAddresses, PeerPolicy, Rules};

/// The server's realm.
pub const REALM: &str = "example.org";
/// The secret of its REST credentials.
pub const SECRET: &[u8] = b"north";
/// Its two static users, name and password.
pub const USERS: [(&str, &str); 2] = [("ann", "ann's password"), ("bob", "bob's password")];
/// Where it listens and relays. Clients and peers are elsewhere in the documentation ranges.
pub const SERVER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
/// The same for IPv6.
pub const SERVER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
/// The port of its listeners.
pub const PORT: u16 = 3478;
/// The ports of relayed addresses.
pub const RELAY_PORTS: RangeInclusive<u16> = 50_000..=50_999;

/// The settings, the addresses and the secret randomness of a server.
#[derive(Clone, Debug)]
pub struct Config {
    /// The operator's settings.
    pub rules: Rules,
    /// The server's addresses.
    pub own: OwnAddresses,
    /// Its secret randomness.
    pub seed: u64,
}

/// A configuration with both families and no quotas, and the documentation ranges for peers.
pub fn config() -> Config {
    let users = USERS.map(|(name, password)| (name.into(), Key::long_term(name, REALM, password)));
    let rules = Rules {
        realm: REALM.into(),
        software: Some("hairpin".into()),
        credentials: Credentials { secrets: vec![SECRET.into()], users: users.into() },
        anonymity: Anonymity::Nobody,
        stale_nonce: Duration::from_secs(3600),
        max_allocate_lifetime: Duration::from_secs(3600),
        // Crowds of simulated clients are behind one address, at one time.
        unauthenticated_answers_per_second: None,
        policy: PeerPolicy::new(documentation_ranges(), Vec::new()),
        max_permissions: 8,
        max_channels: 4,
        max_peer_connections: 4,
        alternate_servers: Vec::new(),
        // What RFC 8656 forbids is refused here.
        channel_numbers: ChannelNumbers::Rfc8656,
        ..Rules::default()
    };
    Config { rules, own: own_addresses(&[SERVER_V4, SERVER_V6], RELAY_PORTS), seed: 0x5EED }
}

/// Where everybody but the server is in a simulation. A server denies these addresses unless it is told otherwise.
pub fn documentation_ranges() -> Vec<IpRange> {
    ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.2-203.0.113.255", "2001:db8::2-2001:db8:ffff::"]
        .map(|range| range.parse().expect("a literal"))
        .into()
}

/// The server's listeners, and relayed addresses at these of its IP addresses.
pub fn own_addresses(relay_ips: &[IpAddr], relay_ports: RangeInclusive<u16>) -> OwnAddresses {
    let listeners = [SERVER_V4, SERVER_V6].map(|ip| SocketAddr::new(ip, PORT));
    OwnAddresses::new(listeners.into(), relay_ips.into(), relay_ports)
}
