//! A TURN client over TCP: its frames go straight to the shard, and what the shard sends waits in a
//! bounded queue for the client to read it.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hairpin_stun::{Frame, next_frame};
use hairpin_turn::{FiveTuple, HEADROOM, TAILROOM, Transport};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::RelayContext;
use super::shard::Shard;
use crate::net::{Connection, Io};

/// Bytes of data that wait for a slow reader; beyond that datagrams are lost, as on any full link.
const DATA_LIMIT: usize = 256 << 10;

/// Answers may go beyond that, for a client is told what became of its request; a client that asks without
/// ever reading is cut off here.
const CONTROL_LIMIT: usize = DATA_LIMIT + (64 << 10);

/// The largest frame: ChannelData with 65,535 bytes, padded.
const MAX_FRAME: usize = 4 + 65_536;

/// What the buffer starts with, and goes back to when nothing is left over: most frames are packets.
const SMALL_BUFFER: usize = HEADROOM + 4096 + TAILROOM;

/// Serves a connection until it closes, breaks the framing, or runs out of time.
pub(super) async fn serve(
    shard: Rc<RefCell<Shard>>,
    connection: Connection,
    context: Arc<RelayContext>,
) {
    let Connection { io: Io::Tcp(stream), peer, local, already_read } = connection;
    let tuple = FiveTuple { transport: Transport::Tcp, client: peer, server: local };
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%peer, %error, "connection dropped"),
    };
    let clock = context.clock;
    let writer = Rc::new(StreamWriter::new(stream));
    shard.borrow_mut().open_stream(tuple, writer.clone());
    let mut reader = Reader::new();
    let mut patience = Patience::new(clock.monotonic());
    let frames = |reader: &mut Reader, patience: &mut Patience| {
        let intact = reader.drain(|buffer, frame| {
            patience.frame(clock.monotonic());
            shard.borrow_mut().receive_frame(tuple, buffer, frame);
        });
        patience.partial(clock.monotonic(), reader.holds_part());
        intact
    };
    reader.put(&already_read);
    drop(already_read);
    let mut intact = frames(&mut reader, &mut patience);
    while intact {
        let allocated = shard.borrow().core.has_allocation(clock.now(), &tuple);
        let deadline = patience.deadline(allocated).map(|at| clock.instant(at));
        tokio::select! {
            biased;
            () = context.stop.cancelled() => break,
            flushed = writer.flush() => if flushed.is_err() { break },
            readable = writer.stream.readable() => {
                match readable.and_then(|()| reader.fill(&writer.stream)) {
                    Ok(true) => intact = frames(&mut reader, &mut patience),
                    Ok(false) => {}
                    Err(_) => break,
                }
            }
            () = sleep_until(deadline) => break,
        }
    }
    shard.borrow_mut().close_stream(&tuple);
}

async fn sleep_until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// The sending half, shared between the shard, which fills it, and the connection's task, which empties it.
pub(super) struct StreamWriter {
    stream: TcpStream,
    pending: RefCell<Vec<u8>>,
    wake: Notify,
    cut: Cell<bool>,
}

impl StreamWriter {
    fn new(stream: TcpStream) -> Self {
        Self { stream, pending: RefCell::default(), wake: Notify::new(), cut: Cell::new(false) }
    }

    /// Sends a relayed packet, or returns `false` when it is lost because the client reads too slowly.
    pub(super) fn send_data(&self, bytes: &[u8]) -> bool {
        self.send(bytes, DATA_LIMIT)
    }

    /// Sends an answer; a client that lets too many wait is cut off.
    pub(super) fn send_control(&self, bytes: &[u8]) {
        if !self.send(bytes, CONTROL_LIMIT) {
            self.cut.set(true);
            self.wake.notify_one();
        }
    }

    fn send(&self, bytes: &[u8], limit: usize) -> bool {
        let mut pending = self.pending.borrow_mut();
        if !pending.is_empty() && pending.len() + bytes.len() > limit {
            return false;
        }
        // Straight to the socket, unless something is waiting that must go first.
        let written = match pending.is_empty() {
            true => self.stream.try_write(bytes).unwrap_or(0),
            false => 0,
        };
        if written < bytes.len() {
            pending.extend_from_slice(&bytes[written..]);
            self.wake.notify_one();
        }
        true
    }

