//! How the rest of the program speaks to the hub's task.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hairpin_signaling::{CloseCode, ConnectionId};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::ice::IceUrls;

/// Messages that wait for a client to read them. One that has this many unread is too slow.
pub(super) const QUEUE: usize = 64;

/// What the hub's task hears.
#[derive(Debug)]
pub(super) enum Input {
    Connected(ConnectionId, Client),
    Text(ConnectionId, Utf8Bytes),
    Binary(ConnectionId),
    Alive(ConnectionId),
    /// With the status code, if we closed it.
    Disconnected(ConnectionId, Option<u16>),
    Drain,
}

/// What the hub's task keeps of a client.
#[derive(Debug)]
pub(super) struct Client {
    /// Where its messages go. Closed without a [`Outgoing::Close`], it says that it was too full.
    pub(super) queue: mpsc::Sender<Outgoing>,
    /// Where it finds the relay.
    pub(super) ice: IceUrls,
}

/// What a socket is told.
#[derive(Debug)]
pub(super) enum Outgoing {
    Text(String),
    Ping,
    Close(CloseCode),
}

/// Speaks to the hub's task. Every method waits while that has too much to do, which leaves the sockets
/// unread and so slows the clients down.
#[derive(Clone, Debug)]
pub(crate) struct HubHandle {
    inputs: mpsc::Sender<Input>,
    next: Arc<AtomicU64>,
}

impl HubHandle {
    pub(super) fn new(inputs: mpsc::Sender<Input>) -> Self {
        Self { inputs, next: Arc::default() }
    }

    /// A client has come; its messages come out of the receiver. To be followed by
    /// [`HubHandle::disconnected`], however it ends.
    pub(super) async fn connect(&self, ice: IceUrls) -> (ConnectionId, mpsc::Receiver<Outgoing>) {
        let id = ConnectionId(self.next.fetch_add(1, Ordering::Relaxed));
        let (queue, receiver) = mpsc::channel(QUEUE);
        self.tell(Input::Connected(id, Client { queue, ice })).await;
        (id, receiver)
    }

    pub(super) async fn text(&self, id: ConnectionId, text: Utf8Bytes) {
        self.tell(Input::Text(id, text)).await;
    }

    pub(super) async fn binary(&self, id: ConnectionId) {
        self.tell(Input::Binary(id)).await;
    }

    pub(super) async fn alive(&self, id: ConnectionId) {
        self.tell(Input::Alive(id)).await;
    }

    /// A client has gone, or has been closed with a status code.
    pub(super) async fn disconnected(&self, id: ConnectionId, close: Option<u16>) {
        self.tell(Input::Disconnected(id, close)).await;
    }

    /// Sends every client away, and every one that is still to come.
    pub(crate) async fn drain(&self) {
        self.tell(Input::Drain).await;
    }

    async fn tell(&self, input: Input) {
        // Without its task there is no hub: the runtime is going down, and the sockets with it.
        let _ = self.inputs.send(input).await;
    }
}
