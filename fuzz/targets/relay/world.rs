//! The world around the core, and what must hold in it after each step.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hairpin_sim::relay::{
    Astray, Config, Delivered, Origin, REALM, Relay, Relayed, SECRET, config, own_addresses,
};
use hairpin_stun::{AttributeType, ChannelNumbers, Class, Message, Method, Writer, decode};
use hairpin_turn::{Anonymity, ConnectReach, Credentials, FiveTuple, PeerAddr, RelayedAddr, Rules};

use crate::input::{
    Attempt, Client, Proof, RELAY_PORTS, RELAYS, Request, Step, channel, id, key, key_sha256,
};

/// How long a permission may last after the last request for it (RFC 8656 s9).
const PERMISSION: Duration = Duration::from_secs(300);

/// An answer to who has proved nothing is no longer than this, or than the request: a challenge, and the
/// signature and the fingerprint of one to the holder of a key whose nonce is old.
const SHORT: usize = 128;

/// A relay that does what the core asks for and has every packet checked by what the core told of its
/// paths, and beside it what clients have asked for.
pub(crate) struct World {
    relay: Relay,
    rules: Rules,
    nonces: BTreeMap<Client, String>,
    /// When a client last asked to exchange packets with an address.
    asked: BTreeMap<(FiveTuple, IpAddr), Duration>,
}

impl World {
    pub(crate) fn new() -> Self {
        let config = world_config();
        let mut world = Self {
            rules: config.rules.clone(),
            relay: Relay::new(config),
            nonces: BTreeMap::new(),
            asked: BTreeMap::new(),
        };
        Client::ALL.into_iter().for_each(|client| world.fetch_nonce(client));
        world
    }

    pub(crate) fn run(&mut self, step: Step) {
        match step {
            Step::Bytes { from, bytes } => self.from_client(from.tuple(), &bytes, Proven::No),
            Step::Request { client, request } => self.request(client, &request),
            Step::ChannelData { client, channel: number, payload } => {
                let mut bytes = channel(number).to_be_bytes().to_vec();
                bytes.extend((payload.len() as u16).to_be_bytes());
                bytes.extend(payload);
                self.from_client(client.tuple(), &bytes, Proven::Yes);
            }
            Step::Send { client, peer, payload } => {
                let bytes = send_indication(peer.address(), &payload);
                self.from_client(client.tuple(), &bytes, Proven::Yes);
            }
            Step::FromPeer { allocation, peer, bytes } => {
                let nth = self.relay.sockets.addresses().nth(allocation.into());
                let Some(relayed) = nth else { return };
                self.relay.peer_sends(peer.address(), relayed, &bytes);
                self.check_to_client(Origin::Peer, peer.address());
            }
            Step::FromShard { to, from, bytes } => {
                let (to, from) = (RelayedAddr(to.address()), RelayedAddr(from.address()));
                self.relay.shard_sends(&Astray { from, to, may_leave: false, payload: bytes });
                self.check_to_client(Origin::Hairpin, from.0);
            }
            Step::PeerConnects { allocation, peer } => {
                self.peer_connects(allocation, peer.address())
            }
            Step::Connection(Attempt::Succeeds) => {
                self.relay.connect();
                self.check_told(AttributeType::CONNECTION_ID);
            }
            Step::Connection(Attempt::Fails) => {
                self.relay.fail_to_connect();
                self.check_told(AttributeType::ERROR_CODE);
            }
            Step::ConnectionCloses { nth } => {
                let id = self.relay.connections.open.keys().nth(nth.into()).copied();
                id.into_iter().for_each(|id| self.relay.connection_closes(id));
            }
            Step::Binding(binding) => self.relay.bind_error = binding.error(),
            Step::Disconnect(client) => {
                self.relay.disconnect(&client.tuple());
                // What it waited for has failed, which nobody hears.
                self.relay.take_delivered().for_each(drop);
            }
            Step::Wait { seconds } => self.wait(seconds),
        }
        assert_eq!(self.relay.recipients().count(), 0, "nobody asked");
        assert!(self.relay.to_peers.is_empty() && self.relay.astray.is_empty());
        for (_, PeerAddr(to), reach) in self.relay.connections.under_way.values() {
            assert!(*reach == ConnectReach::Ourselves || self.rules.policy.allows(to.ip()));
        }
        assert_eq!(self.relay.server.allocations(), self.relay.sockets.len());
        self.relay.forget();
    }

