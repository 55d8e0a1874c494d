//! A worker's shard: the state machine, the sockets it is driven by, and carrying out what it asks for.

mod dtls;
mod errors;
mod guests;
mod onward;
mod outputs;
mod shared;
mod streams;
mod tcp_relay;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hairpin_stun::FirstByte;
use hairpin_turn::{FiveTuple, Now, OwnAddresses, PeerAddr, Server, Transport};

use self::tcp_relay::Diverted;
use super::context::RelayContext;
use super::dtls::Sessions;
use super::errors::is_about_something_else;
use super::gathered::Gathered;
use super::parcel::{Delivery, Outbox, Parcel, Way};
use super::peers::Peers;
use super::routes::{Arrival, RelaySocket, Routes, Senders, Token};
use super::shared::SharedRelay;
use super::streams::Streams;
use super::sys::{Batch, Datagram, SLOTS};
use crate::metrics::{DropReason, RelayMetrics};
pub(super) use shared::Sockets;

/// Datagrams taken from one listener before the other sockets get their turn: all clients send to it, and packets of
/// one flow that are received together leave together.
const FROM_CLIENTS: usize = SLOTS;

/// Datagrams taken from one relay socket before the others get their turn.
const FROM_PEERS: usize = 64;

/// DSCP and ECN of what comes over a stream, which has one of each for all that it carries (RFC 8656 s16).
const OF_A_STREAM: u8 = 0;

/// Streams whose deadlines are looked at in one turn.
const TIMERS: usize = 64;

/// One worker's state; the only owner of its allocations.
///
/// Whatever is handed in may leave packets in what the turn gathers, and sockets that [`finish`](Self::finish) closes.
pub(super) struct Shard {
    core: Server,
    routes: Routes,
    /// The address that all allocations share, if they do.
    shared: Option<SharedRelay>,
    streams: Streams,
    /// Clients over DTLS, where it is served.
    dtls: Option<Sessions>,
    peers: Peers,
    /// What becomes of the stream whose frames are being taken: none that follows is a frame.
    diverted: Option<Diverted>,
    outbox: Outbox,
    /// Clients that another worker serves, and which one.
    guests: HashMap<FiveTuple, usize>,
    epoll: OwnedFd,
    /// The worker's number.
    index: usize,
    metrics: Arc<RelayMetrics>,
    context: Arc<RelayContext>,
    /// Relay sockets of allocations that are gone. Packets that still wait may leave by them.
    closing: Vec<RelaySocket>,
    /// Allocations gone in this turn, counted once their ports can be had again.
    released: usize,
    /// What was too long to be sent whole in the turn before: by which socket, and to whom.
    too_long: Vec<(RawFd, SocketAddr)>,
}

impl Shard {
    pub(super) fn new(
        core: Server,
        Sockets { routes, shared, streams }: Sockets,
        outbox: Outbox,
        epoll: OwnedFd,
        index: usize,
        metrics: Arc<RelayMetrics>,
        context: Arc<RelayContext>,
    ) -> Self {
        Self {
            core,
            routes,
            shared,
            streams,
            dtls: None,
            peers: Peers::default(),
            diverted: None,
            outbox,
            guests: HashMap::new(),
            epoll,
            index,
            metrics,
            context,
            closing: Vec::new(),
            released: 0,
            too_long: Vec::new(),
        }
    }

    /// The same, with clients over DTLS.
    pub(super) fn with_dtls(self, dtls: Option<Sessions>) -> Self {
        Self { dtls, ..self }
    }

