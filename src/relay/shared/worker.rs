//! One worker's end of the shared address.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::FixedState;
use hairpin_turn::shared::{Kind, Outbound, Parties, Party, Scope, Source, Unrouted};
use hairpin_turn::{AllocationId, Family, Fragmentation, RelayedAddr};

use super::super::gathered::Route;
use super::super::routes::Routes;
use super::{Seen, SharedAddress, SharedIp};

/// Sources known by heart at most: when there are more, all are forgotten.
const KNOWN: usize = 1 << 16;

/// A worker's sockets at the shared address, and what it knows of who holds what comes from whom.
pub(in super::super) struct SharedRelay {
    address: Arc<SharedAddress>,
    /// The worker's number.
    shard: u16,
    /// One for each of the addresses, where this worker has one.
    sockets: Vec<Socket>,
    lent: Lent,
    known: HashMap<Source, Known, FixedState>,
}

/// A socket at the shared address.
struct Socket {
    /// What peers see.
    advertised: SocketAddr,
    /// The source to set explicitly, where the socket's own address does not say it.
    source: Option<IpAddr>,
    socket: Rc<UdpSocket>,
}

/// Whether clients send to the same sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Lent {
    /// They do: these are listeners.
    ByListeners,
    /// They do not.
    No,
}

/// What was found when the slot was so.
#[derive(Clone, Copy)]
struct Known {
    seen: Seen,
    holder: Option<Party>,
    /// An allocation that is not tied to it, and tries again and again.
    refused: Option<Party>,
}

impl SharedRelay {
    /// `sockets` are bound to the addresses of `address`, in their order; if there are none, the listeners' are used.
    pub(in super::super) fn new(
        address: Arc<SharedAddress>,
        shard: usize,
        sockets: Vec<UdpSocket>,
        listeners: &Routes,
    ) -> Self {
        let ips = address.ips.iter();
        let (lent, sockets) = if sockets.is_empty() {
            let socket = |ip: &SharedIp| {
                let route = listeners.listener_at(ip.bind)?;
                Some(Socket { advertised: ip.advertised, source: route.from, socket: route.socket })
            };
            (Lent::ByListeners, ips.filter_map(socket).collect())
        } else {
            let socket = |(ip, socket): (&SharedIp, _)| Socket {
                advertised: ip.advertised,
                source: None,
                socket: Rc::new(socket),
            };
            (Lent::No, ips.zip(sockets).map(socket).collect())
        };
        let known = HashMap::with_hasher(address.hasher.clone());
        let shard = u16::try_from(shard).expect("workers are bounded by the number of cores");
        Self { address, shard, sockets, lent, known }
    }

    pub(in super::super) fn lent(&self) -> Lent {
        self.lent
    }

    pub(in super::super) fn socket(&self, place: usize) -> Option<&Rc<UdpSocket>> {
        self.sockets.get(place).map(|socket| &socket.socket)
    }

    /// What an allocation of a family is at.
    pub(in super::super) fn relayed(&self, family: Family) -> Option<RelayedAddr> {
        let mut addresses = self.sockets.iter().map(|socket| socket.advertised);
        addresses.find(|address| Family::of(address.ip()) == family).map(RelayedAddr)
    }

    /// The way out to a peer.
    pub(in super::super) fn route(
        &self,
        to: SocketAddr,
        fragmentation: Fragmentation,
    ) -> Option<Route> {
        let of_family = |socket: &&Socket| socket.advertised.is_ipv4() == to.is_ipv4();
        let Socket { source, socket, .. } = self.sockets.iter().find(of_family)?;
        let (socket, traffic_class) = (socket.clone(), 0);
        Some(Route { socket, from: *source, to, fragmentation, traffic_class })
    }

    /// Whether an allocation is tied to what comes from a peer.
    pub(in super::super) fn is_tied(&mut self, peer: SocketAddr) -> bool {
        self.holder(Source::Peer(peer)).is_some()
    }

    /// The advertised form of the shared address; other addresses are what they are.
    pub(in super::super) fn canonical(&self, address: SocketAddr) -> SocketAddr {
        self.address.canonical(address)
    }

    /// Whose is what a peer has sent.
    pub(in super::super) fn receivers(
        &mut self,
        now: Duration,
        peer: SocketAddr,
        payload: &[u8],
    ) -> Result<Parties, Unrouted> {
        match Kind::of(payload) {
            Kind::Message => self.address.with(|port| port.message_from(now, peer, payload)),
            Kind::Data => {
                let holder = self.holder(Source::Peer(peer));
                holder.map(Parties::from).ok_or(Unrouted::NobodyThere)
            }
        }
    }

    /// Where goes what an allocation of this worker sends; `to` is in its canonical form.
    pub(in super::super) fn outbound(
        &mut self,
        now: Duration,
        id: AllocationId,
        scope: impl FnOnce() -> Option<Scope>,
        to: SocketAddr,
        payload: &[u8],
    ) -> Result<Outbound, Unrouted> {
        let from = Party { shard: self.shard, id };
        match Kind::of(payload) {
            Kind::Message => {
                let scope = scope();
                self.address.with(|port| port.message_to(now, from, scope, to, payload))
            }
            Kind::Data if self.is_shared(to) => self.data_to_partner(from, to),
            Kind::Data => self.data_to_peer(from, to),
        }
    }

    /// Forgets an allocation of this worker.
    pub(in super::super) fn release(&mut self, id: AllocationId) {
        let party = Party { shard: self.shard, id };
        self.address.with(|port| port.release(party));
    }

    fn is_shared(&self, address: SocketAddr) -> bool {
        self.sockets.iter().any(|socket| socket.advertised == address)
    }

    fn data_to_peer(&mut self, from: Party, to: SocketAddr) -> Result<Outbound, Unrouted> {
        let source = Source::Peer(to);
        match self.look(source) {
            Some(Known { holder: Some(holder), .. }) if holder == from => Ok(Outbound::ToPeer),
            Some(Known { refused: Some(refused), .. }) if refused == from => Err(Unrouted::NotTied),
            None => Err(Unrouted::NotTied),
            Some(_) => {
                let outbound = self.address.with(|port| port.data_to(from, to));
                if let (Err(_), Some(known)) = (outbound, self.known.get_mut(&source)) {
                    known.refused = Some(from);
                }
                outbound
            }
        }
    }

    fn data_to_partner(&mut self, from: Party, to: SocketAddr) -> Result<Outbound, Unrouted> {
        let partner = self.holder(Source::Party(from)).ok_or(Unrouted::NotTied)?;
        match self.holder(Source::Party(partner)) {
            Some(holder) if holder == from => Ok(Outbound::Here(partner.into())),
            None => Err(Unrouted::NotTied),
            Some(_) => self.address.with(|port| port.data_to(from, to)),
        }
    }

    fn holder(&mut self, source: Source) -> Option<Party> {
        self.look(source)?.holder
    }

    /// What is known of a source, asked for if it is not; `None` where nobody is tied to it.
    fn look(&mut self, source: Source) -> Option<Known> {
        // Before the question: what changes in between makes the answer one that is asked for again.
        let seen = self.address.seen(source);
        if seen.is_free() {
            return None;
        }
        if let Some(known) = self.known.get(&source).filter(|known| known.seen == seen) {
            return Some(*known);
        }
        let holder = self.address.port().holder(source);
        if self.known.len() == KNOWN {
            self.known.clear();
        }
        let known = Known { seen, holder, refused: None };
        self.known.insert(source, known);
        Some(known)
    }
}
