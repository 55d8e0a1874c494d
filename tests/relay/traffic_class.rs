//! DSCP and ECN are copied (RFC 8656 s15), as a raw socket sees it; those take a network namespace of the test's own.

use std::io::Read;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::own_addresses::in_a_namespace;
use super::wire::{Client, PATIENCE, Wire};
use super::{builder, start};

/// Expedited forwarding, of a sender that knows ECN.
const VOICE: u8 = 0xB9;

/// Receives all UDP there is.
struct Tap(Socket);

impl Tap {
    fn new() -> Self {
        let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).expect("root may");
        raw.set_read_timeout(Some(PATIENCE)).expect("a plain option");
        Self(raw)
    }

    /// DSCP and ECN of the next datagram of a flow.
    fn next(&mut self, from: SocketAddr, to: SocketAddr) -> u8 {
        let mut buffer = [0; 65_536];
        loop {
            let length = self.0.read(&mut buffer).expect("it comes");
            let udp = &buffer[usize::from(buffer[0] & 0x0F) * 4..length];
            let port = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
            if (port(0), port(2)) == (from.port(), to.port()) {
                return buffer[1];
            }
        }
    }
}

fn mark(client: &Client, traffic_class: u8) {
    let Wire::Udp(socket) = &client.wire else { panic!("it is no datagram socket") };
    SockRef::from(socket).set_tos_v4(traffic_class.into()).expect("a plain option");
}

#[tokio::test]
async fn c158_dscp_and_ecn_are_copied_both_ways_and_from_client_to_client() {
    const TEST: &str =
        "relay::traffic_class::c158_dscp_and_ecn_are_copied_both_ways_and_from_client_to_client";
    if !in_a_namespace(TEST) {
        return;
    }
    // Clients may be on different workers, or on one.
    let server = start(builder().set("workers", "2")).await;
    let listener = server.addresses().turn_udp[0];
    let mut ann = Client::udp(listener).await;
    let anns = ann.allocate().await.expect("there is room");
    let peer = std::net::UdpSocket::bind("127.0.0.1:0").expect("loopback has free ports");
    let to = peer.local_addr().expect("bound");
    ann.permit(to).await;
    let mut tap = Tap::new();
    for class in [VOICE, 0, 0x88, 3] {
        mark(&ann, class);
        ann.send(to, b"out").await;
        assert_eq!(tap.next(anns, to), class);
        SockRef::from(&peer).set_tos_v4(class.into()).expect("a plain option");
        peer.send_to(b"in", anns).expect("loopback takes it");
        assert_eq!(ann.data().await.1, b"in");
        assert_eq!(tap.next(listener, ann.wire.local()), class);
    }
    for _ in 0..4 {
        let mut bob = Client::udp(listener).await;
        let bobs = bob.allocate().await.expect("there is room");
        ann.permit(bobs).await;
        bob.permit(anns).await;
        let mut tap = Tap::new();
        mark(&ann, VOICE);
        ann.send(bobs, b"to bob").await;
        assert_eq!(bob.data().await.1, b"to bob");
        assert_eq!(tap.next(listener, bob.wire.local()), VOICE);
        mark(&ann, 0);
    }
    server.shutdown().await;
}
