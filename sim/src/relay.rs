//! A TURN server in virtual time: clock, relay sockets and quotas are here, packets are in lists.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use hairpin_stun::{FramingLost, Key, Reader};
use hairpin_turn::{
    AllocationId, BindError, Credentials, Event, Family, FiveTuple, Forward, Now, Output,
    OwnAddresses, OwnedPacket, PacketBuf, PeerAddr, PeerPolicy, QuotaLedger, Quotas, RelayedAddr,
    Rules, Server, Target, User,
};

/// The server's realm.
pub const REALM: &str = "example.org";
/// The secret of its REST credentials.
pub const SECRET: &[u8] = b"north";
/// Its two static users, name and password.
pub const USERS: [(&str, &str); 2] = [("ann", "ann's password"), ("bob", "bob's password")];
/// Where it listens and relays. Clients and peers are elsewhere in the documentation ranges.
pub const SERVER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
/// The same for IPv6.
pub const SERVER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
/// The port of its listeners.
pub const PORT: u16 = 3478;
/// The Unix time at which every simulation starts.
pub const EPOCH: u64 = 1_800_000_000;

/// What a [`Relay`] is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// The operator's settings.
    pub rules: Rules,
    /// The server's addresses.
    pub own: OwnAddresses,
    /// Its secret randomness.
    pub seed: u64,
}

/// The ports of relayed addresses.
pub const RELAY_PORTS: RangeInclusive<u16> = 50_000..=50_999;

/// A configuration with both families and no quotas.
pub fn config() -> Config {
    let users = USERS.map(|(name, password)| (name.into(), Key::long_term(name, REALM, password)));
    let rules = Rules {
        realm: REALM.into(),
        software: Some("hairpin".into()),
        credentials: Credentials { secrets: vec![SECRET.into()], users: users.into() },
        nonce_lifetime: Duration::from_secs(3600),
        max_lifetime: Duration::from_secs(3600),
        policy: PeerPolicy::default(),
        max_permissions: 8,
        max_channels: 4,
    };
    Config { rules, own: own_addresses(&[SERVER_V4, SERVER_V6], RELAY_PORTS), seed: 0x5EED }
}

/// The server's listeners, and relayed addresses at these of its IP addresses.
pub fn own_addresses(relay_ips: &[IpAddr], relay_ports: RangeInclusive<u16>) -> OwnAddresses {
    let listeners = [SERVER_V4, SERVER_V6].map(|ip| SocketAddr::new(ip, PORT));
    OwnAddresses::new(listeners.into(), relay_ips.into(), relay_ports)
}

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

/// A shard and its surroundings.
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
    /// What was meant for another shard.
    pub astray: Vec<Astray>,
    /// What reached clients from other clients without leaving the process.
    pub hairpins: usize,
    /// All that happened.
    pub events: Vec<Event>,
    /// Relay sockets that are open.
    pub sockets: BTreeMap<AllocationId, RelayedAddr>,
    to_clients: VecDeque<(FiveTuple, Vec<u8>)>,
    waiting: VecDeque<(AllocationId, Family, bool, User)>,
    next_port: u16,
}

impl Default for Relay {
    fn default() -> Self {
        Self::new(config())
    }
}

impl Relay {
    /// A server without quotas.
    pub fn new(config: Config) -> Self {
        Self::with_quotas(config, Quotas::default())
    }

    /// A server with quotas.
    pub fn with_quotas(config: Config, quotas: Quotas) -> Self {
        Self {
            next_port: *config.own.relay_ports().start(),
            server: Server::new(Arc::new(config.rules), config.own, config.seed),
            now: Now { monotonic: Duration::from_secs(1), unix: EPOCH },
            ledger: QuotaLedger::new(quotas),
            bind_error: None,
            hold_binds: false,
            to_peers: Vec::new(),
            astray: Vec::new(),
            hairpins: 0,
            events: Vec::new(),
            sockets: BTreeMap::new(),
            to_clients: VecDeque::new(),
            waiting: VecDeque::new(),
        }
    }

