//! Keys that are fetched through TLS, by the command: who vouches for their server is the system's to say.
//! The certificates are for tests alone, and for `localhost`.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::{get, patiently};

const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"a"}]}"#;

/// A running command that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn certificates(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http/certificates").join(name)
}

/// A server of keys on this port of `localhost`.
async fn key_server() -> u16 {
    let read = |name| std::fs::read(certificates(name)).expect("it is checked in");
    let chain = vec![CertificateDer::from(read("localhost.der"))];
    let key = PrivatePkcs8KeyDer::from(read("localhost.key.der")).into();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has what TLS needs")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("they belong together");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Who does not trust us breaks off.
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let _ = stream.read(&mut [0; 4096]).await;
            let length = KEYS.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{KEYS}");
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    port
}

/// The command, with what it is to trust.
fn hairpin(port: u16, roots: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hairpin"));
    command
        .args(["--listening-ip=127.0.0.1", "--listening-port=0", "--alt-listening-port=none"])
        .args(["--relay-ip=127.0.0.1", "--http-listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"])
        .args(["--workers=1", "--jwt-audience=hairpin"])
        .arg(format!("--jwks-url=https://localhost:{port}/keys.json?secret=1"))
        .env("SSL_CERT_FILE", roots)
        .env_remove("SSL_CERT_DIR")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts it, and waits until `/readyz` says this, and not that the keys are on their way.
async fn readyz(port: u16, roots: &Path) -> (u16, String) {
    let mut child = hairpin(port, roots).spawn().expect("the command is built");
    let mut stdout = child.stdout.take().expect("it is piped");
    let _running = Running(child);
    let admin = tokio::task::spawn_blocking(move || {
        let mut summary = String::new();
        let mut chunk = [0; 4096];
        loop {
            let line =
                summary.lines().find_map(|line| line.trim().strip_prefix("metrics and health"));
            if let Some(address) = line.and_then(|line| line.trim().parse::<SocketAddr>().ok()) {
                return address;
            }
            let length = stdout.read(&mut chunk).expect("the pipe is readable");
            assert!(length > 0, "the command ended: {summary}");
            summary.push_str(std::str::from_utf8(&chunk[..length]).expect("the summary is text"));
        }
    });
    let admin = patiently(admin).await.expect("it does not panic");
    patiently(async {
        loop {
            let ready = get(admin, "/readyz").await;
            if !ready.1.contains("being fetched") {
                return ready;
            }
        }
    })
    .await
}

#[tokio::test]
async fn keys_come_from_a_server_that_the_system_trusts() {
    let port = key_server().await;
    let ready = readyz(port, &certificates("authority.pem")).await;
    assert_eq!(ready, (200, "ok\n".to_owned()));
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_not_believed() {
    let port = key_server().await;
    let (status, why) = readyz(port, &certificates("stranger.pem")).await;
    assert_eq!(status, 503);
    assert!(why.contains("certificate") && !why.contains("secret"), "{why}");
}

#[tokio::test]
async fn without_certificates_to_trust_it_does_not_start_and_says_why() {
    let nothing = tempfile::NamedTempFile::new().expect("a file");
    let output = hairpin(1, nothing.path()).output().expect("the command is built");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("jwks-url") && said.contains("SSL_CERT_FILE"), "{said}");
    assert!(!said.contains("secret"), "{said}");
}
