//! The hub's task: sole owner of the lobby, so that it needs no lock.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use hairpin_lobby::Lobby;
use hairpin_signaling::{
    BadToken, CloseCode, Config, ConnectionId, Departure, Event, Hub, IceGrant, IceServers,
    Identity, Keys, MessageKind, Origin, Output, SessionId, Tokens,
};
use tokio::sync::mpsc;

use super::administration::Observed;
use super::handle::{Client, Input};
use super::outbox::{Full, Held, Outbox};
use crate::clock::Clock;
use crate::ice::IceIssuer;
use crate::identity::Verifier;
use crate::log_limit::LogLimit;
use crate::metrics::Metrics;
use crate::net::network;

/// Inputs handled per reading of the clock.
const BATCH: usize = 256;

/// How long a client may wait to hear that its messages have arrived. Meanwhile it nearly always is told something else,
/// and a second write, which costs more than all else about a signal, is saved.
const ACK_DELAY: Duration = Duration::from_millis(100);

/// Drives the lobby.
pub(super) struct Driver {
    lobby: Lobby,
    clients: HashMap<ConnectionId, Client>,
    wakers: Wakers,
    /// Whose acks are to leave, unless they have with a message, and when.
    acks: VecDeque<(Duration, ConnectionId)>,
    origins: RandomState,
    observed: Observed,
    ice: Arc<IceIssuer>,
    tokens: Arc<Verifier>,
    metrics: Arc<Metrics>,
    clock: Clock,
    /// From the clock's origin to the lobby's, which is 1970.
    since_1970: Duration,
}

impl Driver {
    pub(super) fn new(
        config: Config,
        secrets: &[Box<[u8]>],
        ice: Arc<IceIssuer>,
        tokens: Arc<Verifier>,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        let keys = Keys { seed: rand::random(), secrets: secrets.to_vec() };
        Self {
            lobby: Lobby::new(config, &keys),
            clients: HashMap::new(),
            wakers: Wakers::default(),
            acks: VecDeque::new(),
            origins: RandomState::new(),
            observed: Observed::default(),
            ice,
            tokens,
            metrics,
            clock,
            since_1970: Duration::from_secs(Clock::unix()).saturating_sub(clock.monotonic()),
        }
    }

