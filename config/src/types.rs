//! What a configuration means, once resolved: the values the program runs on.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::ops::RangeInclusive;
use std::time::Duration;

use hairpin_turn::{IpRange, Quotas, Rules};
use http::HeaderName;

use crate::backend::BackendSettings;
use crate::host::Host;
use crate::http_url::HttpUrl;
use crate::ice_url::IceUrl;
use crate::layers::Layers;
use crate::origin::AllowedOrigins;
use crate::settings::sockets::{LISTENING_IP, LISTENING_PORT};
use crate::tls::TlsSettings;

/// A whole configuration. [`Config::default`] is what `hairpin` runs on when nothing is configured.
///
/// Values come out of [`Layers::resolve`](crate::Layers::resolve) only in combinations that make sense.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which sockets are bound.
    pub listen: ListenSettings,
    /// Where allocations live and how many there may be.
    pub relay: RelaySettings,
    /// Who may allocate, for how long, and towards whom.
    pub rules: Rules,
    /// What TLS is served with.
    pub tls: TlsSettings,
    /// HTTP and WebSockets.
    pub http: HttpSettings,
    /// Who somebody is.
    pub identity: IdentitySettings,
    /// What clients are told about how to reach the relay.
    pub ice: IceSettings,
    /// Queue, sessions and messages.
    pub signaling: hairpin_signaling::Config,
    /// Records, webhooks and the admin API.
    pub backend: BackendSettings,
    /// Relay worker threads; `None` is one per core.
    pub workers: Option<NonZeroUsize>,
    /// How long a stop may take before connections are cut.
    pub shutdown_timeout: Duration,
    /// Over which time a stopping server sends its clients elsewhere; half of `shutdown_timeout` at most.
    pub drain_spread: Duration,
    /// How much the command logs.
    pub log_level: LogLevel,
}

impl Default for Config {
    /// What is in force when nothing is configured.
    fn default() -> Self {
        Layers::default().resolve().expect("nothing configured is a valid configuration").config
    }
}

/// Which sockets are bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenSettings {
    /// The TURN/STUN sockets, UDP and TCP; without duplicates.
    pub turn: Vec<Listener>,
    /// Where HTTP is served beside every TCP listener of those; `[::]` takes IPv4 too. Empty: there is no HTTP, not on
    /// those either.
    pub http: Vec<SocketAddr>,
    /// Whether it is served on those, too. Without, they speak TURN/STUN alone.
    pub http_on_turn: bool,
    /// Where metrics and health are served; `None` switches that off.
    pub admin: Option<SocketAddr>,
    /// Whether TURN over DTLS is served on the UDP sockets.
    pub dtls: bool,
    /// Whether NAT behaviour discovery (RFC 5780) is served, which takes two ports at two addresses of a family.
    pub nat_discovery: bool,
    /// TCP connections of each kind, and WebSockets, that one IPv4 address or IPv6 /64 may have; `None` is a fair share.
    pub max_connections_per_address: Option<usize>,
    /// Where TCP connections come from that begin with a PROXY header (haproxy's proxy-protocol.txt), which is believed from
    /// nobody else; from there none is served without it.
    pub proxies: Vec<IpRange>,
}

/// Where a socket is bound: an address, or a name the caller resolves when it binds
/// (Fly.io wants UDP bound to the name `fly-global-services`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BindHost {
    /// An address; unspecified means every address of its family.
    Ip(IpAddr),
    /// A host name, syntactically valid.
    Name(String),
}

impl BindHost {
    /// Every IPv4 address.
    pub const ANY_V4: Self = Self::Ip(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    /// Every IPv6 address, and none of IPv4: listeners and relay sockets are bound with IPV6_V6ONLY.
    pub const ANY_V6: Self = Self::Ip(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
}

/// The transport of a listening socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Streams; HTTP and WebSockets are served there too, told apart by the first bytes.
    Tcp,
}

/// A TURN/STUN socket to open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Listener {
    /// UDP or TCP.
    pub protocol: Protocol,
    /// The address or name to bind.
    pub host: BindHost,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// Whether failing to bind it ends the start. `false` for what nobody asked for by name: port 443,
    /// which may need a privilege or be taken, and IPv6, which the kernel may lack.
    pub required: bool,
    /// The settings it came from.
    pub settings: ListenerSettings,
}

/// By which names a complaint about a [`Listener`] calls what was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerSettings {
    /// The setting of its address: `listening-ip` or `udp-listening-ip`.
    pub host: &'static str,
    /// The setting of its port: `listening-port` or `alt-listening-port`.
    pub port: &'static str,
}

