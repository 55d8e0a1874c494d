//! The parts of a server, each from its settings.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hairpin_config::{AdminToken, Config, Host};
use hairpin_turn::{OwnAddresses, QuotaLedger};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::Base;
use crate::addresses::Addresses;
use crate::certificates::Certificates;
use crate::clock::Clock;
use crate::error::StartError;
use crate::front::Tls;
use crate::http::admin::{self, Admin, Health, Tokens};
use crate::ice::{IceIssuer, Listening};
use crate::identity::Verifier;
use crate::net::Budgets;
use crate::relay::{Identity, Relay, RelayIp, RelaySetup, SharedSockets, UdpSockets, worker_count};
use crate::signaling::{self, HubHandle};

pub(super) fn start_relay(
    config: &Config,
    own: OwnAddresses,
    relay_ips: Vec<RelayIp>,
    shared: Option<SharedSockets>,
    listeners: Vec<UdpSockets>,
    (quotas, budgets): (QuotaLedger, Budgets),
    base: &Base,
) -> Result<Relay, StartError> {
    let workers = worker_count(config.workers);
    let setup = RelaySetup {
        rules: Arc::new(config.rules.clone()),
        own: own.into(),
        addresses: relay_ips,
        shared,
        quotas,
        budgets,
        listeners,
        metrics: (0..workers).map(|worker| base.metrics.relay(worker)).collect(),
        dtls: dtls_identity(config)?,
        clock: base.clock,
        supervisor: base.supervisor.clone(),
    };
    Relay::start(setup).map_err(StartError::System)
}

/// Whom DTLS is served as, if it is.
fn dtls_identity(config: &Config) -> Result<Option<Identity>, StartError> {
    let identity = config.listen.dtls.then(|| Identity::of(&config.tls.files));
    identity.transpose().map_err(StartError::Dtls)
}

/// Without cryptography there are no certificates either.
pub(super) fn tls(certificates: &Certificates, base: &Base) -> Result<Option<Tls>, StartError> {
    let Some(provider) = Certificates::provider() else { return Ok(None) };
    let tls = Tls::new(certificates.resolver(), &provider, base.metrics.tls.clone());
    tls.map(Some).map_err(|error| StartError::System(io::Error::other(error)))
}

pub(super) fn ice_issuer(
    config: &Config,
    addresses: &Addresses,
    certificates: Option<&Certificates>,
    clock: Clock,
) -> IceIssuer {
    let secret = &config.rules.credentials.secrets[0];
    let Addresses { turn_udp, turn_tcp, http, .. } = addresses;
    // HTTP's ports serve TURN as well; but no-tcp means that it is not wanted.
    let http = http.iter().filter(|_| !turn_tcp.is_empty());
    let tcp: Vec<SocketAddr> = turn_tcp.iter().chain(http).copied().collect();
    let tls = if certificates.is_some() { tcp.as_slice() } else { &[] };
    let listening = Listening { udp: turn_udp, tcp: &tcp, tls };
    let domain = config.tls.acme.as_ref().and_then(|acme| Host::bare(acme.domains.first()?));
    IceIssuer::new(&config.ice, domain.as_ref(), secret, listening, clock)
}

pub(super) fn start_hub(
    config: &Config,
    ice: Arc<IceIssuer>,
    tokens: Arc<Verifier>,
    base: &Base,
) -> HubHandle {
    let Base { clock, metrics, supervisor, .. } = base;
    let secrets = &config.rules.credentials.secrets;
    let config = config.signaling.clone();
    signaling::start(config, secrets, ice, tokens, metrics.clone(), *clock, supervisor)
}

pub(super) fn start_admin(
    listener: std::net::TcpListener,
    tokens: &[AdminToken],
    hub: HubHandle,
    health: Health,
) -> Result<JoinHandle<()>, StartError> {
    let supervisor = health.supervisor.clone();
    let adopted = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
    let listener = adopted.map_err(StartError::Listener)?;
    let admin = Admin { health, hub, tokens: Arc::new(Tokens::new(tokens)) };
    Ok(supervisor.task("the admin listener", admin::serve(listener, admin)))
}
