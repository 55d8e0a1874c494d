//! An authority is never asked more often than it likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

/// An authority that answers everybody with these words; how often it was asked.
async fn overrun(folder: &Path, answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(folder.join("root.pem"), made.cert.pem()).expect("written");
    let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
    let key = PrivateKeyDer::from_pem_slice(made.signing_key.serialize_pem().as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring does TLS")
        .with_no_client_auth()
        .with_single_cert(chain, key.expect("PEM"))
        .expect("they belong together");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there are ports");
    let address = listener.local_addr().expect("bound");
    let asked = Arc::<AtomicUsize>::default();
    let counted = asked.clone();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let Ok(1..) = stream.read(&mut request).await else { continue };
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (address, asked)
}

fn config_for(authority: SocketAddr, folder: &Path) -> Config {
    let mut layers = Layers::default();
    for (name, value) in [
        ("domain", "a.example".to_owned()),
        ("state-dir", folder.join("state").display().to_string()),
        ("acme-root", folder.join("root.pem").display().to_string()),
        ("acme-directory", format!("https://localhost:{}/dir", authority.port())),
        ("relay-ip", "127.0.0.1".to_owned()),
        ("alt-listening-port", "none".to_owned()),
        ("redirect-listen", "none".to_owned()),
        ("workers", "1".to_owned()),
        ("shutdown-timeout", "0".to_owned()),
    ] {
        layers.set(name, value);
    }
    layers.resolve().expect("the settings are valid").config
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_wait_waits_whoever_hurries_and_over_a_restart() {
    const LATER: &str = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\n\
        Content-Length: 0\r\nConnection: close\r\n\r\n";
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, asked) = overrun(folder.path(), LATER).await;
    let (config, places) = (config_for(authority, folder.path()), Places::new());
    for _ in 0..2 {
        let site = Site::start(config.clone(), &places);
        let said = site.until_it_says("429 Too Many Requests").await;
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        site.server.look_for_certificates();
        let notes = the_file(&folder.path().join("state"), "a.example.attempts.json");
        let notes: serde_json::Value =
            serde_json::from_slice(&std::fs::read(notes).expect("it is there")).expect("JSON");
        let wait = notes["not_before"].as_u64().expect("a time") - now();
        assert!((3000..=3600).contains(&wait), "{notes}");
        site.server.shutdown().await;
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

/// It waits for two seconds, in which a loop would have gone round twice at least.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_takes_no_notes_does_not_make_it_ask_more_often() {
    const BROKEN: &str = "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let folder = tempfile::tempdir().expect("a folder");
    let (authority, asked) = overrun(folder.path(), BROKEN).await;
    let name = format!("state/localhost_{}_dir/a.example.attempts.json/x", authority.port());
    std::fs::create_dir_all(folder.path().join(name)).expect("it can be made");
    let site = Site::start(config_for(authority, folder.path()), &Places::new());
    site.until_it_says("500 Internal Server Error").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(asked.load(Ordering::Relaxed), 1);
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("it is after 1970").as_secs()
}
