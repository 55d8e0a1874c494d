//! The relay against a model that is too simple to be wrong: whatever clients and peers do, and
//! whatever time passes, both agree on every answer and on every packet.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};

use hairpin_sim::client::{Client, Received, allocate_udp};
use hairpin_sim::relay::{Relay, config};
use hairpin_stun::Method;
use hairpin_turn::RelayedAddr;
use proptest::prelude::*;

const CLIENTS: usize = 3;
const CHANNELS: [u16; 5] = [0x4000, 0x4001, 0x4002, 0x4003, 0x4FFF];

#[derive(Clone, Debug)]
enum Op {
    Allocate(usize),
    Refresh(usize, u32),
    Permit(usize, Vec<Place>),
    Bind(usize, usize, Place),
    Send(usize, Place),
    SendChannel(usize, usize),
    PeerSends(usize, Place),
    Advance(u64),
}

/// A peer, or the relayed address of a client.
#[derive(Clone, Debug)]
enum Place {
    Peer(u8, u16),
    Client(usize),
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        4 => (1..11_u8, 7000..7002_u16).prop_map(|(host, port)| Place::Peer(host, port)),
        1 => (0..CLIENTS).prop_map(Place::Client),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let client = 0..CLIENTS;
    let channel = 0..CHANNELS.len();
    let lifetime = prop_oneof![Just(0), Just(600), Just(1000)];
    prop_oneof![
        2 => client.clone().prop_map(Op::Allocate),
        1 => (client.clone(), lifetime).prop_map(|(client, seconds)| Op::Refresh(client, seconds)),
        3 => (client.clone(), prop::collection::vec(place(), 1..4))
            .prop_map(|(client, peers)| Op::Permit(client, peers)),
        3 => (client.clone(), channel.clone(), place())
            .prop_map(|(client, channel, peer)| Op::Bind(client, channel, peer)),
        4 => (client.clone(), place()).prop_map(|(client, peer)| Op::Send(client, peer)),
        4 => (client.clone(), channel).prop_map(|(client, channel)| Op::SendChannel(client, channel)),
        4 => (client, place()).prop_map(|(client, peer)| Op::PeerSends(client, peer)),
        2 => prop_oneof![1..10_u64, 100..301_u64].prop_map(Op::Advance),
    ]
}

/// One client's allocation, in whole seconds.
struct Allocation {
    relayed: RelayedAddr,
    expires: u64,
    permissions: HashMap<Ipv4Addr, u64>,
    channels: HashMap<u16, (SocketAddr, u64)>,
}

#[derive(Default)]
struct Model {
    now: u64,
    allocations: [Option<Allocation>; CLIENTS],
    /// Where a client was relayed last; a place to send to even when it is no more.
    last: [Option<RelayedAddr>; CLIENTS],
}

impl Model {
    fn resolve(&self, place: &Place) -> SocketAddr {
        match place {
            Place::Peer(host, port) => (Ipv4Addr::new(198, 51, 100, *host), *port).into(),
            Place::Client(client) => {
                self.last[*client].map_or(([203, 0, 113, 1], 50_999).into(), |relayed| relayed.0)
            }
        }
    }

    fn advance(&mut self, seconds: u64) {
        self.now += seconds;
        let now = self.now;
        for slot in &mut self.allocations {
            if slot.as_ref().is_some_and(|allocation| allocation.expires <= now) {
                *slot = None;
            }
            if let Some(allocation) = slot {
                allocation.permissions.retain(|_, expires| *expires > now);
                allocation.channels.retain(|_, (_, expires)| *expires > now);
            }
        }
    }

    fn permit(&mut self, client: usize, peers: &[SocketAddr]) -> Option<u16> {
        let now = self.now;
        let Some(allocation) = &mut self.allocations[client] else { return Some(437) };
        let mut permissions = allocation.permissions.clone();
        permissions.extend(peers.iter().map(|peer| (ip(*peer), now + 300)));
        if permissions.len() > config().rules.max_permissions {
            return Some(508);
        }
        allocation.permissions = permissions;
        None
    }

    fn bind(&mut self, client: usize, number: u16, peer: SocketAddr) -> Option<u16> {
        let now = self.now;
        let Some(allocation) = &mut self.allocations[client] else { return Some(437) };
        let same = allocation.channels.get(&number).is_some_and(|(bound, _)| *bound == peer);
        let taken = allocation.channels.contains_key(&number)
            || allocation.channels.values().any(|(bound, _)| *bound == peer);
        if taken && !same {
            return Some(400);
        }
        if !same && allocation.channels.len() == config().rules.max_channels {
            return Some(508);
        }
        let error = self.permit(client, &[peer]);
        if let (None, Some(allocation)) = (error, &mut self.allocations[client]) {
            allocation.channels.insert(number, (peer, now + 600));
        }
        error
    }

    /// Whether a client may exchange packets with a peer.
    fn permits(&self, client: usize, peer: SocketAddr) -> bool {
        let allocation = self.allocations[client].as_ref();
        allocation.is_some_and(|allocation| allocation.permissions.contains_key(&ip(peer)))
    }

    fn owner(&self, relayed: SocketAddr) -> Option<usize> {
        let owns =
            |slot: &Option<Allocation>| slot.as_ref().is_some_and(|a| a.relayed.0 == relayed);
        self.allocations.iter().position(owns)
    }

