//! Who hears what a relay tells of its paths knows what it passes on: at every moment, between a
//! path's end and the timer that takes it away as well.

use std::net::SocketAddr;
use std::time::Duration;

use hairpin_sim::client::{Client, allocate_udp};
use hairpin_sim::relay::{Config, Relay, config};
use hairpin_stun::Method;
use hairpin_turn::{RelayedAddr, Transport};
use proptest::prelude::*;

const CLIENTS: usize = 3;
const CHANNELS: [u16; 3] = [0x4000, 0x4001, 0x4FFF];

#[derive(Clone, Debug)]
enum Op {
    Allocate(usize),
    Refresh(usize, u32),
    Permit(usize, Vec<usize>),
    Bind(usize, usize, usize),
    Disconnect(usize),
    /// Time passes, and timers run.
    Advance(u64),
    /// Time passes, and nobody looks at the clock.
    Sleep(u64),
    /// The timer runs, late.
    Timeout,
}

fn op() -> impl Strategy<Value = Op> {
    let (client, place) = (0..CLIENTS, 0..6_usize);
    let lifetime = prop_oneof![Just(0), 600..1200_u32];
    let time = || prop_oneof![1..10_u64, 50..301_u64];
    prop_oneof![
        3 => client.clone().prop_map(Op::Allocate),
        3 => (client.clone(), lifetime).prop_map(|(client, seconds)| Op::Refresh(client, seconds)),
        4 => (client.clone(), prop::collection::vec(place.clone(), 1..4))
            .prop_map(|(client, places)| Op::Permit(client, places)),
        4 => (client.clone(), 0..CHANNELS.len(), place)
            .prop_map(|(client, channel, place)| Op::Bind(client, channel, place)),
        1 => client.prop_map(Op::Disconnect),
        2 => time().prop_map(Op::Advance),
        3 => time().prop_map(Op::Sleep),
        1 => Just(Op::Timeout),
    ]
}

/// The relay checks every packet by what it was told; see [`hairpin_sim::relay::Follower`].
struct World {
    relay: Relay,
    clients: Vec<Client>,
    /// Where each client was relayed last.
    relayed: Vec<RelayedAddr>,
}

impl World {
    fn new(config: Config) -> Self {
        let ann = ("ann", "ann's password");
        let transports = [Transport::Udp, Transport::Tcp, Transport::Udp];
        let client = |(host, transport)| Client::new(host, transport, ann.0, ann.1);
        let clients = (1..).zip(transports).map(client).collect();
        let nowhere = RelayedAddr(([203, 0, 113, 1], 50_999).into());
        Self { relay: Relay::new(config), clients, relayed: vec![nowhere; CLIENTS] }
    }

    fn run(&mut self, op: &Op) {
        let Self { relay, clients, relayed } = self;
        match op {
            Op::Allocate(client) => {
                let response = clients[*client].request(relay, Method::ALLOCATE, allocate_udp);
                if response.is_success() {
                    relayed[*client] = response.relayed();
                }
            }
            Op::Refresh(client, seconds) => _ = clients[*client].refresh(relay, *seconds),
            Op::Permit(client, places) => {
                let peers: Vec<_> = places.iter().map(|place| place_of(relayed, *place)).collect();
                clients[*client].permit(relay, &peers);
            }
            Op::Bind(client, channel, place) => {
                let peer = place_of(relayed, *place);
                clients[*client].bind_channel(relay, CHANNELS[*channel], peer);
            }
            Op::Disconnect(client) => relay.disconnect(&clients[*client].tuple),
            Op::Advance(seconds) => relay.advance_secs(*seconds),
            Op::Sleep(seconds) => relay.sleep_secs(*seconds),
            Op::Timeout => relay.handle_timeout(),
        }
        // A nonce is good for an hour, which may pass here.
        clients.iter_mut().for_each(|client| client.nonce.clear());
    }

    /// Every client sends to everybody in every way, and is sent to.
    fn probe(&mut self) {
        let Self { relay, clients, relayed } = self;
        for (client, at) in clients.iter_mut().zip(&*relayed) {
            for number in CHANNELS {
                client.send_channel(relay, number, b"probe");
            }
            for peer in (0..6).map(|place| place_of(relayed, place)) {
                client.send(relay, peer, b"probe");
                relay.peer_sends(peer, *at, b"probe");
            }
        }
        relay.forget();
    }
}

/// Three peers, two of them on one host, or a client's relayed address.
fn place_of(relayed: &[RelayedAddr], place: usize) -> SocketAddr {
    match place {
        0 => ([198, 51, 100, 1], 7000).into(),
        1 => ([198, 51, 100, 1], 7001).into(),
        2 => ([198, 51, 100, 2], 7000).into(),
        client => relayed[client - 3].0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_hears_of_paths_knows_what_is_passed_on(
        ops in prop::collection::vec(op(), 1..60),
        short in any::<bool>(),
    ) {
        let mut config = config();
        if short {
            // Shorter than a permission: here a Refresh can bring the end of a path nearer.
            config.rules.max_lifetime = Duration::from_secs(200);
        }
        let mut world = World::new(config);
        for op in &ops {
            world.run(op);
            world.probe();
        }
    }
}
