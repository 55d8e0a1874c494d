//! The front door: every TCP listener of TURN and of HTTP. A connection is accepted here, says by its first bytes
//! what it speaks, and goes to a relay worker or to HTTP; so every port serves everything that is not switched off there.
//!
//! All of it runs on the shared runtime, with one accepting task for each listener. A connection that is silent, or
//! for which there is no room yet, costs a task and a descriptor, both bounded by a [permit](permits::Permits).

mod listener;
mod permits;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hairpin_stun::{Sniffed, sniff};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(crate) use listener::{Families, bind_listener};

use crate::http::Web;
use crate::log_limit::LogLimit;
use crate::net::{Budgets, Connection, Held, Io, canonical};
use crate::relay::StreamIntake;
use permits::{Permit, Permits};

/// Connections that have not been handed on; each costs about a KiB and a file descriptor.
const SILENT: usize = 4096;

/// How long a connection may take to say what it is.
const FIRST_BYTES: Duration = Duration::from_secs(10);

/// Read at once: a request, an Allocate, a ClientHello.
const CHUNK: usize = 2048;

/// How long to leave a listener alone when the process is out of file descriptors: connections wait in the
/// kernel's queue until some are closed.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// The front door, before it opens.
pub(crate) struct Front {
    listeners: Vec<(TcpListener, Serves)>,
    rooms: Arc<Rooms>,
}

/// What connections of a listener may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serves {
    Everything,
    /// TURN and STUN, but not HTTP.
    Turn,
}

/// Where connections go, and those that have not gone yet.
struct Rooms {
    web: Web,
    streams: StreamIntake,
    permits: Permits,
    budgets: Budgets,
}

impl Front {
    /// Takes bound sockets, whoever bound them.
    ///
    /// # Errors
    /// What the system says when a socket cannot be registered with the runtime.
    pub(crate) fn new(
        listeners: impl IntoIterator<Item = (std::net::TcpListener, Serves)>,
        web: Web,
        streams: StreamIntake,
        budgets: Budgets,
    ) -> io::Result<Self> {
        let adopt = |(listener, serves): (std::net::TcpListener, _)| {
            listener.set_nonblocking(true)?;
            Ok((TcpListener::from_std(listener)?, serves))
        };
        let listeners = listeners.into_iter().map(adopt).collect::<io::Result<_>>()?;
        let rooms = Rooms { web, streams, budgets, permits: Permits::new(SILENT) };
        Ok(Self { listeners, rooms: Arc::new(rooms) })
    }

    /// Lets connections in until `stop`; then closes the listeners, and whatever has not said what it is.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Self { listeners, rooms } = self;
        let mut accepting = JoinSet::new();
        for (listener, serves) in listeners {
            let (rooms, stop) = (rooms.clone(), stop.clone());
            accepting.spawn(async move {
                stop.run_until_cancelled(accept(listener, serves, rooms)).await;
            });
        }
        while let Some(ended) = accepting.join_next().await {
            if let Err(panicked) = ended {
                std::panic::resume_unwind(panicked.into_panic());
            }
        }
        stop.cancelled().await;
        rooms.permits.withdraw_all();
    }
}

/// Accepts connections, for ever.
async fn accept(listener: TcpListener, serves: Serves, rooms: Arc<Rooms>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let peer = canonical(peer);
                let Some(descriptor) = rooms.budgets.descriptor() else {
                    // Who knocks again finds room, if somebody has been silent for long.
                    rooms.permits.withdraw_oldest();
                    continue;
                };
                let permit = rooms.permits.give(peer.ip());
                let held = Held { descriptor: Some(descriptor), place: None };
                tokio::spawn(greet(stream, serves, peer, held, permit, rooms.clone()));
            }
            // The client gave up while it waited.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                cannot_accept(&error);
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Every listener says it as often as it tries, for as long as descriptors have run out.
fn cannot_accept(error: &io::Error) {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.admit() {
        tracing::warn!(%error, left_out, "cannot accept connections");
    }
}

/// Brings a connection to whom it concerns, unless its permit is withdrawn before.
async fn greet(
    stream: TcpStream,
    serves: Serves,
    peer: SocketAddr,
    held: Held,
    mut permit: Permit,
    rooms: Arc<Rooms>,
) {
    tokio::select! {
        biased;
        () = permit.withdrawn() => tracing::debug!(%peer, "a silent connection makes room"),
        shown = rooms.show_in(stream, serves, peer, held) => if let Err(error) = shown {
            tracing::debug!(%peer, %error, "connection dropped");
        }
    }
}

impl Rooms {
    async fn show_in(
        &self,
        stream: TcpStream,
        serves: Serves,
        peer: SocketAddr,
        mut held: Held,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let (protocol, already_read) = first_bytes(&stream).await?;
        let local = canonical(stream.local_addr()?);
        let connection = |stream: TcpStream, held| {
            let io = Io::Tcp(stream.into_std()?);
            io::Result::Ok(Connection { io, peer, local, already_read, held })
        };
        match protocol {
            Sniffed::Stun => {
                held.place = self.budgets.turn_tcp.take(peer.ip());
                if held.place.is_some() {
                    self.streams.serve(connection(stream, held)?);
                }
            }
            Sniffed::Http if serves == Serves::Everything => {
                self.web.serve(connection(stream, held)?).await;
            }
            Sniffed::Http => tracing::debug!(%peer, "HTTP is off"),
            // TLS ends elsewhere, and no proxy is trusted to say who its client is: nothing to say to either.
            Sniffed::Tls | Sniffed::Proxy | Sniffed::Unknown | Sniffed::More => {
                tracing::debug!(%peer, ?protocol, "connection not served");
            }
        }
        Ok(())
    }
}

/// Reads until it is decided what a connection speaks, which may take no longer than [`FIRST_BYTES`].
async fn first_bytes(stream: &TcpStream) -> io::Result<(Sniffed, Vec<u8>)> {
    tokio::time::timeout(FIRST_BYTES, read_until_decided(stream)).await?
}

async fn read_until_decided(stream: &TcpStream) -> io::Result<(Sniffed, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        stream.readable().await?;
        match read_some(stream, &mut bytes) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        match sniff(&bytes) {
            Sniffed::More => {}
            decided => return Ok((decided, bytes)),
        }
    }
}

/// Not part of [`read_until_decided`], whose future would carry the chunk while it waits.
fn read_some(stream: &TcpStream, bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut chunk = [0; CHUNK];
    let read = stream.try_read(&mut chunk)?;
    bytes.extend_from_slice(&chunk[..read]);
    Ok(read)
}
