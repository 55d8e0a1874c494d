//! A payload in a buffer with room around it, so that headers are written where they belong and the
//! payload never moves.
//!
//! ```text
//!  buffer  ┌──────────┬─────────────────────────┬─────────┐
//!          │ HEADROOM │ payload, as received    │ padding │
//!          └──────────┴─────────────────────────┴─────────┘
//!                 ┌───┬─────────────────────────┬───┐
//!                 │ head                        │ 0 │  what leaves, of [`PacketBuf::enclose`]
//!                 └───┴─────────────────────────┴───┘
//! ```

use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::Head;
use crate::head::Front;

/// Bytes in front of every payload: room for the largest header that is put there, a Data indication
/// with an IPv6 peer (20 + 24 + 4).
pub const HEADROOM: usize = 48;

/// Bytes behind every datagram: room for the padding of the longest odd one (RFC 8489 s14).
pub const TAILROOM: usize = 3;

/// A payload borrowed in the buffer it was received in, with room around it that may be overwritten:
/// [`HEADROOM`] bytes in front, and behind it as many as pad it to a multiple of four.
pub struct PacketBuf<'b> {
    buf: &'b mut [u8],
    payload: Range<usize>,
}

impl<'b> PacketBuf<'b> {
    /// The payload at `payload` in `buf`. `None` when it does not lie there with its room; who leaves
    /// [`TAILROOM`] bytes free behind it always has enough there.
    #[inline]
    pub fn new(buf: &'b mut [u8], payload: Range<usize>) -> Option<Self> {
        let len = payload.end.checked_sub(payload.start)?;
        let padded_end = payload.start.checked_add(len.checked_next_multiple_of(4)?)?;
        let fits = payload.start >= HEADROOM && padded_end <= buf.len();
        fits.then_some(Self { buf, payload })
    }

    /// What was received.
    #[inline]
    pub fn payload(&self) -> &[u8] {
        &self.buf[self.payload.clone()]
    }

    /// What was received, for as long as its buffer is borrowed.
    #[inline]
    pub fn into_payload(self) -> &'b [u8] {
        &self.buf[self.payload]
    }

    /// A part of the payload, counted from its start, as the payload. `None` when it is no part, or
    /// when there is no room to pad it: a part that starts at a multiple of four always has that.
    #[inline]
    pub fn narrow(self, part: Range<usize>) -> Option<Self> {
        if part.start > part.end || part.end > self.payload.len() {
            return None;
        }
        // Within the buffer, and with at least the headroom there was.
        let (start, len) = (self.payload.start + part.start, part.len());
        let fits = start + len.next_multiple_of(4) <= self.buf.len();
        fits.then_some(Self { buf: self.buf, payload: start..start + len })
    }

    /// Writes `head` in front of the payload and its zeros behind it, and gives all of it as one.
    ///
    /// The head must be one for a payload of this length; any other makes nonsense.
    #[inline(always)]
    pub fn enclose(self, head: &Head) -> &'b [u8] {
        // By length, so that each is a few moves and no call.
        match head.front() {
            Front::Empty => self.into_payload(),
            Front::ChannelData(front) => self.put(front, head.padding()),
            Front::DataFromV4(front) => self.put(front, head.padding()),
            Front::DataFromV6(front) => self.put(front, head.padding()),
        }
    }

    #[inline]
    fn put<const N: usize>(self, front: &[u8; N], padding: &[u8]) -> &'b [u8] {
        let Range { start, end } = self.payload;
        // There is headroom for the longest front, and room to pad a payload of this length.
        let (from, to) = (start - N, (end + padding.len()).min(self.buf.len()));
        let bytes = &mut self.buf[from..to];
        bytes[..N].copy_from_slice(front);
        if !padding.is_empty() {
            bytes[end - from..].fill(0);
        }
        bytes
    }
}

/// Payloads are strangers' words: only their length is shown.
impl fmt::Debug for PacketBuf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PacketBuf({} bytes)", self.payload.len())
    }
}

