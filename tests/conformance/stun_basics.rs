//! RFC 8489: what every STUN server does with a message.

use hairpin_sim::client::{Client, Response, allocate_udp, build};
use hairpin_sim::relay::{PORT, Relay, SERVER_V6};
use hairpin_stun::{AttributeType, Class, Method, TransactionId, decode};
use hairpin_turn::{DropReason, Event};

use super::{addr, allocated, peer};

const ID: TransactionId = TransactionId(*b"transaction!");

fn binding() -> Vec<u8> {
    build(Class::Request, Method::BINDING, ID, |_| {})
}

/// Sends bytes that must not be answered, and says why they were dropped.
fn dropped(bytes: &[u8]) -> Option<DropReason> {
    let mut relay = Relay::default();
    assert_eq!(Client::ann(1).exchange(&mut relay, bytes), None);
    match relay.events.as_slice() {
        [] => None,
        [Event::Dropped(reason)] => Some(*reason),
        events => panic!("{events:?}"),
    }
}

#[test]
fn c001_first_two_bits_not_zero_is_dropped() {
    for first in [0x40, 0x80, 0xC0] {
        let mut bytes = binding();
        bytes[0] |= first;
        assert!(dropped(&bytes).is_some(), "{first:#x}");
    }
}

#[test]
fn c002_wrong_cookie_is_dropped() {
    let mut bytes = binding();
    bytes[4] ^= 1;
    assert_eq!(dropped(&bytes), Some(DropReason::Malformed));
}

#[test]
fn c003_wrong_length_is_dropped() {
    let mut odd = build(Class::Request, Method::BINDING, ID, |w| {
        w.text(AttributeType::SOFTWARE, "test");
    });
    odd[3] -= 1;
    assert_eq!(dropped(&odd), Some(DropReason::Malformed));
    let mut long = binding();
    long[3] = 4;
    assert_eq!(dropped(&long), Some(DropReason::Malformed));
    assert_eq!(dropped(&binding()[..19]), Some(DropReason::Malformed));
    assert_eq!(dropped(&[]), Some(DropReason::Malformed));
}

#[test]
fn c004_overrunning_attribute_is_dropped() {
    let mut bytes = build(Class::Request, Method::BINDING, ID, |w| {
        w.text(AttributeType::SOFTWARE, "test");
    });
    bytes[23] = 5;
    assert_eq!(dropped(&bytes), Some(DropReason::Malformed));
}

#[test]
fn c005_the_first_of_two_attributes_wins() {
    let (mut relay, mut client, _) = allocated();
    let response = client.request(&mut relay, Method::REFRESH, |w| {
        w.u32(AttributeType::LIFETIME, 700).u32(AttributeType::LIFETIME, 800);
    });
    assert_eq!(response.lifetime(), Some(700));
}

#[test]
fn c006_padding_is_ignored_on_receipt_and_zero_when_sent() {
    let mut relay = Relay::default();
    let client = Client::ann(1);
    let mut bytes = build(Class::Request, Method::ALLOCATE, ID, |w| {
        w.text(AttributeType::SOFTWARE, "tests");
    });
    let len = bytes.len();
    bytes[len - 3..].fill(0xFF);
    let response = client.exchange(&mut relay, &bytes).expect("padding is no error");
    // The realm of 11 bytes has one byte of padding, the nonce of 37 has three.
    for attribute in response.message().attributes() {
        let end = attribute.range().end;
        let padding = &response.0[end..end.next_multiple_of(4)];
        assert!(padding.iter().all(|&byte| byte == 0), "{attribute:?}");
    }
}

#[test]
fn c007_an_unknown_method_is_not_answered() {
    for method in [0x002, 0x005, 0x00D, 0x0FF] {
        let bytes = build(Class::Request, Method(method), ID, |_| {});
        assert_eq!(dropped(&bytes), Some(DropReason::Unexpected), "{method:#x}");
    }
}

#[test]
fn c008_responses_are_dropped() {
    for class in [Class::Success, Class::Error] {
        for method in [Method::BINDING, Method::ALLOCATE, Method::REFRESH] {
            let bytes = build(class, method, ID, |_| {});
            assert_eq!(dropped(&bytes), Some(DropReason::Unexpected));
        }
    }
}

