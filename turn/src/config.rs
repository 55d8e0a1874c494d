//! What a shard is told once, at its start.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;

use hairpin_stun::Key;

use crate::PeerPolicy;

/// Everything a [`Server`](crate::Server) is told. The `hairpin-config` crate makes sure it is
/// sane.
#[derive(Clone, Debug)]
pub struct Config {
    /// REALM, already prepared with OpaqueString (RFC 8265), under 128 characters.
    pub realm: String,
    /// SOFTWARE in answers to authenticated Allocate and Refresh requests; `None` leaves it out.
    pub software: Option<String>,
    /// Who may allocate.
    pub credentials: Credentials,
    /// How long a nonce is good for; at most an hour (RFC 8489 s9.2).
    pub nonce_lifetime: Duration,
    /// The longest lifetime granted; the default lifetime is 600 s (RFC 8656 s7.2).
    pub max_lifetime: Duration,
    /// Whether IPv4 and IPv6 relayed addresses can be had.
    pub relay_v4: bool,
    /// See `relay_v4`.
    pub relay_v6: bool,
    /// Every address relay sockets are bound to or advertised at: packets for these never leave
    /// through a socket unless no shard owns the port and the policy allows it.
    pub relay_ips: Vec<IpAddr>,
    /// The relay port range.
    pub relay_ports: RangeInclusive<u16>,
    /// Every address our own listeners are reachable at; as peers they are refused (403).
    pub listeners: Vec<SocketAddr>,
    /// Which peers are allowed.
    pub policy: PeerPolicy,
    /// Permissions one allocation may hold before 508.
    pub max_permissions: usize,
    /// Channels one allocation may hold before 508.
    pub max_channels: usize,
    /// Secret randomness for hash tables and indications' transaction ids.
    pub seed: u64,
}

/// Who may allocate: REST credentials under any of the secrets (draft-uberti-behave-turn-rest), and
/// static users.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Shared secrets; the first is the one nonces are made with and new credentials issued under,
    /// all are accepted. Never empty in a running server.
    pub secrets: Vec<Box<[u8]>>,
    /// Static users: name and long-term key (RFC 8489 s9.2.2), never the password.
    pub users: Vec<(Box<str>, Key)>,
}

impl core::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Credentials")
            .field("secrets", &self.secrets.len())
            .field("users", &self.users.len())
            .finish()
    }
}
