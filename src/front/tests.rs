//! Connections that take their time, over real sockets.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[cfg(feature = "tls")]
mod tls;

use super::*;

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.expect("it listens"), accepted.expect("somebody connects").0)
}

fn ends(server: &TcpStream) -> Ends {
    let [peer, local] = [server.peer_addr(), server.local_addr()].map(|it| it.expect("connected"));
    Ends { peer, local }
}

async fn opening(server: &TcpStream, proxies: &[IpRange]) -> io::Result<Opening> {
    Opening::of(server, ends(server), proxies, Instant::now() + FIRST_BYTES).await
}

#[tokio::test]
async fn what_was_read_is_kept_however_it_came() {
    let (mut client, server) = pair().await;
    client.set_nodelay(true).expect("a plain option");
    let request = b"\x00\x01\x00\x00\x21\x12\xA4\x42twelve bytes";
    let drip = async {
        for byte in request {
            client.write_all(&[*byte]).await.expect("the server reads");
        }
    };
    let (_, opening) = tokio::join!(drip, opening(&server, &[]));
    let Opening { protocol, already_read: mut bytes, .. } = opening.expect("nothing breaks");
    assert_eq!(protocol, Sniffed::Stun);
    let mut server = server;
    let mut rest = vec![0; request.len() - bytes.len()];
    server.read_exact(&mut rest).await.expect("the rest of it");
    bytes.extend(rest);
    assert_eq!(bytes, request);
}

#[tokio::test]
async fn an_end_before_anything_was_said_is_an_error() {
    let (mut client, server) = pair().await;
    client.write_all(b"GE").await.expect("sent");
    drop(client);
    let error = opening(&server, &[]).await.expect_err("no request");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn behind_a_proxy_the_client_is_who_the_proxy_says_and_speaks_after_it() {
    const HEADER: &[u8] = b"PROXY TCP4 192.0.2.1 192.0.2.7 50000 443\r\n";
    let proxies = ["127.0.0.0/8".parse().expect("a range")];
    let (mut client, server) = pair().await;
    client.write_all(&[HEADER, b"GET / HTTP/1.1\r\n"].concat()).await.expect("sent");
    let opening_of = opening(&server, &proxies).await.expect("nothing breaks");
    assert_eq!(opening_of.ends.peer, "192.0.2.1:50000".parse().expect("literal"));
    assert_eq!(opening_of.ends.local, "192.0.2.7:443".parse().expect("literal"));
    assert_eq!(opening_of.already_read, b"GET / HTTP/1.1\r\n");

    // A health check is the proxy's own, and whatever it says next is served.
    let (mut client, server) = pair().await;
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    client.write_all(&[&local[..], b"GET / HTTP/1.1\r\n"].concat()).await.expect("sent");
    let opening_of = opening(&server, &proxies).await.expect("nothing breaks");
    assert_eq!(opening_of.ends, ends(&server));
    assert_eq!(opening_of.protocol, Sniffed::Http);
}

#[tokio::test]
async fn a_proxy_says_whose_connection_it_is_and_nobody_else_does() {
    let proxies = ["127.0.0.0/8".parse().expect("a range")];
    let (mut client, server) = pair().await;
    client.write_all(b"GET / HTTP/1.1\r\n").await.expect("sent");
    let error = opening(&server, &proxies).await.expect_err("it may be a client's invention");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);

    let (mut client, server) = pair().await;
    client.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.7 50000 443\r\nGET /").await.expect("sent");
    let others = ["198.51.100.0/24".parse().expect("a range")];
    let opening_of = opening(&server, &others).await.expect("nothing breaks");
    assert_eq!((opening_of.protocol, opening_of.ends), (Sniffed::Proxy, ends(&server)));
}

/// Time is paused: whenever nothing else is left to do, it jumps to the next timer.
#[tokio::test(start_paused = true)]
async fn silence_is_not_waited_for_and_neither_is_half_a_word() {
    for word in [&b""[..], b"GE", b"\x00\x01\x00"] {
        let (mut client, server) = pair().await;
        client.write_all(word).await.expect("sent");
        let began = tokio::time::Instant::now();
        let error = opening(&server, &[]).await.expect_err("nothing to tell by");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), FIRST_BYTES.as_secs());
    }
}