#[test]
fn c009_unknown_required_attributes_are_listed_in_a_420() {
    let mut relay = Relay::default();
    let unknown = [AttributeType(0x7001), AttributeType::USE_CANDIDATE, AttributeType(0x0002)];
    let bytes = build(Class::Request, Method::BINDING, ID, |w| {
        for kind in unknown {
            w.bytes(kind, &[1, 2, 3]);
        }
    });
    let response = Client::ann(1).exchange(&mut relay, &bytes).expect("a request");
    assert_eq!(response.error(), Some(420));
    assert_eq!(response.unknown_attributes(), unknown);
}

#[test]
fn c010_a_420_comes_after_authentication_and_is_signed() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    let unknown = AttributeType(0x7001);
    let anonymous = build(Class::Request, Method::ALLOCATE, ID, |w| {
        w.bytes(unknown, &[]);
    });
    let challenge = client.exchange(&mut relay, &anonymous).expect("a request");
    assert_eq!(challenge.error(), Some(401));
    let response = client.request(&mut relay, Method::ALLOCATE, |w| {
        allocate_udp(w);
        w.bytes(unknown, &[]);
    });
    assert_eq!(response.error(), Some(420));
    assert_eq!(response.unknown_attributes(), [unknown]);
    assert!(response.is_signed(&client.key));
    assert_eq!(relay.server.allocations(), 0);
}

#[test]
fn c011_an_indication_with_an_unknown_required_attribute_is_dropped() {
    let (mut relay, mut client, _) = allocated();
    client.permit(&mut relay, &[peer(1)]);
    for (unknown, relayed) in [(0x7001, 0), (0xC001, 1)] {
        let id = client.transaction();
        let bytes = build(Class::Indication, Method::SEND, id, |w| {
            w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1))
                .bytes(AttributeType::DATA, b"data")
                .bytes(AttributeType(unknown), &[]);
        });
        relay.client_sends(client.tuple, &bytes);
        assert_eq!(relay.take_relayed().len(), relayed, "{unknown:#x}");
    }
}

#[test]
fn c012_an_unknown_optional_attribute_is_ignored() {
    let mut relay = Relay::default();
    let bytes = build(Class::Request, Method::BINDING, ID, |w| {
        w.bytes(AttributeType(0x8000 | 0x7001), b"whatever");
    });
    assert!(Client::ann(1).exchange(&mut relay, &bytes).expect("a request").is_success());
}

#[test]
fn c013_what_follows_the_integrity_is_ignored() {
    let (mut relay, mut client, _) = allocated();
    let id = client.transaction();
    // Unprotected, and it would end the allocation.
    let bytes = build(Class::Request, Method::REFRESH, id, |w| {
        w.text(AttributeType::USERNAME, &client.username)
            .text(AttributeType::REALM, &client.realm)
            .bytes(AttributeType::NONCE, &client.nonce)
            .integrity(client.key.as_ref())
            .u32(AttributeType::LIFETIME, 0)
            .bytes(AttributeType(0x7001), &[]);
    });
    let response = client.exchange(&mut relay, &bytes).expect("a request");
    assert_eq!((response.error(), response.lifetime()), (None, Some(600)));
    assert_eq!(relay.server.allocations(), 1);
}

#[test]
fn c014_a_wrong_fingerprint_is_dropped_and_a_right_one_is_answered_with_one() {
    let good = build(Class::Request, Method::BINDING, ID, |w| {
        w.fingerprint();
    });
    let mut relay = Relay::default();
    let response = Client::ann(1).exchange(&mut relay, &good).expect("a request");
    assert!(response.has(AttributeType::FINGERPRINT));

    let mut bad = good.clone();
    bad[27] ^= 1;
    assert_eq!(dropped(&bad), Some(DropReason::Malformed));
    let not_last = build(Class::Request, Method::BINDING, ID, |w| {
        w.fingerprint().text(AttributeType::SOFTWARE, "late");
    });
    assert_eq!(dropped(&not_last), Some(DropReason::Malformed));
}

