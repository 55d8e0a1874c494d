//! The hub: who is connected, who waits, and who talks to whom.

mod link;
mod presence;
mod queue;
mod session;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use self::link::{Link, State};
use self::session::Session;
use crate::ids::SessionIds;
use crate::refusal::{ErrorCode, Refusal};
use crate::timers::{Timer, Timers};
use crate::wire::{ClientMessage, ServerMessage, decode};
use crate::{Config, ConnectionId, DEFAULT_POOL, Event, IceServers, Output, SessionId, TicketId};

/// Pings at no distance from each other would never end.
const MIN_HEARTBEAT: Duration = Duration::from_secs(1);

/// The signaling state machine; see the [crate] for how it is driven.
///
/// What holds at all times: a user belongs to at most one connection; a connection waits with one ticket,
/// or is in one session, or neither; the two sides of a session are two users, and each is in it.
/// All maps are ordered ones: user names are a stranger's choice, and a tree has no collisions to force
/// and no rehash to wait for.
pub struct Hub {
    config: Config,
    links: BTreeMap<ConnectionId, Link>,
    users: BTreeMap<Arc<str>, ConnectionId>,
    tickets: BTreeMap<TicketId, ConnectionId>,
    sessions: BTreeMap<SessionId, Session>,
    timers: Timers,
    outputs: VecDeque<Output>,
    session_ids: SessionIds,
    last_ticket: u64,
    default_pool: Arc<str>,
    draining: bool,
}

impl Hub {
    /// A hub without connections. `seed` is the secret that session ids are made with: 128 random bits, but in a test.
    pub fn new(mut config: Config, seed: [u64; 2]) -> Self {
        config.heartbeat = config.heartbeat.max(MIN_HEARTBEAT);
        Self {
            session_ids: SessionIds::new(seed),
            config,
            links: BTreeMap::new(),
            users: BTreeMap::new(),
            tickets: BTreeMap::new(),
            sessions: BTreeMap::new(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            last_ticket: 0,
            default_pool: DEFAULT_POOL.into(),
            draining: false,
        }
    }

    /// A client has connected. After [`Hub::drain`] it is sent away again.
    pub fn connect(&mut self, now: Duration, id: ConnectionId) {
        self.admit(now, id);
    }

    /// A client's connection is gone. Its place in the queue and its session go with it.
    pub fn disconnect(&mut self, now: Duration, id: ConnectionId) {
        self.forget(now, id);
    }

    /// A client has sent a text message.
    pub fn handle_message(&mut self, now: Duration, id: ConnectionId, text: &str) {
        if !self.accept(now, id, text.len()) {
            return;
        }
        let done = match decode(text) {
            Ok(ClientMessage::JoinQueue { user, pool }) => self.join_queue(now, id, &user, &pool),
            Ok(ClientMessage::LeaveQueue) => {
                self.leave_queue(id);
                Ok(())
            }
            Ok(ClientMessage::Signal { session, signal }) => self.signal(id, session, signal),
            Ok(ClientMessage::Skip { session }) => self.skip(now, id, session),
            Ok(ClientMessage::EndSession { session }) => self.end_session(now, id, session),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = done {
            self.refuse(id, &refusal);
        }
    }

    /// A client has sent a binary message; the protocol has none.
    pub fn handle_binary(&mut self, now: Duration, id: ConnectionId) {
        if self.accept(now, id, 0) {
            self.refuse(
                id,
                &Refusal::new(ErrorCode::BadMessage, "binary messages are not understood"),
            );
        }
    }

    /// A client has answered a ping, or shown life in another way that is no message.
    pub fn handle_pong(&mut self, now: Duration, id: ConnectionId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.last_heard = now;
        }
    }

    /// The matcher lets a ticket wait at this place (1 is the next to be matched).
    pub fn queued(&mut self, ticket: TicketId, position: usize) {
        self.tell_position(ticket, position);
    }

    /// The matcher has put two tickets together, `first` being the older one, and forgotten both.
    ///
    /// Either may be gone by now; the other one's [`Output::Seek`] is then repeated.
    pub fn matched(
        &mut self,
        now: Duration,
        first: TicketId,
        second: TicketId,
        ice: &mut impl IceServers,
    ) {
        self.pair(now, first, second, ice);
    }

    /// Stops: tells every client, closes every connection, and admits no more.
    pub fn drain(&mut self, now: Duration) {
        self.draining = true;
        while let Some((&id, _)) = self.links.first_key_value() {
            self.turn_away(now, id);
        }
    }

    /// Does what is due. To be called at [`Hub::poll_timeout`]; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(timer) = self.timers.pop_due(now) {
            match timer {
                Timer::Heartbeat(connection) => self.heartbeat(now, connection),
                Timer::Queue(ticket) => self.queue_timeout(ticket),
                Timer::Session(session) => self.expire(now, session),
            }
        }
    }

    /// When [`Hub::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        self.timers.next()
    }

    /// What to do next; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many users wait.
    pub fn queue_len(&self) -> usize {
        self.tickets.len()
    }

    /// How many pairs there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.links.len()
    }

    fn send(&mut self, to: ConnectionId, message: &ServerMessage<'_>) {
        self.outputs.push_back(Output::Send { to, text: message.encode() });
    }

    fn refuse(&mut self, to: ConnectionId, refusal: &Refusal) {
        self.send(to, &refusal.into());
        self.event(Event::Refused(refusal.code));
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
