//! What is put around a relayed payload on its way to a client, as a value: ChannelData's header (RFC
//! 8656 s12.4) or all of a Data indication but its data (RFC 8656 s11.3).

use core::fmt;
use core::net::SocketAddr;

use crate::attribute::{self, ATTRIBUTE_HEADER_LEN};
use crate::message::{self, MAX_MESSAGE_LEN};
use crate::{
    AttributeType, CHANNEL_HEADER_LEN, ChannelNumber, Class, HEADER_LEN, HEADROOM, Method,
    TAILROOM, TransactionId, address,
};

/// The bytes in front of a payload, at most [`HEADROOM`](crate::HEADROOM), and how many zeros follow
/// it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Head {
    front: Front,
    padding: u8,
}

/// By its length, so that copying one takes a few moves and no loop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    Empty,
    ChannelData([u8; CHANNEL_HEADER_LEN]),
    DataFromV4([u8; DATA_FROM_V4_LEN]),
    DataFromV6([u8; HEADROOM]),
}

/// A Data indication without its data: header, XOR-PEER-ADDRESS, the head of DATA.
const fn data_indication_len(address_len: usize) -> usize {
    HEADER_LEN + ATTRIBUTE_HEADER_LEN + address_len + ATTRIBUTE_HEADER_LEN
}

const DATA_FROM_V4_LEN: usize = data_indication_len(address::V4_LEN);
const _: () = assert!(HEADROOM == data_indication_len(address::V6_LEN));

impl Head {
    /// Nothing around the payload, which is what peers get.
    pub const EMPTY: Self = Self { front: Front::Empty, padding: 0 };

    /// ChannelData as datagrams have it. `None` for a payload of more than 65,535 bytes.
    #[inline]
    pub fn channel_data(number: ChannelNumber, payload_len: usize) -> Option<Self> {
        let [n0, n1] = number.get().to_be_bytes();
        let [l0, l1] = u16::try_from(payload_len).ok()?.to_be_bytes();
        Some(Self { front: Front::ChannelData([n0, n1, l0, l1]), padding: 0 })
    }

    /// ChannelData as streams have it: padded to a multiple of four, which its length does not count
    /// (RFC 8656 s12.5).
    #[inline]
    pub fn padded_channel_data(number: ChannelNumber, payload_len: usize) -> Option<Self> {
        let head = Self::channel_data(number, payload_len)?;
        Some(Self { padding: padding_of(payload_len), ..head })
    }

    /// A Data indication: 36 bytes for an IPv4 peer, 48 for an IPv6 one. `None` when it would be
    /// longer than a STUN message can be: an IPv6 datagram may carry 65,527 bytes, which with their
    /// header are beyond a 16-bit length.
    #[inline]
    pub fn data_indication(
        peer: SocketAddr,
        id: TransactionId,
        payload_len: usize,
    ) -> Option<Self> {
        let front = match peer {
            SocketAddr::V4(_) => Front::DataFromV4(data_indication(peer, id, payload_len)?),
            SocketAddr::V6(_) => Front::DataFromV6(data_indication(peer, id, payload_len)?),
        };
        Some(Self { front, padding: padding_of(payload_len) })
    }

    #[inline]
    pub(crate) fn front(&self) -> &Front {
        &self.front
    }

    /// The zeros that follow the payload, at most three.
    #[inline]
    pub fn padding(&self) -> &'static [u8] {
        &[0; TAILROOM][..usize::from(self.padding)]
    }
}

