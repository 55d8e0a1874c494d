//! WebSocket frames (RFC 6455 s5) without a socket: bytes in, messages and due answers out.

use std::io::{self, ErrorKind, Read, Write};
use std::time::Duration;

use hairpin_signaling::CloseCode;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::CloseCode as WireCode;
use tungstenite::protocol::{CloseFrame, Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message, Utf8Bytes};

use super::unfinished::{LONGEST_HEADER, Unfinished};

/// What a client may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest message in bytes.
    pub(crate) max_message_bytes: usize,
}

/// Reads what a client sends, and keeps no more of it than an unfinished message.
pub(super) struct Frames {
    context: WebSocketContext,
    unfinished: Unfinished,
}

/// What some bytes were.
#[derive(Default)]
pub(super) struct Heard {
    /// How many bytes there were.
    pub(super) received: usize,
    pub(super) messages: Vec<Said>,
    /// Frames that the protocol wants sent in answer: pongs, and the other half of a closing handshake.
    pub(super) answer: Vec<u8>,
    /// Nothing more will be read.
    pub(super) end: Option<End>,
}

/// A message, or what takes its place.
pub(super) enum Said {
    Text(Utf8Bytes),
    Binary,
    /// A ping or a pong.
    Alive,
}

/// How a connection ends.
pub(super) enum End {
    /// The client is out of reach, or may come back.
    Gone,
    /// The client has closed it with 1000: it is not coming back.
    Goodbye,
    /// We close it, and say why.
    Close(CloseFrame),
}

impl Frames {
    pub(super) fn new(limits: Limits) -> Self {
        let config = WebSocketConfig::default()
            // Nothing is set aside before a frame comes, and then exactly its length: with more, tungstenite keeps
            // the memory of the longest message for as long as the connection lasts. It copies what is received
            // by a few bytes at a time then, which costs 0.4 us a KiB.
            .read_buffer_size(0)
            .write_buffer_size(0)
            .max_message_size(Some(limits.max_message_bytes))
            .max_frame_size(Some(limits.max_message_bytes));
        let context = WebSocketContext::new(Role::Server, Some(config));
        Self { context, unfinished: Unfinished::default() }
    }

    /// Reads on.
    pub(super) fn read(&mut self, now: Duration, bytes: &[u8]) -> Heard {
        self.unfinished.read(now, bytes);
        let mut heard = Heard { received: bytes.len(), ..Heard::default() };
        let mut pipe = Pipe { input: bytes, output: &mut heard.answer };
        heard.end = loop {
            match self.context.read(&mut pipe) {
                Ok(Message::Text(text)) => heard.messages.push(Said::Text(text)),
                Ok(Message::Binary(_)) => heard.messages.push(Said::Binary),
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {
                    heard.messages.push(Said::Alive);
                }
                Ok(Message::Close(close)) => {
                    // It answers, and then says that all is over.
                    let _ = self.context.flush(&mut pipe);
                    let goodbye = close.is_some_and(|close| close.code == WireCode::Normal);
                    break Some(if goodbye { End::Goodbye } else { End::Gone });
                }
                Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => break None,
                Err(error) => break Some(error.into()),
            }
        };
        heard
    }

    /// When that began of which something has yet to come.
    pub(super) fn unfinished_since(&self) -> Option<Duration> {
        self.unfinished.since()
    }
}

impl Heard {
    /// Bytes of the messages that are text, with the headers they may have.
    pub(super) fn message_bytes(&self) -> usize {
        let bytes = |said: &Said| match said {
            Said::Text(text) => text.len() + LONGEST_HEADER,
            Said::Binary | Said::Alive => 0,
        };
        self.messages.iter().map(bytes).sum()
    }
}

impl From<CloseCode> for End {
    fn from(code: CloseCode) -> Self {
        Self::Close(CloseFrame { code: code.code().into(), reason: code.reason().into() })
    }
}

/// What the client did wrong, in the codes of RFC 6455 s7.4.1.
impl From<Error> for End {
    fn from(error: Error) -> Self {
        let (code, reason) = match error {
            Error::Capacity(_) => return CloseCode::MessageTooBig.into(),
            Error::Utf8(_) => (WireCode::Invalid, "text that is not UTF-8"),
            Error::Protocol(_) => (WireCode::Protocol, "not WebSocket"),
            _ => return Self::Gone,
        };
        Self::Close(CloseFrame { code, reason: reason.into() })
    }
}

/// A close frame as it is sent.
pub(super) fn close_frame(close: CloseFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame::close(Some(close)).format(&mut bytes).expect("a vector takes everything");
    bytes
}

/// The socket as the protocol sees it: what has been received and nothing else, and a place for what is to be sent.
struct Pipe<'a> {
    input: &'a [u8],
    output: &'a mut Vec<u8>,
}

impl Read for Pipe<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.input.is_empty() {
            Err(ErrorKind::WouldBlock.into())
        } else {
            self.input.read(buffer)
        }
    }
}

