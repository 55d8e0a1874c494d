//! Certificates that a server gets itself, of a real ACME server.

mod documentation;
mod files;
mod issue;
pub(crate) mod pebble;
mod redirect;
mod renewal;
mod restraint;

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hairpin::{Listeners, Server};
use hairpin_config::{Config, Layers};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use pebble::{Options, PATIENCE, Pebble, free_addresses};

/// A server, and where it is.
struct Site {
    server: Server,
    tls: SocketAddr,
    admin: SocketAddr,
}

/// Where one is to be.
#[derive(Clone)]
struct Places {
    tls: SocketAddr,
    http: Option<SocketAddr>,
    admin: SocketAddr,
}

impl Places {
    fn new() -> Self {
        let [tls, admin] = free_addresses();
        Self { tls, http: None, admin }
    }

    fn with_http(self) -> Self {
        let [http] = free_addresses();
        Self { http: Some(http), ..self }
    }
}

fn options(places: &Places) -> Options {
    let [nobody] = free_addresses();
    Options {
        tls_port: places.tls.port(),
        http_port: places.http.unwrap_or(nobody).port(),
        validity: 86_400 * 90,
        binding: false,
    }
}

fn config(pebble: &Pebble, state: &Path, more: &[(&str, &str)]) -> Config {
    let mut layers = Layers::default();
    for (name, value) in [
        ("domain", "a.example"),
        ("state-dir", state.to_str().expect("text")),
        ("relay-ip", "127.0.0.1"),
        ("alt-listening-port", "none"),
        ("redirect-listen", "none"),
        ("workers", "1"),
        ("shutdown-timeout", "0"),
    ] {
        layers.set(name, value);
    }
    for (name, value) in pebble.settings() {
        layers.set(name, value);
    }
    for (name, value) in more {
        layers.set(name, *value);
    }
    layers.resolve().expect("the settings are valid").config
}

impl Site {
    fn start(config: Config, places: &Places) -> Self {
        // The one before it may not have gone yet.
        let deadline = Instant::now() + PATIENCE;
        let bind = |address: SocketAddr| loop {
            match TcpListener::bind(address) {
                Ok(listener) => return listener,
                Err(error) => assert!(Instant::now() < deadline, "{address}: {error}"),
            }
            std::thread::yield_now();
        };
        let listeners = Listeners {
            http: vec![bind(places.tls)],
            redirect: places.http.map(bind).into_iter().collect(),
            admin: Some(bind(places.admin)),
            ..Default::default()
        };
        let server = Server::start(config, listeners).expect("it starts");
        Self { server, tls: places.tls, admin: places.admin }
    }

    async fn readyz(&self) -> String {
        get(self.admin, "/readyz", "localhost").await
    }

    /// The value of a metric without labels.
    async fn metric(&self, name: &str) -> f64 {
        let text = get(self.admin, "/metrics", "localhost").await;
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.unwrap_or_else(|| panic!("there is no {name}"))
    }

    /// Waits for what `/readyz` says.
    async fn until_it_says(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let said = self.readyz().await;
            if said.contains(words) {
                return said;
            }
            assert!(Instant::now() < deadline, "it does not say {words:?}: {said}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for a certificate other than this one.
    async fn until_certified(&self, client: &pebble::Client, before: Option<&[u8]>) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match client.certificate(self.tls, "a.example").await {
                Some(certificate) if Some(&*certificate) != before => return certificate,
                _ if Instant::now() < deadline => {}
                _ => panic!("there is no certificate: {}", self.readyz().await),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// What an HTTP server answers, head and all.
async fn get(at: SocketAddr, path: &str, host: &str) -> String {
    let asking = async {
        let mut stream = TcpStream::connect(at).await.expect("it listens");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers in text");
        answer
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it does not hang")
}

/// Brings connections to one server after the other; ends with its test's runtime.
async fn forward(from: SocketAddr, to: Vec<SocketAddr>) {
    let listener = tokio::net::TcpListener::bind(from).await.expect("nobody has it");
    tokio::spawn(async move {
        for to in to.into_iter().cycle() {
            let Ok((mut client, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                let mut server = TcpStream::connect(to).await.expect("it listens");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
}

fn the_file(state: &Path, name: &str) -> PathBuf {
    let found = pebble::files(state).into_iter().find(|path| path.ends_with(name));
    found.unwrap_or_else(|| panic!("there is no {name} in {:?}", pebble::files(state)))
}
