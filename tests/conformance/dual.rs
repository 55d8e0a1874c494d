//! RFC 8656 s7.2, s8.2: an IPv4 and an IPv6 address on one 5-tuple.

use hairpin_sim::client::{Client, Received, Response, allocate_udp};
use hairpin_sim::relay::{RELAY_PORTS, Relay, SERVER_V4, SERVER_V6, config, own_addresses};
use hairpin_sim::{Allocate, Request};
use hairpin_stun::{AttributeType, Method, decode};
use hairpin_turn::{BindError, Quotas, RelayedAddr, Transport};

use super::{client_reaches, peer, peer_reaches, peer_v6};

const BOTH: Request = Request::Allocate(Allocate {
    transport: None,
    both_families: true,
    family: None,
    lifetime: None,
    even_port: None,
    reservation: None,
});

fn relayed(response: &Response) -> Vec<RelayedAddr> {
    let message = response.message();
    let values = message.get_all(AttributeType::XOR_RELAYED_ADDRESS);
    let address = |value| decode::xor_address(value, message.transaction_id());
    values.map(|value| RelayedAddr(address(value).expect("an address"))).collect()
}

/// Ann with an address of each family.
fn dual() -> (Relay, Client, RelayedAddr, RelayedAddr) {
    let mut relay = Relay::default();
    let mut ann = Client::ann(1);
    let response = ann.ask(&mut relay, &BOTH);
    let [v4, v6] = relayed(&response)[..] else { panic!("{response:?}") };
    (relay, ann, v4, v6)
}

/// Refresh of one family, with a lifetime.
fn refresh(relay: &mut Relay, client: &mut Client, family: u8, lifetime: u32) -> Option<u16> {
    let response = client.request(relay, Method::REFRESH, |w| {
        w.u32(AttributeType::LIFETIME, lifetime)
            .address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
    });
    response.error()
}

#[test]
fn c076_with_a_requested_family_it_is_400() {
    for family in [1, 2] {
        let response = Client::ann(1).request(&mut Relay::default(), Method::ALLOCATE, |w| {
            BOTH.write(w);
            w.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
        });
        assert_eq!(response.error(), Some(400), "{family}");
    }
}

#[test]
fn c085_any_other_family_than_ipv6_is_400() {
    for value in [&[1, 0, 0, 0][..], &[0, 0, 0, 0], &[3, 0, 0, 0], &[2], &[]] {
        let response = Client::ann(1).request(&mut Relay::default(), Method::ALLOCATE, |w| {
            allocate_udp(w);
            w.bytes(AttributeType::ADDITIONAL_ADDRESS_FAMILY, value);
        });
        assert_eq!(response.error(), Some(400), "{value:?}");
    }
}

#[test]
fn c086_two_families_are_two_relayed_addresses_by_either_number_of_the_attribute() {
    for kind in
        [AttributeType::ADDITIONAL_ADDRESS_FAMILY, AttributeType::DRAFT_ADDITIONAL_ADDRESS_FAMILY]
    {
        let mut relay = Relay::default();
        let mut ann = Client::ann(1);
        ann.ensure_nonce(&mut relay);
        let id = ann.transaction();
        let bytes = ann.signed(Method::ALLOCATE, id, |w| {
            allocate_udp(w);
            w.address_family(kind, 2);
        });
        let response = ann.exchange(&mut relay, &bytes).expect("a request");
        let [v4, v6] = relayed(&response)[..] else { panic!("{response:?}") };
        assert!(v4.0.is_ipv4() && v6.0.is_ipv6());
        assert!(!response.has(AttributeType::ADDRESS_ERROR_CODE));
        assert_eq!(ann.exchange(&mut relay, &bytes), Some(response), "the same to a repetition");
        assert_eq!((relay.sockets.len(), relay.ledger.total()), (2, 2));
    }
}

