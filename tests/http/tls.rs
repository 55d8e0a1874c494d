//! HTTP and WebSockets under TLS, on every port.

use hairpin::Server;
use http_body_util::{BodyExt, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::{AsyncReadExt, AsyncWriteExt, Client, SocketAddr, patiently};
use crate::tls::Authority;

async fn server(authority: &Authority) -> Server {
    let builder = Server::builder()
        .set("listening-ip", "127.0.0.1")
        .set("listening-port", "0")
        .set("alt-listening-port", "none")
        .set("relay-ip", "127.0.0.1")
        .set("http-listen", "127.0.0.1:0")
        .set("admin-listen", "none")
        .set("shutdown-timeout", "5");
    authority.certify(builder).start().await.expect("loopback has free ports")
}

async fn websocket(authority: &Authority, address: SocketAddr) -> Client<TlsStream<TcpStream>> {
    let stream = authority.connect(address, &["http/1.1"]).await;
    let url = format!("wss://localhost:{}/ws", address.port());
    let handshake = tokio_tungstenite::client_async(url, stream);
    Client(patiently(handshake).await.expect("a WebSocket").0)
}

/// The body of a GET, by HTTP/1.1.
async fn get(authority: &Authority, address: SocketAddr, path: &str) -> String {
    let mut stream = authority.connect(address, &["http/1.1"]).await;
    let port = address.port();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    // To its end, which TLS has to tell of.
    patiently(stream.read_to_string(&mut answer)).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a header ends with an empty line");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}

#[tokio::test]
async fn the_page_comes_by_both_versions_of_http_from_every_port() {
    let authority = Authority::new();
    let server = server(&authority).await;
    for address in [server.addresses().turn_tcp[0], server.addresses().http[0]] {
        let ice = get(&authority, address, "/v1/ice").await;
        let port = server.addresses().turn_tcp[0].port();
        assert!(ice.contains(&format!("\"turns:localhost:{port}?transport=tcp\"")), "{ice}");
        let page = get(&authority, address, "/").await;
        assert!(page.to_ascii_lowercase().starts_with("<!doctype html>"));

        let stream = authority.connect(address, &["h2", "http/1.1"]).await;
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        let handshake =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.expect("HTTP/2");
        tokio::spawn(connection);
        let uri = format!("https://localhost:{}/", address.port());
        let request = Request::get(uri).body(Empty::<Bytes>::new()).expect("a request");
        let answer = patiently(sender.send_request(request)).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let body = answer.into_body().collect().await.expect("a body").to_bytes();
        assert_eq!(body, page.as_bytes());
    }
    server.shutdown().await;
}

#[tokio::test]
async fn who_comes_by_wss_meets_who_comes_without_and_a_stop_tells_both() {
    let authority = Authority::new();
    let server = server(&authority).await;
    let address = server.addresses().turn_tcp[0];
    let mut ada = websocket(&authority, address).await;
    let mut bob = Client::open(address, "/ws").await;
    ada.join("ada").await;
    bob.join("bob").await;
    assert_eq!(ada.wait_for("match_found").await["partnerId"], "bob");
    assert_eq!(bob.wait_for("match_found").await["partnerId"], "ada");
    let told = async { assert_eq!([ada.closed().await, bob.closed().await], [1001, 1001]) };
    patiently(async { tokio::join!(server.shutdown(), told) }).await;
}

/// The client of the page, loaded by https, is at home here: whatever it is called by.
#[tokio::test]
async fn a_page_that_came_by_https_may_open_a_websocket_to_where_it_came_from() {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let authority = Authority::new();
    let builder = Server::builder()
        .set("listening-ip", "127.0.0.1")
        .set("listening-port", "0")
        .set("alt-listening-port", "none")
        .set("relay-ip", "127.0.0.1")
        .set("http-listen", "127.0.0.1:0")
        .set("admin-listen", "none")
        .set("allowed-origin", "none");
    let server = authority.certify(builder).start().await.expect("loopback has free ports");
    let address = server.addresses().http[0];
    let url = format!("wss://localhost:{}/ws", address.port());
    for (origin, admitted) in [
        (format!("https://localhost:{}", address.port()), true),
        ("https://localhost".to_owned(), false),
        ("https://elsewhere.example".to_owned(), false),
    ] {
        let mut request = url.as_str().into_client_request().expect("a URL");
        request.headers_mut().insert("origin", origin.parse().expect("a header's value"));
        let stream = authority.connect(address, &["http/1.1"]).await;
        let opened = patiently(tokio_tungstenite::client_async(request, stream)).await;
        assert_eq!(opened.is_ok(), admitted, "{origin}");
    }
    server.shutdown().await;
}
