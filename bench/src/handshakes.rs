//! What a new connection costs: TCP, a handshake of TLS, and the answer to a Binding request, which shows that the server is done with it.

use std::fmt;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use hairpin_sim::{Request, TurnClient, TurnEvent};
use hairpin_stun::Reader;
use rustix::net::sockopt;
use rustls::ClientConfig;

use crate::engine::{Engine, Launch, Programs, Server};
use crate::process::{self, Cpus};
use crate::socket::Socket;
use crate::tls::{self, KeyKind, Sessions, Tls};

/// How long a server may take for one.
const PATIENCE: Duration = Duration::from_secs(2);

/// What clients do to be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: TCP alone.
    Plain,
    /// A handshake with a server that has never seen them.
    Full(KeyKind),
    /// A handshake that resumes the session before.
    Resumed(KeyKind),
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Plain,
        Self::Full(KeyKind::EcdsaP256),
        Self::Resumed(KeyKind::EcdsaP256),
        Self::Full(KeyKind::Rsa2048),
        Self::Resumed(KeyKind::Rsa2048),
    ];

    fn key(self) -> KeyKind {
        match self {
            Self::Plain => KeyKind::EcdsaP256,
            Self::Full(key) | Self::Resumed(key) => key,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str("TCP alone"),
            Self::Full(key) => write!(f, "TLS, full, {key}"),
            Self::Resumed(key) => write!(f, "TLS, resumed, {key}"),
        }
    }
}

/// What was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Server CPU microseconds per connection.
    pub(crate) micros: f64,
    /// Connections a second.
    pub(crate) rate: f64,
    /// Part of the time the server's CPU was running it, 0 to 1.
    pub(crate) busy: f64,
    /// Part of the handshakes that were resumed, 0 to 1.
    pub(crate) resumed: f64,
}

/// Starts a fresh `engine` on one CPU, and has threads on all others make connections for `length`, one after the other.
///
/// # Errors
/// When the server does not start, refuses a handshake or does not answer.
pub(crate) fn measure(
    programs: &Programs,
    engine: Engine,
    kind: Kind,
    length: Duration,
) -> Result<Sample> {
    let cpus = Cpus::pick(1)?;
    let launch = Launch { certificate: Some(kind.key()), ..Launch::on_one_cpu(cpus.server[0]) };
    let server = Server::start(programs, engine, &launch)?;
    let others: Vec<usize> =
        process::allowed_cpus()?.into_iter().filter(|cpu| !cpus.server.contains(cpu)).collect();
    let run = |length: Duration| -> Result<[u64; 2]> {
        let clients = others.len().max(2);
        let counts = process::on_cpus(&others, || {
            thread::scope(|scope| {
                let client = |_| scope.spawn(|| connect_again(kind, server.turn, length));
                let clients: Vec<_> = (0..clients).map(client).collect();
                let joined = clients.into_iter().map(|client| client.join());
                joined.collect::<Vec<_>>()
            })
        })?;
        let mut sum = [0; 2];
        for count in counts {
            let [made, resumed] = count.map_err(|_| anyhow!("a client panicked"))??;
            sum = [sum[0] + made, sum[1] + resumed];
        }
        Ok(sum)
    };
    run(length / 10).with_context(|| format!("{engine}: {kind}"))?;
    let (before, start) = (server.cpu_time()?, Instant::now());
    let [made, resumed] = run(length).with_context(|| format!("{engine}: {kind}"))?;
    let (cpu, wall) = ((server.cpu_time()? - before).as_secs_f64(), start.elapsed().as_secs_f64());
    ensure!(made > 0, "no connection was made");
    Ok(Sample {
        micros: cpu * 1e6 / made as f64,
        rate: made as f64 / wall,
        busy: cpu / wall,
        resumed: resumed as f64 / made as f64,
    })
}

/// How many connections were made, and how many of them resumed a session.
fn connect_again(kind: Kind, server: SocketAddr, length: Duration) -> Result<[u64; 2]> {
    let config = match kind {
        Kind::Plain => None,
        Kind::Full(_) => Some(tls::client(Sessions::Forgotten)?),
        Kind::Resumed(_) => Some(tls::client(Sessions::Kept)?),
    };
    let (start, mut made) = (Instant::now(), [0; 2]);
    while start.elapsed() < length {
        let resumed = connect(config.as_ref(), server)?;
        made = [made[0] + 1, made[1] + u64::from(resumed)];
    }
    Ok(made)
}

/// Makes a connection, asks, and is gone. Tells whether a session was resumed.
fn connect(config: Option<&Arc<ClientConfig>>, server: SocketAddr) -> Result<bool> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // A reset leaves no port behind that could not be used again for a minute: there are too few.
    sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?;
    let mut turn = TurnClient::new("nobody", "");
    let request = turn.request(Request::Binding);
    let (mut socket, resumed) = match config {
        None => (Socket::Tcp(stream, Reader::new()), false),
        Some(config) => {
            let tls = Tls::handshake(config, stream).context("no handshake")?;
            let resumed = tls.was_resumed();
            (Socket::Tls(Box::new(tls), Reader::new()), resumed)
        }
    };
    socket.send(&request)?;
    let answer = socket.receive_message().context("no answer")?;
    let meaning = turn.handle(&answer);
    ensure!(matches!(meaning, Some(TurnEvent::Mapped(_))), "the answer means {meaning:?}");
    Ok(resumed)
}
