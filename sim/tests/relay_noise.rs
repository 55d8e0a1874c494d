//! Whatever arrives from wherever, the relay does not panic, answers nobody who has not asked, and
//! sends peers nothing that a client with a permission has not sent.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

use hairpin_sim::client::{Client, allocate_udp, build, channel_data};
use hairpin_sim::relay::Relay;
use hairpin_stun::{AttributeType, Class, Method, TransactionId, Writer};
use hairpin_turn::Transport;
use proptest::prelude::*;
use proptest::sample::Index;

const SOURCES: u8 = 4;
const PEER: ([u8; 4], u16) = ([198, 51, 100, 1], 7000);

#[derive(Clone, Debug)]
enum Op {
    /// Bytes of any kind, from a stranger or from a client's own address.
    Noise(u8, Transport, Vec<u8>),
    /// A well-formed message of any method with attributes of any content, signed or not.
    Odd {
        source: u8,
        class: u8,
        method: u16,
        attributes: Vec<(u16, Vec<u8>)>,
        signed: bool,
    },
    /// A valid request or packet of which some bytes are changed and the end is cut off.
    Bent {
        source: u8,
        which: u8,
        flips: Vec<(Index, u8)>,
        cut: Option<Index>,
    },
    /// Bytes from a peer.
    Peer(u8, Vec<u8>),
    Advance(u16),
}

fn op() -> impl Strategy<Value = Op> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    let transport = prop_oneof![Just(Transport::Udp), Just(Transport::Tcp)];
    let source = 0..SOURCES;
    let kind = prop_oneof![0..0x30_u16, 0x8000..0x8030_u16, any::<u16>()];
    let attributes = prop::collection::vec((kind, prop::collection::vec(any::<u8>(), 0..20)), 0..6);
    let flips = prop::collection::vec((any::<Index>(), any::<u8>()), 0..4);
    let cut = prop::option::of(any::<Index>());
    prop_oneof![
        2 => (source.clone(), transport, bytes()).prop_map(|(s, t, b)| Op::Noise(s, t, b)),
        3 => (source.clone(), 0..4_u8, 0..16_u16, attributes, any::<bool>()).prop_map(
            |(source, class, method, attributes, signed)| {
                Op::Odd { source, class, method, attributes, signed }
            }
        ),
        4 => (source, 0..6_u8, flips, cut).prop_map(|(source, which, flips, cut)| {
            Op::Bent { source, which, flips, cut }
        }),
        1 => (any::<u8>(), bytes()).prop_map(|(host, bytes)| Op::Peer(host, bytes)),
        1 => any::<u16>().prop_map(Op::Advance),
    ]
}

fn valid(client: &mut Client, which: u8) -> Vec<u8> {
    let id = client.transaction();
    let peer = |w: &mut Writer<'_>| {
        w.channel_number(0x4000).xor_address(AttributeType::XOR_PEER_ADDRESS, PEER.into());
    };
    match which {
        0 => client.signed(Method::ALLOCATE, id, allocate_udp),
        1 => client.signed(Method::REFRESH, id, |_| {}),
        2 => client.signed(Method::CREATE_PERMISSION, id, peer),
        3 => client.signed(Method::CHANNEL_BIND, id, peer),
        4 => channel_data(0x4000, b"data"),
        _ => build(Class::Indication, Method::SEND, id, |w| {
            peer(w);
            w.bytes(AttributeType::DATA, b"data");
        }),
    }
}

fn odd(
    client: &Client,
    class: u8,
    method: u16,
    attributes: &[(u16, Vec<u8>)],
    signed: bool,
) -> Vec<u8> {
    let id = TransactionId([class; 12]);
    let class = match class {
        0 => Class::Request,
        1 => Class::Indication,
        2 => Class::Success,
        _ => Class::Error,
    };
    let body = |w: &mut Writer<'_>| {
        for (kind, value) in attributes {
            w.bytes(AttributeType(*kind), value);
        }
    };
    if signed {
        client.signed(Method(method), id, body)
    } else {
        build(class, Method(method), id, body)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn noise_is_survived_and_leads_nowhere(ops in prop::collection::vec(op(), 1..150)) {
        let mut relay = Relay::default();
        let mut clients: Vec<Client> = (0..SOURCES).map(Client::ann).collect();
        for client in &mut clients {
            client.ensure_nonce(&mut relay);
        }
        let mut known: HashSet<_> = clients.iter().map(|client| client.tuple).collect();
        for op in ops {
            match op {
                Op::Noise(source, transport, bytes) => {
                    let mut tuple = clients[usize::from(source)].tuple;
                    tuple.transport = transport;
                    known.insert(tuple);
                    relay.client_sends(tuple, &bytes);
                }
                Op::Odd { source, class, method, attributes, signed } => {
                    let client = &clients[usize::from(source)];
                    let bytes = odd(client, class, method, &attributes, signed);
                    relay.client_sends(client.tuple, &bytes);
                }
                Op::Bent { source, which, flips, cut } => {
                    let client = &mut clients[usize::from(source)];
                    let mut bytes = valid(client, which);
                    for (at, bits) in flips {
                        *at.get_mut(&mut bytes) ^= bits;
                    }
                    bytes.truncate(cut.map_or(bytes.len(), |cut| cut.index(bytes.len())));
                    relay.client_sends(client.tuple, &bytes);
                }
                Op::Peer(host, bytes) => {
                    let relayed: Vec<_> = relay.sockets.addresses().collect();
                    for relayed in relayed {
                        relay.peer_sends(([198, 51, 100, host % 4], 7000).into(), relayed, &bytes);
                    }
                }
                Op::Advance(seconds) => relay.advance_secs(seconds.into()),
            }
            prop_assert!(relay.recipients().all(|to| known.contains(to)));
            prop_assert!(relay.to_peers.iter().all(|sent| is_public(sent.to.0)));
            prop_assert_eq!(relay.server.allocations(), relay.sockets.len());
            relay.forget();
        }
    }
}

/// Odd messages may open permissions of their own making, though only ones the policy has.
fn is_public(peer: SocketAddr) -> bool {
    let IpAddr::V4(ip) = peer.ip() else { return false };
    !ip.is_private() && !ip.is_loopback() && !ip.is_link_local() && !ip.is_multicast()
}
