//! The sockets a server listens on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};

use hairpin_config::{Config, Listener, Protocol, Redirect};

use crate::error::{StartError, remedy};
use crate::front::{self, Families};
use crate::{net, relay};

/// Where browsers look first, and authorities for their challenges.
const PORT_80: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 80);

/// The sockets a server listens on, bound by [`Listeners::bind`] as the settings say, or by whoever starts the
/// server: a service manager that activates it by its sockets, a test that wants to know a port before.
///
/// ```no_run
/// let listeners = hairpin::Listeners {
///     turn_udp: vec![std::net::UdpSocket::bind("127.0.0.1:3478")?],
///     http: vec![std::net::TcpListener::bind("127.0.0.1:8080")?],
///     ..Default::default()
/// };
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Listeners {
    /// STUN and TURN over UDP.
    ///
    /// A client must always meet the same worker, so a socket is served by one worker. To spread an address over all
    /// of them, bind one socket for each worker to it, with SO_REUSEPORT: the kernel always brings a client to the
    /// same one. A socket bound to `[::]` must have IPV6_V6ONLY set.
    pub turn_udp: Vec<UdpSocket>,
    /// STUN and TURN over TCP; HTTP and WebSockets are served here too, unless `http` is empty. Listening.
    pub turn_tcp: Vec<TcpListener>,
    /// HTTP and WebSockets; STUN and TURN over TCP are served here too. Listening.
    pub http: Vec<TcpListener>,
    /// `/metrics`, `/healthz` and `/readyz`. Listening.
    pub admin: Option<TcpListener>,
    /// Plain HTTP that is sent to https, and ACME's challenges of port 80. Listening.
    pub redirect: Vec<TcpListener>,
    /// What [`Listeners::bind`] would have bound but could not, though nobody asked for it by name: a sentence each,
    /// for the server's summary.
    pub notes: Vec<String>,
}

impl Listeners {
    /// Binds what the settings say, a UDP socket for every worker. Names are resolved here, which may take a while.
    ///
    /// # Errors
    /// Settings that will not do, or the first address that was asked for and cannot be had.
    pub fn bind(config: &Config) -> Result<Self, StartError> {
        config.check().map_err(StartError::Config)?;
        let workers = relay::worker_count(config.workers);
        let mut listeners = Self::default();
        let mut unserved = Unserved::default();
        for listener in config.listen.turn_sockets() {
            let host = &listener.host;
            let ips = net::resolve(host);
            for ip in
                ips.map_err(|error| StartError::unresolved(host, listener.settings.host, error))?
            {
                listeners.bind_turn(listener, ip, workers, &mut unserved)?;
            }
        }
        for address in &config.listen.http {
            listeners.http.push(bind_http(*address, "http-listen")?);
        }
        match &config.tls.redirect {
            Redirect::Off => {}
            Redirect::WherePossible => match bind_http(PORT_80, "redirect-listen") {
                Ok(listener) => listeners.redirect.push(listener),
                Err(StartError::Bind { what, source, .. }) => unserved.push(what, &source),
                Err(other) => return Err(other),
            },
            Redirect::At(addresses) => {
                for address in addresses {
                    listeners.redirect.push(bind_http(*address, "redirect-listen")?);
                }
            }
        }
        listeners.notes = unserved.notes();
        listeners.admin = config.listen.admin.map(bind_admin).transpose()?;
        Ok(listeners)
    }

    fn bind_turn(
        &mut self,
        listener: &Listener,
        ip: IpAddr,
        workers: usize,
        unserved: &mut Unserved,
    ) -> Result<(), StartError> {
        let address = SocketAddr::new(ip, listener.port);
        let (protocol, bound) = match listener.protocol {
            Protocol::Udp => {
                let bound = relay::bind_listener(address, workers);
                ("udp", bound.map(|sockets| self.turn_udp.extend(sockets)))
            }
            Protocol::Tcp => {
                let bound = front::bind_listener(address, Families::Own);
                ("tcp", bound.map(|socket| self.turn_tcp.push(socket)))
            }
        };
        let what = format!("{protocol} {address}");
        match bound {
            Err(source) if listener.required => {
                let setting = match source.kind() {
                    io::ErrorKind::AddrNotAvailable => listener.settings.host,
                    _ => listener.settings.port,
                };
                Err(StartError::Bind { what, setting, source })
            }
            Err(error) => {
                unserved.push(what, &error);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }
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

fn bind_http(address: SocketAddr, setting: &'static str) -> Result<TcpListener, StartError> {
    front::bind_listener(address, Families::Both)
        .or_else(|error| match unsupported_v6(&error, address) {
            // A kernel without IPv6: the default `[::]` means "everywhere".
            true => {
                let everywhere = (Ipv4Addr::UNSPECIFIED, address.port()).into();
                front::bind_listener(everywhere, Families::Own)
            }
            false => Err(error),
        })
        .map_err(|source| StartError::Bind { what: format!("tcp {address}"), setting, source })
}

fn unsupported_v6(error: &io::Error, address: SocketAddr) -> bool {
    address.is_ipv6()
        && address.ip().is_unspecified()
        && matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

fn bind_admin(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).map_err(|source| StartError::Bind {
        what: format!("tcp {address}"),
        setting: "admin-listen",
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
