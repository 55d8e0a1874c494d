//! ChannelData (RFC 8656 s12.4): a channel number, a length, the payload.

use core::ops::{Range, RangeInclusive};

use crate::ParseError;

/// Bytes in front of the payload: channel number and length.
pub const CHANNEL_HEADER_LEN: usize = 4;

/// A ChannelData message in the buffer it was received in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelData {
    /// The channel.
    pub number: ChannelNumber,
    /// Where the payload lies in the bytes given to [`ChannelData::parse`].
    pub payload: Range<usize>,
}

impl ChannelData {
    /// Reads the header. Bytes after the payload, padding or not, are ignored (RFC 8656 s12.6).
    ///
    /// # Errors
    /// [`ParseError::NotChannelData`] when there is no channel number, [`ParseError::Truncated`]
    /// when the payload is shorter than its length says.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let &[n0, n1, l0, l1] = bytes.first_chunk().ok_or(ParseError::Truncated)?;
        let number =
            ChannelNumber::new(u16::from_be_bytes([n0, n1])).ok_or(ParseError::NotChannelData)?;
        let end = CHANNEL_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
        if bytes.len() < end {
            return Err(ParseError::Truncated);
        }
        Ok(Self { number, payload: CHANNEL_HEADER_LEN..end })
    }
}

/// A number a channel may have: 0x4000 to 0x4FFF (RFC 8656 s12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    const RANGE: RangeInclusive<u16> = 0x4000..=0x4FFF;

    /// `None` outside of the range.
    pub fn new(number: u16) -> Option<Self> {
        Self::RANGE.contains(&number).then_some(Self(number))
    }

    /// The number on the wire.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// Writes the four bytes of header in front of `buf[payload]`. Returns where the ChannelData lies
/// in `buf`, without padding, which only streams have (RFC 8656 s12.5).
///
/// `None` when there are no four bytes in front of the payload, when it ends outside of `buf`, or
/// when it is longer than 65,535 bytes.
pub fn write_channel_data_header(
    buf: &mut [u8],
    payload: Range<usize>,
    number: ChannelNumber,
) -> Option<Range<usize>> {
    let len = u16::try_from(payload.len()).ok()?;
    let start = payload.start.checked_sub(CHANNEL_HEADER_LEN)?;
    let header: &mut [u8; CHANNEL_HEADER_LEN] =
        buf.get_mut(start..payload.end)?.first_chunk_mut()?;
    header[..2].copy_from_slice(&number.0.to_be_bytes());
    header[2..].copy_from_slice(&len.to_be_bytes());
    Some(start..payload.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: ChannelNumber = ChannelNumber(0x4000);

    #[test]
    fn header_is_written_in_front_of_a_payload_that_stays() {
        let mut buf = *b"....headpayload....";
        let range = write_channel_data_header(&mut buf, 8..15, FIRST);
        assert_eq!(range, Some(4..15));
        assert_eq!(&buf, b"....\x40\x00\x00\x07payload....");
        let parsed = ChannelData { number: FIRST, payload: 4..11 };
        assert_eq!(ChannelData::parse(&buf[4..15]), Ok(parsed));
    }

    #[test]
    fn payload_is_65535_bytes_at_most() {
        let mut buf = [0; 4 + 65_536];
        assert_eq!(write_channel_data_header(&mut buf, 4..65_540, FIRST), None);
        assert_eq!(write_channel_data_header(&mut buf, 4..65_539, FIRST), Some(0..65_539));
        assert_eq!(buf[..4], [0x40, 0x00, 0xFF, 0xFF]);
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "a caller's mistake must not panic")]
    fn no_room_is_no_header() {
        let mut buf = [0; 16];
        for payload in [0..4, 3..4, 4..17, 20..24, 10..8, 10..2] {
            assert_eq!(write_channel_data_header(&mut buf, payload, FIRST), None);
        }
        assert_eq!(buf, [0; 16]);
    }

    #[test]
    fn numbers_are_0x4000_to_0x4fff() {
        for (number, valid) in
            [(0x3FFF, false), (0x4000, true), (0x4FFF, true), (0x5000, false), (0xFFFF, false)]
        {
            assert_eq!(ChannelNumber::new(number).map(ChannelNumber::get), valid.then_some(number));
        }
    }
}
