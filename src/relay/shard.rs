//! A worker's shard: the state machine and the sockets its packets leave by.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use arrayvec::ArrayVec;
use hairpin_turn::{
    AllocationId, BindError, Event, FiveTuple, Output, PeerAddr, RelayedAddr, Target, Transport,
    User,
};
use rustix::event::epoll;

use super::hairpin::{Outbox, Parcel};
use super::ports::{Claim, Wanted};
use super::stream::StreamWriter;
use super::sys::{BATCH, Packet, RecvBatch, Sender};
use super::worker::WorkerSetup;
use super::{RelayContext, sockets};
use crate::metrics::{Direction, DropReason, RelayMetrics};

/// Which socket an epoll event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A client listener, by its place in the list.
    Listener(usize),
    /// A relay socket, by its allocation's index.
    Relay(usize),
}

impl Token {
    const LISTENER: u64 = 1 << 32;

    pub(super) fn to_u64(self) -> u64 {
        match self {
            Self::Listener(i) => Self::LISTENER | i as u64,
            Self::Relay(i) => i as u64,
        }
    }

    pub(super) fn from_u64(token: u64) -> Self {
        let index = token as u32 as usize;
        if token & Self::LISTENER != 0 { Self::Listener(index) } else { Self::Relay(index) }
    }
}

/// One worker's state; the only owner of its allocations.
pub(super) struct Shard {
    pub(super) core: hairpin_turn::Server,
    sockets: Sockets,
    outbox: Outbox,
    sender: Sender,
    epoll: Rc<OwnedFd>,
    index: usize,
    metrics: Arc<RelayMetrics>,
    context: Arc<RelayContext>,
}

struct Sockets {
    listeners: Vec<(SocketAddr, UdpSocket)>,
    /// By [`AllocationId::index`].
    relays: Vec<Option<RelaySocket>>,
    streams: HashMap<FiveTuple, Rc<StreamWriter>>,
}

struct RelaySocket {
    id: AllocationId,
    claim: Claim,
    socket: UdpSocket,
}

impl Shard {
    /// Registers the listeners with the epoll set.
    pub(super) fn new(setup: WorkerSetup, epoll: Rc<OwnedFd>) -> io::Result<Self> {
        for (i, (_, socket)) in setup.listeners.udp.iter().enumerate() {
            watch(&epoll, socket.as_fd(), Token::Listener(i))?;
        }
        Ok(Self {
            core: hairpin_turn::Server::new(setup.core),
            sockets: Sockets {
                listeners: setup.listeners.udp,
                relays: Vec::new(),
                streams: HashMap::new(),
            },
            outbox: Outbox::new(setup.mailboxes),
            sender: Sender::new(),
            epoll,
            index: setup.index,
            metrics: setup.metrics,
            context: setup.context,
        })
    }

    /// Reads one batch from a socket that has datagrams, and forwards and answers them. `true` says that the batch was
    /// full, so more may be waiting.
    ///
    /// # Errors
    /// What the system says of the socket.
    pub(super) fn receive(&mut self, token: Token, batch: &mut RecvBatch) -> io::Result<bool> {
        match token {
            Token::Listener(i) => self.receive_clients(i, batch),
            Token::Relay(i) => self.receive_peers(i, batch),
        }
    }

    fn receive_clients(&mut self, listener: usize, batch: &mut RecvBatch) -> io::Result<bool> {
        let now = self.context.clock.now();
        let (address, socket) = &self.sockets.listeners[listener];
        let mut packets = ArrayVec::<Packet<'_>, BATCH>::new();
        let datagrams = batch.recv(socket.as_fd())?;
        let full = datagrams.len() == BATCH;
        for datagram in datagrams {
            let server =
                SocketAddr::new(datagram.destination.unwrap_or(address.ip()), address.port());
            let tuple = FiveTuple { transport: Transport::Udp, client: datagram.source, server };
            let buffer = datagram.buffer;
            if let Some(forward) = self.core.handle_client(now, tuple, buffer, datagram.range) {
                let way =
                    Way { sockets: &self.sockets, context: &self.context, metrics: &self.metrics };
                packets.extend(way.dispatch(&mut self.outbox, forward.to, &buffer[forward.range]));
            }
        }
        self.metrics.dropped(DropReason::SendFailed, self.sender.send(&mut packets));
        drop(packets);
        self.settle();
        Ok(full)
    }

    fn receive_peers(&mut self, index: usize, batch: &mut RecvBatch) -> io::Result<bool> {
        let now = self.context.clock.now();
        // An event can outlive its socket by a moment.
        let Some(Some(RelaySocket { id, socket, .. })) = self.sockets.relays.get(index) else {
            return Ok(false);
        };
        let mut packets = ArrayVec::<Packet<'_>, BATCH>::new();
        let datagrams = batch.recv(socket.as_fd())?;
        let full = datagrams.len() == BATCH;
        for datagram in datagrams {
            let (peer, buffer) = (PeerAddr(datagram.source), datagram.buffer);
            if let Some(forward) = self.core.handle_peer(now, *id, peer, buffer, datagram.range) {
                let way =
                    Way { sockets: &self.sockets, context: &self.context, metrics: &self.metrics };
                packets.extend(way.dispatch(&mut self.outbox, forward.to, &buffer[forward.range]));
            }
        }
        self.metrics.dropped(DropReason::SendFailed, self.sender.send(&mut packets));
        drop(packets);
        self.settle();
        Ok(full)
    }

