//! TLS for clients of the load, and certificates for the servers: of one kind of key, one version and one cipher suite for both engines.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use hairpin_stun::Reader;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, HandshakeKind, SignatureScheme, version,
};

/// The key of a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyKind {
    EcdsaP256,
    Rsa2048,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EcdsaP256 => "ECDSA P-256",
            Self::Rsa2048 => "RSA-2048",
        })
    }
}

/// Makes a certificate of its own signing in a folder, by `openssl`: its file and its key's.
pub(crate) fn certificate(kind: KeyKind, folder: &Path) -> Result<[PathBuf; 2]> {
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.join(name));
    let algorithm: &[&str] = match kind {
        KeyKind::EcdsaP256 => &["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        KeyKind::Rsa2048 => &["rsa:2048"],
    };
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=localhost", "-newkey"])
        .args(algorithm)
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .arg("-out")
        .arg(&cert)
        .arg("-keyout")
        .arg(&key)
        .output()
        .context("cannot run openssl, which makes certificates")?;
    ensure!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
    Ok([cert, key])
}

/// Whether a client keeps what it needs to resume a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sessions {
    Forgotten,
    Kept,
}

/// TLS 1.2, because Debian's coturn speaks none newer, with one cipher suite and one group. It takes any certificate: what a client
/// costs is not measured.
pub(crate) fn client(sessions: Sessions) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(CryptoProvider {
        cipher_suites: vec![
            ring::cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            ring::cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![ring::kx_group::SECP256R1],
        ..ring::default_provider()
    });
    let trusting = Arc::new(Trusting(Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(trusting)
        .with_no_client_auth();
    config.resumption = match sessions {
        Sessions::Forgotten => Resumption::disabled(),
        Sessions::Kept => Resumption::in_memory_sessions(256),
    };
    Ok(Arc::new(config))
}

/// A client's stream under TLS.
#[derive(Debug)]
pub(crate) struct Tls {
    pub(crate) stream: TcpStream,
    session: ClientConnection,
}

impl Tls {
    /// Does the handshake; the stream blocks.
    pub(crate) fn handshake(config: &Arc<ClientConfig>, mut stream: TcpStream) -> io::Result<Self> {
        let name = ServerName::try_from("localhost").expect("a host name");
        let session = ClientConnection::new(Arc::clone(config), name);
        let mut session = session.map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        Ok(Self { stream, session })
    }

    pub(crate) fn was_resumed(&self) -> bool {
        self.session.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// Sends bytes as one record. They go to the kernel whole: the load keeps little on its way.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.session.writer().write_all(bytes)?;
        while self.session.wants_write() {
            self.session.write_tls(&mut self.stream)?;
        }
        Ok(bytes.len())
    }

    /// Receives the next bytes of the stream, and puts what they say into the reader. It may be nothing.
    pub(crate) fn fill(&mut self, reader: &mut Reader) -> io::Result<()> {
        if self.session.read_tls(&mut self.stream)? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.session.process_new_packets().map_err(io::Error::other)?;
        loop {
            match self.session.reader().read(reader.spare()) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(len) => reader.filled(len),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Who takes any certificate and believes any signature.
#[derive(Debug)]
struct Trusting(Arc<CryptoProvider>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::socket::Socket;

    #[test]
    fn frames_under_tls_are_read_as_those_over_tcp_and_sessions_are_resumed() {
        for kind in [KeyKind::EcdsaP256, KeyKind::Rsa2048] {
            let folder = tempfile::tempdir().unwrap();
            let [cert, key] = certificate(kind, folder.path()).unwrap();
            let provider = Arc::new(ring::default_provider());
            let mut server = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![CertificateDer::from_pem_file(cert).unwrap()],
                    PrivateKeyDer::from_pem_file(key).unwrap(),
                )
                .unwrap();
            server.ticketer = ring::Ticketer::new().unwrap();
            let server = Arc::new(server);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let config = client(Sessions::Kept).unwrap();
            let frame = [0x40, 0, 0, 5, b'h', b'e', b'l', b'l', b'o', 0, 0, 0];
            thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..2 {
                        let stream = listener.accept().unwrap().0;
                        let session = ServerConnection::new(Arc::clone(&server)).unwrap();
                        let mut stream = StreamOwned::new(session, stream);
                        let mut asked = [0; 20];
                        stream.read_exact(&mut asked).unwrap();
                        stream.write_all(&[&asked[..], &frame].concat()).unwrap();
                    }
                });
                for is_second in [false, true] {
                    let stream = TcpStream::connect(address).unwrap();
                    let tls = Tls::handshake(&config, stream).unwrap();
                    assert_eq!(tls.was_resumed(), is_second);
                    let mut socket = Socket::Tls(Box::new(tls), Reader::new());
                    let mut turn = hairpin_sim::TurnClient::new("nobody", "");
                    let request = turn.request(hairpin_sim::Request::Binding);
                    socket.send(&request).unwrap();
                    assert_eq!(socket.receive_message().unwrap(), request);
                    assert_eq!(socket.receive_message().unwrap(), frame[..9]);
                }
            });
        }
    }
}
