//! A running server, and how one is put together.

mod parts;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hairpin_config::{Config, Insecurity};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::addresses::{Addresses, Ourselves, nat_discovery, relay_addresses, relay_note};
use crate::backend::Backend;
use crate::bounds::Bounds;
use crate::certificates::{Certificates, Port80};
use crate::clock::Clock;
use crate::error::StartError;
use crate::front::{Front, FrontSetup, Serves};
use crate::http::Web;
use crate::http::admin::Health;
use crate::identity::Verifier;
use crate::listen::Listeners;
use crate::metrics::{Metrics, Stats};
use crate::net::{self, AddressWatch};
use crate::redirect::{self, Redirect};
use crate::relay::{Relay, SharedSockets, UdpSockets, worker_count};
use crate::signaling::HubHandle;
use crate::summary::secure_url;
use crate::supervisor::Supervisor;
use parts::{ice_issuer, start_admin, start_hub, start_relay, tls};

/// How often a stopping server looks whether the last allocation has gone.
const QUIET_POLL: Duration = Duration::from_millis(50);

/// A running server. Dropping it stops it at once, without waiting: its sockets close, its workers and tasks end.
/// [`Server::shutdown`] stops it cleanly.
pub struct Server {
    addresses: Addresses,
    /// What a person should know: what could not be bound, what is odd.
    notes: Vec<String>,
    /// What is in force, for the summary.
    bounds: Vec<(&'static str, String)>,
    insecure: Vec<Insecurity>,
    shutdown_timeout: Duration,
    relay: Relay,
    front: JoinHandle<()>,
    web: JoinHandle<()>,
    /// Tells the relay of the machine's addresses, where they can be watched.
    ourselves: Option<JoinHandle<()>>,
    /// Fetches the keys of tokens, where they are fetched.
    keys: Option<JoinHandle<()>>,
    hub: HubHandle,
    backend: Backend,
    certificates: Option<Certificates>,
    /// Looks for the certificate of DTLS, where that is served.
    dtls: Option<JoinHandle<()>>,
    /// Ends last, so that a stop can be watched.
    admin: Option<JoinHandle<()>>,
    base: Base,
}

/// What every part of a server is given.
#[derive(Clone)]
struct Base {
    clock: Clock,
    metrics: Arc<Metrics>,
    supervisor: Supervisor,
    /// Cancelled: no new work, and every client is told.
    draining: CancellationToken,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server on sockets that are bound: relay workers on threads of their own, everything else on the tokio
    /// runtime this is called on. Names in `config.relay` are resolved here, which may take a while. The sockets are
    /// those given: `config.listen` is for [`Listeners::bind`], and must be valid, but is not bound again.
    ///
    /// Nothing of the process is changed. [`raise_open_files_limit`](crate::raise_open_files_limit) is for hosts that
    /// want to serve many.
    ///
    /// # Errors
    /// Everything that is wrong with the configuration, by the names of its settings, or what the system refuses.
    /// Nothing is left running then.
    pub fn start(config: Config, mut listeners: Listeners) -> Result<Self, StartError> {
        config.check().map_err(StartError::Config)?;
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(StartError::NoRuntime);
        }
        let limits = config.relay.ports.limits();
        let notes = config.warnings().into_iter().chain(std::mem::take(&mut listeners.notes));
        let notes = notes.chain(limits).collect();
        let base = Base {
            clock: Clock::start(),
            metrics: Arc::new(Metrics::new(worker_count(config.workers))),
            supervisor: Supervisor::default(),
            draining: CancellationToken::new(),
        };
        let started = Self::put_together(config, listeners, notes, base.clone());
        // What has started ends with what it was for; that is no failure of its own.
        started.inspect_err(|_| base.supervisor.stop())
    }