    /// Takes packets that another worker's allocations sent to relayed addresses of this shard.
    pub(super) fn receive_parcel(&mut self, parcel: Parcel) {
        let now = self.context.clock.now();
        parcel.open(|to, from, buffer, range| {
            let forward = self.core.handle_relayed(now, to, from, buffer, range);
            self.send_one(forward, buffer);
        });
        self.settle();
    }

    /// Takes one frame of a TURN stream. `buffer` has the headroom before `frame` that the state machine wants.
    pub(super) fn receive_frame(
        &mut self,
        tuple: FiveTuple,
        buffer: &mut [u8],
        frame: Range<usize>,
    ) {
        let now = self.context.clock.now();
        let forward = self.core.handle_client(now, tuple, buffer, frame);
        self.send_one(forward, buffer);
        self.settle();
    }

    /// Lets timers run and returns when to call again.
    pub(super) fn handle_timeout(&mut self) {
        self.core.handle_timeout(self.context.clock.now());
        self.settle();
    }

    /// From now on answers and data for this client go to `writer`.
    pub(super) fn open_stream(&mut self, tuple: FiveTuple, writer: Rc<StreamWriter>) {
        self.metrics.tcp_opened();
        self.sockets.streams.insert(tuple, writer);
    }

    /// The connection is gone, and its allocation with it.
    pub(super) fn close_stream(&mut self, tuple: &FiveTuple) {
        self.metrics.tcp_closed();
        self.sockets.streams.remove(tuple);
        self.core.handle_disconnect(self.context.clock.now(), tuple);
        self.settle();
    }

    fn send_one(&mut self, forward: Option<hairpin_turn::Forward>, buffer: &[u8]) {
        let Some(forward) = forward else { return };
        let way = Way { sockets: &self.sockets, context: &self.context, metrics: &self.metrics };
        if let Some(packet) = way.dispatch(&mut self.outbox, forward.to, &buffer[forward.range]) {
            self.metrics.dropped(DropReason::SendFailed, self.sender.send(&mut [packet]));
        }
    }

    /// Hands parcels over and carries out what the state machine asked for. Packets that refer to sockets
    /// have left by now, so closing one here cannot send them from its successor.
    fn settle(&mut self) {
        self.metrics.dropped(DropReason::HairpinQueueFull, self.outbox.flush());
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Transmit { to, bytes } => self.transmit(to, &bytes),
                Output::BindRelay { id, family, even_port, user } => {
                    let bound = self.bind_relay(id, Wanted { family, even: even_port }, &user);
                    self.core.handle_relay_bound(self.context.clock.now(), id, bound);
                }
                Output::CloseRelay { id, user, .. } => self.close_relay(id, &user),
                Output::Event(event) => self.count(event),
            }
        }
    }

    fn transmit(&mut self, to: FiveTuple, bytes: &[u8]) {
        match to.transport {
            Transport::Tcp => {
                if let Some(stream) = self.sockets.streams.get(&to) {
                    stream.send_control(bytes);
                }
            }
            Transport::Udp => {
                if let Some(packet) = self.sockets.to_client(to, bytes) {
                    let failed = self.sender.send(&mut [packet]);
                    self.metrics.dropped(DropReason::SendFailed, failed);
                }
            }
        }
    }

    fn bind_relay(
        &mut self,
        id: AllocationId,
        wanted: Wanted,
        user: &User,
    ) -> Result<RelayedAddr, BindError> {
        if self.context.draining.load(Ordering::Relaxed) {
            return Err(BindError::Capacity);
        }
        self.quotas().acquire(user)?;
        let Some((claim, socket)) = self.claim_port(wanted) else {
            self.quotas().release(user);
            return Err(BindError::Capacity);
        };
        if let Err(error) = watch(&self.epoll, socket.as_fd(), Token::Relay(id.index())) {
            tracing::warn!(%error, "cannot watch a relay socket");
            self.context.ports.release(claim);
            self.quotas().release(user);
            return Err(BindError::Capacity);
        }
        let relays = &mut self.sockets.relays;
        if relays.len() <= id.index() {
            relays.resize_with(id.index() + 1, || None);
        }
        relays[id.index()] = Some(RelaySocket { id, claim, socket });
        Ok(self.context.ports.relayed(claim))
    }

    /// Claims a random port and binds it. Ports that other programs hold inside our range are passed over.
    fn claim_port(&self, wanted: Wanted) -> Option<(Claim, UdpSocket)> {
        const TRIES: usize = 64;
        let ports = &self.context.ports;
        let mut taken = ArrayVec::<Claim, TRIES>::new();
        let mut found = None;
        for _ in 0..TRIES {
            let Some(claim) = ports.claim(wanted, self.index, rand::random()) else { break };
            match sockets::bind_relay(ports.local(claim)) {
                Ok(socket) => {
                    found = Some((claim, socket));
                    break;
                }
                // Held until a port is found, so that no other try meets it again.
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => taken.push(claim),
                Err(error) => {
                    tracing::warn!(%error, address = %ports.local(claim), "cannot bind a relay socket");
                    taken.push(claim);
                    break;
                }
            }
        }
        for claim in taken {
            ports.release(claim);
        }
        found
    }

    fn close_relay(&mut self, id: AllocationId, user: &User) {
        // Closing the socket takes it out of the epoll set.
        if let Some(relay) = self.sockets.relays.get_mut(id.index()).and_then(Option::take) {
            self.context.ports.release(relay.claim);
        }
        self.quotas().release(user);
    }

    fn quotas(&self) -> std::sync::MutexGuard<'_, hairpin_turn::QuotaLedger> {
        // The ledger's methods leave it consistent even if its holder panics afterwards.
        self.context.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, event: Event) {
        match event {
            Event::Allocated { tuple, relayed, user } => {
                self.metrics.allocated();
                tracing::debug!(client = %tuple.client, relayed = %relayed.0, %user, "allocated");
            }
            Event::Released { tuple, relayed, reason } => {
                self.metrics.released();
                tracing::debug!(client = %tuple.client, relayed = %relayed.0, ?reason, "released");
            }
            Event::Refused { tuple, method, code } => {
                self.metrics.refused(method, code);
                tracing::debug!(client = %tuple.client, method, code, "refused");
            }
            Event::Bound => self.metrics.bound(),
            Event::Dropped(reason) => self.metrics.dropped(DropReason::from(reason), 1),
        }
    }
}

