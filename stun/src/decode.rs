//! Attribute values as the things they mean. `None` always says: malformed.

use core::net::SocketAddr;

use crate::address;
use crate::{AttributeType, TransactionId};

/// XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS, XOR-RELAYED-ADDRESS (RFC 8489 s14.2).
pub fn xor_address(value: &[u8], id: TransactionId) -> Option<SocketAddr> {
    address::read(value, &address::xor_mask(id))
}

/// MAPPED-ADDRESS, ALTERNATE-SERVER, RESPONSE-ORIGIN, OTHER-ADDRESS (RFC 8489 s14.1).
pub fn address(value: &[u8]) -> Option<SocketAddr> {
    address::read(value, &address::PLAIN)
}

/// LIFETIME in seconds, CONNECTION-ID: 32 bits.
pub fn u32(value: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(value.try_into().ok()?))
}

/// UTF-8 of any length. USERNAME is bounded by its caller (RFC 8489 s14.3: fewer than 509 bytes).
pub fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value).ok()
}

/// REALM, NONCE, SOFTWARE: UTF-8 of fewer than 128 characters, "which can be as long as 763
/// bytes" (RFC 8489 s14.9, s14.10, s14.14).
pub fn short_text(value: &[u8]) -> Option<&str> {
    // Characters are counted in what is short enough to be worth counting.
    let value = (value.len() <= 763).then_some(value)?;
    text(value).filter(|text| text.chars().count() < 128)
}

/// CHANNEL-NUMBER (RFC 8656 s18.1), whether or not it is one that may be bound.
pub fn channel_number(value: &[u8]) -> Option<u16> {
    let &[high, low, _, _] = value else { return None };
    Some(u16::from_be_bytes([high, low]))
}

/// REQUESTED-TRANSPORT (RFC 8656 s18.8): an IP protocol number, 17 for UDP and 6 for TCP.
pub fn requested_transport(value: &[u8]) -> Option<u8> {
    first_of_four(value)
}

/// REQUESTED-ADDRESS-FAMILY, ADDITIONAL-ADDRESS-FAMILY (RFC 8656 s18.6, s18.11): 1 for IPv4, 2 for
/// IPv6.
pub fn address_family(value: &[u8]) -> Option<u8> {
    first_of_four(value)
}

/// ERROR-CODE (RFC 8489 s14.8): a code of 300 to 699 and a reason of fewer than 128 characters.
pub fn error_code(value: &[u8]) -> Option<(u16, &str)> {
    let (&[_, _, class, number], reason) = value.split_first_chunk()?;
    // The class is three bits wide; the bits in front of it are reserved and ignored.
    let (class, number) = (u16::from(class & 0x07), u16::from(number));
    if !(3..=6).contains(&class) || number > 99 {
        return None;
    }
    Some((class * 100 + number, short_text(reason)?))
}

/// ICMP (RFC 8656 s18.13): type, code, and what goes with them.
pub fn icmp(value: &[u8]) -> Option<(u8, u16, u32)> {
    let &[_, _, k, c, ref data @ ..] = value else { return None };
    let kind_and_code = u16::from_be_bytes([k, c]);
    Some(((kind_and_code >> 9) as u8, kind_and_code & 0x1FF, u32(data)?))
}

/// UNKNOWN-ATTRIBUTES (RFC 8489 s14.13): a list of 16-bit types.
pub fn unknown_attributes(value: &[u8]) -> impl Iterator<Item = AttributeType> + Clone {
    let (types, _) = value.as_chunks();
    types.iter().map(|&t| AttributeType(u16::from_be_bytes(t)))
}

/// One byte and three that are reserved: zero when sent, ignored on receipt.
fn first_of_four(value: &[u8]) -> Option<u8> {
    let &[first, _, _, _] = value else { return None };
    Some(first)
}
