//! The network between agents and the server, in virtual time.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hairpin_stun::{Class, Method, TransactionId};
use hairpin_turn::{Now, Pseudonyms};

use super::agent::{Agent, Departure, Fragment, Via, ice_check};
use super::server::SharedServer;
use crate::nat::{Nat, NatKind};
use crate::relay::{EPOCH, SECRET, SERVER_V4};
use crate::request::build;
use crate::system::Datagram;
use crate::turn_client::TurnClient;

/// The time a packet takes.
const DELAY: Duration = Duration::from_millis(10);
/// Between two checks of an agent.
const CHECK: Duration = Duration::from_millis(50);

/// An agent of a [`World`].
pub type AgentId = usize;

/// Agents and a server.
pub struct World {
    /// The server.
    pub server: SharedServer,
    agents: Vec<Agent>,
    now: Duration,
    /// What is under way, by when it arrives and in its order.
    flights: BTreeMap<(Duration, u64), Datagram>,
    sent: u64,
    seed: u64,
}

impl World {
    /// Nobody is there but a server of so many shards.
    pub fn new(shards: u64, seed: u64) -> Self {
        let (agents, flights) = (Vec::new(), BTreeMap::new());
        let now = Duration::from_secs(1);
        Self { server: SharedServer::new(shards, seed), agents, now, flights, sent: 0, seed }
    }

    /// Adds an agent at the n-th public address, behind a router of this kind, with so many TURN servers; `session` is what
    /// its credentials were issued for.
    pub fn add(
        &mut self,
        kind: NatKind,
        address: u8,
        turn: usize,
        session: Option<&str>,
        change: impl FnOnce(Agent) -> Agent,
    ) -> AgentId {
        let id = self.agents.len();
        let names = Pseudonyms::new(SECRET);
        let user = format!("user {id}");
        let name = match session {
            Some(session) => names.of_user_in(&user, session),
            None => names.of(hairpin_turn::Holder::User(&user)),
        };
        let client = || TurnClient::with_secret(SECRET, &name, EPOCH + 3600);
        let sockets = self.sockets(kind, address, turn + 1);
        let clients = std::iter::repeat_with(client).take(turn).collect();
        let agent = Agent::new(&format!("fragment{id}"), sockets, clients, id as u64);
        self.agents.push(change(agent));
        self.with(id, Agent::gather);
        id
    }

    fn sockets(&mut self, kind: NatKind, address: u8, count: usize) -> Vec<Nat> {
        let public = IpAddr::from([198, 51, 100, address]);
        let mut socket = || {
            self.seed += 1;
            Nat::new(kind, public, self.seed)
        };
        std::iter::repeat_with(&mut socket).take(count).collect()
    }

    /// An agent as it is now.
    pub fn agent(&self, id: AgentId) -> &Agent {
        &self.agents[id]
    }

    /// Tells two agents of each other, as signaling does.
    pub fn introduce(&mut self, one: AgentId, other: AgentId) {
        for (from, to) in [(one, other), (other, one)] {
            let own = self.agents[from].own().clone();
            let candidates = self.agents[from].candidates();
            self.with(to, |agent| agent.set_remote(own, &candidates));
        }
    }

    /// An ICE restart by one of two.
    pub fn restart(&mut self, one: AgentId, other: AgentId) {
        for id in [one, other] {
            let name = format!("{}again", self.agents[id].own().name);
            self.with(id, |agent| agent.restart(&name));
        }
        self.introduce(one, other);
    }

    /// An agent without allocations is in another network all of a sudden, and says nothing of it.
    pub fn roam(&mut self, id: AgentId, kind: NatKind, address: u8) {
        let count = self.agents[id].sockets.len();
        let sockets = self.sockets(kind, address, count);
        self.with(id, |agent| agent.roam(sockets));
    }

    /// Has an agent prefer a socket for its data.
    pub fn prefer(&mut self, id: AgentId, via: Via) {
        self.agents[id].prefers = via;
    }

    /// Has an agent give an allocation back.
    pub fn release(&mut self, id: AgentId, index: usize) {
        self.with(id, |agent| agent.release(index));
    }

