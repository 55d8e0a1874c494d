//! Where a server can be reached, and which addresses are its own.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::time::Duration;

use hairpin_config::{BindHost, RelayAddress, RelayPorts, RelaySettings};
use hairpin_turn::{IpRange, NatDiscovery, OwnAddresses, RelayedAddresses};

use crate::error::StartError;
use crate::net::{self, AddressWatch};
use crate::relay::{RelayIp, SharedSockets, UdpSockets};

/// How long changes of the machine's addresses are not looked at after the last.
const PAUSE: Duration = Duration::from_millis(100);

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
    /// The one relayed address of all allocations, in each family, where they share it.
    pub shared_relay: Vec<SocketAddr>,
}

/// The relay's addresses as configured, or as found out.
///
/// # Errors
/// A name that cannot be resolved, an address that this machine does not have.
fn relay_ips(settings: &RelaySettings) -> Result<Vec<RelayIp>, StartError> {
    let detected = net::detect_relay_ips();
    if settings.addresses.is_empty() {
        return Ok(detected.into_iter().map(|ip| RelayIp { bind: ip, advertised: ip }).collect());
    }
    let mut ips = Vec::new();
    for address in &settings.addresses {
        let binds = net::resolve(&address.bind);
        for bind in
            binds.map_err(|error| StartError::unresolved(&address.bind, "relay-ip", error))?
        {
            check_local(address, bind)?;
            let advertised = address.advertised.filter(|ip| ip.is_ipv4() == bind.is_ipv4());
            // A wildcard says nothing to peers.
            let of_family = || detected.iter().copied().find(|ip| ip.is_ipv4() == bind.is_ipv4());
            let seen = match bind.is_unspecified() {
                true => advertised.or_else(of_family),
                false => advertised.or(Some(bind)),
            };
            ips.extend(seen.map(|advertised| RelayIp { bind, advertised }));
        }
    }
    Ok(ips)
}

/// Where allocations are, and the sockets they share, if they do.
///
/// # Errors
/// A name that cannot be resolved, an address that this machine does not have, a port that somebody else has.
pub(crate) fn relay_addresses(
    settings: &RelaySettings,
    workers: usize,
    udp: &[UdpSockets],
) -> Result<(Vec<RelayIp>, Option<SharedSockets>), StartError> {
    let ips = relay_ips(settings)?;
    let port = match settings.ports {
        RelayPorts::Range(_) => return Ok((ips, None)),
        RelayPorts::Shared(port) => Some(port),
        RelayPorts::Listening => None,
    };
    let ips = first_of_each_family(ips);
    let shared = match port {
        Some(port) => SharedSockets::bind(&ips, port, workers),
        None => Ok(SharedSockets::of_listeners(&ips, udp)),
    };
    let shared = shared.map_err(|(address, source)| {
        let what = format!("udp {address}");
        StartError::Bind { what, setting: "shared-relay-port", source }
    });
    Ok((ips, Some(shared?)))
}

/// Where NAT behaviour discovery is served: the UDP listeners that every worker can answer from.
///
/// # Errors
/// There are not enough of them.
pub(crate) fn nat_discovery(
    udp: &[UdpSockets],
    workers: usize,
    relay_ips: &[RelayIp],
) -> Result<NatDiscovery, StartError> {
    let everybodys = udp.iter().filter(|listener| listener.serve_all(workers));
    let listeners: Vec<SocketAddr> = everybodys.map(|listener| listener.address).collect();
    // An address that a NAT of ours hides from peers it hides from clients, too.
    let advertised = |bound| {
        let behind = relay_ips.iter().find(|ip| ip.bind == bound);
        behind.map_or(bound, |ip| ip.advertised)
    };
    NatDiscovery::of_listeners(&listeners, advertised).ok_or(StartError::NatDiscovery)
}

/// The first of each family: where all allocations share an address, there is one.
fn first_of_each_family(ips: Vec<RelayIp>) -> Vec<RelayIp> {
    let mut first: Vec<RelayIp> = Vec::new();
    for ip in ips {
        if !first.iter().any(|known| known.bind.is_ipv4() == ip.bind.is_ipv4()) {
            first.push(ip);
        }
    }
    first
}

