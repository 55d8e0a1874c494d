//! Which peers a client may reach through the relay.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::IpRange;

/// A relay stands inside somebody's network: without a policy it would hand that network to every
/// client. So an address is refused unless it is plainly on the public Internet.
///
/// An `allow` outranks a `deny`, and both outrank the list of addresses denied by default.
#[derive(Clone, Debug, Default)]
pub struct PeerPolicy {
    allow: Vec<IpRange>,
    deny: Vec<IpRange>,
}

impl PeerPolicy {
    /// A policy that opens `allow` and closes `deny` besides the default list.
    pub fn new(allow: Vec<IpRange>, deny: Vec<IpRange>) -> Self {
        Self { allow, deny }
    }

    /// What was opened explicitly.
    pub fn allowed(&self) -> &[IpRange] {
        &self.allow
    }

    /// What was closed explicitly.
    pub fn denied(&self) -> &[IpRange] {
        &self.deny
    }

    /// Whether clients may exchange packets with `ip`.
    ///
    /// An IPv6 address that embeds an IPv4 one is judged as both: refused when either is refused.
    /// An `allow` for IPv4 opens the IPv4-mapped spelling with it, which is the same address; the
    /// transition mechanisms (6to4, Teredo, NAT64, ...) lead elsewhere and are opened by name only.
    pub fn allows(&self, ip: IpAddr) -> bool {
        if self.allows_explicitly(ip) {
            return true;
        }
        let embedded = embedded_v4(ip).map(IpAddr::V4);
        let refused = |ip| within(&self.deny, ip) || denied_by_default(ip);
        !refused(ip) && !embedded.is_some_and(refused)
    }

    /// Whether `ip`, or the IPv4 address it is a mapped spelling of, was opened by name. Our own
    /// addresses are peers in no other way.
    pub fn allows_explicitly(&self, ip: IpAddr) -> bool {
        within(&self.allow, ip) || within(&self.allow, ip.to_canonical())
    }
}

fn within(ranges: &[IpRange], ip: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains(ip))
}

fn denied_by_default(ip: IpAddr) -> bool {
    within(&DENIED_BY_DEFAULT, ip) && !within(&REACHABLE_ASSIGNMENTS, ip)
}

/// What IANA's registries of special-purpose addresses do not call globally reachable, multicast, and
/// what leads back inside.
const DENIED_BY_DEFAULT: [IpRange; 32] = [
    v4([0, 0, 0, 0], 8),                       // "this network" (RFC 791)
    v4([10, 0, 0, 0], 8),                      // private (RFC 1918)
    v4([100, 64, 0, 0], 10),                   // shared by carriers (RFC 6598)
    v4([127, 0, 0, 0], 8),                     // loopback
    v4([168, 63, 129, 16], 32),                // the host of a machine in Azure, beside link-local
    v4([169, 254, 0, 0], 16),                  // link-local, and with it cloud metadata (RFC 3927)
    v4([172, 16, 0, 0], 12),                   // private
    v4([192, 0, 0, 0], 24),                    // protocol assignments (RFC 6890); see below
    v4([192, 0, 2, 0], 24),                    // TEST-NET-1 (RFC 5737)
    v4([192, 88, 99, 0], 24),                  // 6to4 and 6a44 relays (RFC 7526, RFC 6751)
    v4([192, 168, 0, 0], 16),                  // private
    v4([198, 18, 0, 0], 15),                   // benchmarking (RFC 2544)
    v4([198, 51, 100, 0], 24),                 // TEST-NET-2
    v4([203, 0, 113, 0], 24),                  // TEST-NET-3
    v4([224, 0, 0, 0], 4),                     // multicast
    v4([240, 0, 0, 0], 4),                     // reserved, and with it broadcast
    v6([0, 0, 0, 0, 0, 0, 0, 0], 96),          // ::, ::1, IPv4-compatible (RFC 4291 s2.5.5.1)
    v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96),     // IPv4-mapped
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),     // IPv4-translated (RFC 2765)
    v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96),  // NAT64 (RFC 6052)
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),  // local NAT64 (RFC 8215)
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),      // discard (RFC 6666)
    v6([0x100, 0, 0, 1, 0, 0, 0, 0], 64),      // dummy prefix (RFC 9780)
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),     // protocol assignments: Teredo, benchmarking, ...
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32), // documentation (RFC 3849)
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),     // 6to4 (RFC 8656 s21.4)
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),     // documentation (RFC 9637)
    v6([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16),     // segment routing inside a domain (RFC 9602)
    v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),      // unique local (RFC 4193)
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),     // link-local
    v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),     // site-local (RFC 3879)
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),      // multicast
];

