//! The front door: every TCP listener of TURN and of HTTP. A connection is accepted here, says by its first bytes
//! what it speaks, and goes to a relay worker or to HTTP; so every port serves everything that is not switched off there.
//! Before that a trusted proxy may say whose it is, and TLS may begin, after which it says again what it speaks.
//!
//! All of it runs on the shared runtime, with one accepting task for each listener. A connection that is silent, or
//! for which there is no room yet, costs a task and a descriptor, both bounded by a [permit](permits::Permits); so is
//! one in the middle of a handshake. Those permits are the client's, not its proxy's.

mod listener;
mod opening;
mod permits;
#[cfg(test)]
mod tests;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hairpin_stun::Sniffed;
use hairpin_turn::IpRange;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use listener::{Families, bind_listener};
pub(crate) use tls::Tls;

use crate::http::Web;
use crate::log_limit::LogLimit;
use crate::net::{Budgets, Connection, Held, Io, canonical};
use crate::relay::StreamIntake;
use opening::{Ends, Opening, unexpected_header};
use permits::{Permit, Permits};
use tls::Secured;

/// Connections that have not been handed on; each costs about a KiB and a file descriptor, or 10 KiB in a TLS handshake.
const SILENT: usize = 4096;

/// How long a connection may take to say what it is, TLS and all.
const FIRST_BYTES: Duration = Duration::from_secs(10);

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
    tls: Option<Tls>,
    proxies: Vec<IpRange>,
}

/// What the front door is made of.
pub(crate) struct FrontSetup {
    pub(crate) web: Web,
    pub(crate) streams: StreamIntake,
    pub(crate) budgets: Budgets,
    /// Without it, a connection that begins with TLS is closed.
    pub(crate) tls: Option<Tls>,
    /// Where connections come from that begin with a PROXY header.
    pub(crate) proxies: Vec<IpRange>,
}

impl Front {
    /// Takes bound sockets, whoever bound them.
    ///
    /// # Errors
    /// What the system says when a socket cannot be registered with the runtime.
    pub(crate) fn new(
        listeners: impl IntoIterator<Item = (std::net::TcpListener, Serves)>,
        setup: FrontSetup,
    ) -> io::Result<Self> {
        let adopt = |(listener, serves): (std::net::TcpListener, _)| {
            listener.set_nonblocking(true)?;
            Ok((TcpListener::from_std(listener)?, serves))
        };
        let listeners = listeners.into_iter().map(adopt).collect::<io::Result<_>>()?;
        let FrontSetup { web, streams, budgets, tls, proxies } = setup;
        let rooms = Rooms { web, streams, budgets, permits: Permits::new(SILENT), tls, proxies };
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
    permit: Permit,
    rooms: Arc<Rooms>,
) {
    if let Err(error) = rooms.show_in(stream, serves, peer, held, permit).await {
        tracing::debug!(%peer, %error, "connection dropped");
    }
}

impl Rooms {
    async fn show_in(
        &self,
        stream: TcpStream,
        serves: Serves,
        peer: SocketAddr,
        held: Held,
        mut permit: Permit,
    ) -> io::Result<()> {
        let deadline = Instant::now() + FIRST_BYTES;
        stream.set_nodelay(true)?;
        let ends = Ends { peer, local: canonical(stream.local_addr()?) };
        let opening = permit.hold(Opening::of(&stream, ends, &self.proxies, deadline)).await??;
        let client = opening.ends.peer.ip();
        // What is left of its silence is the client's own.
        let mut permit = if client == peer.ip() {
            permit
        } else {
            drop(permit);
            self.permits.give(client)
        };
        permit.hold(self.serve(stream, opening, serves, held, deadline)).await?
    }

    /// Serves whoever has begun to speak, or lets it begin again within TLS.
    async fn serve(
        &self,
        stream: TcpStream,
        opening: Opening,
        serves: Serves,
        held: Held,
        deadline: Instant,
    ) -> io::Result<()> {
        let Opening { ends: Ends { peer, local }, protocol, already_read } = opening;
        let Some(tls) = self.tls.as_ref().filter(|_| protocol == Sniffed::Tls) else {
            let io = Io::Tcp(stream.into_std()?);
            let connection = Connection { io, peer, local, already_read, held };
            self.hand_over(connection, protocol, serves).await;
            return Ok(());
        };
        // On the heap: a connection that is silent shall not be as large as one in a handshake.
        let secured = Box::pin(tls.accept(stream, already_read, serves, deadline)).await?;
        let Secured { stream, protocol, already_read } = secured;
        let connection = Connection { io: Io::Tls(stream), peer, local, already_read, held };
        self.hand_over(connection, protocol, serves).await;
        Ok(())
    }

    async fn hand_over(&self, mut connection: Connection, protocol: Sniffed, serves: Serves) {
        let peer = connection.peer;
        match protocol {
            Sniffed::Stun => {
                connection.held.place = self.budgets.turn_tcp.take(peer.ip());
                if connection.held.place.is_some() {
                    self.streams.serve(connection);
                }
            }
            Sniffed::Http if serves == Serves::Everything => self.web.serve(connection).await,
            Sniffed::Http => tracing::debug!(%peer, "HTTP is off"),
            Sniffed::Proxy => unexpected_header(peer),
            // There is no certificate, or it is TLS within TLS.
            Sniffed::Tls | Sniffed::Unknown | Sniffed::More => {
                tracing::debug!(%peer, ?protocol, "connection not served");
            }
        }
    }
}
