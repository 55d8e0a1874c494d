//! The sockets of a shared address.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::super::options;
use super::super::ports::RelayIp;
use super::super::sockets::{self, UdpSockets};

use super::{SharedAddress, SharedIp};

/// A shared address: for each family its sockets, one a worker; or none, where the listeners' are used.
#[derive(Debug)]
pub(crate) struct SharedSockets(Vec<(SharedIp, Vec<UdpSocket>)>);

impl SharedSockets {
    /// Binds one port of each address, of which there is one of each family at most, for so many workers. Port 0 becomes one
    /// that the system chooses.
    ///
    /// # Errors
    /// The address, and what the system says of it.
    pub(crate) fn bind(
        ips: &[RelayIp],
        port: u16,
        workers: usize,
    ) -> Result<Self, (SocketAddr, io::Error)> {
        let mut bound: Vec<(SharedIp, Vec<UdpSocket>)> = Vec::new();
        for ip in ips {
            let port = bound.first().map_or(port, |(ip, _)| ip.bind.port());
            let address = SocketAddr::new(ip.bind, port);
            let sockets = bind(address, workers).map_err(|error| (address, error))?;
            let settled = sockets[0].local_addr().map_err(|error| (address, error))?;
            bound.push((SharedIp::new(*ip, settled.port()), sockets));
        }
        Ok(Self(bound))
    }

    /// The port of the UDP listeners: 3478, or the first there is.
    pub(crate) fn of_listeners(ips: &[RelayIp], listeners: &[UdpSockets]) -> Self {
        let mut ports = listeners.iter().map(|listener| listener.address.port());
        let first = ports.clone().next();
        let port = ports.find(|port| *port == 3478).or(first).unwrap_or(0);
        Self(ips.iter().map(|ip| (SharedIp::new(*ip, port), Vec::new())).collect())
    }

    /// What peers see, one of each family at most.
    pub(crate) fn advertised(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().map(|(ip, _)| ip.advertised)
    }

    /// The state that all of so many workers share, and each worker's sockets.
    pub(in super::super) fn per_worker(
        self,
        workers: usize,
    ) -> (Arc<SharedAddress>, Vec<Vec<UdpSocket>>) {
        let ips = self.0.iter().map(|(ip, _)| *ip).collect();
        let mut shares: Vec<Vec<UdpSocket>> = (0..workers).map(|_| Vec::new()).collect();
        for (_, sockets) in self.0 {
            shares.iter_mut().zip(sockets).for_each(|(share, socket)| share.push(socket));
        }
        (Arc::new(SharedAddress::new(ips)), shares)
    }
}

fn bind(address: SocketAddr, workers: usize) -> io::Result<Vec<UdpSocket>> {
    let sockets = sockets::bind_listener(address, workers)?;
    for socket in &sockets {
        options::allow_fragments(socket.as_fd(), address.is_ipv6())?;
        options::report_traffic_class(socket.as_fd(), address.is_ipv6())?;
    }
    Ok(sockets)
}
