//! A browser's ICE agent (RFC 8445), full: it checks and answers checks on every pair, triggered ones first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use hairpin_stun::{AttributeType, Class, Message, Method, TransactionId};

use crate::nat::Nat;
use crate::request::build;
use crate::shards::SERVER;
use crate::turn_client::{TurnClient, TurnEvent};

/// One side's ICE credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// `ice-ufrag`, which travels in the clear.
    pub name: String,
    /// `ice-pwd`, which does not.
    pub password: String,
}

impl Fragment {
    /// One of this name, with a password that nobody guesses.
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), password: format!("the password of {name}") }
    }
}

/// By which of its sockets an agent sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via {
    /// From its own socket.
    Direct,
    /// Through the allocation it has by its n-th TURN client.
    Relay(usize),
}

/// What leaves an agent's socket, through that socket's router.
pub struct Departure {
    /// Which of the agent's sockets it leaves: 0 is the direct one.
    pub socket: usize,
    /// Where it goes; [`SERVER`] is the TURN server.
    pub to: SocketAddr,
    /// What it is.
    pub bytes: Vec<u8>,
}

/// An agent with one component: sockets, candidates, checks, and data once a pair has succeeded.
pub struct Agent {
    /// The socket for direct packets, and then one for each TURN client.
    pub(super) sockets: Vec<Nat>,
    turn: Vec<TurnClient>,
    /// Whether it may use its own socket.
    direct: bool,
    own: Fragment,
    remote: Option<Fragment>,
    remote_candidates: BTreeSet<SocketAddr>,
    pairs: Vec<(Via, SocketAddr)>,
    triggered: VecDeque<(Via, SocketAddr)>,
    /// Whose turn it is.
    next: usize,
    asked: BTreeMap<[u8; 12], (Via, SocketAddr)>,
    succeeded: BTreeSet<(Via, SocketAddr)>,
    /// By which it sends data, where it has a choice.
    pub prefers: Via,
    transactions: u64,
    seed: u64,
    /// Packets of the partner's that came.
    pub received: usize,
    /// What came and was nobody's business here: it would have disturbed a handshake.
    pub garbage: usize,
    out: Vec<Departure>,
}

impl Agent {
    /// An agent with these credentials at so many TURN servers, each reached from a socket of its own. The first of `sockets`
    /// is for direct packets.
    pub fn new(own: &str, sockets: Vec<Nat>, turn: Vec<TurnClient>, seed: u64) -> Self {
        assert_eq!(sockets.len(), turn.len() + 1, "a socket each");
        Self {
            sockets,
            turn,
            direct: true,
            own: Fragment::new(own),
            remote: None,
            remote_candidates: BTreeSet::new(),
            pairs: Vec::new(),
            triggered: VecDeque::new(),
            next: 0,
            asked: BTreeMap::new(),
            succeeded: BTreeSet::new(),
            prefers: Via::Direct,
            transactions: 0,
            seed,
            received: 0,
            garbage: 0,
            out: Vec::new(),
        }
    }

    /// `iceTransportPolicy: "relay"`.
    pub fn relay_only(mut self) -> Self {
        self.direct = false;
        self
    }

    /// Its credentials.
    pub fn own(&self) -> &Fragment {
        &self.own
    }

    /// Whether any pair has been checked with success.
    pub fn is_connected(&self) -> bool {
        !self.succeeded.is_empty()
    }

    /// The pair that data takes.
    pub fn selected(&self) -> Option<(Via, SocketAddr)> {
        let preferred = self.succeeded.iter().find(|(via, _)| *via == self.prefers);
        preferred.or(self.succeeded.first()).copied()
    }

    /// Begins to allocate.
    pub fn gather(&mut self) {
        for index in 0..self.turn.len() {
            let bytes = self.turn[index].allocate();
            self.send_to_server(index, bytes);
        }
    }

    /// Where a partner is told to find it.
    pub fn candidates(&mut self) -> Vec<SocketAddr> {
        let relayed = self.turn.iter().filter_map(TurnClient::relayed);
        let mapped = self.direct.then(|| self.sockets[0].outbound(SERVER));
        mapped.into_iter().chain(relayed).collect()
    }

    /// What the partner's description said: a new one begins anew.
    pub fn set_remote(&mut self, remote: Fragment, candidates: &[SocketAddr]) {
        self.remote = Some(remote);
        self.pairs.clear();
        self.remote_candidates.clear();
        self.succeeded.clear();
        self.asked.clear();
        for &candidate in candidates {
            self.add_candidate(candidate);
        }
    }

    /// New credentials for an ICE restart; the partner is to be told.
    pub(super) fn restart(&mut self, name: &str) {
        self.own = Fragment::new(name);
    }

    /// Another network: all sockets are elsewhere. Its allocations are lost.
    pub(super) fn roam(&mut self, sockets: Vec<Nat>) {
        self.sockets = sockets;
        self.succeeded.clear();
    }

    fn add_candidate(&mut self, candidate: SocketAddr) {
        if !self.remote_candidates.insert(candidate) {
            return;
        }
        for index in 0..self.turn.len() {
            let bytes = self.turn[index].permit(&[candidate]);
            self.send_to_server(index, bytes);
            self.pairs.push((Via::Relay(index), candidate));
        }
        if self.direct {
            self.pairs.push((Via::Direct, candidate));
        }
    }

