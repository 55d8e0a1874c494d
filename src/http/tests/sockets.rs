//! WebSocket handshakes, and clients that misbehave.

use hairpin_config::AllowedOrigins;
use hairpin_signaling::CloseCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use super::{Answer, Client, Site, patiently};

const HANDSHAKE: [&str; 4] = [
    "Connection: keep-alive, Upgrade",
    "Upgrade: WebSocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

impl Site {
    /// A handshake with one header line replaced.
    async fn handshake(&self, path: &str, header: &str) -> Answer {
        let name = header.split(':').next().expect("a name");
        let mut headers: Vec<&str> =
            HANDSHAKE.into_iter().filter(|line| !line.starts_with(name)).collect();
        headers.push(header);
        self.request(&format!("GET {path}"), &headers).await
    }
}

#[tokio::test]
async fn handshakes_with_a_fault_are_told_which() {
    let site = Site::start(|_| ()).await;
    let plain = site.get("/ws").await;
    assert_eq!((plain.status(), plain.header("upgrade")), (426, Some("websocket")));
    let old = site.handshake("/ws", "Sec-WebSocket-Version: 8").await;
    assert_eq!((old.status(), old.header("sec-websocket-version")), (426, Some("13")));
    let keyless = site.handshake("/", "Sec-WebSocket-Key: short").await;
    assert_eq!((keyless.status(), keyless.error_code().as_str()), (400, "bad_handshake"));
    let hostless = site.handshake("/ws", "Host: a,b").await;
    assert_eq!((hostless.status(), hostless.error_code().as_str()), (400, "bad_host"));
    assert_eq!(site.handshake("/nothing", "X: y").await.status(), 404);
}

#[tokio::test]
async fn two_host_headers_are_a_bad_request_everywhere() {
    let site = Site::start(|_| ()).await;
    for path in ["/", "/ws", "/v1/ice", "/nothing"] {
        let hosts = ["Host: call.example", "Host: evil.example"];
        let answer = site.request(&format!("GET {path}"), &hosts).await;
        assert_eq!((answer.status(), answer.error_code().as_str()), (400, "bad_host"), "{path}");
    }
}

#[tokio::test]
async fn with_a_list_only_its_pages_may_connect() {
    let list = AllowedOrigins::List(vec!["https://app.example".parse().expect("an origin")]);
    let site = Site::start(|config| config.http.allowed_origins = list).await;
    let evil = site.handshake("/ws", "Origin: https://evil.example").await;
    assert_eq!((evil.status(), evil.error_code().as_str()), (403, "origin_not_allowed"));
    site.client("/ws").await;
}

#[tokio::test]
async fn what_is_sent_together_with_the_handshake_is_not_lost() {
    let site = Site::start(|_| ()).await;
    let mut stream = TcpStream::connect(site.address).await.expect("connected");
    // Text, masked with zeros.
    let frame = [&[0x81, 0x82, 0, 0, 0, 0][..], b"[]"].concat();
    let handshake = format!("GET /ws HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", HANDSHAKE.join("\r\n"));
    stream.write_all(&[handshake.as_bytes(), &frame].concat()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.windows(11).any(|bytes| bytes == b"bad_message") {
        assert_ne!(patiently(stream.read_buf(&mut answer)).await.expect("no error"), 0);
    }
}

#[tokio::test]
async fn more_than_the_most_websockets_are_asked_to_come_back() {
    let site = Site::start(|config| config.http.max_websockets = 1).await;
    let _only = site.client("/ws").await;
    let refused = site.handshake("/ws", "X: y").await;
    assert_eq!((refused.status(), refused.error_code().as_str()), (503, "too_many_connections"));
    assert!(refused.header("retry-after").is_some());
}

#[tokio::test]
async fn one_address_may_not_hold_all_websockets_behind_a_proxy_either() {
    let site = Site::start(|config| {
        config.listen.max_connections_per_address = Some(1);
        config.http.client_ip_header = Some("x-client".parse().expect("a name"));
    })
    .await;
    let _only = site.client("/ws").await;
    let refused = site.handshake("/ws", "X: y").await;
    assert_eq!((refused.status(), refused.error_code().as_str()), (429, "too_many_connections"));
    assert!(refused.header("retry-after").is_some());
    let mut other = TcpStream::connect(site.address).await.expect("connected");
    let headers = [&HANDSHAKE[..], &["X-Client: 198.51.100.7"]].concat().join("\r\n");
    let request = format!("GET /ws HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n");
    other.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = [0; 12];
    patiently(other.read_exact(&mut answer)).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101");
    assert_eq!(site.metric("hairpin_refused_connections_total{limit=\"websocket\"}"), Some(1.0));
}

#[tokio::test]
async fn half_open_requests_of_one_address_are_bounded_and_told_to_come_back() {
    let site = Site::start(|config| config.listen.max_connections_per_address = Some(2)).await;
    let mut half_open = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(site.address).await.expect("connected");
        stream.write_all(b"GET / HTTP/1.1\r\nX:").await.expect("sent");
        half_open.push(stream);
    }
    let limit = "hairpin_refused_connections_total{limit=\"http\"}";
    let refused = loop {
        // The front door's stand-in serves one after the other.
        let answer = site.get("/").await;
        if answer.status() == 503 {
            break answer;
        }
    };
    assert!(refused.header("retry-after").is_some());
    assert!(site.metric(limit) >= Some(1.0));
    drop(half_open);
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_with_an_error() {
    let site = Site::start(|_| ()).await;
    let mut client = site.client("/ws").await;
    for (message, code) in [
        (Message::text("{\"type\":"), "bad_message"),
        (Message::text("[]"), "bad_message"),
        (Message::binary([0x16, 0x03, 0x01].as_slice()), "bad_message"),
        (Message::text("{\"type\":\"dance\",\"data\":{}}"), "unknown_type"),
        (Message::text("{\"type\":\"join_queue\",\"data\":{}}"), "invalid_field"),
    ] {
        client.send_raw(message).await;
        assert_eq!(client.expect("error").await["code"], code);
    }
    client.join("ada").await;
    client.expect("queued").await;
}

#[tokio::test]
async fn a_message_over_the_limit_is_closed_with_1009() {
    let site = Site::start(|_| ()).await;
    let mut client = site.client("/ws").await;
    client.send_raw(Message::text("x".repeat(64 * 1024))).await;
    assert_eq!(client.expect("error").await["code"], "bad_message");
    client.send_raw(Message::text("x".repeat(64 * 1024 + 1))).await;
    client.closed_as(CloseCode::MessageTooBig).await;
}

#[tokio::test]
async fn frames_that_are_no_messages_are_metered() {
    // A ping, or an empty continuation of a message that never ends; masked with zeros.
    for (first, again) in [(&[][..], 0x89), (&[0x01, 0x81, 0, 0, 0, 0, b'x'][..], 0x00)] {
        let site = Site::start(|_| ()).await;
        let mut client = site.client("/ws").await;
        let stream = client.0.get_mut();
        stream.write_all(first).await.expect("sent");
        let frames = [again, 0x80, 0, 0, 0, 0].repeat(50_000);
        // It may be closed before all of them are sent.
        let _ = patiently(stream.write_all(&frames)).await;
        client.closed_as(CloseCode::Flood).await;
    }
}

#[tokio::test]
async fn a_flood_is_closed() {
    let site = Site::start(|_| ()).await;
    let mut client = site.client("/ws").await;
    client.join("ada").await;
    client.expect("queued").await;
    // Some of these may find the connection closed already.
    for _ in 0..1000 {
        let leave = json!({ "type": "leave_queue", "data": {} }).to_string();
        if futures_util::SinkExt::send(&mut client.0, Message::text(leave)).await.is_err() {
            break;
        }
    }
    client.closed_as(CloseCode::Flood).await;
}

#[tokio::test]
async fn broken_frames_are_closed_with_the_code_that_says_so() {
    let site = Site::start(|_| ()).await;
    // Text, masked with zeros: not UTF-8. And a frame that is not masked at all.
    let frames: [(&[u8], u16); 2] =
        [(&[0x81, 0x82, 0, 0, 0, 0, 0xFF, 0xFE], 1007), (&[0x81, 0x01, b'x'], 1002)];
    for (frame, code) in frames {
        let mut client: Client = site.client("/ws").await;
        client.0.get_mut().write_all(frame).await.expect("sent");
        assert_eq!(client.closed().await, code);
    }
}

#[tokio::test]
async fn a_client_that_vanishes_has_broken_no_rule() {
    let site = Site::start(|_| ()).await;
    // Nothing, and what is left of a text, of a fragmented one, of a ping, and of a close, each masked with zeros.
    let rests: [&[u8]; 7] = [
        &[],
        &[0x81],
        &[0x81, 0x82, 0, 0],
        &[0x81, 0x82, 0, 0, 0, 0, b'x'],
        &[0x01, 0x81, 0, 0, 0, 0, b'x'],
        &[0x89, 0x82, 0, 0, 0, 0, b'x'],
        &[0x88, 0x82, 0, 0, 0, 0, 0x03],
    ];
    for abrupt in [None, Some(std::time::Duration::ZERO)] {
        for (n, rest) in rests.into_iter().enumerate() {
            let mut client = site.client("/ws").await;
            client.join(&format!("user-{n}")).await;
            client.expect("queued").await;
            client.0.get_mut().write_all(rest).await.expect("sent");
            // With no time to linger the kernel sends a reset.
            socket2::SockRef::from(client.0.get_ref()).set_linger(abrupt).expect("it is a socket");
            drop(client);
            patiently(async {
                while site.metric("websocket_connections") != Some(0.0) {
                    tokio::task::yield_now().await;
                }
            })
            .await;
        }
    }
    for code in [1002, 1006, 1007] {
        let series = format!("hairpin_websocket_closes_total{{code=\"{code}\"}}");
        assert_eq!(site.metric(&series), None, "{series}");
    }
}