    /// The epoll set that all sockets are in.
    pub(super) fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next worth a call.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        let dtls = self.dtls.as_ref().and_then(|sessions| sessions.next_timer());
        [self.core.poll_timeout(), self.streams.next_timer(), dtls].into_iter().flatten().min()
    }

    /// Whether streams wait to be served again without an event.
    pub(super) fn has_unread(&self) -> bool {
        self.streams.unread() > 0
    }

    /// Receives from a UDP socket that has datagrams, and forwards and answers them. Returns how many there were.
    ///
    /// # Errors
    /// What the system says of the socket.
    pub(super) fn receive<'b>(
        &mut self,
        now: Now,
        token: Token,
        batch: &mut Batch<'b>,
        out: &mut Gathered<'b>,
    ) -> io::Result<usize> {
        let Some(Arrival { socket, from }) = self.arrival(token) else { return Ok(0) };
        let most = match from {
            Senders::Clients(_) | Senders::Shared => FROM_CLIENTS,
            Senders::Peers(_) => FROM_PEERS,
        };
        let datagrams = match batch.receive(socket.as_fd(), most) {
            // It is told by the error queue.
            Err(error) if is_about_something_else(&error) => return Ok(0),
            received => received?,
        };
        let found = datagrams.len();
        for Datagram { source, arrived, packet } in datagrams {
            let forward = match from {
                Senders::Clients(address) => {
                    let ip = arrived.destination.unwrap_or(address.ip());
                    let server = SocketAddr::new(ip, address.port());
                    let tuple = FiveTuple { transport: Transport::Udp, client: source, server };
                    let first = packet.payload().first().copied();
                    if let Some(home) = self.home_of(&tuple) {
                        let (way, class) = (Way::Client { tuple }, arrived.traffic_class);
                        self.outbox.push(home, way, class, packet.payload());
                        continue;
                    } else if self.is_for_allocations(now, &tuple, packet.payload()) {
                        self.receive_shared(now, source, arrived.traffic_class, packet)
                    } else if self.dtls.is_some()
                        && first.map(FirstByte::of) == Some(FirstByte::Dtls)
                    {
                        self.receive_dtls(now, tuple, packet.payload(), out);
                        continue;
                    } else {
                        self.core.handle_client(now, tuple, packet)
                    }
                }
                Senders::Peers(id) => self.core.handle_peer(now, id, PeerAddr(source), packet),
                Senders::Shared => self.receive_shared(now, source, arrived.traffic_class, packet),
            };
            if let Some(forward) = forward {
                let class = arrived.traffic_class;
                self.forward(now, forward, class, |route, bytes| out.lend(route, bytes));
            }
            self.settle(now, out);
        }
        Ok(found)
    }

    /// Takes packets that another worker has had for allocations of this shard.
    pub(super) fn receive_parcel(
        &mut self,
        now: Now,
        mut parcel: Parcel,
        out: &mut Gathered<'_>,
    ) -> usize {
        let found = parcel.len();
        for Delivery { way, traffic_class, packet } in parcel.open() {
            let forward = match way {
                Way::Hairpin { to, from } => self.core.handle_relayed(now, to, from, packet),
                Way::Peer { id, peer } => self.core.handle_peer(now, id, PeerAddr(peer), packet),
                Way::Partner { id, shared } => {
                    self.core.handle_partner(now, id, PeerAddr(shared), packet)
                }
                // Who cannot be answered from here does not move here.
                Way::Client { tuple } if self.routes.to_client(tuple).is_none() => None,
                Way::Client { tuple } => self.core.handle_client(now, tuple, packet),
            };
            if let Some(forward) = forward {
                self.forward(now, forward, traffic_class, |route, bytes| out.keep(route, bytes));
            }
            self.settle(now, out);
        }
        self.outbox.recycle(parcel);
        found
    }

    /// From now on these addresses are ours.
    pub(super) fn set_own_addresses(&mut self, own: Arc<OwnAddresses>) {
        self.core.set_own_addresses(own);
    }

    /// Lets timers run.
    pub(super) fn handle_timeout(&mut self, now: Now, out: &mut Gathered<'_>) {
        if self.core.poll_timeout().is_some_and(|at| at <= now.monotonic) {
            self.core.handle_timeout(now);
            self.settle(now, out);
        }
        let core = &self.core;
        let allocation_ends = |tuple: &FiveTuple| core.allocated_until(now, tuple);
        self.streams.handle_timeout(now.monotonic, TIMERS, allocation_ends);
        self.handle_dtls_timeout(now);
    }

    /// Ends a turn whose streams may be written to, and closes those that are to be closed.
    pub(super) fn finish_streams(&mut self, now: Now, out: &mut Gathered<'_>) {
        self.streams.flush(&self.epoll, now.monotonic);
        while let Some(place) = self.streams.next_doomed() {
            self.close_stream(now, place, out);
        }
        self.finish_dtls(now, out);
    }

    /// Ends a turn whose datagrams have left: hands parcels over, and closes what nothing leaves by any more.
    pub(super) fn finish(&mut self) {
        self.metrics.dropped(DropReason::HairpinQueueFull, self.outbox.flush());
        for RelaySocket { claim, socket, .. } in self.closing.drain(..) {
            debug_assert_eq!(Rc::strong_count(&socket), 1, "no packet waits for it");
            // Closing takes it out of the epoll set. Before the port is given back, or its next owner would find it bound.
            drop(socket);
            self.context.ports.release(claim);
        }
        for _ in 0..std::mem::take(&mut self.released) {
            self.metrics.released();
        }
    }

    fn count_lost(&self, packets: usize) {
        self.metrics.dropped(DropReason::SendFailed, packets);
    }
}
