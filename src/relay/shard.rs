//! A worker's shard: the state machine, the sockets it is driven by, and carrying out what it asks for.

mod outputs;

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hairpin_stun::Reader;
use hairpin_turn::{
    AllocationId, FiveTuple, Forward, Now, OwnAddresses, PeerAddr, Server, Target, Transport,
};
use rustix::event::epoll::EventFlags;

use super::context::RelayContext;
use super::gathered::{Gathered, Route};
use super::parcel::{Delivery, Outbox, Parcel};
use super::routes::{Arrival, RelaySocket, Routes, Senders, Token};
use super::stream::Queued;
use super::streams::Streams;
use super::sys::{Batch, Datagram, SLOTS};
use crate::metrics::{Direction, DropReason, RelayMetrics};
use crate::net::Connection;

/// Datagrams taken from one listener before the other sockets get their turn: all clients send to it, and packets of
/// one flow that are received together leave together.
const FROM_CLIENTS: usize = SLOTS;

/// Datagrams taken from one relay socket before the others get their turn.
const FROM_PEERS: usize = 64;

/// Frames taken from one stream before the others get their turn.
const FRAMES: usize = 64;

/// Streams whose deadlines are looked at in one turn.
const TIMERS: usize = 64;

/// One worker's state; the only owner of its allocations.
///
/// Whatever is handed in may leave packets in what the turn gathers, and sockets that [`finish`](Self::finish) closes.
pub(super) struct Shard {
    core: Server,
    routes: Routes,
    streams: Streams,
    outbox: Outbox,
    epoll: OwnedFd,
    /// The worker's number.
    index: usize,
    metrics: Arc<RelayMetrics>,
    context: Arc<RelayContext>,
    /// Relay sockets of allocations that are gone. Packets that still wait may leave by them.
    closing: Vec<RelaySocket>,
    /// Allocations gone in this turn, counted once their ports can be had again.
    released: usize,
}

impl Shard {
    pub(super) fn new(
        core: Server,
        routes: Routes,
        outbox: Outbox,
        epoll: OwnedFd,
        index: usize,
        metrics: Arc<RelayMetrics>,
        context: Arc<RelayContext>,
    ) -> Self {
        let streams = Streams::new(core.channel_numbers());
        let (closing, released) = (Vec::new(), 0);
        Self { core, routes, streams, outbox, epoll, index, metrics, context, closing, released }
    }

    /// The epoll set that all sockets are in.
    pub(super) fn epoll(&self) -> &OwnedFd {
        &self.epoll
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next worth a call.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        self.core.poll_timeout().into_iter().chain(self.streams.next_timer()).min()
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
        let Some(Arrival { socket, from }) = self.routes.arrival(token) else { return Ok(0) };
        let most = match from {
            Senders::Clients(_) => FROM_CLIENTS,
            Senders::Peers(_) => FROM_PEERS,
        };
        let datagrams = batch.receive(socket.as_fd(), most)?;
        let found = datagrams.len();
        for Datagram { source, destination, packet } in datagrams {
            let forward = match from {
                Senders::Clients(address) => {
                    let ip = destination.unwrap_or(address.ip());
                    let server = SocketAddr::new(ip, address.port());
                    let tuple = FiveTuple { transport: Transport::Udp, client: source, server };
                    self.core.handle_client(now, tuple, packet)
                }
                Senders::Peers(id) => self.core.handle_peer(now, id, PeerAddr(source), packet),
            };
            if let Some(forward) = forward {
                self.forward(forward, |route, bytes| out.lend(route, bytes));
            }
            self.settle(now, out);
        }
        Ok(found)
    }

