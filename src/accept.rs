//! TCP connections, told apart by their first byte, of which nothing is read.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::http::HttpStream;
use crate::net::{Connection, Io, Speaks, canonical, sniff};
use crate::relay::StreamIntake;

/// How long a connection may say nothing at all.
const FIRST_BYTE: Duration = Duration::from_secs(10);

/// How long to leave the listener alone when the process is out of file descriptors: connections wait in the
/// kernel's queue until some are closed.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Connections waiting to be accepted; the kernel cuts it to its own maximum.
const BACKLOG: i32 = 4096;

/// A TCP listener.
pub(crate) struct TcpSocket {
    /// Where it is bound.
    pub(crate) address: SocketAddr,
    socket: StdListener,
}

impl TcpSocket {
    /// Binds; with `dual_stack` an IPv6 wildcard takes IPv4 connections too.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn bind(address: SocketAddr, dual_stack: bool) -> io::Result<Self> {
        let kind = Type::STREAM.nonblocking();
        let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(!dual_stack)?;
        }
        // Connections of an earlier run in TIME_WAIT do not keep us from the port; a listener does.
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket: StdListener = socket.into();
        Ok(Self { address: socket.local_addr()?, socket })
    }
}

/// Accepts connections for as long as it is polled.
pub(crate) async fn accept(
    sockets: Vec<TcpSocket>,
    streams: StreamIntake,
    http: mpsc::Sender<HttpStream>,
) {
    let http = Arc::new(http);
    let accepting = sockets.into_iter().map(|socket| {
        let (streams, http) = (streams.clone(), http.clone());
        async move {
            match TcpListener::from_std(socket.socket) {
                Ok(listener) => accept_one(listener, streams, http).await,
                Err(error) => tracing::error!(%error, "cannot listen"),
            }
        }
    });
    let mut tasks: tokio::task::JoinSet<()> = accepting.collect();
    tasks.join_next().await;
}

async fn accept_one(
    listener: TcpListener,
    streams: StreamIntake,
    http: Arc<mpsc::Sender<HttpStream>>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let (streams, http) = (streams.clone(), http.clone());
                tokio::spawn(async move {
                    if let Err(error) = greet(stream, peer, &streams, &http).await {
                        tracing::debug!(%peer, %error, "connection dropped");
                    }
                });
            }
            // The client gave up while it waited.
            Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Waits for the first byte and hands the connection to whom it concerns, with nothing consumed.
async fn greet(
    stream: TcpStream,
    peer: SocketAddr,
    streams: &StreamIntake,
    http: &mpsc::Sender<HttpStream>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut first = [0];
    let peeked = tokio::time::timeout(FIRST_BYTE, stream.peek(&mut first)).await??;
    let local = stream.local_addr()?;
    match (peeked, sniff(first[0])) {
        (1, Speaks::Stun) => streams.serve(Connection {
            io: Io::Tcp(stream.into_std()?),
            peer: canonical(peer),
            local: canonical(local),
            already_read: Vec::new(),
        }),
        (1, Speaks::Http) => {
            let stream = HttpStream { stream: stream.into_std()?, peer: canonical(peer), local };
            // Nobody receives when the process is stopping; the connection closes.
            let _ = http.send(stream).await;
        }
        // Closed without a word, or something we do not speak: nothing to say either.
        _ => {}
    }
    Ok(())
}