    /// Every 50 ms: the next check.
    pub fn check(&mut self) {
        let Some(remote) = self.remote.clone() else { return };
        let scheduled = (!self.pairs.is_empty()).then(|| {
            self.next += 1;
            self.pairs[self.next % self.pairs.len()]
        });
        let Some((via, to)) = self.triggered.pop_front().or(scheduled) else { return };
        let id = self.transaction();
        self.asked.insert(id.0, (via, to));
        let bytes = ice_check(&remote, &self.own.name, id);
        self.send(via, to, bytes);
    }

    /// A packet of data by the selected pair.
    pub fn talk(&mut self) {
        let Some(((via, to), remote)) = self.selected().zip(self.remote.as_ref()) else { return };
        let bytes = [&[22], remote.password.as_bytes()].concat();
        self.send(via, to, bytes);
    }

    /// Sends whatever it likes through an allocation.
    pub(super) fn send(&mut self, via: Via, to: SocketAddr, bytes: Vec<u8>) {
        match via {
            Via::Direct => self.out.push(Departure { socket: 0, to, bytes }),
            Via::Relay(index) => {
                let bytes = self.turn[index].send(to, &bytes);
                self.send_to_server(index, bytes);
            }
        }
    }

    /// Lets a peer in, and out to.
    pub(super) fn permit(&mut self, index: usize, peer: SocketAddr) {
        let bytes = self.turn[index].permit(&[peer]);
        self.send_to_server(index, bytes);
    }

    /// Gives an allocation back.
    pub fn release(&mut self, index: usize) {
        let bytes = self.turn[index].release();
        self.send_to_server(index, bytes);
    }

    /// A datagram at one of its sockets.
    pub fn receive(&mut self, socket: usize, from: SocketAddr, bytes: &[u8]) {
        let Some(index) = socket.checked_sub(1) else { return self.hear(Via::Direct, from, bytes) };
        match self.turn[index].handle(bytes) {
            Some(TurnEvent::Transmit(bytes)) => self.send_to_server(index, bytes),
            Some(TurnEvent::Data { peer, payload }) => {
                self.hear(Via::Relay(index), peer, &payload);
            }
            Some(TurnEvent::Refused(code)) => panic!("refused with {code}"),
            _ => {}
        }
    }

    /// What has to leave.
    pub fn take_departures(&mut self) -> Vec<Departure> {
        std::mem::take(&mut self.out)
    }

    fn hear(&mut self, via: Via, from: SocketAddr, bytes: &[u8]) {
        match Message::parse(bytes) {
            Ok(message) => self.hear_message(via, from, &message),
            Err(_) if bytes.get(1..) == Some(self.own.password.as_bytes()) => self.received += 1,
            Err(_) => self.garbage += 1,
        }
    }

    fn hear_message(&mut self, via: Via, from: SocketAddr, message: &Message<'_>) {
        let Some(remote) = &self.remote else { return };
        match message.class() {
            Class::Request => {
                let expected = format!("{}:{}", self.own.name, remote.name);
                let username = message.get(AttributeType::USERNAME);
                let genuine = message.check_integrity(self.own.password.as_bytes()).is_ok();
                if username != Some(expected.as_bytes()) || !genuine {
                    return;
                }
                let success =
                    build(Class::Success, Method::BINDING, message.transaction_id(), |writer| {
                        writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, from);
                        writer.integrity(self.own.password.as_bytes());
                    });
                self.send(via, from, success);
                if !self.pairs.contains(&(via, from)) {
                    self.pairs.push((via, from));
                }
                if !self.succeeded.contains(&(via, from)) {
                    self.triggered.push_back((via, from));
                }
            }
            Class::Success => {
                let genuine = message.check_integrity(remote.password.as_bytes()).is_ok();
                let asked = self.asked.get(&message.transaction_id().0).copied();
                if let Some(pair) = asked.filter(|pair| genuine && *pair == (via, from)) {
                    self.succeeded.insert(pair);
                }
            }
            Class::Error | Class::Indication => {}
        }
    }

    fn send_to_server(&mut self, index: usize, bytes: Vec<u8>) {
        self.out.push(Departure { socket: index + 1, to: SERVER, bytes });
    }

    fn transaction(&mut self) -> TransactionId {
        self.transactions += 1;
        let mut id = [0; 12];
        id[..4].copy_from_slice(&(self.seed as u32).to_be_bytes());
        id[4..].copy_from_slice(&self.transactions.to_be_bytes());
        TransactionId(id)
    }
}

/// A check for `remote`, by whoever is called `own`; signed, if the password is the right one.
pub(super) fn ice_check(remote: &Fragment, own: &str, id: TransactionId) -> Vec<u8> {
    build(Class::Request, Method::BINDING, id, |writer| {
        writer.text(AttributeType::USERNAME, &format!("{}:{own}", remote.name));
        writer.u32(AttributeType::PRIORITY, 1);
        writer.integrity(remote.password.as_bytes());
    })
}
