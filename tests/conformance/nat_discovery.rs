//! RFC 5780: how a NAT behaves.

use std::net::SocketAddr;
use std::num::NonZeroU32;

use hairpin_sim::client::{Response, build};
use hairpin_sim::relay::{Config, Relay, config};
use hairpin_stun::{AttributeType, Class, Method, TransactionId, Writer, decode};
use hairpin_turn::{DropReason, Event, FiveTuple, NatDiscovery, Rules, Transport};

use super::addr;

const ID: TransactionId = TransactionId(*b"transaction!");
const CLIENT: &str = "192.0.2.1:5000";
const HERE: &str = "203.0.113.1:3478";

/// A server with two addresses of each family.
fn discovery() -> Config {
    let mut config = config();
    let ips = ["203.0.113.1", "203.0.113.2", "[2001:db8::1]", "[2001:db8::2]"];
    let listeners = ["3478", "3479"].iter().flat_map(|port| ips.map(|ip| format!("{ip}:{port}")));
    let listeners: Vec<SocketAddr> = listeners.map(|listener| addr(&listener)).collect();
    let discovery = NatDiscovery::of_listeners(&listeners, |ip| ip);
    config.rules.nat_discovery = discovery.expect("there are two of each");
    config
}

fn discovering() -> Relay {
    Relay::new(discovery())
}

fn tuple(client: &str, server: &str) -> FiveTuple {
    FiveTuple { transport: Transport::Udp, client: addr(client), server: addr(server) }
}

