//! Attributes as type, length and value (RFC 8489 s14), and the numbers IANA keeps of them.

use core::ops::Range;

use crate::{HEADER_LEN, Message};

/// Bytes of an attribute's type and length.
pub(crate) const ATTRIBUTE_HEADER_LEN: usize = 4;

/// Writes the type and the length of an attribute whose value has `len` bytes, at most 65,535.
pub(crate) fn write_header(
    header: &mut [u8; ATTRIBUTE_HEADER_LEN],
    kind: AttributeType,
    len: usize,
) {
    header[..2].copy_from_slice(&kind.0.to_be_bytes());
    header[2..].copy_from_slice(&(len as u16).to_be_bytes());
}

/// One attribute of a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// What it is.
    pub kind: AttributeType,
    /// Its value, without padding. [`decode`](crate::decode) reads it.
    pub value: &'a [u8],
    /// Where the value starts in the message.
    start: usize,
}

impl<'a> Attribute<'a> {
    /// The attribute that starts at `offset`; `None` when it does not lie within the message.
    pub(crate) fn at(message: &'a [u8], offset: usize) -> Option<Self> {
        let (&[t0, t1, l0, l1], rest) = message.get(offset..)?.split_first_chunk()?;
        let value = rest.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
        let kind = AttributeType(u16::from_be_bytes([t0, t1]));
        Some(Self { kind, value, start: offset + ATTRIBUTE_HEADER_LEN })
    }

    /// Where the value lies in the buffer given to [`Message::parse`].
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.value.len()
    }

    /// Where the next attribute starts. Never past the end of the message, because the length of a
    /// message is a multiple of four.
    pub(crate) fn next_offset(&self) -> usize {
        self.range().end.next_multiple_of(4)
    }
}

/// The attributes of a message that mean anything; see [`Message::attributes`].
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    message: Message<'a>,
    offset: usize,
}

impl<'a> Attributes<'a> {
    pub(crate) fn new(message: Message<'a>) -> Self {
        Self { message, offset: HEADER_LEN }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let offset = self.offset;
            let attribute = Attribute::at(self.message.as_bytes(), offset)?;
            self.offset = attribute.next_offset();
            if self.message.admits(offset, attribute.kind) {
                return Some(attribute);
            }
        }
    }
}

/// The type of an attribute: a number of IANA's "STUN Attributes" registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttributeType(pub u16);

impl AttributeType {
    /// Whether a receiver that does not know the attribute must refuse the message (RFC 8489 s14).
    pub fn is_comprehension_required(self) -> bool {
        self.0 < 0x8000
    }
}

/// Comprehension-required: 0x0000 to 0x7FFF.
impl AttributeType {
    /// RFC 8489 s14.1
    pub const MAPPED_ADDRESS: Self = Self(0x0001);
    /// RFC 5780 s7.2
    pub const CHANGE_REQUEST: Self = Self(0x0003);
    /// RFC 8489 s14.3
    pub const USERNAME: Self = Self(0x0006);
    /// RFC 8489 s14.5
    pub const MESSAGE_INTEGRITY: Self = Self(0x0008);
    /// RFC 8489 s14.8
    pub const ERROR_CODE: Self = Self(0x0009);
    /// RFC 8489 s14.13
    pub const UNKNOWN_ATTRIBUTES: Self = Self(0x000A);
    /// RFC 8656 s18.1
    pub const CHANNEL_NUMBER: Self = Self(0x000C);
    /// RFC 8656 s18.2
    pub const LIFETIME: Self = Self(0x000D);
    /// RFC 8656 s18.3
    pub const XOR_PEER_ADDRESS: Self = Self(0x0012);
    /// RFC 8656 s18.4
    pub const DATA: Self = Self(0x0013);
    /// RFC 8489 s14.9
    pub const REALM: Self = Self(0x0014);
    /// RFC 8489 s14.10
    pub const NONCE: Self = Self(0x0015);
    /// RFC 8656 s18.5
    pub const XOR_RELAYED_ADDRESS: Self = Self(0x0016);
    /// RFC 8656 s18.6
    pub const REQUESTED_ADDRESS_FAMILY: Self = Self(0x0017);
    /// RFC 8656 s18.7
    pub const EVEN_PORT: Self = Self(0x0018);
    /// RFC 8656 s18.8
    pub const REQUESTED_TRANSPORT: Self = Self(0x0019);
    /// RFC 8656 s18.9
    pub const DONT_FRAGMENT: Self = Self(0x001A);
    /// RFC 8489 s14.6
    pub const MESSAGE_INTEGRITY_SHA256: Self = Self(0x001C);
    /// RFC 8489 s14.12
    pub const PASSWORD_ALGORITHM: Self = Self(0x001D);
    /// RFC 8489 s14.4
    pub const USERHASH: Self = Self(0x001E);
    /// RFC 8489 s14.2
    pub const XOR_MAPPED_ADDRESS: Self = Self(0x0020);
    /// RFC 8656 s18.10
    pub const RESERVATION_TOKEN: Self = Self(0x0022);
    /// RFC 8445 s16.1
    pub const PRIORITY: Self = Self(0x0024);
    /// RFC 8445 s16.1
    pub const USE_CANDIDATE: Self = Self(0x0025);
    /// RFC 5780 s7.6
    pub const PADDING: Self = Self(0x0026);
    /// RFC 5780 s7.5
    pub const RESPONSE_PORT: Self = Self(0x0027);
    /// RFC 6062 s6.2.1
    pub const CONNECTION_ID: Self = Self(0x002A);
}

/// Comprehension-optional: 0x8000 to 0xFFFF.
impl AttributeType {
    /// RFC 8656 s18.11
    pub const ADDITIONAL_ADDRESS_FAMILY: Self = Self(0x8000);
    /// RFC 8656 s18.12
    pub const ADDRESS_ERROR_CODE: Self = Self(0x8001);
    /// RFC 8489 s14.11
    pub const PASSWORD_ALGORITHMS: Self = Self(0x8002);
    /// RFC 8489 s14.16
    pub const ALTERNATE_DOMAIN: Self = Self(0x8003);
    /// RFC 8656 s18.13
    pub const ICMP: Self = Self(0x8004);
    /// RFC 8489 s14.14
    pub const SOFTWARE: Self = Self(0x8022);
    /// RFC 8489 s14.15
    pub const ALTERNATE_SERVER: Self = Self(0x8023);
    /// RFC 8489 s14.7
    pub const FINGERPRINT: Self = Self(0x8028);
    /// RFC 8445 s16.1
    pub const ICE_CONTROLLED: Self = Self(0x8029);
    /// RFC 8445 s16.1
    pub const ICE_CONTROLLING: Self = Self(0x802A);
    /// RFC 5780 s7.3
    pub const RESPONSE_ORIGIN: Self = Self(0x802B);
    /// RFC 5780 s7.4
    pub const OTHER_ADDRESS: Self = Self(0x802C);
    /// ADDITIONAL-ADDRESS-FAMILY as drafts of RFC 8656 had it, and coturn's client still has
    pub const DRAFT_ADDITIONAL_ADDRESS_FAMILY: Self = Self(0x8032);
    /// ADDRESS-ERROR-CODE, likewise
    pub const DRAFT_ADDRESS_ERROR_CODE: Self = Self(0x8033);
    /// RFC 8016
    pub const MOBILITY_TICKET: Self = Self(0x8030);
}
