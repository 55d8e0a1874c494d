//! The page, errors, and the limits of a connection.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Site, patiently, until_its_end};
use crate::http::admin;

#[tokio::test]
async fn the_page_and_all_it_loads_are_served() {
    let site = Site::start(|_| ()).await;
    let page = site.get("/").await;
    assert_eq!(page.status(), 200);
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(
        page.header("content-security-policy").expect("a policy").contains("default-src 'none'")
    );
    assert_eq!(page.header("permissions-policy"), Some("camera=(self), microphone=(self)"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));

    let script = site.get("/page.js").await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(
        site.get("/style.css").await.header("content-type"),
        Some("text/css; charset=utf-8")
    );
    let icon = site.get("/favicon.svg").await;
    assert_eq!(icon.header("content-type"), Some("image/svg+xml; charset=utf-8"));
    // Whatever the files name must be there.
    for text in [&page.body, &script.body] {
        for name in text.split(['"', '\'']).filter(|word| is_local_file(word)) {
            let path = format!("/{}", name.trim_start_matches(['.', '/']));
            assert_eq!(site.get(&path).await.status(), 200, "{path}");
        }
    }
}

fn is_local_file(word: &str) -> bool {
    [".js", ".css", ".svg"].iter().any(|end| word.ends_with(end))
        && !word.contains("://")
        && !word.contains(char::is_whitespace)
}

#[tokio::test]
async fn the_client_may_be_loaded_by_pages_of_any_origin() {
    let bare = Site::start(|config| config.http.page = false).await;
    let client = bare.request("GET /hairpin-client.js", &["Origin: https://calls.example"]).await;
    assert_eq!(client.status(), 200);
    assert_eq!(client.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(client.header("access-control-allow-origin"), Some("*"));
    assert_eq!(client.header("cache-control"), Some("no-cache"));
    assert!(client.body.contains("HairpinClient"));
}

#[tokio::test]
async fn a_file_that_has_not_changed_is_not_sent_again() {
    let site = Site::start(|_| ()).await;
    let first = site.get("/page.js").await;
    let etag = first.header("etag").expect("an ETag");
    let again = site.request("GET /page.js", &[&format!("If-None-Match: {etag}")]).await;
    assert_eq!((again.status(), again.body.as_str()), (304, ""));
    let other = site.request("GET /page.js", &["If-None-Match: \"old\""]).await;
    assert_eq!((other.status(), other.body), (200, first.body));
}

#[tokio::test]
async fn head_says_what_get_would() {
    let site = Site::start(|_| ()).await;
    let get = site.get("/style.css").await;
    let head = site.request("HEAD /style.css", &[]).await;
    assert_eq!((head.status(), head.body.as_str()), (200, ""));
    assert_eq!(head.header("content-length"), get.header("content-length"));
}

#[tokio::test]
async fn what_is_not_there_is_a_404_in_json() {
    let site = Site::start(|_| ()).await;
    for path in ["/nothing", "/../etc/passwd", "/index.html/", "/v1/ice/", "/metrics"] {
        let answer = site.get(path).await;
        assert_eq!((answer.status(), answer.error_code().as_str()), (404, "not_found"), "{path}");
    }
    let bare = Site::start(|config| config.http.page = false).await;
    assert_eq!(bare.get("/").await.status(), 404);
    assert_eq!(bare.get("/v1/ice").await.status(), 200);
}

#[tokio::test]
async fn a_wrong_method_is_a_405_that_names_the_right_ones() {
    let site = Site::start(|_| ()).await;
    for (path, allow) in [("/", "GET, HEAD"), ("/v1/ice", "GET, HEAD"), ("/ws", "GET")] {
        let answer = site.request(&format!("POST {path}"), &["Content-Length: 0"]).await;
        assert_eq!((answer.status(), answer.header("allow")), (405, Some(allow)), "{path}");
        assert_eq!(answer.error_code(), "method_not_allowed");
    }
}

#[tokio::test]
async fn a_body_longer_than_any_may_be_is_a_413() {
    let site = Site::start(|_| ()).await;
    let answer = site.request("POST /v1/ice", &["Content-Length: 16385"]).await;
    assert_eq!((answer.status(), answer.error_code().as_str()), (413, "long_body"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

/// Time is paused: whenever nothing else is left to do, it jumps to the next timer.
#[tokio::test(start_paused = true)]
async fn a_header_that_never_ends_is_not_waited_for() {
    let site = Site::start(|_| ()).await;
    let mut stream = TcpStream::connect(site.address).await.expect("connected");
    stream.write_all(b"GET / HTTP/1.1\r\nHost: call").await.expect("sent");
    let (answer, ended) = until_its_end(stream).await;
    ended.expect("no reset");
    assert!(!answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn an_endless_header_is_not_stored() {
    let site = Site::start(|_| ()).await;
    let mut stream = TcpStream::connect(site.address).await.expect("connected");
    let (mut reader, mut writer) = stream.split();
    let answer = async {
        let mut answer = [0; 12];
        reader.read_exact(&mut answer).await.map(|_| answer)
    };
    let request = async {
        writer.write_all(b"GET / HTTP/1.1\r\nX: ").await?;
        while writer.write_all(&[b'x'; 1024]).await.is_ok() {}
        std::io::Result::Ok(())
    };
    let answer = patiently(async {
        tokio::select! {
            answer = answer => answer,
            Err(error) = request => Err(error),
        }
    });
    match answer.await {
        Ok(answer) => assert_eq!(&answer, b"HTTP/1.1 431"),
        // The reset may overtake the answer.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

#[tokio::test]
async fn the_admin_listener_tells_health_and_metrics() {
    let mut site = Site::start(|_| ()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let draining = CancellationToken::new();
    let health = admin::Health {
        metrics: site.metrics.clone(),
        draining: draining.clone(),
        supervisor: crate::supervisor::Supervisor::default(),
        tokens: site.tokens.clone(),
        certificates: None,
    };
    let tokens = std::sync::Arc::new(admin::Tokens::new(&[]));
    let hub = site.hub.clone();
    tokio::spawn(admin::serve(listener, admin::Admin { health, hub, tokens }));

    site.address = address;
    assert_eq!(site.get("/healthz").await.status(), 200);
    assert_eq!(site.get("/readyz").await.status(), 200);
    let metrics = site.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4"));
    assert!(metrics.body.contains("\nmatchmaking_queue_length 0\n"));
    assert_eq!(site.get("/").await.status(), 404);
    assert_eq!(site.request("POST /metrics", &[]).await.status(), 405);

    // Calls go on, and so does whoever looks whether they do.
    site.metrics.records.failed("disk I/O error");
    let ready = site.get("/readyz").await;
    assert_eq!(
        (ready.status(), &*ready.body),
        (200, "ok\nrecords cannot be written: disk I/O error\n")
    );

    draining.cancel();
    assert_eq!(site.get("/readyz").await.status(), 503);
    assert_eq!(site.get("/healthz").await.status(), 200);
}
