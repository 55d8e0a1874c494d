//! Our own addresses, which are no ordinary peers.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;

use crate::Config;

/// Where packets would come back to ourselves.
pub(crate) struct OwnAddrs {
    /// Every IP below, for the test each relayed packet passes: almost none is ours.
    ips: Vec<IpAddr>,
    listeners: Vec<SocketAddr>,
    relay_ips: Vec<IpAddr>,
    relay_ports: RangeInclusive<u16>,
}

/// What one of our own IP addresses stands for at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// A TURN listener: a client that relays to it would nest allocations without end.
    Listener,
    /// A relayed address, of a live allocation or not.
    Relayed,
    /// Another port of this machine: as good or bad a peer as the policy says.
    Other,
}

impl OwnAddrs {
    pub(crate) fn new(config: &Config) -> Self {
        let listeners = config.listeners.iter().map(SocketAddr::ip);
        let mut ips: Vec<IpAddr> = config.relay_ips.iter().copied().chain(listeners).collect();
        ips.sort_unstable();
        ips.dedup();
        Self {
            ips,
            listeners: config.listeners.clone(),
            relay_ips: config.relay_ips.clone(),
            relay_ports: config.relay_ports.clone(),
        }
    }

    /// `None` for everybody else's addresses. `addr` is judged in its canonical form: an
    /// IPv4-mapped spelling of a listener is the listener.
    pub(crate) fn classify(&self, addr: SocketAddr) -> Option<Own> {
        let addr = SocketAddr::new(addr.ip().to_canonical(), addr.port());
        if !self.ips.contains(&addr.ip()) {
            return None;
        }
        Some(if self.listeners.contains(&addr) {
            Own::Listener
        } else if self.relay_ips.contains(&addr.ip()) && self.relay_ports.contains(&addr.port()) {
            Own::Relayed
        } else {
            Own::Other
        })
    }

    /// Whether relayed addresses are at this IP: a peer that a client may always name, because its
    /// packets go to live allocations and nowhere else.
    pub(crate) fn relays_at(&self, ip: IpAddr) -> bool {
        self.relay_ips.contains(&ip)
    }
}
