//! How a connection begins: what a proxy says of its client, and what the client speaks.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;

use hairpin_stun::{ProxyHeader, Sniffed, proxy_header, sniff};
use hairpin_turn::IpRange;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::log_limit::LogLimit;
use crate::net::canonical;

/// Read at once: a request, an Allocate, a ClientHello.
const CHUNK: usize = 2048;

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) peer: SocketAddr,
    pub(super) local: SocketAddr,
}

/// What a connection has said of itself.
#[derive(Debug)]
pub(super) struct Opening {
    /// Those of the client and of what it has connected to, which behind a proxy are not the socket's.
    pub(super) ends: Ends,
    pub(super) protocol: Sniffed,
    /// What was read to find out, without what the proxy has said.
    pub(super) already_read: Vec<u8>,
}

impl Opening {
    /// Reads until it is decided whose connection this is, and what it speaks. From `proxies` each has to begin with a PROXY
    /// header, and from nobody else is one believed.
    ///
    /// # Errors
    /// What the system says, an end or the deadline before that, or no header from a proxy.
    pub(super) async fn of(
        stream: &TcpStream,
        ends: Ends,
        proxies: &[IpRange],
        deadline: Instant,
    ) -> io::Result<Self> {
        timeout_at(deadline, Self::read(stream, ends, proxies)).await?
    }

    async fn read(stream: &TcpStream, ends: Ends, proxies: &[IpRange]) -> io::Result<Self> {
        let mut bytes = Vec::new();
        let mut ends = ends;
        if proxies.iter().any(|range| range.contains(ends.peer.ip()))
            && let ProxyHeader::Client { source, destination } = header(stream, &mut bytes).await?
        {
            ends = Ends { peer: canonical(source), local: canonical(destination) };
        }
        loop {
            match sniff(&bytes) {
                Sniffed::More => read_some(stream, &mut bytes).await?,
                protocol => return Ok(Self { ends, protocol, already_read: bytes }),
            }
        }
    }
}

/// Reads a PROXY header, and leaves what came with it.
async fn header(stream: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<ProxyHeader> {
    loop {
        match proxy_header(bytes) {
            Ok(Some((header, length))) => {
                bytes.drain(..length);
                return Ok(header);
            }
            Ok(None) => read_some(stream, bytes).await?,
            Err(_) => {
                let peer = stream.peer_addr()?;
                headerless(peer);
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no PROXY header"));
            }
        }
    }
}

/// A proxy that is not set up as we are is for its operator to know.
fn headerless(peer: SocketAddr) {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.admit() {
        tracing::warn!(
            %peer, left_out,
            "a connection from proxy-protocol-from does not begin with a PROXY header, and is closed"
        );
    }
}

/// As is one that we do not know.
pub(super) fn unexpected_header(peer: SocketAddr) {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.admit() {
        tracing::warn!(
            %peer, left_out,
            "a connection begins with a PROXY header, and proxy-protocol-from does not name its address: it is closed"
        );
    }
}

/// Reads until it is decided what a stream speaks that came out of TLS.
///
/// # Errors
/// What the stream says, or an end before that.
pub(super) async fn first_bytes(
    mut stream: impl AsyncRead + Unpin,
) -> io::Result<(Sniffed, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        match sniff(&bytes) {
            Sniffed::More => {}
            decided => return Ok((decided, bytes)),
        }
        // On the stack for as long as it takes to read: the future would carry it while it waits.
        let read = poll_fn(|context| {
            let mut chunk = [const { MaybeUninit::uninit() }; CHUNK];
            let mut chunk = ReadBuf::uninit(&mut chunk);
            let read = Pin::new(&mut stream).poll_read(context, &mut chunk);
            bytes.extend_from_slice(chunk.filled());
            read.map_ok(|()| chunk.filled().len())
        });
        if read.await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Waits for something and adds it, or as much of it as is read at once.
///
/// # Errors
/// What the system says, or the end.
pub(super) async fn read_some(stream: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<()> {
    loop {
        stream.readable().await?;
        match try_read(stream, bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Not part of [`read_some`], whose future would carry the chunk while it waits.
fn try_read(stream: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; CHUNK];
    let read = stream.try_read(&mut chunk)?;
    bytes.extend_from_slice(&chunk[..read]);
    Ok(read)
}
