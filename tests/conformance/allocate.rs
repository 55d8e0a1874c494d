//! RFC 8656 s7: Allocate.

use std::time::Duration;

use hairpin_sim::client::{Client, Response, allocate_udp};
use hairpin_sim::relay::{Config, RELAY_PORTS, Relay, SERVER_V4, SERVER_V6, config, own_addresses};
use hairpin_stun::{AttributeType, Method, Writer};
use hairpin_turn::{
    BindError, Event, Family, OwnedPacket, Quotas, RelayedAddr, Transport, User, Wanted,
};

use super::{addr, allocated, peer, peer_reaches};

/// What an Allocate with these attributes besides REQUESTED-TRANSPORT is answered.
fn allocate_with(config: Config, attributes: impl FnOnce(&mut Writer<'_>)) -> Response {
    Client::ann(1).request(&mut Relay::new(config), Method::ALLOCATE, |w| {
        allocate_udp(w);
        attributes(w);
    })
}

fn family(number: u8) -> impl FnOnce(&mut Writer<'_>) {
    move |w| {
        w.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, number);
    }
}

#[test]
fn c062_a_live_tuple_and_a_new_transaction_is_437() {
    let (mut relay, mut client, relayed) = allocated();
    let response = client.request(&mut relay, Method::ALLOCATE, allocate_udp);
    assert_eq!(response.error(), Some(437));
    assert!(response.is_signed(&client.key));
    assert!(relay.sockets.addresses().eq([relayed]));
}

#[test]
fn c063_the_same_transaction_gets_the_same_success() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut relay);
    let id = client.transaction();
    let bytes = client.signed(Method::ALLOCATE, id, allocate_udp);
    let first = client.exchange(&mut relay, &bytes).expect("a request");
    let again = client.exchange(&mut relay, &bytes).expect("a request");
    assert!(first.is_success());
    assert_eq!(again, first);
    assert_eq!(relay.sockets.len(), 1);
    relay.advance_secs(39);
    let late = client.exchange(&mut relay, &bytes).expect("a request");
    assert_eq!(late.relayed(), first.relayed());
    assert_eq!(late.lifetime(), Some(600 - 39), "the time it has left (RFC 8656 s7.2)");
}

#[test]
fn c063_another_users_request_with_the_same_transaction_is_no_repetition() {
    let mut relay = Relay::default();
    let (mut ann, mut bob) = (Client::ann(1), Client::bob(1));
    ann.ensure_nonce(&mut relay);
    bob.ensure_nonce(&mut relay);
    let id = ann.transaction();
    ann.exchange(&mut relay, &ann.signed(Method::ALLOCATE, id, allocate_udp));
    let response = bob.exchange(&mut relay, &bob.signed(Method::ALLOCATE, id, allocate_udp));
    assert_eq!(response.expect("a request").error(), Some(437));
}

#[test]
fn c063_while_the_socket_is_being_bound_a_repetition_is_ignored() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut relay);
    relay.hold_binds = true;
    let id = client.transaction();
    let bytes = client.signed(Method::ALLOCATE, id, allocate_udp);
    assert_eq!(client.exchange(&mut relay, &bytes), None);
    assert_eq!(client.exchange(&mut relay, &bytes), None);
    // Any other request finds the 5-tuple taken, or not yet allocated.
    assert_eq!(client.request(&mut relay, Method::ALLOCATE, allocate_udp).error(), Some(437));
    assert_eq!(client.refresh(&mut relay, 600).error(), Some(437));
    assert!(relay.bind());
    assert!(!relay.bind(), "one request for one socket");
    let response = relay.received(&client.tuple).map(Response).expect("the answer");
    assert_eq!(response.message().transaction_id(), id);
    assert_eq!(response.relayed(), relay.sockets.addresses().next().expect("one socket"));
}

