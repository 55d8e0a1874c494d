//! A TCP connection on its way from the front door to whom it concerns.

use std::net::{IpAddr, SocketAddr, TcpStream};

use tokio_rustls::server::TlsStream;

use super::Held;

/// A connection that has said what it speaks.
#[derive(Debug)]
pub(crate) struct Connection {
    /// What carries its bytes.
    pub(crate) io: Io,
    /// The client, IPv4-mapped addresses as IPv4: what a trusted proxy says of it, where it came through one.
    pub(crate) peer: SocketAddr,
    /// Where the client has connected to, in the same form.
    pub(crate) local: SocketAddr,
    /// The first bytes of the stream, which have been read from `io` to find out what it speaks; what came out of TLS,
    /// where there is any.
    pub(crate) already_read: Vec<u8>,
    /// What is given back when it closes.
    pub(crate) held: Held,
}

/// What carries a connection's bytes.
#[derive(Debug)]
pub(crate) enum Io {
    /// A plain socket, non-blocking.
    Tcp(TcpStream),
    /// A TLS connection whose handshake is done. On the heap: it is more than a KiB.
    Tls(Box<TlsStream<tokio::net::TcpStream>>),
}

/// IPv4 addresses in their own form: a dual-stack listener reports them mapped into IPv6.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        ip @ IpAddr::V4(_) => SocketAddr::new(ip, address.port()),
        IpAddr::V6(_) => address,
    }
}
