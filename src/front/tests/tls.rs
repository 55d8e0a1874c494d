//! Handshakes with clients of every kind, over real sockets.

use std::pin::Pin;
use std::task::{Context, Poll};

use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::tls::Tls;
use super::*;
use crate::metrics::Metrics;

const STUN: &[u8] = b"\x00\x01\x00\x00\x21\x12\xA4\x42twelve bytes";
const HTTP: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

/// A server's side of TLS, and what its clients trust.
struct Bench {
    tls: Tls,
    roots: Arc<RootCertStore>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Only(Arc<CertifiedKey>);

impl ResolvesServerCert for Only {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl Bench {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
        let chain = vec![made.cert.der().clone()];
        let certified = CertifiedKey::from_der(chain, key, &provider).expect("they fit");
        let metrics = Metrics::new(0);
        let resolver = Arc::new(Only(Arc::new(certified)));
        let tls = Tls::new(resolver, &provider, metrics.tls.clone()).expect("ring does TLS");
        Self { tls, roots: roots.into(), metrics }
    }

    fn client(&self, names: &[&[u8]]) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring does TLS")
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = names.iter().map(|name| name.to_vec()).collect();
        config
    }

    /// Has a client of this configuration connect and say something; what the server makes of it, and what the client
    /// is told by ALPN.
    async fn meet(
        &self,
        config: Arc<ClientConfig>,
        client: impl AsyncRead + AsyncWrite + Unpin,
        server: TcpStream,
        says: &[u8],
    ) -> (io::Result<(Sniffed, Vec<u8>)>, Option<Vec<u8>>) {
        let says = async {
            let mut stream = connect(config, client).await.expect("the handshake succeeds");
            stream.write_all(says).await.expect("sent");
            stream.flush().await.expect("sent");
            let named = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
            // What it is sent last are the tickets.
            let _ = stream.read(&mut [0; 1]).await;
            named
        };
        let hears = async {
            let mut secured = self.accept(server, Vec::new()).await?;
            secured.stream.write_all(b"!").await?;
            secured.stream.flush().await?;
            Ok((secured.protocol, secured.already_read))
        };
        tokio::join!(hears, says)
    }

    async fn accept(&self, server: TcpStream, already_read: Vec<u8>) -> io::Result<Secured> {
        let deadline = Instant::now() + FIRST_BYTES;
        self.tls.accept(server, already_read, Serves::Everything, deadline).await
    }

    fn handshakes(&self, end: &str) -> bool {
        let series = format!("hairpin_tls_handshakes_total{{end=\"{end}\"}} 1\n");
        self.metrics.text().contains(&series)
    }
}

async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    config: Arc<ClientConfig>,
    stream: S,
) -> io::Result<TlsStream<S>> {
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(config).connect(name, stream).await
}

#[tokio::test]
async fn c182_a_client_is_let_in_whatever_it_asks_for_by_name() {
    let bench = Bench::new();
    for (offered, named, says, protocol) in [
        (&[][..], None, STUN, Sniffed::Stun),
        (&[], None, HTTP, Sniffed::Http),
        (&[&b"http/1.1"[..]], Some(&b"http/1.1"[..]), HTTP, Sniffed::Http),
        (&[b"http/1.1", b"h2"], Some(b"h2"), HTTP, Sniffed::Http),
        (&[b"stun.turn"], Some(b"stun.turn"), STUN, Sniffed::Stun),
        (&[b"stun.nat-discovery"], Some(b"stun.nat-discovery"), STUN, Sniffed::Stun),
        // What coturn's client offers.
        (
            &[b"http/1.1", b"stun.turn", b"stun.nat-discovery"],
            Some(b"stun.turn"),
            STUN,
            Sniffed::Stun,
        ),
        (&[b"imap", b"acme-tls/1"], None, STUN, Sniffed::Stun),
        (&[], None, b"\x16\x03\x01", Sniffed::Tls),
    ] {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let mut config = ClientConfig::builder_with_provider(provider)
                .with_protocol_versions(&[version])
                .expect("ring does it")
                .with_root_certificates(bench.roots.clone())
                .with_no_client_auth();
            config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
            let (client, server) = pair().await;
            let (heard, told) = bench.meet(config.into(), client, server, says).await;
            assert_eq!(told.as_deref(), named, "{offered:?}");
            assert_eq!(heard.expect("it is let in"), (protocol, says.to_vec()), "{offered:?}");
        }
    }
}

