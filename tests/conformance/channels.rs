//! RFC 8656 s12: channels.

use hairpin_sim::client::{Client, Received, channel_data};
use hairpin_sim::relay::{Relay, Relayed, config};
use hairpin_stun::{AttributeType, ChannelNumbers, Method, Reader};
use hairpin_turn::{DropReason, Event, PeerAddr, RelayedAddr, Transport};

use super::{addr, allocated, peer, peer_reaches, peer_v6};

/// Ann with channel 0x4000 to peer 1.
fn bound() -> (Relay, Client, RelayedAddr) {
    let (mut relay, mut client, relayed) = allocated();
    assert!(client.bind_channel(&mut relay, 0x4000, peer(1)).is_success());
    relay.forget();
    (relay, client, relayed)
}

/// What of these bytes reaches a peer.
fn relayed_of(relay: &mut Relay, client: &Client, bytes: &[u8]) -> Vec<Vec<u8>> {
    relay.client_sends(client.tuple, bytes);
    relay.take_relayed().into_iter().map(|relayed| relayed.payload).collect()
}

#[test]
fn c136_number_or_peer_missing_is_400() {
    let (mut relay, mut client, _) = allocated();
    let response = client.request(&mut relay, Method::CHANNEL_BIND, |w| {
        w.channel_number(0x4000);
    });
    assert_eq!(response.error(), Some(400));
    let response = client.request(&mut relay, Method::CHANNEL_BIND, |w| {
        w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1));
    });
    assert_eq!(response.error(), Some(400));
    let response = client.request(&mut relay, Method::CHANNEL_BIND, |w| {
        w.bytes(AttributeType::CHANNEL_NUMBER, &[0x40, 0])
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1));
    });
    assert_eq!(response.error(), Some(400));
}

#[test]
fn c137_a_number_outside_0x4000_to_0x4fff_is_400() {
    let (mut relay, mut client, _) = allocated();
    for number in [0, 0x3FFF, 0x5000, 0x7FFF, 0x8000, 0xFFFF] {
        let response = client.bind_channel(&mut relay, number, peer(1));
        assert_eq!(response.error(), Some(400), "{number:#x}");
    }
    assert!(client.bind_channel(&mut relay, 0x4000, peer(1)).is_success());
    assert!(client.bind_channel(&mut relay, 0x4FFF, peer(2)).is_success());
}

#[test]
fn c137_numbers_of_rfc_5766_are_taken_where_the_operator_says_so() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut config = config();
        config.rules.channel_numbers = ChannelNumbers::Rfc5766;
        let mut relay = Relay::new(config);
        let mut client = Client::new(1, transport, "ann", "ann's password");
        let relayed = client.allocate(&mut relay);
        for number in [0x3FFF, 0x8000, 0xFFFF] {
            let response = client.bind_channel(&mut relay, number, peer(1));
            assert_eq!(response.error(), Some(400), "{number:#x}");
        }
        for (host, number) in [(1, 0x4000), (2, 0x5000), (3, 0x7FFF)] {
            assert!(client.bind_channel(&mut relay, number, peer(host)).is_success());
            let mut reader = Reader::under(ChannelNumbers::Rfc5766);
            let bytes = channel_data(number, b"data");
            relay.stream_sends(client.tuple, &mut reader, &bytes).expect("a frame");
            assert_eq!(relay.take_relayed().len(), 1, "{number:#x}");
            relay.peer_sends(peer(host), relayed, b"back");
            assert_eq!(client.receive(&mut relay), Some(Received::channel(number, b"back")));
        }
        client.send_channel(&mut relay, 0x6000, b"unbound");
        assert!(relay.take_relayed().is_empty());
    }
}

#[test]
fn c138_a_number_bound_to_another_peer_is_400() {
    let (mut relay, mut client, relayed) = bound();
    assert_eq!(client.bind_channel(&mut relay, 0x4000, peer(2)).error(), Some(400));
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(2)), "and installs no permission");
}

