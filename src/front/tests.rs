//! Connections that take their time, over real sockets.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

/// Both ends of a connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    (client.expect("it listens"), accepted.expect("somebody connects").0)
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
    let (_, read) = tokio::join!(drip, first_bytes(&server));
    let (protocol, mut bytes) = read.expect("nothing breaks");
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
    let error = first_bytes(&server).await.expect_err("no request");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

/// Time is paused: whenever nothing else is left to do, it jumps to the next timer.
#[tokio::test(start_paused = true)]
async fn silence_is_not_waited_for_and_neither_is_half_a_word() {
    for word in [&b""[..], b"GE", b"\x00\x01\x00"] {
        let (mut client, server) = pair().await;
        client.write_all(word).await.expect("sent");
        let began = tokio::time::Instant::now();
        let error = first_bytes(&server).await.expect_err("nothing to tell by");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), FIRST_BYTES.as_secs());
    }
}
