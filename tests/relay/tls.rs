//! TURN under TLS: what a worker does with a stream that it decrypts itself.

use std::io::{ErrorKind, Read, Write};

use hairpin::Server;
use hairpin_sim::TurnEvent;
use hairpin_stun::Reader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio_rustls::client::TlsStream;

use super::wire::{Client, PATIENCE, Wire, binding, mapped, receive_from};
use super::{builder, counter, counter_until, loopback, start};
use crate::tls::Authority;

const ALLOCATIONS: &str = "hairpin_allocations";
const CONNECTIONS: &str = "hairpin_tls_connections";

async fn server() -> (Server, Authority) {
    let authority = Authority::new();
    (start(authority.certify(builder())).await, authority)
}

async fn wire(server: &Server, authority: &Authority) -> Wire {
    let stream = authority.connect(server.addresses().turn_tcp[0], &[]).await;
    Wire::Tls(Box::new(stream), Reader::new())
}

fn stream(wire: &mut Wire) -> &mut TlsStream<TcpStream> {
    match wire {
        Wire::Tls(stream, _) => stream,
        _ => panic!("it is under TLS"),
    }
}

/// A client with an allocation, its peer, and where they meet.
async fn allocated(wire: Wire) -> (Client, UdpSocket, std::net::SocketAddr) {
    let peer = UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    let mut client = Client::new(wire);
    let relayed = client.allocate().await.expect("there is room");
    client.permit(peer.local_addr().expect("bound")).await;
    (client, peer, relayed)
}

#[tokio::test]
async fn c059_turn_is_relayed_under_tls_however_long_a_packet_is() {
    let (server, authority) = server().await;
    let (mut client, peer, relayed) = allocated(wire(&server, &authority).await).await;
    let there = peer.local_addr().expect("bound");
    counter_until(&server, CONNECTIONS, |open| open == 1).await;
    let mut buffer = vec![0; 65_536];
    // The longest takes four records, and a reader sixteen times as large as it is at first.
    for length in [0, 1, 160, 4096, 20_000, 65_000] {
        let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
        client.send(there, &payload).await;
        let (received, from) = receive_from(&peer, &mut buffer).await;
        assert_eq!((&buffer[..received], from), (payload.as_slice(), relayed));
        peer.send_to(&payload, relayed).await.expect("loopback takes it");
        assert_eq!(client.data().await, (there, payload));
    }
    client.release().await;
    drop(client);
    counter_until(&server, CONNECTIONS, |open| open == 0).await;
    server.shutdown().await;
}

#[tokio::test]
async fn c153_a_byte_to_a_record_gives_the_same_results_under_tls() {
    let (server, authority) = server().await;
    let mut wire = wire(&server, &authority).await;
    for byte in binding(1).into_iter().chain(binding(2)) {
        wire.send(&[byte]).await;
    }
    for id in [1, 2] {
        let answer = wire.receive().await.expect("the connection stays open");
        assert_eq!(mapped(&answer, id), wire.local());
    }
    server.shutdown().await;
}

/// More than is served in a turn, and more than a reader takes: what is left lies decrypted, and nothing more comes.
#[tokio::test]
async fn c154_all_messages_of_a_record_are_answered_in_order() {
    let (server, authority) = server().await;
    let mut wire = wire(&server, &authority).await;
    let record: Vec<u8> = (0..800_u32).flat_map(|id| binding(id as u8)).collect();
    assert!(record.len() < 16_384);
    wire.send(&record).await;
    for id in 0..800_u32 {
        let answer = wire.receive().await.expect("the connection stays open");
        assert_eq!(mapped(&answer, id as u8), wire.local());
    }
    server.shutdown().await;
}

#[tokio::test]
async fn what_a_turn_brings_for_a_client_goes_into_one_record() {
    const ANSWERS: usize = 40;
    let (server, authority) = server().await;
    let mut wire = wire(&server, &authority).await;
    // What comes first are tickets.
    wire.send(&binding(0)).await;
    wire.receive().await.expect("the connection stays open");
    let local = wire.local();
    let Wire::Tls(stream, mut reader) = wire else { unreachable!("it is under TLS") };
    let (mut socket, mut session) = stream.into_inner();
    let request: Vec<u8> = (0..ANSWERS).flat_map(|id| binding(id as u8)).collect();
    session.writer().write_all(&request).expect("it has room");
    let mut sealed = Vec::new();
    session.write_tls(&mut sealed).expect("memory takes it");
    socket.write_all(&sealed).await.expect("the server reads");
    let mut answered = 0;
    let mut records = 0;
    while answered < ANSWERS {
        let mut record = vec![0; 5];
        socket.read_exact(&mut record).await.expect("a header");
        record.resize(5 + usize::from(u16::from_be_bytes([record[3], record[4]])), 0);
        socket.read_exact(&mut record[5..]).await.expect("a record");
        records += 1;
        let mut rest = record.as_slice();
        while !rest.is_empty() {
            session.read_tls(&mut rest).expect("memory gives it");
            session.process_new_packets().expect("it is whole");
        }
        let mut plain = Vec::new();
        let ended = session.reader().read_to_end(&mut plain).expect_err("it goes on");
        assert_eq!(ended.kind(), ErrorKind::WouldBlock);
        assert_eq!(reader.push(&plain), plain.len());
        while let Some(frame) = reader.next_frame().expect("frames") {
            assert_eq!(mapped(frame.payload(), answered as u8), local);
            answered += 1;
        }
    }
    assert_eq!(records, 1);
    server.shutdown().await;
}

