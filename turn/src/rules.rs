//! What the operator decides.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::num::NonZeroU32;
use core::time::Duration;

use hairpin_stun::{ChannelNumbers, TransactionId};

use crate::{Credentials, PeerPolicy};

/// The settings of a [`Server`](crate::Server), shared by all shards. The `hairpin-config` crate
/// makes sure they are sane.
#[derive(Clone, Debug)]
pub struct Rules {
    /// REALM, already prepared with OpaqueString (RFC 8265), under 128 characters.
    pub realm: String,
    /// SOFTWARE in answers to authenticated Allocate and Refresh requests; `None` leaves it out.
    pub software: Option<String>,
    /// Who may allocate.
    pub credentials: Credentials,
    /// Whether clients may keep their usernames to themselves.
    pub anonymity: Anonymity,
    /// After how long a nonce is stale; at most an hour (RFC 8489 s9.2).
    pub stale_nonce: Duration,
    /// The longest lifetime an Allocate or Refresh is granted; the default lifetime is 600 s (RFC 8656 s7.2).
    pub max_allocate_lifetime: Duration,
    /// How often a second each IPv4 address or IPv6 /64 is answered over UDP that has proven nothing,
    /// by each shard; after a silence four times as much comes at once. `None`: always.
    pub unauthenticated_answers_per_second: Option<NonZeroU32>,
    /// Where clients are sent with their Allocate requests, each to one of its own family (RFC 8489 s10). Who has none
    /// of its family is served here.
    pub alternate_servers: Vec<SocketAddr>,
    /// Which peers are allowed.
    pub policy: PeerPolicy,
    /// Permissions one allocation may hold before 508.
    pub max_permissions: usize,
    /// Channels one allocation may hold before 508.
    pub max_channels: usize,
    /// Which numbers channels may have. RFC 8656 says 0x4000 to 0x4FFF; older clients, and coturn's own tool, draw
    /// from 0x4000 to 0x7FFF. Who keeps to RFC 8656 never notices, so that is the default.
    pub channel_numbers: ChannelNumbers,
    /// Whether relayed addresses that peers reach over TCP are given out (RFC 6062); 442 if not.
    pub tcp_relay: TcpRelay,
    /// Connections to peers one TCP allocation may hold before 508.
    pub max_peer_connections: usize,
    /// Whether a client may take its allocation along to another address (RFC 8016); 405 to who asks for it if not.
    pub mobility: Mobility,
}

/// Whether there are TCP allocations (RFC 6062).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpRelay {
    /// For whoever asks over a stream.
    On,
    /// Not at all.
    Off,
}

/// Whether an allocation can be moved to another 5-tuple, or one may (RFC 8016).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mobility {
    /// With a ticket.
    On,
    /// Not at all.
    #[default]
    Off,
}

impl Rules {
    /// To which other server a request is sent. One that is repeated is sent to the same.
    pub(crate) fn alternate_server(
        &self,
        client: SocketAddr,
        transaction: TransactionId,
    ) -> Option<SocketAddr> {
        let of_family = || {
            let servers = self.alternate_servers.iter();
            servers.filter(|server| server.is_ipv4() == client.is_ipv4())
        };
        let count = of_family().count();
        // Whoever chose the transaction id may choose the server as well.
        let [first, second, ..] = transaction.0;
        let number = u16::from_be_bytes([first, second]);
        of_family().nth(usize::from(number).checked_rem(count)?).copied()
    }
}

/// Who may send USERHASH in place of USERNAME (RFC 8489 s14.4).
///
/// A hash can be found only of a name that is known before, which no REST username is. A client that is offered
/// anonymity takes it, so it must not be offered where such usernames are in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Anonymity {
    /// It is not offered.
    #[default]
    Nobody,
    /// Everybody is asked to, and found if it is a static user.
    StaticUsers,
}

/// What the settings say when nothing is configured: nobody may allocate, and only public addresses are peers.
impl Default for Rules {
    fn default() -> Self {
        Self {
            realm: "hairpin".into(),
            software: Some(concat!("hairpin ", env!("CARGO_PKG_VERSION")).into()),
            credentials: Credentials::default(),
            anonymity: Anonymity::Nobody,
            stale_nonce: Duration::from_secs(3600),
            max_allocate_lifetime: Duration::from_secs(3600),
            unauthenticated_answers_per_second: NonZeroU32::new(500),
            alternate_servers: Vec::new(),
            policy: PeerPolicy::default(),
            max_permissions: 128,
            max_channels: 128,
            channel_numbers: ChannelNumbers::Rfc5766,
            tcp_relay: TcpRelay::On,
            max_peer_connections: 32,
            mobility: Mobility::Off,
        }
    }
}
