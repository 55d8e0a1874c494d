//! TCP allocations (RFC 6062): relay sockets that listen, connections to peers, and the clients' streams that go with them.

use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};

use hairpin_stun::Reader;
use hairpin_turn::{
    AllocationId, BindError, Bound, ConnectReach, ConnectionId, FiveTuple, Now, OwnedPacket, Owner,
    PeerAddr, Wanted,
};
use rustix::event::epoll::{self, EventFlags};
use socket2::SockRef;

use super::super::context::{RelayPort, no_relay_socket};
use super::super::gathered::Gathered;
use super::super::peers::{Peer, RelayListener, Stage};
use super::super::pipe::{Pipe, Pumped};
use super::super::routes::{Token, watch};
use super::super::sockets::connect_from;
use super::super::stream::KEEPALIVE;
use super::super::streams::MovedStream;
use super::Shard;
use crate::net::{Held, canonical};

/// Peers accepted by one relay socket before the others get their turn.
const ACCEPTS: usize = 16;

/// What becomes of a stream in the middle of its frames.
pub(super) enum Diverted {
    /// It is the client's end of a connection to a peer.
    Piped(ConnectionId),
    /// It goes to another worker, with a frame that was taken and not been answered.
    HandedOver { worker: usize, frame: Vec<u8> },
}

/// Relay sockets and connections.
impl Shard {
    pub(super) fn listen_for_peers(
        &mut self,
        id: AllocationId,
        wanted: Wanted,
        owner: &Owner,
    ) -> Result<Bound, BindError> {
        let RelayPort { claim, socket, .. } = self.context.bind(self.index, wanted, owner)?;
        let token = Token::RelayListener(id.index());
        if let Err(error) = watch(&self.epoll, &socket, token, EventFlags::IN) {
            no_relay_socket(&error, None);
            drop(socket);
            self.context.ports.release(claim);
            self.context.release_quota(owner);
            return Err(BindError::Capacity);
        }
        let (socket, client) = (socket.into(), owner.network);
        self.peers.add_listener(RelayListener { id, claim, socket, client });
        Ok(self.context.ports.relayed(claim).into())
    }

    pub(super) fn stop_listening(&mut self, id: AllocationId) {
        if let Some(RelayListener { claim, socket, .. }) = self.peers.remove_listener(id) {
            // Before the port is given back, or its next owner would find it bound.
            drop(socket);
            self.context.ports.release(claim);
        }
    }

