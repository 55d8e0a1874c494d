//! What can be wrong, one type per party to blame: the sender, the sender's key, the caller.

use core::error::Error;
use core::fmt;

/// Why bytes from the network are not a message. There is no answer to any of these: the bytes are
/// dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParseError {
    /// Shorter than its header, or than the length in its header.
    Truncated,
    /// The first two bits are not zero or the magic cookie is not there (RFC 8489 s5).
    NotStun,
    /// The message length is not a multiple of four (RFC 8489 s5).
    Misaligned,
    /// An attribute runs past the end of the message.
    AttributeOverrun,
    /// FINGERPRINT is not the last attribute, or not the checksum of the message (RFC 8489 s14.7).
    Fingerprint,
    /// Not ChannelData: the first two bytes are not a channel number (RFC 8656 s12.4).
    NotChannelData,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "shorter than its length says",
            Self::NotStun => "not a STUN message",
            Self::Misaligned => "message length is not a multiple of four",
            Self::AttributeOverrun => "attribute runs past the end of the message",
            Self::Fingerprint => "FINGERPRINT is misplaced or wrong",
            Self::NotChannelData => "not a channel number",
        })
    }
}

impl Error for ParseError {}

/// The bytes of a stream are neither STUN nor ChannelData. Where the next message starts cannot be
/// known: the connection is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FramingLost;

impl fmt::Display for FramingLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stream is neither STUN nor ChannelData")
    }
}

impl Error for FramingLost {}

/// Why a message is not known to come from the holder of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IntegrityError {
    /// The attribute asked for is not in the message.
    Missing,
    /// It is there, and was not made with this key over these bytes.
    Mismatch,
}

impl fmt::Display for IntegrityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "message integrity is missing",
            Self::Mismatch => "message integrity does not match",
        })
    }
}

impl Error for IntegrityError {}

/// The message does not fit the caller's buffer, or is longer than STUN's 16-bit length can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferTooSmall;

impl fmt::Display for BufferTooSmall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the message does not fit the buffer")
    }
}

impl Error for BufferTooSmall {}
