//! The whole product in virtual time.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hairpin_lobby::Lobby;
use hairpin_matcher::Matcher;
use hairpin_signaling::{Config, ConnectionId, Departure, Event, Hub, Keys, Output};
use serde_json::{Value, json};

use crate::nat::{Nat, NatKind};
use crate::person::{Action, Person};
use crate::rng::Rng;
use crate::shards::{RestIce, SERVER, Shards};

mod callers;

pub use callers::Calls;
use callers::{Caller, Ledger};

/// A packet on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// Its source, as the destination sees it.
    pub from: SocketAddr,
    /// Its destination.
    pub to: SocketAddr,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// A person of a [`System`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PersonId(usize);

/// A server and the people who use it.
///
/// The people's WebSockets lose and reorder nothing; neither do their datagrams. Everybody has a delay of its own.
pub struct System {
    now: Duration,
    coming: BTreeMap<(Duration, u64), Arrival>,
    scheduled: u64,
    lobby: Lobby,
    shards: Shards,
    people: Vec<Person>,
    callers: BTreeMap<PersonId, Caller>,
    ledger: Ledger,
    /// Who is behind a connection, as far as the network still carries anything.
    sockets: BTreeMap<ConnectionId, PersonId>,
    connections: BTreeMap<PersonId, ConnectionId>,
    opened: u64,
    events: Vec<Event>,
    rng: Rng,
}

/// What arrives somewhere.
enum Arrival {
    Opened(ConnectionId),
    Said(ConnectionId, String),
    Pong(ConnectionId),
    Gone(ConnectionId),
    Left(ConnectionId),
    Heard(ConnectionId, Frame),
    Datagram(Datagram),
    Wake(PersonId),
    /// A caller looks after its socket, or opens another.
    Tick(PersonId),
    Retry(PersonId),
}

/// What the server sends on a WebSocket.
enum Frame {
    Text(String),
    Ping,
    Close(u16),
}

impl System {
    /// A server with so many relay shards, and nobody there.
    pub fn new(seed: u64, shards: usize) -> Self {
        let mut rng = Rng::new(seed);
        let keys = Keys::new([rng.next_u64(), rng.next_u64()], b"north");
        let lobby = Lobby::new(Config::default(), &keys);
        Self {
            now: Duration::ZERO,
            coming: BTreeMap::new(),
            scheduled: 0,
            lobby,
            shards: Shards::new(shards, rng.next_u64()),
            people: Vec::new(),
            callers: BTreeMap::new(),
            ledger: Ledger::default(),
            sockets: BTreeMap::new(),
            connections: BTreeMap::new(),
            opened: 0,
            events: Vec::new(),
            rng,
        }
    }

    /// Somebody who calls everybody it meets.
    pub fn add(&mut self, user: &str, nat: NatKind) -> PersonId {
        self.add_person(user, nat, true)
    }

    /// Somebody who is matched and does nothing about it.
    pub fn add_bystander(&mut self, user: &str) -> PersonId {
        self.add_person(user, NatKind::Open, false)
    }

    fn add_person(&mut self, user: &str, nat: NatKind, calls: bool) -> PersonId {
        let index = self.people.len();
        let public = public_ip(index);
        let nat = Nat::new(nat, public, self.rng.next_u64());
        let delay = Duration::from_micros(1000 + self.rng.below(50_000));
        self.people.push(Person::new(user.into(), nat, delay, calls));
        PersonId(index)
    }

    /// Opens a person's WebSocket.
    pub fn connect(&mut self, id: PersonId) {
        self.opened += 1;
        let connection = ConnectionId(self.opened);
        self.sockets.insert(connection, id);
        self.connections.insert(id, connection);
        self.person_mut(id).closed = None;
        self.schedule(self.people[id.0].delay, Arrival::Opened(connection));
    }

    /// Sends `join_queue`.
    pub fn join(&mut self, id: PersonId, pool: &str) {
        let data = json!({ "userId": self.people[id.0].user, "matchMode": pool });
        self.say(id, json!({ "type": "join_queue", "data": data }));
    }

