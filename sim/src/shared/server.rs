//! Shards of a server and the state of their shared address, with nothing between them.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;

use hairpin_turn::shared::{Change, Kind, Outbound, Parties, Party, SharedPort, Source, Unrouted};
use hairpin_turn::{
    AllocationId, Bound, FiveTuple, Forward, Now, Output, OwnedPacket, PeerAddr, RelayedAddr,
    Server, Target, Transport,
};

use crate::relay::{self, SERVER_V4};
use crate::shards::SERVER;
use crate::system::Datagram;

/// The relayed address of every allocation.
pub const SHARED: SocketAddr = SocketAddr::new(SERVER_V4, 3479);

/// A server with [`SHARED`].
pub struct SharedServer {
    shards: Vec<Server>,
    port: SharedPort,
    /// What somebody knows who hears of every change, as workers do.
    holders: BTreeMap<Source, Party>,
    /// Packets that went nowhere, by reason.
    pub unrouted: BTreeMap<&'static str, usize>,
    out: Vec<Datagram>,
}

impl SharedServer {
    /// So many shards, whose secrets follow from the seed.
    pub fn new(shards: u64, seed: u64) -> Self {
        let own = relay::own_addresses(&[SERVER_V4], SHARED.port()..=SHARED.port()).shared();
        let own = Arc::new(own);
        let rules = Arc::new(relay::config().rules);
        let shard = |index| Server::new(rules.clone(), own.clone(), seed ^ index);
        Self {
            shards: (0..shards).map(shard).collect(),
            port: SharedPort::new(vec![SHARED], seed),
            holders: BTreeMap::new(),
            unrouted: BTreeMap::new(),
            out: Vec::new(),
        }
    }

    /// The state under test.
    pub fn port(&self) -> &SharedPort {
        &self.port
    }

    /// Allocations of all shards.
    pub fn allocations(&self) -> usize {
        self.shards.iter().map(Server::allocations).sum()
    }

    /// Takes a datagram to the server and gives back what it sends then.
    pub fn handle(&mut self, now: Now, datagram: &Datagram) -> Vec<Datagram> {
        let Datagram { from, to, bytes } = datagram;
        if *to == SERVER {
            self.client_sends(now, *from, bytes);
        } else if *to == SHARED {
            self.peer_sends(now, *from, bytes);
        }
        std::mem::take(&mut self.out)
    }

    /// Lets timers run.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<Datagram> {
        for shard in 0..self.shards.len() {
            self.shards[shard].handle_timeout(now);
            self.settle(now, shard);
        }
        std::mem::take(&mut self.out)
    }

    fn client_sends(&mut self, now: Now, client: SocketAddr, bytes: &[u8]) {
        let mut hasher = DefaultHasher::new();
        client.hash(&mut hasher);
        let shard = (hasher.finish() % self.shards.len() as u64) as usize;
        let tuple = FiveTuple { transport: Transport::Udp, client, server: SERVER };
        let mut packet = OwnedPacket::from(bytes);
        let forward = self.shards[shard].handle_client(now, tuple, packet.packet());
        let towards = forward.map(|forward| (forward.to, forward.payload().to_vec()));
        if let Some((Target::Shared { via, to }, payload)) = towards {
            self.allocation_sends(now, shard, via, to.0, &payload);
        } else if let Some((target, _)) = towards {
            panic!("{target:?} in a server whose allocations share their address");
        }
        self.settle(now, shard);
    }

    fn allocation_sends(
        &mut self,
        now: Now,
        shard: usize,
        via: AllocationId,
        to: SocketAddr,
        payload: &[u8],
    ) {
        let from = Party { shard: shard as u16, id: via };
        let outbound = match Kind::of(payload) {
            Kind::Message => {
                let scope = self.shards[shard].scope(via);
                self.port.message_to(now.monotonic, from, scope, to, payload)
            }
            Kind::Data => self.port.data_to(from, to),
        };
        self.hear_changes();
        match outbound {
            Ok(Outbound::ToPeer) => {
                self.out.push(Datagram { from: SHARED, to, bytes: payload.to_vec() });
            }
            Ok(Outbound::Here(parties)) => {
                assert!(!parties.contains(from), "nobody hears itself");
                self.deliver(now, parties, payload, |server, id, packet| {
                    server.handle_partner(now, id, PeerAddr(SHARED), packet.packet())
                });
            }
            Err(reason) => self.count(reason),
        }
    }

    fn peer_sends(&mut self, now: Now, peer: SocketAddr, bytes: &[u8]) {
        let parties = match Kind::of(bytes) {
            Kind::Message => self.port.message_from(now.monotonic, peer, bytes),
            Kind::Data => {
                let holder = self.port.holder(Source::Peer(peer));
                holder.map(Parties::from).ok_or(Unrouted::NobodyThere)
            }
        };
        self.hear_changes();
        match parties {
            Ok(parties) => self.deliver(now, parties, bytes, |server, id, packet| {
                server.handle_peer(now, id, PeerAddr(peer), packet.packet())
            }),
            Err(reason) => self.count(reason),
        }
    }

    fn deliver(
        &mut self,
        now: Now,
        parties: Parties,
        bytes: &[u8],
        hand: impl for<'p> Fn(&mut Server, AllocationId, &'p mut OwnedPacket) -> Option<Forward<'p>>,
    ) {
        for Party { shard, id } in parties.iter() {
            let shard = usize::from(shard);
            let mut packet = OwnedPacket::from(bytes);
            if let Some(forward) = hand(&mut self.shards[shard], id, &mut packet) {
                let Target::Client { tuple, .. } = forward.to else { panic!("{:?}", forward.to) };
                let bytes = forward.into_bytes().to_vec();
                self.out.push(Datagram { from: tuple.server, to: tuple.client, bytes });
            }
            self.settle(now, shard);
        }
    }

    fn settle(&mut self, now: Now, shard: usize) {
        while let Some(output) = self.shards[shard].poll_output() {
            match output {
                Output::Transmit { to, bytes } => {
                    self.out.push(Datagram { from: to.server, to: to.client, bytes });
                }
                Output::BindRelay { id, .. } => {
                    let bound = Bound::from(RelayedAddr(SHARED));
                    self.shards[shard].handle_relay_bound(now, id, Ok(bound));
                }
                Output::CloseRelay { id, .. } => {
                    self.port.release(Party { shard: shard as u16, id });
                    self.hear_changes();
                }
                _ => {}
            }
        }
    }

    fn hear_changes(&mut self) {
        while let Some(Change { source, before, after }) = self.port.poll_change() {
            let known = match after {
                Some(after) => self.holders.insert(source, after),
                None => self.holders.remove(&source),
            };
            assert_eq!(known, before, "every change is told");
        }
        for (source, holder) in &self.holders {
            assert_eq!(self.port.holder(*source), Some(*holder));
        }
    }

    fn count(&mut self, reason: Unrouted) {
        let name = match reason {
            Unrouted::Malformed => "malformed",
            Unrouted::Unexpected => "unexpected",
            Unrouted::NobodyThere => "nobody there",
            Unrouted::NotTied => "not tied",
            Unrouted::TooOften => "too often",
        };
        *self.unrouted.entry(name).or_default() += 1;
    }
}
