//! A worker's connections to peers, and the relay sockets that listen for them (RFC 6062).

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};

use hairpin_turn::{AllocationId, ConnectionId, Network};
use rustix::event::epoll::EventFlags;

use super::pipe::Pipe;
use super::ports::Claim;
use crate::net::Held;

/// Relay sockets by their allocation's index, connections by place and by number.
#[derive(Default)]
pub(super) struct Peers {
    listeners: Vec<Option<RelayListener>>,
    places: Vec<Option<Peer>>,
    vacant: Vec<usize>,
    by_id: HashMap<ConnectionId, usize, foldhash::fast::RandomState>,
}

/// The relay socket of a TCP allocation.
pub(super) struct RelayListener {
    pub(super) id: AllocationId,
    pub(super) claim: Claim,
    pub(super) socket: TcpListener,
    /// Where its client is, in whose name connections are held.
    pub(super) client: Network,
}

/// A connection to a peer.
pub(super) struct Peer {
    pub(super) id: ConnectionId,
    pub(super) socket: TcpStream,
    pub(super) stage: Stage,
    /// What it is watched for; not at all when it is done with.
    pub(super) watched: Option<EventFlags>,
    /// Given back when it closes.
    pub(super) _held: Held,
}

/// What a connection is in the middle of.
pub(super) enum Stage {
    /// It is being opened.
    Connecting,
    /// It waits for its client. What comes meanwhile is left with the kernel, which bounds it.
    Waiting,
    /// It is joined to the client's stream at this place, which is watched for that.
    Piped { pipe: Pipe, place: usize, watched: Option<EventFlags> },
}

impl Peers {
    pub(super) fn add_listener(&mut self, listener: RelayListener) {
        let index = listener.id.index();
        if self.listeners.len() <= index {
            self.listeners.resize_with(index + 1, || None);
        }
        self.listeners[index] = Some(listener);
    }

    pub(super) fn remove_listener(&mut self, id: AllocationId) -> Option<RelayListener> {
        self.listeners.get_mut(id.index())?.take_if(|listener| listener.id == id)
    }

    pub(super) fn listener_at(&self, index: usize) -> Option<&RelayListener> {
        self.listeners.get(index)?.as_ref()
    }

    pub(super) fn listener(&self, id: AllocationId) -> Option<&RelayListener> {
        self.listener_at(id.index()).filter(|listener| listener.id == id)
    }

    /// The place of the next connection that is added.
    pub(super) fn next_place(&self) -> usize {
        self.vacant.last().copied().unwrap_or(self.places.len())
    }

    pub(super) fn add(&mut self, peer: Peer) {
        let place = self.next_place();
        self.by_id.insert(peer.id, place);
        match self.vacant.pop() {
            Some(_) => self.places[place] = Some(peer),
            None => self.places.push(Some(peer)),
        }
    }

    pub(super) fn place_of(&self, id: ConnectionId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Peer> {
        self.places.get_mut(place)?.as_mut()
    }

    /// Takes a connection out; dropping it closes it.
    pub(super) fn remove(&mut self, id: ConnectionId) -> Option<Peer> {
        let place = self.by_id.remove(&id)?;
        self.vacant.push(place);
        self.places[place].take()
    }
}
