//! A running server, and how one is put together.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use hairpin_config::{Config, Insecurity, Resolved};
use hairpin_turn::{OwnAddresses, QuotaLedger, Quotas, Rules};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::error::StartError;
use crate::front::Front;
use crate::http::{Web, admin};
use crate::ice::IceIssuer;
use crate::listen::{self, Opened};
use crate::metrics::Metrics;
use crate::relay::{Relay, RelayIp, RelaySetup};
use crate::signaling::{self, Limits};
use crate::supervisor::Supervisor;

/// How often a stopping server looks whether the last allocation has gone.
const QUIET_POLL: Duration = Duration::from_millis(50);

/// Where a server can be reached: the addresses its sockets are bound to, with ports settled.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Addresses {
    /// STUN and TURN over UDP.
    pub turn_udp: Vec<SocketAddr>,
    /// STUN and TURN over TCP; HTTP and WebSockets are served here too.
    pub turn_tcp: Vec<SocketAddr>,
    /// HTTP and WebSockets; STUN and TURN over TCP are served here too.
    pub http: Vec<SocketAddr>,
    /// `/metrics`, `/healthz` and `/readyz`.
    pub admin: Option<SocketAddr>,
    /// The addresses peers see relayed packets come from.
    pub relay: Vec<IpAddr>,
}

