//! Listening sockets: one per worker and address, sharing the port (SO_REUSEPORT), so that the kernel
//! spreads clients over the workers and always brings a client to the same one.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use socket2::{Domain, Protocol, Socket, Type};

use super::sys;

/// A UDP listener's sockets.
pub(crate) struct UdpSockets {
    /// Where they are bound.
    pub(crate) address: SocketAddr,
    sockets: Vec<UdpSocket>,
}

/// All listeners, each with a socket for every worker.
#[derive(Default)]
pub(crate) struct ListenerSockets {
    pub(crate) udp: Vec<UdpSockets>,
}

/// One worker's share.
#[derive(Default)]
pub(super) struct WorkerListeners {
    pub(super) udp: Vec<(SocketAddr, UdpSocket)>,
}

impl ListenerSockets {
    /// Hands each of `workers` its own sockets.
    pub(super) fn per_worker(self, workers: usize) -> Vec<WorkerListeners> {
        let mut shares: Vec<WorkerListeners> =
            (0..workers).map(|_| WorkerListeners::default()).collect();
        for UdpSockets { address, sockets } in self.udp {
            for (share, socket) in shares.iter_mut().zip(sockets) {
                share.udp.push((address, socket));
            }
        }
        shares
    }
}

/// What the kernel may hold of datagrams that a busy worker has not read yet.
const UDP_BUFFER: usize = 4 << 20;

impl UdpSockets {
    /// Binds `workers` sockets to one address; port 0 becomes a port the system chooses.
    ///
    /// # Errors
    /// What the system says; `AddrInUse` also when only other SO_REUSEPORT sockets hold the port.
    pub(crate) fn bind(address: SocketAddr, workers: usize) -> io::Result<Self> {
        let address = vacant(address)?;
        let bind_one = |_| {
            let socket = bound(address, Port::Shared)?;
            // Larger buffers are a wish: without the privilege the kernel gives what it allows.
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, UDP_BUFFER)
                .or_else(|_| {
                    rustix::net::sockopt::set_socket_recv_buffer_size(&socket, UDP_BUFFER)
                });
            let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, UDP_BUFFER);
            if address.ip().is_unspecified() {
                sys::report_destination(socket.as_fd(), address.is_ipv6())?;
            }
            Ok(socket.into())
        };
        let sockets = (0..workers).map(bind_one).collect::<io::Result<_>>()?;
        Ok(Self { address, sockets })
    }
}

/// Binds a relay socket.
///
/// # Errors
/// What the system says.
pub(super) fn bind_relay(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = bound(address, Port::Own)?;
    sys::allow_fragments(socket.as_fd(), address.is_ipv6())?;
    Ok(socket.into())
}

/// Makes sure that nobody holds the address, which a bind with SO_REUSEPORT would not: the leftover of
/// an earlier run would silently take half of the clients. Returns the address with its port settled.
fn vacant(address: SocketAddr) -> io::Result<SocketAddr> {
    let probe = bound(address, Port::Own)?;
    probe.local_addr()?.as_socket().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}

/// Whether others may bind the same port (SO_REUSEPORT).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Own,
    Shared,
}

fn bound(address: SocketAddr, port: Port) -> io::Result<Socket> {
    let kind = Type::DGRAM.nonblocking();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_port(port == Port::Shared)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_PORT: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn every_worker_gets_a_socket_on_the_same_port() {
        let udp = UdpSockets::bind(ANY_PORT, 3).expect("loopback has free ports");
        let port = udp.address.port();
        let shares = ListenerSockets { udp: vec![udp] }.per_worker(3);
        assert_eq!(shares.len(), 3);
        for share in shares {
            let local = share.udp[0].1.local_addr().expect("the socket is bound");
            assert_eq!(local.port(), port);
        }
    }

    #[test]
    fn a_port_in_use_is_refused_even_if_its_holder_would_share() {
        let udp = UdpSockets::bind(ANY_PORT, 2).expect("loopback has free ports");
        let busy = |r: io::Result<()>| r.expect_err("the port is busy").kind();
        assert_eq!(busy(UdpSockets::bind(udp.address, 2).map(drop)), io::ErrorKind::AddrInUse);
    }
}
