//! Since when a client has owed the rest of what it began. tungstenite keeps an unfinished message and does not say
//! that it does, so the headers of the frames are read here once more, below it.

use std::io::Cursor;
use std::time::Duration;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

/// The longest header of a frame: two bytes, a length, a mask.
pub(super) const LONGEST_HEADER: usize = 2 + 8 + 4;

/// Follows the frames of a stream (RFC 6455 s5.2) and keeps nothing of them. What breaks the rules is not for here to
/// say: who reads the messages finds it in the same bytes.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    /// Of a header that has not come whole.
    header: [u8; LONGEST_HEADER],
    header_len: u8,
    /// The one that has not come whole.
    frame: Option<Frame>,
    message: Message,
    since: Option<Duration>,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Message {
    #[default]
    Whole,
    /// Fragments are missing (RFC 6455 s5.4).
    Open,
}

/// A frame whose header has come.
#[derive(Debug)]
struct Frame {
    kind: Kind,
    /// How much of its payload is missing.
    left: u64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// It may come between the fragments of a message.
    Control,
    Fragment,
    /// A whole message, or the last of its fragments.
    Last,
}

impl Unfinished {
    /// So much has come at this time.
    pub(super) fn read(&mut self, now: Duration, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.since.get_or_insert(now);
            bytes = match &mut self.frame {
                Some(frame) => frame.skip(bytes),
                None => self.read_header(bytes),
            };
            if let Some(Frame { kind, left: 0 }) = self.frame {
                self.end_of_frame(kind);
            }
        }
    }

    /// When that began of which something is missing; the message, if there is a ping between its fragments.
    pub(super) fn since(&self) -> Option<Duration> {
        self.since
    }

    /// Takes a byte: a header says only as it goes on how long it is.
    fn read_header<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let len = usize::from(self.header_len);
        let Some(next) = self.header.get_mut(len) else { return &[] };
        *next = bytes[0];
        self.header_len += 1;
        let read = FrameHeader::parse(&mut Cursor::new(&self.header[..=len]));
        if let Ok(Some((FrameHeader { opcode, is_final, .. }, left))) = read {
            let kind = match opcode {
                OpCode::Control(_) => Kind::Control,
                OpCode::Data(_) if is_final => Kind::Last,
                OpCode::Data(_) => Kind::Fragment,
            };
            self.frame = Some(Frame { kind, left });
        }
        &bytes[1..]
    }

    fn end_of_frame(&mut self, kind: Kind) {
        self.frame = None;
        self.header_len = 0;
        match kind {
            Kind::Control => {}
            Kind::Fragment => self.message = Message::Open,
            Kind::Last => self.message = Message::Whole,
        }
        if self.message == Message::Whole {
            self.since = None;
        }
    }
}

impl Frame {
    fn skip<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let len = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.left -= len as u64;
        &bytes[len..]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tungstenite::protocol::frame::coding::{Control, Data};

    use super::*;

    /// A frame as it is sent.
    fn frame(opcode: OpCode, is_final: bool, len: usize) -> Vec<u8> {
        let header = FrameHeader { opcode, is_final, mask: Some([1; 4]), ..FrameHeader::default() };
        let mut bytes = Vec::new();
        header.format(len as u64, &mut bytes).expect("a vector takes everything");
        bytes.resize(bytes.len() + len, b'x');
        bytes
    }

    /// A message's fragments, each with a few pings behind it.
    fn message() -> impl Strategy<Value = Vec<(usize, usize)>> {
        let len = prop_oneof![Just(0), 0..3usize, 120..130usize, Just(65_535), Just(65_536)];
        proptest::collection::vec((len, 0..3usize), 1..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        /// However messages are cut into frames, and frames into what is read at once.
        #[test]
        fn what_is_missing_is_known_since_it_began(
            messages in proptest::collection::vec(message(), 1..4),
            cuts in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..12),
        ) {
            // The stream, and the places of it in which something is unfinished: from its first byte to before its last.
            let (mut bytes, mut unfinished, mut ends) = (Vec::new(), Vec::new(), Vec::new());
            for fragments in &messages {
                let (begin, last) = (bytes.len(), fragments.len() - 1);
                for (index, (len, pings)) in fragments.iter().enumerate() {
                    let opcode = OpCode::Data(if index == 0 { Data::Text } else { Data::Continue });
                    bytes.extend(frame(opcode, index == last, *len));
                    ends.push(bytes.len());
                    if index == last {
                        unfinished.push(begin..bytes.len());
                    }
                    for _ in 0..*pings {
                        let begin = bytes.len();
                        bytes.extend(frame(OpCode::Control(Control::Ping), true, 5));
                        ends.push(bytes.len());
                        if index == last {
                            unfinished.push(begin..bytes.len());
                        }
                    }
                }
            }
            // Cuts anywhere, and around the ends of frames.
            let mut cuts: Vec<usize> = cuts.iter().map(|(index, near)| match near {
                true => index.get(&ends) - index.index(2),
                false => index.index(bytes.len()),
            }).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let (mut reader, mut from) = (Unfinished::default(), 0);
            // The time of a byte is where what is read with it begins.
            let mut times = Vec::new();
            for cut in cuts {
                times.resize(cut, from);
                reader.read(Duration::from_secs(from as u64), &bytes[from..cut]);
                let open = unfinished.iter().find(|part| part.start < cut && cut < part.end);
                let expected = open.map(|part| Duration::from_secs(times[part.start] as u64));
                prop_assert_eq!(reader.since(), expected, "cut at {} of {}", cut, bytes.len());
                from = cut;
            }
        }

        #[test]
        fn no_bytes_are_too_much_for_it(chunks in proptest::collection::vec(any::<Vec<u8>>(), 0..8)) {
            let mut reader = Unfinished::default();
            for chunk in chunks {
                reader.read(Duration::ZERO, &chunk);
            }
        }
    }
}
