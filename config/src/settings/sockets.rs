//! Which sockets listen, and that no two of them want the same port.

use std::net::{IpAddr, SocketAddr};

use hairpin_turn::{IpRange, NatDiscovery};

use super::http::{ADMIN_LISTEN, HTTP_LISTEN, NO_HTTP_ON_TURN};
use super::relay::ip_range;
use super::without_repetition;
use crate::check::Violations;
use crate::error::Invalid;
use crate::parser::{Parser, bounded};
use crate::reader::Reader;
use crate::setting::{Group, Many, Optional, Setting};
use crate::text::bind_host;
use crate::types::{
    BindHost, Config, ListenSettings, Listener, ListenerSettings, Protocol, RelayPorts,
};

pub(crate) const LISTENING_IP: Setting<BindHost, Many> =
    Setting::many("listening-ip", "HOST", Parser::Text(bind_host))
        .absent("every address")
        .help("Address, or name resolved when bound, of the TURN/STUN sockets");

pub(crate) const UDP_LISTENING_IP: Setting<BindHost, Many> =
    Setting::many("udp-listening-ip", "HOST", Parser::Text(bind_host))
        .absent("as `listening-ip`")
        .help("The same for UDP alone; on Fly.io `fly-global-services`");

pub(crate) const LISTENING_PORT: Setting<u16> =
    Setting::one("listening-port", "PORT", bounded(0..=65_535))
        .default("3478")
        .help("TURN/STUN port, UDP and TCP; 0 lets the system choose");

pub(crate) const ALT_LISTENING_PORT: Setting<u16, Optional> = Setting::optional(
    "alt-listening-port",
    "PORT",
    bounded(0..=65_535),
)
.or_none()
.default("443")
.help(
    "Second port or `none`; unset, 443 is used where it may be bound and `listening-port` is not 0",
);

pub(crate) const NO_UDP: Setting<bool> = Setting::switch("no-udp").help("No TURN/STUN over UDP");

pub(crate) const NO_TCP: Setting<bool> = Setting::switch("no-tcp").help("No TURN/STUN over TCP");

pub(crate) const DTLS: Setting<bool> = Setting::switch("dtls")
    .help("TURN over DTLS (RFC 7350) too, on the UDP sockets, for native clients; the first `cert` with a key of ECDSA P-256 or P-384 is served");

pub(crate) const NAT_DISCOVERY: Setting<bool> = Setting::switch("nat-discovery")
    .help("NAT behaviour discovery (RFC 5780) over UDP, for clients that ask how their NAT behaves; needs `listening-ip` twice with addresses of one family, `listening-port` and `alt-listening-port`");

pub(crate) const MAX_CONNECTIONS_PER_ADDRESS: Setting<usize, Optional> =
    Setting::optional("max-connections-per-address", "COUNT", bounded(1..=10_000_000))
        .absent("a fair share")
        .help("TCP connections of each kind, and WebSockets, from one IPv4 address or IPv6 /64; unset, up to a quarter of what there may be, less as it gets scarce");

pub(crate) const PROXY_PROTOCOL_FROM: Setting<IpRange, Many> =
    Setting::many("proxy-protocol-from", "RANGE", Parser::Text(ip_range))
        .absent("nobody")
        .help("Proxies in front of the TCP ports above and of `http-listen`: each connection of theirs begins with a PROXY header (version 1 or 2), and its client's address counts as if it had come itself; without the header it is closed");

pub(super) const GROUP: Group = Group {
    title: "TURN and STUN sockets",
    settings: &[
        LISTENING_IP.about(),
        UDP_LISTENING_IP.about(),
        LISTENING_PORT.about(),
        ALT_LISTENING_PORT.about(),
        NO_UDP.about(),
        NO_TCP.about(),
        DTLS.about(),
        NAT_DISCOVERY.about(),
        MAX_CONNECTIONS_PER_ADDRESS.about(),
        PROXY_PROTOCOL_FROM.about(),
    ],
};

pub(crate) fn read(reader: &mut Reader) -> ListenSettings {
    ListenSettings {
        turn: turn_listeners(reader),
        http: without_repetition(reader.get(&HTTP_LISTEN)),
        http_on_turn: !reader.get(&NO_HTTP_ON_TURN),
        admin: reader.get(&ADMIN_LISTEN),
        dtls: reader.get(&DTLS),
        nat_discovery: reader.get(&NAT_DISCOVERY),
        max_connections_per_address: reader.get(&MAX_CONNECTIONS_PER_ADDRESS),
        proxies: reader.get(&PROXY_PROTOCOL_FROM),
    }
}

