//! The hub's task: sole owner of the lobby, so that it needs no lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hairpin_lobby::Lobby;
use hairpin_signaling::{Config, ConnectionId, Event, IceGrant, IceServers, Output};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::handle::{Client, Input, Outgoing};
use crate::clock::Clock;
use crate::ice::IceIssuer;
use crate::metrics::Metrics;

/// Inputs handled per reading of the clock.
const BATCH: usize = 256;

/// Drives the hub.
pub(super) struct Driver {
    lobby: Lobby,
    clients: HashMap<ConnectionId, Client>,
    ice: Arc<IceIssuer>,
    metrics: Arc<Metrics>,
    clock: Clock,
}

impl Driver {
    pub(super) fn new(
        config: Config,
        ice: Arc<IceIssuer>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        Self {
            lobby: Lobby::new(config, rand::random()),
            clients: HashMap::new(),
            ice,
            metrics,
            clock,
        }
    }

    /// Runs until nobody is left to tell it anything.
    pub(super) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let timeout = self.lobby.poll_timeout();
            let due = self.clock.instant(timeout.unwrap_or_default());
            tokio::select! {
                received = inputs.recv_many(&mut batch, BATCH) => if received == 0 { return },
                () = tokio::time::sleep_until(due), if timeout.is_some() => {}
            }
            let now = self.clock.monotonic();
            for input in batch.drain(..) {
                self.handle(now, input);
                self.carry_out(now);
            }
            let mut ice = ClientsIce { issuer: &self.ice, clients: &self.clients };
            self.lobby.handle_timeout(now, &mut ice);
            self.carry_out(now);
            let hub = self.lobby.hub();
            self.metrics.signaling.now(hub.queue_len(), hub.sessions(), hub.connections());
        }
    }

    fn handle(&mut self, now: Duration, input: Input) {
        match input {
            Input::Connected(id, client) => {
                self.clients.insert(id, client);
                self.lobby.connect(now, id);
            }
            Input::Text(id, text) => {
                let mut ice = ClientsIce { issuer: &self.ice, clients: &self.clients };
                self.lobby.handle_message(now, id, &text, &mut ice);
            }
            Input::Binary(id) => self.lobby.handle_binary(now, id),
            Input::Alive(id) => self.lobby.handle_pong(now, id),
            Input::Disconnected(id, close) => {
                self.forget(now, id);
                close.into_iter().for_each(|code| self.metrics.signaling.closed(code));
            }
            Input::Drain => self.lobby.drain(now),
        }
    }

    fn carry_out(&mut self, now: Duration) {
        while let Some(output) = self.lobby.poll_output() {
            match output {
                Output::Send { to, text, .. } => self.send(now, to, Outgoing::Text(text)),
                Output::Ping { to } => self.send(now, to, Outgoing::Ping),
                Output::Close { to, code } => {
                    self.send(now, to, Outgoing::Close(code));
                    self.clients.remove(&to);
                }
                Output::Event(event) => self.count(event),
            }
        }
    }

    /// Queues a message, and drops the client that has no room for it: its socket closes as too slow.
    fn send(&mut self, now: Duration, to: ConnectionId, message: Outgoing) {
        let Some(client) = self.clients.get(&to) else { return };
        match client.queue.try_send(message) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => self.forget(now, to),
        }
    }

    fn forget(&mut self, now: Duration, id: ConnectionId) {
        self.clients.remove(&id);
        self.lobby.disconnect(now, id);
    }

    fn count(&self, event: Event) {
        let metrics = &self.metrics.signaling;
        match event {
            Event::Matched { waited } => metrics.matched(waited),
            Event::SessionEnded { reason, .. } => metrics.ended(reason.as_str()),
            Event::Refused(code) => metrics.refused(code.as_str()),
            _ => {}
        }
    }
}

/// Issues ICE servers with the URLs that each client came with.
struct ClientsIce<'a> {
    issuer: &'a IceIssuer,
    clients: &'a HashMap<ConnectionId, Client>,
}

impl IceServers for ClientsIce<'_> {
    fn issue(&mut self, connection: ConnectionId, user: &str) -> IceGrant {
        let urls = self.clients.get(&connection).map(|client| client.ice.clone());
        self.issuer.issue_to(&urls.unwrap_or_default(), user)
    }
}
