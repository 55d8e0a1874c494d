//! hairpin: one process that gets two people into a WebRTC call from any network.
//!
//! A TURN/STUN server, a WebSocket signaling relay and an in-memory matcher between them. The `hairpin`
//! command is a thin shell around this library:
//!
//! ```
//! use hairpin::{Config, ListenSettings, Listener, Listeners, Protocol, Rules, Server};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config {
//!     rules: Rules { realm: "example.org".into(), ..Default::default() },
//!     listen: ListenSettings {
//!         turn: vec![Listener::at(Protocol::Udp, "127.0.0.1:0".parse()?)],
//!         dtls: false,
//!         nat_discovery: false,
//!         http: vec!["127.0.0.1:0".parse()?],
//!         http_on_turn: true,
//!         admin: None,
//!         max_connections_per_address: None,
//!         proxies: vec![],
//!     },
//!     ..Default::default()
//! };
//! let listeners = Listeners::bind(&config)?;
//! let server = Server::start(config, listeners)?;
//! println!("open http://{}", server.addresses().http[0]);
//! server.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! This crate is the only one that touches sockets, clocks, entropy and tasks. What it drives are state machines:
//! [`hairpin_turn`], and [`hairpin_lobby`] with [`hairpin_signaling`] in it.
#![deny(unsafe_op_in_unsafe_fn)]

mod addresses;
mod backend;
mod bounds;
mod builder;
mod certificates;
mod clock;
mod error;
mod fetch;
mod front;
mod http;
mod ice;
mod identity;
mod limits;
mod listen;
mod log_limit;
mod metrics;
mod net;
mod records;
mod redirect;
mod relay;
mod server;
mod signaling;
mod summary;
mod supervisor;
mod webhooks;

pub use addresses::Addresses;
pub use builder::Builder;
pub use error::StartError;
pub use limits::raise_open_files_limit;
pub use listen::Listeners;
pub use metrics::Stats;
pub use server::Server;
pub use summary::preview;

// What a configuration is made of.
pub use hairpin_config::{
    AcmeSettings, AdminToken, AllowedOrigins, BackendSettings, BindHost, CertificateFiles, Config,
    ConfigError, ConfigErrors, ExternalAccount, Host, HttpSettings, HttpUrl, IceSettings, IceUrl,
    IdentitySettings, ListenSettings, Listener, ListenerSettings, LogLevel, Origin, Protocol,
    Redirect, RelayAddress, RelayPorts, RelaySettings, TlsSettings, WebhookSecret,
};
pub use hairpin_signaling::{Config as SignalingConfig, Rate};
pub use hairpin_stun::Key;
pub use hairpin_turn::{Credentials, IpRange, PeerPolicy, Quotas, Rules};
