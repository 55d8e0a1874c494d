//! One TURN client over TCP, with TLS or without: its frames come out of a reader, and what it is sent waits in a bounded
//! queue for the client to read it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use hairpin_stun::Reader;
use hairpin_turn::{ConnectionId, FiveTuple, Forward, StreamDeadlines};
use socket2::{SockRef, TcpKeepalive};

use super::carrier::Carrier;
use crate::net::Held;

/// Bytes of data that wait for a slow reader; beyond that datagrams are lost, as on any full link.
const DATA_LIMIT: usize = 256 << 10;

/// Answers may go beyond that, for a client is told what became of its request; a client that asks without
/// ever reading is cut off here.
const CONTROL_LIMIT: usize = DATA_LIMIT + (64 << 10);

/// What the kernel may hold of what has been written, which it doubles for its own bookkeeping. Left to itself it gives
/// one client that never reads megabytes.
const SEND_BUFFER: usize = 128 << 10;

/// A client that is gone without a word is found by the kernel, while its allocation lasts: after three minutes.
pub(super) const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(90))
    .with_interval(Duration::from_secs(30))
    .with_retries(3);

/// A connection, its unfinished frame, and what has not been written yet.
pub(super) struct Stream {
    carrier: Carrier,
    pub(super) tuple: FiveTuple,
    /// Holds what has been received and not been taken; none when nothing has.
    pub(super) reader: Option<Reader>,
    pub(super) deadlines: StreamDeadlines,
    /// When the deadlines are looked at next, which may be before the first of them.
    pub(super) timer: Option<Duration>,
    /// What is to be written, and not in the carrier's hands.
    pub(super) pending: Vec<u8>,
    /// What the socket has taken since this was last looked at.
    pub(super) taken: usize,
    pub(super) state: State,
    /// The connection to a peer that this is the client's end of. Its bytes are no frames then, and `pipe` moves them.
    pub(super) piped: Option<ConnectionId>,
    /// Given back when it closes.
    _held: Held,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("tuple", &self.tuple).finish_non_exhaustive()
    }
}

/// What a stream is in the middle of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    /// It is among those that are written to at the end of the turn.
    pub(super) queued: bool,
    /// Its socket is full, and watched for becoming writable.
    pub(super) blocked: bool,
    /// Whole frames are left in its reader for the next turn.
    pub(super) unread: bool,
    /// It is closed at the end of the turn.
    pub(super) doomed: bool,
}

/// What became of bytes for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queued {
    /// They are sent at the end of the turn, or as the client reads.
    Waiting,
    /// Too much is waiting.
    Refused,
}

impl Stream {
    pub(super) fn new(carrier: Carrier, tuple: FiveTuple, held: Held, now: Duration) -> Self {
        let deadlines = StreamDeadlines::new(now);
        let state = State::default();
        let (reader, timer, pending, taken, piped) = (None, None, Vec::new(), 0, None);
        Self { carrier, tuple, reader, deadlines, timer, pending, taken, state, piped, _held: held }
    }

    /// Bounds what the connection costs the kernel. These are wishes: without them it is served as well.
    pub(super) fn tune(&self) {
        let socket = SockRef::from(self.carrier.socket());
        let tuned = socket
            .set_send_buffer_size(SEND_BUFFER)
            .and_then(|()| socket.set_tcp_keepalive(&KEEPALIVE));
        if let Err(error) = tuned {
            tracing::debug!(client = %self.tuple.client, %error, "a connection is not tuned");
        }
    }

    /// Has the kernel forget what the client has not taken, when the stream is dropped: it would keep it for minutes.
    pub(super) fn abandon_output(&self) {
        // It can only fail where there is nothing to forget.
        let _ = SockRef::from(self.carrier.socket()).set_linger(Some(Duration::ZERO));
    }

    /// Reads once into a reader, and returns how much that was. Nothing waiting is no bytes.
    ///
    /// # Errors
    /// What the system says; `UnexpectedEof` when the client has closed.
    pub(super) fn receive(&mut self, reader: &mut Reader) -> io::Result<usize> {
        self.carrier.receive(reader)
    }

    /// Moves into a reader what has been received before and is not in one yet, and returns how much that was.
    ///
    /// # Errors
    /// `UnexpectedEof` when the client has closed.
    pub(super) fn refill(&mut self, reader: &mut Reader) -> io::Result<usize> {
        self.carrier.refill(reader)
    }

    /// Tells the client that nothing more will come, as far as the socket takes it.
    pub(super) fn say_goodbye(&mut self) {
        self.carrier.close();
    }

    /// Queues a relayed packet.
    pub(super) fn queue_data(&mut self, forward: &Forward<'_>) -> Queued {
        let (head, payload, padding) = (forward.head(), forward.payload(), forward.padding());
        if self.is_over(DATA_LIMIT, forward.wire_len()) {
            return Queued::Refused;
        }
        self.pending.reserve(forward.wire_len());
        for part in [head, payload, padding] {
            self.pending.extend_from_slice(part);
        }
        Queued::Waiting
    }

    /// Queues an answer.
    pub(super) fn queue_answer(&mut self, bytes: &[u8]) -> Queued {
        if self.is_over(CONTROL_LIMIT, bytes.len()) {
            return Queued::Refused;
        }
        self.pending.extend_from_slice(bytes);
        Queued::Waiting
    }

    /// Whether so many bytes more are too many. A turn may bring more than a reader is owed, so what the socket takes
    /// is not counted.
    fn is_over(&mut self, limit: usize, more: usize) -> bool {
        let over = |waiting: usize| waiting > 0 && waiting + more > limit;
        over(self.waiting())
            && (self.state.blocked || self.write().is_err() || over(self.waiting()))
    }

    /// Writes what is waiting as far as the socket takes it.
    ///
    /// # Errors
    /// What the system says when the connection is broken.
    pub(super) fn write(&mut self) -> io::Result<()> {
        self.taken += self.carrier.write(&mut self.pending)?;
        Ok(())
    }

    /// Tells the client that nothing more is sent, while it may go on sending.
    ///
    /// # Errors
    /// What the system says when the connection is broken.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.carrier.close();
        self.carrier.socket().shutdown(std::net::Shutdown::Write)
    }

    /// Bytes that wait for the client to read.
    pub(super) fn waiting(&self) -> usize {
        self.pending.len() + self.carrier.waiting()
    }

    /// Whether there is something to write that nobody has queued: TLS speaks for itself, too.
    pub(super) fn wants_write(&self) -> bool {
        self.carrier.waiting() > 0 && !self.state.blocked
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.carrier.socket().as_fd()
    }
}
