//! A TCP stream in any segments: the reader finds the frames that there are in the whole, and none before its last byte.
#![no_main]

use arbitrary::Arbitrary;
use hairpin_stun::{Frame, FramingLost, MAGIC_COOKIE, MAX_FRAME_LEN, Reader, next_frame};
use libfuzzer_sys::fuzz_target;

/// What a client sends, and where the network cuts it.
#[derive(Debug, Arbitrary)]
struct Stream {
    pieces: Vec<Piece>,
    cuts: Vec<Cut>,
}

#[derive(Debug, Arbitrary)]
enum Piece {
    Stun { kind: u16, length: Length, id: [u8; 12] },
    ChannelData { number: u16, length: Length },
    Bytes(Vec<u8>),
}

/// What a header promises, in bytes. Most are short, so that there are many frames.
#[derive(Debug, Arbitrary)]
enum Length {
    Short(u8),
    Any(u16),
}

/// The size of a segment, and how it is received.
#[derive(Debug, Arbitrary)]
enum Cut {
    Pushed(u16),
    Filled(u8),
}

fuzz_target!(|stream: Stream| {
    let bytes: Vec<u8> =
        stream.pieces.iter().flat_map(Piece::bytes).take(4 * MAX_FRAME_LEN).collect();
    let (frames, end) = whole(&bytes);
    let mut reader = Reader::new();
    let (mut received, mut read) = (0, 0);
    let mut cuts = stream.cuts.iter().cycle();
    while received < bytes.len() {
        let rest = &bytes[received..];
        received += match cuts.next() {
            Some(Cut::Filled(n)) => fill(&mut reader, &rest[..rest.len().min(1 + usize::from(*n))]),
            Some(Cut::Pushed(n)) => reader.push(&rest[..rest.len().min(1 + usize::from(*n))]),
            None => reader.push(rest),
        };
        match take(&mut reader, &frames[read..]) {
            Ok(taken) => read += taken,
            Err(FramingLost) => return assert_eq!(end, Frame::Garbage),
        }
        // Each frame is there as soon as its last byte is, padding included.
        let whole_now = frames.iter().take_while(|frame| frame.end <= received).count();
        assert_eq!(read, whole_now, "{received} bytes");
    }
    assert_eq!((read, end), (frames.len(), Frame::Incomplete));
});

impl Piece {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Stun { kind, length, id } => {
                let length = length.get() & !3;
                let header = [(kind & 0x3FFF).to_be_bytes(), length.to_be_bytes()].concat();
                [&header[..], &MAGIC_COOKIE.to_be_bytes(), id, &filling(length.into())].concat()
            }
            Self::ChannelData { number, length } => {
                let (number, length) = (0x4000 | number & 0x0FFF, length.get());
                let header = [number.to_be_bytes(), length.to_be_bytes()].concat();
                [header, filling(usize::from(length).next_multiple_of(4))].concat()
            }
            Self::Bytes(bytes) => bytes.clone(),
        }
    }
}

impl Length {
    fn get(&self) -> u16 {
        match self {
            Self::Short(length) => (*length).into(),
            Self::Any(length) => *length,
        }
    }
}

/// Bytes that are no header, and tell where they were.
fn filling(length: usize) -> Vec<u8> {
    (0..length).map(|at| 0x80 | at as u8).collect()
}

/// A frame of the whole stream.
struct Whole<'a> {
    payload: &'a [u8],
    /// Where it ends in the stream, padding included.
    end: usize,
}

/// Cuts the whole into frames, and says what is behind the last.
fn whole(bytes: &[u8]) -> (Vec<Whole<'_>>, Frame) {
    let (mut frames, mut start) = (Vec::new(), 0);
    loop {
        match next_frame(&bytes[start..]) {
            Frame::Complete { len, padded } => {
                let payload = &bytes[start..start + len];
                start += padded;
                frames.push(Whole { payload, end: start });
            }
            end => return (frames, end),
        }
    }
}

fn take(reader: &mut Reader, frames: &[Whole<'_>]) -> Result<usize, FramingLost> {
    let mut taken = 0;
    while let Some(packet) = reader.next_frame()? {
        let frame = frames.get(taken).expect("no frame that the whole does not have");
        assert_eq!(packet.payload(), frame.payload);
        taken += 1;
    }
    Ok(taken)
}

fn fill(reader: &mut Reader, bytes: &[u8]) -> usize {
    let spare = reader.spare();
    let n = spare.len().min(bytes.len());
    spare[..n].copy_from_slice(&bytes[..n]);
    reader.filled(n);
    n
}
