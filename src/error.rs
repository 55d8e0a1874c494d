//! Why a server could not start.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use hairpin_config::{BindHost, ConfigErrors};

use crate::records::CannotOpen;

/// Why [`Server::start`](crate::Server::start) failed. The message says what to change.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration is wrong; every mistake is listed.
    Config(ConfigErrors),
    /// A name to bind could not be resolved.
    Resolve {
        /// The name.
        name: String,
        /// The setting it came from.
        setting: &'static str,
        /// What the resolver says.
        source: io::Error,
    },
    /// An address could not be bound.
    Bind {
        /// The address and its protocol, as in `udp 0.0.0.0:3478`.
        what: String,
        /// The setting it came from.
        setting: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// An address to relay from cannot be bound.
    RelayAddress {
        /// The address.
        address: IpAddr,
        /// The settings it came from.
        setting: &'static str,
        /// Those this machine has.
        there_are: Vec<IpAddr>,
        /// What the system says.
        source: io::Error,
    },
    /// The file of records cannot be used.
    Records {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        fix: String,
    },
    /// A certificate cannot be used.
    Certificates {
        /// The setting that names the file.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        fix: String,
    },
    /// The URL of the keys of tokens cannot be asked.
    TokenKeys(String),
    /// A URL for webhooks cannot be asked.
    Webhooks(String),
    /// NAT behaviour discovery is asked for, and the sockets there are will not do.
    NatDiscovery,
    /// DTLS is asked for and cannot be served.
    Dtls(String),
    /// A socket that was bound already cannot be served.
    Listener(io::Error),
    /// There is no tokio runtime to start on.
    NoRuntime,
    /// Threads, descriptors or memory ran out.
    System(io::Error),
}

impl StartError {
    pub(crate) fn records(CannotOpen { path, problem, fix }: CannotOpen) -> Self {
        Self::Records { path, problem, fix }
    }

    pub(crate) fn unresolved(host: &BindHost, setting: &'static str, source: io::Error) -> Self {
        let name = match host {
            BindHost::Ip(ip) => ip.to_string(),
            BindHost::Name(name) => name.clone(),
        };
        Self::Resolve { name, setting, source }
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Config(errors) => errors.fmt(f),
            Self::Resolve { name, setting, source } => {
                write!(f, "{setting} = {name:?}: the name cannot be resolved ({source}); ")?;
                f.write_str("give an address, or a name that this machine knows")
            }
            Self::Bind { what, setting, source } => {
                write!(f, "cannot bind {what} ({setting}): {source}; {}", remedy(source))
            }
            Self::RelayAddress { address, setting, there_are, source } => {
                let there_are = there_are.iter().map(IpAddr::to_string).collect::<Vec<_>>();
                let there_are = there_are.join(", ");
                write!(f, "{setting}: cannot relay from {address}: {source}; ")?;
                write!(f, "give an address that this machine has: {there_are}")
            }
            Self::Records { path, problem, fix } => {
                write!(f, "records = {path:?}: {problem}; {fix}")
            }
            Self::Certificates { setting, path, problem, fix } => {
                write!(f, "{setting} = {path:?}: {problem}; {fix}")
            }
            Self::TokenKeys(problem) => write!(f, "jwks-url: {problem}"),
            Self::Webhooks(problem) => write!(f, "webhook-url: {problem}"),
            Self::NatDiscovery => f.write_str(
                "nat-discovery: there are no two UDP ports at two addresses of one family, with a socket for each worker; \
                 give listening-ip twice, with addresses this machine has, and two numbers as listening-port and \
                 alt-listening-port",
            ),
            Self::Dtls(problem) => f.write_str(problem),
            Self::Listener(source) => write!(f, "cannot serve a socket: {source}"),
            Self::NoRuntime => {
                f.write_str("cannot start: there is no tokio runtime; start it on one")
            }
            Self::System(source) => write!(f, "cannot start: {source}"),
        }
    }
}

/// What an operator can do about a bind that failed.
pub(crate) fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "stop the program that holds the port, or choose another port",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root or the capability CAP_NET_BIND_SERVICE; or choose another port"
        }
        io::ErrorKind::AddrNotAvailable => "give an address that this machine has",
        _ => "choose another address or port",
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(errors) => Some(errors),
            Self::Resolve { source, .. }
            | Self::Bind { source, .. }
            | Self::RelayAddress { source, .. }
            | Self::Listener(source)
            | Self::System(source) => Some(source),
            Self::NoRuntime
            | Self::NatDiscovery
            | Self::Records { .. }
            | Self::Certificates { .. }
            | Self::Dtls(_)
            | Self::TokenKeys(_)
            | Self::Webhooks(_) => None,
        }
    }
}