#[test]
fn c064_after_its_end_the_tuple_allocates_anew() {
    let (mut relay, mut client, first) = allocated();
    assert!(client.refresh(&mut relay, 0).is_success());
    let second = client.allocate(&mut relay);
    relay.advance_secs(600);
    assert_eq!(relay.server.allocations(), 0);
    let third = client.allocate(&mut relay);
    // Even when no timer has fired: time decides, not the caller's punctuality.
    relay.sleep_secs(600);
    let fourth = client.allocate(&mut relay);
    assert!(relay.sockets.addresses().eq([fourth]));
    assert!(first != second && second != third && third != fourth);
}

#[test]
fn c065_requested_transport_missing_is_400() {
    let response = Client::ann(1).request(&mut Relay::default(), Method::ALLOCATE, |_| {});
    assert_eq!(response.error(), Some(400));
}

#[test]
fn c066_requested_transport_of_the_wrong_length_is_400() {
    for value in [&[17][..], &[17, 0, 0], &[17, 0, 0, 0, 0], &[]] {
        let response = Client::ann(1).request(&mut Relay::default(), Method::ALLOCATE, |w| {
            w.bytes(AttributeType::REQUESTED_TRANSPORT, value);
        });
        assert_eq!(response.error(), Some(400), "{value:?}");
    }
}

#[test]
fn c067_an_unsupported_transport_is_442() {
    for protocol in [0, 132, 255] {
        let response = Client::ann(1).request(&mut Relay::default(), Method::ALLOCATE, |w| {
            w.requested_transport(protocol);
        });
        assert_eq!(response.error(), Some(442), "{protocol}");
    }
}

#[test]
fn c068_reserved_bits_are_ignored() {
    let response = Client::ann(1).request(&mut Relay::default(), Method::ALLOCATE, |w| {
        w.bytes(AttributeType::REQUESTED_TRANSPORT, &[17, 0xFF, 0xFF, 0xFF]);
    });
    assert!(response.is_success());
}

#[test]
fn c069_dont_fragment_is_supported() {
    let response = allocate_with(config(), |w| {
        w.bytes(AttributeType::DONT_FRAGMENT, &[]);
    });
    assert!(response.is_success());
}

#[test]
fn c077_an_unsupported_or_disabled_family_is_440() {
    let mut only_v4 = config();
    only_v4.own = own_addresses(&[SERVER_V4], RELAY_PORTS);
    assert_eq!(allocate_with(only_v4, family(2)).error(), Some(440));
    let mut only_v6 = config();
    only_v6.own = own_addresses(&[SERVER_V6], RELAY_PORTS);
    assert_eq!(allocate_with(only_v6, family(1)).error(), Some(440));
    assert_eq!(allocate_with(config(), family(0)).error(), Some(440));
    assert!(allocate_with(config(), family(2)).relayed().0.is_ipv6());
}

#[test]
fn c078_no_family_asked_is_ipv4_even_for_an_ipv6_client() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.tuple.client = addr("[2001:db8:2::1]:40000");
    client.tuple.server = addr("[2001:db8::1]:3478");
    assert!(client.allocate(&mut relay).0.is_ipv4());
}

#[test]
fn c079_no_family_asked_and_no_ipv4_is_440() {
    let mut only_v6 = config();
    only_v6.own = own_addresses(&[SERVER_V6], RELAY_PORTS);
    assert_eq!(allocate_with(only_v6, |_| {}).error(), Some(440));
}

#[test]
fn c080_reserved_bits_of_the_family_are_ignored_and_family_3_is_440() {
    assert_eq!(allocate_with(config(), family(3)).error(), Some(440));
    let kind = AttributeType::REQUESTED_ADDRESS_FAMILY;
    let reserved = allocate_with(config(), |w| {
        w.bytes(kind, &[2, 0xFF, 0xFF, 0xFF]);
    });
    assert!(reserved.relayed().0.is_ipv6());
    let short = allocate_with(config(), |w| {
        w.bytes(kind, &[2]);
    });
    assert_eq!(short.error(), Some(400));
}

