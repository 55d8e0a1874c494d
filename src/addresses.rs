//! Where a server can be reached, and which addresses are its own.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use hairpin_config::{BindHost, RelayAddress, RelaySettings};
use hairpin_turn::{Family, OwnAddresses};

use crate::error::StartError;
use crate::net;
use crate::relay::RelayIp;

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

/// The relay's addresses as configured, or as found out.
///
/// # Errors
/// A name that cannot be resolved.
pub(crate) fn relay_ips(settings: &RelaySettings) -> Result<Vec<RelayIp>, StartError> {
    if settings.addresses.is_empty() {
        let found = [Family::V4, Family::V6].into_iter().filter_map(net::detect_relay_ip);
        return Ok(found.map(|ip| RelayIp { bind: ip, advertised: ip }).collect());
    }
    let mut ips = Vec::new();
    for address in &settings.addresses {
        let binds = net::resolve(&address.bind);
        for bind in
            binds.map_err(|error| StartError::unresolved(&address.bind, "relay-ip", error))?
        {
            let advertised = address.advertised.filter(|ip| ip.is_ipv4() == bind.is_ipv4());
            // A wildcard says nothing to peers.
            let seen = match bind.is_unspecified() {
                true => advertised.or_else(|| net::detect_relay_ip(Family::of(bind))),
                false => advertised.or(Some(bind)),
            };
            ips.extend(seen.map(|advertised| RelayIp { bind, advertised }));
        }
    }
    Ok(ips)
}

/// What [`relay_ips`] will say that peers see, without asking a name server: addresses, and what is said of names.
pub(crate) fn foreseen_relay(settings: &RelaySettings) -> (Vec<IpAddr>, Vec<String>) {
    if settings.addresses.is_empty() {
        let found = [Family::V4, Family::V6].into_iter().filter_map(net::detect_relay_ip);
        return (found.collect(), Vec::new());
    }
    let mut named = Vec::new();
    let mut seen = Vec::new();
    for RelayAddress { bind, advertised } in &settings.addresses {
        match bind {
            BindHost::Ip(ip) if ip.is_unspecified() => {
                seen.extend(advertised.or_else(|| net::detect_relay_ip(Family::of(*ip))));
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

/// What the relay must not take for ordinary peers.
pub(crate) fn own_addresses(
    addresses: &Addresses,
    relay_ips: &[RelayIp],
    relay_ports: RangeInclusive<u16>,
) -> OwnAddresses {
    let mut own: Vec<IpAddr> = relay_ips.iter().flat_map(|ip| [ip.bind, ip.advertised]).collect();
    own.retain(|ip| !ip.is_unspecified());
    own.sort_unstable();
    own.dedup();
    let bound = [&addresses.turn_udp, &addresses.turn_tcp, &addresses.http].into_iter().flatten();
    let listeners = reachable(bound.chain(&addresses.admin), &own);
    OwnAddresses::new(listeners, own, relay_ports)
}

/// Every address at which our listeners can be reached: a wildcard stands for all addresses of the machine, and an
/// advertised address leads to all of them.
fn reachable<'a>(
    bound: impl Iterator<Item = &'a SocketAddr>,
    relay_ips: &[IpAddr],
) -> Vec<SocketAddr> {
    let own: Vec<IpAddr> = net::own_addresses();
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
