//! Our own addresses, which are no ordinary peers.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::ops::RangeInclusive;

use crate::Family;

/// Where packets would come back to ourselves: what the process found out of its own sockets.
#[derive(Clone, Debug)]
pub struct OwnAddresses {
    /// Every IP below, for the test each relayed packet passes: almost none is ours.
    v4: Vec<Ipv4Addr>,
    v6: Vec<Ipv6Addr>,
    listeners: Vec<SocketAddr>,
    relay_ips: Vec<IpAddr>,
    relay_ports: RangeInclusive<u16>,
}

/// What one of our own IP addresses stands for at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A TURN listener: a client that relays to it would nest allocations without end.
    Listener,
    /// A relayed address, of a live allocation or not.
    Relayed,
    /// Another port of this machine: as good or bad a peer as the policy says.
    Other,
}

impl OwnAddresses {
    /// - `listeners`: every address our own listeners are reachable at; as peers they are refused
    ///   (403).
    /// - `relay_ips`: every address relay sockets are bound to or advertised at. Packets for these,
    ///   at a port of `relay_ports`, never leave through a socket unless no shard owns the port and
    ///   the policy allows it. The families that can be had are those of these addresses.
    /// - `relay_ports`: the relay port range.
    pub fn new(
        listeners: Vec<SocketAddr>,
        relay_ips: Vec<IpAddr>,
        relay_ports: RangeInclusive<u16>,
    ) -> Self {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for ip in relay_ips.iter().copied().chain(listeners.iter().map(SocketAddr::ip)) {
            match ip {
                IpAddr::V4(ip) if !v4.contains(&ip) => v4.push(ip),
                IpAddr::V6(ip) if !v6.contains(&ip) => v6.push(ip),
                IpAddr::V4(_) | IpAddr::V6(_) => {}
            }
        }
        Self { v4, v6, listeners, relay_ips, relay_ports }
    }

    /// The relay port range.
    pub fn relay_ports(&self) -> RangeInclusive<u16> {
        self.relay_ports.clone()
    }

    /// Whether relayed addresses of a family can be had.
    pub fn relays(&self, family: Family) -> bool {
        self.relay_ips.iter().any(|ip| Family::of(*ip) == family)
    }

    /// `None` for everybody else's addresses. `addr` is judged in its canonical form: an
    /// IPv4-mapped spelling of a listener is the listener.
    #[inline(always)]
    pub(crate) fn classify(&self, addr: SocketAddr) -> Option<Standing> {
        let ip = addr.ip().to_canonical();
        let ours = match ip {
            IpAddr::V4(ip) => self.v4.contains(&ip),
            IpAddr::V6(ip) => self.v6.contains(&ip),
        };
        ours.then(|| self.standing(SocketAddr::new(ip, addr.port())))
    }

    #[cold]
    fn standing(&self, addr: SocketAddr) -> Standing {
        if self.listeners.contains(&addr) {
            Standing::Listener
        } else if self.relay_ips.contains(&addr.ip()) && self.relay_ports.contains(&addr.port()) {
            Standing::Relayed
        } else {
            Standing::Other
        }
    }

    /// Whether relayed addresses are at this IP: a peer that a client may always name, because its
    /// packets go to live allocations and nowhere else.
    pub(crate) fn relays_at(&self, ip: IpAddr) -> bool {
        self.relay_ips.contains(&ip)
    }
}
