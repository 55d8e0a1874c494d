//! A received message (RFC 8489 s5): checked once, then read without copying.

use core::ops::Range;

use crate::integrity;
use crate::{
    Attribute, AttributeType, Attributes, IntegrityError, Key, ParseError, PasswordAlgorithm,
};

/// The value of bytes 4 to 7 of every STUN message (RFC 8489 s5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;

/// Bytes in front of the first attribute (RFC 8489 s5).
pub const HEADER_LEN: usize = 20;

/// The longest message: the header, and as much as a 16-bit length that is a multiple of four can
/// say.
pub(crate) const MAX_MESSAGE_LEN: usize = HEADER_LEN + 0xFFFC;

/// Writes the header of a message of `len` bytes, itself included. `len` is a multiple of four and
/// at most [`MAX_MESSAGE_LEN`].
pub(crate) fn write_header(
    header: &mut [u8; HEADER_LEN],
    class: Class,
    method: Method,
    len: usize,
    id: TransactionId,
) {
    header[..2].copy_from_slice(&method.message_type(class).to_be_bytes());
    header[2..4].copy_from_slice(&((len - HEADER_LEN) as u16).to_be_bytes());
    header[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    header[8..].copy_from_slice(&id.0);
}

/// A well-formed STUN message, borrowed from the buffer it was received in.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Header and attributes, and nothing that came after them in the buffer.
    bytes: &'a [u8],
    /// Where MESSAGE-INTEGRITY starts.
    integrity: Option<usize>,
    /// Where MESSAGE-INTEGRITY-SHA256 starts.
    integrity_sha256: Option<usize>,
}

