//! What waits for a client to be written: the hub's task puts in, the socket's task takes out.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use hairpin_signaling::{CloseCode, MessageKind};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// Messages that wait for a client to read them. One that has this many unread is too slow.
const LIMIT: usize = 64;

/// The hub's end. Dropped before [`Outbox::close`], it closes the socket as what it is: the hub has failed.
#[derive(Debug)]
pub(super) struct Outbox(Arc<Mutex<Waiting>>);

/// The socket's end.
#[derive(Debug)]
pub(super) struct Inbox(Arc<Mutex<Waiting>>);

/// What the socket's task takes out at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// Whole WebSocket frames.
    pub(super) frames: Vec<u8>,
    /// Whether there is a `match_found` among them.
    pub(super) matched: bool,
    /// Nothing follows: close.
    pub(super) close: Option<CloseCode>,
}

#[derive(Debug, Default)]
struct Waiting {
    batch: Batch,
    messages: usize,
    /// Goes with the next message, or alone at this time.
    ack: Option<(Duration, Arc<str>)>,
    /// The socket's task, if it sleeps.
    task: Option<Waker>,
}

/// What became of an ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    First,
    WithEarlier,
}

/// There is no room for another message.
#[derive(Debug)]
pub(super) struct Full;

/// An empty one. Nothing is allocated for messages before there are any, and nothing stays when they are gone:
/// most clients are silent most of the time.
pub(super) fn outbox() -> (Outbox, Inbox) {
    let shared = Arc::default();
    (Outbox(Arc::clone(&shared)), Inbox(shared))
}

impl Outbox {
    /// Puts in a message. The waker, if there is one, is to be woken some time soon: what is put in until
    /// then leaves together.
    pub(super) fn text(&self, kind: MessageKind, text: &str) -> Result<Option<Waker>, Full> {
        let mut waiting = lock(&self.0);
        waiting.frame(OpCode::Data(Data::Text), text.as_bytes())?;
        waiting.batch.matched |= kind == MessageKind::MatchFound;
        Ok(waiting.task.take())
    }

    /// Puts in a ping; as [`Outbox::text`].
    pub(super) fn ping(&self) -> Result<Option<Waker>, Full> {
        let mut waiting = lock(&self.0);
        waiting.frame(OpCode::Control(Control::Ping), &[])?;
        Ok(waiting.task.take())
    }

    /// Puts in that messages have arrived, to leave with what is put in next, and includes what was to leave in this way
    /// already. If nothing was, [`Outbox::release_ack`] is to be called when this is `due`.
    pub(super) fn hold_ack(&self, due: Duration, text: Arc<str>) -> Held {
        let mut waiting = lock(&self.0);
        match &mut waiting.ack {
            Some((_, earlier)) => {
                *earlier = text;
                Held::WithEarlier
            }
            none => {
                *none = Some((due, text));
                Held::First
            }
        }
    }

    /// Lets go what [`Outbox::hold_ack`] has put in, if it is still there, and due; as [`Outbox::text`].
    pub(super) fn release_ack(&self, now: Duration) -> Result<Option<Waker>, Full> {
        let mut waiting = lock(&self.0);
        let Some((_, ack)) = waiting.ack.take_if(|(due, _)| *due <= now) else { return Ok(None) };
        waiting.frame(OpCode::Data(Data::Text), ack.as_bytes())?;
        Ok(waiting.task.take())
    }

    /// Closes the socket when what is in there has been written.
    pub(super) fn close(self, code: CloseCode) {
        self.end(code);
    }

    fn end(&self, code: CloseCode) {
        let mut waiting = lock(&self.0);
        waiting.batch.close.get_or_insert(code);
        let task = waiting.task.take();
        drop(waiting);
        task.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        self.end(CloseCode::ServerFailed);
    }
}

impl Inbox {
    /// Takes out everything, as soon as there is something.
    pub(super) fn poll_take(&self, context: &mut Context<'_>) -> Poll<Batch> {
        let mut waiting = lock(&self.0);
        if waiting.messages == 0 && waiting.batch.close.is_none() {
            match &mut waiting.task {
                Some(task) => task.clone_from(context.waker()),
                none => *none = Some(context.waker().clone()),
            }
            return Poll::Pending;
        }
        if let Some((_, ack)) = waiting.ack.take() {
            waiting.append(OpCode::Data(Data::Text), ack.as_bytes());
        }
        waiting.messages = 0;
        Poll::Ready(mem::take(&mut waiting.batch))
    }
}

impl Waiting {
    /// Appends a frame, if there is room.
    fn frame(&mut self, opcode: OpCode, payload: &[u8]) -> Result<(), Full> {
        if self.messages == LIMIT {
            return Err(Full);
        }
        self.messages += 1;
        self.append(opcode, payload);
        Ok(())
    }

    /// Appends a frame as a server's are: whole, and not masked (RFC 6455 s5.1, s5.2).
    fn append(&mut self, opcode: OpCode, payload: &[u8]) {
        let header = FrameHeader { opcode, ..FrameHeader::default() };
        let (frames, len) = (&mut self.batch.frames, payload.len() as u64);
        frames.reserve(header.len(len) + payload.len());
        header.format(len, frames).expect("a vector takes everything");
        frames.extend_from_slice(payload);
    }
}

