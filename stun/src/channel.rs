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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_0x4000_to_0x4fff() {
        for (number, valid) in
            [(0x3FFF, false), (0x4000, true), (0x4FFF, true), (0x5000, false), (0xFFFF, false)]
        {
            assert_eq!(ChannelNumber::new(number).map(ChannelNumber::get), valid.then_some(number));
        }
    }
}
