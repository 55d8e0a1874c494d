//! Port 80: what is asked there, and by whom.

use std::net::Ipv4Addr;

use super::*;

/// A server with a certificate from files, and where it redirects from.
fn redirecting(folder: &Path, more: &[(&str, &str)]) -> (Config, Places) {
    let made = rcgen::generate_simple_self_signed(["a.example".to_owned(), "b.example".to_owned()]);
    let made = made.expect("a certificate");
    let path = |name: &str| folder.join(name).display().to_string();
    std::fs::write(path("cert.pem"), made.cert.pem()).expect("written");
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).expect("written");
    let mut layers = Layers::default();
    layers.set("cert", path("cert.pem"));
    layers.set("pkey", path("key.pem"));
    for (name, value) in [
        ("relay-ip", "127.0.0.1"),
        ("listening-ip", "127.0.0.1"),
        ("listening-port", "0"),
        ("http-listen", "127.0.0.1:0"),
        ("admin-listen", "none"),
        ("workers", "1"),
        ("shutdown-timeout", "0"),
    ]
    .iter()
    .chain(more)
    {
        layers.set(name, *value);
    }
    let config = layers.resolve().expect("the settings are valid").config;
    (config, Places::new().with_http())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_sent_to_https_and_get_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, places) = redirecting(folder.path(), &[("redirect-listen", "none")]);
    let _site = Site::start(config, &places);
    let http = places.http.expect("it has one");
    let ask = async |request: Vec<u8>| {
        let asking = async {
            let mut stream = TcpStream::connect(http).await.expect("it listens");
            stream.write_all(&request).await.expect("it reads");
            let mut answer = Vec::new();
            // Who is cut off has had its answer.
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8_lossy(&answer).to_lowercase()
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("it does not hang")
    };
    for (request, location) in [
        ("GET / HTTP/1.1\r\nHost: b.example\r\n\r\n", "https://b.example/"),
        ("POST /x HTTP/1.1\r\nHost: b.example\r\nContent-Length: 9\r\n\r\n", "https://b.example/x"),
        ("GET http://b.example/y HTTP/1.1\r\nHost: a.example\r\n\r\n", "https://b.example/y"),
        ("GET / HTTP/1.0\r\n\r\n", "https://a.example/"),
        ("GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "https://a.example/"),
        ("GET / HTTP/1.1\r\nHost: b.example@evil.example\r\n\r\n", "https://a.example/"),
        ("OPTIONS * HTTP/1.1\r\nHost: b.example\r\n\r\n", "https://b.example/"),
    ] {
        let answer = ask(request.as_bytes().to_vec()).await;
        assert!(answer.starts_with("http/1.") && answer.contains(" 308 "), "{request}: {answer}");
        assert!(answer.contains(&format!("location: {location}\r\n")), "{request}: {answer}");
        assert!(!answer.contains("evil"), "{request}: {answer}");
    }
    // RFC 8489 s5: a Binding request is no HTTP.
    let mut binding = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    binding.extend([7; 12]);
    binding.extend(*b"\r\n\r\n");
    let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 16)).into_bytes();
    for garbage in [binding, long, b"\x16\x03\x01\x00\x05\r\n\r\n".to_vec()] {
        let answer = ask(garbage).await;
        assert!(answer.is_empty() || answer.starts_with("http/1.1 4"), "{answer}");
    }
    // Nobody may think for long; it takes five seconds, which is what this test waits for.
    let began = Instant::now();
    assert!(ask(b"GET / HTTP/1.1\r\nHost: a.ex".to_vec()).await.len() < 200);
    assert!(began.elapsed() < Duration::from_secs(14), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_ends_the_start_if_it_was_asked_for_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    let address = held.local_addr().expect("bound").to_string();
    let (config, _) = redirecting(folder.path(), &[("redirect-listen", &address)]);
    let error = Listeners::bind(&config).expect_err("it is taken").to_string();
    assert!(error.contains(&format!("cannot bind tcp {address} (redirect-listen)")), "{error}");

    // By itself it takes port 80 where it gets it, and says so, or says why not.
    let (config, _) = redirecting(folder.path(), &[]);
    let listeners = Listeners::bind(&config).expect("nobody asked for it by name");
    let (bound, notes) = (listeners.redirect.len(), listeners.notes.join("; "));
    assert_eq!(bound == 0, notes.contains("]:80"), "{notes}");
}