    fn put_together(
        mut config: Config,
        listeners: Listeners,
        mut notes: Vec<String>,
        base: Base,
    ) -> Result<Self, StartError> {
        let tokens = Verifier::new(&config.identity, base.metrics.clone())
            .map_err(|error| StartError::TokenKeys(error.to_string()))?;
        let tokens = Arc::new(tokens);
        let port_80 = if listeners.redirect.is_empty() { Port80::NotOurs } else { Port80::Ours };
        let certificates =
            Certificates::start(&config.tls, &base.metrics, &base.supervisor, port_80)?;
        let udp = UdpSockets::adopt(listeners.turn_udp).map_err(StartError::Listener)?;
        let (relay_ips, shared) =
            relay_addresses(&config.relay, worker_count(config.workers), &udp)?;
        if config.listen.nat_discovery {
            config.rules.nat_discovery =
                nat_discovery(&udp, worker_count(config.workers), &relay_ips)?;
        }
        let addresses = Addresses {
            turn_udp: udp.iter().map(|udp| udp.address).collect(),
            turn_tcp: local_addresses(&listeners.turn_tcp)?,
            http: local_addresses(&listeners.http)?,
            admin: local_addresses(&listeners.admin)?.pop(),
            relay: relay_ips.iter().map(|ip| ip.advertised).collect(),
            shared_relay: shared.iter().flat_map(SharedSockets::advertised).collect(),
        };
        notes.extend(relay_note(&addresses.relay));
        // What is safe to say of the sockets is said of those there are.
        config.listen.http.clone_from(&addresses.http);
        config.listen.admin = addresses.admin;
        let insecure = config.insecure_defaults();
        // After that, for a secret made here is one of the things to be told.
        ensure_secret(&mut config);

        let ourselves = Ourselves::new(&addresses, &relay_ips, &config.relay.ports);
        // Before they are read for the first time, so that no change is missed.
        let watch = AddressWatch::open().map_err(|error| notes.push(unwatched(&error))).ok();
        let own = ourselves.on(net::own_ranges().map_err(StartError::System)?);
        let bounds = Bounds::new(&config, &addresses.relay, base.metrics.refused_connections());
        let served = certificates.as_ref().map(Certificates::lines).unwrap_or_default();
        let redirecting = local_addresses(&listeners.redirect)?;
        let redirecting =
            redirect::line(&redirecting).into_iter().chain(secure_url(&config, &addresses));
        let redirecting = redirecting.collect();
        let in_force =
            [served, redirecting, bounds.lines(), Backend::lines(&config.backend)].concat();
        let Bounds { ledger, budgets, .. } = bounds;
        let (backend, restored) =
            Backend::start(&config.backend, &base.metrics, base.clock, &base.supervisor)?;
        let bounds = (ledger, budgets.clone());
        let relay = start_relay(&config, own, relay_ips, shared, udp, bounds, &base)?;
        let dtls = config.listen.dtls.then(|| {
            let follow = relay.follow(config.tls.files.clone());
            base.supervisor.task("the certificate of DTLS", follow)
        });
        let ice = Arc::new(ice_issuer(&config, &addresses, certificates.as_ref(), base.clock));
        let hub = start_hub(&config, ice.clone(), tokens.clone(), &base);
        hub.begin(restored, backend.observer());
        let web = Web::new(&config, ice, hub.clone(), tokens.clone(), &budgets);
        // Without a listener of its own, HTTP is not on TURN's ports either.
        let on_turn = match config.listen.http_on_turn && !addresses.http.is_empty() {
            true => Serves::Everything,
            false => Serves::Turn,
        };
        let turn = listeners.turn_tcp.into_iter().map(|listener| (listener, on_turn));
        let http = listeners.http.into_iter().map(|listener| (listener, Serves::Everything));
        let redirect = certificates
            .clone()
            .map(|certificates| Redirect::new(listeners.redirect, certificates, budgets.clone()))
            .transpose()
            .map_err(StartError::Listener)?;
        let setup = FrontSetup {
            web: web.clone(),
            streams: relay.intake(),
            budgets,
            tls: certificates
                .as_ref()
                .map(|certificates| tls(certificates, &base))
                .transpose()?
                .flatten(),
            proxies: config.listen.proxies.clone(),
        };
        let front = Front::new(turn.chain(http), setup).map_err(StartError::Listener)?;
        let keys = tokens
            .key_set()
            .map(|keys| base.supervisor.task("the keys of tokens", keys.clone().keep_fresh()));
        let health = Health {
            metrics: base.metrics.clone(),
            draining: base.draining.clone(),
            supervisor: base.supervisor.clone(),
            tokens,
            certificates: certificates.clone(),
        };
        let admin = listeners.admin.map(|listener| {
            start_admin(listener, &config.backend.admin_tokens, hub.clone(), health)
        });
        let admin = admin.transpose()?;
        let front = base.supervisor.task("the front door", front.run(base.draining.clone()));
        if let Some(redirect) = redirect {
            base.supervisor.task("the way to https", redirect.run(base.draining.clone()));
        }
        // Half of the time is for those who were told last.
        let drain_spread = config.drain_spread.min(config.shutdown_timeout / 2);
        let web =
            base.supervisor.task("the web server", web.run(base.draining.clone(), drain_spread));
        let follow = |watch| ourselves.follow(watch, relay.own_addresses());
        let ourselves = watch.map(follow).map(|work| base.supervisor.task("own addresses", work));
        let shutdown_timeout = config.shutdown_timeout;
        Ok(Self {
            addresses,
            notes,
            bounds: in_force,
            insecure,
            shutdown_timeout,
            relay,
            front,
            web,
            ourselves,
            keys,
            hub,
            backend,
            certificates,
            dtls,
            admin,
            base,
        })
    }

