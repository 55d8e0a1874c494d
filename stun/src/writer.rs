//! Messages built into a buffer of the caller's.

use core::net::SocketAddr;

use crate::attribute::{self, ATTRIBUTE_HEADER_LEN};
use crate::message::{self, Class, HEADER_LEN, MAX_MESSAGE_LEN, Method, TransactionId};
use crate::{AttributeType, BufferTooSmall, Key, PasswordAlgorithm, address, integrity};

/// Builds one message, attribute by attribute in the order of the calls.
///
/// Integrity attributes cover what was written before them and FINGERPRINT covers everything, so
/// the order is: attributes, [`sign`](Writer::sign),
/// [`fingerprint`](Writer::fingerprint). What does not fit is remembered and comes out of
/// [`finish`](Writer::finish).
#[derive(Debug)]
pub struct Writer<'b> {
    buf: &'b mut [u8],
    id: TransactionId,
    /// Bytes written; `None` once something did not fit.
    len: Option<usize>,
}

impl<'b> Writer<'b> {
    /// Starts a message with its header.
    pub fn new(buf: &'b mut [u8], class: Class, method: Method, id: TransactionId) -> Self {
        let limit = buf.len().min(MAX_MESSAGE_LEN);
        let buf = &mut buf[..limit];
        let len = buf.first_chunk_mut().map(|header: &mut [u8; HEADER_LEN]| {
            message::write_header(header, class, method, HEADER_LEN, id);
            HEADER_LEN
        });
        Self { buf, id, len }
    }

    /// Any value, as it is.
    pub fn bytes(&mut self, kind: AttributeType, value: &[u8]) -> &mut Self {
        self.attribute(kind, value.len(), |_, out| out.copy_from_slice(value))
    }

    /// UTF-8. The bounds of RFC 8489 s14 are the caller's to keep.
    pub fn text(&mut self, kind: AttributeType, value: &str) -> &mut Self {
        self.bytes(kind, value.as_bytes())
    }

