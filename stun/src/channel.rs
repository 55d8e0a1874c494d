//! ChannelData (RFC 8656 s12.4): a channel number, a length, the payload.

use core::ops::Range;

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
    #[inline]
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        Self::parse_under(ChannelNumbers::Rfc8656, bytes)
    }

    /// The same with the numbers that channels may have.
    ///
    /// # Errors
    /// As [`ChannelData::parse`].
    #[inline]
    pub fn parse_under(numbers: ChannelNumbers, bytes: &[u8]) -> Result<Self, ParseError> {
        let &[n0, n1, l0, l1] = bytes.first_chunk().ok_or(ParseError::Truncated)?;
        let number = numbers.number(u16::from_be_bytes([n0, n1]));
        let number = number.ok_or(ParseError::NotChannelData)?;
        let end = CHANNEL_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
        if bytes.len() < end {
            return Err(ParseError::Truncated);
        }
        Ok(Self { number, payload: CHANNEL_HEADER_LEN..end })
    }
}

/// Which numbers channels may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ChannelNumbers {
    /// 0x4000 to 0x4FFF, because other first bytes belong to other protocols (RFC 8656 s12).
    #[default]
    Rfc8656,
    /// 0x4000 to 0x7FFF, as clients older than RFC 8656 draw them (RFC 5766 s11).
    Rfc5766,
}

impl ChannelNumbers {
    /// The channel of this number; `None` outside of the range.
    #[inline]
    pub fn number(self, number: u16) -> Option<ChannelNumber> {
        let last = match self {
            Self::Rfc8656 => 0x4FFF,
            Self::Rfc5766 => 0x7FFF,
        };
        (0x4000..=last).contains(&number).then_some(ChannelNumber(number))
    }
}

/// A number a channel may have: 0x4000 to 0x4FFF (RFC 8656 s12), or more where
/// [`ChannelNumbers`] says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelNumber(u16);

impl ChannelNumber {
    /// `None` outside of the range of RFC 8656.
    pub fn new(number: u16) -> Option<Self> {
        ChannelNumbers::Rfc8656.number(number)
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

    #[test]
    fn old_numbers_go_to_0x7fff() {
        for (number, valid) in
            [(0x3FFF, false), (0x4000, true), (0x5000, true), (0x7FFF, true), (0x8000, false)]
        {
            let found = ChannelNumbers::Rfc5766.number(number);
            assert_eq!(found.map(ChannelNumber::get), valid.then_some(number));
        }
    }
}