    /// Where the server can be reached.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What a person wants to know at the start: what listens where, which address peers see, which URL to
    /// open, what is insecure and which flag fixes it. No secrets.
    pub fn summary(&self) -> String {
        crate::summary::summary(&self.addresses, &self.bounds, &self.notes, &self.insecure)
    }

    /// What it holds now, and what it has done since it started.
    pub fn stats(&self) -> Stats {
        self.base.metrics.stats()
    }

    /// Looks now for certificates that are new, which it does every few seconds in any case.
    pub fn look_for_certificates(&self) {
        if let Some(certificates) = &self.certificates {
            certificates.look_now();
        }
    }

    /// Returns if a part of the server ends while it runs, which only a defect can cause, and says which: stop the
    /// process then.
    pub async fn failed(&self) -> String {
        self.base.supervisor.failed().await
    }

    /// Stops cleanly: takes no new work, tells every client, waits for calls to end, and cuts what is left
    /// when [`Config::shutdown_timeout`] has passed. Dropping the future cuts at once.
    pub async fn shutdown(mut self) {
        let deadline = tokio::time::Instant::now() + self.shutdown_timeout;
        self.base.supervisor.stop();
        self.base.draining.cancel();
        self.relay.drain();
        let _ = (&mut self.front).await;
        let quiet = async {
            let _ = (&mut self.web).await;
            while self.relay.allocations() > 0 {
                tokio::time::sleep(QUIET_POLL).await;
            }
        };
        if tokio::time::timeout_at(deadline, quiet).await.is_err() {
            tracing::info!(allocations = self.relay.allocations(), "cutting what is left");
            self.web.abort();
        }
        self.relay.stop().await;
        // Once the hub's task answers, it has said what it had to say.
        let _ = self.hub.administer(|_, _| ()).await;
        self.backend.finish().await;
    }
}

/// Cuts everything. The relay does so itself.
impl Drop for Server {
    fn drop(&mut self) {
        self.base.supervisor.stop();
        // The front door closes by itself, and sends away whom it has not let in yet.
        self.base.draining.cancel();
        self.web.abort();
        for task in self.admin.iter().chain(&self.ourselves).chain(&self.keys).chain(&self.dtls) {
            task.abort();
        }
    }
}

fn unwatched(error: &io::Error) -> String {
    format!(
        "changes of this machine's addresses cannot be seen ({error}): what it gets later is a peer like any other; \
         permit AF_NETLINK, or restart when they change"
    )
}

fn local_addresses<'a>(
    sockets: impl IntoIterator<Item = &'a std::net::TcpListener>,
) -> Result<Vec<SocketAddr>, StartError> {
    let locals = sockets.into_iter().map(std::net::TcpListener::local_addr);
    locals.collect::<Result<_, _>>().map_err(StartError::Listener)
}

/// Without a secret of the operator's, one for this run.
fn ensure_secret(config: &mut Config) {
    let secrets = &mut config.rules.credentials.secrets;
    if secrets.is_empty() {
        let random: [u8; 32] = rand::random();
        secrets.push(random.into());
    }
}
