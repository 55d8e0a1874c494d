//! The hub's task: sole owner of the hub and the matcher, so that neither needs a lock.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hairpin_matcher::{Match, Matcher, Outcome, Ticket};
use hairpin_signaling::{
    Config, ConnectionId, Event, Hub, IceGrant, IceServers, Output, Seek, TicketId,
};
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
    hub: Hub,
    matcher: Matcher,
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
            hub: Hub::new(config, rand::random()),
            matcher: Matcher::new(),
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
            let timeout = self.hub.poll_timeout();
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
            self.hub.handle_timeout(now);
            self.carry_out(now);
            self.metrics.signaling.now(
                self.hub.queue_len(),
                self.hub.sessions(),
                self.hub.connections(),
            );
        }
    }

    fn handle(&mut self, now: Duration, input: Input) {
        match input {
            Input::Connected(id, client) => {
                self.clients.insert(id, client);
                self.hub.connect(now, id);
            }
            Input::Text(id, text) => self.hub.handle_message(now, id, &text),
            Input::Binary(id) => self.hub.handle_binary(now, id),
            Input::Alive(id) => self.hub.handle_pong(now, id),
            Input::Disconnected(id, close) => {
                self.forget(now, id);
                close.into_iter().for_each(|code| self.metrics.signaling.closed(code));
            }
            Input::Drain => self.hub.drain(now),
        }
    }

    fn carry_out(&mut self, now: Duration) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Send { to, text } => self.send(now, to, Outgoing::Text(text)),
                Output::Ping { to } => self.send(now, to, Outgoing::Ping),
                Output::Close { to, code } => {
                    self.send(now, to, Outgoing::Close(code));
                    self.clients.remove(&to);
                }
                Output::Seek(seek) => self.seek(now, seek),
                Output::Unseek(TicketId(id)) => {
                    self.matcher.remove(hairpin_matcher::TicketId(id));
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
        self.hub.disconnect(now, id);
    }

    fn seek(&mut self, now: Duration, Seek { ticket, user, pool }: Seek) {
        let id = hairpin_matcher::TicketId(ticket.0);
        match self.matcher.insert(now, Ticket { id, user, pool }).outcome {
            Outcome::Waiting { position } => self.hub.queued(ticket, position),
            Outcome::Matched(Match { first, second }) => {
                let mut ice = ClientsIce { issuer: &self.ice, clients: &self.clients };
                self.hub.matched(now, TicketId(first.id.0), TicketId(second.id.0), &mut ice);
            }
        }
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
