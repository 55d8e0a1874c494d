//! RFC 8656 s5: what holds for every request.

use hairpin_sim::client::{Client, Received, allocate_udp, build};
use hairpin_sim::relay::{REALM, Relay, config};
use hairpin_stun::{AttributeType, Class, Method, TransactionId, decode};
use hairpin_turn::{DropReason, Event, Transport};

use super::{addr, allocated, peer};

#[test]
fn c055_without_an_allocation_all_but_allocate_is_437() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    for method in [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
        let response = client.request(&mut relay, method, |w| {
            w.channel_number(0x4000).xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1));
        });
        assert_eq!(response.error(), Some(437), "{method:?}");
        assert!(response.is_signed(&client.key));
    }
}

#[test]
fn c056_without_an_allocation_data_is_dropped() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.send(&mut relay, peer(1), b"data");
    client.send_channel(&mut relay, 0x4000, b"data");
    assert_eq!(
        relay.events,
        [DropReason::NoAllocation, DropReason::NoAllocation].map(Event::Dropped)
    );
    assert!(relay.to_peers.is_empty() && relay.recipients().next().is_none());
}

#[test]
fn c057_another_valid_user_on_the_same_tuple_is_441() {
    let (mut relay, ann, _) = allocated();
    let mut bob = Client::bob(1);
    assert_eq!(bob.tuple, ann.tuple);
    for method in [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
        let response = bob.request(&mut relay, method, |w| {
            w.u32(AttributeType::LIFETIME, 0)
                .channel_number(0x4000)
                .xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1));
        });
        assert_eq!(response.error(), Some(441), "{method:?}");
        assert!(response.is_signed(&bob.key));
    }
    assert_eq!(relay.server.allocations(), 1);
    // 441 is for "non-Allocate" requests (RFC 8656 s19).
    let response = bob.request(&mut relay, Method::ALLOCATE, allocate_udp);
    assert_eq!(response.error(), Some(437));
}

#[test]
fn c058_software_is_in_allocate_and_refresh_only_and_can_be_switched_off() {
    let (mut relay, mut client, _) = allocated();
    let software = AttributeType::SOFTWARE;
    assert_eq!(client.refresh(&mut relay, 600).get(software), Some(&b"hairpin"[..]));
    assert!(client.request(&mut relay, Method::ALLOCATE, allocate_udp).has(software));
    assert!(!client.permit(&mut relay, &[peer(1)]).has(software));

    let mut stranger = Client::new(2, Transport::Udp, "stranger", "guess");
    let anonymous = build(Class::Request, Method::ALLOCATE, TransactionId([1; 12]), allocate_udp);
    let challenge = stranger.exchange(&mut relay, &anonymous).expect("a request");
    let refused = stranger.request(&mut relay, Method::ALLOCATE, allocate_udp);
    let bound = build(Class::Request, Method::BINDING, TransactionId([2; 12]), |_| {});
    let bound = stranger.exchange(&mut relay, &bound).expect("a request");
    assert_eq!((challenge.error(), refused.error(), bound.error()), (Some(401), Some(401), None));
    for response in [challenge, refused, bound] {
        assert!(!response.has(software));
    }

    let mut silent = config();
    silent.rules.software = None;
    let response = Client::ann(1).request(&mut Relay::new(silent), Method::ALLOCATE, allocate_udp);
    assert!(response.is_success() && !response.has(software));
}

#[test]
fn c060_transport_and_server_address_tell_allocations_apart() {
    let mut relay = Relay::default();
    let udp = Client::ann(1);
    let mut tcp = Client::new(1, Transport::Tcp, "ann", "ann's password");
    let mut other_port = udp.clone();
    other_port.tuple.server.set_port(443);
    assert_eq!(udp.tuple.client, tcp.tuple.client);

    let mut clients = [udp, std::mem::replace(&mut tcp, Client::bob(9)), other_port];
    let relayed: Vec<_> = clients.iter_mut().map(|client| client.allocate(&mut relay)).collect();
    assert_eq!(relay.server.allocations(), 3);
    for (host, (client, relayed)) in (1..).zip(clients.iter_mut().zip(&relayed)) {
        client.permit(&mut relay, &[peer(host)]);
        relay.peer_sends(peer(host), *relayed, &[host]);
        assert_eq!(client.receive(&mut relay), Some(Received::data(peer(host), &[host])));
    }
}

#[test]
fn c061_authentication_precedes_every_other_check() {
    let mut relay = Relay::default();
    let mut client = Client::new(1, Transport::Udp, "ann", "wrong");
    client.ensure_nonce(&mut relay);
    for (method, transport) in
        [(Method::ALLOCATE, 6), (Method::REFRESH, 17), (Method::CHANNEL_BIND, 17)]
    {
        let response = client.request(&mut relay, method, |w| {
            w.requested_transport(transport).bytes(AttributeType(0x7001), &[]);
        });
        assert_eq!(response.error(), Some(401), "{method:?}");
    }
    assert_eq!(client.realm, REALM);
}

#[test]
fn c091_redirected_is_300_with_a_server_of_the_clients_family_signed() {
    let v4 = [addr("198.51.100.10:3478"), addr("198.51.100.11:443")];
    let mut config = config();
    config.rules.alternate_servers = v4.to_vec();
    let mut relay = Relay::new(config);
    let mut ann = Client::ann(1);
    ann.ensure_nonce(&mut relay);
    let mut seen = Vec::new();
    for number in 0..4 {
        let id = TransactionId([0, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let bytes = ann.signed(Method::ALLOCATE, id, allocate_udp);
        let response = ann.exchange(&mut relay, &bytes).expect("a request");
        assert_eq!(response.error(), Some(300));
        assert!(response.is_signed(&ann.key));
        let server = response.get(AttributeType::ALTERNATE_SERVER).and_then(decode::address);
        seen.push(server.expect("where to go"));
        assert_eq!(ann.exchange(&mut relay, &bytes), Some(response), "a repetition goes there too");
    }
    assert_eq!(seen, [v4[0], v4[1], v4[0], v4[1]]);
    assert_eq!(relay.server.allocations(), 0);
    // There is none of its family, so it is served here; nor does who is not known learn anything.
    let mut bob = Client::bob(2);
    bob.tuple.client = addr("[2001:db8:2::1]:40000");
    bob.tuple.server = addr("[2001:db8::1]:3478");
    bob.allocate(&mut relay);
    ann.key = hairpin_stun::Key::long_term("ann", "example.org", "wrong");
    assert_eq!(ann.request(&mut relay, Method::ALLOCATE, allocate_udp).error(), Some(401));
}
