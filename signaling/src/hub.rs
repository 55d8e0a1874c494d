//! The hub: who is connected, who waits, and who talks to whom.

mod administration;
mod arrivals;
mod blocks;
mod connections;
mod drain;
mod identity;
mod introductions;
mod leases;
mod numbers;
mod pairs;
mod presence;
mod queue;
mod relations;
mod reports;
mod requests;
mod rooms;
mod seats;
mod sessions;
mod story;
mod whereabouts;
mod words;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use self::connections::{Beat, Connections};
use self::drain::Drain;
use self::identity::Identities;
use self::relations::Relations;
use self::rooms::Rooms;
use self::seats::{SeatId, Seats, State};
use self::sessions::Sessions;
use self::story::Number;
use crate::budgets::Budgets;
use crate::refusal::{ErrorCode, Refusal};
use crate::tokens::{ResumeTokens, Signer};
use crate::wire::{ClientMessage, Envelope, ServerMessage, decode, invalid};
use crate::{
    CloseCode, Config, ConnectionId, Departure, Event, IceServers, Keys, MatchRequest, NodeId,
    Origin, Output, Outside, PartnerNews, Place, Protocol, RemotePartner, Role, SessionId,
    TicketId,
};

/// Pings at no distance from each other would never end.
const MIN_HEARTBEAT: Duration = Duration::from_secs(1);

/// The signaling state machine; see the [crate] for how it is driven.
///
/// A connection is a socket; a seat is whoever has said behind it who it is. The seat of a client that has said `hello`
/// outlives its connection for a while, and is come back to by another one; any other goes with it. What holds at all
/// times: a user has at most one seat; a connection serves at most one seat, and a seat is served by at most one; a seat
/// waits with one ticket, or is in one session, or neither; the two sides of a session are two seats, of which one may be
/// at another node, and each is in it.
/// All maps are ordered ones: user names are a stranger's choice, and a tree has no collisions to force
/// and no rehash to wait for.
pub struct Hub {
    config: Config,
    connections: Connections,
    identities: Identities,
    seats: Seats,
    sessions: Sessions,
    budgets: Budgets,
    relations: Relations,
    rooms: Rooms,
    signer: Signer,
    resume_tokens: ResumeTokens,
    /// Tells this hub from the one before it, which knew other seats.
    epoch: String,
    outputs: VecDeque<Output>,
    requests: VecDeque<MatchRequest>,
    /// Seats that are to hear how far their messages have arrived, and since when.
    acks: Vec<SeatId>,
    acks_since: Option<Duration>,
    /// The name of the mode of nearly all, once for all of them.
    global: Arc<str>,
    /// What the matcher was told last of whether there is company.
    in_company: bool,
    draining: Option<Drain>,
}

impl Hub {
    /// A hub without connections.
    pub fn new(mut config: Config, keys: &Keys) -> Self {
        config.heartbeat_interval = config.heartbeat_interval.max(MIN_HEARTBEAT);
        let [epoch, _] = keys.derive(0);
        Self {
            config,
            connections: Connections::new(),
            identities: Identities::default(),
            seats: Seats::new(),
            sessions: Sessions::new(keys.derive(1)),
            budgets: Budgets::new(keys.derive(2)),
            relations: Relations::new(),
            rooms: Rooms::new(keys.derive(5)),
            signer: Signer::new(&keys.secrets),
            resume_tokens: ResumeTokens::new(keys.derive(3)),
            epoch: format!("{epoch:016x}"),
            outputs: VecDeque::new(),
            requests: VecDeque::new(),
            acks: Vec::new(),
            acks_since: None,
            global: crate::config::GLOBAL.into(),
            in_company: false,
            draining: None,
        }
    }

    /// A client has connected, from there; `None` if that says nothing of whose it is, as behind a proxy on the same
    /// machine. After [`Hub::drain`] it is sent away again.
    pub fn connect(&mut self, now: Duration, id: ConnectionId, origin: Option<Origin>) {
        self.connections.open(now, id, origin, &self.config);
        self.event(Event::Connected);
        if self.draining.is_some() {
            self.turn_away(now, id);
        }
    }

    /// A client's connection is gone. Its place in the queue and its session stay for a while if the client can come back
    /// for them, and has not said goodbye.
    pub fn disconnect(&mut self, now: Duration, id: ConnectionId, departure: Departure) {
        self.forget(now, id, departure);
    }

