//! The system calls on loopback sockets.

use super::*;
use std::net::UdpSocket;
use std::os::fd::AsFd;

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports")
}

fn packet(to: SocketAddr, bytes: &[u8]) -> Packet<'_> {
    Packet { from: None, to, fragmentation: Fragmentation::Allowed, traffic_class: 0, bytes }
}

fn receive(socket: &UdpSocket) -> Vec<Vec<u8>> {
    let mut slots = Slots::new();
    let mut batch = slots.batch();
    let received = batch.receive(socket.as_fd(), SLOTS).expect("nothing refuses on loopback");
    received.map(|datagram| datagram.packet.payload().to_vec()).collect()
}

/// Sizes that form runs and sizes that break them.
#[test]
fn segmented_runs_arrive_as_the_packets_they_were() {
    let (sender, ann) = (socket(), socket());
    let to = ann.local_addr().expect("bound");
    let payloads: Vec<Vec<u8>> = [700, 700, 700, 300, 700, 0, 0, 1, 20_000, 20_000, 20_000, 20_000]
        .iter()
        .enumerate()
        .map(|(i, &size)| vec![i as u8; size])
        .collect();
    let packets: Vec<_> = payloads.iter().map(|bytes| packet(to, bytes)).collect();
    assert_eq!(Sender::new().send(sender.as_fd(), &packets), 0);
    assert_eq!(receive(&ann), payloads);
}

/// More than one call sends, and than one call receives.
#[test]
fn many_packets_arrive_whole_and_in_order() {
    let (sender, ann) = (socket(), socket());
    let to = ann.local_addr().expect("bound");
    let payloads: Vec<Vec<u8>> = (0..100).map(|i| vec![i; 1 + usize::from(i % 7)]).collect();
    let packets: Vec<_> = payloads.iter().map(|bytes| packet(to, bytes)).collect();
    assert_eq!(Sender::new().send(sender.as_fd(), &packets), 0);
    let mut slots = Slots::new();
    let mut batch = slots.batch();
    let mut received = Vec::new();
    for most in [1, 50, SLOTS, SLOTS] {
        let datagrams = batch.receive(ann.as_fd(), most).expect("nothing refuses on loopback");
        received.extend(datagrams.map(|datagram| datagram.packet));
    }
    assert_eq!(batch.left(), SLOTS - 100);
    // All of them at once: no packet lies where another does.
    assert!(received.iter().map(PacketBuf::payload).eq(&payloads));
}

#[test]
fn what_cannot_be_sent_is_counted_and_keeps_nothing_else() {
    let (sender, ann) = (socket(), socket());
    let to = ann.local_addr().expect("bound");
    // Port 0 cannot be sent to; 65,508 bytes are one more than IPv4 carries.
    let (nowhere, too_long) = (SocketAddr::new(to.ip(), 0), vec![0; 65_508]);
    let packets = [
        packet(to, &b"one"[..]),
        packet(nowhere, b"lost"),
        packet(to, &too_long),
        packet(to, b"two"),
    ];
    assert_eq!(Sender::new().send(sender.as_fd(), &packets), 2);
    assert_eq!(receive(&ann), [b"one", b"two"]);
}

#[test]
fn nothing_waiting_is_an_empty_batch_and_the_next_one_is_whole() {
    let (sender, ann) = (socket(), socket());
    let mut slots = Slots::new();
    let nothing = slots.batch().receive(ann.as_fd(), SLOTS).map(|received| received.len());
    assert_eq!(nothing.expect("nothing is no error"), 0);
    options::report_destination(ann.as_fd(), false).expect("a plain option");
    for round in 0..3 {
        sender.send_to(&[round; 9], ann.local_addr().expect("bound")).expect("loopback takes it");
        let mut batch = slots.batch();
        let datagrams = batch.receive(ann.as_fd(), SLOTS).expect("one waits");
        for Datagram { source, arrived, packet } in datagrams {
            assert_eq!(source, sender.local_addr().expect("bound"));
            assert_eq!(arrived.destination, Some(source.ip()));
            assert_eq!(packet.payload(), [round; 9]);
        }
    }
}

/// On loopback the ICMP message is there before the call that caused it returns.
#[test]
fn what_icmp_says_of_one_packet_keeps_no_other_from_being_sent() {
    let (sender, ann) = (socket(), socket());
    sender.set_nonblocking(true).expect("a plain option");
    options::report_errors(sender.as_fd(), false).expect("a plain option");
    let to = ann.local_addr().expect("bound");
    let nobody = "127.99.0.1:9".parse().expect("literal");
    let mut batch = Sender::new();
    for one in [packet(nobody, b"lost"), packet(to, b"one"), packet(nobody, b"lost")] {
        assert_eq!(batch.send(sender.as_fd(), &[one]), 0);
    }
    let packets =
        [packet(to, b"two"), packet(to, b"ten"), packet(nobody, b""), packet(to, b"four")];
    assert_eq!(batch.send(sender.as_fd(), &packets), 0);
    assert_eq!(receive(&ann), [&b"one"[..], b"two", b"ten", b"four"]);

    let errors = receive_errors(sender.as_fd()).expect("there are some");
    let refused = SocketError::Icmp(hairpin_turn::IcmpError { kind: 3, code: 3, mtu: 0 });
    assert_eq!(errors[..], [(nobody, refused); 3]);
    let pending =
        Slots::new().batch().receive(sender.as_fd(), SLOTS).map(|received| received.len());
    assert!(pending.is_ok_and(|found| found == 0), "who reads the queue is told no other way");
    assert_eq!(receive_errors(sender.as_fd()).expect("none is left")[..], []);
}

#[test]
fn each_packet_has_the_traffic_class_it_was_given() {
    for (address, v6) in [("127.0.0.1:0", false), ("[::1]:0", true)] {
        let bind = || UdpSocket::bind(address).expect("loopback has free ports");
        let (sender, ann) = (bind(), bind());
        options::report_traffic_class(ann.as_fd(), v6).expect("a plain option");
        let to = ann.local_addr().expect("bound");
        let classes = [0, 0, 0xB8, 0xB9, 0xB9, 0xB9, 1, 0, 0x20];
        let packets = classes.map(|traffic_class| Packet { traffic_class, ..packet(to, b"data") });
        assert_eq!(Sender::new().send(sender.as_fd(), &packets), 0);
        assert_eq!(Sender::new().send(sender.as_fd(), &packets[2..3]), 0);
        let mut slots = Slots::new();
        let mut batch = slots.batch();
        let received = batch.receive(ann.as_fd(), SLOTS).expect("nothing refuses on loopback");
        let seen: Vec<u8> = received.map(|datagram| datagram.arrived.traffic_class).collect();
        assert_eq!(seen, [0, 0, 0xB8, 0xB9, 0xB9, 0xB9, 1, 0, 0x20, 0xB8]);
    }
}