    /// Takes peers that have connected to a relay socket. Returns how many there were.
    pub(in super::super) fn accept_peers(
        &mut self,
        now: Now,
        index: usize,
        out: &mut Gathered<'_>,
    ) -> usize {
        for accepted in 0..ACCEPTS {
            let Some(listener) = self.peers.listener_at(index) else { return accepted };
            let (via, client) = (listener.id, listener.client);
            let (socket, peer) = match listener.socket.accept() {
                Ok((socket, peer)) => (socket, canonical(peer)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return accepted,
                // It was gone before it was taken, or there is no descriptor left.
                Err(_) => return accepted + 1,
            };
            // An allocation of ours is known by the address that peers see.
            let peer = self.context.ports.listening(peer).map_or(peer, |(_, relayed)| relayed.0);
            let Some(held) = self.context.budgets.for_peer(client) else { continue };
            let Some(id) = self.core.handle_accepted(now, via, PeerAddr(peer)) else { continue };
            let watched = socket
                .set_nonblocking(true)
                .and_then(|()| self.add_peer(id, socket, Stage::Waiting, held));
            if watched.is_err() {
                self.core.handle_connection_closed(id);
            }
            self.settle(now, out);
        }
        ACCEPTS
    }

    /// Opens a connection to a peer.
    pub(super) fn connect(
        &mut self,
        id: ConnectionId,
        via: AllocationId,
        to: PeerAddr,
        reach: ConnectReach,
    ) {
        if let Err(error) = self.try_connect(id, via, to, reach) {
            tracing::debug!(peer = %to.0, %error, "cannot connect to a peer");
            self.core.handle_connection_closed(id);
        }
    }

    fn try_connect(
        &mut self,
        id: ConnectionId,
        via: AllocationId,
        to: PeerAddr,
        reach: ConnectReach,
    ) -> io::Result<()> {
        let listener = self.peers.listener(via).ok_or(ErrorKind::NotConnected)?;
        let local = self.context.ports.local(listener.claim);
        let to = match (reach, self.context.ports.listening(to.0)) {
            (ConnectReach::Network, _) | (ConnectReach::Either, None) => to.0,
            (ConnectReach::Ourselves | ConnectReach::Either, Some((bound, _))) => bound,
            (ConnectReach::Ourselves, None) => return Err(ErrorKind::ConnectionRefused.into()),
        };
        let held = self.context.budgets.for_peer(listener.client);
        let held = held.ok_or(ErrorKind::QuotaExceeded)?;
        let socket = connect_from(local, to)?;
        self.add_peer(id, socket, Stage::Connecting, held)
    }

    fn add_peer(
        &mut self,
        id: ConnectionId,
        socket: TcpStream,
        stage: Stage,
        held: Held,
    ) -> io::Result<()> {
        let flags = match stage {
            Stage::Connecting => EventFlags::OUT,
            Stage::Waiting | Stage::Piped { .. } => EventFlags::empty(),
        };
        // A wish: without it a peer that is gone without a word is kept until its allocation ends.
        let _ = SockRef::from(&socket).set_tcp_keepalive(&KEEPALIVE);
        let _ = socket.set_nodelay(true);
        watch(&self.epoll, &socket, Token::Peer(self.peers.next_place()), flags)?;
        self.peers.add(Peer { id, socket, stage, watched: Some(flags), _held: held });
        Ok(())
    }

    /// Serves a connection to a peer that epoll has told of.
    pub(in super::super) fn serve_peer(
        &mut self,
        now: Now,
        place: usize,
        flags: EventFlags,
        out: &mut Gathered<'_>,
    ) -> usize {
        let Some(peer) = self.peers.get_mut(place) else { return 0 };
        let id = peer.id;
        match peer.stage {
            Stage::Connecting => {
                let failed = peer.socket.take_error().unwrap_or_else(Some);
                if failed.is_none() && flags.contains(EventFlags::OUT) {
                    self.connected(now, place, id, out);
                } else if failed.is_some() || flags.contains(EventFlags::HUP) {
                    self.forget_peer(id);
                    self.settle(now, out);
                }
                0
            }
            // Broken, for nothing else is asked.
            Stage::Waiting => {
                if flags.intersects(EventFlags::ERR | EventFlags::HUP) {
                    self.forget_peer(id);
                    self.settle(now, out);
                }
                0
            }
            Stage::Piped { .. } => self.serve_piped(id, flags),
        }
    }

    fn connected(&mut self, now: Now, place: usize, id: ConnectionId, out: &mut Gathered<'_>) {
        let Some(peer) = self.peers.get_mut(place) else { return };
        peer.stage = Stage::Waiting;
        let interest = Some(EventFlags::empty());
        let token = Token::Peer(place);
        match rewatch(&self.epoll, &peer.socket, token, &mut peer.watched, interest) {
            Ok(()) => self.core.handle_connected(now, id),
            Err(_) => self.forget_peer(id),
        }
        self.settle(now, out);
    }

    /// A connection is over, as the state machine has not heard yet.
    pub(super) fn forget_peer(&mut self, id: ConnectionId) {
        self.peers.remove(id);
        self.core.handle_connection_closed(id);
    }

    /// Closes a connection, and the client's stream if it has one.
    pub(super) fn close_peer(&mut self, id: ConnectionId) {
        if let Some(Peer { stage: Stage::Piped { place, .. }, .. }) = self.peers.remove(id) {
            self.streams.doom(place);
        }
    }
}

/// Clients' streams.
impl Shard {
    pub(super) fn begin_pipe(&mut self, client: &FiveTuple, id: ConnectionId) {
        let streams = &mut self.streams;
        let stream = streams.place_of(client).and_then(|at| Some((at, streams.get_mut(at)?)));
        let peer = self.peers.place_of(id).and_then(|at| self.peers.get_mut(at));
        let (Some((place, stream)), Some(peer)) = (stream, peer) else { return };
        stream.piped = Some(id);
        let mut watched = EventFlags::IN;
        watched.set(EventFlags::OUT, stream.state.blocked);
        let pipe = Pipe::default();
        peer.stage = Stage::Piped { pipe, place, watched: Some(watched) };
        self.diverted = Some(Diverted::Piped(id));
    }

