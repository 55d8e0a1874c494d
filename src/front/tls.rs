//! TLS at the front door: the handshake, and by which protocol's name a client asks for us (ALPN, RFC 7301).
//!
//! A client that names nothing, as libwebrtc does, and one that names nothing of ours are let in as well: what they speak
//! is told by what comes out of TLS. rustls ends a handshake in which no name overlaps, so the name is read before a
//! configuration is chosen, and theirs has none.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use hairpin_stun::Sniffed;
use rustls::crypto::CryptoProvider;
use rustls::server::{
    Accepted, Acceptor, NoServerSessionStorage, ProducesTickets, ResolvesServerCert,
};
use rustls::{HandshakeKind, ServerConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::StartHandshake;
use tokio_rustls::server::TlsStream;

use super::Serves;
use super::opening::{first_bytes, read_some};
use crate::metrics::{Handshake, TlsMetrics};

/// The names of TURN and STUN (RFC 7443), and of what RFC 5780 discovers.
const TURN: [&[u8]; 2] = [b"stun.turn", b"stun.nat-discovery"];

/// HTTP's (RFC 7301 s6), in the order in which we would have them.
const HTTP: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Whoever asks whether a domain is ours to have a certificate for it asks by this alone (RFC 8737 s4).
const ACME: &[u8] = b"acme-tls/1";

/// The longest that a client may say before its hello is whole. Those of browsers, with keys against quantum computers
/// and a ticket, are 2 KB.
const LONGEST_HELLO: usize = 16 << 10;

/// What waits in a connection that the socket has not taken, beyond which nothing more is encrypted.
const BUFFER: usize = 32 << 10;

/// Lets clients in by TLS.
pub(crate) struct Tls {
    everything: Arc<ServerConfig>,
    turn: Arc<ServerConfig>,
    nameless: Arc<ServerConfig>,
    acme: Arc<ServerConfig>,
    /// Handshakes whose keys may be computed at a time, off the runtime's threads: a flood of them slows itself down, and
    /// not the sockets that are served there.
    at_a_time: Semaphore,
    metrics: Arc<TlsMetrics>,
}

/// A connection that has said, within TLS, what it speaks.
pub(super) struct Secured {
    pub(super) stream: Box<TlsStream<TcpStream>>,
    pub(super) protocol: Sniffed,
    /// What was read to find out.
    pub(super) already_read: Vec<u8>,
}

impl Tls {
    /// With certificates by `resolver`.
    ///
    /// # Errors
    /// When this provider cannot do TLS 1.2 or 1.3, or has no entropy.
    pub(crate) fn new(
        resolver: Arc<dyn ResolvesServerCert>,
        provider: &Arc<CryptoProvider>,
        metrics: Arc<TlsMetrics>,
    ) -> Result<Self, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(resolver);
        // Clients keep their sessions themselves, whichever configuration they had.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let acme = named(&config, &[ACME]);
        if let Some(ticketer) = ticketer()? {
            config.ticketer = ticketer;
        }
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Self {
            // TURN first: coturn's client names HTTP before it, and no browser names TURN.
            everything: named(&config, &[TURN, HTTP].concat()),
            turn: named(&config, &TURN),
            nameless: Arc::new(config),
            acme,
            at_a_time: Semaphore::new(cores),
            metrics,
        })
    }

    /// Does the handshake of a connection from which so much has been read, and finds out what comes out of it.
    ///
    /// # Errors
    /// What is wrong with it, or that it took longer than it may. The client has been told what is wrong with its
    /// handshake, if the socket took it.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
        already_read: Vec<u8>,
        serves: Serves,
        deadline: Instant,
    ) -> io::Result<Secured> {
        let handshake = timeout_at(deadline, self.handshake(stream, already_read, serves)).await;
        let handshake = handshake.unwrap_or_else(|late| Err(late.into()));
        self.metrics.handshake(match &handshake {
            Err(_) => Handshake::Failed,
            Ok(stream) => match stream.get_ref().1.handshake_kind() {
                Some(HandshakeKind::Resumed) => Handshake::Resumed,
                _ => Handshake::Full,
            },
        });
        timeout_at(deadline, told(handshake?)).await?
    }

    async fn handshake(
        &self,
        stream: TcpStream,
        already_read: Vec<u8>,
        serves: Serves,
    ) -> io::Result<Box<TlsStream<TcpStream>>> {
        let hello = client_hello(&stream, already_read).await?;
        let config = self.config_for(&hello, serves).clone();
        // A new connection's keys are a quarter of a millisecond's work, or several with RSA.
        let turn = self.at_a_time.acquire().await.map_err(io::Error::other)?;
        let started = tokio::task::spawn_blocking(move || {
            let start = StartHandshake::from_parts(hello, stream);
            start.into_stream_with(config, |session| session.set_buffer_limit(Some(BUFFER)))
        });
        let started = started.await.map_err(io::Error::other)?;
        drop(turn);
        Ok(Box::new(started.await?))
    }

    fn config_for(&self, hello: &Accepted, serves: Serves) -> &Arc<ServerConfig> {
        let hello = hello.client_hello();
        let offered: Vec<&[u8]> = hello.alpn().into_iter().flatten().collect();
        let ours = match serves {
            Serves::Everything => &self.everything,
            Serves::Turn => &self.turn,
        };
        if offered == [ACME] {
            &self.acme
        } else if ours.alpn_protocols.iter().any(|name| offered.contains(&name.as_slice())) {
            ours
        } else {
            &self.nameless
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

fn named(config: &ServerConfig, names: &[&[u8]]) -> Arc<ServerConfig> {
    let mut config = config.clone();
    config.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

/// What sessions are resumed with, by keys that change every six hours and are nowhere but in this process.
fn ticketer() -> Result<Option<Arc<dyn ProducesTickets>>, rustls::Error> {
    #[cfg(feature = "tls")]
    return rustls::crypto::ring::Ticketer::new().map(Some);
    #[cfg(not(feature = "tls"))]
    return Ok(None);
}

/// Finds out what a connection speaks.
async fn told(mut stream: Box<TlsStream<TcpStream>>) -> io::Result<Secured> {
    let asked_for = match stream.get_ref().1.alpn_protocol() {
        None => None,
        // The certificate was all that was wanted.
        Some(ACME) => {
            stream.shutdown().await?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Some(name) if TURN.contains(&name) => Some(Sniffed::Stun),
        Some(_) => Some(Sniffed::Http),
    };
    let (protocol, already_read) = first_bytes(&mut stream).await?;
    // Who asks for one thing and says another was brought here by somebody between (the ALPACA attack).
    if asked_for.is_some_and(|asked_for| asked_for != protocol) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not what was asked for by ALPN"));
    }
    Ok(Secured { stream, protocol, already_read })
}

/// Reads until a client's hello is whole.
async fn client_hello(stream: &TcpStream, mut unread: Vec<u8>) -> io::Result<Accepted> {
    let mut acceptor = Acceptor::default();
    let mut heard = 0;
    loop {
        heard += unread.len();
        let mut rest = unread.as_slice();
        while !rest.is_empty() {
            acceptor.read_tls(&mut rest)?;
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => return Ok(accepted),
            Ok(None) => {}
            Err((error, mut alert)) => {
                let mut told = Vec::new();
                alert.write_all(&mut told)?;
                let _ = stream.try_write(&told);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        if heard > LONGEST_HELLO {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a hello without end"));
        }
        unread.clear();
        read_some(stream, &mut unread).await?;
    }
}
