//! Whose an address is, as far as an address can tell.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr};

/// What one client has to itself: an IPv4 address, or an IPv6 /64, within which whoever has it may
/// choose. What is bounded by address is bounded by this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address; of an IPv4-mapped one, that of the IPv4 address.
    pub fn of(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self(ip.into()),
            IpAddr::V6(ip) => Self(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into()),
        }
    }

    /// Its first address.
    pub fn first(self) -> IpAddr {
        self.0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => write!(f, "{ip}"),
            IpAddr::V6(ip) => write!(f, "{ip}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn network(ip: &str) -> Network {
        Network::of(ip.parse().expect(ip))
    }

    #[test]
    fn it_is_an_ipv4_address_or_an_ipv6_64() {
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.2"), network("192.0.2.1"));
        assert_eq!(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff::9"));
        assert_ne!(network("2001:db8:0:2::1"), network("2001:db8:0:1::1"));
        assert_eq!(network("192.0.2.1").to_string(), "192.0.2.1");
        assert_eq!(network("2001:db8:0:1::9").to_string(), "2001:db8:0:1::/64");
    }
}