    /// Closes a stream that was opened for a connection to a peer and is none, once the client has been told: coturn's
    /// client waits for ever if it is not. A control connection stays.
    pub(super) fn end_unbound(&mut self, now: Now, tuple: &FiveTuple) {
        let is_control = self.core.allocated_until(now, tuple).is_some();
        if let Some(place) = self.streams.place_of(tuple).filter(|_| !is_control) {
            self.streams.doom(place);
        }
    }

    /// Goes on with a stream in the middle of which something else has begun.
    pub(super) fn divert(&mut self, place: usize, reader: Reader, diverted: Diverted) {
        match diverted {
            Diverted::Piped(id) => {
                self.streams.put_reader(place, reader);
                self.serve_piped(id, EventFlags::IN);
            }
            Diverted::HandedOver { worker, frame } => {
                let Some(stream) = self.streams.take(&self.epoll, place) else { return };
                // It is opened where it arrives, so that both workers' figures come out even.
                self.metrics.stream_closed(stream.tuple.transport);
                self.outbox.hand_over(worker, MovedStream { stream, frame, reader });
            }
        }
    }

    /// Begins to serve a stream that another worker has handed over.
    ///
    /// # Errors
    /// What the system says when it cannot be watched.
    pub(in super::super) fn adopt_stream(
        &mut self,
        now: Now,
        moved: MovedStream,
        out: &mut Gathered<'_>,
    ) -> io::Result<()> {
        let MovedStream { stream, frame, reader } = moved;
        let tuple = stream.tuple;
        if let Some(place) = self.streams.place_of(&tuple) {
            self.close_stream(now, place, out);
        }
        let place = self.streams.adopt(&self.epoll, stream, now.monotonic)?;
        self.metrics.stream_opened(tuple.transport);
        self.streams.write_later(place);
        let mut packet = OwnedPacket::from(frame.as_slice());
        let forward = self.core.handle_client(now, tuple, packet.packet());
        debug_assert!(forward.is_none(), "a request is not passed on");
        self.settle(now, out);
        match self.diverted.take() {
            Some(diverted) => self.divert(place, reader, diverted),
            None => _ = self.take_frames(now, place, reader, out),
        }
        Ok(())
    }

    /// Moves bytes between a peer and its client. Returns how much of a turn's work that was.
    pub(super) fn serve_piped(&mut self, id: ConnectionId, flags: EventFlags) -> usize {
        let at = self.peers.place_of(id);
        let Some((at, peer)) = at.and_then(|at| Some((at, self.peers.get_mut(at)?))) else {
            return 0;
        };
        let Stage::Piped { pipe, place, watched } = &mut peer.stage else { return 0 };
        let place = *place;
        let mut reader = self.streams.take_reader(place);
        let Some(stream) = self.streams.get_mut(place) else { return 0 };
        let broken = flags.contains(EventFlags::ERR);
        let pumped = match broken {
            false => pipe.pump(stream, &mut reader, &mut peer.socket),
            true => Err(ErrorKind::ConnectionReset.into()),
        };
        stream.state.blocked = stream.waiting() > 0;
        let pumped = pumped.and_then(|pumped| {
            let client = pipe.client_interest(stream, &reader);
            rewatch(&self.epoll, &*stream, Token::Stream(place), watched, client)?;
            let interest = pipe.peer_interest(stream, &reader);
            rewatch(&self.epoll, &peer.socket, Token::Peer(at), &mut peer.watched, interest)?;
            Ok(pumped)
        });
        self.streams.put_reader(place, reader);
        match pumped {
            Ok(Pumped::Waiting) => {}
            Ok(Pumped::More) => self.streams.read_later(place),
            Ok(Pumped::Over) => self.streams.doom(place),
            Err(error) => {
                tracing::debug!(%error, "a connection to a peer, or its client's, broke");
                self.streams.doom(place);
            }
        }
        1
    }
}

/// Has the epoll set tell of something else about a descriptor, or of nothing any more: an end that both sides have said
/// cannot be left out otherwise.
fn rewatch(
    epoll: &OwnedFd,
    what: impl AsFd,
    token: Token,
    watched: &mut Option<EventFlags>,
    wanted: Option<EventFlags>,
) -> io::Result<()> {
    if *watched == wanted {
        return Ok(());
    }
    match (*watched, wanted) {
        (None, _) => return Ok(()),
        (Some(_), None) => epoll::delete(epoll, what)?,
        (Some(_), Some(flags)) => {
            epoll::modify(epoll, what, epoll::EventData::new_u64(token.to_u64()), flags)?;
        }
    }
    *watched = wanted;
    Ok(())
}
