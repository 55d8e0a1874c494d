//! Ranges of IP addresses, as an operator writes them.

use alloc::string::{String, ToString};
use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// Every address from `first` to `last`, both included, of one family.
///
/// Written `10.0.0.0/8`, `203.0.113.7`, or coturn's `10.0.0.1-10.0.0.9`.
///
/// ```
/// use hairpin_turn::IpRange;
///
/// let range: IpRange = "172.16.0.0/12".parse()?;
/// assert!(range.contains("172.31.255.255".parse().unwrap()));
/// assert!("172.16.0.1/12".parse::<IpRange>().is_err(), "host bits are a typing error");
/// # Ok::<(), hairpin_turn::IpRangeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpRange {
    first: IpAddr,
    last: IpAddr,
}

impl IpRange {
    /// Whether `ip` lies in the range. Families never mix: `::ffff:10.0.0.1` is not in
    /// `10.0.0.0/8`.
    pub fn contains(&self, ip: IpAddr) -> bool {
        // IpAddr orders every IPv4 address before every IPv6 one.
        self.first <= ip && ip <= self.last
    }

    /// The network of `prefix` bits that `ip` is in; a longer prefix than the family has is the address alone.
    pub const fn network(ip: IpAddr, prefix: u32) -> Self {
        match ip {
            IpAddr::V4(ip) => Self::v4(ip, prefix),
            IpAddr::V6(ip) => Self::v6(ip, prefix),
        }
    }

    /// Its lowest and its highest address.
    pub(crate) fn ends(&self) -> (IpAddr, IpAddr) {
        (self.first, self.last)
    }

    /// The network of `prefix` bits that `ip` is in; `prefix` is at most 32.
    pub(crate) const fn v4(ip: Ipv4Addr, prefix: u32) -> Self {
        let hosts = match u32::MAX.checked_shr(prefix) {
            Some(hosts) => hosts,
            None => 0,
        };
        let bits = ip.to_bits();
        Self {
            first: IpAddr::V4(Ipv4Addr::from_bits(bits & !hosts)),
            last: IpAddr::V4(Ipv4Addr::from_bits(bits | hosts)),
        }
    }

    /// The network of `prefix` bits that `ip` is in; `prefix` is at most 128.
    pub(crate) const fn v6(ip: Ipv6Addr, prefix: u32) -> Self {
        let hosts = match u128::MAX.checked_shr(prefix) {
            Some(hosts) => hosts,
            None => 0,
        };
        let bits = ip.to_bits();
        Self {
            first: IpAddr::V6(Ipv6Addr::from_bits(bits & !hosts)),
            last: IpAddr::V6(Ipv6Addr::from_bits(bits | hosts)),
        }
    }

    fn parse_network(text: &str, ip: &str, prefix: &str) -> Result<Self, IpRangeError> {
        let ip = parse_ip(ip)?;
        let width = if ip.is_ipv4() { 32 } else { 128 };
        // Digits only: `u32` would also take "+8".
        let prefix = Some(prefix)
            .filter(|prefix| prefix.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|prefix| prefix.parse::<u32>().ok())
            .filter(|prefix| *prefix <= width)
            .ok_or_else(|| IpRangeError::Prefix { text: text.to_string(), width })?;
        let range = Self::network(ip, prefix);
        if range.first != ip {
            return Err(IpRangeError::HostBits { ip, network: range.first, prefix });
        }
        Ok(range)
    }

    fn parse_span(first: &str, last: &str) -> Result<Self, IpRangeError> {
        let (first, last) = (parse_ip(first.trim())?, parse_ip(last.trim())?);
        if first.is_ipv4() != last.is_ipv4() {
            return Err(IpRangeError::Families { first, last });
        }
        if first > last {
            return Err(IpRangeError::Reversed { first, last });
        }
        Ok(Self { first, last })
    }
}

impl FromStr for IpRange {
    type Err = IpRangeError;

    fn from_str(text: &str) -> Result<Self, IpRangeError> {
        if let Some((ip, prefix)) = text.split_once('/') {
            Self::parse_network(text, ip, prefix)
        } else if let Some((first, last)) = text.split_once('-') {
            Self::parse_span(first, last)
        } else {
            let ip = parse_ip(text)?;
            Ok(Self { first: ip, last: ip })
        }
    }
}

impl From<IpAddr> for IpRange {
    fn from(ip: IpAddr) -> Self {
        Self { first: ip, last: ip }
    }
}

