//! Addresses, control messages and message headers as the kernel lays them out in memory (ip(7), ipv6(7), cmsg(3),
//! recvmmsg(2)), which needs no `unsafe`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr::null_mut;

use hairpin_turn::{Fragmentation, IcmpError};

use super::runs::Packet;

const WORD: usize = size_of::<usize>();

/// A `sockaddr_in` or `sockaddr_in6`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Name(pub(super) [u8; Name::LEN]);

impl Name {
    /// A `sockaddr_in6`, the larger of the two.
    pub(super) const LEN: usize = 28;
    const V4_LEN: usize = 16;

    pub(super) const EMPTY: Self = Self([0; Self::LEN]);

    /// Writes an address and returns how many bytes of the name it takes.
    pub(super) fn write(&mut self, address: SocketAddr) -> usize {
        let out = &mut self.0;
        out[2..4].copy_from_slice(&address.port().to_be_bytes());
        match address {
            SocketAddr::V4(v4) => {
                out[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
                out[4..8].copy_from_slice(&v4.ip().octets());
                out[8..16].fill(0);
                Self::V4_LEN
            }
            SocketAddr::V6(v6) => {
                out[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
                out[4..8].fill(0);
                out[8..24].copy_from_slice(&v6.ip().octets());
                out[24..28].copy_from_slice(&v6.scope_id().to_ne_bytes());
                Self::LEN
            }
        }
    }

    /// The address the kernel wrote.
    pub(super) fn read(&self) -> SocketAddr {
        let [f0, f1, p0, p1, a0, a1, a2, a3, rest @ ..] = self.0;
        let port = u16::from_be_bytes([p0, p1]);
        if i32::from(u16::from_ne_bytes([f0, f1])) != libc::AF_INET6 {
            return SocketAddrV4::new(Ipv4Addr::new(a0, a1, a2, a3), port).into();
        }
        let (ip, scope) = rest.split_first_chunk::<16>().expect("20 bytes hold 16");
        let ip = Ipv6Addr::from(*ip);
        let scope = u32::from_ne_bytes(scope.try_into().expect("4 of 20 bytes are left"));
        // The scope is part of a link-local address only; elsewhere it would make one peer two.
        let scope = if ip.is_unicast_link_local() { scope } else { 0 };
        SocketAddrV6::new(ip, port, 0, scope).into()
    }
}

/// Control messages: room for one `IPV6_PKTINFO` (20 bytes), one `UDP_SEGMENT` (2 bytes), one `IPV6_DONTFRAG` and one
/// `IPV6_TCLASS` (4 bytes), each behind its header `{ length: usize, level: i32, type: i32 }` and padded to whole words. An
/// `IPV6_RECVERR` (44 bytes) with an `IPV6_TCLASS` is less than all of them.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control(pub(super) [u8; Control::LEN]);

impl Control {
    pub(super) const LEN: usize = 112;
    const HEADER: usize = WORD + 8;

    pub(super) const EMPTY: Self = Self([0; Self::LEN]);

    /// Writes how packets like this one leave, cut into segments of this size, and returns the bytes used.
    pub(super) fn write(&mut self, packet: &Packet<'_>, segment: Option<u16>) -> usize {
        let mut used = 0;
        match packet.from {
            // in_pktinfo { ifindex: 0, spec_dst: the source, addr: ignored }
            Some(IpAddr::V4(ip)) => {
                let mut data = [0; 12];
                data[4..8].copy_from_slice(&ip.octets());
                used = self.put(used, libc::IPPROTO_IP, libc::IP_PKTINFO, &data);
            }
            // in6_pktinfo { addr: the source, ifindex: 0 }
            Some(IpAddr::V6(ip)) => {
                let mut data = [0; 20];
                data[..16].copy_from_slice(&ip.octets());
                used = self.put(used, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &data);
            }
            None => {}
        }
        if let Some(segment) = segment {
            used = self.put(used, libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes());
        }
        if packet.traffic_class != 0 {
            let (level, kind) = match packet.to.is_ipv4() {
                true => (libc::IPPROTO_IP, libc::IP_TOS),
                false => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
            };
            used = self.put(used, level, kind, &i32::from(packet.traffic_class).to_ne_bytes());
        }
        // For IPv4 there is no such message.
        if packet.fragmentation == Fragmentation::Forbidden && packet.to.is_ipv6() {
            used = self.put(used, libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, &1_i32.to_ne_bytes());
        }
        used
    }

    fn put(&mut self, at: usize, level: i32, kind: i32, data: &[u8]) -> usize {
        let length = Self::HEADER + data.len();
        let out = &mut self.0[at..at + length];
        out[..WORD].copy_from_slice(&length.to_ne_bytes());
        out[WORD..WORD + 4].copy_from_slice(&level.to_ne_bytes());
        out[WORD + 4..Self::HEADER].copy_from_slice(&kind.to_ne_bytes());
        out[Self::HEADER..].copy_from_slice(data);
        at + length.next_multiple_of(WORD)
    }

    /// How a datagram came, out of the `used` bytes the kernel wrote.
    #[inline]
    pub(super) fn arrived(&self, used: usize) -> Arrived {
        let mut arrived = Arrived::default();
        for (level, kind, data) in self.read(used) {
            match (level, kind) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let destination = data.get(8..).and_then(<[u8]>::first_chunk::<4>);
                    arrived.destination = destination.map(|ip| Ipv4Addr::from(*ip).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let destination = data.first_chunk::<16>();
                    arrived.destination = destination.map(|ip| Ipv6Addr::from(*ip).into());
                }
                // One byte.
                (libc::IPPROTO_IP, libc::IP_TOS) => {
                    arrived.traffic_class = data.first().copied().unwrap_or(0);
                }
                // An `int`.
                (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    let class = data.first_chunk::<4>().map_or(0, |data| i32::from_ne_bytes(*data));
                    arrived.traffic_class = class as u8;
                }
                _ => {}
            }
        }
        arrived
    }

    /// What went wrong, out of the `used` bytes the kernel wrote with an entry of an error queue:
    /// `sock_extended_err { errno: u32, origin: u8, type: u8, code: u8, pad: u8, info: u32, data: u32 }`.
    pub(super) fn error(&self, used: usize) -> Option<SocketError> {
        self.read(used).find_map(|message| match message {
            (libc::IPPROTO_IP, libc::IP_RECVERR, data)
            | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR, data) => {
                let &[e0, e1, e2, e3, origin, kind, code, _, i0, i1, i2, i3, ..] = data else {
                    return None;
                };
                let info = u32::from_ne_bytes([i0, i1, i2, i3]);
                match origin {
                    libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6 => {
                        Some(SocketError::Icmp(IcmpError { kind, code, mtu: info }))
                    }
                    libc::SO_EE_ORIGIN_LOCAL
                        if i32::from_ne_bytes([e0, e1, e2, e3]) == libc::EMSGSIZE =>
                    {
                        Some(SocketError::TooLong { mtu: info })
                    }
                    _ => None,
                }
            }
            _ => None,
        })
    }

