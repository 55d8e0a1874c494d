//! A worker's UDP sockets: what arrives by which, and by which a packet leaves.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use hairpin_turn::{AllocationId, FiveTuple, Fragmentation, PeerAddr, Transport};
use rustix::event::epoll;

use super::gathered::Route;
use super::ports::Claim;

/// What an epoll event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The mailbox's bell.
    Mailbox,
    /// A client listener, by its place in the list.
    Listener(usize),
    /// A relay socket, by its allocation's index.
    Relay(usize),
    /// A TURN client's stream, by its place among the streams.
    Stream(usize),
    /// A relay socket that listens, by its allocation's index.
    RelayListener(usize),
    /// A connection to a peer, by its place among them.
    Peer(usize),
    /// A socket of the address that allocations share, by its place in the list.
    Shared(usize),
}

impl Token {
    pub(super) fn to_u64(self) -> u64 {
        let (kind, index) = match self {
            Self::Mailbox => (0, 0),
            Self::Listener(i) => (1, i),
            Self::Relay(i) => (2, i),
            Self::Stream(i) => (3, i),
            Self::RelayListener(i) => (4, i),
            Self::Peer(i) => (5, i),
            Self::Shared(i) => (8, i),
        };
        kind << 32 | index as u64
    }

    pub(super) fn from_u64(token: u64) -> Self {
        let index = token as u32 as usize;
        match token >> 32 {
            1 => Self::Listener(index),
            2 => Self::Relay(index),
            3 => Self::Stream(index),
            4 => Self::RelayListener(index),
            5 => Self::Peer(index),
            8 => Self::Shared(index),
            _ => Self::Mailbox,
        }
    }
}

/// Has the epoll set tell about a descriptor.
///
/// # Errors
/// What the system says.
pub(super) fn watch(
    epoll: &OwnedFd,
    what: impl AsFd,
    token: Token,
    flags: epoll::EventFlags,
) -> io::Result<()> {
    Ok(epoll::add(epoll, what, epoll::EventData::new_u64(token.to_u64()), flags)?)
}

/// The UDP sockets clients and peers are reached by.
pub(super) struct Routes {
    listeners: Vec<Listener>,
    /// By [`AllocationId::index`].
    relays: Vec<Option<RelaySocket>>,
}

/// A socket clients send to.
pub(super) struct Listener {
    /// What it is bound to.
    address: SocketAddr,
    socket: Rc<UdpSocket>,
}

/// An allocation's socket towards its peers.
pub(super) struct RelaySocket {
    pub(super) id: AllocationId,
    pub(super) claim: Claim,
    pub(super) socket: Rc<UdpSocket>,
}

/// Where datagrams that have arrived at a socket come from.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) socket: Rc<UdpSocket>,
    pub(super) from: Senders,
}

/// Who sends to a socket.
#[derive(Clone, Copy, Debug)]
pub(super) enum Senders {
    /// Clients, to a listener bound to this address.
    Clients(SocketAddr),
    /// Peers of this allocation.
    Peers(AllocationId),
    /// Peers of any.
    Shared,
}

impl Routes {
    pub(super) fn new(listeners: Vec<(SocketAddr, UdpSocket)>) -> Self {
        let listener = |(address, socket)| Listener { address, socket: Rc::new(socket) };
        Self { listeners: listeners.into_iter().map(listener).collect(), relays: Vec::new() }
    }

    /// What an event about a socket brings; nothing if it has outlived the socket.
    pub(super) fn arrival(&self, token: Token) -> Option<Arrival> {
        match token {
            Token::Listener(i) => {
                let Listener { address, socket } = self.listeners.get(i)?;
                Some(Arrival { socket: socket.clone(), from: Senders::Clients(*address) })
            }
            Token::Relay(i) => {
                let RelaySocket { id, socket, .. } = self.relays.get(i)?.as_ref()?;
                Some(Arrival { socket: socket.clone(), from: Senders::Peers(*id) })
            }
            Token::Mailbox
            | Token::Stream(_)
            | Token::RelayListener(_)
            | Token::Peer(_)
            | Token::Shared(_) => None,
        }
    }

    /// The route to a UDP client from the address it knows us by; none if no listener has that address.
    pub(super) fn to_client(&self, to: FiveTuple) -> Option<Route> {
        let Listener { address, socket } =
            self.listeners.iter().find(|Listener { address, .. }| {
                address.port() == to.server.port()
                    && address.is_ipv4() == to.server.is_ipv4()
                    && (address.ip().is_unspecified() || address.ip() == to.server.ip())
            })?;
        let from = source(address.ip(), to.server.ip());
        let fragmentation = Fragmentation::Allowed;
        let (socket, traffic_class) = (socket.clone(), 0);
        Some(Route { socket, from, to: to.client, fragmentation, traffic_class })
    }

    /// The socket of the listener at this address, and the source to set: a route to nowhere yet.
    pub(super) fn listener_at(&self, server: SocketAddr) -> Option<Route> {
        let (transport, client) = (Transport::Udp, server);
        self.to_client(FiveTuple { transport, client, server })
    }

    /// The route to a peer through an allocation's socket; none if the socket is gone.
    pub(super) fn to_peer(
        &self,
        via: AllocationId,
        to: PeerAddr,
        fragmentation: Fragmentation,
    ) -> Option<Route> {
        let relay = self.relays.get(via.index())?.as_ref().filter(|relay| relay.id == via)?;
        let (socket, traffic_class) = (relay.socket.clone(), 0);
        Some(Route { socket, from: None, to: to.0, fragmentation, traffic_class })
    }

    /// Adds an allocation's socket.
    pub(super) fn add_relay(&mut self, relay: RelaySocket) {
        let index = relay.id.index();
        if self.relays.len() <= index {
            self.relays.resize_with(index + 1, || None);
        }
        self.relays[index] = Some(relay);
    }

    /// Takes an allocation's socket out.
    pub(super) fn remove_relay(&mut self, id: AllocationId) -> Option<RelaySocket> {
        self.relays.get_mut(id.index())?.take_if(|relay| relay.id == id)
    }
}

/// The source to set explicitly, where the socket's own address does not say it.
fn source(bound: IpAddr, server: IpAddr) -> Option<IpAddr> {
    (bound.is_unspecified() && !server.is_unspecified()).then_some(server)
}