/// A payload with a buffer of its own.
#[derive(Clone)]
pub struct OwnedPacket {
    buf: Vec<u8>,
    len: usize,
}

impl OwnedPacket {
    /// What the room holds at first, as any buffer that was used before: who relies on zeros there
    /// is found out.
    const USED: u8 = 0xAA;

    /// The payload, to be handed on.
    pub fn packet(&mut self) -> PacketBuf<'_> {
        PacketBuf { buf: &mut self.buf, payload: HEADROOM..HEADROOM + self.len }
    }

    /// What it carries.
    pub fn payload(&self) -> &[u8] {
        &self.buf[HEADROOM..HEADROOM + self.len]
    }
}

impl From<&[u8]> for OwnedPacket {
    fn from(payload: &[u8]) -> Self {
        let mut buf = Vec::with_capacity(HEADROOM + payload.len() + TAILROOM);
        buf.resize(HEADROOM, Self::USED);
        buf.extend_from_slice(payload);
        buf.resize(HEADROOM + payload.len() + TAILROOM, Self::USED);
        Self { buf, len: payload.len() }
    }
}

impl fmt::Debug for OwnedPacket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedPacket({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChannelNumber;

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "a caller's mistake must not panic")]
    fn a_packet_has_its_room_or_is_none() {
        for (size, payload, whole) in [
            (HEADROOM, HEADROOM..HEADROOM, true),
            (HEADROOM + 4, HEADROOM..HEADROOM + 4, true),
            (HEADROOM + 5, HEADROOM..HEADROOM + 5, false),
            (HEADROOM + 8, HEADROOM..HEADROOM + 5, true),
            (HEADROOM + 8, HEADROOM - 1..HEADROOM + 4, false),
            (HEADROOM + 8, HEADROOM + 8..HEADROOM, false),
            (HEADROOM + 8, HEADROOM..usize::MAX, false),
            (HEADROOM + 8, usize::MAX..usize::MAX, false),
        ] {
            let mut buf = std::vec![0; size];
            assert_eq!(PacketBuf::new(&mut buf, payload.clone()).is_some(), whole, "{payload:?}");
        }
    }

    #[test]
    fn a_part_is_within_the_payload_and_can_be_padded() {
        let part = |range: Range<usize>| {
            let mut owned = OwnedPacket::from(&b"headdata"[..]);
            owned.packet().narrow(range).map(|part| part.payload().to_vec())
        };
        assert_eq!(part(4..8), Some(b"data".to_vec()));
        assert_eq!(part(4..5), Some(b"d".to_vec()));
        assert_eq!(part(8..8), Some(Vec::new()));
        assert_eq!(part(4..9), None);
        assert_eq!(part(usize::MAX..usize::MAX), None);
    }

    #[test]
    fn what_encloses_a_payload_leaves_it_where_it_is() {
        let number = ChannelNumber::new(0x4000).expect("the first channel");
        let head = Head::padded_channel_data(number, 5).expect("short");
        let mut owned = OwnedPacket::from(&b"hello"[..]);
        assert_eq!(owned.packet().enclose(&head), b"\x40\x00\x00\x05hello\0\0\0");
        assert_eq!(owned.payload(), b"hello");
        assert_eq!(owned.packet().enclose(&Head::EMPTY), b"hello");
        assert_eq!(owned.packet().into_payload(), b"hello");
    }

    #[test]
    fn a_head_for_another_payload_is_nonsense_and_no_panic() {
        let number = ChannelNumber::new(0x4000).expect("the first channel");
        let head = Head::padded_channel_data(number, 1).expect("short");
        let mut buf = [0xEE; HEADROOM + 4];
        let packet = PacketBuf::new(&mut buf, HEADROOM..HEADROOM + 4).expect("there is room");
        assert_eq!(packet.enclose(&head), b"\x40\x00\x00\x01\xEE\xEE\xEE\xEE");
    }
}