/// Globally reachable parts of 2001::/23.
///
/// The registries also call the anycast addresses of PCP, TURN and DNS-SD reachable (192.0.0.9,
/// 192.0.0.10, 2001:1::1 to 2001:1::3). They stay denied: who answers there is the nearest, a router
/// of the relay's own network, and PCP would open that network to whoever asks.
const REACHABLE_ASSIGNMENTS: [IpRange; 4] = [
    v6([0x2001, 3, 0, 0, 0, 0, 0, 0], 32), // multicast tunnels (RFC 7450)
    v6([0x2001, 4, 0x112, 0, 0, 0, 0, 0], 48), // AS112 (RFC 7535)
    v6([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28), // ORCHIDv2 (RFC 7343)
    v6([0x2001, 0x30, 0, 0, 0, 0, 0, 0], 28), // drones (RFC 9374)
];

const fn v4([a, b, c, d]: [u8; 4], prefix: u32) -> IpRange {
    IpRange::v4(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6([a, b, c, d, e, f, g, h]: [u16; 8], prefix: u32) -> IpRange {
    IpRange::v6(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

/// The IPv4 address that an IPv6 address is a spelling of, or leads to.
fn embedded_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let last = |invert: u8| {
        let [.., a, b, c, d] = ip.octets();
        Ipv4Addr::new(a ^ invert, b ^ invert, c ^ invert, d ^ invert)
    };
    match ip.segments() {
        // IPv4-compatible, -mapped and -translated; NAT64 well-known and local (as RFC 6052 s2.2's
        // /96).
        [0, 0, 0, 0, 0, 0 | 0xffff, _, _]
        | [0, 0, 0, 0, 0xffff, 0, _, _]
        | [0x64, 0xff9b, 0 | 1, _, _, _, _, _] => Some(last(0)),
        // 6to4: the site's router (RFC 3056).
        [0x2002, high, low, ..] => {
            Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)))
        }
        // Teredo: the client's address, inverted (RFC 4380 s4).
        [0x2001, 0, ..] => Some(last(0xff)),
        // ISATAP under any prefix (RFC 5214 s6.1).
        [_, _, _, _, 0 | 0x200, 0x5efe, _, _] => Some(last(0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &[&str], deny: &[&str]) -> PeerPolicy {
        let ranges = |texts: &[&str]| texts.iter().map(|text| text.parse().expect(text)).collect();
        PeerPolicy::new(ranges(allow), ranges(deny))
    }

    fn allows(policy: &PeerPolicy, ip: &str) -> bool {
        policy.allows(ip.parse().expect(ip))
    }

    #[test]
    fn the_public_internet_is_open() {
        let policy = PeerPolicy::default();
        for ip in [
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "64:ff9c::1",
        ] {
            assert!(allows(&policy, ip), "{ip}");
        }
    }

    #[test]
    fn embedded_addresses_are_found_in_every_spelling() {
        let target = Some(Ipv4Addr::new(10, 1, 2, 3));
        for ip in [
            "::10.1.2.3",
            "::ffff:10.1.2.3",
            "::ffff:0:10.1.2.3",
            "64:ff9b::10.1.2.3",
            "64:ff9b:1::10.1.2.3",
            "2002:a01:203::1",
            "2001:0:1:2:3:4:f5fe:fdfc",
            "2a00:1::5efe:10.1.2.3",
            "2a00:1::200:5efe:10.1.2.3",
        ] {
            assert_eq!(embedded_v4(ip.parse().expect(ip)), target, "{ip}");
        }
        assert_eq!(embedded_v4("2606:4700::1111".parse().unwrap()), None);
    }

    #[test]
    fn an_allow_outranks_a_deny_which_outranks_the_default() {
        let policy = policy(&["10.1.0.0/16", "8.8.8.8"], &["8.8.8.0/24", "10.1.1.0/24"]);
        assert!(allows(&policy, "10.1.1.1"));
        assert!(!allows(&policy, "10.2.0.1"));
        assert!(allows(&policy, "8.8.8.8"));
        assert!(!allows(&policy, "8.8.8.9"));
    }

    #[test]
    fn a_deny_covers_every_spelling_and_an_allow_the_mapped_one() {
        let closed = policy(&["2002::/16", "::ffff:0:0/96"], &["2a00::/16", "9.9.9.9"]);
        assert!(!allows(&closed, "2a00::1"));
        assert!(!allows(&closed, "2a01::5efe:9.9.9.9"));
        let open = policy(&["10.0.0.0/8"], &[]);
        assert!(allows(&open, "::ffff:10.0.0.1"));
        assert!(!allows(&open, "64:ff9b::10.0.0.1"));
        assert!(!allows(&open, "2002:a00:1::"));
        assert!(allows(&policy(&["2002::/16"], &[]), "2002:a00:1::"));
    }
}
