//! RFC 8656 s11: Send and Data indications.

use std::net::SocketAddr;

use hairpin_sim::client::{Client, Received, build};
use hairpin_sim::relay::{Relay, Relayed};
use hairpin_stun::{AttributeType, Class, Method, Writer};
use hairpin_turn::{DropReason, Event, PeerAddr, RelayedAddr};

use super::{addr, allocated, client_reaches, peer, peer_reaches, peer_v6};

/// Ann with an allocation and a permission for peer 1.
fn permitted() -> (Relay, Client, RelayedAddr) {
    let (mut relay, mut client, relayed) = allocated();
    assert!(client.permit(&mut relay, &[peer(1)]).is_success());
    relay.forget();
    (relay, client, relayed)
}

fn indicate(
    relay: &mut Relay,
    client: &mut Client,
    method: Method,
    attributes: impl FnOnce(&mut Writer<'_>),
) {
    let id = client.transaction();
    relay.client_sends(client.tuple, &build(Class::Indication, method, id, attributes));
}

#[test]
fn c120_send_without_peer_or_data_is_dropped() {
    let (mut relay, mut client, _) = permitted();
    indicate(&mut relay, &mut client, Method::SEND, |w| {
        w.bytes(AttributeType::DATA, b"data");
    });
    indicate(&mut relay, &mut client, Method::SEND, |w| {
        w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1));
    });
    indicate(&mut relay, &mut client, Method::SEND, |w| {
        w.bytes(AttributeType::XOR_PEER_ADDRESS, &[0, 1, 2]).bytes(AttributeType::DATA, b"data");
    });
    assert!(relay.to_peers.is_empty());
    assert_eq!(relay.events, [DropReason::Malformed; 3].map(Event::Dropped));
}

#[test]
fn c121_empty_data_is_an_empty_datagram() {
    let (mut relay, mut client, relayed) = permitted();
    client.send(&mut relay, peer(1), b"");
    let empty = Relayed { from: relayed, to: PeerAddr(peer(1)), payload: vec![] };
    assert_eq!(relay.take_relayed(), [empty]);
    relay.peer_sends(peer(1), relayed, b"");
    assert_eq!(client.receive(&mut relay), Some(Received::data(peer(1), b"")));
}

#[test]
fn c122_without_a_permission_it_is_dropped_in_silence() {
    let (mut relay, mut client, _) = permitted();
    client.send(&mut relay, peer(2), b"data");
    assert!(relay.to_peers.is_empty() && relay.recipients().next().is_none());
    assert_eq!(relay.events, [Event::Dropped(DropReason::NoPermission)]);
}

#[test]
fn c123_send_refreshes_nothing() {
    let (mut relay, mut client, relayed) = permitted();
    relay.advance_secs(299);
    assert!(client_reaches(&mut relay, &mut client, peer(1)));
    relay.advance_secs(2);
    assert!(!client_reaches(&mut relay, &mut client, peer(1)));
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)));
}

#[test]
fn c124_a_denied_peer_is_dropped_in_silence() {
    let (mut relay, mut client, _) = permitted();
    for denied in
        ["127.0.0.1:53", "169.254.169.254:80", "[::ffff:127.0.0.1]:53", "203.0.113.1:3478"]
    {
        client.send(&mut relay, addr(denied), b"data");
    }
    assert!(relay.to_peers.is_empty() && relay.astray.is_empty());
    assert!(relay.recipients().next().is_none());
}

#[test]
fn c125_c126_dont_fragment_holds_for_that_datagram_alone() {
    let (mut relay, mut client, _) = permitted();
    send_whole(&mut relay, &mut client, peer(1));
    assert_eq!((relay.take_relayed().len(), relay.dont_fragment), (1, 1));
    assert!(client_reaches(&mut relay, &mut client, peer(1)));
    assert_eq!(relay.dont_fragment, 1);
}

#[test]
fn c159_between_the_families_dont_fragment_is_ignored() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    assert!(client.tuple.client.is_ipv4());
    client.allocate_v6(&mut relay);
    client.permit(&mut relay, &[peer_v6(1)]);
    send_whole(&mut relay, &mut client, peer_v6(1));
    assert_eq!((relay.take_relayed().len(), relay.dont_fragment), (1, 0));
}

/// A Send indication with DONT-FRAGMENT.
fn send_whole(relay: &mut Relay, client: &mut Client, peer: SocketAddr) {
    indicate(relay, client, Method::SEND, |w| {
        w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .bytes(AttributeType::DONT_FRAGMENT, &[])
            .bytes(AttributeType::DATA, b"data");
    });
}