    /// What a client receives when a peer sends data to it.
    fn receives(&self, client: usize, peer: SocketAddr, data: &[u8]) -> Option<Received> {
        if !self.permits(client, peer) {
            return None;
        }
        let mut channels = self.allocations[client].iter().flat_map(|a| &a.channels);
        let channel = channels.find(|(_, (bound, _))| *bound == peer).map(|(number, _)| *number);
        Some(channel.map_or(Received::data(peer, data), |number| Received::channel(number, data)))
    }
}

fn ip(addr: SocketAddr) -> Ipv4Addr {
    match addr {
        SocketAddr::V4(addr) => *addr.ip(),
        SocketAddr::V6(_) => panic!("the model speaks IPv4"),
    }
}

/// The two side by side.
struct Pair {
    relay: Relay,
    model: Model,
    clients: [Client; CLIENTS],
}

impl Pair {
    fn new() -> Self {
        let clients = [Client::ann(1), Client::ann(2), Client::bob(3)];
        Self { relay: Relay::default(), model: Model::default(), clients }
    }

    fn step(&mut self, op: &Op) {
        let Self { relay, model, clients } = self;
        match op {
            Op::Allocate(client) => {
                let response = clients[*client].request(relay, Method::ALLOCATE, allocate_udp);
                let expected = model.allocations[*client].as_ref().map(|_| 437);
                assert_eq!(response.error(), expected);
                if expected.is_none() {
                    let relayed = response.relayed();
                    let (permissions, channels) = Default::default();
                    let expires = model.now + 600;
                    let allocation = Allocation { relayed, expires, permissions, channels };
                    model.allocations[*client] = Some(allocation);
                    model.last[*client] = Some(relayed);
                }
            }
            Op::Refresh(client, seconds) => {
                let response = clients[*client].refresh(relay, *seconds);
                match &mut model.allocations[*client] {
                    None => assert_eq!(response.error(), Some(437)),
                    slot if *seconds == 0 => {
                        assert!(response.is_success());
                        *slot = None;
                    }
                    Some(allocation) => {
                        assert_eq!(response.lifetime(), Some(*seconds));
                        allocation.expires = model.now + u64::from(*seconds);
                    }
                }
            }
            Op::Permit(client, places) => {
                let peers: Vec<_> = places.iter().map(|place| model.resolve(place)).collect();
                let response = clients[*client].permit(relay, &peers);
                assert_eq!(response.error(), model.permit(*client, &peers));
            }
            Op::Bind(client, channel, place) => {
                let (number, peer) = (CHANNELS[*channel], model.resolve(place));
                let response = clients[*client].bind_channel(relay, number, peer);
                assert_eq!(response.error(), model.bind(*client, number, peer));
            }
            Op::Send(client, place) => {
                let peer = model.resolve(place);
                clients[*client].send(relay, peer, b"sent");
                self.expect_sent(*client, Some(peer), b"sent");
            }
            Op::SendChannel(client, channel) => {
                let number = CHANNELS[*channel];
                clients[*client].send_channel(relay, number, b"channel");
                let allocation = model.allocations[*client].as_ref();
                let peer = allocation.and_then(|a| a.channels.get(&number)).map(|(peer, _)| *peer);
                self.expect_sent(*client, peer, b"channel");
            }
            Op::PeerSends(client, place) => {
                let peer = model.resolve(place);
                if let Some(relayed) = model.last[*client] {
                    relay.peer_sends(peer, relayed, b"peer");
                    let expected = model.receives(*client, peer, b"peer");
                    assert_eq!(clients[*client].receive(relay), expected);
                }
            }
            Op::Advance(seconds) => {
                relay.advance_secs(*seconds);
                // A nonce is good for an hour; these steps may take longer.
                clients.iter_mut().for_each(|client| client.nonce.clear());
                model.advance(*seconds);
            }
        }
        self.expect_quiet();
    }

    /// Checks where data of a client that is meant for a peer has gone.
    fn expect_sent(&mut self, client: usize, peer: Option<SocketAddr>, data: &[u8]) {
        let Self { relay, model, clients } = self;
        let Some(peer) = peer.filter(|peer| model.permits(client, *peer)) else { return };
        let from = model.allocations[client].as_ref().expect("it permits").relayed;
        if let Some(owner) = model.owner(peer) {
            let expected = model.receives(owner, from.0, data);
            assert_eq!(clients[owner].receive(relay), expected, "a hairpin");
        } else if peer.ip() == from.0.ip() {
            assert_eq!(relay.astray.pop().map(|packet| packet.to.0), Some(peer));
        } else {
            let sent = relay.to_peers.pop().expect("a permitted packet is relayed");
            assert_eq!((sent.from, sent.to.0, sent.payload.as_slice()), (from, peer, data));
        }
    }

    /// Nothing is sent but what was expected, and sockets are open for allocations alone.
    fn expect_quiet(&mut self) {
        let Self { relay, model, .. } = self;
        assert_eq!(relay.recipients().next(), None);
        assert!(relay.to_peers.is_empty() && relay.astray.is_empty());
        let live = model.allocations.iter().flatten().count();
        assert_eq!((relay.server.allocations(), relay.sockets.len()), (live, live));
        assert_eq!(relay.ledger.total(), live);
        relay.events.clear();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_relay_does_what_the_model_does(ops in prop::collection::vec(op(), 1..200)) {
        let mut pair = Pair::new();
        for op in &ops {
            pair.step(op);
        }
    }
}