    /// An agent's first socket as the server sees it, and so the peer of who calls it directly.
    pub fn seen_at(&mut self, id: AgentId, to: SocketAddr) -> SocketAddr {
        self.agents[id].sockets[0].outbound(to)
    }

    /// An agent sends whatever it likes through its first allocation, permission included.
    pub fn inject(&mut self, id: AgentId, to: SocketAddr, bytes: Vec<u8>) {
        self.with(id, |agent| {
            agent.permit(0, to);
            agent.send(Via::Relay(0), to, bytes);
        });
    }

    /// The same with a check in the names of two others, whose fragments it knows and whose passwords it does not.
    pub fn inject_check(&mut self, id: AgentId, to: SocketAddr, remote: &str, own: &str) {
        self.sent += 1;
        let mut transaction = [0xAA; 12];
        transaction[4..].copy_from_slice(&self.sent.to_be_bytes());
        let guess = Fragment { name: remote.into(), password: "a guess".into() };
        let bytes = ice_check(&guess, own, TransactionId(transaction));
        self.inject(id, to, bytes);
    }

    /// The same with an answer to something it has not been asked.
    pub fn inject_success(&mut self, id: AgentId, to: SocketAddr, transaction: [u8; 12]) {
        let bytes = build(Class::Success, Method::BINDING, TransactionId(transaction), |_| {});
        self.inject(id, to, bytes);
    }

    /// A datagram from anywhere to anywhere.
    pub fn fly(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.sent += 1;
        self.flights.insert((self.now + DELAY, self.sent), Datagram { from, to, bytes });
    }

    /// Lets time pass. Everybody checks every 50 ms, and says something as often.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            for id in 0..self.agents.len() {
                self.with(id, Agent::check);
                self.with(id, Agent::talk);
            }
            self.now += CHECK;
            while let Some(entry) = self.flights.first_entry().filter(|e| e.key().0 <= self.now) {
                let ((at, _), datagram) = entry.remove_entry();
                self.arrive(at, &datagram);
            }
            let now = self.clock(self.now);
            for datagram in self.server.handle_timeout(now) {
                self.fly(datagram.from, datagram.to, datagram.bytes);
            }
        }
    }

    /// Packets of its partner's that an agent gets while time passes.
    pub fn hears(&mut self, ids: &[AgentId], time: Duration) -> Vec<usize> {
        let before: Vec<usize> = ids.iter().map(|id| self.agents[*id].received).collect();
        self.run(time);
        ids.iter().zip(before).map(|(id, before)| self.agents[*id].received - before).collect()
    }

    /// What disturbed anybody so far.
    pub fn garbage(&self, ids: &[AgentId]) -> usize {
        ids.iter().map(|id| self.agents[*id].garbage).sum()
    }

    fn clock(&self, monotonic: Duration) -> Now {
        Now { monotonic, unix: EPOCH + monotonic.as_secs() }
    }

    fn arrive(&mut self, at: Duration, datagram: &Datagram) {
        if datagram.to.ip() == SERVER_V4 {
            let now = self.clock(at);
            for Datagram { from, to, bytes } in self.server.handle(now, datagram) {
                self.sent += 1;
                self.flights.insert((at + DELAY, self.sent), Datagram { from, to, bytes });
            }
            return;
        }
        let Datagram { from, to, bytes } = datagram;
        let takes = |nat: &Nat| nat.public() == to.ip() && nat.inbound(to.port(), *from);
        let found = self.agents.iter().enumerate().find_map(|(id, agent)| {
            agent.sockets.iter().position(takes).map(|socket| (id, socket))
        });
        if let Some((id, socket)) = found {
            self.agents[id].receive(socket, *from, bytes);
            self.collect(id, at);
        }
    }

    fn with(&mut self, id: AgentId, what: impl FnOnce(&mut Agent)) {
        what(&mut self.agents[id]);
        self.collect(id, self.now);
    }

    fn collect(&mut self, id: AgentId, at: Duration) {
        for Departure { socket, to, bytes } in self.agents[id].take_departures() {
            let from = self.agents[id].sockets[socket].outbound(to);
            self.sent += 1;
            self.flights.insert((at + DELAY, self.sent), Datagram { from, to, bytes });
        }
    }
}