#[test]
fn c086_each_peer_is_reached_by_its_own_family() {
    let (mut relay, mut ann, v4, v6) = dual();
    assert!(ann.permit(&mut relay, &[peer(1), peer_v6(1)]).is_success());
    assert!(peer_reaches(&mut relay, &ann, v4, peer(1)));
    assert!(peer_reaches(&mut relay, &ann, v6, peer_v6(1)));
    for (peer, from) in [(peer(1), v4), (peer_v6(1), v6)] {
        ann.send(&mut relay, peer, b"hello");
        assert_eq!(relay.take_relayed().pop().map(|relayed| relayed.from), Some(from));
    }
    assert!(ann.bind_channel(&mut relay, 0x4000, peer(2)).is_success());
    assert_eq!(ann.bind_channel(&mut relay, 0x4000, peer_v6(2)).error(), Some(400));
    assert!(ann.bind_channel(&mut relay, 0x4001, peer_v6(2)).is_success());
    assert_eq!(ann.bind_channel(&mut relay, 0x4001, peer(3)).error(), Some(400));
    for (number, peer, relayed) in [(0x4000, peer(2), v4), (0x4001, peer_v6(2), v6)] {
        ann.send_channel(&mut relay, number, b"hello");
        assert_eq!(relay.take_relayed().pop().map(|sent| sent.from), Some(relayed));
        relay.peer_sends(peer, relayed, b"back");
        assert_eq!(ann.receive(&mut relay), Some(Received::channel(number, b"back")));
    }
}

#[test]
fn c086_permissions_of_both_are_installed_or_none_is() {
    let (mut relay, mut ann, v4, v6) = dual();
    let many: Vec<_> = (1..=8).map(peer_v6).collect();
    assert!(ann.permit(&mut relay, &many).is_success());
    assert_eq!(ann.permit(&mut relay, &[peer(1), peer_v6(9)]).error(), Some(508));
    assert!(!peer_reaches(&mut relay, &ann, v4, peer(1)));
    assert!(!peer_reaches(&mut relay, &ann, v6, peer_v6(9)));
}

#[test]
fn c087_one_family_alone_is_a_success_that_says_so() {
    let unmet = |response: &Response, kind| response.get(kind).map(<[u8]>::to_vec);
    for (own, wanted, missing) in [(SERVER_V4, 4, 2), (SERVER_V6, 6, 1)] {
        let mut config = config();
        config.own = own_addresses(&[own], RELAY_PORTS);
        let response = Client::ann(1).ask(&mut Relay::new(config), &BOTH);
        let found = relayed(&response);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0.is_ipv4(), wanted == 4);
        let code = unmet(&response, AttributeType::ADDRESS_ERROR_CODE);
        assert_eq!(code, Some(vec![missing, 0, 4, 40]));
    }
    // A quota that leaves room for one.
    let quotas = Quotas { user: Some(1), ..Quotas::default() };
    let mut relay = Relay::with_quotas(config(), quotas);
    let mut ann = Client::ann(1);
    ann.ensure_nonce(&mut relay);
    let id = ann.transaction();
    let bytes = ann.signed(Method::ALLOCATE, id, |w| {
        allocate_udp(w);
        w.address_family(AttributeType::DRAFT_ADDITIONAL_ADDRESS_FAMILY, 2);
    });
    let response = ann.exchange(&mut relay, &bytes).expect("a request");
    assert!(response.relayed().0.is_ipv4());
    let code = unmet(&response, AttributeType::DRAFT_ADDRESS_ERROR_CODE);
    assert_eq!(code, Some(vec![2, 0, 4, 86]));
    assert_eq!(ann.exchange(&mut relay, &bytes), Some(response), "the same to a repetition");
}

#[test]
fn c088_neither_family_is_508_and_leaves_the_tuple_free() {
    let mut relay = Relay::default();
    relay.bind_error = Some(BindError::Capacity);
    let mut ann = Client::ann(1);
    assert_eq!(ann.ask(&mut relay, &BOTH).error(), Some(508));
    relay.bind_error = None;
    assert_eq!(relayed(&ann.ask(&mut relay, &BOTH)).len(), 2);
}

