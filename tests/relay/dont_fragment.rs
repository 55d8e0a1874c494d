//! DONT-FRAGMENT on the wire (RFC 8656 s11.2, s14), as a raw socket sees it; those take a network namespace of the test's own.

use std::io::Read;
use std::net::SocketAddr;

use hairpin_sim::build;
use hairpin_stun::{AttributeType, Class, Method, TransactionId};
use socket2::{Domain, Protocol, Socket, Type};

use super::own_addresses::{in_a_namespace, ip};
use super::wire::{Client, PATIENCE};
use super::{builder, loopback, start};

/// A Send indication with DONT-FRAGMENT.
pub(super) fn send_whole(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    build(Class::Indication, Method::SEND, TransactionId([7; 12]), |writer| {
        writer
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .bytes(AttributeType::DONT_FRAGMENT, &[])
            .bytes(AttributeType::DATA, data);
    })
}

/// Whether a datagram has the DF bit set, and what it carries. `None` for another flow's.
fn read(packet: &[u8], from: u16, to: u16) -> Option<(bool, Vec<u8>)> {
    let header = usize::from(packet[0] & 0x0F) * 4;
    let (ip, udp) = packet.split_at(header);
    let port = |at: usize| u16::from_be_bytes([udp[at], udp[at + 1]]);
    let ours = (port(0), port(2)) == (from, to);
    ours.then(|| (ip[6] & 0x40 != 0, udp[8..].to_vec()))
}

#[tokio::test]
async fn c125_the_df_bit_is_set_on_that_datagram_alone_and_none_overtakes_another() {
    const TEST: &str = "relay::dont_fragment::c125_the_df_bit_is_set_on_that_datagram_alone_and_none_overtakes_another";
    if !in_a_namespace(TEST) {
        return;
    }
    ip("link set lo mtu 1500");
    let server = start(builder()).await;
    let mut client = Client::udp(server.addresses().turn_udp[0]).await;
    let relayed = client.allocate().await.expect("there is room");
    let peer = std::net::UdpSocket::bind(loopback(0)).expect("loopback has free ports");
    let to = peer.local_addr().expect("bound");
    client.permit(to).await;
    let raw = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).expect("root may");
    raw.set_read_timeout(Some(PATIENCE)).expect("a plain option");

    // As one burst, so that a turn has several of them, in runs.
    let pattern = |i: u8| i % 7 == 3 || i % 7 == 4;
    for i in 0..100 {
        let data = [i; 100];
        if pattern(i) {
            client.wire.send(&send_whole(to, &data)).await;
        } else {
            client.send(to, &data).await;
        }
    }
    let mut buffer = [0; 65_536];
    let mut seen = Vec::new();
    while seen.len() < 100 {
        let length = (&raw).read(&mut buffer).expect("all of them arrive");
        let Some((whole, run)) = read(&buffer[..length], relayed.port(), to.port()) else {
            continue;
        };
        // On loopback a segmented send stays whole until a UDP socket receives it.
        seen.extend(run.chunks(100).map(|data| (whole, data[0], data.len())));
    }
    let sent: Vec<_> = (0..100).map(|i| (pattern(i), i, 100)).collect();
    assert_eq!(seen, sent);

    // What does not fit is lost, or cut up without DONT-FRAGMENT, and the next one comes.
    client.wire.send(&send_whole(to, &[1; 2000])).await;
    client.send(to, &[2; 2000]).await;
    client.wire.send(&send_whole(to, &[3; 1000])).await;
    peer.set_read_timeout(Some(PATIENCE)).expect("a plain option");
    let mut arrived = Vec::new();
    while arrived.last() != Some(&(3, 1000)) {
        let length = peer.recv(&mut buffer).expect("the last one arrives");
        arrived.push((buffer[0], length));
    }
    assert_eq!(arrived[100..], [(2, 2000), (3, 1000)]);
    server.shutdown().await;
}