impl<'a> Message<'a> {
    /// Checks the header and the cookie, that every attribute lies within the message, and the
    /// FINGERPRINT when there is one. Bytes after the message are ignored.
    ///
    /// # Errors
    /// See [`ParseError`]; the bytes are to be dropped in silence.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let header: &[u8; HEADER_LEN] = bytes.first_chunk().ok_or(ParseError::Truncated)?;
        if header[0] & 0xC0 != 0 || header[4..8] != MAGIC_COOKIE.to_be_bytes() {
            return Err(ParseError::NotStun);
        }
        let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if !length.is_multiple_of(4) {
            return Err(ParseError::Misaligned);
        }
        let bytes = bytes.get(..HEADER_LEN + length).ok_or(ParseError::Truncated)?;
        Self { bytes, integrity: None, integrity_sha256: None }.check_attributes()
    }

    /// The one walk over the attributes that everything else relies on.
    fn check_attributes(mut self) -> Result<Self, ParseError> {
        let mut offset = HEADER_LEN;
        while offset < self.bytes.len() {
            let attribute =
                Attribute::at(self.bytes, offset).ok_or(ParseError::AttributeOverrun)?;
            match attribute.kind {
                AttributeType::MESSAGE_INTEGRITY if !self.is_sealed() => {
                    self.integrity = Some(offset);
                }
                AttributeType::MESSAGE_INTEGRITY_SHA256 if self.integrity_sha256.is_none() => {
                    self.integrity_sha256 = Some(offset);
                }
                AttributeType::FINGERPRINT => {
                    let expected = integrity::fingerprint(&self.bytes[..offset]);
                    let is_last = attribute.next_offset() == self.bytes.len();
                    if !is_last || attribute.value != expected {
                        return Err(ParseError::Fingerprint);
                    }
                }
                _ => {}
            }
            offset = attribute.next_offset();
        }
        Ok(self)
    }

    /// Request, indication or response.
    pub fn class(&self) -> Class {
        Class::of(self.message_type())
    }

    /// What the message is about.
    pub fn method(&self) -> Method {
        Method::of(self.message_type())
    }

    /// What ties a response to its request.
    pub fn transaction_id(&self) -> TransactionId {
        TransactionId(*self.bytes[8..].first_chunk().expect("parse saw the whole header"))
    }

    /// Header and attributes, without what came after them.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The attributes in order. What follows an integrity attribute is not protected by it and
    /// therefore left out, but for MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 s14.5,
    /// s14.6).
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::new(*self)
    }

    /// The value of the first attribute of this type; later ones have no meaning (RFC 8489 s14).
    pub fn get(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.get_all(kind).next()
    }

    /// The values of all attributes of this type, for those that may repeat (XOR-PEER-ADDRESS).
    pub fn get_all(&self, kind: AttributeType) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        self.attributes().filter(move |a| a.kind == kind).map(|a| a.value)
    }

    /// Where in the buffer given to [`Message::parse`] the value of the first attribute of this
    /// type lies: a relay forwards DATA from there.
    pub fn get_range(&self, kind: AttributeType) -> Option<Range<usize>> {
        self.attributes().find(|a| a.kind == kind).map(|a| a.range())
    }

    /// Whether there is a MESSAGE-INTEGRITY.
    pub fn has_integrity(&self) -> bool {
        self.integrity.is_some()
    }

    /// Whether there is a MESSAGE-INTEGRITY-SHA256.
    pub fn has_integrity_sha256(&self) -> bool {
        self.integrity_sha256.is_some()
    }

    /// Verifies the integrity attribute that goes with the key, in constant time.
    ///
    /// # Errors
    /// As [`Message::check_integrity`].
    pub fn verify(&self, key: &Key) -> Result<(), IntegrityError> {
        match key.algorithm() {
            PasswordAlgorithm::Md5 => self.check_integrity(key.as_ref()),
            PasswordAlgorithm::Sha256 => self.check_integrity_sha256(key.as_ref()),
        }
    }

    /// Verifies MESSAGE-INTEGRITY, HMAC-SHA1 (RFC 8489 s14.5), in constant time.
    ///
    /// # Errors
    /// `Missing` without the attribute, `Mismatch` when it was made with another key or over other
    /// bytes.
    pub fn check_integrity(&self, key: &[u8]) -> Result<(), IntegrityError> {
        let (covered, value) = self.split_at_attribute(self.integrity)?;
        integrity::verify_sha1(key, covered, value)
    }

    /// Verifies MESSAGE-INTEGRITY-SHA256, HMAC-SHA256 (RFC 8489 s14.6), in constant time. All 32
    /// bytes are required: a shorter value is for usages that explicitly allow it, and TURN is not
    /// one.
    ///
    /// # Errors
    /// As [`Message::check_integrity`].
    pub fn check_integrity_sha256(&self, key: &[u8]) -> Result<(), IntegrityError> {
        let (covered, value) = self.split_at_attribute(self.integrity_sha256)?;
        integrity::verify_sha256(key, covered, value)
    }

    /// The comprehension-required attributes whose type is not in `known`, in order. One that
    /// repeats in the message repeats here.
    pub fn unknown_required<'k>(
        &self,
        known: &'k [AttributeType],
    ) -> impl Iterator<Item = AttributeType> + Clone + use<'a, 'k> {
        self.attributes()
            .map(|a| a.kind)
            .filter(move |kind| kind.is_comprehension_required() && !known.contains(kind))
    }

    /// Whether an attribute starting at `offset` means anything, given where the integrity
    /// attributes are.
    pub(crate) fn admits(&self, offset: usize, kind: AttributeType) -> bool {
        let is_sealed_by = |seal: Option<usize>| seal.is_some_and(|seal| offset > seal);
        kind == AttributeType::FINGERPRINT
            || self.integrity_sha256 == Some(offset)
            || !is_sealed_by(self.integrity) && !is_sealed_by(self.integrity_sha256)
    }

    fn is_sealed(&self) -> bool {
        self.integrity.is_some() || self.integrity_sha256.is_some()
    }

    /// The bytes before the attribute at `offset`, and its value.
    fn split_at_attribute(
        &self,
        offset: Option<usize>,
    ) -> Result<(&'a [u8], &'a [u8]), IntegrityError> {
        let offset = offset.ok_or(IntegrityError::Missing)?;
        let attribute = Attribute::at(self.bytes, offset).ok_or(IntegrityError::Missing)?;
        Ok((&self.bytes[..offset], attribute.value))
    }

    fn message_type(&self) -> u16 {
        u16::from_be_bytes([self.bytes[0], self.bytes[1]])
    }
}