    /// 32 bits: LIFETIME in seconds, CONNECTION-ID.
    pub fn u32(&mut self, kind: AttributeType, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// XOR-MAPPED-ADDRESS, XOR-PEER-ADDRESS, XOR-RELAYED-ADDRESS (RFC 8489 s14.2).
    pub fn xor_address(&mut self, kind: AttributeType, value: SocketAddr) -> &mut Self {
        let mask = address::xor_mask(self.id);
        self.attribute(kind, address::value_len(value), |_, out| address::write(out, value, &mask))
    }

    /// MAPPED-ADDRESS, ALTERNATE-SERVER, RESPONSE-ORIGIN, OTHER-ADDRESS (RFC 8489 s14.1).
    pub fn address(&mut self, kind: AttributeType, value: SocketAddr) -> &mut Self {
        self.attribute(kind, address::value_len(value), |_, out| {
            address::write(out, value, &address::PLAIN);
        })
    }

    /// CHANNEL-NUMBER (RFC 8656 s18.1), also one that may not be bound.
    pub fn channel_number(&mut self, number: u16) -> &mut Self {
        let [high, low] = number.to_be_bytes();
        self.bytes(AttributeType::CHANNEL_NUMBER, &[high, low, 0, 0])
    }

    /// REQUESTED-TRANSPORT (RFC 8656 s18.8): an IP protocol number, 17 for UDP and 6 for TCP.
    pub fn requested_transport(&mut self, protocol: u8) -> &mut Self {
        self.bytes(AttributeType::REQUESTED_TRANSPORT, &[protocol, 0, 0, 0])
    }

    /// REQUESTED-ADDRESS-FAMILY, ADDITIONAL-ADDRESS-FAMILY (RFC 8656 s18.6, s18.11): 1 for IPv4, 2
    /// for IPv6.
    pub fn address_family(&mut self, kind: AttributeType, family: u8) -> &mut Self {
        self.bytes(kind, &[family, 0, 0, 0])
    }

    /// ERROR-CODE (RFC 8489 s14.8). `code` is 300 to 699; a reason of more than 127 characters is
    /// cut.
    pub fn error_code(&mut self, code: u16, reason: &str) -> &mut Self {
        debug_assert!((300..700).contains(&code), "no such error code: {code}");
        let end = reason.char_indices().nth(127).map_or(reason.len(), |(end, _)| end);
        let reason = &reason.as_bytes()[..end];
        self.attribute(AttributeType::ERROR_CODE, 4 + reason.len(), |_, out| {
            out[..4].copy_from_slice(&[0, 0, (code / 100) as u8, (code % 100) as u8]);
            out[4..].copy_from_slice(reason);
        })
    }

    /// ICMP (RFC 8656 s18.13): a type of 7 bits, a code of 9, and what goes with it.
    pub fn icmp(&mut self, kind: u8, code: u8, data: u32) -> &mut Self {
        debug_assert!(kind < 0x80, "no such type: {kind}");
        let kind_and_code = u16::from(kind) << 9 | u16::from(code);
        self.attribute(AttributeType::ICMP, 8, |_, out| {
            out[..2].fill(0);
            out[2..4].copy_from_slice(&kind_and_code.to_be_bytes());
            out[4..].copy_from_slice(&data.to_be_bytes());
        })
    }

    /// UNKNOWN-ATTRIBUTES (RFC 8489 s14.13).
    pub fn unknown_attributes<I>(&mut self, types: I) -> &mut Self
    where
        I: IntoIterator<Item = AttributeType, IntoIter: Clone>,
    {
        let types = types.into_iter();
        let len = types.clone().count() * 2;
        self.attribute(AttributeType::UNKNOWN_ATTRIBUTES, len, |_, out| {
            for (out, kind) in out.chunks_exact_mut(2).zip(types) {
                out.copy_from_slice(&kind.0.to_be_bytes());
            }
        })
    }

    /// The integrity attribute that goes with the key, over all that was written before it.
    pub fn sign(&mut self, key: &Key) -> &mut Self {
        match key.algorithm() {
            PasswordAlgorithm::Md5 => self.integrity(key.as_ref()),
            PasswordAlgorithm::Sha256 => self.integrity_sha256(key.as_ref()),
        }
    }

    /// MESSAGE-INTEGRITY (RFC 8489 s14.5) over all that was written before it.
    pub fn integrity(&mut self, key: &[u8]) -> &mut Self {
        self.attribute(AttributeType::MESSAGE_INTEGRITY, integrity::SHA1_LEN, |covered, out| {
            out.copy_from_slice(&integrity::sha1(key, covered));
        })
    }

    /// MESSAGE-INTEGRITY-SHA256 (RFC 8489 s14.6), all 32 bytes, over all that was written before
    /// it.
    pub fn integrity_sha256(&mut self, key: &[u8]) -> &mut Self {
        let kind = AttributeType::MESSAGE_INTEGRITY_SHA256;
        self.attribute(kind, integrity::SHA256_LEN, |covered, out| {
            out.copy_from_slice(&integrity::sha256(key, covered));
        })
    }

    /// FINGERPRINT (RFC 8489 s14.7); must be the last attribute.
    pub fn fingerprint(&mut self) -> &mut Self {
        self.attribute(AttributeType::FINGERPRINT, 4, |covered, out| {
            out.copy_from_slice(&integrity::fingerprint(covered));
        })
    }

    /// The length of the message, header included.
    ///
    /// # Errors
    /// When any part did not fit; what the buffer holds is then no message.
    pub fn finish(&mut self) -> Result<usize, BufferTooSmall> {
        self.len.ok_or(BufferTooSmall)
    }

    /// One attribute: header, a value of `len` bytes that `fill` writes, zero
    /// padding. `fill` also sees the message up to the attribute, the length in its header counting
    /// the attribute.
    fn attribute(
        &mut self,
        kind: AttributeType,
        len: usize,
        fill: impl FnOnce(&[u8], &mut [u8]),
    ) -> &mut Self {
        let Some(start) = self.len.take() else { return self };
        // `len` is at most isize::MAX as the length of a slice, so nothing here overflows.
        let end = start + ATTRIBUTE_HEADER_LEN + len.next_multiple_of(4);
        let Some(message) = self.buf.get_mut(..end) else { return self };

        // Both lengths fit 16 bits because `new` bounds the buffer by MAX_MESSAGE_LEN.
        message[2..4].copy_from_slice(&((end - HEADER_LEN) as u16).to_be_bytes());
        let (covered, attribute) = message.split_at_mut(start);
        let Some((header, value)) = attribute.split_first_chunk_mut() else { return self };
        attribute::write_header(header, kind, len);
        let (value, padding) = value.split_at_mut(len);
        fill(covered, value);
        padding.fill(0);
        self.len = Some(end);
        self
    }
}
