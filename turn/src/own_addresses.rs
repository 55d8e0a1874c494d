//! Our own addresses, which are no ordinary peers.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;

use crate::{Family, IpRange};

/// Where packets would come back to ourselves: what the process found out of its own sockets, and
/// of its machine.
///
/// Such packets never leave the machine, so no firewall sees them: what else runs on it would be
/// open to every client, whatever its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAddresses {
    /// Every IP address below, for the test each relayed packet passes: almost none is ours.
    v4: Ranges<u32>,
    v6: Ranges<u128>,
    listeners: Vec<SocketAddr>,
    relay_ips: Vec<IpAddr>,
    relay_ports: RangeInclusive<u16>,
    relayed: RelayedAddresses,
}

/// Whether allocations have relayed addresses of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RelayedAddresses {
    /// "unique across all allocations" (RFC 8656 s3).
    #[default]
    Unique,
    /// One for all of them, see [`shared`](crate::shared).
    Shared,
}

/// What one of our own IP addresses stands for at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// A TURN listener: a client that relays to it would nest allocations without end.
    Listener,
    /// A relayed address, of a live allocation or not.
    Relayed,
    /// Another port of this machine: a peer only if it was opened explicitly.
    Other,
}

impl OwnAddresses {
    /// - `listeners`: every address our own listeners are reachable at, an unspecified one being
    ///   every address of ours; as peers they are refused (403).
    /// - `relay_ips`: every address relay sockets are bound to or advertised at. Packets for these,
    ///   at a port of `relay_ports`, never leave through a socket unless no shard owns the port and
    ///   the policy allows the address explicitly. The families that can be had are those of these
    ///   addresses.
    /// - `relay_ports`: the relay port range.
    pub fn new(
        listeners: Vec<SocketAddr>,
        relay_ips: Vec<IpAddr>,
        relay_ports: RangeInclusive<u16>,
    ) -> Self {
        let ips = relay_ips.iter().copied().chain(listeners.iter().map(SocketAddr::ip));
        let ips: Vec<IpRange> = ips.map(IpRange::from).collect();
        let own = Self {
            v4: Ranges(Vec::new()),
            v6: Ranges(Vec::new()),
            listeners,
            relay_ips,
            relay_ports,
            relayed: RelayedAddresses::Unique,
        };
        own.with_machine(ips)
    }

    /// Has all allocations share one relayed address, at the one port of the range: packets for peers then come out as
    /// [`Target::Shared`](crate::Target::Shared). To be said before a [`Server`](crate::Server) is made.
    pub fn shared(mut self) -> Self {
        self.relayed = RelayedAddresses::Shared;
        self
    }

    /// Whether all allocations share one relayed address.
    #[inline(always)]
    pub fn relayed(&self) -> RelayedAddresses {
        self.relayed
    }

    /// Adds what else leads to this machine. As peers these addresses are refused (403), at any
    /// port, unless the policy allows them explicitly.
    pub fn with_machine(mut self, ranges: impl IntoIterator<Item = IpRange>) -> Self {
        for range in ranges {
            match range.ends() {
                (IpAddr::V4(first), IpAddr::V4(last)) => {
                    self.v4.0.push((first.to_bits(), last.to_bits()));
                }
                (IpAddr::V6(first), IpAddr::V6(last)) => {
                    self.v6.0.push((first.to_bits(), last.to_bits()));
                }
                _ => unreachable!("a range is of one family"),
            }
        }
        self.v4.unite();
        self.v6.unite();
        self
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
            IpAddr::V4(ip) => self.v4.contains(ip.to_bits()),
            IpAddr::V6(ip) => self.v6.contains(ip.to_bits()),
        };
        ours.then(|| self.standing(SocketAddr::new(ip, addr.port())))
    }

    #[cold]
    fn standing(&self, addr: SocketAddr) -> Standing {
        let leads_there = |listener: &SocketAddr| {
            let ip = listener.ip();
            listener.port() == addr.port() && (ip == addr.ip() || ip.is_unspecified())
        };
        let relayed = self.relays_at(addr.ip()) && self.relay_ports.contains(&addr.port());
        // The shared address may be that of a UDP listener, or have the number of a TCP listener's port.
        if relayed && self.relayed == RelayedAddresses::Shared {
            Standing::Relayed
        } else if self.listeners.iter().any(leads_there) {
            Standing::Listener
        } else if relayed {
            Standing::Relayed
        } else {
            Standing::Other
        }
    }

    /// Whether relayed addresses are at this IP.
    pub(crate) fn relays_at(&self, ip: IpAddr) -> bool {
        self.relay_ips.contains(&ip)
    }
}

/// Addresses of one family, as pairs of first and last: sorted, and no two overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ranges<T>(Vec<(T, T)>);

impl<T: Copy + Ord> Ranges<T> {
    #[inline(always)]
    fn contains(&self, ip: T) -> bool {
        let above = self.0.partition_point(|(first, _)| *first <= ip);
        above > 0 && ip <= self.0[above - 1].1
    }

    fn unite(&mut self) {
        self.0.sort_unstable();
        self.0.dedup_by(|next, range| {
            let overlaps = next.0 <= range.1;
            if overlaps {
                range.1 = range.1.max(next.1);
            }
            overlaps
        });
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::net::Ipv6Addr;

    use super::*;

    fn own(machine: &[&str]) -> OwnAddresses {
        let ranges = machine.iter().map(|text| text.parse::<IpRange>().expect(text));
        OwnAddresses::new(vec![], vec![], 50_000..=50_999).with_machine(ranges)
    }

    #[test]
    fn every_address_is_found_once_whatever_the_order_and_spelling() {
        let own = own(&["2001:db8::1", "10.0.0.4", "127.0.0.1", "10.0.0.0/30", "127.0.0.0/8"]);
        assert_eq!((own.v4.0.len(), own.v6.0.len()), (3, 1));
        for ours in
            ["127.9.9.9", "10.0.0.0", "10.0.0.3", "10.0.0.4", "::ffff:10.0.0.4", "2001:db8::1"]
        {
            let addr = SocketAddr::new(ours.parse().expect(ours), 53);
            assert_eq!(own.classify(addr), Some(Standing::Other), "{ours}");
        }
        for theirs in ["10.0.0.5", "9.255.255.255", "128.0.0.0", "2001:db8::2", "::"] {
            let addr = SocketAddr::new(theirs.parse().expect(theirs), 53);
            assert_eq!(own.classify(addr), None, "{theirs}");
        }
    }

    #[test]
    fn a_listener_everywhere_is_a_listener_on_every_address() {
        let everywhere = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 3478);
        let own = OwnAddresses::new(vec![everywhere], vec![], 50_000..=50_999);
        let own = own.with_machine(["127.0.0.0/8".parse().expect("a range")]);
        let at = |text: &str| own.classify(text.parse().expect(text));
        assert_eq!(at("127.0.0.7:3478"), Some(Standing::Listener));
        assert_eq!(at("127.0.0.7:3479"), Some(Standing::Other));
        assert_eq!(at("10.0.0.1:3478"), None);
    }
}
