//! A byte stream put back together into frames (RFC 8489 s6.2.2, RFC 8656 s12.5).

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;

use crate::{
    ChannelNumbers, Frame, FramingLost, HEADROOM, MAX_FRAME_LEN, PacketBuf, TAILROOM,
    next_frame_under,
};

/// What has been received of a stream and not yet been taken as frames.
///
/// 1. Receive into [`spare`](Self::spare) and say how much it was with [`filled`](Self::filled).
/// 2. Take frames with [`next_frame`](Self::next_frame) until there is none.
///
/// The buffer grows with what was received, never with what was promised, and goes back to its small
/// size once every frame is taken. A frame is handed out where it lies, with what came before it as
/// its headroom.
pub struct Reader {
    buffer: Vec<u8>,
    /// What was received and not yet taken.
    received: Range<usize>,
    numbers: ChannelNumbers,
}

impl Reader {
    /// Bytes received before the buffer has to grow: most frames are packets.
    const SMALL: usize = 4096;

    /// A reader at the start of a stream.
    pub fn new() -> Self {
        Self::under(ChannelNumbers::Rfc8656)
    }

    /// The same with the numbers that channels may have.
    pub fn under(numbers: ChannelNumbers) -> Self {
        Self { buffer: vec![0; buffer_len(Self::SMALL)], received: HEADROOM..HEADROOM, numbers }
    }

    /// Where to receive into. Empty only when at least one whole frame waits to be taken, or the
    /// framing is lost.
    pub fn spare(&mut self) -> &mut [u8] {
        if self.received.end == self.buffer.len() - TAILROOM {
            self.grow();
        }
        let end = self.buffer.len() - TAILROOM;
        &mut self.buffer[self.received.end..end]
    }

    /// Notes that the first `n` bytes of [`spare`](Self::spare) have been received.
    pub fn filled(&mut self, n: usize) {
        self.received.end = self.received.end.saturating_add(n).min(self.buffer.len() - TAILROOM);
    }

    /// Receives from `bytes` as many as [`spare`](Self::spare) takes, and returns how many.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let spare = self.spare();
        let n = spare.len().min(bytes.len());
        spare[..n].copy_from_slice(&bytes[..n]);
        self.filled(n);
        n
    }

    /// Takes the next whole frame; its padding is consumed and no part of the packet. `None` when
    /// more must be received first.
    ///
    /// # Errors
    /// When what comes next can be no frame.
    pub fn next_frame(&mut self) -> Result<Option<PacketBuf<'_>>, FramingLost> {
        let start = self.received.start;
        match next_frame_under(self.numbers, &self.buffer[self.received.clone()]) {
            Frame::Complete { len, padded } => {
                self.received.start += padded;
                Ok(PacketBuf::new(&mut self.buffer, start..start + len))
            }
            Frame::Incomplete => {
                self.rewind();
                Ok(None)
            }
            Frame::Garbage => Err(FramingLost),
        }
    }

    /// Bytes received and not taken. After [`next_frame`](Self::next_frame) gave `None` they are the
    /// beginning of a frame.
    pub fn buffered(&self) -> usize {
        self.received.len()
    }

    /// What was received and not taken, for who wants no more frames: a stream may turn into another
    /// one (RFC 6062 s5.4).
    pub fn received(&self) -> &[u8] {
        &self.buffer[self.received.clone()]
    }

    /// Takes the first `n` bytes of [`received`](Self::received).
    pub fn consume(&mut self, n: usize) {
        self.received.start += n.min(self.received.len());
        if self.received.is_empty() {
            self.rewind();
        }
    }

    /// Moves what is left to the front; a buffer that grew is given back when nothing is.
    fn rewind(&mut self) {
        let left = self.received.clone();
        self.received = HEADROOM..HEADROOM + left.len();
        if left.is_empty() && self.buffer.len() > buffer_len(Self::SMALL) {
            self.buffer = vec![0; buffer_len(Self::SMALL)];
        } else if left.start > HEADROOM {
            self.buffer.copy_within(left, HEADROOM);
        }
    }

    /// Doubles the room for frames, up to the longest.
    fn grow(&mut self) {
        let capacity = self.buffer.len() - buffer_len(0);
        let len = buffer_len((capacity * 2).min(MAX_FRAME_LEN));
        self.buffer.reserve_exact(len - self.buffer.len());
        self.buffer.resize(len, 0);
    }
}

impl Default for Reader {
    fn default() -> Self {
        Self::new()
    }
}

/// Strangers' bytes are not shown.
impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("buffered", &self.buffered())
            .field("buffer", &self.buffer.len())
            .finish()
    }
}