    /// The messages in the `used` bytes the kernel wrote: level, type and data.
    fn read(&self, used: usize) -> impl Iterator<Item = (i32, i32, &[u8])> {
        let mut rest = self.0.get(..used).unwrap_or_default();
        std::iter::from_fn(move || {
            let (length, header) = rest.split_first_chunk::<WORD>()?;
            let length = usize::from_ne_bytes(*length);
            let level = i32::from_ne_bytes(*header.first_chunk()?);
            let kind = i32::from_ne_bytes(*header.get(4..)?.first_chunk()?);
            let data = rest.get(Self::HEADER..length)?;
            rest = rest.get(length.next_multiple_of(WORD)..).unwrap_or_default();
            Some((level, kind, data))
        })
    }
}

/// How a datagram came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrived {
    /// The local address it was sent to, if the socket is told so.
    pub(super) destination: Option<IpAddr>,
    /// DSCP and ECN, zero if the socket is not told: IPv4's TOS, IPv6's traffic class.
    pub(super) traffic_class: u8,
}

/// An entry of a socket's error queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SocketError {
    /// An ICMP message about a datagram that was sent.
    Icmp(IcmpError),
    /// A datagram with the DF bit set was not sent at all.
    TooLong {
        /// Of the link it would have left by.
        mtu: u32,
    },
}

/// A `struct mmsghdr` as the kernel has it. The C libraries differ in the types of its lengths; the kernel does not.
#[repr(C)]
pub(super) struct Message {
    pub(super) header: Header,
    /// Bytes received, or sent.
    pub(super) len: u32,
}

/// A `struct user_msghdr`.
#[repr(C)]
pub(super) struct Header {
    pub(super) name: *mut Name,
    pub(super) name_len: i32,
    pub(super) vectors: *mut libc::iovec,
    pub(super) vector_count: usize,
    pub(super) control: *mut Control,
    pub(super) control_len: usize,
    flags: u32,
}

