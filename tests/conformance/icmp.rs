//! RFC 8656 s11.5, s18.13: ICMP errors about relayed datagrams.

use std::net::SocketAddr;

use hairpin_sim::client::Client;
use hairpin_sim::relay::Relay;
use hairpin_stun::{AttributeType, Class, Message, Method, decode};
use hairpin_turn::{IcmpError, RelayedAddr};

use super::{peer, peer_v6};

/// Ann with an allocation of the peer's family and a permission for it.
fn permitted(peer: SocketAddr) -> (Relay, Client, RelayedAddr) {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    let relayed = match peer.is_ipv4() {
        true => client.allocate(&mut relay),
        false => client.allocate_v6(&mut relay),
    };
    assert!(client.permit(&mut relay, &[peer]).is_success());
    relay.forget();
    (relay, client, relayed)
}

/// What the client is told of an error about a datagram to a peer: type, code and data.
fn told(peer: SocketAddr, kind: u8, code: u8, mtu: u32) -> Option<(u8, u16, u32)> {
    let (mut relay, client, relayed) = permitted(peer);
    relay.icmp_comes(peer, relayed, IcmpError { kind, code, mtu });
    let bytes = relay.received(&client.tuple)?;
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    let kinds: Vec<_> = message.attributes().map(|attribute| attribute.kind).collect();
    assert_eq!(kinds, [AttributeType::XOR_PEER_ADDRESS, AttributeType::ICMP], "and no DATA");
    let address = message.get(AttributeType::XOR_PEER_ADDRESS).expect("it is there");
    assert_eq!(decode::xor_address(address, message.transaction_id()), Some(peer));
    let icmp = message.get(AttributeType::ICMP).expect("it is there");
    assert_eq!(icmp[..2], [0, 0], "reserved");
    decode::icmp(icmp)
}

#[test]
fn c132_errors_about_relayed_datagrams_become_data_indications() {
    for kind in 0..=255 {
        let passed_on = matches!(kind, 3 | 11);
        assert_eq!(told(peer(1), kind, 1, 0), passed_on.then_some((kind, 1, 0)), "ICMP {kind}");
        let passed_on = matches!(kind, 1..=3);
        assert_eq!(told(peer_v6(1), kind, 1, 0), passed_on.then_some((kind, 1, 0)), "v6 {kind}");
    }
}

#[test]
fn c133_an_error_about_a_datagram_to_somebody_else_is_dropped() {
    let (mut relay, client, relayed) = permitted(peer(1));
    let unreachable = IcmpError { kind: 3, code: 3, mtu: 0 };
    relay.icmp_comes(peer(2), relayed, unreachable);
    assert_eq!(relay.received(&client.tuple), None, "no permission for that destination");
    let mut other_port = peer(1);
    other_port.set_port(1);
    relay.icmp_comes(other_port, relayed, unreachable);
    assert!(relay.received(&client.tuple).is_some(), "a permission is for all ports");
    relay.advance_secs(301);
    relay.icmp_comes(peer(1), relayed, unreachable);
    assert_eq!(relay.received(&client.tuple), None, "it has expired");
}

#[test]
fn c134_the_data_is_the_mtu_where_there_is_one_and_else_zero() {
    assert_eq!(told(peer(1), 3, 4, 1280), Some((3, 4, 1280)));
    assert_eq!(told(peer(1), 3, 3, 1280), Some((3, 3, 0)));
    assert_eq!(told(peer(1), 11, 4, 1280), Some((11, 4, 0)));
    assert_eq!(told(peer_v6(1), 2, 0, 1280), Some((2, 0, 1280)));
    assert_eq!(told(peer_v6(1), 3, 4, 1280), Some((3, 4, 0)));
    assert_eq!(told(peer_v6(1), 1, 255, 9), Some((1, 255, 0)));
}
