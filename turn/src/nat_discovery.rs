//! NAT behaviour discovery (RFC 5780): from where else a Binding request may be answered.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use crate::{FiveTuple, Transport};

/// The addresses that NAT behaviour discovery takes (RFC 5780 s6): two ports at each of at least two IP addresses of a
/// family. [`Default`] has none, and then there is no discovery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NatDiscovery {
    ips: Vec<DiscoveryIp>,
    ports: [u16; 2],
}

/// An IP address of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiscoveryIp {
    /// What it is bound to.
    pub bound: IpAddr,
    /// What clients reach it by: another where a NAT of ours is in front.
    pub advertised: IpAddr,
}

/// One of the two things that CHANGE-REQUEST has a flag for (RFC 5780 s7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The answer comes from where the request went.
    Keep,
    /// From the other one.
    Other,
}

/// A listener that takes part, as a client has met it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vantage<'a> {
    discovery: &'a NatDiscovery,
    ip: usize,
    port: usize,
}

impl NatDiscovery {
    /// Of UDP listeners, whose addresses clients reach by what `advertised` says: the first two ports, and all IP addresses
    /// that listen at both and have another of their family. `None` if there are no such.
    pub fn of_listeners(
        listeners: &[SocketAddr],
        advertised: impl Fn(IpAddr) -> IpAddr,
    ) -> Option<Self> {
        let first = listeners.first()?.port();
        let second = listeners.iter().map(SocketAddr::port).find(|port| *port != first)?;
        let ports = [first, second];
        let mut ips: Vec<IpAddr> = Vec::new();
        for ip in listeners.iter().map(SocketAddr::ip) {
            let is_at = |port: &u16| listeners.contains(&SocketAddr::new(ip, *port));
            if !ip.is_unspecified() && !ips.contains(&ip) && ports.iter().all(is_at) {
                ips.push(ip);
            }
        }
        let is_paired =
            |ip: &&IpAddr| ips.iter().any(|other| other != *ip && other.is_ipv4() == ip.is_ipv4());
        let paired = ips.iter().filter(is_paired);
        let ips: Vec<_> =
            paired.map(|&bound| DiscoveryIp { bound, advertised: advertised(bound) }).collect();
        (!ips.is_empty()).then_some(Self { ips, ports })
    }

    /// The IP addresses that take part. Empty: there is no discovery.
    pub fn ips(&self) -> &[DiscoveryIp] {
        &self.ips
    }

    /// Where a request has arrived, if that takes part: over UDP alone, for only there can somebody else answer.
    pub(crate) fn vantage(&self, tuple: &FiveTuple) -> Option<Vantage<'_>> {
        if tuple.transport != Transport::Udp {
            return None;
        }
        let ip = self.ips.iter().position(|ip| ip.bound == tuple.server.ip())?;
        let port = self.ports.iter().position(|port| *port == tuple.server.port())?;
        Some(Vantage { discovery: self, ip, port })
    }
}

impl Vantage<'_> {
    /// The listener beside it: at the next IP address of its family, at the other port, or both.
    pub(crate) fn changed(self, ip: Change, port: Change) -> Self {
        let NatDiscovery { ips, .. } = self.discovery;
        let family = ips[self.ip].bound.is_ipv4();
        let after = (1..=ips.len()).map(|step| (self.ip + step) % ips.len());
        let next = after.into_iter().find(|index| ips[*index].bound.is_ipv4() == family);
        Self {
            discovery: self.discovery,
            ip: match ip {
                Change::Keep => self.ip,
                Change::Other => next.unwrap_or(self.ip),
            },
            port: match port {
                Change::Keep => self.port,
                Change::Other => 1 - self.port,
            },
        }
    }

    /// What its socket is bound to.
    pub(crate) fn bound(self) -> SocketAddr {
        SocketAddr::new(self.discovery.ips[self.ip].bound, self.discovery.ports[self.port])
    }

    /// What clients reach it by.
    pub(crate) fn advertised(self) -> SocketAddr {
        SocketAddr::new(self.discovery.ips[self.ip].advertised, self.discovery.ports[self.port])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect(text)).collect()
    }

    fn discovery(texts: &[&str]) -> Option<NatDiscovery> {
        NatDiscovery::of_listeners(&addresses(texts), |ip| ip)
    }

    #[test]
    fn two_addresses_of_a_family_and_two_ports_are_needed() {
        assert!(discovery(&[]).is_none());
        assert!(discovery(&["192.0.2.1:1", "192.0.2.2:1"]).is_none());
        assert!(discovery(&["192.0.2.1:1", "192.0.2.1:2"]).is_none());
        assert!(discovery(&["192.0.2.1:1", "192.0.2.2:2"]).is_none());
        assert!(discovery(&["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1"]).is_none());
        let two_families = ["192.0.2.1:1", "192.0.2.1:2", "[2001:db8::1]:1", "[2001:db8::1]:2"];
        assert!(discovery(&two_families).is_none());
        assert!(discovery(&["0.0.0.0:1", "0.0.0.0:2", "192.0.2.2:1", "192.0.2.2:2"]).is_none());
        let four = discovery(&["192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "192.0.2.2:2"]);
        assert_eq!(four.expect("they will do").ips().len(), 2);
    }

    /// Each has another of its own family, however many there are.
    #[test]
    fn each_is_paired_within_its_family() {
        let ips = ["192.0.2.1", "[2001:db8::1]", "192.0.2.2", "[2001:db8::2]", "192.0.2.3"];
        let texts: Vec<_> = ["1", "2"]
            .iter()
            .flat_map(|port| ips.iter().map(move |ip| alloc::format!("{ip}:{port}")))
            .collect();
        let texts: Vec<&str> = texts.iter().map(|text| text.as_str()).collect();
        let discovery = discovery(&texts).expect("they will do");
        let client = "198.51.100.1:5000".parse().expect("an address");
        for server in addresses(&texts) {
            let tuple = FiveTuple { transport: Transport::Udp, client, server };
            let here = discovery.vantage(&tuple).expect("it takes part");
            assert_eq!(here.bound(), server);
            let other = here.changed(Change::Other, Change::Other).bound();
            assert_eq!(other.is_ipv4(), server.is_ipv4());
            assert!(other.ip() != server.ip() && other.port() != server.port());
            assert_eq!(here.changed(Change::Keep, Change::Other).bound().ip(), server.ip());
            assert_eq!(here.changed(Change::Other, Change::Keep).bound().port(), server.port());
        }
    }
}