impl fmt::Display for IpRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

fn parse_ip(text: &str) -> Result<IpAddr, IpRangeError> {
    text.parse().map_err(|_| IpRangeError::Address { text: text.to_string() })
}

/// Why a text is no [`IpRange`]. A malformed deny list must never be ignored in silence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IpRangeError {
    /// Not an IP address.
    Address {
        /// What was written.
        text: String,
    },
    /// The part after the slash is no prefix length of this family.
    Prefix {
        /// What was written.
        text: String,
        /// The longest prefix: 32 or 128.
        width: u32,
    },
    /// An address inside the network was written in place of the network's own.
    HostBits {
        /// What was written.
        ip: IpAddr,
        /// What was probably meant.
        network: IpAddr,
        /// The prefix length.
        prefix: u32,
    },
    /// The ends are of different families.
    Families {
        /// The first end.
        first: IpAddr,
        /// The last end.
        last: IpAddr,
    },
    /// The last address comes before the first.
    Reversed {
        /// The first end.
        first: IpAddr,
        /// The last end.
        last: IpAddr,
    },
}

impl fmt::Display for IpRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { text } => write!(
                f,
                "{text:?} is no IP address; write an address, a network like 10.0.0.0/8 \
                 or a range like 10.0.0.1-10.0.0.9"
            ),
            Self::Prefix { text, width } => {
                write!(f, "{text:?} has no prefix length from 0 to {width} after the slash")
            }
            Self::HostBits { ip, network, prefix } => {
                write!(
                    f,
                    "{ip}/{prefix} is no network; write {network}/{prefix} for the network \
                     or {ip} for the address"
                )
            }
            Self::Families { first, last } => {
                write!(f, "{first}-{last} mixes IPv4 and IPv6; write two ranges")
            }
            Self::Reversed { first, last } => {
                write!(f, "{first}-{last} is empty; write {last}-{first}")
            }
        }
    }
}

impl core::error::Error for IpRangeError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> IpRange {
        text.parse().expect(text)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn networks_end_where_their_prefix_says() {
        assert!(range("10.0.0.0/8").contains(ip("10.255.255.255")));
        assert!(!range("10.0.0.0/8").contains(ip("11.0.0.0")));
        assert!(range("0.0.0.0/0").contains(ip("255.255.255.255")));
        assert!(range("1.2.3.4/32").contains(ip("1.2.3.4")));
        assert!(!range("1.2.3.4/32").contains(ip("1.2.3.5")));
        assert!(range("fc00::/7").contains(ip("fdff::1")));
        assert!(range("::/0").contains(ip("ffff::")));
        assert!(range("::1/128").contains(ip("::1")));
    }

    #[test]
    fn spans_and_single_addresses() {
        let span = range("10.0.0.5-10.0.0.9");
        assert!(span.contains(ip("10.0.0.5")) && span.contains(ip("10.0.0.9")));
        assert!(!span.contains(ip("10.0.0.4")) && !span.contains(ip("10.0.0.10")));
        assert!(range("192.0.2.1").contains(ip("192.0.2.1")));
    }

    #[test]
    fn families_never_mix() {
        assert!(!range("0.0.0.0/0").contains(ip("::")));
        assert!(!range("::/0").contains(ip("127.0.0.1")));
    }

    #[test]
    fn a_typing_error_is_an_error_that_says_how_to_mend_it() {
        let message = |text: &str| text.parse::<IpRange>().expect_err(text).to_string();
        assert!(message("10.1.2.3/8").contains("write 10.0.0.0/8"));
        assert!(message("fe80::1/10").contains("write fe80::/10"));
        assert!(message("10.0.0.0/33").contains("0 to 32"));
        assert!(message("::/129").contains("0 to 128"));
        for text in [
            "",
            "10.0.0",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/x",
            "a-b",
            "1.2.3.4-",
            "1.2.3.4/8/8",
        ] {
            message(text);
        }
        assert!(message("10.0.0.9-10.0.0.1").contains("write 10.0.0.1-10.0.0.9"));
        assert!(message("10.0.0.1-::1").contains("mixes"));
    }

    #[test]
    fn it_prints_what_it_parses() {
        for text in ["10.0.0.1", "10.0.0.1-10.0.0.9", "2001:db8::1"] {
            assert_eq!(range(text).to_string(), text);
        }
        assert_eq!(range(&range("10.0.0.0/8").to_string()), range("10.0.0.0/8"));
    }
}