/// What kind of message it is: two bits of the message type (RFC 8489 s5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Wants a response.
    Request,
    /// Wants none.
    Indication,
    /// The response to a request that was carried out.
    Success,
    /// The response to a request that was not.
    Error,
}

impl Class {
    fn of(message_type: u16) -> Self {
        match (message_type & 0x0100 != 0, message_type & 0x0010 != 0) {
            (false, false) => Self::Request,
            (false, true) => Self::Indication,
            (true, false) => Self::Success,
            (true, true) => Self::Error,
        }
    }

    fn bits(self) -> u16 {
        match self {
            Self::Request => 0x0000,
            Self::Indication => 0x0010,
            Self::Success => 0x0100,
            Self::Error => 0x0110,
        }
    }
}

/// What a message is about: twelve bits of the message type, interleaved with the class (RFC 8489
/// s5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Method(pub u16);

impl Method {
    /// What is my address? (RFC 8489 s2)
    pub const BINDING: Self = Self(0x001);
    /// Creates an allocation (RFC 8656 s7).
    pub const ALLOCATE: Self = Self(0x003);
    /// Prolongs or deletes an allocation (RFC 8656 s8).
    pub const REFRESH: Self = Self(0x004);
    /// Data from client to peer; indication only (RFC 8656 s11).
    pub const SEND: Self = Self(0x006);
    /// Data from peer to client; indication only (RFC 8656 s11).
    pub const DATA: Self = Self(0x007);
    /// Lets peers in (RFC 8656 s10).
    pub const CREATE_PERMISSION: Self = Self(0x008);
    /// Gives a peer a number (RFC 8656 s12).
    pub const CHANNEL_BIND: Self = Self(0x009);
    /// Opens a connection to a peer (RFC 6062 s4.3).
    pub const CONNECT: Self = Self(0x00A);
    /// Makes a client's connection a peer's data connection (RFC 6062 s4.3, s4.4).
    pub const CONNECTION_BIND: Self = Self(0x00B);
    /// A peer wants to connect; indication only (RFC 6062 s4.4).
    pub const CONNECTION_ATTEMPT: Self = Self(0x00C);

    fn of(message_type: u16) -> Self {
        let t = message_type;
        Self((t & 0x000F) | (t & 0x00E0) >> 1 | (t & 0x3E00) >> 2)
    }

    /// The message type of this method in a class; bits above the twelfth are left out.
    fn message_type(self, class: Class) -> u16 {
        let m = self.0;
        (m & 0x000F) | (m & 0x0070) << 1 | (m & 0x0F80) << 2 | class.bits()
    }
}

/// 96 bits chosen by the client, echoed in the response (RFC 8489 s5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TransactionId(pub [u8; 12]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Writer;

    /// [`Writer`] computes a checksum for where it stands; this one is right for where it should
    /// not be.
    #[test]
    fn c014_a_right_fingerprint_that_is_not_last_is_refused() {
        let mut buf = [0; 36];
        let id = TransactionId([0; 12]);
        Writer::new(&mut buf, Class::Request, Method::BINDING, id)
            .fingerprint()
            .u32(AttributeType::LIFETIME, 600)
            .finish()
            .expect("36 bytes are enough");
        let right = integrity::fingerprint(&buf[..HEADER_LEN]);
        buf[24..28].copy_from_slice(&right);
        assert_eq!(Message::parse(&buf).err(), Some(ParseError::Fingerprint));

        // The same attributes the other way round are a message.
        buf.copy_within(28..36, 20);
        buf[28..32].copy_from_slice(&[0x80, 0x28, 0, 4]);
        let right = integrity::fingerprint(&buf[..28]);
        buf[32..].copy_from_slice(&right);
        assert!(Message::parse(&buf).is_ok());
    }
}
