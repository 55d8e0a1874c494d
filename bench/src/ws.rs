//! A WebSocket client (RFC 6455) small enough that ten thousand of them cost little beside the
//! server: no threads, no queues, whole text frames only.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Result, bail, ensure};

const OPCODE_TEXT: u8 = 0x1;
const OPCODE_CLOSE: u8 = 0x8;
const OPCODE_PING: u8 = 0x9;
const OPCODE_PONG: u8 = 0xA;
const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
/// The answer to [`KEY`] that RFC 6455 s1.3 gives.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// The key of RFC 6455 s1.3: it proves that a WebSocket server answers, it keeps no secret.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A complete frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Ping(Vec<u8>),
    Pong,
    /// The close code, if there is one.
    Close(Option<u16>),
}

/// The request that turns a fresh connection to `host` into a WebSocket.
pub(crate) fn upgrade_request(host: SocketAddr) -> String {
    format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// Removes the server's answer to an upgrade from the front of `received`. False: not there yet.
pub(crate) fn take_upgrade(received: &mut Vec<u8>) -> Result<bool> {
    let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(false);
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    ensure!(head.starts_with("HTTP/1.1 101 "), "no upgrade: {head}");
    ensure!(head.contains(ACCEPT), "a wrong Sec-WebSocket-Accept: {head}");
    received.drain(..end + 4);
    Ok(true)
}

/// Removes one frame from the front of `received`. `None`: not all of it is there yet.
pub(crate) fn take_frame(received: &mut Vec<u8>) -> Result<Option<Frame>> {
    let [first, second, ..] = received[..] else { return Ok(None) };
    ensure!(second & MASKED == 0, "a server's frame must not be masked");
    let (len, header) = match (second, &received[2..]) {
        (126, &[a, b, ..]) => (usize::from(u16::from_be_bytes([a, b])), 4),
        (127, rest) if rest.len() >= 8 => {
            let bytes = rest[..8].try_into().expect("eight bytes were just seen");
            (usize::try_from(u64::from_be_bytes(bytes))?, 10)
        }
        (126 | 127, _) => return Ok(None),
        (len, _) => (usize::from(len), 2),
    };
    if received.len() - header < len {
        return Ok(None);
    }
    let payload: Vec<u8> = received.drain(..header + len).skip(header).collect();
    Ok(Some(match first {
        byte if byte == FIN | OPCODE_TEXT => Frame::Text(String::from_utf8(payload)?),
        byte if byte == FIN | OPCODE_PING => Frame::Ping(payload),
        byte if byte == FIN | OPCODE_PONG => Frame::Pong,
        byte if byte == FIN | OPCODE_CLOSE => Frame::Close(match payload[..] {
            [a, b, ..] => Some(u16::from_be_bytes([a, b])),
            _ => None,
        }),
        byte => bail!("a frame this client does not expect: first byte {byte:#04x}"),
    }))
}

/// A text frame as a client sends it. The mask is zero: a valid mask that changes nothing.
pub(crate) fn text_frame(text: &str) -> Vec<u8> {
    client_frame(OPCODE_TEXT, text.as_bytes())
}

/// Answers a ping.
pub(crate) fn send_pong(mut stream: &TcpStream, payload: &[u8]) -> io::Result<()> {
    stream.write_all(&client_frame(OPCODE_PONG, payload))
}

/// Closes, and says how.
pub(crate) fn close_frame(code: u16) -> Vec<u8> {
    client_frame(OPCODE_CLOSE, &code.to_be_bytes())
}

fn client_frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![FIN | opcode];
    match u8::try_from(payload.len()) {
        Ok(len) if len < 126 => frame.push(MASKED | len),
        _ => {
            let len = u16::try_from(payload.len()).expect("this client sends short messages only");
            frame.push(MASKED | 126);
            frame.extend(len.to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `bytes` one by one: every frame must come out once it is whole and not before.
    fn take_all(bytes: &[u8]) -> Vec<Frame> {
        let (mut received, mut frames) = (Vec::new(), Vec::new());
        for &byte in bytes {
            received.push(byte);
            frames.extend(take_frame(&mut received).unwrap());
        }
        assert!(received.is_empty());
        frames
    }

    #[test]
    fn frames_of_every_length_form_come_out_whole() {
        let short = [&[0x81, 5][..], b"hello"].concat();
        let middle = [&[0x81, 126, 0, 200][..], &[b'm'; 200]].concat();
        let long = [&[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[b'l'; 65536]].concat();
        let frames = take_all(&[short, middle, long].concat());
        let text = |c: &str, n| Frame::Text(c.repeat(n));
        assert_eq!(frames, [text("hello", 1), text("m", 200), text("l", 65536)]);
    }

    #[test]
    fn control_frames_are_told_apart() {
        let frames = take_all(&[0x89, 1, 7, 0x8A, 0, 0x88, 2, 0x03, 0xE8, 0x88, 0]);
        let close = Frame::Close;
        assert_eq!(frames, [Frame::Ping(vec![7]), Frame::Pong, close(Some(1000)), close(None)]);
    }

    #[test]
    fn masked_and_fragmented_frames_are_refused() {
        assert!(take_frame(&mut vec![0x81, 0x80, 0, 0, 0, 0]).is_err());
        assert!(take_frame(&mut vec![0x01, 1, b'x']).is_err());
    }

    #[test]
    fn an_upgrade_is_taken_off_only_when_it_is_one() {
        let answer = format!("HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: {ACCEPT}\r\n\r\n");
        let mut received = answer.into_bytes();
        received.push(0x81);
        assert!(take_upgrade(&mut received).unwrap());
        assert_eq!(received, [0x81]);
        assert!(!take_upgrade(&mut b"HTTP/1.1 101 Swi".to_vec()).unwrap());
        assert!(take_upgrade(&mut b"HTTP/1.1 429 Too Many\r\n\r\n".to_vec()).is_err());
    }
}