    /// Writes what is waiting, as the socket takes it. Never returns but with an error.
    async fn flush(&self) -> io::Result<()> {
        loop {
            if self.cut.get() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if self.pending.borrow().is_empty() {
                self.wake.notified().await;
                continue;
            }
            self.stream.writable().await?;
            let mut pending = self.pending.borrow_mut();
            match self.stream.try_write(&pending) {
                Ok(written) => {
                    pending.drain(..written);
                    if pending.is_empty() {
                        *pending = Vec::new();
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Puts frames together. The buffer grows with what was received, never with what was promised.
struct Reader {
    buffer: Vec<u8>,
    filled: usize,
}

impl Reader {
    fn new() -> Self {
        Self { buffer: vec![0; SMALL_BUFFER], filled: HEADROOM }
    }

    /// Takes what was read before this reader came.
    fn put(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        if end + TAILROOM > self.buffer.len() {
            self.buffer.resize(end + TAILROOM, 0);
        }
        self.buffer[self.filled..end].copy_from_slice(bytes);
        self.filled = end;
    }

    /// Reads once. `false` means that nothing was there after all.
    fn fill(&mut self, stream: &TcpStream) -> io::Result<bool> {
        if self.filled + TAILROOM == self.buffer.len() {
            // A frame is longer than the buffer; no frame is longer than MAX_FRAME.
            let length = (self.buffer.len() * 2).min(HEADROOM + MAX_FRAME + TAILROOM);
            self.buffer.resize(length, 0);
        }
        let end = self.buffer.len() - TAILROOM;
        match stream.try_read(&mut self.buffer[self.filled..end]) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                self.filled += n;
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Hands out each whole frame and keeps the rest. `false` means that the stream has lost its framing.
    fn drain(&mut self, mut frame: impl FnMut(&mut [u8], std::ops::Range<usize>)) -> bool {
        let mut start = HEADROOM;
        loop {
            match next_frame(&self.buffer[start..self.filled]) {
                Frame::Complete { len, padded } => {
                    frame(&mut self.buffer, start..start + len);
                    start += padded;
                }
                Frame::Incomplete => break,
                Frame::Garbage => return false,
            }
        }
        self.buffer.copy_within(start..self.filled, HEADROOM);
        self.filled -= start - HEADROOM;
        if self.filled == HEADROOM && self.buffer.len() > SMALL_BUFFER {
            *self = Self::new();
        }
        true
    }

    fn holds_part(&self) -> bool {
        self.filled > HEADROOM
    }
}

/// How long a client may take. Pure, so that it is tested without waiting.
struct Patience {
    last_frame: Option<Duration>,
    opened: Duration,
    partial_since: Option<Duration>,
}

impl Patience {
    /// For the first whole frame.
    const FIRST_FRAME: Duration = Duration::from_secs(10);
    /// For the rest of a frame that has begun.
    const WHOLE_FRAME: Duration = Duration::from_secs(30);
    /// Between frames, while there is no allocation to keep the connection for.
    const IDLE: Duration = Duration::from_secs(60);

    fn new(opened: Duration) -> Self {
        Self { opened, last_frame: None, partial_since: None }
    }

    fn frame(&mut self, now: Duration) {
        self.last_frame = Some(now);
        self.partial_since = None;
    }

    fn partial(&mut self, now: Duration, partial: bool) {
        self.partial_since = partial.then(|| self.partial_since.unwrap_or(now));
    }

    fn deadline(&self, allocated: bool) -> Option<Duration> {
        let idle = match self.last_frame {
            None => Some(self.opened + Self::FIRST_FRAME),
            Some(last) => (!allocated).then_some(last + Self::IDLE),
        };
        let whole = self.partial_since.map(|since| since + Self::WHOLE_FRAME);
        idle.into_iter().chain(whole).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn c155_a_slow_handshake_and_half_a_frame_time_out() {
        let mut patience = Patience::new(at(100));
        assert_eq!(patience.deadline(false), Some(at(110)), "no first frame");
        patience.partial(at(109), true);
        assert_eq!(patience.deadline(false), Some(at(110)), "a drip does not extend it");
        patience.frame(at(109));
        assert_eq!(patience.deadline(false), Some(at(169)), "idle without an allocation");
        assert_eq!(patience.deadline(true), None, "an allocation has its own lifetime");
        patience.partial(at(200), true);
        patience.partial(at(220), true);
        assert_eq!(patience.deadline(true), Some(at(230)), "half a frame, counted from its start");
        patience.frame(at(221));
        patience.partial(at(221), false);
        assert_eq!(patience.deadline(true), None);
    }

    #[test]
    fn the_buffer_goes_back_to_its_small_size() {
        let mut reader = Reader::new();
        let channel_data = [0x40, 0x00, 0x20, 0x00].into_iter().chain([7; 0x2000]);
        reader.buffer =
            [0; HEADROOM].into_iter().chain(channel_data).chain([0; TAILROOM]).collect();
        reader.filled = reader.buffer.len() - TAILROOM;
        let mut lengths = Vec::new();
        assert!(reader.drain(|_, frame| lengths.push(frame.len())));
        assert_eq!(lengths, [0x2004]);
        assert_eq!(reader.buffer.len(), SMALL_BUFFER);
    }
}
