//! One WebSocket: bytes between its stream and the hub.
//!
//! tungstenite knows the protocol; what carries its frames is our own, for two reasons. A client that is silent costs
//! no buffers, neither for reading nor for writing nor for what the hub has queued, and ten thousand of them are
//! normal. And a client that is closed gets to read why: closing lingers.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use hairpin_signaling::{CloseCode, ConnectionId, Departure};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Sleep, sleep_until, timeout};

use super::chatter::Chatter;
use super::frames::{End, Frames, Heard, Limits, Said, close_frame};
use super::handle::{HubHandle, Visitor};
use super::outbox::{Batch, Inbox};

/// How long the kernel may have no room for what is queued.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a closed client may take to notice.
const LINGER: Duration = Duration::from_secs(3);

/// How long a client may take over a message, or over any frame, from its first byte to its last. What it has not
/// finished is kept in memory, so it must not be for as long as it pleases; and 64 KiB, the most that may come by
/// default, are 17 kbit/s in this time, which the slowest mobile link has, or a fast one that is gone for half of it.
/// Who is slower may connect again.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// Pings and pongs count as life at most this often: they are not metered like messages.
const ALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// What is read at once. It is on the stack, for as long as it takes to read it.
const READ: usize = 8 * 1024;

/// Carries messages between a client and the hub until one of them ends it. `stream` carries WebSocket frames,
/// whatever is below; `read` is what the client has sent after its handshake, then where it comes from and where it finds the
/// relay.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    read: Vec<u8>,
    visitor: Box<Visitor>,
    hub: &HubHandle,
    limits: Limits,
) {
    let (id, inbox) = hub.connect(visitor).await;
    let frames = Frames::new(limits);
    let chatter = Chatter::new(hub.now(), limits.max_message_bytes);
    let mut carrier =
        Carrier { stream: &mut stream, frames, chatter, overdue: None, inbox, id, hub };
    let end = carrier.carry(read).await;
    // Closing lingers, and what has been read of a message is not to be kept for that.
    drop(carrier);
    let (departure, close) = match end {
        End::Gone => (Departure::Lost, None),
        End::Goodbye => (Departure::Goodbye, None),
        End::Close(frame) => (Departure::Lost, Some(frame)),
    };
    hub.disconnected(id, departure, close.as_ref().map(|frame| frame.code.into())).await;
    if let Some(frame) = close
        // A client that does not even take this has had its time.
        && write(&mut stream, &close_frame(frame)).await.is_ok()
    {
        let _ = Box::pin(timeout(LINGER, linger(&mut stream))).await;
    }
}

struct Carrier<'a, S> {
    stream: &'a mut S,
    frames: Frames,
    chatter: Chatter,
    /// Ends when what is unfinished has been so for too long. On the heap: few have any.
    overdue: Option<Pin<Box<Sleep>>>,
    inbox: Inbox,
    id: ConnectionId,
    hub: &'a HubHandle,
}

/// What happens next.
enum Event {
    Heard(Heard),
    Told(Batch),
}

impl Event {
    fn ended(end: End) -> Self {
        Self::Heard(Heard { end: Some(end), ..Heard::default() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Carrier<'_, S> {
    async fn carry(&mut self, read: Vec<u8>) -> End {
        let mut alive = Duration::ZERO;
        let mut event = Event::Heard(self.frames.read(self.hub.now(), &read));
        drop(read);
        loop {
            let end = match event {
                Event::Told(batch) => self.tell(batch).await,
                Event::Heard(heard) => self.hear(heard, &mut alive).await,
            };
            if let Some(end) = end {
                return end;
            }
            event = match poll_fn(|context| self.poll_event(context)).await {
                Ok(event) => event,
                Err(_) => return End::Gone,
            };
        }
    }

    /// The hub comes first, because it may want to close. What has come is read before a message is called overdue: it
    /// may be we who had no time.
    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Event>> {
        if let Poll::Ready(batch) = self.inbox.poll_take(context) {
            return Poll::Ready(Ok(Event::Told(batch)));
        }
        let mut bytes = [const { MaybeUninit::uninit() }; READ];
        let mut bytes = ReadBuf::uninit(&mut bytes);
        let read = Pin::new(&mut *self.stream).poll_read(context, &mut bytes);
        let overdue = |sleep: &mut Pin<Box<Sleep>>| sleep.as_mut().poll(context).is_ready();
        if read.is_pending() && self.overdue.as_mut().is_some_and(overdue) {
            return Poll::Ready(Ok(Event::ended(CloseCode::SlowSender.into())));
        }
        read.map_ok(|()| match bytes.filled() {
            [] => Event::ended(End::Gone),
            bytes => Event::Heard(self.frames.read(self.hub.now(), bytes)),
        })
    }

    /// Writes what the hub says.
    async fn tell(&mut self, batch: Batch) -> Option<End> {
        if write(self.stream, &batch.frames).await.is_err() {
            return Some(End::Gone);
        }
        if batch.matched {
            self.hub.match_written();
        }
        batch.close.map(End::from)
    }

    /// Passes on what the client says. Waits while the hub has too much to do, which leaves the socket unread.
    async fn hear(&mut self, heard: Heard, alive: &mut Duration) -> Option<End> {
        let now = self.hub.now();
        if !self.chatter.hear(now, heard.received, heard.message_bytes()) {
            return Some(CloseCode::Flood.into());
        }
        let due = |since| self.hub.instant(since + MESSAGE_TIMEOUT);
        self.overdue =
            self.frames.unfinished_since().map(|since| Box::pin(sleep_until(due(since))));
        if !heard.answer.is_empty() && write(self.stream, &heard.answer).await.is_err() {
            return Some(End::Gone);
        }
        for message in heard.messages {
            match message {
                Said::Text(text) => self.hub.text(self.id, now, text).await,
                Said::Binary => self.hub.binary(self.id).await,
                Said::Alive if now >= *alive => {
                    *alive = now + ALIVE_INTERVAL;
                    self.hub.alive(self.id).await;
                }
                Said::Alive => {}
            }
        }
        heard.end
    }
}

/// Writes everything.
///
/// # Errors
/// The client is gone, or has had no room for [`WRITE_TIMEOUT`].
async fn write<S: AsyncWrite + Unpin>(stream: &mut S, mut bytes: &[u8]) -> io::Result<()> {
    // Nearly always there is room, and then there is no timer to set.
    let at_once = poll_fn(|context| Poll::Ready(poll_write(stream, context, &mut bytes))).await;
    if let Poll::Ready(done) = at_once {
        return done;
    }
    let written = poll_fn(|context| poll_write(stream, context, &mut bytes));
    // On the heap: every socket's task would carry it.
    Box::pin(timeout(WRITE_TIMEOUT, written)).await?
}

/// Writes what is left, and flushes.
fn poll_write<S: AsyncWrite + Unpin>(
    stream: &mut S,
    context: &mut Context<'_>,
    left: &mut &[u8],
) -> Poll<io::Result<()>> {
    while !left.is_empty() {
        match Pin::new(&mut *stream).poll_write(context, left) {
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(Ok(written)) => *left = &left[written..],
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => return Poll::Pending,
        }
    }
    Pin::new(stream).poll_flush(context)
}

/// Lets the client read the close frame. Closing while there is something unread from it would send a
/// reset, which overtakes what we have said last.
async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    stream.shutdown().await?;
    // On the heap: every socket's task would carry it.
    let mut unread = vec![0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