#[tokio::test]
async fn who_asks_for_one_thing_and_says_another_is_not_served() {
    let bench = Bench::new();
    for (offered, says) in [(&b"stun.turn"[..], HTTP), (b"h2", STUN), (b"http/1.1", STUN)] {
        let (client, server) = pair().await;
        let config = bench.client(&[offered]);
        let (heard, told) = bench.meet(config.into(), client, server, says).await;
        assert_eq!(told.as_deref(), Some(offered));
        assert_eq!(heard.expect_err("somebody between").kind(), io::ErrorKind::InvalidData);
    }
}

#[tokio::test]
async fn the_proof_of_a_domain_is_a_handshake_and_nothing_more() {
    let bench = Bench::new();
    let (client, server) = pair().await;
    let config = bench.client(&[b"acme-tls/1"]);
    let (heard, told) = bench.meet(config.into(), client, server, HTTP).await;
    assert_eq!(told.as_deref(), Some(&b"acme-tls/1"[..]));
    assert_eq!(heard.expect_err("closed").kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_session_is_resumed_whatever_is_asked_for_by_name() {
    let bench = Bench::new();
    let mut config = bench.client(&[b"stun.turn"]);
    for end in ["full", "resumed"] {
        let (client, server) = pair().await;
        let (heard, _) = bench.meet(Arc::new(config.clone()), client, server, STUN).await;
        heard.expect("it is let in");
        assert!(bench.handshakes(end), "{end}");
        config.alpn_protocols.clear();
    }
}

/// Sends and receives a byte at a time.
struct ByteByByte(TcpStream);

impl AsyncRead for ByteByByte {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        let read = Pin::new(&mut self.0).poll_read(context, &mut one);
        buffer.put_slice(one.filled());
        read
    }
}

impl AsyncWrite for ByteByByte {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, &bytes[..bytes.len().min(1)])
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[tokio::test]
async fn a_handshake_may_come_a_byte_at_a_time() {
    let bench = Bench::new();
    let (client, server) = pair().await;
    client.set_nodelay(true).expect("a plain option");
    let config = bench.client(&[b"stun.turn"]);
    let (heard, _) = bench.meet(config.into(), ByteByByte(client), server, STUN).await;
    let (protocol, read) = heard.expect("it is let in");
    assert_eq!((protocol, read.as_slice()), (Sniffed::Stun, &STUN[..read.len()]));
    assert!(bench.handshakes("full"));
}

fn hello(bench: &Bench) -> Vec<u8> {
    let name = ServerName::try_from("localhost").expect("a name");
    let mut client = ClientConnection::new(bench.client(&[]).into(), name).expect("it is valid");
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("memory takes it");
    hello
}

/// Time is paused: whenever nothing else is left to do, it jumps to the next timer.
#[tokio::test(start_paused = true)]
async fn half_a_hello_and_half_a_handshake_are_not_waited_for() {
    let bench = Bench::new();
    let hello = hello(&bench);
    for said in [3, hello.len() - 1, hello.len()] {
        let (mut client, server) = pair().await;
        client.write_all(&hello[..said]).await.expect("sent");
        let began = Instant::now();
        let error = bench.accept(server, Vec::new()).await.err().expect("it never ends");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), FIRST_BYTES.as_secs());
    }
}

#[tokio::test]
async fn a_hello_without_end_is_not_kept_and_garbage_is_told_so() {
    let bench = Bench::new();
    // A message of 65,000 bytes in records of 1,000.
    let mut endless = vec![0x16, 3, 1, 3, 0xE8, 1, 0, 0xFD, 0xE8];
    endless.resize(1005, 0);
    for _ in 0..64 {
        endless.extend([0x16, 3, 1, 3, 0xE8]);
        endless.resize(endless.len() + 1000, 0);
    }
    for (said, answers) in [(endless, false), (b"\x16\x03\x01\x00\x01garbage".to_vec(), true)] {
        let (client, server) = pair().await;
        let (mut from_server, mut to_server) = client.into_split();
        let say = tokio::spawn(async move {
            let _ = to_server.write_all(&said).await;
            to_server
        });
        let error = bench.accept(server, Vec::new()).await.err().expect("no handshake");
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(error.to_string() == "a hello without end", !answers, "{error}");
        let mut answer = Vec::new();
        let _ = from_server.read_to_end(&mut answer).await;
        assert_eq!(answer.first() == Some(&0x15), answers, "an alert");
        drop(say.await.expect("no panic"));
    }
}
