//! How the rest of the program speaks to the hub's task.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hairpin_signaling::{ConnectionId, Departure, Identity, Restored};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tungstenite::Utf8Bytes;

use super::administration::{Act, Observed, QUESTIONS};
use super::outbox::{Inbox, Outbox, outbox};
use crate::clock::Clock;
use crate::ice::IceUrls;
use crate::metrics::Metrics;

/// What the hub's task hears.
#[derive(Debug)]
pub(super) enum Input {
    /// With what its token says, if it has brought one.
    Connected(ConnectionId, Client, Option<Box<Identity>>),
    Text {
        from: ConnectionId,
        /// When it was read.
        at: Duration,
        text: Utf8Bytes,
    },
    Binary(ConnectionId),
    Alive(ConnectionId),
    Disconnected(ConnectionId, Departure),
    Administer(Act),
    /// What was on record, and who is told of what happens.
    Begin(Box<Restored>, Observed),
    Drain {
        spread: Duration,
        grace: Duration,
    },
}

/// What the hub's task keeps of a client.
#[derive(Debug)]
pub(super) struct Client {
    /// Where it comes from.
    pub(super) address: IpAddr,
    /// Where its messages go.
    pub(super) outbox: Outbox,
    /// Where it finds the relay.
    pub(super) ice: IceUrls,
}

/// Whoever comes. On the heap: the task of its socket lasts, and this is soon told.
#[derive(Debug)]
pub(crate) struct Visitor {
    /// Where it comes from.
    pub(crate) address: IpAddr,
    /// Where it finds the relay.
    pub(crate) ice: IceUrls,
    /// Who it is, by a token that it has brought with its handshake.
    pub(crate) identity: Option<Box<Identity>>,
}

/// Speaks to the hub's task. Every method that waits does so while that has too much to do, which leaves the
/// sockets unread and so slows the clients down.
#[derive(Clone, Debug)]
pub(crate) struct HubHandle(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    inputs: mpsc::Sender<Input>,
    next: AtomicU64,
    questions: Semaphore,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl HubHandle {
    pub(super) fn new(inputs: mpsc::Sender<Input>, metrics: Arc<Metrics>, clock: Clock) -> Self {
        let (next, questions) = (AtomicU64::new(0), Semaphore::new(QUESTIONS));
        Self(Arc::new(Shared { inputs, next, questions, metrics, clock }))
    }

    /// A client has come from this address; its messages come out of the inbox. To be followed by
    /// [`HubHandle::disconnected`], however it ends.
    pub(super) async fn connect(&self, visitor: Box<Visitor>) -> (ConnectionId, Inbox) {
        let id = ConnectionId(self.0.next.fetch_add(1, Ordering::Relaxed));
        let (outbox, inbox) = outbox();
        let Visitor { address, ice, identity } = *visitor;
        self.tell(Input::Connected(id, Client { address, outbox, ice }, identity)).await;
        (id, inbox)
    }

    /// The time that [`HubHandle::text`] wants.
    pub(super) fn now(&self) -> Duration {
        self.0.clock.monotonic()
    }

    /// Such a time as the runtime's timers want it.
    pub(super) fn instant(&self, at: Duration) -> Instant {
        self.0.clock.instant(at)
    }

    /// A client has sent a text, which was read at this time.
    pub(super) async fn text(&self, from: ConnectionId, at: Duration, text: Utf8Bytes) {
        self.tell(Input::Text { from, at, text }).await;
    }

    pub(super) async fn binary(&self, id: ConnectionId) {
        self.tell(Input::Binary(id)).await;
    }

    pub(super) async fn alive(&self, id: ConnectionId) {
        self.tell(Input::Alive(id)).await;
    }

    /// The socket has taken a `match_found`.
    pub(super) fn match_written(&self) {
        self.0.metrics.signaling.match_written(self.now());
    }

    /// A client has gone, or has been closed with a status code.
    pub(super) async fn disconnected(
        &self,
        id: ConnectionId,
        departure: Departure,
        close: Option<u16>,
    ) {
        close.into_iter().for_each(|code| self.0.metrics.signaling.closed(code));
        self.tell(Input::Disconnected(id, departure)).await;
    }

    /// Sends every client elsewhere, one after the other within `spread`, with `grace` to go by itself, and every one that
    /// is still to come.
    pub(crate) async fn drain(&self, spread: Duration, grace: Duration) {
        self.tell(Input::Drain { spread, grace }).await;
    }

    /// Places for those who ask what the hub's task answers.
    pub(super) fn questions(&self) -> &Semaphore {
        &self.0.questions
    }

    /// Says something before anybody else does.
    pub(super) fn tell_first(&self, input: Input) {
        let said = self.0.inputs.try_send(input);
        debug_assert!(said.is_ok(), "nobody else has said anything yet");
    }

    pub(super) async fn tell(&self, input: Input) {
        let input = match self.0.inputs.try_send(input) {
            Err(TrySendError::Full(input)) => input,
            // Without its task there is no hub. What it has of a client says so to that client as it is dropped.
            Ok(()) | Err(TrySendError::Closed(_)) => return,
        };
        // On the heap, for the few that have to wait: every socket's task would carry it.
        let _ = Box::pin(self.0.inputs.send(input)).await;
    }
}
