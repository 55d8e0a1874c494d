//! Which sockets listen, and that no two of them want the same port.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use super::{hosts, without_repetition};
use crate::error::Invalid;
use crate::parse::{number, or_none};
use crate::reader::Reader;
use crate::types::{BindHost, Listener, Protocol};

pub(super) fn listeners(reader: &mut Reader) -> Vec<Listener> {
    let tcp_hosts = hosts(reader, "listening-ip");
    let udp_hosts = match hosts(reader, "udp-listening-ip") {
        own if own.is_empty() => tcp_hosts.clone(),
        own => own,
    };
    let ports = ports(reader);
    let mut listeners = Vec::new();
    if !reader.switch("no-udp") {
        listeners.extend(sockets(Protocol::Udp, &udp_hosts, &ports));
    }
    if !reader.switch("no-tcp") {
        listeners.extend(sockets(Protocol::Tcp, &tcp_hosts, &ports));
    }
    if listeners.is_empty() {
        reader.warn("no-udp and no-tcp leave no TURN/STUN socket: nothing is relayed".to_owned());
    }
    without_repetition(listeners)
}

/// The ports, and whether each must be had.
fn ports(reader: &mut Reader) -> Vec<(u16, bool)> {
    let main = reader.one("listening-port", number(0..=u16::MAX));
    let alt = reader.one("alt-listening-port", or_none(number(0..=u16::MAX)));
    let asked_for = reader.is_set("alt-listening-port");
    let mut ports = vec![(main, true)];
    // Who lets the system choose wants to meet nobody else's port: not 443 either.
    if let Some(alt) = alt.filter(|alt| (asked_for || main != 0) && (*alt != main || main == 0)) {
        ports.push((alt, asked_for));
    }
    ports
}

fn sockets(protocol: Protocol, hosts: &[BindHost], ports: &[(u16, bool)]) -> Vec<Listener> {
    // A kernel may lack IPv6; nobody asked for it by name.
    let everywhere = [(BindHost::ANY_V4, true), (BindHost::ANY_V6, false)];
    let asked_for = hosts.iter().map(|host| (host.clone(), true));
    let hosts: Vec<_> = if hosts.is_empty() { everywhere.into() } else { asked_for.collect() };
    let mut sockets = Vec::new();
    for (port, port_required) in ports {
        for (host, host_required) in &hosts {
            let required = *port_required && *host_required;
            sockets.push(Listener { protocol, host: host.clone(), port: *port, required });
        }
    }
    sockets
}

/// Leaves out the TCP listeners nobody asked for whose port HTTP takes, and complains about the others,
/// and about the admin listener if it shares a port with any.
pub(super) fn apart(
    reader: &mut Reader,
    mut listeners: Vec<Listener>,
    http: &[SocketAddr],
    admin: Option<SocketAddr>,
) -> Vec<Listener> {
    let meets = |listener: &Listener, addr: &SocketAddr| {
        listener.protocol == Protocol::Tcp && listener.meets(addr)
    };
    listeners
        .retain(|listener| listener.required || !http.iter().any(|addr| meets(listener, addr)));
    let mut pairs =
        http.iter().enumerate().flat_map(|(i, a)| http[..i].iter().map(move |b| (a, b)));
    if pairs.any(|(a, b)| overlap(a.ip(), a.port(), b, true)) {
        let fix = "leave one out: [::] takes IPv4 too";
        reader.reject("http-listen", Invalid::new("has one port twice", fix));
    }
    if http.iter().any(|addr| listeners.iter().any(|listener| meets(listener, addr))) {
        let fix =
            "leave it out: HTTP is served on the TURN/STUN port as well; or give another port";
        reader.reject("http-listen", Invalid::new("is a TURN/STUN socket too", fix));
    }
    if let Some(admin) = admin {
        listeners.retain(|listener| listener.required || !meets(listener, &admin));
        let taken = http.iter().any(|addr| overlap(addr.ip(), addr.port(), &admin, true))
            || listeners.iter().any(|listener| meets(listener, &admin));
        if taken {
            let fix = "give it another port: metrics are not for the public";
            reader.reject("admin-listen", Invalid::new("is an HTTP or TURN/STUN socket too", fix));
        }
    }
    listeners
}

impl Listener {
    fn meets(&self, addr: &SocketAddr) -> bool {
        match self.host {
            BindHost::Ip(ip) => overlap(ip, self.port, addr, false),
            BindHost::Name(_) => false,
        }
    }
}

/// Whether two sockets want the same port of the same address. HTTP's `[::]` takes IPv4 too, a
/// listener's (`dual: false` for the first) does not.
fn overlap(ip: IpAddr, port: u16, other: &SocketAddr, dual: bool) -> bool {
    let same_port = port == other.port() && port != 0;
    let takes = |wide: IpAddr, dual: bool, narrow: IpAddr| {
        wide.is_unspecified() && (wide.is_ipv4() == narrow.is_ipv4() || (dual && wide.is_ipv6()))
    };
    let other = other.ip();
    same_port && (ip == other || takes(ip, dual, other) || takes(other, true, ip))
}

pub(super) fn warn_of_relay_range(
    reader: &mut Reader,
    listeners: &[Listener],
    ports: &RangeInclusive<u16>,
) {
    let mut inside: Vec<u16> = listeners
        .iter()
        .filter(|listener| listener.protocol == Protocol::Udp && ports.contains(&listener.port))
        .map(|listener| listener.port)
        .collect();
    inside.dedup();
    for port in inside {
        reader.warn(format!(
            "listening port {port} lies in the relay range {}-{}: allocations cannot have it",
            ports.start(),
            ports.end()
        ));
    }
}
