//! Listening sockets: bound by us, one per worker and address, sharing the port (SO_REUSEPORT), so that the kernel
//! spreads clients over the workers and always brings a client to the same one; or bound by whoever embeds us.

use std::io;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd;

use hairpin_turn::{Family, RelayTransport};
use socket2::{Domain, Protocol, Socket, Type};

use super::options;

/// A UDP listener: sockets that are bound to one address.
pub(crate) struct UdpSockets {
    /// Where they are bound.
    pub(crate) address: SocketAddr,
    sockets: Vec<UdpSocket>,
}

/// Shares the sockets of all listeners out among `workers`, each with what it is bound to.
///
/// The kernel brings a client to the same socket of a listener every time, so any socket may go to any worker, but
/// to one alone. Each listener begins with another worker: those of a single socket do not all meet at the first.
pub(super) fn per_worker(
    listeners: Vec<UdpSockets>,
    workers: usize,
) -> Vec<Vec<(SocketAddr, UdpSocket)>> {
    let mut shares: Vec<_> = (0..workers).map(|_| Vec::new()).collect();
    for (first, UdpSockets { address, sockets }) in listeners.into_iter().enumerate() {
        for (index, socket) in sockets.into_iter().enumerate() {
            shares[(first + index) % workers].push((address, socket));
        }
    }
    shares
}

/// What the kernel may hold of datagrams that a busy worker has not read yet.
const UDP_BUFFER: usize = 4 << 20;

/// Binds `workers` sockets to one address; port 0 becomes a port the system chooses.
///
/// The first is bound without SO_REUSEPORT, which it gets afterwards: it cannot be had if anybody holds the address,
/// whereas one that shares would join the leftover of an earlier run, or another that starts at this moment, and each
/// would silently get half of the clients.
///
/// # Errors
/// What the system says; `AddrInUse` also when only other SO_REUSEPORT sockets hold the port.
pub(crate) fn bind_listener(address: SocketAddr, workers: usize) -> io::Result<Vec<UdpSocket>> {
    let first = bound(address, Port::Own)?;
    first.set_reuse_port(true)?;
    let settled = first.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let others = (1..workers).map(|_| bound(settled, Port::Shared));
    std::iter::once(Ok(first)).chain(others).map(|socket| socket.map(with_large_buffers)).collect()
}

fn with_large_buffers(socket: Socket) -> UdpSocket {
    // Larger buffers are a wish: without the privilege the kernel gives what it allows.
    let _ = rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, UDP_BUFFER)
        .or_else(|_| rustix::net::sockopt::set_socket_recv_buffer_size(&socket, UDP_BUFFER));
    let _ = rustix::net::sockopt::set_socket_send_buffer_size(&socket, UDP_BUFFER);
    socket.into()
}

impl UdpSockets {
    /// Whether each of so many workers has one of them.
    pub(crate) fn serve_all(&self, workers: usize) -> bool {
        self.sockets.len() >= workers
    }

    /// Takes bound sockets, whoever bound them; those of one address become one listener.
    ///
    /// # Errors
    /// What the system says, and `InvalidInput` for a socket that takes both families: clients would be known by
    /// IPv4-mapped addresses, which are none that they have.
    pub(crate) fn adopt(sockets: Vec<UdpSocket>) -> io::Result<Vec<Self>> {
        let mut listeners: Vec<Self> = Vec::new();
        for socket in sockets {
            let address = socket.local_addr()?;
            socket.set_nonblocking(true)?;
            if address.ip().is_unspecified() {
                if address.is_ipv6() && !rustix::net::sockopt::ipv6_v6only(&socket)? {
                    return Err(both_families(address));
                }
                options::report_destination(socket.as_fd(), address.is_ipv6())?;
            }
            options::report_traffic_class(socket.as_fd(), address.is_ipv6())?;
            match listeners.iter_mut().find(|listener| listener.address == address) {
                Some(listener) => listener.sockets.push(socket),
                None => listeners.push(Self { address, sockets: vec![socket] }),
            }
        }
        Ok(listeners)
    }
}

fn both_families(address: SocketAddr) -> io::Error {
    let problem = format!(
        "the UDP socket of {address} takes IPv4 too: set IPV6_V6ONLY before it is bound, and give IPv4 a socket of its own"
    );
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

/// A relay socket that is not bound yet: a bind that fails leaves it for the next.
///
/// # Errors
/// What the system says.
pub(super) fn relay_socket(family: Family, transport: RelayTransport) -> io::Result<Socket> {
    let v6 = family == Family::V6;
    let domain = if v6 { Domain::IPV6 } else { Domain::IPV4 };
    match transport {
        RelayTransport::Udp => {
            let socket = udp_socket(domain)?;
            options::allow_fragments(socket.as_fd(), v6)?;
            options::report_errors(socket.as_fd(), v6)?;
            options::report_traffic_class(socket.as_fd(), v6)?;
            Ok(socket)
        }
        RelayTransport::Tcp => tcp_socket(domain),
    }
}

/// Binds a relay socket, to a port that nobody else has, and has a TCP one listen there.
///
/// # Errors
/// What the system says.
pub(super) fn bind_relay(
    socket: &Socket,
    address: SocketAddr,
    transport: RelayTransport,
) -> io::Result<()> {
    socket.bind(&address.into())?;
    if transport == RelayTransport::Tcp {
        // From now on, so that connections can be opened from the same port.
        socket.set_reuse_port(true)?;
        socket.listen(BACKLOG)?;
    }
    Ok(())
}

/// Begins to connect to a peer from the address at which a TCP relay socket listens (RFC 6062 s5.2).
///
/// # Errors
/// What the system says at once; the rest is heard of when the socket becomes writable.
pub(super) fn connect_from(local: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = tcp_socket(Domain::for_address(local))?;
    socket.set_reuse_port(true)?;
    socket.bind(&local.into())?;
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        Ok(()) | Err(_) => Ok(socket.into()),
    }
}