    /// Runs until nobody is left to tell it anything.
    pub(super) async fn run(mut self, mut inputs: mpsc::Receiver<Input>) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let ack = self.acks.front().map(|&(due, _)| due);
            let timeout = [self.lobby.poll_timeout(), ack].into_iter().flatten().min();
            let due = timeout.unwrap_or_default().saturating_sub(self.since_1970);
            let due = self.clock.instant(due);
            tokio::select! {
                received = inputs.recv_many(&mut batch, BATCH) => if received == 0 { return },
                () = tokio::time::sleep_until(due), if timeout.is_some() => {}
            }
            let now = self.clock.monotonic() + self.since_1970;
            for input in batch.drain(..) {
                self.handle(now, input);
                self.carry_out(now);
            }
            self.with_ice(|lobby, ice| lobby.handle_timeout(now, ice));
            self.carry_out(now);
            self.release_acks(now);
            let hub = self.lobby.hub();
            self.metrics.signaling.now(
                hub.queue_len(),
                hub.sessions(),
                hub.connections(),
                hub.away(),
            );
            self.wakers.wake();
        }
    }

    fn handle(&mut self, now: Duration, input: Input) {
        match input {
            Input::Connected(id, client, identity) => {
                let origin = self.origin(client.address);
                self.clients.insert(id, client);
                self.lobby.connect(now, id, origin);
                if let Some(identity) = identity {
                    self.lobby.identify(now, id, *identity);
                }
            }
            Input::Text { from, at, text } => self.read(now, from, at, &text),
            Input::Binary(id) => self.with_ice(|lobby, ice| lobby.handle_binary(now, id, ice)),
            Input::Alive(id) => self.with_ice(|lobby, ice| lobby.handle_pong(now, id, ice)),
            Input::Disconnected(id, departure) => {
                self.clients.remove(&id);
                self.with_ice(|lobby, ice| lobby.disconnect(now, id, departure, ice));
            }
            Input::Administer(act) => {
                self.with_ice(|lobby, ice| lobby.administer(now, ice, |hub| (act.0)(now, hub)));
            }
            Input::Begin(restored, observed) => {
                self.observed = observed;
                let taken = |hub: &mut Hub| hub.restore(now, *restored);
                let taken = self.with_ice(|lobby, ice| lobby.administer(now, ice, taken));
                if let Err(error) = taken {
                    tracing::error!(%error, "not all that was on record is in force");
                }
            }
            Input::Drain { spread, grace } => self.lobby.drain(now, spread, grace),
        }
    }

    /// Whose bounds a client shares. What comes over loopback is from a proxy that says no more, or from a test.
    fn origin(&self, address: IpAddr) -> Option<Origin> {
        let network = network(address);
        (!network.is_loopback()).then(|| Origin(self.origins.hash_one(network)))
    }

    fn read(&mut self, now: Duration, from: ConnectionId, at: Duration, text: &str) {
        let quiet = self.lobby.hub().queue_len() == 0 && self.lobby.hub().sessions() == 0;
        self.with_ice(|lobby, ice| lobby.handle_message(now, from, text, ice));
        if quiet && self.lobby.hub().queue_len() > 0 {
            self.metrics.signaling.burst_began(at);
        }
    }

    fn with_ice<T>(&mut self, act: impl FnOnce(&mut Lobby, &mut ClientsIce<'_>) -> T) -> T {
        let Self { ice, tokens, clients, .. } = self;
        let mut ice = ClientsIce { issuer: ice, tokens, clients };
        act(&mut self.lobby, &mut ice)
    }

    fn carry_out(&mut self, now: Duration) {
        while let Some(output) = self.lobby.poll_output() {
            match output {
                Output::Send { to, kind: MessageKind::Ack, text } => {
                    let Some(client) = self.clients.get(&to) else { continue };
                    let due = now + ACK_DELAY;
                    if client.outbox.hold_ack(due, text) == Held::First {
                        self.acks.push_back((due, to));
                    }
                }
                Output::Send { to, kind, text } => {
                    self.send(now, to, |outbox| outbox.text(kind, &text));
                }
                Output::Ping { to } => self.send(now, to, Outbox::ping),
                Output::Close { to, code } => self.close(to, code),
                // A lobby whose matcher is its own has all sides here.
                Output::ToNode { .. } => {}
                Output::Event(event) => self.count(event),
                Output::Record(record) => self.observed.tell(now, record),
            }
        }
    }

    fn release_acks(&mut self, now: Duration) {
        while let Some(&(due, to)) = self.acks.front()
            && due <= now
        {
            self.acks.pop_front();
            self.send(now, to, |outbox| outbox.release_ack(now));
        }
    }

    /// Puts a message into a client's outbox, and drops the client that has no room for it.
    fn send(
        &mut self,
        now: Duration,
        to: ConnectionId,
        put: impl FnOnce(&Outbox) -> Result<Option<Waker>, Full>,
    ) {
        let Some(client) = self.clients.get(&to) else { return };
        match put(&client.outbox) {
            Ok(waker) => self.wakers.0.extend(waker),
            Err(Full) => {
                self.close(to, CloseCode::SlowReader);
                self.with_ice(|lobby, ice| lobby.disconnect(now, to, Departure::Lost, ice));
            }
        }
    }

    fn close(&mut self, id: ConnectionId, code: CloseCode) {
        if let Some(client) = self.clients.remove(&id) {
            client.outbox.close(code);
        }
    }

    fn count(&self, event: Event) {
        let metrics = &self.metrics.signaling;
        match event {
            Event::Matched { waited } => metrics.matched(waited),
            Event::SessionEnded { reason, .. } => metrics.ended(reason.as_str()),
            Event::QueueTimeout => metrics.queue_timeout(),
            Event::Refused(code) => metrics.refused(code.as_str()),
            Event::Returned(how) => metrics.returned(how.name()),
            Event::Full => nothing_more_is_kept(),
            _ => {}
        }
    }
}

/// Strangers can bring it about, in an afternoon.
fn nothing_more_is_kept() {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.admit() {
        tracing::warn!(left_out, "no room for more blocks, bars or profiles: a new one is refused");
    }
}

/// Sockets to wake when the batch is done: what is said to one of them meanwhile leaves together. Woken at the latest
/// when the task ends, however it ends.
#[derive(Default)]
struct Wakers(Vec<Waker>);

impl Wakers {
    fn wake(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

impl Drop for Wakers {
    fn drop(&mut self) {
        self.wake();
    }
}

/// Issues ICE servers with the URLs that each client came with, and reads tokens.
struct ClientsIce<'a> {
    issuer: &'a IceIssuer,
    tokens: &'a Verifier,
    clients: &'a HashMap<ConnectionId, Client>,
}

impl Tokens for ClientsIce<'_> {
    fn verify(&mut self, token: &str) -> Result<Identity, BadToken> {
        self.tokens.verify(token)
    }
}

impl IceServers for ClientsIce<'_> {
    fn issue(&mut self, connection: ConnectionId, user: &str, session: SessionId) -> IceGrant {
        let urls = self.clients.get(&connection).map(|client| client.ice.clone());
        self.issuer.issue_in(&urls.unwrap_or_default(), user, session)
    }
}