#[test]
fn c089_over_a_quota_is_486_counted_by_user() {
    let quotas = Quotas { user: Some(2), total: Some(3), ..Quotas::default() };
    let mut relay = Relay::with_quotas(config(), quotas);
    let allocate = |relay: &mut Relay, mut client: Client| {
        client.request(relay, Method::ALLOCATE, allocate_udp).error()
    };
    assert_eq!(allocate(&mut relay, Client::ann(1)), None);
    assert_eq!(allocate(&mut relay, Client::ann(2)), None);
    assert_eq!(allocate(&mut relay, Client::ann(3)), Some(486));
    assert_eq!(allocate(&mut relay, Client::bob(4)), None);
    assert_eq!(allocate(&mut relay, Client::bob(5)), Some(486), "the total");
    relay.advance_secs(600);
    assert_eq!(allocate(&mut relay, Client::ann(3)), None, "quotas come back");
}

#[test]
fn c089_rest_users_are_counted_by_what_follows_the_colon() {
    let mut relay = Relay::with_quotas(config(), Quotas { user: Some(1), ..Quotas::default() });
    let mut codes = Vec::new();
    for (host, expires, id) in [(1, 10, "eve"), (2, 11, "eve"), (3, 10, "dan")] {
        let issued = hairpin_turn::rest_credentials(b"north", id, relay.now.unix + expires);
        let mut client = Client::new(host, Transport::Udp, &issued.username, &issued.password);
        codes.push(client.request(&mut relay, Method::ALLOCATE, allocate_udp).error());
    }
    assert_eq!(codes, [None, Some(486), None]);
}

#[test]
fn c089_a_static_user_and_a_rest_id_of_one_text_are_two_people() {
    let mut relay = Relay::with_quotas(config(), Quotas { user: Some(1), ..Quotas::default() });
    let issued = hairpin_turn::rest_credentials(b"north", "ann", relay.now.unix + 10);
    Client::new(1, Transport::Udp, &issued.username, &issued.password).allocate(&mut relay);
    Client::ann(2).allocate(&mut relay);
    let rest = Client::new(4, Transport::Udp, &issued.username, &issued.password);
    for mut client in [Client::ann(3), rest] {
        let again = client.request(&mut relay, Method::ALLOCATE, allocate_udp);
        assert_eq!(again.error(), Some(486));
    }
}

#[test]
fn c089_an_address_holds_a_share_whoever_asks_and_others_are_not_held_up() {
    let mut relay = Relay::default();
    let mut allocate = |host: u8, port: u16| {
        let mut client = if port.is_multiple_of(2) { Client::ann(host) } else { Client::bob(host) };
        client.tuple.client.set_port(port);
        client.request(&mut relay, Method::ALLOCATE, allocate_udp).error()
    };
    let share = RELAY_PORTS.len() / 4;
    assert!((1..).take(share).all(|port| allocate(1, port).is_none()));
    assert_eq!((allocate(1, 60_000), allocate(1, 60_001)), (Some(486), Some(486)));
    assert_eq!(allocate(2, 1), None);
}

#[test]
fn c090_no_port_or_capacity_is_508_and_the_tuple_stays_free() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    relay.bind_error = Some(BindError::Capacity);
    let response = client.request(&mut relay, Method::ALLOCATE, allocate_udp);
    assert_eq!(response.error(), Some(508));
    assert!(response.is_signed(&client.key));
    relay.bind_error = None;
    client.allocate(&mut relay);
    assert_eq!(relay.server.allocations(), 1);
}

/// The LIFETIME an Allocate that asks for `asked` is granted.
fn granted(config: Config, asked: Option<u32>) -> Option<u32> {
    let response = allocate_with(config, |w| {
        if let Some(asked) = asked {
            w.u32(AttributeType::LIFETIME, asked);
        }
    });
    response.lifetime()
}

#[test]
fn c095_no_lifetime_asked_is_600_s() {
    assert_eq!(granted(config(), None), Some(600));
}

#[test]
fn c096_less_than_600_s_is_600_s() {
    for asked in [0, 1, 599] {
        assert_eq!(granted(config(), Some(asked)), Some(600), "{asked}");
    }
}

