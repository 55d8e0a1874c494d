//! The relay of a server: shards, the relay sockets between them, and quotas.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use hairpin_signaling::{ConnectionId, IceGrant, IceServer, IceServers};
use hairpin_turn::{
    AllocationId, BindError, Event, FiveTuple, Forward, Now, Output, OwnedPacket, PeerAddr,
    QuotaLedger, Quotas, RelayedAddr, Server, Target, Transport, rest_credentials,
};

use crate::Rng;
use crate::relay::{self, EPOCH, PORT, SECRET, SERVER_V4};
use crate::system::Datagram;

/// The address of the server, for clients and as the IP of relayed addresses.
pub const SERVER: SocketAddr = SocketAddr::new(SERVER_V4, PORT);

/// Where relayed addresses are.
const PORTS: RangeInclusive<u16> = 49152..=65535;

/// What the relay has done.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Packets from one allocation to another, inside the server.
    pub hairpins: u64,
    /// Packets that left from a relay socket.
    pub to_peers: u64,
    /// Packets from a relay socket to a client.
    pub to_clients: u64,
    /// Requests answered with an error, by code.
    pub refused: BTreeMap<u16, u64>,
    /// Packets dropped.
    pub dropped: u64,
}

/// Several [`Server`]s behind one address, steered as SO_REUSEPORT steers: by a hash of the client's address.
pub struct Shards {
    servers: Vec<Server>,
    sockets: BTreeMap<SocketAddr, (usize, AllocationId)>,
    quotas: QuotaLedger,
    rng: Rng,
    counters: Counters,
    outbox: Vec<Datagram>,
}

impl Shards {
    /// So many shards, whose ports follow from the seed.
    pub fn new(shards: usize, seed: u64) -> Self {
        Self {
            servers: (0..shards as u64).map(|shard| server(seed ^ shard)).collect(),
            sockets: BTreeMap::new(),
            quotas: QuotaLedger::new(Quotas::default()),
            rng: Rng::new(seed),
            counters: Counters::default(),
            outbox: Vec::new(),
        }
    }

    /// What has been counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many allocations each shard holds.
    pub fn allocations(&self) -> Vec<usize> {
        self.servers.iter().map(Server::allocations).collect()
    }

    /// How many relay sockets are open.
    pub fn sockets(&self) -> usize {
        self.sockets.len()
    }

    /// Takes a datagram to the server's IP address and gives back what it sends then.
    pub(crate) fn handle(&mut self, now: Duration, datagram: Datagram) -> Vec<Datagram> {
        let Datagram { from, to, bytes } = datagram;
        let mut packet = OwnedPacket::from(bytes.as_slice());
        let (shard, forward) = if to == SERVER {
            let shard = self.shard_of(from);
            let tuple = FiveTuple { transport: Transport::Udp, client: from, server: SERVER };
            (shard, self.servers[shard].handle_client(clock(now), tuple, packet.packet()))
        } else if let Some(&(shard, id)) = self.sockets.get(&to) {
            let server = &mut self.servers[shard];
            (shard, server.handle_peer(clock(now), id, PeerAddr(from), packet.packet()))
        } else {
            return Vec::new();
        };
        self.carry_out(now, shard);
        if let Some(forward) = forward {
            self.forward(now, shard, forward);
        }
        std::mem::take(&mut self.outbox)
    }