    /// A client has sent a text message.
    pub fn handle_message(
        &mut self,
        now: Duration,
        id: ConnectionId,
        text: &str,
        outside: &mut impl Outside,
    ) {
        let Some(seat) = self.read(now, id, text.len()) else { return };
        self.read_message(now, id, seat, text, outside);
        // Afterwards: it may have changed its mind about whether it waits. A first message may be the answer to what was
        // asked of an earlier connection.
        if let Some(seat) = self.connections.seat(id) {
            self.agree(now, seat);
        }
        self.open_doors(now, outside);
    }

    fn read_message(
        &mut self,
        now: Duration,
        id: ConnectionId,
        seat: Option<SeatId>,
        text: &str,
        outside: &mut impl Outside,
    ) {
        // Fields of the new wire are none of the old one's, where an app may mean something else by them.
        let counts = seat.filter(|seat| self.seats.get(*seat).protocol() == Protocol::Resumable);
        let read = decode(text).and_then(|Envelope { numbers, message }| {
            Ok((if counts.is_some() { numbers.read()? } else { (None, None) }, message))
        });
        let ((number, ack), message) = match read {
            Ok(read) => read,
            Err(refusal) => return self.refuse(id, &refusal),
        };
        match counts.map(|seat| self.take_numbers(now, seat, number, ack)) {
            Some(Number::Seen) => return,
            Some(Number::Ahead) => {
                let refusal = invalid("id must be the last one and 1");
                return self.refuse(id, &Refusal { id: number, ..refusal });
            }
            Some(Number::Next) | None => {}
        }
        let done = match (message, seat) {
            (Err(refusal), _) => Err(refusal),
            (Ok(ClientMessage::Hello(hello)), None) => self.hello(now, id, *hello, outside),
            (Ok(ClientMessage::Hello(_)), Some(_)) => {
                Err(Refusal::new(ErrorCode::BadMessage, "hello comes first, and once"))
            }
            (Ok(ClientMessage::JoinQueue(join)), seat) => {
                self.join_queue(now, id, seat, *join, outside)
            }
            (Ok(ClientMessage::LeaveQueue), seat) => {
                seat.into_iter().for_each(|seat| self.leave_queue(seat));
                Ok(())
            }
            (Ok(ClientMessage::RenewToken { token }), _) => {
                self.renew_token(now, id, &token, outside)
            }
            (Ok(ClientMessage::Ping), _) => {
                self.send(id, &ServerMessage::Pong {});
                Ok(())
            }
            // What it agrees to is seen to afterwards, as with any other message.
            (Ok(ClientMessage::Ack | ClientMessage::Accept), _) => Ok(()),
            (Ok(ClientMessage::CreateRoom(whom)), seat) => {
                self.create_room(now, id, seat, whom, outside)
            }
            (Ok(ClientMessage::JoinRoom { whom, code }), seat) => {
                self.join_room(now, id, seat, (whom, &code), outside)
            }
            // Whoever has not joined yet has no session.
            (Ok(_), None) => Err(Refusal::no_session()),
            (Ok(message), Some(seat)) => self.asked_by(now, seat, message, outside),
        };
        if let Err(refusal) = done {
            self.refuse(id, &Refusal { id: number, ..refusal });
        }
    }

    /// A client has sent a binary message; the protocol has none.
    pub fn handle_binary(&mut self, now: Duration, id: ConnectionId) {
        let Some(seat) = self.read(now, id, 0) else { return };
        let message = "binary messages are not understood";
        self.refuse(id, &Refusal::new(ErrorCode::BadMessage, message));
        self.show_life(now, seat);
    }

    /// A client has answered a ping, or shown life in another way that is no message.
    pub fn handle_pong(&mut self, now: Duration, id: ConnectionId) {
        if let Some(seat) = self.connections.alive(now, id) {
            self.show_life(now, seat);
        }
    }

    /// The matcher lets a ticket wait at this place.
    pub fn queued(&mut self, ticket: TicketId, place: Place) {
        if let Some(seat) = self.seats.set_place(ticket, place) {
            self.tell_place(seat, place);
        }
    }

    /// The matcher offers two to each other. [`MatchRequest::Acknowledge`] follows for each that agrees.
    pub fn offered(&mut self, now: Duration, first: TicketId, second: TicketId) {
        self.offer(now, [first, second]);
    }

    /// The matcher has forgotten a ticket that did not agree to an offer in time.
    pub fn lapsed(&mut self, ticket: TicketId) {
        self.lapse(ticket);
    }