#[tokio::test]
async fn keys_may_be_updated_at_any_time() {
    let (server, authority) = server().await;
    let mut wire = wire(&server, &authority).await;
    for id in 0..3 {
        stream(&mut wire).get_mut().1.refresh_traffic_keys().expect("TLS 1.3 can");
        wire.send(&binding(id)).await;
        let answer = wire.receive().await.expect("the connection stays open");
        assert_eq!(mapped(&answer, id), wire.local());
    }
    server.shutdown().await;
}

/// TCP may stay open behind it: what counts is what the client has said.
#[tokio::test]
async fn c156_the_end_of_tls_frees_the_allocation() {
    let (server, authority) = server().await;
    let (mut client, ..) = allocated(wire(&server, &authority).await).await;
    let (socket, session) = stream(&mut client.wire).get_mut();
    session.send_close_notify();
    let mut goodbye = Vec::new();
    session.write_tls(&mut goodbye).expect("memory takes it");
    socket.write_all(&goodbye).await.expect("the server reads");
    counter_until(&server, ALLOCATIONS, |allocations| allocations == 0).await;
    server.shutdown().await;
}

#[tokio::test]
async fn what_is_no_tls_ends_the_stream_and_frees_the_allocation() {
    let (server, authority) = server().await;
    let (mut client, ..) = allocated(wire(&server, &authority).await).await;
    let socket = stream(&mut client.wire).get_mut().0;
    socket.write_all(&[0x17, 3, 3, 0, 32]).await.expect("the server reads");
    socket.write_all(&[0x5A; 32]).await.expect("the server reads");
    counter_until(&server, ALLOCATIONS, |allocations| allocations == 0).await;
    let ended = stream(&mut client.wire).read(&mut [0; 8]).await.expect_err("an alert");
    assert!(ended.to_string().contains("BadRecordMac"), "{ended}");
    server.shutdown().await;
}

/// An end that TLS has not said might be somebody else's.
#[tokio::test]
async fn c155_garbage_within_tls_closes_it_and_the_client_is_told_so_by_tls() {
    let (server, authority) = server().await;
    let mut wire = wire(&server, &authority).await;
    wire.send(&binding(1)).await;
    wire.receive().await.expect("the connection stays open");
    wire.send(&[0xFF; 32]).await;
    let read = tokio::time::timeout(PATIENCE, stream(&mut wire).read(&mut [0; 8])).await;
    assert_eq!(read.expect("closed").expect("in order"), 0);
    counter_until(&server, CONNECTIONS, |open| open == 0).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_slow_reader_under_tls_loses_datagrams_and_pins_little_memory() {
    let (server, authority) = server().await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a plain option");
    let socket = socket.connect(server.addresses().turn_tcp[0]).await.expect("it listens");
    let under_tls = authority.connect_over(socket, &["stun.turn"]).await;
    let wire = Wire::Tls(Box::new(under_tls), Reader::new());
    let (mut client, peer, relayed) = allocated(wire).await;

    let slow = "hairpin_dropped_packets_total{reason=\"slow_reader\"}";
    let payload = [0x5A; 1200];
    let filled = async {
        while counter(&server, slow).await == 0 {
            for _ in 0..64 {
                peer.send_to(&payload, relayed).await.expect("loopback takes it");
            }
        }
    };
    tokio::time::timeout(PATIENCE, filled).await.expect("the queue is bounded");

    // What was queued arrives whole, and the connection is as good as before.
    let request = client.turn.release();
    client.wire.send(&request).await;
    let mut held = 0;
    loop {
        match client.event().await {
            TurnEvent::Data { payload: received, .. } => {
                assert_eq!(received, payload);
                held += received.len();
            }
            TurnEvent::Released => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(held < 800_000, "{held} bytes waited for a client that read nothing");
    server.shutdown().await;
}
