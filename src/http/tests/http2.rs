//! HTTP/2 without TLS, which begins with its preface ("prior knowledge").

use axum::body::Bytes;
use axum::http::{Request, Response, StatusCode};
use hairpin_config::AllowedOrigins;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::{Site, patiently, until_its_end};

type Requests = SendRequest<Empty<Bytes>>;

impl Site {
    /// A connection, and what drives it to its end.
    async fn http2(&self) -> (Requests, JoinHandle<hyper::Result<()>>) {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let shaken = handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (requests, connection) = patiently(shaken).await.expect("HTTP/2 is spoken");
        (requests, tokio::spawn(connection))
    }
}

async fn get(
    requests: &mut Requests,
    path: &str,
    headers: &[(&str, &str)],
) -> hyper::Result<Response<Bytes>> {
    let mut request = Request::get(format!("http://call.example:8080{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::new()).map_err(|_| ()).expect("a valid request");
    let (head, body) = patiently(requests.send_request(request)).await?.into_parts();
    Ok(Response::from_parts(head, patiently(body.collect()).await?.to_bytes()))
}

#[tokio::test]
async fn the_page_and_ice_servers_come_over_one_connection() {
    let site = Site::start(|_| ()).await;
    let (mut requests, _connection) = site.http2().await;
    for _ in 0..3 {
        let page = get(&mut requests, "/", &[]).await.expect("an answer");
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert!(!page.body().is_empty());
    }
    let ice = get(&mut requests, "/v1/ice", &[]).await.expect("an answer");
    let ice: serde_json::Value = serde_json::from_slice(ice.body()).expect("JSON");
    assert_eq!(ice["iceServers"][0]["urls"][0], "stun:call.example:3478");
    let nothing = get(&mut requests, "/nothing", &[]).await.expect("an answer");
    assert_eq!(nothing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn our_own_origin_is_told_by_the_authority() {
    let list = AllowedOrigins::List(vec!["https://app.example".parse().expect("an origin")]);
    let site = Site::start(|config| config.http.allowed_origins = list).await;
    let (mut requests, _connection) = site.http2().await;
    let mut ask = async |origin| {
        get(&mut requests, "/v1/ice", &[("origin", origin)]).await.expect("an answer").status()
    };
    assert_eq!(ask("http://call.example:8080").await, StatusCode::OK);
    assert_eq!(ask("http://call.example").await, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn websockets_take_http_1() {
    let site = Site::start(|_| ()).await;
    let (mut requests, _connection) = site.http2().await;
    let refused = get(&mut requests, "/ws", &[]).await.expect("an answer");
    assert_eq!(refused.status(), StatusCode::UPGRADE_REQUIRED);
}

#[tokio::test]
async fn a_long_header_is_refused_and_the_connection_lives_on() {
    let site = Site::start(|_| ()).await;
    let (mut requests, _connection) = site.http2().await;
    let long = "x".repeat(17 * 1024);
    let refused = get(&mut requests, "/", &[("x-long", &long)]).await;
    assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status().as_u16() == 431));
    assert_eq!(get(&mut requests, "/", &[]).await.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn a_stop_ends_idle_connections() {
    let site = Site::start(|_| ()).await;
    let (mut requests, connection) = site.http2().await;
    get(&mut requests, "/", &[]).await.expect("an answer");
    site.stop.cancel();
    patiently(site.web).await.expect("no panic");
    patiently(connection).await.expect("no panic").expect("a clean end");
}

/// Time is paused: whenever nothing else is left to do, it jumps to the next timer.
#[tokio::test(start_paused = true)]
async fn who_does_not_answer_a_ping_is_gone() {
    let site = Site::start(|_| ()).await;
    let mut stream = TcpStream::connect(site.address).await.expect("connected");
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
    stream.write_all(&settings).await.expect("sent");
    let began = tokio::time::Instant::now();
    let (frames, _) = until_its_end(stream).await;
    assert!(!frames.is_empty());
    assert!(began.elapsed().as_secs() <= 30, "{:?}", began.elapsed());
}