#[test]
fn c127_the_source_is_the_relayed_address() {
    let (mut relay, mut client, relayed) = permitted();
    client.send(&mut relay, peer(1), b"data");
    client.bind_channel(&mut relay, 0x4000, peer(1));
    client.send_channel(&mut relay, 0x4000, b"data");
    let sent = Relayed { from: relayed, to: PeerAddr(peer(1)), payload: b"data".to_vec() };
    assert_eq!(relay.take_relayed(), [sent.clone(), sent]);
}

#[test]
fn c128_inbound_without_a_permission_is_dropped_even_with_a_live_channel() {
    let (mut relay, mut client, relayed) = allocated();
    client.bind_channel(&mut relay, 0x4000, peer(1));
    relay.advance_secs(301);
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)));
    client.send_channel(&mut relay, 0x4000, b"data");
    assert!(relay.to_peers.is_empty());
    client.permit(&mut relay, &[peer(1)]);
    relay.peer_sends(peer(1), relayed, b"data");
    let received = client.receive(&mut relay);
    assert_eq!(received, Some(Received::channel(0x4000, b"data")), "the channel has lived on");
}

#[test]
fn c129_permission_and_no_channel_is_a_data_indication() {
    let (mut relay, client, relayed) = permitted();
    for data in [&b"d"[..], b"da", b"dat", b"data", &[0x40; 1200]] {
        relay.peer_sends(peer(1), relayed, data);
        assert_eq!(client.receive(&mut relay), Some(Received::data(peer(1), data)));
    }
    let mut client = Client::ann(2);
    let relayed = client.allocate_v6(&mut relay);
    client.permit(&mut relay, &[peer_v6(1)]);
    relay.peer_sends(peer_v6(1), relayed, b"data over IPv6");
    let received = client.receive(&mut relay);
    assert_eq!(received, Some(Received::data(peer_v6(1), b"data over IPv6")));
}

#[test]
fn c130_a_bound_channel_is_channel_data_from_that_very_peer() {
    let (mut relay, mut client, relayed) = allocated();
    client.bind_channel(&mut relay, 0x4ABC, peer(1));
    relay.peer_sends(peer(1), relayed, b"data");
    assert_eq!(client.receive(&mut relay), Some(Received::channel(0x4ABC, b"data")));
    let mut other_port = peer(1);
    other_port.set_port(7001);
    relay.peer_sends(other_port, relayed, b"data");
    assert_eq!(client.receive(&mut relay), Some(Received::data(other_port, b"data")));
}

#[test]
fn c131_the_longest_datagrams_are_relayed_or_counted() {
    let (mut relay, mut client, relayed) = permitted();
    let longest = vec![7; 65_507];
    relay.peer_sends(peer(1), relayed, &longest);
    assert_eq!(client.receive(&mut relay), None, "with its header it fits no datagram");
    assert_eq!(relay.events, [Event::Dropped(DropReason::TooLong)]);
    let fitting = &longest[..65_507 - 36 - 3];
    relay.peer_sends(peer(1), relayed, fitting);
    assert_eq!(client.receive(&mut relay), Some(Received::data(peer(1), fitting)));

    client.bind_channel(&mut relay, 0x4000, peer(1));
    relay.peer_sends(peer(1), relayed, &longest[4..]);
    assert_eq!(client.receive(&mut relay), Some(Received::channel(0x4000, &longest[4..])));
}

#[test]
fn c131_a_stream_takes_the_longest_datagram() {
    let mut relay = Relay::default();
    let mut client = Client::new(1, hairpin_turn::Transport::Tcp, "ann", "ann's password");
    let relayed = client.allocate(&mut relay);
    client.permit(&mut relay, &[peer(1)]);
    let longest = vec![7; 65_507];
    relay.peer_sends(peer(1), relayed, &longest);
    assert_eq!(client.receive(&mut relay), Some(Received::data(peer(1), &longest)));
}

#[test]
fn c135_a_data_indication_from_a_client_is_dropped() {
    let (mut relay, mut client, _) = permitted();
    indicate(&mut relay, &mut client, Method::DATA, |w| {
        w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1)).bytes(AttributeType::DATA, b"data");
    });
    assert!(relay.to_peers.is_empty());
    assert_eq!(relay.events, [Event::Dropped(DropReason::Unexpected)]);
}