/// A running server. Dropping it leaves it running until the process ends; [`Server::shutdown`] stops it.
pub struct Server {
    addresses: Addresses,
    /// What a person should know: what could not be bound, what is odd, what is insecure.
    notes: Vec<String>,
    insecure: Vec<Insecurity>,
    shutdown_timeout: Duration,
    front: JoinHandle<()>,
    relay: Relay,
    web: JoinHandle<()>,
    /// Ends last, so that a stop can be watched.
    admin: Option<JoinHandle<()>>,
    /// Cancelled: no new work, and every client is told.
    draining: CancellationToken,
    supervisor: Supervisor,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Server {
    /// Begins to set up a server; without further settings it is what `hairpin` is without flags.
    pub fn builder() -> crate::Builder {
        crate::Builder::default()
    }

    /// Where the server can be reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What a person wants to know at the start: what listens where, which address peers see, which URL to
    /// open, what is insecure and which flag fixes it. No secrets.
    pub fn summary(&self) -> String {
        crate::summary::summary(&self.addresses, &self.notes, &self.insecure)
    }

    /// Returns if a part of the server ends while it runs, which only a defect can cause, and says which: stop the
    /// process then.
    pub async fn failed(&self) -> String {
        self.supervisor.failed().await
    }

    /// Stops cleanly: takes no new work, tells every client, waits for calls to end, and cuts what is left
    /// when `--shutdown-timeout` has passed.
    pub async fn shutdown(self) {
        let deadline = tokio::time::Instant::now() + self.shutdown_timeout;
        let Self { front, relay, mut web, admin, draining, supervisor, .. } = self;
        supervisor.stop();
        draining.cancel();
        relay.drain();
        let _ = front.await;
        let quiet = async {
            let _ = (&mut web).await;
            while relay.allocations() > 0 {
                tokio::time::sleep(QUIET_POLL).await;
            }
        };
        if tokio::time::timeout_at(deadline, quiet).await.is_err() {
            tracing::info!(allocations = relay.allocations(), "cutting what is left");
            web.abort();
        }
        relay.stop().await;
        if let Some(admin) = admin {
            admin.abort();
        }
    }

    /// Opens the sockets and starts the workers.
    pub(crate) fn start(mut resolved: Resolved) -> Result<Self, StartError> {
        raise_descriptor_limit();
        let insecure = resolved.insecure_defaults();
        ensure_secret(&mut resolved.config);
        let config = &resolved.config;
        let workers = worker_count(config);
        let relay_ips = listen::relay_ips(&config.relay)?;
        let Opened { udp, tcp, turn_tcp, admin, notes } = listen::open(config, workers)?;
        let bound: Vec<_> = tcp.iter().map(|tcp| tcp.address).collect();
        let addresses = Addresses {
            turn_udp: udp.udp.iter().map(|udp| udp.address).collect(),
            turn_tcp: bound[..turn_tcp].to_vec(),
            http: bound[turn_tcp..].to_vec(),
            admin: admin.as_ref().and_then(|listener| listener.local_addr().ok()),
            relay: relay_ips.iter().map(|ip| ip.advertised).collect(),
        };
        let clock = Clock::start();
        let metrics = Arc::new(Metrics::new(workers));
        let supervisor = Supervisor::default();
        let relay = Relay::start(RelaySetup {
            rules: Arc::new(rules(config)),
            own: own_addresses(config, &relay_ips, &addresses),
            addresses: relay_ips,
            quotas: QuotaLedger::new(Quotas {
                per_user: config.relay.user_quota.map(Into::into),
                total: config.relay.total_quota.map(Into::into),
            }),
            listeners: udp,
            metrics: (0..workers).map(|worker| metrics.relay(worker)).collect(),
            clock,
            supervisor: supervisor.clone(),
        })
        .map_err(StartError::System)?;

        let draining = CancellationToken::new();
        let ice = Arc::new(IceIssuer::new(
            &config.ice,
            &config.turn.credentials.secrets[0],
            &addresses.turn_udp,
            &addresses.turn_tcp,
            clock,
        ));
        let hub =
            signaling::start(&config.signaling, ice.clone(), metrics.clone(), clock, &supervisor);
        let limits = Limits { max_message: config.signaling.max_message_bytes };
        let web = Web::new(&config.http, limits, ice, hub);
        let front = Front::new(tcp, web.clone(), relay.streams()).map_err(StartError::System)?;
        let front = supervisor.task("the front door", front.run(draining.clone()));
        let web = supervisor.task("the web server", web.run(draining.clone()));
        let admin = admin.map(tokio::net::TcpListener::from_std).transpose();
        let admin = admin.map_err(StartError::System)?.map(|listener| {
            let served = admin::serve(listener, metrics, draining.clone(), supervisor.clone());
            supervisor.task("the admin listener", served)
        });
        Ok(Self {
            addresses,
            notes: resolved.warnings.into_iter().chain(notes).collect(),
            insecure,
            shutdown_timeout: config.shutdown_timeout,
            front,
            relay,
            web,
            admin,
            draining,
            supervisor,
        })
    }
}

/// Without a secret of the operator's, one for this run.
fn ensure_secret(config: &mut Config) {
    let secrets = &mut config.turn.credentials.secrets;
    if secrets.is_empty() {
        let random: [u8; 32] = rand::random();
        secrets.push(random.into());
    }
}

fn worker_count(config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    config.workers.map_or_else(cores, NonZeroUsize::get)
}

fn rules(config: &Config) -> Rules {
    let turn = &config.turn;
    Rules {
        realm: turn.realm.clone(),
        software: turn.software.then(|| concat!("hairpin ", env!("CARGO_PKG_VERSION")).to_owned()),
        credentials: turn.credentials.clone(),
        nonce_lifetime: turn.nonce_lifetime,
        max_lifetime: turn.max_lifetime,
        policy: turn.policy.clone(),
        max_permissions: turn.max_permissions,
        max_channels: turn.max_channels,
    }
}

fn own_addresses(config: &Config, relay_ips: &[RelayIp], addresses: &Addresses) -> OwnAddresses {
    let mut own: Vec<IpAddr> = relay_ips.iter().flat_map(|ip| [ip.bind, ip.advertised]).collect();
    own.retain(|ip| !ip.is_unspecified());
    own.sort_unstable();
    own.dedup();
    let bound = [&addresses.turn_udp, &addresses.turn_tcp, &addresses.http].into_iter().flatten();
    let listeners = reachable(bound.chain(&addresses.admin), &own);
    OwnAddresses::new(listeners, own, config.relay.ports.clone())
}

/// Every address at which our listeners can be reached: a wildcard stands for all addresses of the machine, and an
/// advertised address leads to all of them.
fn reachable<'a>(
    bound: impl Iterator<Item = &'a SocketAddr>,
    relay_ips: &[IpAddr],
) -> Vec<SocketAddr> {
    let own: Vec<IpAddr> = crate::net::own_addresses();
    let mut all: Vec<SocketAddr> = bound
        .flat_map(|address| {
            let everywhere = own.iter().filter(|_| address.ip().is_unspecified());
            let ips = everywhere.chain(relay_ips).copied().chain([address.ip()]);
            ips.map(|ip| SocketAddr::new(ip, address.port())).collect::<Vec<_>>()
        })
        .filter(|address| !address.ip().is_unspecified())
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Every allocation and every connection takes a descriptor; the soft limit is often 1,024.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit on open files");
    }
}