impl AsRef<[u8]> for Head {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        match &self.front {
            Front::Empty => &[],
            Front::ChannelData(bytes) => bytes,
            Front::DataFromV4(bytes) => bytes,
            Front::DataFromV6(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Head({:02x?}, {} bytes of padding)", self.as_ref(), self.padding)
    }
}

/// `N` is the length for an address of the peer's family.
fn data_indication<const N: usize>(
    peer: SocketAddr,
    id: TransactionId,
    payload_len: usize,
) -> Option<[u8; N]> {
    let message_len = N.checked_add(payload_len.checked_next_multiple_of(4)?)?;
    if message_len > MAX_MESSAGE_LEN {
        return None;
    }
    // Every length is a part of `message_len`, which a message's 16 bits can say.
    let mut bytes = [0; N];
    let (header, attributes) = bytes.split_first_chunk_mut()?;
    message::write_header(header, Class::Indication, Method::DATA, message_len, id);
    let (head, rest) = attributes.split_first_chunk_mut()?;
    let (value, data) = rest.split_last_chunk_mut()?;
    attribute::write_header(head, AttributeType::XOR_PEER_ADDRESS, value.len());
    address::write(value, peer, &address::xor_mask(id));
    attribute::write_header(data, AttributeType::DATA, payload_len);
    Some(bytes)
}

/// Up to three bytes, to a multiple of four.
fn padding_of(len: usize) -> u8 {
    (len.wrapping_neg() % 4) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChannelData, Message, OwnedPacket, decode};

    const ID: TransactionId = TransactionId(*b"transaction!");
    const V4: &str = "192.0.2.1:32853";
    const V6: &str = "[2001:db8::1]:32853";

    fn parse(address: &str) -> SocketAddr {
        address.parse().expect("an address")
    }

    #[test]
    fn a_data_indication_is_the_message_it_should_be() {
        for (peer, head_len) in [(V4, 36), (V6, 48)] {
            let peer = parse(peer);
            for payload_len in 0..9 {
                let head = Head::data_indication(peer, ID, payload_len).expect("it is short");
                assert_eq!(head.as_ref().len(), head_len);

                let mut packet = OwnedPacket::from(&[0x55; 9][..payload_len]);
                let bytes = packet.packet().enclose(&head);

                assert_eq!(bytes.len(), head_len + payload_len.next_multiple_of(4));
                let message = Message::parse(bytes).expect("a message");
                assert_eq!(message.as_bytes(), bytes);
                assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
                assert_eq!(message.transaction_id(), ID);
                let kinds = message.attributes().map(|a| a.kind);
                assert!(kinds.eq([AttributeType::XOR_PEER_ADDRESS, AttributeType::DATA]));
                let address = message.get(AttributeType::XOR_PEER_ADDRESS).expect("a peer");
                assert_eq!(decode::xor_address(address, ID), Some(peer));
                let data = message.get_range(AttributeType::DATA).expect("data");
                assert_eq!(data, head_len..head_len + payload_len);
                assert!(bytes[data.clone()].iter().all(|&b| b == 0x55), "payload");
                assert!(bytes[data.end..].iter().all(|&b| b == 0), "padding");
            }
        }
    }

    #[test]
    fn the_largest_ipv4_datagram_fits_an_indication_and_the_largest_ipv6_datagram_does_not() {
        let fits = |peer, len| Head::data_indication(parse(peer), ID, len).is_some();
        assert!(fits(V4, 65_507));
        assert!(!fits(V6, 65_527));
        assert!(fits(V6, 65_504));
        assert!(!fits(V6, 65_505));
        assert!(!fits(V4, usize::MAX));
    }

    #[test]
    fn channel_data_is_padded_on_streams_alone() {
        let number = ChannelNumber::new(0x4000).expect("the first channel");
        for payload_len in 0..9 {
            let plain = Head::channel_data(number, payload_len).expect("it is short");
            let padded = Head::padded_channel_data(number, payload_len).expect("it is short");
            assert_eq!((plain.as_ref(), plain.padding().len()), (padded.as_ref(), 0));
            assert_eq!(payload_len + padded.padding().len(), payload_len.next_multiple_of(4));
            let mut packet = OwnedPacket::from(&[7; 9][..payload_len]);
            let data = ChannelData::parse(packet.packet().enclose(&padded));
            assert_eq!(data, Ok(ChannelData { number, payload: 4..4 + payload_len }));
        }
        assert!(Head::channel_data(number, 65_535).is_some());
        assert_eq!(Head::channel_data(number, 65_536), None);
    }
}
