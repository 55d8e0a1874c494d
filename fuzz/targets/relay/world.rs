//! The world around the core, and what must hold in it after each step.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hairpin_stun::{AttributeType, Class, Message, Method, Writer, decode};
use hairpin_turn::{
    AllocationId, BindError, Credentials, Family, FiveTuple, Forward, Now, Output, OwnAddresses,
    OwnedPacket, PeerAddr, PeerPolicy, RelayedAddr, Rules, Server, Target,
};

use crate::input::{
    Binding, Client, LISTENER, Proof, REALM, RELAY_V4, RELAY_V6, Request, Step, channel, id, key,
    relayed,
};

/// How long a permission may last after the last request for it (RFC 8656 s9).
const PERMISSION: Duration = Duration::from_secs(300);

/// An answer to who has proved nothing is no longer than this, or than the request.
const SHORT: usize = 256;

pub(crate) struct World {
    server: Server,
    policy: PeerPolicy,
    now: Now,
    nonces: BTreeMap<Client, String>,
    binding: Binding,
    next_port: u8,
    /// Relay sockets, as the core asked for them.
    relays: BTreeMap<AllocationId, RelayedAddr>,
    /// When a client last asked to exchange packets with an address.
    asked: BTreeMap<(FiveTuple, IpAddr), Duration>,
}

impl World {
    pub(crate) fn new() -> Self {
        let policy = PeerPolicy::new(Vec::new(), Vec::new());
        let mut world = Self {
            server: Server::new(Arc::new(rules(policy.clone())), own_addresses(), 7),
            policy,
            now: Now { monotonic: Duration::from_secs(1), unix: 1_800_000_000 },
            nonces: BTreeMap::new(),
            binding: Binding::Works,
            next_port: 0,
            relays: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        Client::ALL.into_iter().for_each(|client| world.fetch_nonce(client));
        world
    }

    pub(crate) fn run(&mut self, step: Step) {
        match step {
            Step::Bytes { from, bytes } => self.from_client(from.tuple(), &bytes, false),
            Step::Request { client, request } => self.request(client, &request),
            Step::ChannelData { client, channel: number, payload } => {
                let mut bytes = channel(number).to_be_bytes().to_vec();
                bytes.extend((payload.len() as u16).to_be_bytes());
                bytes.extend(payload);
                self.from_client(client.tuple(), &bytes, true);
            }
            Step::Send { client, peer, payload } => {
                let bytes = send_indication(peer.address(), &payload);
                self.from_client(client.tuple(), &bytes, true);
            }
            Step::FromPeer { allocation, peer, bytes } => {
                let Some((&id, _)) = self.relays.iter().nth(allocation.into()) else { return };
                let mut packet = OwnedPacket::from(bytes.as_slice());
                let peer = PeerAddr(peer.address());
                let forward = self.server.handle_peer(self.now, id, peer, packet.packet());
                self.check_to_client(forward, id, peer.0);
            }
            Step::FromShard { to, from, bytes } => {
                let mut packet = OwnedPacket::from(bytes.as_slice());
                let (to, from) = (RelayedAddr(to.address()), RelayedAddr(from.address()));
                let forward = self.server.handle_relayed(self.now, to, from, packet.packet());
                if forward.is_some() {
                    let id = self.owner(to).expect("only a live relayed address takes packets");
                    self.check_to_client(forward, id, from.0);
                }
            }
            Step::Binding(binding) => self.binding = binding,
            Step::Disconnect(client) => self.server.handle_disconnect(self.now, &client.tuple()),
            Step::Wait { seconds } => self.wait(seconds),
        }
        self.drain(None);
        assert_eq!(self.server.allocations(), self.relays.len());
    }

    fn request(&mut self, client: Client, request: &Request) {
        let tuple = client.tuple();
        let bytes = request.encode(client, &self.nonces[&client]);
        let proven = [Proof::Right, Proof::OtherUser].contains(&request.proof);
        if proven {
            self.note_peers(tuple, &bytes);
        }
        self.from_client(tuple, &bytes, proven);
        // A fresh one, as a client takes it from a 438.
        self.fetch_nonce(client);
    }

    /// Every peer in a request is asked for; those of a refused one too, which makes the check milder.
    fn note_peers(&mut self, tuple: FiveTuple, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else { return };
        for value in message.get_all(AttributeType::XOR_PEER_ADDRESS) {
            if let Some(peer) = decode::xor_address(value, message.transaction_id()) {
                self.asked.insert((tuple, peer.ip()), self.now.monotonic);
            }
        }
    }

    fn wait(&mut self, seconds: u16) {
        let seconds = seconds % 4000;
        self.now.monotonic += Duration::from_secs(seconds.into());
        self.now.unix += u64::from(seconds);
        self.server.handle_timeout(self.now);
        let next = self.server.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now.monotonic), "a deadline is overdue");
    }

    fn from_client(&mut self, tuple: FiveTuple, bytes: &[u8], proven: bool) {
        let allocations = self.server.allocations();
        let mut packet = OwnedPacket::from(bytes);
        let forward = self.server.handle_client(self.now, tuple, packet.packet());
        if let Some(forward) = forward {
            self.check_from_client(tuple, forward);
        }
        self.drain(Some((tuple, if proven { usize::MAX } else { bytes.len().max(SHORT) })));
        if !proven {
            assert_eq!(self.server.allocations(), allocations, "state without proof");
        }
    }

    /// A packet that leaves came from an allocation that asked for the peer, who is allowed.
    fn check_from_client(&self, tuple: FiveTuple, forward: Forward<'_>) {
        let target = check_bytes(forward);
        let to = match target {
            Target::Peer { via, to } => {
                assert!(self.relays.contains_key(&via));
                assert!(self.policy.allows(to.0.ip()), "{to:?} is denied");
                to.0
            }
            Target::Hairpin { to, from, otherwise } => {
                assert!(self.owner(from).is_some());
                assert!(otherwise.is_none() || self.policy.allows(to.0.ip()));
                to.0
            }
            Target::Client { tuple: other, hairpin } => {
                assert!(hairpin, "a client's packet came back as a peer's");
                assert!(self.asked_for_us(tuple) && self.asked_for_us(other));
                return;
            }
        };
        self.assert_asked(tuple, to);
    }

    /// A packet for a client is for that of the allocation, who asked for the peer.
    fn check_to_client(
        &self,
        forward: Option<Forward<'_>>,
        id: AllocationId,
        peer: SocketAddr,
    ) {
        let Some(forward) = forward else { return };
        assert!(self.relays.contains_key(&id));
        let target = check_bytes(forward);
        let Target::Client { tuple, .. } = target else { panic!("{target:?}") };
        self.assert_asked(tuple, peer);
    }

    fn assert_asked(&self, tuple: FiveTuple, peer: SocketAddr) {
        let asked = self.asked.get(&(tuple, peer.ip())).expect("nobody asked for this peer");
        assert!(self.now.monotonic <= *asked + PERMISSION, "the permission is over");
    }

    fn asked_for_us(&self, tuple: FiveTuple) -> bool {
        let ips = [RELAY_V4, RELAY_V6].map(|ip| ip.parse().expect("a literal"));
        let asked = ips.map(|ip| self.asked.get(&(tuple, ip)));
        asked.into_iter().flatten().any(|asked| self.now.monotonic <= *asked + PERMISSION)
    }

    fn owner(&self, address: RelayedAddr) -> Option<AllocationId> {
        self.relays.iter().find(|(_, relayed)| **relayed == address).map(|(id, _)| *id)
    }

    /// Carries out what the core asks for. `sender` is who may be answered, and at what length.
    fn drain(&mut self, sender: Option<(FiveTuple, usize)>) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Transmit { to, bytes } => {
                    let (tuple, limit) = sender.expect("nobody asked");
                    assert_eq!(to, tuple, "an answer for somebody else");
                    assert!(bytes.len() <= limit, "{} bytes to a stranger", bytes.len());
                    self.note_answer(to, &bytes);
                }
                Output::BindRelay { id, family, .. } => self.bind(id, family),
                Output::CloseRelay { id, relayed, .. } => {
                    assert_eq!(self.relays.remove(&id), Some(relayed));
                }
                Output::Path { .. } | Output::PathClosed { .. } | Output::Event(_) => {}
            }
        }
    }

    fn bind(&mut self, id: AllocationId, family: Family) {
        let taken: BTreeSet<_> = self.relays.values().copied().collect();
        let ip = if family == Family::V4 { RELAY_V4 } else { RELAY_V6 };
        self.next_port = self.next_port.wrapping_add(1);
        let address = RelayedAddr(relayed(ip, self.next_port));
        let bound = match self.binding.error() {
            Some(error) => Err(error),
            None if taken.contains(&address) => Err(BindError::Capacity),
            None => Ok(address),
        };
        if let Ok(address) = bound {
            self.relays.insert(id, address);
        }
        self.server.handle_relay_bound(self.now, id, bound);
    }

    fn note_answer(&mut self, to: FiveTuple, bytes: &[u8]) {
        let message = Message::parse(bytes).expect("what the server says is well-formed");
        assert!(matches!(message.class(), Class::Success | Class::Error));
        let Some(nonce) = message.get(AttributeType::NONCE).and_then(decode::text) else { return };
        if let Some(client) = Client::ALL.into_iter().find(|client| client.tuple() == to) {
            self.nonces.insert(client, nonce.to_owned());
        }
    }

    /// An Allocate without credentials, for the sake of the NONCE in its 401.
    fn fetch_nonce(&mut self, client: Client) {
        let mut buffer = [0; 64];
        let length = Writer::new(&mut buffer, Class::Request, Method::ALLOCATE, id(0)).finish();
        self.from_client(client.tuple(), &buffer[..length.expect("there is room")], false);
        assert!(self.nonces.contains_key(&client), "a 401 has a NONCE");
    }
}