    /// Lets time pass, stopping at every timer on the way.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now.monotonic + time;
        while let Some(timeout) = self.server.poll_timeout().filter(|timeout| *timeout <= end) {
            self.set_time(timeout.max(self.now.monotonic));
            self.server.handle_timeout(self.now);
            self.carry_out();
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
            let spare = reader.spare();
            let n = spare.len().min(bytes.len());
            spare[..n].copy_from_slice(&bytes[..n]);
            reader.filled(n);
            bytes = &bytes[n..];
            while let Some(frame) = reader.next_frame()? {
                self.receive(tuple, frame);
            }
        }
        Ok(())
    }

    /// A datagram that a peer sends to a relayed address. Lost when no socket is open there.
    pub fn peer_sends(&mut self, peer: SocketAddr, relayed: RelayedAddr, payload: &[u8]) {
        let socket = self.sockets.iter().find(|(_, open)| **open == relayed);
        let Some((&id, _)) = socket else { return };
        let mut packet = OwnedPacket::from(payload);
        let forward = self.server.handle_peer(self.now, id, PeerAddr(peer), packet.packet());
        self.deliver(forward);
        self.carry_out();
    }

    /// A hairpin that came over from another shard.
    pub fn shard_sends(&mut self, astray: &Astray) {
        let mut packet = OwnedPacket::from(astray.payload.as_slice());
        let (to, from) = (astray.to, astray.from);
        let forward = self.server.handle_relayed(self.now, to, from, packet.packet());
        self.deliver(forward);
        self.carry_out();
    }

    /// A client's stream closes.
    pub fn disconnect(&mut self, tuple: &FiveTuple) {
        self.server.handle_disconnect(self.now, tuple);
        self.carry_out();
    }

    /// The next packet for a client, if any came.
    pub fn received(&mut self, tuple: &FiveTuple) -> Option<Vec<u8>> {
        let at = self.to_clients.iter().position(|(to, _)| to == tuple)?;
        self.to_clients.remove(at).map(|(_, bytes)| bytes)
    }

    /// To whom packets wait that no client has taken.
    pub fn recipients(&self) -> impl Iterator<Item = &FiveTuple> {
        self.to_clients.iter().map(|(tuple, _)| tuple)
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
        let Some((id, family, even, user)) = self.waiting.pop_front() else { return false };
        let bound = self.open_socket(id, family, even, &user);
        self.server.handle_relay_bound(self.now, id, bound);
        self.carry_out();
        true
    }

    fn open_socket(
        &mut self,
        id: AllocationId,
        family: Family,
        even: bool,
        user: &User,
    ) -> Result<RelayedAddr, BindError> {
        if let Some(error) = self.bind_error {
            return Err(error);
        }
        self.ledger.acquire(user)?;
        let ip = match family {
            Family::V4 => SERVER_V4,
            Family::V6 => SERVER_V6,
        };
        if even {
            self.next_port = self.next_port.next_multiple_of(2);
        }
        let relayed = RelayedAddr(SocketAddr::new(ip, self.next_port));
        self.next_port += 1;
        self.sockets.insert(id, relayed);
        Ok(relayed)
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Transmit { to, bytes } => self.to_clients.push_back((to, bytes)),
                Output::BindRelay { id, family, even_port, user } => {
                    self.waiting.push_back((id, family, even_port, user));
                    if !self.hold_binds {
                        self.bind();
                    }
                }
                Output::CloseRelay { id, relayed, user } => {
                    assert_eq!(self.sockets.remove(&id), Some(relayed), "a socket that is open");
                    self.ledger.release(&user);
                }
                Output::Path { .. } | Output::PathClosed { .. } => {}
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    fn receive(&mut self, tuple: FiveTuple, packet: PacketBuf<'_>) {
        let forward = self.server.handle_client(self.now, tuple, packet);
        self.deliver(forward);
        self.carry_out();
    }

    fn deliver(&mut self, forward: Option<Forward<'_>>) {
        let Some(forward) = forward else { return };
        let to = forward.to;
        let gathered = [forward.head(), forward.payload(), forward.padding()].concat();
        let payload = forward.into_bytes().to_vec();
        assert_eq!(gathered, payload, "a packet is the same whichever way it is put together");
        match to {
            Target::Client { tuple, hairpin } => {
                self.hairpins += usize::from(hairpin);
                self.to_clients.push_back((tuple, payload));
            }
            Target::Peer { via, to } => {
                let from = self.server.relayed(via).expect("only live allocations forward");
                self.to_peers.push(Relayed { from, to, payload });
            }
            Target::Hairpin { to, from, otherwise } => {
                let may_leave = otherwise.is_some();
                self.astray.push(Astray { from, to, may_leave, payload });
            }
        }
    }

    fn set_time(&mut self, monotonic: Duration) {
        self.now.monotonic = monotonic;
        self.now.unix = EPOCH + monotonic.as_secs() - 1;
    }
}
