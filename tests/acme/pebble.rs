//! Debian's pebble, the ACME server that Let's Encrypt tests clients with, and its name server; both end with their test.
//! [`configure`] and [`root`] are for whoever starts one elsewhere.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// An authority, and names that all are this machine's.
pub(super) struct Pebble {
    folder: TempDir,
    pub(super) options: Options,
    address: SocketAddr,
    management: SocketAddr,
    names: Process,
    dns: SocketAddr,
    process: Option<Process>,
}

/// How it is.
#[derive(Clone)]
pub(crate) struct Options {
    /// Where it asks for challenges.
    pub(crate) tls_port: u16,
    pub(crate) http_port: u16,
    /// For how many seconds certificates are good.
    pub(crate) validity: u64,
    /// Whether it wants accounts to be bound to others, by `kid-1:AAEC`.
    pub(crate) binding: bool,
}

/// It ends with its owner.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Pebble {
    /// `None`: it is not installed here.
    pub(super) async fn start(options: Options) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let [address, management, dns, control] = free_addresses();
        configure(folder.path(), address, management, &options);
        let names = Command::new("pebble-challtestsrv")
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", ""])
            .args(["-dns01", &dns.to_string(), "-management", &control.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(names) = names else {
            crate::report_skipped("there is no pebble here");
            return None;
        };
        let names = Process(names);
        let mut this = Self { folder, options, address, management, names, dns, process: None };
        until_listening(control).await;
        this.begin().await;
        Some(this)
    }

    /// Starts it, knowing nobody.
    pub(super) async fn begin(&mut self) {
        let log = std::fs::File::create(self.path("pebble.log")).expect("created");
        let process = Command::new("pebble")
            .args(["-strict", "-dnsserver", &self.dns.to_string(), "-config"])
            .arg(self.path("pebble.json"))
            // It rejects one good nonce of twenty, by default: that stays.
            .envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_AUTHZREUSE", "0")])
            .stdout(log.try_clone().expect("a file"))
            .stderr(log)
            .spawn();
        self.process = Some(Process(process.expect("it is beside its name server")));
        until_listening(self.address).await;
        until_listening(self.management).await;
    }

    /// Ends it; what it knows is lost.
    pub(super) fn end(&mut self) {
        self.process = None;
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What is set of a server that is to ask it.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        assert!(self.names.0.id() > 0, "it lives as long as this");
        let root = self.path("cert.pem").display().to_string();
        let directory = format!("https://localhost:{}/dir", self.address.port());
        vec![("acme-directory", directory), ("acme-root", root)]
    }

    /// A client that trusts what it signs.
    pub(super) async fn client(&self) -> Client {
        let own = std::fs::read(self.path("cert.pem")).expect("written");
        let stream = TcpStream::connect(self.management).await.expect("it listens");
        Client::trusting(&root(stream, &own).await)
    }

    /// How many orders it has seen since it began.
    pub(super) fn orders(&self) -> usize {
        let log = std::fs::read_to_string(self.path("pebble.log")).expect("it writes");
        log.matches("POST /order-plz").count()
    }
}

/// Writes into a folder what a pebble is started with: `pebble.json`, and the certificate of its own listeners, for
/// `localhost`, in `cert.pem` with its `key.pem`.
pub(crate) fn configure(
    folder: &Path,
    address: SocketAddr,
    management: SocketAddr,
    options: &Options,
) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]);
    let made = made.expect("a certificate");
    let write = |name, text| std::fs::write(folder.join(name), text).expect("written");
    write("cert.pem", made.cert.pem());
    write("key.pem", made.signing_key.serialize_pem());
    let config = json!({ "pebble": {
        "listenAddress": address.to_string(),
        "managementListenAddress": management.to_string(),
        "certificate": folder.join("cert.pem"),
        "privateKey": folder.join("key.pem"),
        "httpPort": options.http_port,
        "tlsPort": options.tls_port,
        "ocspResponderURL": "",
        "certificateValidityPeriod": options.validity,
        "externalAccountBindingRequired": options.binding,
        "externalAccountMACKeys": { "kid-1": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8" },
    }});
    write("pebble.json", config.to_string());
}

/// The root, as PEM, of what a pebble signs, by a connection to its management; `own` is the certificate it has there.
pub(crate) async fn root(management: TcpStream, own: &[u8]) -> Vec<u8> {
    let stream = Client::trusting(own).greet(management, "localhost").await;
    let mut stream = stream.expect("it trusts the certificate it was given");
    let request = b"GET /roots/0 HTTP/1.0\r\nHost: localhost\r\n\r\n";
    stream.write_all(request).await.expect("it reads");
    let mut answer = Vec::new();
    // It need not say goodbye.
    let _ = stream.read_to_end(&mut answer).await;
    answer
}

/// Somebody who trusts one authority.
#[derive(Clone)]
pub(super) struct Client(Arc<ClientConfig>);

impl Client {
    pub(super) fn trusting(pem: &[u8]) -> Self {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(pem) {
            roots.add(root.expect("PEM")).expect("a root");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring does TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Who resumes a session sees the certificate with which it began.
        config.resumption = Resumption::disabled();
        Self(Arc::new(config))
    }

    /// A connection to whoever has a certificate for this name.
    pub(super) async fn connect(
        &self,
        to: SocketAddr,
        name: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let connecting = async { self.greet(TcpStream::connect(to).await?, name).await };
        tokio::time::timeout(PATIENCE, connecting).await.expect("it does not hang")
    }

    /// Begins TLS.
    async fn greet(&self, stream: TcpStream, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        TlsConnector::from(self.0.clone()).connect(name, stream).await
    }

    /// The certificate that is served there for this name, if it is good.
    pub(super) async fn certificate(&self, to: SocketAddr, name: &str) -> Option<Vec<u8>> {
        let stream = self.connect(to, name).await.ok()?;
        let chain = stream.get_ref().1.peer_certificates()?;
        Some(chain[0].to_vec())
    }
}

/// Addresses of loopback that nobody has; somebody may take one before it is used.
pub(super) fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let bound: [TcpListener; N] = std::array::from_fn(|_| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports")
    });
    bound.map(|listener| listener.local_addr().expect("bound"))
}

async fn until_listening(address: SocketAddr) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < deadline, "nobody listens at {address}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The files of a folder and below, by their names.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("it is there") {
        let path = entry.expect("readable").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found.sort();
    found
}
