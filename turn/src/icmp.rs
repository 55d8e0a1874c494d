//! ICMP errors about relayed datagrams, and how a client is told of them (RFC 8656 s11.5, s18.13).

use alloc::vec::Vec;

use hairpin_stun::{AttributeType, Class, HEADER_LEN, Method, TransactionId, Writer};

use crate::PeerAddr;

/// What an ICMP or ICMPv6 message says of a datagram that an allocation sent to a peer. Which of the
/// two it is the peer's address tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Its type.
    pub kind: u8,
    /// Its code.
    pub code: u8,
    /// The MTU of the next hop in bytes, where the message tells of one; else anything.
    pub mtu: u32,
}

impl IcmpError {
    /// Destination Unreachable: Fragmentation Needed (RFC 792).
    pub fn fragmentation_needed(mtu: u32) -> Self {
        Self { kind: 3, code: 4, mtu }
    }

    /// Packet Too Big (RFC 4443 s3.2).
    pub fn packet_too_big(mtu: u32) -> Self {
        Self { kind: 2, code: 0, mtu }
    }

    /// A Data indication with ICMP and without DATA. `None` for messages that are not passed on: those
    /// other than Destination Unreachable and Time Exceeded, and Packet Too Big of ICMPv6.
    pub(crate) fn indication(self, peer: PeerAddr, id: TransactionId) -> Option<Vec<u8>> {
        let Self { kind, code, mtu } = self;
        let (is_passed_on, has_mtu) = match peer.0.is_ipv4() {
            true => (matches!(kind, 3 | 11), (kind, code) == (3, 4)),
            false => (matches!(kind, 1..=3), kind == 2),
        };
        if !is_passed_on {
            return None;
        }
        // An IPv6 address takes 24 bytes, ICMP 12.
        let mut buffer = [0; HEADER_LEN + 24 + 12];
        let len = Writer::new(&mut buffer, Class::Indication, Method::DATA, id)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, peer.0)
            .icmp(kind, code, if has_mtu { mtu } else { 0 })
            .finish();
        Some(buffer[..len.ok()?].to_vec())
    }
}