fn rules(policy: PeerPolicy) -> Rules {
    let users = ["alice", "bob"].map(|user| (user.into(), key(user)));
    Rules {
        realm: REALM.into(),
        software: Some("hairpin".into()),
        credentials: Credentials { secrets: vec![(*b"north").into()], users: users.into() },
        nonce_lifetime: Duration::from_secs(3600),
        max_lifetime: Duration::from_secs(3600),
        policy,
        max_permissions: 3,
        max_channels: 2,
    }
}

fn own_addresses() -> OwnAddresses {
    let listeners = [LISTENER, "[2001:db8::1]:3478"].map(|a| a.parse().expect("a literal"));
    let relay_ips = [RELAY_V4, RELAY_V6].map(|ip| ip.parse().expect("a literal"));
    OwnAddresses::new(listeners.into(), relay_ips.into(), 50_000..=50_015)
}

/// A packet is the same whichever way it is put together.
fn check_bytes(forward: Forward<'_>) -> Target {
    let to = forward.to;
    let gathered = [forward.head(), forward.payload(), forward.padding()].concat();
    assert_eq!(forward.into_bytes(), gathered);
    to
}

fn send_indication(peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
    let mut buffer = vec![0; payload.len() + 64];
    let length = Writer::new(&mut buffer, Class::Indication, Method::SEND, id(1))
        .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        .bytes(AttributeType::DATA, payload)
        .finish();
    buffer.truncate(length.unwrap_or(0));
    buffer
}