/// Nothing panics under this lock, and what it guards is whole between any two statements.
fn lock(shared: &Mutex<Waiting>) -> MutexGuard<'_, Waiting> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    const DUE: Duration = Duration::from_secs(1);

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What the socket's task finds, and how often it has been woken before it looked again.
    struct Socket {
        inbox: Inbox,
        task: Arc<Task>,
    }

    impl Socket {
        fn take(&self) -> Option<Batch> {
            let waker = Waker::from(self.task.clone());
            match self.inbox.poll_take(&mut Context::from_waker(&waker)) {
                Poll::Ready(batch) => Some(batch),
                Poll::Pending => None,
            }
        }

        fn woken(&self) -> usize {
            self.task.0.load(Ordering::Relaxed)
        }
    }

    fn pair() -> (Outbox, Socket) {
        let (outbox, inbox) = outbox();
        (outbox, Socket { inbox, task: Arc::default() })
    }

    #[test]
    fn what_is_put_in_at_once_is_taken_out_at_once_and_wakes_once() {
        let (outbox, socket) = pair();
        assert!(socket.take().is_none());
        let first = outbox.text(MessageKind::Queued, "ab").expect("room");
        assert!(outbox.ping().expect("room").is_none(), "there is nobody left to wake");
        assert_eq!(socket.woken(), 0, "that is for later");
        first.expect("it sleeps").wake();
        assert_eq!(socket.woken(), 1);
        let batch = socket.take().expect("messages");
        assert_eq!(batch.frames, [0x81, 2, b'a', b'b', 0x89, 0]);
        assert!(!batch.matched && batch.close.is_none());
        assert!(socket.take().is_none());
    }

    #[test]
    fn a_match_is_marked_on_the_batch_that_carries_it() {
        let (outbox, socket) = pair();
        outbox.text(MessageKind::MatchFound, "{}").expect("room");
        outbox.text(MessageKind::Signal, "{}").expect("room");
        assert!(socket.take().expect("messages").matched);
        outbox.text(MessageKind::Signal, "{}").expect("room");
        assert!(!socket.take().expect("messages").matched);
    }

    #[test]
    fn a_reader_too_slow_is_found_out_and_gets_what_there_was() {
        let (outbox, socket) = pair();
        for _ in 0..LIMIT {
            outbox.text(MessageKind::Signal, "x").expect("room");
        }
        assert!(matches!(outbox.text(MessageKind::Signal, "x"), Err(Full)));
        assert!(matches!(outbox.ping(), Err(Full)));
        outbox.close(CloseCode::SlowReader);
        let batch = socket.take().expect("messages");
        assert_eq!(batch.frames.len(), LIMIT * 3);
        assert_eq!(batch.close, Some(CloseCode::SlowReader), "whoever says why is not overruled");
    }

    #[test]
    fn taking_makes_room() {
        let (outbox, socket) = pair();
        for _ in 0..3 * LIMIT {
            outbox.ping().expect("room");
            assert!(socket.take().is_some());
        }
    }

    #[test]
    fn an_ack_leaves_with_the_next_message_and_the_last_says_all() {
        let (outbox, socket) = pair();
        assert_eq!(outbox.hold_ack(DUE, "1".into()), Held::First);
        assert_eq!(outbox.hold_ack(2 * DUE, "2".into()), Held::WithEarlier);
        assert!(socket.take().is_none(), "nothing else is said");
        outbox.text(MessageKind::Signal, "s").expect("room").expect("it sleeps").wake();
        assert_eq!(socket.take().expect("messages").frames, [0x81, 1, b's', 0x81, 1, b'2']);
        assert!(outbox.release_ack(DUE).expect("room").is_none(), "it has left");
        assert!(socket.take().is_none());
    }

    #[test]
    fn an_ack_that_nothing_takes_along_leaves_alone_when_it_is_due() {
        let (outbox, socket) = pair();
        assert!(socket.take().is_none());
        assert_eq!(outbox.hold_ack(DUE, "1".into()), Held::First);
        assert!(
            outbox.release_ack(DUE / 2).expect("room").is_none(),
            "that was for an earlier one"
        );
        outbox.release_ack(DUE).expect("room").expect("it sleeps").wake();
        assert_eq!(socket.take().expect("an ack").frames, [0x81, 1, b'1']);
        assert_eq!(outbox.hold_ack(2 * DUE, "2".into()), Held::First);
        outbox.close(CloseCode::GoingAway);
        let last = socket.take().expect("an end");
        assert_eq!((last.frames, last.close), (vec![0x81, 1, b'2'], Some(CloseCode::GoingAway)));
    }

    #[test]
    fn a_hub_that_is_gone_without_a_word_has_failed() {
        let (outbox, socket) = pair();
        assert!(socket.take().is_none());
        drop(outbox);
        assert_eq!(socket.woken(), 1);
        assert_eq!(socket.take().expect("an end").close, Some(CloseCode::ServerFailed));
    }
}
