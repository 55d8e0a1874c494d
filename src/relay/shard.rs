//! A worker's shard: the state machine, and carrying out what it asks for.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use arrayvec::ArrayVec;
use hairpin_turn::{
    AllocationId, BindError, Event, FiveTuple, Forward, Output, PacketBuf, PeerAddr, RelayedAddr,
    Transport, User,
};

use super::hairpin::{Outbox, Parcel};
use super::ports::{Claim, Wanted};
use super::routes::{Inlet, RelaySocket, Sockets, Token, Way, watch};
use super::stream::StreamWriter;
use super::sys::{BATCH, Datagram, Packet, RecvBatch, Sender};
use super::worker::WorkerSetup;
use super::{RelayContext, sockets};
use crate::metrics::{DropReason, RelayMetrics};

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

impl Shard {
    /// Registers the listeners with the epoll set.
    pub(super) fn new(setup: WorkerSetup, epoll: Rc<OwnedFd>) -> io::Result<Self> {
        for (i, (_, socket)) in setup.listeners.udp.iter().enumerate() {
            watch(&epoll, socket.as_fd(), Token::Listener(i))?;
        }
        Ok(Self {
            core: hairpin_turn::Server::new(setup.rules, setup.own, rand::random()),
            sockets: Sockets { listeners: setup.listeners.udp, ..Sockets::default() },
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
        let Some(inlet) = self.sockets.inlet(token) else { return Ok(false) };
        let now = self.context.clock.now();
        let mut packets = ArrayVec::<Packet<'_>, BATCH>::new();
        let datagrams = batch.recv(inlet.socket())?;
        let full = datagrams.len() == BATCH;
        for Datagram { source, destination, packet } in datagrams {
            let forward = match inlet {
                Inlet::Clients { address, .. } => {
                    let server =
                        SocketAddr::new(destination.unwrap_or(address.ip()), address.port());
                    let tuple = FiveTuple { transport: Transport::Udp, client: source, server };
                    self.core.handle_client(now, tuple, packet)
                }
                Inlet::Peers { id, .. } => self.core.handle_peer(now, id, PeerAddr(source), packet),
            };
            if let Some(forward) = forward {
                let way =
                    Way { sockets: &self.sockets, context: &self.context, metrics: &self.metrics };
                packets.extend(way.dispatch(&mut self.outbox, forward.to, forward.into_bytes()));
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
        parcel.open(|to, from, packet| {
            let forward = self.core.handle_relayed(now, to, from, packet);
            self.send_one(forward);
        });
        self.settle();
    }

    /// Takes one frame of a TURN stream.
    pub(super) fn receive_frame(&mut self, tuple: FiveTuple, frame: PacketBuf<'_>) {
        let now = self.context.clock.now();
        let forward = self.core.handle_client(now, tuple, frame);
        self.send_one(forward);
        self.settle();
    }

    /// Lets timers run.
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

    fn send_one(&mut self, forward: Option<Forward<'_>>) {
        let Some(forward) = forward else { return };
        let way = Way { sockets: &self.sockets, context: &self.context, metrics: &self.metrics };
        if let Some(packet) = way.dispatch(&mut self.outbox, forward.to, forward.into_bytes()) {
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
                Output::Path { .. } | Output::PathClosed { .. } => {}
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
        if let Some(RelaySocket { socket, claim, .. }) =
            self.sockets.relays.get_mut(id.index()).and_then(Option::take)
        {
            // Closing takes it out of the epoll set. Before the port is given back, or its next owner would find it bound.
            drop(socket);
            self.context.ports.release(claim);
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
            Event::Refused { tuple, method, refusal } => {
                self.metrics.refused(method, refusal);
                let (method, code) = (method.name(), refusal.code());
                tracing::debug!(client = %tuple.client, method, code, "refused");
            }
            Event::BindingAnswered => self.metrics.binding_answered(),
            Event::Dropped(reason) => self.metrics.dropped(DropReason::from(reason), 1),
        }
    }
}
