//! A worker's sockets: where packets come in, and by which way each leaves.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use hairpin_turn::{AllocationId, FiveTuple, PeerAddr, Target, Transport};
use rustix::event::epoll;

use super::RelayContext;
use super::hairpin::Outbox;
use super::ports::Claim;
use super::stream::StreamWriter;
use super::sys::Packet;
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

/// All sockets of a worker that clients and peers are reached by.
#[derive(Default)]
pub(super) struct Sockets {
    /// Client listeners with the address each is bound to.
    pub(super) listeners: Vec<(SocketAddr, UdpSocket)>,
    /// By [`AllocationId::index`].
    pub(super) relays: Vec<Option<RelaySocket>>,
    /// Clients over TCP.
    pub(super) streams: HashMap<FiveTuple, Rc<StreamWriter>>,
}

/// An allocation's socket towards its peers.
pub(super) struct RelaySocket {
    pub(super) id: AllocationId,
    pub(super) claim: Claim,
    pub(super) socket: UdpSocket,
}

/// A socket datagrams come in by.
#[derive(Clone, Copy)]
pub(super) enum Inlet<'s> {
    Clients { address: SocketAddr, socket: &'s UdpSocket },
    Peers { id: AllocationId, socket: &'s UdpSocket },
}

impl<'s> Inlet<'s> {
    pub(super) fn socket(self) -> BorrowedFd<'s> {
        match self {
            Self::Clients { socket, .. } | Self::Peers { socket, .. } => socket.as_fd(),
        }
    }
}

/// How a forward leaves: what must be known of the sockets while the state machine is busy.
pub(super) struct Way<'s> {
    pub(super) sockets: &'s Sockets,
    pub(super) context: &'s RelayContext,
    pub(super) metrics: &'s RelayMetrics,
}

impl<'s> Way<'s> {
    /// Passes a packet to its stream or another worker, or returns it for the next batch of datagrams.
    pub(super) fn dispatch<'b>(
        &self,
        outbox: &mut Outbox,
        to: Target,
        bytes: &'b [u8],
    ) -> Option<Packet<'b>>
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
    /// The socket an event is about; none if the event has outlived it.
    pub(super) fn inlet(&self, token: Token) -> Option<Inlet<'_>> {
        match token {
            Token::Listener(i) => {
                let (address, socket) = &self.listeners[i];
                Some(Inlet::Clients { address: *address, socket })
            }
            Token::Relay(i) => {
                let RelaySocket { id, socket, .. } = self.relays.get(i)?.as_ref()?;
                Some(Inlet::Peers { id: *id, socket })
            }
        }
    }

    /// A packet to a UDP client from the address it knows us by; none if no listener has that address.
    pub(super) fn to_client<'b>(&'b self, to: FiveTuple, bytes: &'b [u8]) -> Option<Packet<'b>> {
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

/// Has the epoll set tell when a socket is readable.
///
/// # Errors
/// What the system says.
pub(super) fn watch(epoll: &OwnedFd, socket: BorrowedFd<'_>, token: Token) -> io::Result<()> {
    let data = epoll::EventData::new_u64(token.to_u64());
    Ok(epoll::add(epoll, socket, data, epoll::EventFlags::IN)?)
}