/// Peers that have connected and not been accepted.
const BACKLOG: i32 = 64;

/// What the kernel may hold of what was received from a peer and not been read, which it doubles for its own bookkeeping:
/// until its client comes, and while its client does not read.
const PEER_BUFFER: usize = 128 << 10;

/// Connections that are over keep their port for a minute (TIME_WAIT), and do not stand in the way of who gets it next.
fn tcp_socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    // Wishes; what is accepted has them from who listens.
    let _ = socket.set_recv_buffer_size(PEER_BUFFER);
    let _ = socket.set_send_buffer_size(PEER_BUFFER);
    Ok(socket)
}

/// Whether others may bind the same port (SO_REUSEPORT).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Own,
    Shared,
}

fn bound(address: SocketAddr, port: Port) -> io::Result<Socket> {
    let socket = udp_socket(Domain::for_address(address))?;
    if port == Port::Shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

fn udp_socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM.nonblocking(), Some(Protocol::UDP))?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    const ANY_PORT: SocketAddr =
        SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    #[test]
    fn every_worker_gets_a_socket_on_the_same_port() {
        let sockets = bind_listener(ANY_PORT, 3).expect("loopback has free ports");
        let listeners = UdpSockets::adopt(sockets).expect("they are bound");
        assert_eq!(listeners.len(), 1);
        let port = listeners[0].address.port();
        let shares = per_worker(listeners, 3);
        assert_eq!(shares.len(), 3);
        for share in shares {
            assert_eq!(share.len(), 1);
            let local = share[0].1.local_addr().expect("the socket is bound");
            assert_eq!(local.port(), port);
        }
    }

    #[test]
    fn every_socket_gets_a_worker_and_single_ones_are_spread() {
        let single = || UdpSocket::bind(ANY_PORT).expect("loopback has free ports");
        let mut sockets = bind_listener(ANY_PORT, 5).expect("loopback has free ports");
        sockets.extend([single(), single()]);
        let listeners = UdpSockets::adopt(sockets).expect("they are bound");
        assert_eq!(listeners.len(), 3);
        let shares: Vec<usize> = per_worker(listeners, 3).iter().map(Vec::len).collect();
        assert_eq!(
            shares,
            [2, 3, 2],
            "two, two and one of the five; the second and third begin further on"
        );
    }

    #[test]
    fn a_socket_of_both_families_is_refused() {
        let socket = Socket::new(Domain::IPV6, Type::DGRAM, None).expect("a socket");
        socket.set_only_v6(false).expect("a plain option");
        let any: SocketAddr = "[::]:0".parse().expect("literal");
        socket.bind(&any.into()).expect("there are free ports");
        let refused = UdpSockets::adopt(vec![socket.into()]).map(drop).expect_err("it takes IPv4");
        assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn a_port_in_use_is_refused_even_if_its_holder_would_share() {
        let held = bind_listener(ANY_PORT, 2).expect("loopback has free ports");
        let address = held[0].local_addr().expect("bound");
        let busy = bind_listener(address, 2).expect_err("the port is busy");
        assert_eq!(busy.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn of_two_that_start_at_once_exactly_one_gets_the_port() {
        // An address of loopback's that nobody else uses: its ports are all free.
        let [x, y] = rand::random::<[u8; 2]>();
        let address: SocketAddr = ([127, 78, x, y], 20_000).into();
        for _ in 0..100 {
            let start = Barrier::new(2);
            let bind = || {
                start.wait();
                bind_listener(address, 3)
            };
            let (one, other) = std::thread::scope(|scope| {
                let (one, other) = (scope.spawn(bind), scope.spawn(bind));
                (one.join().expect("no panic"), other.join().expect("no panic"))
            });
            assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
        }
    }

    #[test]
    fn clients_are_spread_over_all_sockets_of_a_listener() {
        let sockets = bind_listener(ANY_PORT, 3).expect("loopback has free ports");
        let address = sockets[0].local_addr().expect("bound");
        // That one of three gets none of 128 has a probability of 1 in 10^22.
        for _ in 0..128 {
            let client = UdpSocket::bind(ANY_PORT).expect("loopback has free ports");
            client.send_to(b"hello", address).expect("loopback takes it");
        }
        for socket in &sockets {
            assert_eq!(socket.recv(&mut [0; 8]).expect("some come here"), 5);
        }
    }
}
