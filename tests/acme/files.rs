//! Certificates from files, over real sockets: replaced while somebody is connected, and expired.

use rcgen::{CertificateParams, KeyPair};
use time::{Duration as Span, OffsetDateTime};

use super::*;

/// Puts a certificate and its key there, good until then from now.
fn put(folder: &Path, until: Span) -> pebble::Client {
    let mut params = CertificateParams::new(["a.example".to_owned()]).expect("a name");
    params.not_before = OffsetDateTime::now_utc() - Span::days(90);
    params.not_after = OffsetDateTime::now_utc() + until;
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let write = |name: &str, text: &str| {
        let new = folder.join("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, folder.join(name)).expect("replaced");
    };
    write("key.pem", &key.serialize_pem());
    write("cert.pem", &certificate);
    pebble::Client::trusting(certificate.as_bytes())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_connected_stays_while_certificates_come_and_go_and_an_expired_one_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = put(folder.path(), Span::days(30));
    let mut layers = Layers::default();
    for (name, value) in [
        ("cert", &*folder.path().join("cert.pem").display().to_string()),
        ("pkey", &*folder.path().join("key.pem").display().to_string()),
        ("relay-ip", "127.0.0.1"),
        ("alt-listening-port", "none"),
        ("redirect-listen", "none"),
        ("workers", "1"),
        ("shutdown-timeout", "0"),
    ] {
        layers.set(name, value);
    }
    let config = layers.resolve().expect("the settings are valid").config;
    let site = Site::start(config, &Places::new());
    let mut kept = first.connect(site.tls, "a.example").await.expect("it is good");
    assert!(site.until_it_says("ok\n").await.starts_with("HTTP/1.1 200"));

    put(folder.path(), Span::hours(-1));
    site.server.look_for_certificates();
    let said = site.until_it_says("the certificate of a.example has expired").await;
    assert!(said.starts_with("HTTP/1.1 503"), "there is no other, and nobody renews it: {said}");

    let second = put(folder.path(), Span::days(3));
    site.server.look_for_certificates();
    let said = site.until_it_says("the certificate of a.example expires in 2 days").await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert!(second.certificate(site.tls, "a.example").await.is_some());
    assert!(first.certificate(site.tls, "a.example").await.is_none());

    let request = b"GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
    kept.write_all(request).await.expect("it is open");
    let mut answer = Vec::new();
    let _ = kept.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer));

    std::fs::write(folder.path().join("cert.pem"), "half of it").expect("written");
    site.server.look_for_certificates();
    let said = site.until_it_says("holds no certificate").await;
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("cert = "), "{said}");
    assert!(second.certificate(site.tls, "a.example").await.is_some(), "it is served on");
}
