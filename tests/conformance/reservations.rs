//! RFC 8656 s7.2, s18.7, s18.10: even ports, and the next one held for later.

use hairpin_sim::client::{Client, Response, allocate_udp};
use hairpin_sim::relay::Relay;
use hairpin_sim::{Allocate, EvenPort, Request};
use hairpin_stun::{AttributeType, Method, Writer};
use hairpin_turn::{BindError, ReservationToken, Transport};

use super::{peer, peer_reaches};

const PAIR: Request = Request::Allocate(Allocate {
    transport: None,
    even_port: Some(EvenPort::WithNext),
    family: None,
    lifetime: None,
    both_families: false,
    reservation: None,
});

fn claim(token: ReservationToken) -> Request {
    Request::Allocate(Allocate { reservation: Some(token), ..Allocate::default() })
}

fn token(response: &Response) -> ReservationToken {
    let value = response.get(AttributeType::RESERVATION_TOKEN).expect("a token");
    ReservationToken(value.try_into().expect("of 8 bytes"))
}

#[test]
fn c082_even_port_without_reservation_is_an_even_port() {
    let mut relay = Relay::default();
    for host in 1..=4 {
        let response = Client::ann(host).request(&mut relay, Method::ALLOCATE, |w| {
            allocate_udp(w);
            w.bytes(AttributeType::EVEN_PORT, &[0x7F]);
        });
        assert_eq!(response.relayed().0.port() % 2, 0, "reserved bits are ignored");
    }
    assert_eq!(relay.sockets.len(), 4, "no sibling is held");
}

#[test]
fn c070_c071_c072_a_token_goes_with_nothing_else_that_says_which_address() {
    for (kind, value) in [
        (AttributeType::EVEN_PORT, &[0][..]),
        (AttributeType::EVEN_PORT, &[0x80]),
        (AttributeType::REQUESTED_ADDRESS_FAMILY, &[1, 0, 0, 0]),
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]),
    ] {
        let mut relay = Relay::default();
        let first = Client::ann(1).ask(&mut relay, &PAIR);
        let response = Client::ann(2).request(&mut relay, Method::ALLOCATE, |w| {
            allocate_udp(w);
            w.bytes(kind, value).bytes(AttributeType::RESERVATION_TOKEN, &token(&first).0);
        });
        assert_eq!(response.error(), Some(400), "{kind:?}");
        assert!(Client::ann(2).ask(&mut relay, &claim(token(&first))).is_success(), "it is kept");
    }
}

#[test]
fn c073_an_unknown_or_expired_token_is_508() {
    let mut relay = Relay::default();
    let unknown = claim(ReservationToken(*b"nobody's"));
    assert_eq!(Client::ann(1).ask(&mut relay, &unknown).error(), Some(508));
    let first = Client::ann(1).ask(&mut relay, &PAIR);
    relay.advance_secs(30);
    assert_eq!(relay.sockets.reserved(), 1);
    relay.advance_secs(30);
    assert_eq!(Client::ann(2).ask(&mut relay, &claim(token(&first))).error(), Some(508));
    assert_eq!(relay.sockets.reserved(), 0);
}

#[test]
fn c074_another_tuple_or_transport_has_the_next_port_by_the_token() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut relay = Relay::default();
        let first = Client::ann(1).ask(&mut relay, &PAIR);
        let mut second = Client::new(2, transport, "ann", "ann's password");
        let relayed = second.ask(&mut relay, &claim(token(&first))).relayed();
        assert_eq!(relayed.0.port(), first.relayed().0.port() + 1);
        second.permit(&mut relay, &[peer(1)]);
        assert!(peer_reaches(&mut relay, &second, relayed, peer(1)));
    }
}

#[test]
fn c074_a_token_is_of_no_use_to_another_user() {
    let mut relay = Relay::default();
    let first = Client::ann(1).ask(&mut relay, &PAIR);
    assert_eq!(Client::bob(2).ask(&mut relay, &claim(token(&first))).error(), Some(508));
    assert!(Client::ann(2).ask(&mut relay, &claim(token(&first))).is_success());
}

#[test]
fn c075_a_token_works_once() {
    let mut relay = Relay::default();
    let first = Client::ann(1).ask(&mut relay, &PAIR);
    assert!(Client::ann(2).ask(&mut relay, &claim(token(&first))).is_success());
    assert_eq!(Client::ann(3).ask(&mut relay, &claim(token(&first))).error(), Some(508));
}

#[test]
fn c081_two_addresses_have_no_next_port() {
    let response = Client::ann(1).request(&mut Relay::default(), Method::ALLOCATE, |w| {
        allocate_udp(w);
        w.bytes(AttributeType::EVEN_PORT, &[0x80])
            .address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, 2);
    });
    assert_eq!(response.error(), Some(400));
}

#[test]
fn c083_a_pair_is_even_and_its_next_port_nobody_elses() {
    let mut relay = Relay::default();
    let mut ann = Client::ann(1);
    ann.ensure_nonce(&mut relay);
    let id = ann.transaction();
    let bytes = ann.signed(Method::ALLOCATE, id, |w| PAIR.write(w));
    let first = ann.exchange(&mut relay, &bytes).expect("a request");
    assert!(first.relayed().0.port().is_multiple_of(2));
    assert_eq!(ann.exchange(&mut relay, &bytes), Some(first.clone()), "the same to a repetition");
    assert_eq!(relay.sockets.reserved(), 1);
    let next = Client::ann(2).allocate(&mut relay);
    assert_eq!(next.0.port(), first.relayed().0.port() + 2);
}

#[test]
fn c084_what_cannot_be_met_is_508() {
    let mut relay = Relay::default();
    relay.bind_error = Some(BindError::Capacity);
    assert_eq!(Client::ann(1).ask(&mut relay, &PAIR).error(), Some(508));
    let malformed = |kind: AttributeType, value: &'static [u8]| {
        move |w: &mut Writer<'_>| {
            allocate_udp(w);
            w.bytes(kind, value);
        }
    };
    for (kind, value) in [
        (AttributeType::EVEN_PORT, &[0, 0][..]),
        (AttributeType::RESERVATION_TOKEN, b"short"),
        (AttributeType::RESERVATION_TOKEN, b"far too long"),
    ] {
        let response = Client::ann(1).request(&mut relay, Method::ALLOCATE, malformed(kind, value));
        assert_eq!(response.error(), Some(400), "{kind:?}");
    }
}