impl Message {
    pub(super) const EMPTY: Self = Self {
        header: Header {
            name: null_mut(),
            name_len: 0,
            vectors: null_mut(),
            vector_count: 0,
            control: null_mut(),
            control_len: 0,
            flags: 0,
        },
        len: 0,
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::offset_of;

    #[test]
    fn message_headers_are_laid_out_as_in_the_kernel() {
        assert_eq!(size_of::<Header>(), 56);
        assert_eq!((size_of::<Message>(), offset_of!(Message, len)), (64, 56));
        let lengths = (offset_of!(Header, vector_count), offset_of!(Header, control_len));
        assert_eq!((offset_of!(Header, name_len), lengths), (8, (24, 40)));
    }

    #[test]
    fn names_come_back_as_they_went() {
        let mut name = Name::EMPTY;
        for (address, length) in
            [("[2001:db8::7]:65535", 28), ("192.0.2.7:3478", 16), ("[fe80::1%3]:9", 28)]
        {
            let address: SocketAddr = address.parse().expect("literal");
            assert_eq!(name.write(address), length);
            assert_eq!(name.read(), address);
        }
    }

    #[test]
    fn a_scope_outside_link_local_is_dropped() {
        let mut name = Name::EMPTY;
        name.write(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 9, 0, 4).into());
        assert_eq!(name.read(), "[::1]:9".parse().expect("literal"));
    }

    #[test]
    fn what_is_written_is_what_the_c_macros_say() {
        let mut control = Control::EMPTY;
        // CMSG_SPACE(12) + CMSG_SPACE(2) on a 64-bit machine.
        let packet = |from: Option<&str>| Packet {
            from: from.map(|from| from.parse().expect("literal")),
            to: "[2001:db8::7]:9".parse().expect("literal"),
            fragmentation: Fragmentation::Allowed,
            traffic_class: 0,
            bytes: &[],
        };
        assert_eq!(control.write(&packet(Some("127.0.0.1")), Some(1200)), 32 + 24);
        assert_eq!(control.0[..8], 28_usize.to_ne_bytes());
        assert_eq!(control.0[32..40], 18_usize.to_ne_bytes());
        assert_eq!(control.write(&packet(Some("::1")), Some(1200)), 40 + 24);
        assert_eq!(control.write(&packet(None), None), 0);
        let whole = Packet {
            fragmentation: Fragmentation::Forbidden,
            traffic_class: 0xB9,
            ..packet(Some("::1"))
        };
        let used = control.write(&whole, Some(1200));
        assert_eq!(used, Control::LEN, "all there can be at once");
        let destination = whole.from;
        assert_eq!(control.arrived(used), Arrived { destination, traffic_class: 0xB9 });
        let v4 = Packet { from: None, to: "192.0.2.7:9".parse().expect("literal"), ..whole };
        assert_eq!(control.write(&v4, None), 24, "of IPv4's there is no DF");
    }

    #[test]
    fn the_destination_is_found_behind_other_messages() {
        let mut control = Control::EMPTY;
        let at = control.put(0, libc::SOL_UDP, libc::UDP_GRO, &[0, 5]);
        let at = control.put(at, libc::IPPROTO_IP, libc::IP_TOS, &[0xB8]);
        let mut info = [0; 12];
        info[8..].copy_from_slice(&[192, 0, 2, 9]);
        let used = control.put(at, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
        let there: IpAddr = "192.0.2.9".parse().expect("literal");
        let arrived = Arrived { destination: Some(there), traffic_class: 0xB8 };
        assert_eq!(control.arrived(used), arrived);
        assert_eq!(control.arrived(at), Arrived { destination: None, ..arrived });
        assert_eq!(control.arrived(Control::LEN + 1), Arrived::default());
    }

    #[test]
    fn an_error_says_what_it_is_about() {
        let error = |errno: i32, origin, kind, code, info: u32| {
            let mut data = [0; 44];
            data[..4].copy_from_slice(&errno.to_ne_bytes());
            data[4..7].copy_from_slice(&[origin, kind, code]);
            data[8..12].copy_from_slice(&info.to_ne_bytes());
            let mut control = Control::EMPTY;
            let at = control.put(0, libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &[0; 4]);
            let used = control.put(at, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &data);
            assert!(used <= Control::LEN, "it has room");
            control.error(used)
        };
        let too_big = SocketError::Icmp(IcmpError::packet_too_big(1280));
        assert_eq!(error(libc::EMSGSIZE, libc::SO_EE_ORIGIN_ICMP6, 2, 0, 1280), Some(too_big));
        let local = SocketError::TooLong { mtu: 1500 };
        assert_eq!(error(libc::EMSGSIZE, libc::SO_EE_ORIGIN_LOCAL, 0, 0, 1500), Some(local));
        assert_eq!(error(libc::EPERM, libc::SO_EE_ORIGIN_LOCAL, 0, 0, 1500), None);
        assert_eq!(error(0, libc::SO_EE_ORIGIN_TIMESTAMPING, 0, 0, 0), None);
        assert_eq!(Control::EMPTY.error(0), None);
    }
}
