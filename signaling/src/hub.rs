//! The hub: who is connected, who waits, and who talks to whom.

mod connections;
mod pairs;
mod presence;
mod queue;
mod seats;
mod sessions;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::connections::{Beat, Connections};
use self::seats::{SeatId, Seats, State};
use self::sessions::Sessions;
use crate::budgets::Budgets;
use crate::refusal::{ErrorCode, Refusal};
use crate::wire::{ClientMessage, ServerMessage, decode};
use crate::{
    CloseCode, Config, ConnectionId, DEFAULT_POOL, Event, IceServers, MatchRequest, Origin, Output,
    TicketId,
};

/// Pings at no distance from each other would never end.
const MIN_HEARTBEAT: Duration = Duration::from_secs(1);

/// The signaling state machine; see the [crate] for how it is driven.
///
/// A connection is a socket; a seat is whoever has said behind it who it is. What holds at all times: a user has at
/// most one seat; a seat waits with one ticket, or is in one session, or neither; the two sides of a session are two
/// seats, and each is in it.
/// All maps are ordered ones: user names are a stranger's choice, and a tree has no collisions to force
/// and no rehash to wait for.
pub struct Hub {
    config: Config,
    connections: Connections,
    seats: Seats,
    sessions: Sessions,
    budgets: Budgets,
    outputs: VecDeque<Output>,
    requests: VecDeque<MatchRequest>,
    default_pool: Arc<str>,
    draining: bool,
}

impl Hub {
    /// A hub without connections. `seed` is the secret that session ids are made with: 128 random bits, but in a test.
    pub fn new(mut config: Config, seed: [u64; 2]) -> Self {
        config.heartbeat_interval = config.heartbeat_interval.max(MIN_HEARTBEAT);
        Self {
            config,
            connections: Connections::new(),
            seats: Seats::new(),
            sessions: Sessions::new(seed),
            // Another key than that of the session ids.
            budgets: Budgets::new(seed.map(|half| !half)),
            outputs: VecDeque::new(),
            requests: VecDeque::new(),
            default_pool: DEFAULT_POOL.into(),
            draining: false,
        }
    }

    /// A client has connected, from there; `None` if that says nothing of whose it is, as behind a proxy on the same
    /// machine. After [`Hub::drain`] it is sent away again.
    pub fn connect(&mut self, now: Duration, id: ConnectionId, origin: Option<Origin>) {
        self.connections.open(now, id, origin, &self.config);
        self.event(Event::Connected);
        if self.draining {
            self.turn_away(now, id);
        }
    }

    /// A client's connection is gone. Its place in the queue and its session go with it.
    pub fn disconnect(&mut self, now: Duration, id: ConnectionId) {
        self.forget(now, id);
    }

    /// A client has sent a text message.
    pub fn handle_message(&mut self, now: Duration, id: ConnectionId, text: &str) {
        let Some(seat) = self.read(now, id, text.len()) else { return };
        let done = match (decode(text), seat) {
            (Err(refusal), _) => Err(refusal),
            (Ok(ClientMessage::JoinQueue { user, pool }), _) => {
                self.join_queue(now, id, &user, &pool)
            }
            (Ok(ClientMessage::LeaveQueue), seat) => {
                seat.into_iter().for_each(|seat| self.leave_queue(seat));
                Ok(())
            }
            // Whoever has not joined yet has no session.
            (Ok(_), None) => Err(Refusal::no_session()),
            (Ok(ClientMessage::Signal { session, signal }), Some(seat)) => {
                self.signal(seat, session, signal)
            }
            (Ok(ClientMessage::Skip { session }), Some(seat)) => self.skip(now, seat, session),
            (Ok(ClientMessage::EndSession { session }), Some(seat)) => {
                self.end_session(now, seat, session)
            }
        };
        if let Err(refusal) = done {
            self.refuse(id, &refusal);
        }
    }

    /// A client has sent a binary message; the protocol has none.
    pub fn handle_binary(&mut self, now: Duration, id: ConnectionId) {
        if self.read(now, id, 0).is_some() {
            self.refuse(
                id,
                &Refusal::new(ErrorCode::BadMessage, "binary messages are not understood"),
            );
        }
    }

    /// A client has answered a ping, or shown life in another way that is no message.
    pub fn handle_pong(&mut self, now: Duration, id: ConnectionId) {
        self.connections.alive(now, id);
    }

    /// The matcher lets a ticket wait at this place (1 is the next to be matched).
    pub fn queued(&mut self, ticket: TicketId, position: usize) {
        if let Some(to) = self.seats.set_position(ticket, position) {
            self.send(to, &ServerMessage::Queued { position });
        }
    }

    /// The matcher has put two tickets together, `first` being the older one, and forgotten both.
    ///
    /// Either may be gone by now; the other one's [`MatchRequest::Seek`] is then repeated.
    pub fn matched(
        &mut self,
        now: Duration,
        first: TicketId,
        second: TicketId,
        ice: &mut impl IceServers,
    ) {
        self.pair(now, first, second, ice);
    }

    /// The matcher has let a ticket wait until its end, and forgotten it.
    pub fn expired(&mut self, ticket: TicketId) {
        self.queue_timeout(ticket);
    }

    /// Stops: tells every client, closes every connection, and admits no more.
    pub fn drain(&mut self, now: Duration) {
        self.draining = true;
        while let Some(id) = self.connections.any() {
            self.turn_away(now, id);
        }
    }

    /// Does what is due. To be called at [`Hub::poll_timeout`]; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Duration) {
        while let Some(beat) = self.connections.beat(now, &self.config) {
            match beat {
                Beat::Ping(to) => self.outputs.push_back(Output::Ping { to }),
                Beat::Dead(id) => self.close(now, id, CloseCode::HeartbeatTimeout),
            }
        }
        while let Some(session) = self.sessions.expired(now) {
            self.expire(now, session);
        }
    }

    /// When [`Hub::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        [self.connections.next_beat(), self.sessions.next_end()].into_iter().flatten().min()
    }

    /// What to do next; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What to ask of the matcher next; `None` when all is asked.
    pub fn poll_match_request(&mut self) -> Option<MatchRequest> {
        self.requests.pop_front()
    }

    /// How many users wait.
    pub fn queue_len(&self) -> usize {
        self.seats.waiting()
    }

    /// How many pairs there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Tells somebody, by whichever connection it is reached.
    fn tell(&mut self, seat: SeatId, message: &ServerMessage<'_>) {
        self.send(self.seats.get(seat).connection, message);
    }

    fn send(&mut self, to: ConnectionId, message: &ServerMessage<'_>) {
        self.outputs.push_back(Output::Send { to, kind: message.kind(), text: message.encode() });
    }

    fn refuse(&mut self, to: ConnectionId, refusal: &Refusal) {
        self.send(to, &refusal.into());
        self.event(Event::Refused(refusal.code));
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