    /// Takes packets that another worker's allocations sent to relayed addresses of this shard.
    pub(super) fn receive_parcel(
        &mut self,
        now: Now,
        mut parcel: Parcel,
        out: &mut Gathered<'_>,
    ) -> usize {
        let found = parcel.len();
        for Delivery { to, from, packet } in parcel.open() {
            if let Some(forward) = self.core.handle_relayed(now, to, from, packet) {
                self.forward(forward, |route, bytes| out.keep(route, bytes));
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

    /// Begins to serve a TURN client's connection.
    ///
    /// # Errors
    /// What the system says when it cannot be watched.
    pub(super) fn open_stream(
        &mut self,
        now: Now,
        connection: Connection,
        out: &mut Gathered<'_>,
    ) -> io::Result<()> {
        let Connection { io, peer: client, local: server, already_read, held } = connection;
        let tuple = FiveTuple { transport: Transport::Tcp, client, server };
        // The client knows that its last connection is over before we do.
        if let Some(place) = self.streams.place_of(&tuple) {
            self.close_stream(now, place, out);
        }
        let place = self.streams.open(&self.epoll, io, tuple, held, now.monotonic)?;
        self.metrics.tcp_opened();
        let mut reader = self.streams.take_reader(place);
        let mut rest = already_read.as_slice();
        while !rest.is_empty() {
            match reader.push(rest) {
                // More than the longest frame has been read before anybody looked for one.
                0 => {
                    self.streams.doom(place);
                    break;
                }
                taken => rest = &rest[taken..],
            }
        }
        self.take_frames(now, place, reader, out);
        Ok(())
    }

    /// Serves a stream that epoll has told of. Returns how many frames there were.
    pub(super) fn serve_stream(
        &mut self,
        now: Now,
        place: usize,
        flags: EventFlags,
        out: &mut Gathered<'_>,
    ) -> usize {
        if flags.contains(EventFlags::OUT) {
            self.streams.write_later(place);
        }
        if flags == EventFlags::OUT {
            return 0;
        }
        let mut reader = self.streams.take_reader(place);
        let Some(stream) = self.streams.get_mut(place) else { return 0 };
        if stream.state.unread {
            // It has its turn below, and is not read before it has been.
            self.streams.put_reader(place, reader);
            return 0;
        }
        match stream.receive(&mut reader) {
            Ok(_) => self.take_frames(now, place, reader, out),
            Err(_) => {
                self.streams.doom(place);
                0
            }
        }
    }

    /// Serves streams that had more frames than a turn may take. Returns how many frames there were.
    pub(super) fn serve_unread(&mut self, now: Now, out: &mut Gathered<'_>) -> usize {
        let mut found = 0;
        for _ in 0..self.streams.unread() {
            let Some(place) = self.streams.next_unread() else { break };
            let reader = self.streams.take_reader(place);
            found += self.take_frames(now, place, reader, out);
        }
        found
    }

    fn take_frames(
        &mut self,
        now: Now,
        place: usize,
        mut reader: Reader,
        out: &mut Gathered<'_>,
    ) -> usize {
        let Some(tuple) = self.streams.get_mut(place).map(|stream| stream.tuple) else { return 0 };
        let before = self.core.allocated_until(now, &tuple);
        let mut found = 0;
        let drained = loop {
            if found == FRAMES {
                break false;
            }
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    found += 1;
                    if let Some(forward) = self.core.handle_client(now, tuple, frame) {
                        self.forward(forward, |route, bytes| out.keep(route, bytes));
                    }
                    self.settle(now, out);
                }
                Ok(None) => break true,
                Err(_) => {
                    self.streams.doom(place);
                    return found;
                }
            }
        };
        let ends = self.core.allocated_until(now, &tuple);
        if let Some(stream) = self.streams.get_mut(place) {
            if found > 0 {
                stream.deadlines.frame(now.monotonic);
            }
            // Before: a Refresh that ends an allocation is as good a sign of life as any.
            if found > 0 && before.or(ends).is_some() {
                stream.deadlines.allocated(now.monotonic);
            }
            if drained {
                stream.deadlines.left_over(now.monotonic, reader.buffered());
            }
            let deadline = stream.deadlines.deadline(ends);
            self.streams.look_by(place, deadline);
        }
        if !drained {
            self.streams.read_later(place);
        }
        self.streams.put_reader(place, reader);
        found
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
    }

    /// Ends a turn whose streams may be written to, and closes those that are to be closed.
    pub(super) fn finish_streams(&mut self, now: Now, out: &mut Gathered<'_>) {
        self.streams.flush(&self.epoll, now.monotonic);
        while let Some(place) = self.streams.next_doomed() {
            self.close_stream(now, place, out);
        }
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

    /// Counts packets that could not be sent.
    pub(super) fn lost(&self, packets: usize) {
        self.metrics.dropped(DropReason::SendFailed, packets);
    }

    fn close_stream(&mut self, now: Now, place: usize, out: &mut Gathered<'_>) {
        let Some(stream) = self.streams.close(place) else { return };
        self.metrics.tcp_closed();
        self.core.handle_disconnect(now, &stream.tuple);
        self.settle(now, out);
    }

    /// Passes a packet on to its stream or another worker, or to `send` with its route.
    fn forward<'p>(&mut self, forward: Forward<'p>, send: impl FnOnce(Route, &'p [u8])) {
        let route = match forward.to {
            Target::Client { tuple, hairpin } => {
                let direction = if hairpin { Direction::Hairpin } else { Direction::ToClient };
                self.metrics.forwarded(direction, forward.wire_len());
                match tuple.transport {
                    Transport::Udp | Transport::Dtls => self.routes.to_client(tuple),
                    Transport::Tcp | Transport::Tls => {
                        if self.streams.send_data(&tuple, &forward) == Queued::Refused {
                            self.metrics.dropped(DropReason::SlowReader, 1);
                        }
                        None
                    }
                }
            }
            Target::Peer { via, to } => self.to_peer(via, to, &forward),
            Target::Hairpin { to, from, otherwise } => {
                match (self.context.ports.owner(to), otherwise) {
                    (Some((worker, to)), _) => {
                        self.outbox.push(worker, to, from, forward.payload());
                        None
                    }
                    (None, Some(via)) => self.to_peer(via, PeerAddr(to.0), &forward),
                    (None, None) => {
                        self.metrics.dropped(DropReason::NobodyThere, 1);
                        None
                    }
                }
            }
        };
        if let Some(route) = route {
            send(route, forward.into_bytes());
        }
    }

    fn to_peer(&self, via: AllocationId, to: PeerAddr, forward: &Forward<'_>) -> Option<Route> {
        let route = self.routes.to_peer(via, to)?;
        self.metrics.forwarded(Direction::ToPeer, forward.wire_len());
        Some(route)
    }
}
