//! The Data indication (RFC 8656 s11.3), written around a payload that does not move.

use core::net::SocketAddr;
use core::ops::Range;

use crate::attribute::ATTRIBUTE_HEADER_LEN;
use crate::{AttributeType, Class, HEADER_LEN, Method, TransactionId, Writer, address};

/// Bytes a Data indication has in front of its payload: 36 for an IPv4 peer, 48 for an IPv6 one.
pub const fn data_indication_header_len(peer: SocketAddr) -> usize {
    HEADER_LEN + ATTRIBUTE_HEADER_LEN + address::value_len(peer) + ATTRIBUTE_HEADER_LEN
}

/// Writes header, XOR-PEER-ADDRESS and the head of DATA in front of `buf[payload]` and up to three
/// bytes of zero padding behind it. Returns where the indication lies in `buf`.
///
/// `None`, and `buf` perhaps scribbled on outside of the payload, when the buffer lacks the room or
/// the indication would be longer than a STUN message can be: an IPv6 datagram may carry 65,527
/// bytes, which with their header are beyond a 16-bit length.
pub fn write_data_indication(
    buf: &mut [u8],
    payload: Range<usize>,
    peer: SocketAddr,
    id: TransactionId,
) -> Option<Range<usize>> {
    let start = payload.start.checked_sub(data_indication_header_len(peer))?;
    let end = payload.start.checked_add(payload.len().checked_next_multiple_of(4)?)?;
    let len = Writer::new(buf.get_mut(start..end)?, Class::Indication, Method::DATA, id)
        .xor_address(AttributeType::XOR_PEER_ADDRESS, peer)
        .attribute(AttributeType::DATA, payload.len(), |_, _in_place| {})
        .finish()
        .ok()?;
    Some(start..start + len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Message, decode};

    const ID: TransactionId = TransactionId(*b"transaction!");

    #[test]
    fn header_and_padding_are_written_around_a_payload_that_stays() {
        for (peer, header) in [("192.0.2.1:32853", 36), ("[2001:db8::1]:32853", 48)] {
            let peer = peer.parse().expect("an address");
            assert_eq!(data_indication_header_len(peer), header);
            for payload_len in 0..9 {
                let mut buf = [0xEE; 80];
                let payload = 50..50 + payload_len;
                buf[payload.clone()].fill(0x55);

                let range = write_data_indication(&mut buf, payload.clone(), peer, ID)
                    .expect("there is room");

                assert_eq!(range, 50 - header..payload.start + payload_len.next_multiple_of(4));
                let message = Message::parse(&buf[range.clone()]).expect("a message");
                assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
                assert_eq!(message.transaction_id(), ID);
                let kinds = message.attributes().map(|a| a.kind);
                assert!(kinds.eq([AttributeType::XOR_PEER_ADDRESS, AttributeType::DATA]));
                let address = message.get(AttributeType::XOR_PEER_ADDRESS).expect("a peer");
                assert_eq!(decode::xor_address(address, ID), Some(peer));
                let data = message.get_range(AttributeType::DATA).expect("data");
                assert_eq!(data, header..header + payload_len);
                assert!(buf[payload.clone()].iter().all(|&b| b == 0x55), "payload");
                assert!(buf[payload.end..range.end].iter().all(|&b| b == 0), "padding");
                assert!(buf[range.end..].iter().all(|&b| b == 0xEE), "what follows");
                assert!(buf[..range.start].iter().all(|&b| b == 0xEE), "what precedes");
            }
        }
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "a caller's mistake must not panic")]
    fn no_room_is_no_indication() {
        let peer = "192.0.2.1:1".parse().expect("an address");
        let mut buf = [0; 64];
        for payload in [35..40, 36..65, 36..63, 60..61, 70..80, 36..usize::MAX, 20..0] {
            let fits = payload == (36..63) || payload == (60..61);
            let range = write_data_indication(&mut buf, payload.clone(), peer, ID);
            assert_eq!(range.is_some(), fits, "{payload:?}");
        }
    }

    #[test]
    fn the_largest_ipv4_datagram_fits_and_the_largest_ipv6_datagram_does_not() {
        let mut buf = [0; 48 + 65_528];
        let v4 = "192.0.2.1:1".parse().expect("an address");
        let v6 = "[2001:db8::1]:1".parse().expect("an address");
        let range = write_data_indication(&mut buf, 48..48 + 65_507, v4, ID);
        assert_eq!(range, Some(12..48 + 65_508));
        assert_eq!(write_data_indication(&mut buf, 48..48 + 65_527, v6, ID), None);
        assert_eq!(write_data_indication(&mut buf, 48..48 + 65_504, v6, ID), Some(0..48 + 65_504));
    }
}