impl Write for Pipe<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time is not what these are about.
    const NOW: Duration = Duration::ZERO;

    fn frames() -> Frames {
        Frames::new(Limits { max_message_bytes: 1000 })
    }

    /// A client's frame, masked with zeros.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let len = u16::try_from(payload.len()).expect("a short one").to_be_bytes();
        [&[first, 0x80 | 126, len[0], len[1], 0, 0, 0, 0], payload].concat()
    }

    fn texts(heard: &Heard) -> Vec<&str> {
        let mut texts = Vec::new();
        for said in &heard.messages {
            if let Said::Text(text) = said {
                texts.push(text.as_str());
            }
        }
        texts
    }

    fn close_code(heard: &Heard) -> Option<u16> {
        match &heard.end {
            Some(End::Close(close)) => Some(close.code.into()),
            Some(End::Gone | End::Goodbye) | None => None,
        }
    }

    #[test]
    fn messages_come_out_whole_however_they_arrive() {
        let long = "x".repeat(999);
        let bytes =
            [frame(0x81, b"first"), frame(0x81, long.as_bytes()), frame(0x82, b"?")].concat();
        let heard = frames().read(NOW, &bytes);
        assert_eq!(texts(&heard), ["first", &long]);
        assert!(matches!(heard.messages[2], Said::Binary));
        let (mut frames, mut found) = (frames(), Vec::new());
        for byte in bytes {
            let heard = frames.read(NOW, &[byte]);
            found.extend(texts(&heard).into_iter().map(str::to_owned));
            assert!(heard.end.is_none() && heard.answer.is_empty());
        }
        assert_eq!(found, ["first", &long]);
    }

    #[test]
    fn nothing_is_kept_of_a_message_that_was_read() {
        let mut frames = Frames::new(Limits { max_message_bytes: 64 * 1024 });
        for len in [10, 100, 5_000, 60_000, 200] {
            let bytes = frame(0x81, "x".repeat(len).as_bytes());
            let heard = bytes.chunks(8 * 1024).map(|chunk| frames.read(NOW, chunk)).last();
            let text = match heard.expect("a chunk").messages.pop() {
                Some(Said::Text(text)) => tungstenite::Bytes::from(text),
                _ => panic!("no text of {len} bytes"),
            };
            assert_eq!(text.len(), len);
            assert!(text.is_unique(), "the reader holds on to {len} bytes");
        }
    }

    #[test]
    fn fragments_are_one_message() {
        let mut frames = frames();
        assert!(frames.read(NOW, &frame(0x01, b"fir")).messages.is_empty());
        assert_eq!(texts(&frames.read(NOW, &frame(0x80, b"st"))), ["first"]);
    }

    #[test]
    fn a_ping_is_life_and_is_answered_with_its_own_payload() {
        let heard = frames().read(NOW, &frame(0x89, b"you?"));
        assert!(matches!(heard.messages[..], [Said::Alive]));
        assert_eq!(heard.answer, [0x8A, 4, b'y', b'o', b'u', b'?']);
        assert!(heard.end.is_none());
    }

    #[test]
    fn a_close_is_answered_and_is_the_end() {
        let close = frame(0x88, &1000u16.to_be_bytes());
        let heard = frames().read(NOW, &[frame(0x81, b"bye"), close, frame(0x81, b"?")].concat());
        assert_eq!(texts(&heard), ["bye"]);
        assert_eq!(heard.answer, [0x88, 2, 0x03, 0xE8]);
        assert!(matches!(heard.end, Some(End::Goodbye)));
        let leaving = frame(0x88, &1001u16.to_be_bytes());
        assert!(matches!(frames().read(NOW, &leaving).end, Some(End::Gone)), "it may come back");
    }

    /// However it is cut, and whatever came before.
    #[test]
    fn a_close_that_comes_in_parts_is_one_too() {
        let short = |payload: &[u8]| {
            let len = u8::try_from(payload.len()).expect("a control frame is short");
            [&[0x88, 0x80 | len, 0, 0, 0, 0], payload].concat()
        };
        for payload in [&[][..], &[0x03, 0xE8], &[0x03, 0xE9, b'b', b'y', b'e']] {
            for before in [vec![], frame(0x81, b""), frame(0x89, b""), frame(0x01, b"half")] {
                let bytes = [before, short(payload)].concat();
                for cut in 1..bytes.len() {
                    let mut frames = frames();
                    let (first, rest) = bytes.split_at(cut);
                    assert!(frames.read(NOW, first).end.is_none(), "{bytes:?} cut at {cut}");
                    assert!(
                        matches!(frames.read(NOW, rest).end, Some(End::Gone | End::Goodbye)),
                        "{bytes:?} at {cut}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_may_not_be_sent_is_closed_with_the_code_that_says_so() {
        let too_big = frame(0x81, "x".repeat(1001).as_bytes());
        let (not_utf8, not_masked) = (frame(0x81, &[0xFF]), vec![0x81, 1, b'x']);
        for (bytes, code) in [(too_big, 1009), (not_utf8, 1007), (not_masked, 1002)] {
            let heard = frames().read(NOW, &bytes);
            assert_eq!(close_code(&heard), Some(code));
            assert!(heard.messages.is_empty());
        }
        let End::Close(close) = End::from(CloseCode::ServerFailed) else { panic!("it closes") };
        let expected = [&[0x88, 23, 0x03, 0xF3], &b"the server has failed"[..]].concat();
        assert_eq!(close_frame(close), expected);
    }
}