/// Who is answered, and what, and how long the request was.
fn ask(
    relay: &mut Relay,
    tuple: FiveTuple,
    attributes: impl FnOnce(&mut Writer<'_>),
) -> (FiveTuple, Response, usize) {
    let request = build(Class::Request, Method::BINDING, ID, attributes);
    relay.client_sends(tuple, &request);
    let delivered = relay.take_delivered().next().expect("a Binding request is answered");
    (delivered.tuple, Response(delivered.bytes), request.len())
}

fn address(response: &Response, kind: AttributeType) -> Option<SocketAddr> {
    response.get(kind).and_then(decode::address)
}

const CHANGE: AttributeType = AttributeType::CHANGE_REQUEST;

#[test]
fn c176_without_discovery_nothing_can_be_changed() {
    let mut relay = Relay::default();
    let here = tuple(CLIENT, HERE);
    let (to, response, _) = ask(&mut relay, here, |w| _ = w.u32(CHANGE, 0));
    assert!(response.is_success());
    assert_eq!(to, here);
    assert!(!response.has(AttributeType::OTHER_ADDRESS));
    for flags in [2, 4, 6, 8] {
        let (_, response, _) = ask(&mut relay, here, |w| _ = w.u32(CHANGE, flags));
        assert_eq!(response.error(), Some(420));
        assert_eq!(response.unknown_attributes(), [CHANGE]);
    }
    // Nor does "nothing" hide what else is not understood.
    let (_, response, _) = ask(&mut relay, here, |w| {
        w.u32(CHANGE, 0).u32(AttributeType(0x7001), 0);
    });
    assert!(response.unknown_attributes().contains(&AttributeType(0x7001)));
}

/// A stream is answered where it is, and so is who has met no listener that has another beside it.
#[test]
fn c176_streams_and_single_listeners_have_no_discovery() {
    let mut relay = discovering();
    let over = |transport| FiveTuple { transport, ..tuple(CLIENT, HERE) };
    let elsewhere = tuple(CLIENT, "203.0.113.1:5349");
    for tuple in [over(Transport::Tcp), over(Transport::Tls), over(Transport::Dtls), elsewhere] {
        let (_, response, _) = ask(&mut relay, tuple, |w| _ = w.u32(CHANGE, 6));
        assert_eq!(response.unknown_attributes(), [CHANGE], "{tuple:?}");
        let (_, response, _) = ask(&mut relay, tuple, |_| {});
        assert!(response.is_success() && !response.has(AttributeType::OTHER_ADDRESS));
    }
}

#[test]
fn c177_an_answer_tells_where_it_is_from_and_where_else_there_is() {
    for (client, here, other) in [
        (CLIENT, HERE, "203.0.113.2:3479"),
        (CLIENT, "203.0.113.2:3479", HERE),
        ("[2001:db8:2::1]:5000", "[2001:db8::1]:3479", "[2001:db8::2]:3478"),
    ] {
        let here = tuple(client, here);
        let (to, response, _) = ask(&mut discovering(), here, |_| {});
        assert_eq!(to, here);
        assert_eq!(response.xor_address(AttributeType::XOR_MAPPED_ADDRESS), Some(here.client));
        assert_eq!(address(&response, AttributeType::RESPONSE_ORIGIN), Some(here.server));
        assert_eq!(address(&response, AttributeType::OTHER_ADDRESS), Some(addr(other)));
    }
}

#[test]
fn c177_an_answer_comes_from_where_it_is_asked_for() {
    for (flags, origin) in [
        (0, HERE),
        (2, "203.0.113.1:3479"),
        (4, "203.0.113.2:3478"),
        (6, "203.0.113.2:3479"),
        // What is reserved means nothing.
        (0xFFFF_FFF9, HERE),
    ] {
        let (to, response, _) =
            ask(&mut discovering(), tuple(CLIENT, HERE), |w| _ = w.u32(CHANGE, flags));
        assert_eq!(to, tuple(CLIENT, origin), "{flags}");
        assert_eq!(address(&response, AttributeType::RESPONSE_ORIGIN), Some(addr(origin)));
        assert_eq!(
            address(&response, AttributeType::OTHER_ADDRESS),
            Some(addr("203.0.113.2:3479"))
        );
    }
    let (_, response, _) = ask(&mut discovering(), tuple(CLIENT, HERE), |w| {
        w.bytes(CHANGE, &[0, 0, 6]);
    });
    assert_eq!(response.error(), Some(400));
}

/// Behind a NAT of ours clients are told what they can reach.
#[test]
fn c177_addresses_are_told_as_clients_see_them() {
    let mut config = config();
    let listeners = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.1:2", "10.0.0.2:2"].map(addr);
    let seen = |ip| match ip == listeners[0].ip() {
        true => addr("203.0.113.1:0").ip(),
        false => addr("203.0.113.2:0").ip(),
    };
    config.rules.nat_discovery =
        NatDiscovery::of_listeners(&listeners, seen).expect("there are two");
    let here = tuple(CLIENT, "10.0.0.1:1");
    let (to, response, _) = ask(&mut Relay::new(config), here, |w| _ = w.u32(CHANGE, 4));
    assert_eq!(to.server, addr("10.0.0.2:1"));
    assert_eq!(address(&response, AttributeType::RESPONSE_ORIGIN), Some(addr("203.0.113.2:1")));
    assert_eq!(address(&response, AttributeType::OTHER_ADDRESS), Some(addr("203.0.113.2:2")));
}

#[test]
fn c178_an_answer_goes_to_the_port_that_is_asked_for() {
    let (to, response, _) = ask(&mut discovering(), tuple(CLIENT, HERE), |w| {
        w.bytes(AttributeType::RESPONSE_PORT, &[0x17, 0x70, 0, 0]).u32(CHANGE, 4);
    });
    assert_eq!(to, tuple("192.0.2.1:6000", "203.0.113.2:3478"));
    assert_eq!(response.xor_address(AttributeType::XOR_MAPPED_ADDRESS), Some(addr(CLIENT)));
    for value in [&[0, 0, 0, 0][..], &[0x17], &[]] {
        let (to, response, _) = ask(&mut discovering(), tuple(CLIENT, HERE), |w| {
            w.bytes(AttributeType::RESPONSE_PORT, value);
        });
        assert_eq!((to, response.error()), (tuple(CLIENT, HERE), Some(400)));
    }
}

#[test]
fn c178_response_port_with_padding_is_400() {
    let (to, response, _) = ask(&mut discovering(), tuple(CLIENT, HERE), |w| {
        w.bytes(AttributeType::RESPONSE_PORT, &[0x17, 0x70, 0, 0])
            .bytes(AttributeType::PADDING, &[0; 1500]);
    });
    assert_eq!((to, response.error()), (tuple(CLIENT, HERE), Some(400)));
}

/// A padded answer does not fit an Ethernet, and is never longer than what it answers, or than one without padding.
#[test]
fn c178_padding_makes_no_amplifier() {
    let mut relay = discovering();
    let here = tuple(CLIENT, HERE);
    let plain = ask(&mut relay, here, |_| {}).1.0.len();
    for len in (0..3000).step_by(7).chain([1500, 65_000]) {
        let (_, response, asked) = ask(&mut relay, here, |w| {
            w.bytes(AttributeType::PADDING, &vec![7; len]);
        });
        assert!(response.is_success() && response.has(AttributeType::PADDING), "{len}");
        // The header of PADDING is four bytes.
        assert!(response.0.len() <= asked.max(plain + 4), "{len}: {}", response.0.len());
        assert!(response.0.len() < 1600, "{len}: {}", response.0.len());
        if len >= 1600 {
            assert!(response.0.len() > 1500, "{len}: {}", response.0.len());
        }
    }
}

/// Strangers are answered no more often for where the answers come from or go to.
#[test]
fn c178_answers_from_elsewhere_count_against_the_limit() {
    let mut config = discovery();
    config.rules.unauthenticated_answers_per_second = NonZeroU32::new(10);
    let mut relay = Relay::new(config);
    for number in 0..100_u16 {
        let request = build(Class::Request, Method::BINDING, ID, |w| {
            w.u32(CHANGE, 2 * u32::from(number % 4));
            w.bytes(AttributeType::RESPONSE_PORT, &[0x17, number as u8, 0, 0]);
        });
        relay.client_sends(tuple(CLIENT, HERE), &request);
    }
    assert_eq!(relay.take_delivered().count(), 40);
    let limited = Event::Dropped(DropReason::AnswerLimit);
    assert_eq!(relay.events.iter().filter(|event| **event == limited).count(), 60);
}

#[test]
fn c178_discovery_is_off_by_default() {
    assert!(Rules::default().nat_discovery.ips().is_empty());
    for kind in [AttributeType::PADDING, AttributeType::RESPONSE_PORT] {
        let (_, response, _) = ask(&mut Relay::default(), tuple(CLIENT, HERE), |w| {
            w.bytes(kind, &[0x17, 0x70, 0, 0]);
        });
        assert_eq!(response.unknown_attributes(), [kind]);
    }
}

/// A 420 lists what is not understood, and that is none of these here.
#[test]
fn c177_with_discovery_its_attributes_are_understood() {
    let (_, response, _) = ask(&mut discovering(), tuple(CLIENT, HERE), |w| {
        w.u32(CHANGE, 6).u32(AttributeType(0x7001), 0).bytes(AttributeType::PADDING, &[]);
    });
    assert_eq!(response.unknown_attributes(), [AttributeType(0x7001)]);
}