/// What [`relay_ips`] will say that peers see, without asking a name server: addresses, and what is said of names.
pub(crate) fn foreseen_relay(settings: &RelaySettings) -> (Vec<IpAddr>, Vec<String>) {
    if settings.addresses.is_empty() {
        return (net::detect_relay_ips(), Vec::new());
    }
    let detected = net::detect_relay_ips();
    let of_family = |v4: bool| detected.iter().copied().find(move |ip: &IpAddr| ip.is_ipv4() == v4);
    let mut named = Vec::new();
    let mut seen = Vec::new();
    for RelayAddress { bind, advertised } in &settings.addresses {
        match bind {
            BindHost::Ip(ip) if ip.is_unspecified() => {
                seen.extend(advertised.or_else(|| of_family(ip.is_ipv4())));
            }
            BindHost::Ip(ip) => seen.push(advertised.unwrap_or(*ip)),
            BindHost::Name(name) => match advertised {
                Some(ip) => seen.push(*ip),
                None => named.push(format!("{name}, resolved at the start")),
            },
        }
    }
    (seen, named)
}

/// Makes sure that relay sockets can be bound to an address: without it the server would look well, and refuse everybody.
fn check_local(address: &RelayAddress, bind: IpAddr) -> Result<(), StartError> {
    let setting = match address.advertised {
        Some(_) => "relay-ip, or the private address of external-ip",
        None => "relay-ip",
    };
    UdpSocket::bind((bind, 0)).map(drop).map_err(|source| StartError::RelayAddress {
        address: bind,
        setting,
        there_are: net::own_addresses(),
        source,
    })
}

/// What follows from the relay's addresses and is easily overlooked.
pub(crate) fn relay_note(relay: &[IpAddr]) -> Option<String> {
    let without = "no IPv4 address to relay from: who asks for an IPv4 relayed address, as browsers do, is refused (440); \
         give one, with --relay-ip or --external-ip";
    (!relay.iter().any(IpAddr::is_ipv4)).then(|| without.to_owned())
}

/// What the relay must not take for ordinary peers.
#[derive(Clone, Debug)]
pub(crate) struct Ourselves {
    listeners: Vec<SocketAddr>,
    relay_ips: Vec<IpAddr>,
    relay_ports: RangeInclusive<u16>,
    relayed: RelayedAddresses,
}

impl Ourselves {
    pub(crate) fn new(addresses: &Addresses, relay_ips: &[RelayIp], ports: &RelayPorts) -> Self {
        let shared = addresses.shared_relay.first().map_or(0, SocketAddr::port);
        let (relay_ports, relayed) = match ports {
            RelayPorts::Range(ports) => (ports.clone(), RelayedAddresses::Unique),
            RelayPorts::Shared(_) | RelayPorts::Listening => {
                (shared..=shared, RelayedAddresses::Shared)
            }
        };
        let mut own: Vec<IpAddr> =
            relay_ips.iter().flat_map(|ip| [ip.bind, ip.advertised]).collect();
        own.retain(|ip| !ip.is_unspecified());
        own.sort_unstable();
        own.dedup();
        let bound = [&addresses.turn_udp, &addresses.turn_tcp, &addresses.http];
        let bound = bound.into_iter().flatten().chain(&addresses.admin);
        Self { listeners: reachable(bound, &own), relay_ips: own, relay_ports, relayed }
    }

    /// With the machine's addresses as they are now.
    pub(crate) fn on(&self, machine: Vec<IpRange>) -> OwnAddresses {
        let Self { listeners, relay_ips, relay_ports, relayed } = self.clone();
        let own = OwnAddresses::new(listeners, relay_ips, relay_ports).with_machine(machine);
        match relayed {
            RelayedAddresses::Unique => own,
            RelayedAddresses::Shared => own.shared(),
        }
    }

    /// Tells of our addresses whenever the machine's have changed, for ever.
    pub(crate) async fn follow(self, watch: AddressWatch, tell: impl Fn(OwnAddresses)) {
        let mut known = None;
        loop {
            // Nothing is taken back because it cannot be seen: clients may have used up the descriptors.
            let now = net::own_ranges().map(|machine| self.on(machine));
            let is_seen = now.is_ok();
            if let Some(now) = now.ok().filter(|now| known.as_ref() != Some(now)) {
                tell(now.clone());
                known = Some(now);
            }
            // An interface that comes and goes all the time keeps nobody busy.
            tokio::time::sleep(PAUSE).await;
            if is_seen {
                watch.changed().await;
            }
        }
    }
}

/// Every address at which our listeners can be reached; an advertised address leads to all of them.
fn reachable<'a>(
    bound: impl Iterator<Item = &'a SocketAddr>,
    relay_ips: &[IpAddr],
) -> Vec<SocketAddr> {
    let mut all: Vec<SocketAddr> = bound
        .flat_map(|address| {
            let ips = relay_ips.iter().copied().chain([address.ip()]);
            ips.map(|ip| SocketAddr::new(ip, address.port())).collect::<Vec<_>>()
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}
