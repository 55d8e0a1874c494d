//! One port under all protocols at once: nobody is led to the wrong place, and nobody starves. Counts, not times.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use hairpin_stun::Reader;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;

use super::embedding::OPEN_FILES;
use super::wire::{Client, Wire, receive_from};
use super::{builder, counter, loopback, start};
use crate::tls::Authority;

const REQUESTS: usize = 500;
const WEBSOCKETS: usize = 500;
const STREAMS: usize = 200;
const STRANGERS: usize = 200;

/// Longer than the whole takes on a slow machine, and what starves takes longer.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Clients are many people: each has an address of its own, or they would share what one may have.
fn address(n: usize) -> SocketAddr {
    let [.., a, b] = (n as u32 + 1).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 9, a, b)), 0)
}

/// As many as may be in a handshake at a time: they come quickly, but not within one moment.
static ARRIVING: Semaphore = Semaphore::const_new(64);

async fn under_tls(
    authority: &Authority,
    from: usize,
    to: SocketAddr,
    names: &[&str],
) -> TlsStream<TcpStream> {
    let _arriving = ARRIVING.acquire().await.expect("it is never closed");
    authority.connect_over(connect(from, to).await, names).await
}

async fn connect(from: usize, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(address(from)).expect("loopback is a whole network");
    socket.connect(to).await.expect("the server listens")
}