#[test]
fn c106_one_of_two_is_refreshed_and_deleted_alone() {
    for (family, other) in [(1, 2), (2, 1)] {
        let (mut relay, mut ann, v4, v6) = dual();
        assert_eq!(refresh(&mut relay, &mut ann, family, 0), None);
        let left = if other == 1 { v4 } else { v6 };
        assert!(relay.sockets.addresses().eq([left]));
        assert_eq!(refresh(&mut relay, &mut ann, family, 600), Some(443));
        assert_eq!(refresh(&mut relay, &mut ann, other, 1200), None);
        relay.advance_secs(1000);
        let peer = if other == 1 { peer(1) } else { peer_v6(1) };
        ann.permit(&mut relay, &[peer]);
        assert!(client_reaches(&mut relay, &mut ann, peer));
        assert_eq!(refresh(&mut relay, &mut ann, other, 0), None);
        assert_eq!(refresh(&mut relay, &mut ann, other, 600), Some(437));
        assert_eq!((relay.sockets.len(), relay.ledger.total()), (0, 0));
        assert_eq!(relayed(&ann.ask(&mut relay, &BOTH)).len(), 2, "the 5-tuple is free");
    }
}

#[test]
fn c106_without_a_family_both_are_refreshed_and_deleted() {
    let (mut relay, mut ann, ..) = dual();
    assert_eq!(ann.refresh(&mut relay, 1200).lifetime(), Some(1200));
    relay.advance_secs(1199);
    assert_eq!(relay.sockets.len(), 2);
    assert!(ann.refresh(&mut relay, 0).is_success());
    assert!(relay.sockets.is_empty());
}

#[test]
fn c106_either_expires_by_itself_even_when_the_timer_is_late() {
    for (longer, peer) in [(1, peer(1)), (2, peer_v6(1))] {
        let (mut relay, mut ann, ..) = dual();
        assert_eq!(refresh(&mut relay, &mut ann, longer, 1200), None);
        relay.sleep_secs(590);
        ann.permit(&mut relay, &[peer]);
        relay.sleep_secs(20);
        assert!(client_reaches(&mut relay, &mut ann, peer), "before any timer");
        relay.handle_timeout();
        assert_eq!(relay.sockets.len(), 1);
        assert!(client_reaches(&mut relay, &mut ann, peer));
        relay.advance_secs(600);
        assert!(relay.sockets.is_empty());
    }
}

#[test]
fn c156_a_stream_that_closes_frees_both_at_any_moment() {
    let mut relay = Relay::default();
    let mut ann = Client::new(1, Transport::Tcp, "ann", "ann's password");
    ann.ask(&mut relay, &BOTH);
    relay.disconnect(&ann.tuple);
    assert_eq!((relay.sockets.len(), relay.ledger.total()), (0, 0));
    relay.hold_binds = true;
    for bound_before in [0, 1] {
        let id = ann.transaction();
        let bytes = ann.signed(Method::ALLOCATE, id, |w| BOTH.write(w));
        assert_eq!(ann.exchange(&mut relay, &bytes), None);
        for _ in 0..bound_before {
            assert!(relay.bind());
            assert_eq!(ann.exchange(&mut relay, &bytes), None, "an answer is under way");
        }
        relay.disconnect(&ann.tuple);
        while relay.bind() {}
        assert_eq!(relay.received(&ann.tuple), None, "nobody is there to be told");
        let left = (relay.server.allocations(), relay.sockets.len(), relay.ledger.total());
        assert_eq!(left, (0, 0, 0));
    }
}

/// Plain relaying: what a client is has nothing to do with what its relayed address is.
#[test]
fn c159_an_ipv4_client_has_ipv6_peers_and_back() {
    let mut relay = Relay::default();
    let mut ann = Client::ann(1);
    let v6 = ann.allocate_v6(&mut relay);
    ann.permit(&mut relay, &[peer_v6(1)]);
    assert!(peer_reaches(&mut relay, &ann, v6, peer_v6(1)));
    assert!(client_reaches(&mut relay, &mut ann, peer_v6(1)));
    let mut bob = Client::bob(2);
    bob.tuple.client = super::addr("[2001:db8:2::1]:40000");
    bob.tuple.server = super::addr("[2001:db8::1]:3478");
    let v4 = bob.allocate(&mut relay);
    bob.permit(&mut relay, &[peer(1)]);
    assert!(peer_reaches(&mut relay, &bob, v4, peer(1)));
    assert!(client_reaches(&mut relay, &mut bob, peer(1)));
}