#[test]
fn c015_binding_tells_the_source_address() {
    let mut relay = Relay::default();
    let client = Client::ann(1);
    let response = client.exchange(&mut relay, &binding()).expect("a request");
    assert!(response.is_success());
    let mapped = response.xor_address(AttributeType::XOR_MAPPED_ADDRESS);
    assert_eq!(mapped, Some(client.tuple.client));
    assert_eq!(relay.events, [Event::BindingAnswered]);
}

#[test]
fn c016_an_ipv6_source_is_masked_with_cookie_and_transaction() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.tuple.client = addr("[2001:db8:2::1]:40000");
    client.tuple.server = (SERVER_V6, PORT).into();
    let response = client.exchange(&mut relay, &binding()).expect("a request");
    let value = response.get(AttributeType::XOR_MAPPED_ADDRESS).expect("an address");
    let mask = [&0x2112_A442_u32.to_be_bytes()[..], &ID.0[..]].concat();
    let ip: Vec<u8> = value[4..].iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect();
    assert_eq!(ip, [0x20, 1, 0x0d, 0xb8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(decode::xor_address(value, ID), Some(client.tuple.client));
}

#[test]
fn c017_an_answer_leaves_from_where_the_request_arrived() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.tuple.server = addr("203.0.113.77:443");
    relay.client_sends(client.tuple, &binding());
    assert_eq!(relay.recipients().collect::<Vec<_>>(), [&client.tuple]);
}

#[test]
fn c018_the_transaction_id_is_echoed() {
    let mut relay = Relay::default();
    let client = Client::ann(1);
    for method in [Method::BINDING, Method::ALLOCATE, Method::REFRESH] {
        let bytes = build(Class::Request, method, ID, |_| {});
        let response = client.exchange(&mut relay, &bytes).expect("a request");
        assert_eq!(response.message().transaction_id(), ID);
        assert_eq!(response.message().method(), method);
    }
}

#[test]
fn c019_a_retransmitted_request_gets_an_equivalent_response() {
    let (mut relay, mut client, _) = allocated();
    let peer_address = |w: &mut hairpin_stun::Writer<'_>| {
        w.channel_number(0x4000).xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1));
    };
    for method in [Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
        let id = client.transaction();
        let bytes = client.signed(method, id, peer_address);
        let first: Option<Response> = client.exchange(&mut relay, &bytes);
        assert!(first.as_ref().is_some_and(Response::is_success));
        assert_eq!(client.exchange(&mut relay, &bytes), first, "{method:?}");
    }
}

#[test]
fn c020_a_binding_indication_is_met_with_silence() {
    assert_eq!(dropped(&build(Class::Indication, Method::BINDING, ID, |_| {})), None);
}

#[test]
fn c021_error_codes_have_a_class_a_number_and_a_short_reason() {
    let (mut relay, mut client, _) = allocated();
    let response = client.request(&mut relay, Method::CREATE_PERMISSION, |_| {});
    let value = response.get(AttributeType::ERROR_CODE).expect("an error");
    assert_eq!(value[..4], [0, 0, 4, 0]);
    assert_eq!(decode::error_code(value), Some((400, "Bad Request")));
}

#[test]
fn c022_realm_and_nonce_are_short() {
    let mut relay = Relay::default();
    let bytes = build(Class::Request, Method::ALLOCATE, ID, |_| {});
    let response = Client::ann(1).exchange(&mut relay, &bytes).expect("a request");
    for kind in [AttributeType::REALM, AttributeType::NONCE] {
        let value = response.get(kind).expect("a challenge has both");
        assert!(decode::short_text(value).is_some_and(|text| !text.is_empty()));
    }
}

#[test]
fn c023_an_overlong_username_is_400_or_401() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut relay);
    client.username = "u".repeat(510);
    let response = client.request(&mut relay, Method::ALLOCATE, allocate_udp);
    assert!(matches!(response.error(), Some(400 | 401)));
}

#[test]
fn c026_binding_needs_no_authentication_and_looks_at_none() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.username = "stranger".into();
    let bytes = client.signed(Method::BINDING, ID, |_| {});
    let response = client.exchange(&mut relay, &bytes).expect("a request");
    assert!(response.is_success());
    assert!(!response.message().has_integrity());
}