/// How a forward leaves: what [`Shard`] must know of its sockets while the state machine is busy.
struct Way<'s> {
    sockets: &'s Sockets,
    context: &'s RelayContext,
    metrics: &'s RelayMetrics,
}

impl<'s> Way<'s> {
    /// Passes a packet to its stream or another worker, or returns it for the next batch of datagrams.
    fn dispatch<'b>(&self, outbox: &mut Outbox, to: Target, bytes: &'b [u8]) -> Option<Packet<'b>>
    where
        's: 'b,
    {
        match to {
            Target::Client { tuple, hairpin } => {
                let direction = if hairpin { Direction::Hairpin } else { Direction::ToClient };
                self.metrics.forwarded(direction, bytes.len());
                match tuple.transport {
                    Transport::Udp => return self.sockets.to_client(tuple, bytes),
                    Transport::Tcp => {
                        let stream = self.sockets.streams.get(&tuple);
                        if !stream.is_some_and(|stream| stream.send_data(bytes)) {
                            self.metrics.dropped(DropReason::SlowReader, 1);
                        }
                    }
                }
            }
            Target::Peer { via, to } => return self.to_peer(via, to, bytes),
            Target::Hairpin { to, from, otherwise } => match self.context.ports.owner(to) {
                Some((worker, to)) => outbox.push(worker, to, from, bytes),
                None => match otherwise {
                    Some(via) => return self.to_peer(via, PeerAddr(to.0), bytes),
                    None => self.metrics.dropped(DropReason::NobodyThere, 1),
                },
            },
        }
        None
    }

    fn to_peer<'b>(&self, via: AllocationId, to: PeerAddr, bytes: &'b [u8]) -> Option<Packet<'b>>
    where
        's: 'b,
    {
        let relay = self.sockets.relays.get(via.index())?.as_ref().filter(|r| r.id == via)?;
        self.metrics.forwarded(Direction::ToPeer, bytes.len());
        Some(Packet { socket: relay.socket.as_fd(), from: None, to: to.0, bytes })
    }
}

impl Sockets {
    /// A packet to a UDP client from the address it knows us by; none if no listener has that address.
    fn to_client<'b>(&'b self, to: FiveTuple, bytes: &'b [u8]) -> Option<Packet<'b>> {
        let (address, socket) = self.listeners.iter().find(|(address, _)| {
            address.port() == to.server.port()
                && address.is_ipv4() == to.server.is_ipv4()
                && (address.ip().is_unspecified() || address.ip() == to.server.ip())
        })?;
        let from = source(address.ip(), to.server.ip());
        Some(Packet { socket: socket.as_fd(), from, to: to.client, bytes })
    }
}

/// The source to set explicitly, where the socket's own address does not say it.
fn source(bound: IpAddr, server: IpAddr) -> Option<IpAddr> {
    (bound.is_unspecified() && !server.is_unspecified()).then_some(server)
}

fn watch(epoll: &OwnedFd, socket: BorrowedFd<'_>, token: Token) -> io::Result<()> {
    let data = epoll::EventData::new_u64(token.to_u64());
    Ok(epoll::add(epoll, socket, data, epoll::EventFlags::IN)?)
}
