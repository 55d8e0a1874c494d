//! Connections to a TURN server for a client that has none of its own: whatever comes on any of them is in one queue.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use crate::interop::{Account, Transport};

/// Bytes that came, by the local address they came to. None are a stream's end.
pub(super) type Received = (SocketAddr, Vec<u8>);

/// A connection; what comes is read until it is dropped.
pub(super) struct Socket {
    pub(super) local: SocketAddr,
    writer: Writer,
    reading: JoinHandle<()>,
}

enum Writer {
    Udp(Arc<UdpSocket>),
    Stream(Box<dyn AsyncWrite + Send + Unpin>),
}

impl Socket {
    pub(super) async fn connect(account: &Account, received: Sender<Received>) -> io::Result<Self> {
        let tcp = || TcpStream::connect(account.server);
        match account.transport {
            Transport::Udp => {
                let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
                socket.connect(account.server).await?;
                let local = socket.local_addr()?;
                let reading = tokio::spawn(datagrams(local, Arc::clone(&socket), received));
                Ok(Self { local, writer: Writer::Udp(socket), reading })
            }
            Transport::Tcp => {
                let stream = tcp().await?;
                Ok(Self::over(stream.local_addr()?, stream, received))
            }
            Transport::Tls => {
                let stream = tcp().await?;
                let local = stream.local_addr()?;
                let name = ServerName::from(account.server.ip());
                let connector = TlsConnector::from(trusting(account));
                Ok(Self::over(local, connector.connect(name, stream).await?, received))
            }
            Transport::Dtls => panic!("there is no DTLS in these tests"),
        }
    }

    fn over(
        local: SocketAddr,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        received: Sender<Received>,
    ) -> Self {
        let (reader, writer) = split(stream);
        let reading = tokio::spawn(bytes(local, reader, received));
        Self { local, writer: Writer::Stream(Box::new(writer)), reading }
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.writer {
            Writer::Udp(socket) => socket.send(bytes).await.map(drop),
            Writer::Stream(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// TLS that trusts the account's authority alone.
fn trusting(account: &Account) -> Arc<ClientConfig> {
    let root = CertificateDer::from_pem_file(account.authority.root()).expect("a certificate");
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a root");
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring does TLS");
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

async fn datagrams(local: SocketAddr, socket: Arc<UdpSocket>, received: Sender<Received>) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length) = socket.recv(&mut buffer).await {
        if received.send((local, buffer[..length].to_vec())).await.is_err() {
            return;
        }
    }
}

async fn bytes(local: SocketAddr, mut stream: impl AsyncRead + Unpin, received: Sender<Received>) {
    let mut buffer = vec![0; 65_536];
    loop {
        let length = stream.read(&mut buffer).await.unwrap_or(0);
        if received.send((local, buffer[..length].to_vec())).await.is_err() || length == 0 {
            return;
        }
    }
}