impl Default for ListenerSettings {
    fn default() -> Self {
        Self { host: LISTENING_IP.name, port: LISTENING_PORT.name }
    }
}

impl Listener {
    /// A socket at this address, without which there is no start.
    pub fn at(protocol: Protocol, address: SocketAddr) -> Self {
        Self {
            protocol,
            host: BindHost::Ip(address.ip()),
            port: address.port(),
            required: true,
            settings: ListenerSettings::default(),
        }
    }
}

/// Where allocations live and how many there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelaySettings {
    /// Where relay sockets are bound and what peers are told; at least one entry per family to be
    /// served. Empty: to be detected.
    pub addresses: Vec<RelayAddress>,
    /// Where relayed addresses have their ports.
    pub ports: RelayPorts,
    /// How many allocations there may be at a time; `None` is no limit but ports and memory.
    pub quotas: Quotas,
}

/// Which ports relayed addresses have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayPorts {
    /// One of these each, as RFC 8656 s3 has it; never empty, from 1024 up.
    Range(RangeInclusive<u16>),
    /// This one, for all of them: for ICE clients alone. 0 becomes one that the system chooses.
    Shared(u16),
    /// That of the UDP listeners, for all of them: for ICE clients alone, who use no other STUN or TURN server.
    Listening,
}

/// One address of the relay: what is bound and what is advertised are separate values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayAddress {
    /// Where relay sockets are bound.
    pub bind: BindHost,
    /// What XOR-RELAYED-ADDRESS says and peers see; `None` is the bound address itself, to be
    /// detected where that is unspecified. Of the same family as `bind`.
    pub advertised: Option<IpAddr>,
}

/// HTTP and WebSockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Which other pages may use this server.
    pub allowed_origins: AllowedOrigins,
    /// The header a trusted proxy puts the client's address in; `None` is the TCP connection's.
    pub client_ip_header: Option<HeaderName>,
    /// Whether the demo page is served at `/`.
    pub page: bool,
    /// WebSocket connections at a time; more are refused.
    pub max_websockets: usize,
}

/// What clients are told about how to reach the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IceSettings {
    /// The host in derived URLs; `None` is the host the browser used.
    pub host: Option<Host>,
    /// How long issued credentials are good for: 60 s to a day.
    pub ttl: Duration,
    /// The URLs to hand out as they are, at most four; empty: to be derived from the listeners.
    pub urls: Vec<IceUrl>,
    /// Requests of `/v1/ice` one client address may make per minute before 429.
    pub requests_per_minute: NonZeroU32,
}

/// Who somebody is: without a secret and a URL of keys, whoever it says it is; else whoever its token says.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentitySettings {
    /// Secrets that tokens are signed with, by HS256.
    pub secrets: Vec<Box<[u8]>>,
    /// Where the keys are that tokens are signed with, by RS256, ES256 or EdDSA.
    pub jwks_url: Option<HttpUrl>,
    /// For whom a token must be, if there are any.
    pub audiences: Vec<String>,
    /// By whom it must be made, if there are any.
    pub issuers: Vec<String>,
    /// How much the clock of whoever makes tokens may differ.
    pub leeway: Duration,
}

impl IdentitySettings {
    /// Whether somebody is whoever it says it is.
    pub fn is_open(&self) -> bool {
        self.secrets.is_empty() && self.jwks_url.is_none()
    }
}

impl fmt::Debug for IdentitySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secrets, jwks_url, audiences, issuers, leeway } = self;
        f.debug_struct("IdentitySettings")
            .field("secrets", &format_args!("{} (redacted)", secrets.len()))
            .field("jwks_url", jwks_url)
            .field("audiences", audiences)
            .field("issuers", issuers)
            .field("leeway", leeway)
            .finish()
    }
}

/// How much is logged: the level named and everything more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What needs an operator.
    Error,
    /// What may need one.
    Warn,
    /// Starts, stops and what is in force.
    Info,
    /// Every allocation, connection and session.
    Debug,
    /// Everything there is.
    Trace,
}

macro_rules! default_as_in_config {
    ($($settings:ty: $field:ident),*) => {
        $(impl Default for $settings {
            /// What is in force when nothing is configured.
            fn default() -> Self {
                Config::default().$field
            }
        })*
    };
}

default_as_in_config!(
    ListenSettings: listen, RelaySettings: relay, HttpSettings: http, IdentitySettings: identity, IceSettings: ice,
    BackendSettings: backend
);