#[test]
fn c139_a_peer_bound_to_another_number_is_400() {
    let (mut relay, mut client, _) = bound();
    assert_eq!(client.bind_channel(&mut relay, 0x4001, peer(1)).error(), Some(400));
    let mut other_port = peer(1);
    other_port.set_port(7001);
    assert!(client.bind_channel(&mut relay, 0x4001, other_port).is_success(), "ports count");
}

#[test]
fn c140_the_same_pair_gets_600_seconds_again() {
    let (mut relay, mut client, _) = bound();
    client.refresh(&mut relay, 3600);
    relay.advance_secs(400);
    assert!(client.bind_channel(&mut relay, 0x4000, peer(1)).is_success());
    relay.advance_secs(599);
    client.permit(&mut relay, &[peer(1)]);
    client.send_channel(&mut relay, 0x4000, b"data");
    assert_eq!(relay.take_relayed().len(), 1);
}

#[test]
fn c141_it_installs_and_refreshes_the_permission() {
    let (mut relay, mut client, relayed) = bound();
    assert!(peer_reaches(&mut relay, &client, relayed, peer(1)));
    relay.advance_secs(200);
    client.bind_channel(&mut relay, 0x4000, peer(1));
    relay.advance_secs(299);
    assert!(peer_reaches(&mut relay, &client, relayed, peer(1)));
    relay.advance_secs(2);
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)), "300 s and not 600");
}

#[test]
fn c142_another_family_is_443() {
    let (mut relay, mut client, _) = allocated();
    assert_eq!(client.bind_channel(&mut relay, 0x4000, peer_v6(1)).error(), Some(443));
    let mut client = Client::ann(2);
    client.allocate_v6(&mut relay);
    assert_eq!(client.bind_channel(&mut relay, 0x4000, peer(1)).error(), Some(443));
    assert!(client.bind_channel(&mut relay, 0x4000, peer_v6(1)).is_success());
}

#[test]
fn c143_a_forbidden_peer_is_403() {
    let (mut relay, mut client, _) = allocated();
    for forbidden in ["10.0.0.1:80", "127.0.0.1:80", "203.0.113.1:3478"] {
        let response = client.bind_channel(&mut relay, 0x4000, addr(forbidden));
        assert_eq!(response.error(), Some(403), "{forbidden}");
    }
}

#[test]
fn c144_no_capacity_is_508() {
    let (mut relay, mut client, relayed) = allocated();
    for host in [1, 1, 1, 2, 2, 3, 4] {
        let number = 0x4000 + u16::from(host);
        let response = client.bind_channel(&mut relay, number, peer(host));
        assert!(response.is_success(), "a repetition takes no room");
    }
    assert_eq!(client.bind_channel(&mut relay, 0x4005, peer(5)).error(), Some(508));
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(5)));
    assert!(
        client.bind_channel(&mut relay, 0x4001, peer(1)).is_success(),
        "a repetition is none more"
    );
}

#[test]
fn c144_no_room_for_its_permission_is_508_and_binds_nothing() {
    let (mut relay, mut client, relayed) = allocated();
    let peers: Vec<_> = (1..=8).map(peer).collect();
    client.permit(&mut relay, &peers);
    assert_eq!(client.bind_channel(&mut relay, 0x4000, peer(9)).error(), Some(508));
    client.send_channel(&mut relay, 0x4000, b"data");
    assert!(relay.to_peers.is_empty());
    assert!(client.bind_channel(&mut relay, 0x4000, peer(8)).is_success());
    assert!(peer_reaches(&mut relay, &client, relayed, peer(8)));
}