#[test]
fn c097_in_between_it_is_as_asked() {
    for asked in [600, 601, 1800, 3600] {
        assert_eq!(granted(config(), Some(asked)), Some(asked));
    }
}

#[test]
fn c098_over_the_maximum_is_the_maximum() {
    for asked in [3601, u32::MAX] {
        assert_eq!(granted(config(), Some(asked)), Some(3600), "{asked}");
    }
    let mut short = config();
    short.rules.max_allocate_lifetime = Duration::from_secs(300);
    assert_eq!(granted(short, None), Some(300), "also below the default");
}

#[test]
fn c095_the_lifetime_told_is_the_lifetime_kept() {
    let (mut relay, mut client, relayed) = allocated();
    client.permit(&mut relay, &[peer(1)]);
    relay.advance_secs(299);
    client.permit(&mut relay, &[peer(1)]);
    relay.advance_secs(298);
    client.permit(&mut relay, &[peer(1)]);
    relay.advance_secs(2);
    assert!(peer_reaches(&mut relay, &client, relayed, peer(1)));
    assert_eq!(relay.server.poll_timeout(), Some(relay.now.monotonic + Duration::from_secs(1)));
    relay.advance_secs(1);
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)));
    assert_eq!((relay.server.allocations(), relay.sockets.len()), (0, 0));
}

#[test]
fn c095_it_ends_on_time_even_when_the_timer_is_late() {
    let (mut relay, mut client, relayed) = allocated();
    relay.advance_secs(590);
    client.permit(&mut relay, &[peer(1)]);
    relay.sleep_secs(10);
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)));
    client.send(&mut relay, peer(1), b"late");
    assert!(relay.to_peers.is_empty());
    assert_eq!(relay.sockets.len(), 1, "no timer has fired yet");
}

#[test]
fn c099_success_tells_relayed_address_mapped_address_and_lifetime_signed() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    let response = client.request(&mut relay, Method::ALLOCATE, allocate_udp);
    assert!(response.is_success() && response.is_signed(&client.key));
    assert!(response.has(AttributeType::XOR_RELAYED_ADDRESS));
    let mapped = response.xor_address(AttributeType::XOR_MAPPED_ADDRESS);
    assert_eq!(mapped, Some(client.tuple.client));
    assert_eq!(response.lifetime(), Some(600));
    assert!(
        matches!(relay.events.last(), Some(Event::Allocated { user, .. }) if *user == User::Static("ann".into()))
    );
}

#[test]
fn c100_the_relayed_address_is_the_one_the_caller_advertises() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut relay);
    let id = client.transaction();
    let bytes = client.signed(Method::ALLOCATE, id, allocate_udp);
    let mut packet = OwnedPacket::from(bytes.as_slice());
    let forward = relay.server.handle_client(relay.now, client.tuple, packet.packet());
    assert!(forward.is_none());
    let Some(hairpin_turn::Output::BindRelay {
        id, wanted: Wanted { family: Family::V4, .. }, ..
    }) = relay.server.poll_output()
    else {
        panic!("a request for a relay socket");
    };
    let external = RelayedAddr(addr("198.51.100.200:61000"));
    relay.server.handle_relay_bound(relay.now, id, Ok(external.into()));
    let told = std::iter::from_fn(|| relay.server.poll_output());
    let answers: Vec<_> = told
        .filter_map(|output| match output {
            hairpin_turn::Output::Transmit { bytes, .. } => Some(Response(bytes)),
            _ => None,
        })
        .collect();
    assert_eq!(answers.iter().map(Response::relayed).collect::<Vec<_>>(), [external]);
    assert_eq!(relay.server.relayed(id), Some(external));
}

#[test]
fn c101_a_new_allocation_has_no_permissions_and_no_channels() {
    let (mut relay, mut client, _) = allocated();
    client.bind_channel(&mut relay, 0x4000, peer(1));
    client.refresh(&mut relay, 0);
    let relayed = client.allocate(&mut relay);
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)));
    client.permit(&mut relay, &[peer(1)]);
    client.send_channel(&mut relay, 0x4000, b"data");
    assert!(relay.to_peers.is_empty());
}