/// Asks for the page, and says whether it came whole.
async fn is_page(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> bool {
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer to its end");
    answer.starts_with("HTTP/1.1 200 ") && answer.trim_end().ends_with("</html>")
}

/// Finds a partner and says who it is.
async fn meets(stream: impl AsyncRead + AsyncWrite + Unpin, n: usize, all: &Barrier) -> String {
    let handshake = tokio_tungstenite::client_async("wss://localhost/ws", stream);
    let (mut socket, _) = handshake.await.expect("a WebSocket");
    // Nobody goes before everybody has come.
    all.wait().await;
    let join = json!({ "type": "join_queue", "data": { "userId": format!("user-{n}") } });
    socket.send(Message::text(join.to_string())).await.expect("sent");
    loop {
        let message = socket.next().await.expect("still open").expect("no error");
        let Message::Text(text) = message else { continue };
        let message: Value = serde_json::from_str(&text).expect("JSON");
        if message["type"] == "match_found" {
            return message["payload"]["partnerId"].as_str().expect("a name").to_owned();
        }
    }
}

/// Allocates, and has what it sends come back from a peer; the stream stays until everybody was served.
async fn relays(wire: Wire, n: usize, all: &Barrier) -> bool {
    let peer = UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    let there = peer.local_addr().expect("bound");
    let mut client = Client::new(wire);
    let relayed = client.allocate().await.expect("there is room");
    client.permit(there).await;
    let mut buffer = [0; 2048];
    let mut back = 0;
    for round in 0..5 {
        let payload = format!("{n}, {round}").repeat(50);
        client.send(there, payload.as_bytes()).await;
        let (length, from) = receive_from(&peer, &mut buffer).await;
        assert_eq!((&buffer[..length], from), (payload.as_bytes(), relayed));
        peer.send_to(payload.as_bytes(), relayed).await.expect("loopback takes it");
        back += usize::from(client.data().await == (there, payload.into_bytes()));
    }
    all.wait().await;
    back == 5
}

/// Says nonsense, or begins and never ends. What is no protocol is closed; what may become one stays open.
async fn strange(mut stream: TcpStream, n: usize, all: &Barrier) -> bool {
    const GARBAGE: [&[u8]; 4] =
        [b"SSH-2.0-OpenSSH\r\n", &[0xFF; 64], b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", &[0; 64]];
    const BEGINNINGS: [&[u8]; 4] =
        [b"", b"GE", &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC], b"\x00\x01\x00\x00\x21\x12"];
    let is_garbage = n.is_multiple_of(2);
    let words = if is_garbage { GARBAGE } else { BEGINNINGS };
    let _ = stream.write_all(words[n / 2 % 4]).await;
    if is_garbage && stream.read(&mut [0; 64]).await.unwrap_or(0) > 0 {
        return false;
    }
    all.wait().await;
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_port_under_all_protocols_at_once_serves_each_as_what_it_is() {
    {
        let _alone = OPEN_FILES.lock().await;
        hairpin::raise_open_files_limit().expect("up to the maximum");
    }
    let authority = Arc::new(Authority::new());
    let server = start(authority.certify(builder())).await;
    let to = server.addresses().turn_tcp[0];
    // They come together, and those that stay leave together.
    let staying = Arc::new(Barrier::new(WEBSOCKETS + 2 * STREAMS + STRANGERS));
    let mut served: JoinSet<(&str, bool)> = JoinSet::new();
    let mut partners: JoinSet<String> = JoinSet::new();
    for n in 0..REQUESTS.max(WEBSOCKETS) {
        let (authority, all) = (authority.clone(), staying.clone());
        if n < STRANGERS {
            let all = all.clone();
            served.spawn(async move {
                ("a stranger", strange(connect(2000 + n, to).await, n, &all).await)
            });
        }
        if n < STREAMS {
            let (certified, one, other) = (authority.clone(), all.clone(), all.clone());
            served.spawn(async move {
                let wire = Wire::Tcp(connect(n, to).await, Reader::new());
                ("TURN over TCP", relays(wire, n, &one).await)
            });
            served.spawn(async move {
                // Half of them name it, as no browser does.
                let names: &[&str] = if n.is_multiple_of(2) { &[] } else { &["stun.turn"] };
                let stream = under_tls(&certified, n, to, names).await;
                let wire = Wire::Tls(Box::new(stream), Reader::new());
                ("TURN over TLS", relays(wire, n, &other).await)
            });
        }
        if n < REQUESTS {
            let authority = authority.clone();
            served.spawn(async move {
                let stream = under_tls(&authority, n, to, &["http/1.1"]).await;
                ("HTTPS", is_page(stream).await)
            });
        }
        partners.spawn(async move {
            let stream = under_tls(&authority, n, to, &[]).await;
            meets(stream, n, &all).await
        });
    }
    let mut met = std::collections::HashSet::new();
    let everybody = async {
        while let Some(end) = served.join_next().await {
            let (who, well) = end.expect("no panic");
            assert!(well, "{who} was not served");
        }
        while let Some(end) = partners.join_next().await {
            met.insert(end.expect("no panic"));
        }
    };
    tokio::time::timeout(PATIENCE, everybody).await.expect("nobody starves");
    assert_eq!(met.len(), WEBSOCKETS, "everybody is somebody's partner, once");
    // Those who have been there before come back with a ticket.
    let mut handshakes = 0;
    for end in ["full", "resumed"] {
        let series = format!("hairpin_tls_handshakes_total{{end=\"{end}\"}}");
        let times = counter(&server, &series).await as usize;
        assert!(times > 0, "{end}");
        handshakes += times;
    }
    assert_eq!(handshakes, REQUESTS + WEBSOCKETS + STREAMS);
    assert_eq!(counter(&server, "hairpin_allocations_total").await as usize, 2 * STREAMS);
    server.shutdown().await;
}

/// More than may be open without having said what they are: each with half a hello, from an address of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_slow_handshakes_keep_nobody_out() {
    {
        let _alone = OPEN_FILES.lock().await;
        hairpin::raise_open_files_limit().expect("up to the maximum");
    }
    let authority = Authority::new();
    let server = start(authority.certify(builder())).await;
    let to = server.addresses().turn_tcp[0];
    let mut slow = Vec::new();
    for n in 0..10_000 {
        let mut stream = connect(10_000 + n, to).await;
        let _ = stream.write_all(&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3]).await;
        slow.push(stream);
        // The first of them have gone; their ends need not be kept.
        if slow.len() > 5_000 {
            let mut first = slow.remove(0);
            let closed = tokio::time::timeout(PATIENCE, first.read(&mut [0; 8])).await;
            assert_eq!(closed.expect("it made room").unwrap_or(0), 0);
        }
        if n.is_multiple_of(2_500) {
            let stream = authority.connect(to, &["http/1.1"]).await;
            assert!(tokio::time::timeout(PATIENCE, is_page(stream)).await.expect("served"));
        }
    }
    server.shutdown().await;
}
