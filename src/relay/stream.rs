//! A TURN client over TCP: its frames go straight to the shard, and what the shard sends waits in a
//! bounded queue for the client to read it.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use hairpin_stun::{FramingLost, Reader};
use hairpin_turn::{FiveTuple, StreamDeadlines, Transport};
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
    let mut deadlines = StreamDeadlines::new(clock.monotonic());
    let frames = |reader: &mut Reader, deadlines: &mut StreamDeadlines| {
        while let Some(frame) = reader.next_frame()? {
            deadlines.frame(clock.monotonic());
            shard.borrow_mut().receive_frame(tuple, frame);
        }
        deadlines.left_over(clock.monotonic(), reader.buffered());
        Ok::<_, FramingLost>(())
    };
    let mut framed = Ok(());
    let mut unread = already_read.as_slice();
    while !unread.is_empty() && framed.is_ok() {
        let spare = reader.spare();
        let now = spare.len().min(unread.len());
        spare[..now].copy_from_slice(&unread[..now]);
        reader.filled(now);
        unread = &unread[now..];
        framed = frames(&mut reader, &mut deadlines);
    }
    drop(already_read);
    while framed.is_ok() {
        let allocation = shard.borrow().core.allocation_of(clock.now(), &tuple);
        let deadline = deadlines.deadline(allocation).map(|at| clock.instant(at));
        tokio::select! {
            biased;
            () = context.stop.cancelled() => break,
            flushed = writer.flush() => if flushed.is_err() { break },
            readable = writer.stream.readable() => {
                match readable.and_then(|()| writer.stream.try_read(reader.spare())) {
                    Ok(0) => break,
                    Ok(n) => reader.filled(n),
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(_) => break,
                }
                framed = frames(&mut reader, &mut deadlines);
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