    fn request(&mut self, client: Client, request: &Request) {
        let tuple = client.tuple();
        let open = self.relay.connections.open.keys().map(|id| id.0).collect::<Vec<_>>();
        let bytes = request.encode(client, &self.nonces[&client], &open);
        let proven = [Proof::Right, Proof::Sha256, Proof::OtherUser].contains(&request.proof);
        if proven {
            self.note_peers(tuple, &bytes);
        }
        self.from_client(tuple, &bytes, if proven { Proven::Yes } else { Proven::No });
        // A fresh one, as a client takes it from a 438.
        self.fetch_nonce(client);
    }

    /// Who is let in is told of to whom it was asked for, and to nobody else.
    fn peer_connects(&mut self, allocation: u8, peer: SocketAddr) {
        let nth = self.relay.sockets.addresses().nth(allocation.into());
        let Some(relayed) = nth else { return };
        let accepted = self.relay.peer_connects(peer, relayed);
        let told: Vec<_> = self.relay.take_delivered().collect();
        assert_eq!(told.len(), usize::from(accepted.is_some()));
        for Delivered { tuple, bytes, .. } in told {
            let message = Message::parse(&bytes).expect("what the server says is well-formed");
            assert_eq!(message.method(), Method::CONNECTION_ATTEMPT);
            assert!(tuple.transport.is_stream(), "{tuple:?} has a TCP allocation");
            self.assert_asked(tuple, peer);
        }
    }

    /// One client at most is told what became of its Connect.
    fn check_told(&mut self, kind: AttributeType) {
        let told: Vec<_> = self.relay.take_delivered().collect();
        assert!(told.len() <= 1);
        for Delivered { bytes, .. } in told {
            let message = Message::parse(&bytes).expect("what the server says is well-formed");
            assert_eq!(message.method(), Method::CONNECT);
            assert!(message.get(kind).is_some());
        }
    }

    /// Every peer in a request is asked for; those of a refused one too, which makes the check milder.
    fn note_peers(&mut self, tuple: FiveTuple, bytes: &[u8]) {
        let Ok(message) = Message::parse(bytes) else { return };
        for value in message.get_all(AttributeType::XOR_PEER_ADDRESS) {
            if let Some(peer) = decode::xor_address(value, message.transaction_id()) {
                self.asked.insert((tuple, peer.ip()), self.relay.now.monotonic);
            }
        }
    }

    fn wait(&mut self, seconds: u16) {
        self.relay.sleep_secs(u64::from(seconds % 4000));
        self.relay.handle_timeout();
        // Who waited for a connection is told that it took too long.
        self.relay.take_delivered().for_each(drop);
        let next = self.relay.server.poll_timeout();
        assert!(next.is_none_or(|next| next > self.relay.now.monotonic), "a deadline is overdue");
    }

    fn from_client(&mut self, tuple: FiveTuple, bytes: &[u8], proven: Proven) {
        let allocations = self.relay.server.allocations();
        self.relay.client_sends(tuple, bytes);
        let limit = match proven {
            Proven::Yes => usize::MAX,
            Proven::No => bytes.len().max(SHORT),
        };
        for delivered in self.relay.take_delivered() {
            match delivered.origin {
                Origin::Server => self.check_answer(tuple, limit, &delivered),
                Origin::Hairpin => {
                    assert!(self.asked_for_us(tuple) && self.asked_for_us(delivered.tuple));
                }
                Origin::Peer => panic!("a client's packet came back as a peer's"),
            }
        }
        self.check_from_client(tuple);
        if proven == Proven::No {
            assert_eq!(self.relay.server.allocations(), allocations, "state without proof");
        }
    }