/// The length of a buffer that takes `frames` bytes with room around them.
const fn buffer_len(frames: usize) -> usize {
    HEADROOM + frames + TAILROOM
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINDING: &[u8; 20] = b"\x00\x01\x00\x00\x21\x12\xA4\x42transaction!";

    /// A frame of a kind and a length in its header.
    fn frame(header: [u8; 2], len: u16, total: usize) -> Vec<u8> {
        let mut frame = vec![0x55; total];
        frame[..2].copy_from_slice(&header);
        frame[2..4].copy_from_slice(&len.to_be_bytes());
        if header[0] == 0 {
            frame[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
        }
        frame
    }

    /// Receives `bytes`, at most `chunk` at a time, and takes every frame.
    fn receive(reader: &mut Reader, bytes: &[u8], chunk: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        for mut bytes in bytes.chunks(chunk) {
            while !bytes.is_empty() {
                let n = reader.push(bytes);
                assert!(n > 0, "there is always room for more");
                bytes = &bytes[n..];
                while let Some(frame) = reader.next_frame().expect("these are frames") {
                    frames.push(frame.payload().to_vec());
                }
            }
        }
        frames
    }

    #[test]
    fn frames_come_out_whole_and_in_order_however_they_come_in() {
        let odd = frame([0x40, 0x00], 5, 12);
        let long = frame([0x40, 0x01], 9000, 9004);
        let bytes = [&BINDING[..], &odd, &long, BINDING, &odd].concat();
        let whole = [&BINDING[..], &odd[..9], &long, BINDING, &odd[..9]];
        for chunk in [1, 2, 3, 5, 7, 64, 4096, usize::MAX] {
            assert_eq!(receive(&mut Reader::new(), &bytes, chunk), whole, "{chunk}");
        }
    }

    #[test]
    fn c191_the_longest_frames_are_taken() {
        for len in (65_500..=MAX_FRAME_LEN).step_by(4) {
            let message = frame([0x00, 0x01], (len - 20) as u16, len);
            let mut reader = Reader::new();
            assert_eq!(receive(&mut reader, &message, 1000), [message.as_slice()], "{len}");
            assert_eq!(reader.buffer.len(), buffer_len(Reader::SMALL));
        }
        for len in 65_530..=65_535_u16 {
            let whole = 4 + usize::from(len);
            let data = frame([0x40, 0x00], len, whole.next_multiple_of(4));
            assert_eq!(receive(&mut Reader::new(), &data, 1000), [&data[..whole]], "{len}");
        }
    }

    #[test]
    fn the_buffer_grows_with_what_came_and_not_with_what_was_promised() {
        let message = frame([0x00, 0x01], 0xFFFC, MAX_FRAME_LEN);
        let mut reader = Reader::new();
        assert!(receive(&mut reader, &message[..Reader::SMALL], 1000).is_empty());
        assert_eq!(reader.buffer.len(), buffer_len(Reader::SMALL));
        assert!(receive(&mut reader, &message[Reader::SMALL..40_000], 1000).is_empty());
        assert!(reader.buffer.capacity() <= 2 * buffer_len(40_000));
        assert_eq!(reader.buffered(), 40_000);
    }

    #[test]
    fn what_follows_a_frame_may_be_taken_as_it_is() {
        let mut reader = Reader::new();
        reader.push(&[&BINDING[..], b"no frame at all"].concat());
        assert!(reader.next_frame().expect("a frame").is_some());
        assert_eq!(reader.received(), b"no frame at all");
        reader.consume(3);
        assert_eq!(reader.received(), b"frame at all");
        reader.push(b"!");
        reader.consume(5);
        assert_eq!(reader.received(), b" at all!");
        reader.consume(usize::MAX);
        assert_eq!((reader.received(), reader.buffered()), (&b""[..], 0));
    }

    #[test]
    fn the_buffer_goes_back_to_its_small_size() {
        let long = frame([0x40, 0x00], 9000, 9004);
        let mut reader = Reader::new();
        receive(&mut reader, &[&long[..], &BINDING[..7]].concat(), usize::MAX);
        assert_eq!(reader.buffered(), 7);
        receive(&mut reader, &BINDING[7..], usize::MAX);
        assert_eq!((reader.buffered(), reader.buffer.len()), (0, buffer_len(Reader::SMALL)));
        assert_eq!(reader.buffer.capacity(), reader.buffer.len());
    }

    #[test]
    fn what_is_written_around_one_frame_leaves_the_next_alone() {
        let data = frame([0x40, 0x00], 1, 8);
        let mut reader = Reader::new();
        assert_eq!(reader.push(&[&data[..], BINDING].concat()), 28);
        let number = crate::ChannelNumber::new(0x4001).expect("a channel number");
        let head = crate::Head::padded_channel_data(number, 1).expect("it is short");
        let packet = reader.next_frame().expect("a frame").expect("it is whole");
        let payload = packet.narrow(4..5).expect("a part");
        assert_eq!(payload.enclose(&head), b"\x40\x01\x00\x01\x55\0\0\0");
        let packet = reader.next_frame().expect("a frame").expect("it is whole");
        assert_eq!(packet.payload(), BINDING);
    }

    #[test]
    fn garbage_loses_the_framing_and_what_is_full_of_it_takes_no_more() {
        let mut reader = Reader::new();
        reader.spare().fill(0xFF);
        reader.filled(usize::MAX);
        assert_eq!(reader.next_frame().err(), Some(FramingLost));
        while !reader.spare().is_empty() {
            let n = reader.spare().len();
            reader.filled(n);
        }
        assert_eq!(reader.buffer.len(), buffer_len(MAX_FRAME_LEN));
    }
}
