//! A certificate for a server on loopback, and clients that trust it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hairpin::Builder;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Vouches for `localhost`.
pub(crate) struct Authority {
    folder: TempDir,
    client: ClientConfig,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
        let made = made.expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).expect("a root");
        let folder = tempfile::tempdir().expect("a folder");
        let write = |name, text| std::fs::write(folder.path().join(name), text).expect("written");
        write("cert.pem", made.cert.pem());
        write("key.pem", made.signing_key.serialize_pem());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring does TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { folder, client }
    }

    /// A server that has the certificate.
    pub(crate) fn certify(&self, builder: Builder) -> Builder {
        let path = |name| self.path(name).to_str().expect("the path is text").to_owned();
        builder.set("cert", path("cert.pem")).set("pkey", path("key.pem"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A connection that asks for these protocols by ALPN.
    pub(crate) async fn connect(&self, to: SocketAddr, names: &[&str]) -> TlsStream<TcpStream> {
        self.connect_over(TcpStream::connect(to).await.expect("the server listens"), names).await
    }

    /// The same over a socket that is connected.
    pub(crate) async fn connect_over(
        &self,
        stream: TcpStream,
        names: &[&str],
    ) -> TlsStream<TcpStream> {
        let mut config = self.client.clone();
        config.alpn_protocols = names.iter().map(|name| name.as_bytes().to_vec()).collect();
        let name = ServerName::try_from("localhost").expect("a name");
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let connected = tokio::time::timeout(std::time::Duration::from_secs(60), connected).await;
        connected.expect("it does not hang").expect("the certificate is good for it")
    }
}
