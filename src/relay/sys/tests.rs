//! The system calls on loopback sockets.

use super::*;
use std::net::UdpSocket;
use std::os::fd::AsFd;

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports")
}

fn receive(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut batch = RecvBatch::new();
    let received = batch.recv(socket.as_fd()).expect("nothing refuses on loopback");
    received.map(|datagram| datagram.packet.payload().to_vec()).collect()
}

/// Two flows mixed, sizes that form runs and sizes that break them: each flow arrives whole and in order.
#[test]
fn segmented_runs_arrive_as_the_packets_they_were() {
    let (sender, ann, bob) = (socket(), socket(), socket());
    let payloads: Vec<Vec<u8>> = [700, 700, 700, 300, 700, 0, 0, 1, 20_000, 20_000, 20_000, 20_000]
        .iter()
        .enumerate()
        .map(|(i, &size)| vec![i as u8; size])
        .collect();
    let to = [&ann, &bob].map(|s| s.local_addr().expect("bound"));
    let mut packets: Vec<Packet<'_>> = payloads
        .iter()
        .flat_map(|bytes| to.map(|to| Packet { socket: sender.as_fd(), from: None, to, bytes }))
        .collect();
    assert_eq!(Sender::new().send(&mut packets), 0);
    assert_eq!(receive(&ann), payloads);
    assert_eq!(receive(&bob), payloads);
}

#[test]
fn what_cannot_be_sent_is_counted_and_keeps_nothing_else() {
    let (sender, ann) = (socket(), socket());
    let to = ann.local_addr().expect("bound");
    // Port 0 cannot be sent to; 65,508 bytes are one more than IPv4 carries.
    let (nowhere, too_long) = (SocketAddr::new(to.ip(), 0), vec![0; 65_508]);
    let packet = |to, bytes| Packet { socket: sender.as_fd(), from: None, to, bytes };
    let mut packets = [
        packet(to, &b"one"[..]),
        packet(nowhere, b"lost"),
        packet(to, &too_long),
        packet(to, b"two"),
    ];
    assert_eq!(Sender::new().send(&mut packets), 2);
    assert_eq!(receive(&ann), [b"one", b"two"]);
}

#[test]
fn nothing_waiting_is_an_empty_batch_and_the_next_one_is_whole() {
    let (sender, ann) = (socket(), socket());
    let mut batch = RecvBatch::new();
    assert_eq!(batch.recv(ann.as_fd()).expect("nothing is no error").len(), 0);
    report_destination(ann.as_fd(), false).expect("a plain option");
    for round in 0..3 {
        sender.send_to(&[round; 9], ann.local_addr().expect("bound")).expect("loopback takes it");
        let datagrams = batch.recv(ann.as_fd()).expect("one waits");
        for Datagram { source, destination, packet } in datagrams {
            assert_eq!(source, sender.local_addr().expect("bound"));
            assert_eq!(destination, Some(source.ip()));
            assert_eq!(packet.payload(), [round; 9]);
        }
    }
}