#[test]
fn c145_it_expires_at_600_seconds_and_is_free_again() {
    let (mut relay, mut client, relayed) = bound();
    client.refresh(&mut relay, 3600);
    relay.advance_secs(599);
    client.permit(&mut relay, &[peer(1)]);
    client.send_channel(&mut relay, 0x4000, b"data");
    assert_eq!(relay.take_relayed().len(), 1);
    relay.advance_secs(2);
    client.send_channel(&mut relay, 0x4000, b"data");
    assert!(relay.to_peers.is_empty());
    relay.peer_sends(peer(1), relayed, b"data");
    assert_eq!(client.receive(&mut relay), Some(Received::data(peer(1), b"data")));
    assert!(client.bind_channel(&mut relay, 0x4000, peer(2)).is_success());
    assert!(client.bind_channel(&mut relay, 0x4001, peer(1)).is_success());
}

#[test]
fn c146_channel_data_refreshes_nothing() {
    let (mut relay, mut client, relayed) = bound();
    for second in 1..=301 {
        relay.advance_secs(1);
        client.send_channel(&mut relay, 0x4000, b"data");
        assert_eq!(relay.take_relayed().len(), usize::from(second < 300), "{second}");
        relay.peer_sends(peer(1), relayed, b"data");
    }
}

#[test]
fn c147_an_unbound_number_is_dropped() {
    let (mut relay, mut client, _) = bound();
    client.send_channel(&mut relay, 0x4001, b"data");
    assert!(relay.to_peers.is_empty());
    assert_eq!(relay.events, [Event::Dropped(DropReason::NoChannel)]);
}

#[test]
fn c148_other_first_bytes_are_dropped() {
    let (mut relay, client, _) = bound();
    for first in (4..=63).chain(80..=255) {
        let mut bytes = channel_data(0x4000, b"data");
        bytes[0] = first;
        assert!(relayed_of(&mut relay, &client, &bytes).is_empty(), "{first}");
    }
    assert!(relay.events.iter().all(|event| *event == Event::Dropped(DropReason::Malformed)));
    assert!(relay.recipients().next().is_none());
}

#[test]
fn c149_a_payload_shorter_than_its_length_is_dropped() {
    let (mut relay, client, _) = bound();
    let bytes = channel_data(0x4000, b"data");
    for len in 1..bytes.len() {
        assert!(relayed_of(&mut relay, &client, &bytes[..len]).is_empty(), "{len}");
    }
    assert_eq!(relayed_of(&mut relay, &client, &bytes), [b"data"]);
}

#[test]
fn c150_of_a_longer_payload_only_length_bytes_are_relayed() {
    let (mut relay, client, _) = bound();
    let bytes = [&channel_data(0x4000, b"data")[..], b"and padding"].concat();
    assert_eq!(relayed_of(&mut relay, &client, &bytes), [b"data"]);
}

#[test]
fn c151_length_0_is_an_empty_datagram() {
    let (mut relay, mut client, relayed) = bound();
    client.send_channel(&mut relay, 0x4000, b"");
    let empty = Relayed { from: relayed, to: PeerAddr(peer(1)), payload: vec![] };
    assert_eq!(relay.take_relayed(), [empty]);
    relay.peer_sends(peer(1), relayed, b"");
    assert_eq!(client.receive(&mut relay), Some(Received::channel(0x4000, b"")));
}

#[test]
fn c152_over_a_stream_it_is_padded_to_four_and_the_padding_not_counted() {
    let mut relay = Relay::default();
    let mut client = Client::new(1, Transport::Tcp, "ann", "ann's password");
    let relayed = client.allocate(&mut relay);
    client.bind_channel(&mut relay, 0x4000, peer(1));
    for (data, padding) in [(&b"d"[..], 3), (b"da", 2), (b"dat", 1), (b"data", 0), (b"", 0)] {
        relay.peer_sends(peer(1), relayed, data);
        let (data, padding) = (data.to_vec(), vec![0; padding]);
        let received = client.receive(&mut relay);
        assert_eq!(received, Some(Received::Channel { number: 0x4000, data, padding }));
    }
    // And over UDP it is not padded.
    let (mut relay, client, relayed) = bound();
    relay.peer_sends(peer(1), relayed, b"d");
    assert_eq!(client.receive(&mut relay), Some(Received::channel(0x4000, b"d")));
}