    /// Sends `skip` for the last session.
    pub fn skip(&mut self, id: PersonId) {
        self.leave_session(id, "skip");
    }

    /// Sends `end_session` for the last session.
    pub fn end(&mut self, id: PersonId) {
        self.leave_session(id, "end_session");
    }

    /// Closes a person's WebSocket; the server hears of it.
    pub fn close(&mut self, id: PersonId) {
        let actions = self.person_mut(id).hang_up();
        self.carry_out_actions(id, actions);
        if let Some(connection) = self.connections.remove(&id) {
            self.schedule(self.people[id.0].delay, Arrival::Gone(connection));
            self.sockets.remove(&connection);
        }
    }

    /// Takes a person off the network without a word: it hears, says and sends nothing more.
    pub fn vanish(&mut self, id: PersonId) {
        // What it would send to hang up is lost.
        self.person_mut(id).hang_up();
        if let Some(connection) = self.connections.remove(&id) {
            self.sockets.remove(&connection);
        }
    }

    /// Stops the server's signaling.
    pub fn drain(&mut self) {
        self.lobby.drain(self.now, Duration::ZERO, Duration::ZERO);
        self.carry_out_lobby();
    }

    /// Lets time pass, doing everything at its own time.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            while let Some(entry) = self.coming.first_entry().filter(|e| e.key().0 <= self.now) {
                let arrival = entry.remove();
                self.arrive(arrival);
            }
            self.lobby.handle_timeout(self.now, &mut RestIce { now: self.now });
            self.carry_out_lobby();
            let datagrams = self.shards.handle_timeout(self.now);
            self.transmit(datagrams);
        }
        self.now = end;
    }

    /// A person.
    pub fn person(&self, id: PersonId) -> &Person {
        &self.people[id.0]
    }

    /// The signaling hub.
    pub fn hub(&self) -> &Hub {
        self.lobby.hub()
    }

    /// The matcher.
    pub fn matcher(&self) -> &Matcher {
        self.lobby.matcher()
    }

    /// The relay.
    pub fn shards(&self) -> &Shards {
        &self.shards
    }

    /// What the hub has reported.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    fn next(&self) -> Option<Duration> {
        let coming = self.coming.first_key_value().map(|((at, _), _)| *at);
        [coming, self.lobby.poll_timeout(), self.shards.poll_timeout()].into_iter().flatten().min()
    }

    fn schedule(&mut self, delay: Duration, arrival: Arrival) {
        self.scheduled += 1;
        self.coming.insert((self.now + delay, self.scheduled), arrival);
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Opened(id) => self.lobby.connect(self.now, id, None),
            Arrival::Said(id, text) => {
                self.lobby.handle_message(self.now, id, &text, &mut RestIce { now: self.now });
            }
            Arrival::Pong(id) => {
                self.lobby.handle_pong(self.now, id, &mut RestIce { now: self.now });
            }
            Arrival::Gone(id) => {
                let mut ice = RestIce { now: self.now };
                self.lobby.disconnect(self.now, id, Departure::Lost, &mut ice);
            }
            Arrival::Left(id) => {
                let mut ice = RestIce { now: self.now };
                self.lobby.disconnect(self.now, id, Departure::Goodbye, &mut ice);
            }
            Arrival::Tick(id) => self.tick(id),
            Arrival::Retry(id) => self.reopen(id),
            Arrival::Heard(connection, frame) => self.hear(connection, frame),
            Arrival::Datagram(datagram) => self.deliver(datagram),
            Arrival::Wake(id) => {
                let actions = self.person_mut(id).wake();
                self.carry_out_actions(id, actions);
            }
        }
        self.carry_out_lobby();
    }

    fn hear(&mut self, connection: ConnectionId, frame: Frame) {
        let Some(&id) = self.sockets.get(&connection) else { return };
        if self.callers.contains_key(&id) {
            self.hear_caller(id, &frame);
        }
        match frame {
            Frame::Text(_) if self.callers.contains_key(&id) => {}
            Frame::Text(text) => {
                let actions = self.person_mut(id).hear(&text);
                self.carry_out_actions(id, actions);
            }
            Frame::Ping => self.schedule(self.people[id.0].delay, Arrival::Pong(connection)),
            Frame::Close(code) => {
                self.person_mut(id).closed = Some(code);
                self.close(id);
            }
        }
    }

    fn deliver(&mut self, datagram: Datagram) {
        if datagram.to.ip() == SERVER.ip() {
            let datagrams = self.shards.handle(self.now, datagram);
            return self.transmit(datagrams);
        }
        let Some(id) = self.person_at(datagram.to.ip()) else { return };
        let person = &mut self.people[id.0];
        if person.nat.inbound(datagram.to.port(), datagram.from) {
            let actions = person.receive(datagram.from, &datagram.bytes);
            self.carry_out_actions(id, actions);
        }
    }

    fn carry_out_actions(&mut self, id: PersonId, actions: Vec<Action>) {
        for action in actions {
            match action {
                Action::Say(message) => self.say(id, message),
                Action::Wake(after) => self.schedule(after, Arrival::Wake(id)),
                Action::Send { to, bytes } => {
                    let from = self.person_mut(id).nat.outbound(to);
                    self.transmit(vec![Datagram { from, to, bytes }]);
                }
            }
        }
    }

    fn transmit(&mut self, datagrams: Vec<Datagram>) {
        for datagram in datagrams {
            let delay = self.delay_of(datagram.from.ip()) + self.delay_of(datagram.to.ip());
            self.schedule(delay, Arrival::Datagram(datagram));
        }
    }

    fn delay_of(&self, ip: IpAddr) -> Duration {
        self.person_at(ip).map_or(Duration::ZERO, |id| self.people[id.0].delay)
    }

    fn say(&mut self, id: PersonId, message: Value) {
        self.say_text(id, message.to_string());
    }

    fn say_text(&mut self, id: PersonId, text: String) {
        let connection = self.connections.get(&id).copied();
        if let Some(connection) = connection.filter(|id| self.sockets.contains_key(id)) {
            self.schedule(self.people[id.0].delay, Arrival::Said(connection, text));
        }
    }

    fn leave_session(&mut self, id: PersonId, how: &str) {
        let session = self.people[id.0].met.last().map(|meeting| meeting.session.clone());
        let actions = self.person_mut(id).hang_up();
        self.carry_out_actions(id, actions);
        self.say(id, json!({ "type": how, "data": { "sessionId": session.unwrap_or_default() } }));
    }

    fn carry_out_lobby(&mut self) {
        while let Some(output) = self.lobby.poll_output() {
            match output {
                Output::Send { to, text, .. } => self.send(to, Frame::Text(text.to_string())),
                Output::ToNode { .. } => unreachable!("there is one node"),
                Output::Ping { to } => self.send(to, Frame::Ping),
                Output::Close { to, code } => self.send(to, Frame::Close(code.code())),
                Output::Event(event) => self.events.push(event),
                Output::Record(_) => {}
            }
        }
    }

    fn send(&mut self, to: ConnectionId, frame: Frame) {
        if let Some(id) = self.sockets.get(&to) {
            self.schedule(self.people[id.0].delay, Arrival::Heard(to, frame));
        }
    }

    fn person_mut(&mut self, id: PersonId) -> &mut Person {
        &mut self.people[id.0]
    }

    fn person_at(&self, ip: IpAddr) -> Option<PersonId> {
        let IpAddr::V4(ip) = ip else { return None };
        let index = u32::from(ip).checked_sub(u32::from(FIRST_IP))? as usize;
        (index < self.people.len()).then_some(PersonId(index))
    }
}

/// The public address of the first person; the others follow.
const FIRST_IP: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);

fn public_ip(index: usize) -> IpAddr {
    let index = u32::try_from(index).expect("a system is smaller than the Internet");
    Ipv4Addr::from(u32::from(FIRST_IP) + index).into()
}
