//! Messages in a byte stream: where the next one ends (RFC 8489 s6.2.2, RFC 8656 s12.5).

use crate::message::MAX_MESSAGE_LEN;
use crate::{CHANNEL_HEADER_LEN, ChannelNumbers, FirstByte, HEADER_LEN, MAGIC_COOKIE};

/// The longest frame there can be, padding included: a buffer of this size always takes a whole
/// one. It is a STUN message; the longest ChannelData is 12 bytes shorter.
pub const MAX_FRAME_LEN: usize = MAX_MESSAGE_LEN;

/// What the front of a stream's buffered bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The beginning of a message; read more.
    Incomplete,
    /// A whole message.
    Complete {
        /// Bytes of the message, to hand over.
        len: usize,
        /// Bytes to consume: `len` and the padding of ChannelData.
        padded: usize,
    },
    /// Neither STUN nor ChannelData. Where the next message starts cannot be known: close.
    Garbage,
}

/// Looks for one frame at the start of `bytes`. Garbage is told from the first byte that shows it.
///
/// `GET ` is well-formed ChannelData for channel 0x4745: a port that also serves HTTP must look for
/// methods first. No TURN client starts a stream with ChannelData, so nothing is lost by that.
pub fn next_frame(bytes: &[u8]) -> Frame {
    next_frame_under(ChannelNumbers::Rfc8656, bytes)
}

/// The same with the numbers that channels may have.
pub fn next_frame_under(numbers: ChannelNumbers, bytes: &[u8]) -> Frame {
    let Some(&first) = bytes.first() else { return Frame::Incomplete };
    match FirstByte::of(first) {
        FirstByte::Stun => stun_frame(bytes),
        FirstByte::ChannelData => channel_data_frame(bytes),
        FirstByte::OldChannelData if numbers == ChannelNumbers::Rfc5766 => {
            channel_data_frame(bytes)
        }
        FirstByte::OldChannelData | FirstByte::Dtls | FirstByte::Other => Frame::Garbage,
    }
}

fn stun_frame(bytes: &[u8]) -> Frame {
    let cookie = MAGIC_COOKIE.to_be_bytes();
    if bytes.iter().skip(4).zip(cookie).any(|(&byte, expected)| byte != expected) {
        return Frame::Garbage;
    }
    match length(bytes) {
        Some(length) if !length.is_multiple_of(4) => Frame::Garbage,
        Some(length) => complete(bytes, HEADER_LEN + length),
        None => Frame::Incomplete,
    }
}

fn channel_data_frame(bytes: &[u8]) -> Frame {
    length(bytes).map_or(Frame::Incomplete, |length| complete(bytes, CHANNEL_HEADER_LEN + length))
}

/// Both kinds keep their length in bytes 2 and 3.
fn length(bytes: &[u8]) -> Option<usize> {
    let &[_, _, l0, l1] = bytes.first_chunk()?;
    Some(usize::from(u16::from_be_bytes([l0, l1])))
}

fn complete(bytes: &[u8], len: usize) -> Frame {
    let padded = len.next_multiple_of(4);
    if bytes.len() < padded { Frame::Incomplete } else { Frame::Complete { len, padded } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDING: &[u8; 20] = b"\x00\x01\x00\x00\x21\x12\xA4\x42transaction!";
    const CHANNEL_DATA: &[u8; 12] = b"\x40\x00\x00\x05hello\0\0\0";

    #[test]
    fn any_cut_of_a_frame_is_incomplete() {
        for frame in [&BINDING[..], &CHANNEL_DATA[..]] {
            for cut in 0..frame.len() {
                assert_eq!(next_frame(&frame[..cut]), Frame::Incomplete, "{cut}");
            }
        }
    }

    #[test]
    fn padding_of_channel_data_is_consumed_and_not_handed_over() {
        assert_eq!(next_frame(CHANNEL_DATA), Frame::Complete { len: 9, padded: 12 });
    }

    #[test]
    fn what_follows_a_frame_is_left_alone() {
        let stream = [&BINDING[..], b"\xFF"].concat();
        assert_eq!(next_frame(&stream), Frame::Complete { len: 20, padded: 20 });
        assert_eq!(next_frame(&stream[20..]), Frame::Garbage);
    }

    #[test]
    fn garbage_is_told_from_its_first_wrong_byte() {
        assert_eq!(next_frame(b"POST / HTTP/1.1"), Frame::Garbage);
        assert_eq!(next_frame(b"\x16\x03\x01"), Frame::Garbage);
        assert_eq!(next_frame(b"\x00\x01\x00\x00\x22"), Frame::Garbage, "cookie");
        assert_eq!(next_frame(b"\x00\x01\x00\x03"), Frame::Garbage, "length");
    }

    #[test]
    fn channel_data_of_old_numbers_is_a_frame_where_they_are_taken() {
        let old = b"\x7F\xFF\x00\x01a\0\0\0";
        assert_eq!(next_frame(old), Frame::Garbage);
        let frame = next_frame_under(ChannelNumbers::Rfc5766, old);
        assert_eq!(frame, Frame::Complete { len: 5, padded: 8 });
        assert_eq!(next_frame_under(ChannelNumbers::Rfc5766, b"\x80"), Frame::Garbage);
    }

    #[test]
    fn the_longest_frame_has_the_length_promised() {
        let mut longest = [0; MAX_FRAME_LEN];
        longest[..20].copy_from_slice(b"\x00\x01\xFF\xFC\x21\x12\xA4\x42transaction!");
        let whole = Frame::Complete { len: MAX_FRAME_LEN, padded: MAX_FRAME_LEN };
        assert_eq!(next_frame(&longest), whole);
        longest[..4].copy_from_slice(b"\x4F\xFF\xFF\xFF");
        assert_eq!(next_frame(&longest), Frame::Complete { len: 65_539, padded: 65_540 });
    }
}
