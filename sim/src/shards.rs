//! The relay of a server: shards behind one address, and the packets between them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use hairpin_signaling::{ConnectionId, IceGrant, IceServer, IceServers, SessionId, Tokens};
use hairpin_turn::{
    Event, FiveTuple, Now, Pseudonyms, Quotas, RelayedAddr, Transport, rest_credentials,
};

use crate::relay::{self, Astray, Config, EPOCH, Origin, PORT, Relay, SECRET, SERVER_V4, Sockets};
use crate::system::Datagram;

/// The address of the server, for clients and as the IP of relayed addresses.
pub const SERVER: SocketAddr = SocketAddr::new(SERVER_V4, PORT);

/// Where relayed addresses are. Each shard has every n-th port, so that a port says whose it is.
pub(crate) const PORTS: RangeInclusive<u16> = 49152..=65535;

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

/// Several [`Relay`]s behind one address, steered as SO_REUSEPORT steers: by a hash of the client's address.
pub struct Shards {
    shards: Vec<Relay>,
    /// Which shard has the ledger of all of them.
    holder: usize,
    counters: Counters,
    outbox: Vec<Datagram>,
}

impl Shards {
    /// So many shards, whose secrets follow from the seed.
    pub fn new(shards: usize, seed: u64) -> Self {
        Self::with_quotas(shards, seed, Quotas::default())
    }

    /// The same with quotas, which all shards share.
    pub fn with_quotas(shards: usize, seed: u64, quotas: Quotas) -> Self {
        let shard = |index| shard(index, shards as u16, seed, quotas);
        Self {
            shards: (0..shards as u16).map(shard).collect(),
            holder: 0,
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
        self.shards.iter().map(|shard| shard.server.allocations()).collect()
    }

    /// How many relay sockets are open.
    pub fn sockets(&self) -> usize {
        self.shards.iter().map(|shard| shard.sockets.len()).sum()
    }

    /// Takes a datagram to the server's IP address and gives back what it sends then.
    pub(crate) fn handle(&mut self, now: Duration, datagram: Datagram) -> Vec<Datagram> {
        let Datagram { from, to, bytes } = datagram;
        if to == SERVER {
            let tuple = FiveTuple { transport: Transport::Udp, client: from, server: SERVER };
            let shard = self.shard_of(from);
            self.at(now, shard).client_sends(tuple, &bytes);
            self.collect(now, shard);
        } else if let Some(shard) = self.owner(RelayedAddr(to)) {
            self.at(now, shard).peer_sends(from, RelayedAddr(to), &bytes);
            self.collect(now, shard);
        }
        std::mem::take(&mut self.outbox)
    }

    /// When [`Shards::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Duration> {
        self.shards.iter().filter_map(|shard| shard.server.poll_timeout()).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Duration) -> Vec<Datagram> {
        for shard in 0..self.shards.len() {
            self.at(now, shard).handle_timeout();
            self.collect(now, shard);
        }
        std::mem::take(&mut self.outbox)
    }

    /// A shard, told the time and given the ledger.
    fn at(&mut self, now: Duration, shard: usize) -> &mut Relay {
        if let Ok([holder, shard]) = self.shards.get_disjoint_mut([self.holder, shard]) {
            std::mem::swap(&mut holder.ledger, &mut shard.ledger);
        }
        self.holder = shard;
        let shard = &mut self.shards[shard];
        shard.now = Now { monotonic: now, unix: EPOCH + now.as_secs() };
        shard
    }

    fn shard_of(&self, client: SocketAddr) -> usize {
        let mut hasher = DefaultHasher::new();
        client.hash(&mut hasher);
        hasher.finish() as usize % self.shards.len()
    }

    /// Whose relay socket is open at an address.
    fn owner(&self, address: RelayedAddr) -> Option<usize> {
        let port = address.0.port().checked_sub(*PORTS.start())?;
        let shard = usize::from(port) % self.shards.len();
        self.shards[shard].sockets.owner(address).map(|_| shard)
    }

    /// Sends what a shard has to send, and counts what it did.
    fn collect(&mut self, now: Duration, shard: usize) {
        let relay = &mut self.shards[shard];
        for delivered in relay.take_delivered() {
            match delivered.origin {
                Origin::Server => {}
                Origin::Peer => self.counters.to_clients += 1,
                Origin::Hairpin => self.counters.hairpins += 1,
            }
            let (from, to) = (delivered.tuple.server, delivered.tuple.client);
            self.outbox.push(Datagram { from, to, bytes: delivered.bytes });
        }
        for relayed in relay.take_relayed() {
            self.counters.to_peers += 1;
            let (from, to) = (relayed.from.0, relayed.to.0);
            self.outbox.push(Datagram { from, to, bytes: relayed.payload });
        }
        for event in relay.events.drain(..) {
            match event {
                Event::Refused { refusal, .. } => {
                    *self.counters.refused.entry(refusal.code()).or_default() += 1;
                }
                Event::Challenged { .. } => {
                    *self.counters.refused.entry(401).or_default() += 1;
                }
                Event::Dropped(_) => self.counters.dropped += 1,
                _ => {}
            }
        }
        for astray in std::mem::take(&mut relay.astray) {
            self.hand_over(now, astray);
        }
    }

    fn hand_over(&mut self, now: Duration, astray: Astray) {
        if let Some(owner) = self.owner(astray.to) {
            self.at(now, owner).shard_sends(&astray);
            self.collect(now, owner);
        } else if astray.may_leave {
            let (from, to) = (astray.from.0, astray.to.0);
            self.outbox.push(Datagram { from, to, bytes: astray.payload });
        }
    }
}

fn shard(index: u16, shards: u16, seed: u64, quotas: Quotas) -> Relay {
    let own = relay::own_addresses(&[SERVER_V4], PORTS);
    let config = Config { own, seed: seed ^ u64::from(index), ..relay::config() };
    let ports = PORTS.start() + index..=*PORTS.end();
    Relay::with_sockets(config, quotas, Sockets::new(ports, shards))
}

/// Issues the relay's credentials, good for ten minutes, in the names that the server gives people.
pub(crate) struct RestIce {
    pub(crate) now: Duration,
}

impl Tokens for RestIce {}

impl IceServers for RestIce {
    fn issue(&mut self, _: ConnectionId, user: &str, session: SessionId) -> IceGrant {
        let ttl = Duration::from_secs(600);
        let name = Pseudonyms::new(SECRET).of_user_in(user, &session.to_string());
        let issued = rest_credentials(SECRET, &name, EPOCH + (self.now + ttl).as_secs());
        let server = IceServer {
            urls: vec![format!("turn:{SERVER}?transport=udp")],
            username: Some(issued.username),
            credential: Some(issued.password),
        };
        IceGrant { servers: vec![server], ttl }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_is_nobodys_id() {
        let name = |user: &str| {
            let session = "0".repeat(32).parse().expect("a session's id");
            let grant = RestIce { now: Duration::ZERO }.issue(ConnectionId(0), user, session);
            let username = grant.servers[0].username.clone().expect("it has one");
            username.split_once(':').expect("expiry:id").1.to_owned()
        };
        let known = Pseudonyms::new(SECRET).of(hairpin_turn::Holder::User("ada"));
        assert_eq!(name("ada").split_once('.').expect("and a session").0, known);
        assert!(!name("ada").contains("ada"));
        assert_ne!(name("ada"), name("bob"));
    }
}
