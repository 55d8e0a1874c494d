//! TURN over TCP, byte by byte and by the heap.

use hairpin_sim::TurnEvent;
use hairpin_stun::Reader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::wire::{Client, PATIENCE, Wire, binding, mapped};
use super::{builder, counter_until, loopback, start};

const ALLOCATIONS: &str = "hairpin_allocations";

#[tokio::test]
async fn c153_one_byte_at_a_time_gives_the_same_results() {
    let server = start(builder()).await;
    let mut wire = Wire::tcp(server.addresses().turn_tcp[0]).await;
    if let Wire::Tcp(stream, _) = &mut wire {
        stream.set_nodelay(true).expect("a plain option");
        for byte in binding(1).into_iter().chain(binding(2)) {
            stream.write_all(&[byte]).await.expect("the server reads");
        }
    }
    for id in [1, 2] {
        let answer = wire.receive().await.expect("the connection stays open");
        assert_eq!(mapped(&answer, id), wire.local());
    }
    server.shutdown().await;
}

#[tokio::test]
async fn c154_several_messages_in_one_segment_are_answered_in_order() {
    let server = start(builder()).await;
    let mut wire = Wire::tcp(server.addresses().turn_tcp[0]).await;
    let segment: Vec<u8> = (0..50).flat_map(binding).collect();
    wire.send(&segment).await;
    for id in 0..50 {
        let answer = wire.receive().await.expect("the connection stays open");
        assert_eq!(mapped(&answer, id), wire.local());
    }
    server.shutdown().await;
}

#[tokio::test]
async fn c155_garbage_closes_the_connection() {
    let server = start(builder()).await;
    let lost_framing: Vec<u8> = binding(1).into_iter().chain([0xFF; 32]).collect();
    for garbage in [&[0xFF; 32][..], &[0x16, 0x03, 0x01, 0x00], &[0x00; 64], &lost_framing] {
        let mut stream = TcpStream::connect(server.addresses().turn_tcp[0]).await.expect("listens");
        stream.write_all(garbage).await.expect("the socket takes it");
        let mut answer = Vec::new();
        // Closed, or reset because it had not read everything.
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
        let _ = read.expect("the server closes the connection");
        let answers = usize::from(!answer.is_empty());
        assert!(answers <= usize::from(garbage == lost_framing), "garbage is not answered");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn c156_closing_the_connection_frees_the_allocation() {
    let server = start(builder()).await;
    let mut client = Client::tcp(server.addresses().turn_tcp[0]).await;
    let relayed = client.allocate().await.expect("there is room");
    counter_until(&server, ALLOCATIONS, |allocations| allocations == 1).await;
    drop(client);
    counter_until(&server, ALLOCATIONS, |allocations| allocations == 0).await;
    // The port is free again.
    std::net::UdpSocket::bind(relayed).expect("nobody holds it any more");
    server.shutdown().await;
}

/// Linux would keep up to 4 MB for it, by default.
#[tokio::test]
async fn a_reader_that_never_reads_pins_little_memory() {
    let server = start(builder()).await;
    let peer = UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("a plain option");
    let stream = socket.connect(server.addresses().turn_tcp[0]).await.expect("it listens");
    let mut client = Client::new(Wire::Tcp(stream, Reader::new()));
    let relayed = client.allocate().await.expect("there is room");
    client.permit(peer.local_addr().expect("bound")).await;

    let slow = "hairpin_dropped_packets_total{reason=\"slow_reader\"}";
    let filled = async {
        while super::counter(&server, slow).await == 0 {
            for _ in 0..64 {
                peer.send_to(&[0x5A; 1200], relayed).await.expect("loopback takes it");
            }
        }
    };
    tokio::time::timeout(PATIENCE, filled).await.expect("the queue is bounded");

    let request = client.turn.release();
    client.wire.send(&request).await;
    let mut held = 0;
    loop {
        match client.event().await {
            TurnEvent::Data { payload, .. } => held += payload.len(),
            TurnEvent::Released => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(held < 800_000, "{held} bytes waited for a client that read nothing");
    server.shutdown().await;
}

#[tokio::test]
async fn a_slow_reader_loses_datagrams_and_nothing_else() {
    let server = start(builder()).await;
    let peer = UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    let mut client = Client::tcp(server.addresses().turn_tcp[0]).await;
    let relayed = client.allocate().await.expect("there is room");
    client.permit(peer.local_addr().expect("bound")).await;

    // Until the kernel's buffers and ours are full; the client reads nothing meanwhile.
    let slow = "hairpin_dropped_packets_total{reason=\"slow_reader\"}";
    let payload = [0x5A; 1200];
    let filled = async {
        while super::counter(&server, slow).await == 0 {
            for _ in 0..256 {
                peer.send_to(&payload, relayed).await.expect("loopback takes it");
            }
        }
    };
    tokio::time::timeout(PATIENCE, filled).await.expect("the queue is bounded");

    // What was queued arrives whole, and the connection is as good as before.
    let request = client.turn.release();
    client.wire.send(&request).await;
    loop {
        match client.event().await {
            TurnEvent::Data { payload: received, .. } => assert_eq!(received, payload),
            TurnEvent::Released => break,
            other => panic!("{other:?}"),
        }
    }
    server.shutdown().await;
}
