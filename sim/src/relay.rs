//! A TURN server in virtual time: clock, relay sockets and quotas are here, packets are in lists.

mod config;
mod follower;
mod sockets;
mod tcp_relay;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hairpin_stun::{FramingLost, Reader};
use hairpin_turn::{
    AllocationId, BindError, Bound, Event, FiveTuple, Forward, Fragmentation, IcmpError, Now,
    Output, OwnedPacket, Owner, PacketBuf, PeerAddr, QuotaLedger, Quotas, RelayedAddr, Server,
    Target, Wanted,
};

pub use config::{
    Config, PORT, REALM, RELAY_PORTS, SECRET, SERVER_V4, SERVER_V6, USERS, config,
    documentation_ranges, own_addresses,
};
pub use follower::Follower;
pub use sockets::Sockets;
pub use tcp_relay::PeerConnections;

use follower::Passed;

/// The Unix time at which every simulation starts.
pub const EPOCH: u64 = 1_800_000_000;

/// A datagram that left through a relay socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// The relayed address it left from.
    pub from: RelayedAddr,
    /// The peer it went to.
    pub to: PeerAddr,
    /// What it carried.
    pub payload: Vec<u8>,
}

/// A datagram for a relayed address that this shard does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Astray {
    /// The relayed address it came from.
    pub from: RelayedAddr,
    /// The relayed address it is for.
    pub to: RelayedAddr,
    /// Whether it may leave through the sender's relay socket when no shard has `to`.
    pub may_leave: bool,
    /// What it carried.
    pub payload: Vec<u8>,
}

/// A packet that reached a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The client.
    pub tuple: FiveTuple,
    /// Where it came from.
    pub origin: Origin,
    /// What it was.
    pub bytes: Vec<u8>,
}

/// Where a packet for a client came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// It is the server's own answer.
    Server,
    /// A peer sent it to a relay socket.
    Peer,
    /// Another client sent it, without leaving the process.
    Hairpin,
}

/// A shard and its surroundings: it does what [`Output`]s and [`Forward`]s say, and has a
/// [`Follower`] check each packet.
pub struct Relay {
    /// The state machine under test.
    pub server: Server,
    /// The time.
    pub now: Now,
    /// Who holds how many allocations.
    pub ledger: QuotaLedger,
    /// What a relay socket fails with, if it is to fail.
    pub bind_error: Option<BindError>,
    /// Whether requests for relay sockets wait for [`Relay::bind`].
    pub hold_binds: bool,
    /// What left through relay sockets.
    pub to_peers: Vec<Relayed>,
    /// How many of all that ever left so may not be cut up on their way.
    pub dont_fragment: usize,
    /// What was meant for another shard.
    pub astray: Vec<Astray>,
    /// What reached clients from other clients without leaving the process.
    pub hairpins: usize,
    /// All that happened.
    pub events: Vec<Event>,
    /// Relay sockets that are open.
    pub sockets: Sockets,
    /// Connections between TCP relay sockets and peers.
    pub connections: PeerConnections,
    follower: Follower,
    to_clients: VecDeque<Delivered>,
    waiting: VecDeque<(AllocationId, Wanted, Owner)>,
}

impl Default for Relay {
    fn default() -> Self {
        Self::new(config())
    }
}

impl Relay {
    /// A server where an address has its fair share, and nothing else is bounded.
    pub fn new(config: Config) -> Self {
        Self::with_quotas(config, Quotas::default())
    }

    /// A server with quotas.
    pub fn with_quotas(config: Config, quotas: Quotas) -> Self {
        let sockets = Sockets::new(config.own.relay_ports(), 1);
        Self::with_sockets(config, quotas, sockets)
    }