fn turn_listeners(reader: &mut Reader) -> Vec<Listener> {
    let tcp =
        Hosts { setting: LISTENING_IP.name, all: without_repetition(reader.get(&LISTENING_IP)) };
    let udp = match without_repetition(reader.get(&UDP_LISTENING_IP)) {
        own if own.is_empty() => tcp.clone(),
        own => Hosts { setting: UDP_LISTENING_IP.name, all: own },
    };
    let ports = ports(reader);
    let mut listeners = Vec::new();
    if !reader.get(&NO_UDP) {
        listeners.extend(each(Protocol::Udp, &udp, &ports));
    }
    if !reader.get(&NO_TCP) {
        listeners.extend(each(Protocol::Tcp, &tcp, &ports));
    }
    without_repetition(listeners)
}

/// What to bind, and the setting that says so.
#[derive(Clone)]
struct Hosts {
    setting: &'static str,
    all: Vec<BindHost>,
}

/// A port, whether it must be had, and the setting that says so.
struct Port {
    setting: &'static str,
    number: u16,
    required: bool,
}

fn ports(reader: &mut Reader) -> Vec<Port> {
    let main = reader.get(&LISTENING_PORT);
    let alt = reader.get(&ALT_LISTENING_PORT);
    let required = reader.is_set(&ALT_LISTENING_PORT);
    let mut ports = vec![Port { setting: LISTENING_PORT.name, number: main, required: true }];
    // Who lets the system choose wants to meet nobody else's port: not 443 either.
    if let Some(number) = alt.filter(|alt| (required || main != 0) && (*alt != main || main == 0)) {
        ports.push(Port { setting: ALT_LISTENING_PORT.name, number, required });
    }
    ports
}

fn each(protocol: Protocol, hosts: &Hosts, ports: &[Port]) -> Vec<Listener> {
    // A kernel may lack IPv6; nobody asked for it by name.
    let everywhere = [(BindHost::ANY_V4, true), (BindHost::ANY_V6, false)];
    let asked_for = hosts.all.iter().map(|host| (host.clone(), true));
    let all: Vec<_> = if hosts.all.is_empty() { everywhere.into() } else { asked_for.collect() };
    let mut listeners = Vec::new();
    for port in ports {
        for (host, host_required) in &all {
            listeners.push(Listener {
                protocol,
                host: host.clone(),
                port: port.number,
                required: port.required && *host_required,
                settings: ListenerSettings { host: hosts.setting, port: port.setting },
            });
        }
    }
    listeners
}

impl ListenSettings {
    /// The TURN/STUN sockets to bind: all but the TCP ones nobody asked for by name whose port HTTP or the admin
    /// listener takes.
    pub fn turn_sockets(&self) -> impl Iterator<Item = &Listener> {
        let taken = |listener: &Listener| {
            self.http.iter().chain(&self.admin).any(|addr| listener.meets(addr))
        };
        self.turn.iter().filter(move |listener| listener.required || !taken(listener))
    }

