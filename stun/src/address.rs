//! Transport addresses in attributes, plain and XORed (RFC 8489 s14.1, s14.2).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{MAGIC_COOKIE, TransactionId};

const FAMILY_V4: u8 = 0x01;
const FAMILY_V6: u8 = 0x02;

/// What the port (first two bytes), an IPv4 address (first four) or an IPv6 address (all) are XORed
/// with.
pub(crate) type Mask = [u8; 16];

/// The mask of attributes that are not XORed.
pub(crate) const PLAIN: Mask = [0; 16];

/// The mask of XOR-MAPPED-ADDRESS and its kin: the cookie, then the transaction id.
pub(crate) fn xor_mask(id: TransactionId) -> Mask {
    let mut mask = [0; 16];
    mask[..4].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    mask[4..].copy_from_slice(&id.0);
    mask
}

/// Bytes the value takes: a reserved one, the family, the port, the address.
pub(crate) const V4_LEN: usize = 8;
/// See [`V4_LEN`].
pub(crate) const V6_LEN: usize = 20;

/// Bytes the value takes.
pub(crate) const fn value_len(address: SocketAddr) -> usize {
    match address {
        SocketAddr::V4(_) => V4_LEN,
        SocketAddr::V6(_) => V6_LEN,
    }
}

/// Fills a value of [`value_len`] bytes.
pub(crate) fn write(value: &mut [u8], address: SocketAddr, mask: &Mask) {
    let port = address.port().to_be_bytes();
    value[0] = 0;
    xor_into(&mut value[2..4], &port, mask);
    match address.ip() {
        IpAddr::V4(ip) => {
            value[1] = FAMILY_V4;
            xor_into(&mut value[4..], &ip.octets(), mask);
        }
        IpAddr::V6(ip) => {
            value[1] = FAMILY_V6;
            xor_into(&mut value[4..], &ip.octets(), mask);
        }
    }
}

/// The address in a value; `None` unless family and length are right. The first byte is ignored.
pub(crate) fn read(value: &[u8], mask: &Mask) -> Option<SocketAddr> {
    let (&[_, family, p0, p1], ip) = value.split_first_chunk()?;
    let ip = match family {
        FAMILY_V4 => IpAddr::V4(Ipv4Addr::from(unmask::<4>(ip, mask)?)),
        FAMILY_V6 => IpAddr::V6(Ipv6Addr::from(unmask::<16>(ip, mask)?)),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_be_bytes([p0 ^ mask[0], p1 ^ mask[1]])))
}

fn unmask<const N: usize>(octets: &[u8], mask: &Mask) -> Option<[u8; N]> {
    let octets: &[u8; N] = octets.try_into().ok()?;
    let mut plain = [0; N];
    xor_into(&mut plain, octets, mask);
    Some(plain)
}

fn xor_into(out: &mut [u8], octets: &[u8], mask: &Mask) {
    for ((out, octet), mask) in out.iter_mut().zip(octets).zip(mask) {
        *out = octet ^ mask;
    }
}
