//! From a configuration to open sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hairpin_config::{BindHost, Config, Protocol, RelaySettings};
use hairpin_turn::Family;

use crate::error::{StartError, remedy};
use crate::front::{self, Families};
use crate::net::{detect_relay_ip, resolve};
use crate::relay::{ListenerSockets, RelayIp, UdpSockets};

/// Every socket a server listens on.
pub(crate) struct Opened {
    /// For the relay's workers.
    pub(crate) udp: ListenerSockets,
    /// For the front door: every TCP port speaks all our protocols.
    pub(crate) tcp: Vec<front::Listener>,
    /// How many of `tcp` are TURN listeners; the HTTP ones follow.
    pub(crate) turn_tcp: usize,
    /// The admin listener.
    pub(crate) admin: Option<std::net::TcpListener>,
    /// What was not asked for by name and could not be bound: said, not fatal.
    pub(crate) notes: Vec<String>,
}

/// Binds everything.
///
/// # Errors
/// The first address that was asked for and cannot be had.
pub(crate) fn open(config: &Config, workers: usize) -> Result<Opened, StartError> {
    let mut opened = Opened {
        udp: ListenerSockets::default(),
        tcp: Vec::new(),
        turn_tcp: 0,
        admin: None,
        notes: Vec::new(),
    };
    let mut unserved = Unserved::default();
    for listener in &config.listeners {
        for ip in resolved(&listener.host, "listening-ip")? {
            let address = SocketAddr::new(ip, listener.port);
            let (protocol, bound) = match listener.protocol {
                Protocol::Udp => {
                    ("udp", UdpSockets::bind(address, workers).map(|udp| opened.udp.udp.push(udp)))
                }
                Protocol::Tcp => (
                    "tcp",
                    front::Listener::bind(address, Families::Own).map(|tcp| opened.tcp.push(tcp)),
                ),
            };
            match bound {
                Ok(()) => {}
                Err(source) if listener.required => {
                    let what = format!("{protocol} {address}");
                    return Err(StartError::Bind { what, setting: "listening-port", source });
                }
                Err(error) => unserved.push(format!("{protocol} {address}"), &error),
            }
        }
    }
    opened.notes = unserved.notes();
    opened.turn_tcp = opened.tcp.len();
    for address in &config.http.listen {
        opened.tcp.push(open_http(*address)?);
    }
    if let Some(address) = config.admin_listen {
        opened.admin = Some(open_admin(address)?);
    }
    Ok(opened)
}

/// What could not be bound, by reason: port 443 alone is four sockets.
#[derive(Default)]
struct Unserved(Vec<(String, Vec<String>)>);

impl Unserved {
    fn push(&mut self, what: String, error: &io::Error) {
        let reason = format!("{error}; {}", remedy(error));
        match self.0.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, all)) => all.push(what),
            None => self.0.push((reason, vec![what])),
        }
    }

    fn notes(self) -> Vec<String> {
        self.0
            .into_iter()
            .map(|(why, all)| format!("not served: {}: {why}", all.join(", ")))
            .collect()
    }
}

fn open_http(address: SocketAddr) -> Result<front::Listener, StartError> {
    front::Listener::bind(address, Families::Both)
        .or_else(|error| match unsupported_v6(&error, address) {
            // A kernel without IPv6: the default `[::]` means "everywhere".
            true => {
                let everywhere = (Ipv4Addr::UNSPECIFIED, address.port()).into();
                front::Listener::bind(everywhere, Families::Own)
            }
            false => Err(error),
        })
        .map_err(|source| StartError::Bind {
            what: format!("tcp {address}"),
            setting: "http-listen",
            source,
        })
}

fn unsupported_v6(error: &io::Error, address: SocketAddr) -> bool {
    address.is_ipv6()
        && address.ip().is_unspecified()
        && matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn open_admin(address: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    let bound = std::net::TcpListener::bind(address)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener));
    bound.map_err(|source| StartError::Bind {
        what: format!("tcp {address}"),
        setting: "admin-listen",
        source,
    })
}

/// The relay's addresses as configured, or as found out.
///
/// # Errors
/// A name that cannot be resolved.
pub(crate) fn relay_ips(settings: &RelaySettings) -> Result<Vec<RelayIp>, StartError> {
    if settings.addresses.is_empty() {
        let found = [Family::V4, Family::V6].into_iter().filter_map(detect_relay_ip);
        return Ok(found.map(|ip| RelayIp { bind: ip, advertised: ip }).collect());
    }
    let mut ips = Vec::new();
    for address in &settings.addresses {
        for bind in resolved(&address.bind, "relay-ip")? {
            let advertised = address.advertised.filter(|ip| ip.is_ipv4() == bind.is_ipv4());
            // A wildcard says nothing to peers.
            let seen = match bind.is_unspecified() {
                true => advertised.or_else(|| detect_relay_ip(Family::of(bind))),
                false => advertised.or(Some(bind)),
            };
            ips.extend(seen.map(|advertised| RelayIp { bind, advertised }));
        }
    }
    Ok(ips)
}

fn resolved(host: &BindHost, setting: &'static str) -> Result<Vec<IpAddr>, StartError> {
    resolve(host).map_err(|source| StartError::Resolve {
        name: match host {
            BindHost::Ip(ip) => ip.to_string(),
            BindHost::Name(name) => name.clone(),
        },
        setting,
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_for_one_reason_is_one_note() {
        let mut unserved = Unserved::default();
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        unserved.push("udp 0.0.0.0:443".into(), &denied);
        unserved.push("tcp 0.0.0.0:443".into(), &denied);
        unserved.push("udp [::]:3478".into(), &io::ErrorKind::AddrNotAvailable.into());
        let notes = unserved.notes();
        assert_eq!(notes.len(), 2);
        assert!(
            notes[0].starts_with("not served: udp 0.0.0.0:443, tcp 0.0.0.0:443: "),
            "{notes:?}"
        );
        assert!(notes[0].contains("CAP_NET_BIND_SERVICE"), "{notes:?}");
    }
}