    /// When [`Shards::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.servers.iter().filter_map(Server::poll_timeout).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Duration) -> Vec<Datagram> {
        for shard in 0..self.servers.len() {
            self.servers[shard].handle_timeout(clock(now));
            self.carry_out(now, shard);
        }
        std::mem::take(&mut self.outbox)
    }

    fn shard_of(&self, client: SocketAddr) -> usize {
        let mut hasher = DefaultHasher::new();
        client.hash(&mut hasher);
        hasher.finish() as usize % self.servers.len()
    }

    fn forward(&mut self, now: Duration, shard: usize, forward: Forward<'_>) {
        match forward.to {
            Target::Client { tuple, hairpin } => {
                *(if hairpin {
                    &mut self.counters.hairpins
                } else {
                    &mut self.counters.to_clients
                }) += 1;
                self.send(tuple.server, tuple.client, forward.into_bytes());
            }
            Target::Peer { via, to } => {
                self.counters.to_peers += 1;
                self.send_from_relay(shard, via, to.0, forward.into_bytes());
            }
            Target::Hairpin { to, from, otherwise } => match self.sockets.get(&to.0) {
                Some(&(owner, _)) => {
                    let packet = forward.into_packet();
                    let next = self.servers[owner].handle_relayed(clock(now), to, from, packet);
                    self.carry_out(now, owner);
                    if let Some(next) = next {
                        self.forward(now, owner, next);
                    }
                }
                None => {
                    if let Some(via) = otherwise {
                        self.send_from_relay(shard, via, to.0, forward.into_bytes());
                    }
                }
            },
        }
    }

    fn send_from_relay(&mut self, shard: usize, via: AllocationId, to: SocketAddr, bytes: &[u8]) {
        if let Some(RelayedAddr(from)) = self.servers[shard].relayed(via) {
            self.send(from, to, bytes);
        }
    }

    fn send(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.outbox.push(Datagram { from, to, bytes: bytes.to_vec() });
    }

    fn carry_out(&mut self, now: Duration, shard: usize) {
        while let Some(output) = self.servers[shard].poll_output() {
            match output {
                Output::Transmit { to, bytes } => self.send(to.server, to.client, &bytes),
                Output::BindRelay { id, user, .. } => {
                    let bound = self.quotas.acquire(&user).and_then(|()| self.bind(shard, id));
                    self.servers[shard].handle_relay_bound(clock(now), id, bound);
                }
                Output::CloseRelay { relayed, user, .. } => {
                    self.sockets.remove(&relayed.0);
                    self.quotas.release(&user);
                }
                Output::Event(Event::Refused { refusal, .. }) => {
                    *self.counters.refused.entry(refusal.code()).or_default() += 1;
                }
                Output::Event(Event::Dropped(_)) => self.counters.dropped += 1,
                Output::Path { .. } | Output::PathClosed { .. } | Output::Event(_) => {}
            }
        }
    }

    fn bind(&mut self, shard: usize, id: AllocationId) -> Result<RelayedAddr, BindError> {
        let ports = usize::from(PORTS.end() - PORTS.start()) + 1;
        if self.sockets.len() == ports {
            return Err(BindError::Capacity);
        }
        loop {
            let port = PORTS.start() + self.rng.below(ports as u64) as u16;
            if let Entry::Vacant(free) = self.sockets.entry(SocketAddr::new(SERVER.ip(), port)) {
                let relayed = RelayedAddr(*free.key());
                free.insert((shard, id));
                return Ok(relayed);
            }
        }
    }
}

fn clock(monotonic: Duration) -> Now {
    Now { monotonic, unix: EPOCH + monotonic.as_secs() }
}

fn server(seed: u64) -> Server {
    let own = relay::own_addresses(&[SERVER_V4], PORTS);
    Server::new(Arc::new(relay::config().rules), own, seed)
}

/// Issues the relay's credentials, good for ten minutes.
pub(crate) struct RestIce {
    pub(crate) now: Duration,
}

impl IceServers for RestIce {
    fn issue(&mut self, _: ConnectionId, user: &str) -> IceGrant {
        let ttl = Duration::from_secs(600);
        let issued = rest_credentials(SECRET, user, EPOCH + (self.now + ttl).as_secs());
        let server = IceServer {
            urls: vec![format!("turn:{SERVER}?transport=udp")],
            username: Some(issued.username),
            credential: Some(issued.password),
        };
        IceGrant { servers: vec![server], ttl }
    }
}