    /// The matcher has put two tickets together that agree, `first` being the older one, and forgotten both.
    ///
    /// Either may be gone by now; the other one's [`MatchRequest::Seek`] is then repeated.
    pub fn matched(
        &mut self,
        now: Duration,
        first: TicketId,
        second: TicketId,
        ice: &mut impl IceServers,
    ) {
        self.introduce(now, first, second, ice);
    }

    /// A ticket of this hub's and one of another node's have been put together: both are told, each by its own, and the
    /// session has the same id at both. What the partner does comes by [`Hub::partner_news`].
    pub fn matched_with(
        &mut self,
        now: Duration,
        ticket: TicketId,
        session: (SessionId, Role),
        partner: RemotePartner,
        ice: &mut impl IceServers,
    ) {
        self.pair_with(now, ticket, session, partner, ice);
    }

    /// An id for a session that is to begin here and at another node.
    pub fn new_session_id(&mut self) -> SessionId {
        self.sessions.new_id()
    }

    /// Another node, which has the other side of a session, says what became of it.
    pub fn partner_news(
        &mut self,
        now: Duration,
        from: NodeId,
        session: SessionId,
        news: PartnerNews,
    ) {
        self.hear_from_node(now, from, session, news);
    }

    /// The matcher has let a ticket wait until its end, and forgotten it.
    pub fn expired(&mut self, ticket: TicketId) {
        self.queue_timeout(ticket);
    }

    /// Stops: nobody is matched any more, and every client is sent elsewhere, one after the other within `spread`, with
    /// `grace` to go by itself. Who is in a session goes on being heard until then; who comes is sent away at once.
    pub fn drain(&mut self, now: Duration, spread: Duration, grace: Duration) {
        self.begin_drain(now, spread, grace);
    }

    /// Does what is due. To be called at [`Hub::poll_timeout`], and after every few inputs: then clients hear that their
    /// messages have arrived. Earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Duration, ice: &mut impl IceServers) {
        self.send_acks();
        while let Some(beat) = self.connections.beat(now, &self.config) {
            match beat {
                Beat::Ping(to) => self.outputs.push_back(Output::Ping { to }),
                Beat::Dead(id) => self.close(now, id, CloseCode::HeartbeatTimeout),
            }
        }
        self.expire_tokens(now);
        while let Some(seat) = self.seats.given_up(now) {
            self.give_up(now, seat);
        }
        while let Some(session) = self.sessions.expired(now) {
            self.expire(now, session);
        }
        while let Some(seat) = self.seats.ice_due(now) {
            self.renew_ice(now, seat, ice);
        }
        self.see_to_rooms(now, ice);
        self.go_on_draining(now);
    }

    /// When [`Hub::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let drain = self.draining.as_ref().and_then(Drain::next);
        [
            self.acks_since,
            self.connections.next_beat(),
            self.identities.next(),
            self.seats.next_due(),
            self.sessions.next_end(),
            self.rooms.next_due(),
            drain,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// What to do next; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What to ask of the matcher next; `None` when all is asked.
    pub fn poll_match_request(&mut self) -> Option<MatchRequest> {
        let in_company = self.seats.waiting() + 2 * self.sessions.len() > 2;
        if std::mem::replace(&mut self.in_company, in_company) != in_company {
            return Some(MatchRequest::InCompany(in_company));
        }
        self.requests.pop_front()
    }

    /// Tells somebody, by whichever connection it is reached, or when it comes back.
    fn tell(&mut self, seat: SeatId, message: &ServerMessage<'_>) {
        let (connection, text) = self.seats.tell(seat, message);
        if let Some(to) = connection {
            self.outputs.push_back(Output::Send { to, kind: message.kind(), text });
        }
    }

    /// Says something that is not numbered.
    fn send(&mut self, to: ConnectionId, message: &ServerMessage<'_>) {
        let text = message.encode().into();
        self.outputs.push_back(Output::Send { to, kind: message.kind(), text });
    }

    fn refuse(&mut self, to: ConnectionId, refusal: &Refusal) {
        match self.connections.seat(to) {
            Some(seat) => self.tell(seat, &refusal.into()),
            None => self.send(to, &refusal.into()),
        }
        self.event(Event::Refused(refusal.code));
    }

    /// A number that clients cannot foresee.
    fn jitter(&mut self) -> u64 {
        let (_, hash) = self.resume_tokens.next();
        hash.as_u64()
    }

    fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}