    pub(crate) fn with_sockets(config: Config, quotas: Quotas, sockets: Sockets) -> Self {
        Self {
            ledger: QuotaLedger::new(quotas, config.own.relay_ports().len()),
            server: Server::new(Arc::new(config.rules), config.own.into(), config.seed),
            now: Now { monotonic: Duration::from_secs(1), unix: EPOCH },
            bind_error: None,
            hold_binds: false,
            to_peers: Vec::new(),
            dont_fragment: 0,
            astray: Vec::new(),
            hairpins: 0,
            events: Vec::new(),
            sockets,
            connections: PeerConnections::default(),
            follower: Follower::default(),
            to_clients: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Lets time pass, stopping at every timer on the way.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now.monotonic + time;
        while let Some(timeout) = self.server.poll_timeout().filter(|timeout| *timeout <= end) {
            self.set_time(timeout.max(self.now.monotonic));
            self.handle_timeout();
        }
        self.set_time(end);
    }

    /// Lets whole seconds pass.
    pub fn advance_secs(&mut self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    /// Lets time pass in which the server is not called at all, as on a machine that is busy
    /// elsewhere.
    pub fn sleep_secs(&mut self, seconds: u64) {
        self.set_time(self.now.monotonic + Duration::from_secs(seconds));
    }

    /// Lets a timer run, once.
    pub fn handle_timeout(&mut self) {
        self.server.handle_timeout(self.now);
        self.carry_out();
    }

    /// A datagram, or one frame of a stream, from a client.
    pub fn client_sends(&mut self, tuple: FiveTuple, datagram: &[u8]) {
        self.receive(tuple, OwnedPacket::from(datagram).packet());
    }

    /// Bytes of a client's stream: every whole frame is handed over.
    ///
    /// # Errors
    /// When they can be no frame, so that the stream is to be closed.
    pub fn stream_sends(
        &mut self,
        tuple: FiveTuple,
        reader: &mut Reader,
        mut bytes: &[u8],
    ) -> Result<(), FramingLost> {
        while !bytes.is_empty() {
            bytes = &bytes[reader.push(bytes)..];
            while let Some(frame) = reader.next_frame()? {
                self.receive(tuple, frame);
            }
        }
        Ok(())
    }

    /// A datagram that a peer sends to a relayed address. Lost when no socket is open there.
    pub fn peer_sends(&mut self, peer: SocketAddr, relayed: RelayedAddr, payload: &[u8]) {
        let Some(id) = self.sockets.datagram_owner(relayed) else { return };
        let (mut packet, peer) = (OwnedPacket::from(payload), PeerAddr(peer));
        let forward = self.server.handle_peer(self.now, id, peer, packet.packet());
        let passed = self.deliver(forward);
        self.follower.check_peer(self.now.monotonic, relayed, peer, &passed);
    }

    /// An ICMP error comes back about a datagram that a relayed address sent to a peer.
    pub fn icmp_comes(&mut self, peer: SocketAddr, relayed: RelayedAddr, error: IcmpError) {
        let Some(id) = self.sockets.owner(relayed) else { return };
        self.server.handle_icmp(self.now, id, PeerAddr(peer), error);
        self.carry_out();
    }

    /// A hairpin that came over from another shard.
    pub fn shard_sends(&mut self, astray: &Astray) {
        let mut packet = OwnedPacket::from(astray.payload.as_slice());
        let (to, from) = (astray.to, astray.from);
        let forward = self.server.handle_relayed(self.now, to, from, packet.packet());
        let passed = self.deliver(forward);
        self.follower.check_peer(self.now.monotonic, to, PeerAddr(from.0), &passed);
    }

    /// A client's stream closes.
    pub fn disconnect(&mut self, tuple: &FiveTuple) {
        self.server.handle_disconnect(self.now, tuple);
        self.carry_out();
    }

    /// The next packet for a client, if any came.
    pub fn received(&mut self, tuple: &FiveTuple) -> Option<Vec<u8>> {
        let at = self.to_clients.iter().position(|delivered| delivered.tuple == *tuple)?;
        self.to_clients.remove(at).map(|delivered| delivered.bytes)
    }

    /// To whom packets wait that no client has taken.
    pub fn recipients(&self) -> impl Iterator<Item = &FiveTuple> {
        self.to_clients.iter().map(|delivered| &delivered.tuple)
    }

    /// All packets that no client has taken.
    pub fn take_delivered(&mut self) -> impl Iterator<Item = Delivered> + use<> {
        std::mem::take(&mut self.to_clients).into_iter()
    }

    /// What left through relay sockets since it was last asked.
    pub fn take_relayed(&mut self) -> Vec<Relayed> {
        std::mem::take(&mut self.to_peers)
    }

    /// Forgets all packets and events there are.
    pub fn forget(&mut self) {
        self.to_clients.clear();
        self.to_peers.clear();
        self.events.clear();
        self.astray.clear();
    }

    /// Answers the oldest request for a relay socket that was held back. False when there is none.
    pub fn bind(&mut self) -> bool {
        let Some((id, wanted, owner)) = self.waiting.pop_front() else { return false };
        let bound = self.open_socket(id, wanted, &owner);
        self.server.handle_relay_bound(self.now, id, bound);
        self.carry_out();
        true
    }

    fn open_socket(
        &mut self,
        id: AllocationId,
        wanted: Wanted,
        owner: &Owner,
    ) -> Result<Bound, BindError> {
        if let Some(error) = self.bind_error {
            return Err(error);
        }
        self.ledger.acquire(owner)?;
        let opened = self.sockets.open(self.now.monotonic, id, wanted, owner);
        let opened = opened.inspect_err(|_| self.ledger.release(owner));
        opened.map(|bound| Bound { bandwidth: self.ledger.bandwidth(&owner.user), ..bound })
    }

    /// Does what the server asks for.
    fn carry_out(&mut self) {
        while let Some(output) = self.server.poll_output() {
            self.follower.hear(self.now.monotonic, &output);
            match output {
                Output::Transmit { to: tuple, bytes } => {
                    self.to_clients.push_back(Delivered { tuple, origin: Origin::Server, bytes });
                }
                Output::BindRelay { id, wanted, owner } => {
                    self.waiting.push_back((id, wanted, owner));
                    if !self.hold_binds {
                        self.bind();
                    }
                }
                Output::CloseRelay { id, relayed, owner } => {
                    self.sockets.close(id, relayed);
                    self.ledger.release(&owner);
                }
                Output::Connect { .. }
                | Output::Pipe { .. }
                | Output::CloseConnection { .. }
                | Output::HandOver { .. } => self.connections.hear(output),
                Output::Path { .. }
                | Output::PathClosed { .. }
                | Output::Expect { .. }
                | Output::Forget { .. } => {}
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn receive(&mut self, tuple: FiveTuple, packet: PacketBuf<'_>) {
        let bytes = packet.payload().to_vec();
        let forward = self.server.handle_client(self.now, tuple, packet);
        let passed = self.deliver(forward);
        self.follower.check_client(self.now.monotonic, &tuple, &bytes, &passed);
    }

    /// Sends what is passed on, and does what else the packet has led to.
    fn deliver(&mut self, forward: Option<Forward<'_>>) -> Passed {
        let before = self.events.len();
        let passed = forward.map(|forward| self.send(forward));
        self.carry_out();
        let reason = self.events[before..].iter().find_map(|event| match event {
            Event::Dropped(reason) => Some(*reason),
            _ => None,
        });
        passed.unwrap_or(Passed::Not(reason))
    }

    fn send(&mut self, forward: Forward<'_>) -> Passed {
        let (to, fragmentation) = (forward.to, forward.fragmentation);
        let head = forward.head().to_vec();
        let gathered = [forward.head(), forward.payload(), forward.padding()].concat();
        let bytes = forward.into_bytes().to_vec();
        assert_eq!(gathered, bytes, "a packet is the same whichever way it is put together");
        match to {
            Target::Client { tuple, hairpin } => {
                self.hairpins += usize::from(hairpin);
                let origin = if hairpin { Origin::Hairpin } else { Origin::Peer };
                self.to_clients.push_back(Delivered { tuple, origin, bytes });
            }
            Target::Peer { via, to } => {
                let from = self.server.relayed(via).expect("only live allocations forward");
                self.dont_fragment += usize::from(fragmentation == Fragmentation::Forbidden);
                self.to_peers.push(Relayed { from, to, payload: bytes });
            }
            Target::Shared { .. } => panic!("allocations have addresses of their own here"),
            Target::Hairpin { to, from, otherwise } => {
                let may_leave = otherwise.is_some();
                self.astray.push(Astray { from, to, may_leave, payload: bytes });
            }
        }
        Passed::On { to, head }
    }

    fn set_time(&mut self, monotonic: Duration) {
        self.now.monotonic = monotonic;
        self.now.unix = EPOCH + monotonic.as_secs() - 1;
    }
}