    /// A packet that leaves came from an allocation that asked for the peer, who is allowed.
    fn check_from_client(&mut self, tuple: FiveTuple) {
        for Relayed { from, to: PeerAddr(to), .. } in self.relay.take_relayed() {
            assert!(self.relay.sockets.owner(from).is_some());
            assert!(self.rules.policy.allows(to.ip()), "{to:?} is denied");
            let opened = self.rules.policy.allows_explicitly(to.ip());
            assert!(opened || !RELAYS.contains(&to.ip().to_canonical()), "{to:?} is ourselves");
            self.assert_asked(tuple, to);
        }
        for Astray { from, to, may_leave, .. } in std::mem::take(&mut self.relay.astray) {
            assert!(self.relay.sockets.owner(from).is_some());
            assert!(!may_leave || self.rules.policy.allows_explicitly(to.0.ip()));
            self.assert_asked(tuple, to.0);
        }
    }

    /// A packet for a client is for that of the allocation, who asked for the peer.
    fn check_to_client(&mut self, origin: Origin, peer: SocketAddr) {
        for delivered in self.relay.take_delivered() {
            assert_eq!(delivered.origin, origin);
            self.assert_asked(delivered.tuple, peer);
        }
    }

    fn assert_asked(&self, tuple: FiveTuple, peer: SocketAddr) {
        let asked = self.asked.get(&(tuple, peer.ip())).expect("nobody asked for this peer");
        assert!(self.relay.now.monotonic <= *asked + PERMISSION, "the permission is over");
    }

    fn asked_for_us(&self, tuple: FiveTuple) -> bool {
        let asked = RELAYS.map(|ip| self.asked.get(&(tuple, ip)));
        asked.into_iter().flatten().any(|asked| self.relay.now.monotonic <= *asked + PERMISSION)
    }

    /// Only the sender is answered, and a stranger not at length.
    fn check_answer(&mut self, sender: FiveTuple, limit: usize, delivered: &Delivered) {
        let Delivered { tuple, bytes, .. } = delivered;
        assert_eq!(*tuple, sender, "an answer for somebody else");
        assert!(bytes.len() <= limit, "{} bytes to a stranger", bytes.len());
        let message = Message::parse(bytes).expect("what the server says is well-formed");
        assert!(matches!(message.class(), Class::Success | Class::Error));
        let Some(nonce) = message.get(AttributeType::NONCE).and_then(decode::text) else { return };
        if let Some(client) = Client::ALL.into_iter().find(|client| client.tuple() == *tuple) {
            self.nonces.insert(client, nonce.to_owned());
        }
    }

    /// An Allocate without credentials, for the sake of the NONCE in its 401.
    fn fetch_nonce(&mut self, client: Client) {
        let mut buffer = [0; 64];
        let length = Writer::new(&mut buffer, Class::Request, Method::ALLOCATE, id(0)).finish();
        self.from_client(client.tuple(), &buffer[..length.expect("there is room")], Proven::No);
        assert!(self.nonces.contains_key(&client), "a 401 has a NONCE");
    }
}

/// Whether the sender holds a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Proven {
    Yes,
    No,
}

fn world_config() -> Config {
    let users = ["alice", "bob"];
    let keys = users.into_iter().flat_map(|user| [(user, key(user)), (user, key_sha256(user))]);
    let users: Vec<_> = keys.map(|(user, key)| (user.into(), key)).collect();
    let credentials = Credentials { secrets: vec![SECRET.into()], users };
    let Config { rules, seed, .. } = config();
    let rules = Rules {
        realm: REALM.into(),
        credentials,
        anonymity: Anonymity::StaticUsers,
        max_permissions: 3,
        max_channels: 2,
        channel_numbers: ChannelNumbers::Rfc5766,
        ..rules
    };
    Config { rules, own: own_addresses(&RELAYS, RELAY_PORTS), seed }
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