    /// Where HTTP is spoken: at every TCP port that is not the admin listener's, unless it is switched off there. `None` is
    /// a host that has yet to be resolved.
    pub(crate) fn serves_http(&self) -> impl Iterator<Item = Option<IpAddr>> {
        let on = self.http_on_turn && !self.http.is_empty();
        let turn =
            self.turn_sockets().filter(move |listener| on && listener.protocol == Protocol::Tcp);
        let turn = turn.map(|listener| match listener.host {
            BindHost::Ip(ip) => Some(ip),
            BindHost::Name(_) => None,
        });
        self.http.iter().map(|address| Some(address.ip())).chain(turn)
    }
}

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    let ListenSettings { http, admin, .. } = &config.listen;
    let turn: Vec<&Listener> = config.listen.turn_sockets().collect();
    let mut pairs =
        http.iter().enumerate().flat_map(|(i, a)| http[..i].iter().map(move |b| (a, b)));
    if pairs.any(|(a, b)| overlap(a.ip(), a.port(), b, Takes::BothFamilies)) {
        let fix = "leave one out: [::] takes IPv4 too";
        violations.reject(&HTTP_LISTEN, Invalid::new("has one port twice", fix));
    }
    if http.iter().any(|addr| turn.iter().any(|listener| listener.meets(addr))) {
        let fix =
            "leave it out: HTTP is served on the TURN/STUN port as well; or give another port";
        violations.reject(&HTTP_LISTEN, Invalid::new("is a TURN/STUN socket too", fix));
    }
    if config.listen.nat_discovery && !may_discover_nats(&turn) {
        let invalid = Invalid::new(
            "needs two ports at each of two addresses of one family, over UDP",
            "give listening-ip (or udp-listening-ip) twice, with addresses this machine has, and two numbers as \
             listening-port and alt-listening-port",
        );
        violations.clash(&NAT_DISCOVERY, &LISTENING_IP, invalid);
    }
    let meets_http = |admin: &SocketAddr| {
        http.iter().any(|addr| overlap(addr.ip(), addr.port(), admin, Takes::BothFamilies))
    };
    let meets_turn = |admin: &SocketAddr| turn.iter().any(|listener| listener.meets(admin));
    if admin.is_some_and(|admin| meets_http(&admin) || meets_turn(&admin)) {
        let fix = "give it another port: metrics are not for the public";
        let invalid = Invalid::new("is an HTTP or TURN/STUN socket too", fix);
        violations.clash(&ADMIN_LISTEN, &HTTP_LISTEN, invalid);
    }
}

/// Whether the UDP sockets may be two ports at each of two addresses of a family. What a name stands for is not known yet.
fn may_discover_nats(listeners: &[&Listener]) -> bool {
    let mut udp = listeners.iter().filter(|listener| listener.protocol == Protocol::Udp);
    if udp.clone().any(|listener| matches!(listener.host, BindHost::Name(_))) {
        return udp.any(|listener| listener.port != 0);
    }
    let addresses: Vec<SocketAddr> = udp
        .filter(|listener| listener.port != 0)
        .filter_map(|listener| match listener.host {
            BindHost::Ip(ip) => Some(SocketAddr::new(ip, listener.port)),
            BindHost::Name(_) => None,
        })
        .collect();
    NatDiscovery::of_listeners(&addresses, |ip| ip).is_some()
}

impl Listener {
    /// Whether it wants the port of an HTTP or admin listener.
    fn meets(&self, addr: &SocketAddr) -> bool {
        match self.host {
            BindHost::Ip(ip) if self.protocol == Protocol::Tcp => {
                overlap(ip, self.port, addr, Takes::ItsFamily)
            }
            _ => false,
        }
    }
}

/// What a socket bound to `[::]` takes.
#[derive(Clone, Copy, PartialEq)]
enum Takes {
    /// IPv6 alone: a TURN/STUN socket.
    ItsFamily,
    /// IPv4 too: an HTTP or admin listener.
    BothFamilies,
}

/// Whether a socket wants the same port of the same address as an HTTP or admin listener.
fn overlap(ip: IpAddr, port: u16, other: &SocketAddr, takes: Takes) -> bool {
    let same_port = port == other.port() && port != 0;
    let covers = |wide: IpAddr, takes: Takes, narrow: IpAddr| {
        let both = takes == Takes::BothFamilies && wide.is_ipv6();
        wide.is_unspecified() && (wide.is_ipv4() == narrow.is_ipv4() || both)
    };
    let other = other.ip();
    same_port && (ip == other || covers(ip, takes, other) || covers(other, Takes::BothFamilies, ip))
}

pub(crate) fn warn(config: &Config, warnings: &mut Vec<String>) {
    let listeners = &config.listen.turn;
    if listeners.is_empty() {
        warnings.push("no-udp and no-tcp leave no TURN/STUN socket: nothing is relayed".to_owned());
    }
    let RelayPorts::Range(ports) = &config.relay.ports else { return };
    let is_inside =
        |listener: &&Listener| listener.protocol == Protocol::Udp && ports.contains(&listener.port);
    let mut inside: Vec<u16> =
        listeners.iter().filter(is_inside).map(|listener| listener.port).collect();
    inside.dedup();
    for port in inside {
        warnings.push(format!(
            "listening port {port} lies in the relay range {}-{}: allocations cannot have it",
            ports.start(),
            ports.end()
        ));
    }
}
