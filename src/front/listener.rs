//! Listening sockets for TCP.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// A bound and listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Where it is bound, its port settled.
    pub(crate) address: SocketAddr,
    pub(super) socket: TcpListener,
}

/// Whom an IPv6 wildcard takes connections from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Families {
    /// From IPv6 alone.
    Own,
    /// From IPv4 too, whose addresses then are IPv4-mapped.
    Both,
}

/// Connections waiting to be accepted; the kernel cuts it to its own maximum.
const BACKLOG: i32 = 4096;

impl Listener {
    /// Binds and listens; port 0 becomes a port the system chooses.
    ///
    /// There is one socket for each address and none shares its port (SO_REUSEPORT): a bind fails then if anybody
    /// listens there, even a leftover of an earlier run that would share, and would silently take half of the clients.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn bind(address: SocketAddr, families: Families) -> io::Result<Self> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(families == Families::Own)?;
        }
        // Connections of an earlier run in TIME_WAIT do not keep us from the port; a listener does.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from(socket);
        Ok(Self { address: socket.local_addr()?, socket })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn a_port_in_use_is_refused_even_if_its_holder_would_share() {
        let holder = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        holder.set_reuse_address(true).expect("a plain option");
        holder.set_reuse_port(true).expect("a plain option");
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        holder.bind(&any_port.into()).expect("loopback has free ports");
        holder.listen(1).expect("it is bound");
        let address = holder.local_addr().expect("it is bound").as_socket().expect("IPv4");
        let busy = Listener::bind(address, Families::Own).expect_err("the port is busy");
        assert_eq!(busy.kind(), io::ErrorKind::AddrInUse);
        let bound = Listener::bind(any_port, Families::Own).expect("loopback has free ports");
        assert_ne!(bound.address.port(), 0);
    }
}
