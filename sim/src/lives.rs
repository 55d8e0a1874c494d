//! Allocations over days of virtual time, beside a model of RFC 8656 that is written from its text: people come, allocate, refresh, talk to
//! peers and to each other, repeat what was lost, vanish, and others come after them at the same addresses. After every packet
//! the server and the model must agree on all that was said and sent.

mod model;
mod person;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use hairpin_stun::{AttributeType, Class, Message, decode};
use hairpin_turn::Quotas;

use crate::client;
use crate::relay::{EPOCH, SERVER_V4, config};
use crate::shards::{PORTS, SERVER, Shards};
use crate::{Datagram, Rng, channel_data};

use model::{Answer, Asks, Fate, Model, Terms, Way};
use person::{Act, Person, Proof};

/// "It is RECOMMENDED that servers ... expire" a nonce "at least once every hour" (RFC 8489 s9.2): ours is good for that long, in whole seconds.
const NONCE: u64 = 3600;
/// Allocations a user may hold.
const OF_USER: u32 = 3;

/// How long, and how many at a time.
#[derive(Clone, Copy, Debug)]
pub struct Lives {
    /// The same number gives the same lives.
    pub seed: u64,
    /// Workers of the server.
    pub shards: usize,
    /// People at a time; who vanishes is followed by somebody else.
    pub people: usize,
    /// How long all of it takes.
    pub time: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Allocations that were made.
    pub allocations: u64,
    /// The most there were at a time.
    pub most: usize,
    /// Requests that were repeated, byte for byte.
    pub repeated: u64,
    /// Packets from clients and peers that were relayed.
    pub relayed: u64,
    /// Those from one allocation to another.
    pub hairpins: u64,
    /// Packets that were dropped.
    pub dropped: u64,
    /// Requests that were refused, by code.
    pub refused: BTreeMap<u16, u64>,
}

impl Lives {
    /// Lets them pass.
    ///
    /// # Panics
    /// When the server and the model disagree.
    pub fn pass(self) -> Tally {
        let mut world = World::new(self);
        while world.step(self.time) {}
        world.tally
    }
}

struct World {
    now: Duration,
    rng: Rng,
    shards: Shards,
    model: Model,
    people: Vec<Person>,
    /// What is to come: who does what.
    agenda: BTreeMap<(Duration, u64), (usize, Act)>,
    scheduled: u64,
    /// Relayed addresses there have been: a place to send to when they are no more.
    known: Vec<SocketAddr>,
    tally: Tally,
}

impl World {
    fn new(lives: Lives) -> Self {
        let mut rng = Rng::new(lives.seed);
        // Not quite enough for all who are there.
        let of_all = (lives.people * 3 / 4) as u32;
        let quotas = Quotas { user: Some(OF_USER), total: Some(of_all), ..Quotas::default() };
        let rules = config().rules;
        let terms = Terms {
            max_lifetime: rules.max_allocate_lifetime.as_secs() as u32,
            quotas: [OF_USER, of_all].map(|quota| quota as usize),
            max_permissions: rules.max_permissions,
            max_channels: rules.max_channels,
            is_peer: person::is_peer,
        };
        let mut world = Self {
            now: Duration::from_secs(1),
            shards: Shards::with_quotas(lives.shards, rng.next_u64(), quotas),
            model: Model::new(terms),
            people: Vec::new(),
            agenda: BTreeMap::new(),
            scheduled: 0,
            known: Vec::new(),
            tally: Tally::default(),
            rng,
        };
        for index in 0..lives.people {
            let person = Person::new(index, lives.people, &mut world.rng);
            world.people.push(person);
            let delay = Duration::from_millis(world.rng.below(600_000));
            world.plan(delay, index, Act::Live);
        }
        world
    }

    /// Does what comes next. False when time is up.
    fn step(&mut self, end: Duration) -> bool {
        let Some(((at, _), (index, act))) = self.agenda.pop_first() else { return false };
        if at > end {
            return false;
        }
        // Whoever acts does not know yet what ends at this moment.
        let (act, lives) = match act {
            Act::Live => (self.people[index].next(&self.model, &self.known, &mut self.rng), true),
            act => (act, false),
        };
        self.now = at;
        self.model.pass(at);
        // What is over is over for packets, whether its timer has run yet or not.
        let is_packet = matches!(act, Act::Send(..) | Act::Receive { .. });
        let timers_are_late = is_packet && self.rng.below(2) == 0;
        if !timers_are_late {
            self.run_timers();
        }
        self.perform(index, act);
        if !timers_are_late {
            let (open, live) = (self.shards.sockets(), self.model.allocations());
            assert_eq!(open, live, "there is a socket for each allocation");
        }
        if lives {
            self.rest(index);
        }
        self.tally.most = self.tally.most.max(self.model.allocations());
        true
    }

    /// Somebody waits before the next thing it does. Now and then it vanishes without a word, and another one comes in its place.
    fn rest(&mut self, index: usize) {
        let Self { people, model, rng, now, .. } = self;
        let mut delay = people[index].pause(model, *now, rng);
        if rng.below(150) == 0 {
            people[index] = people[index].after(people.len(), rng);
            delay = Duration::from_secs(rng.below(1500));
        }
        self.plan(delay, index, Act::Live);
    }

    fn run_timers(&mut self) {
        while self.shards.poll_timeout().is_some_and(|timeout| timeout <= self.now) {
            let sent = self.shards.handle_timeout(self.now);
            assert_eq!(sent, [], "no timer sends anything");
        }
    }

    fn plan(&mut self, delay: Duration, index: usize, act: Act) {
        self.scheduled += 1;
        self.agenda.insert((self.now + delay, self.scheduled), (index, act));
    }

    fn perform(&mut self, index: usize, act: Act) {
        match act {
            Act::Live | Act::Nothing => {}
            Act::Ask(asks, proof) => self.ask(index, &asks, proof),
            Act::Repeat(request) => {
                // Whoever has taken the place of a client does not say what that one said.
                if self.people[index].client.tuple.client == request.client {
                    self.tally.repeated += 1;
                    self.exchange(index, &request);
                }
            }
            Act::Send(way, payload) => self.client_sends(index, way, &payload),
            Act::Receive { peer, relayed, payload } => {
                let fate = self.model.peer_sends(relayed, peer);
                let datagram = Datagram { from: peer, to: relayed, bytes: payload.clone() };
                let sent = self.shards.handle(self.now, datagram);
                self.compare(fate, &payload, sent);
            }
        }
    }

    fn client_sends(&mut self, index: usize, way: Way, payload: &[u8]) {
        let person = &mut self.people[index];
        let bytes = match way {
            Way::Indication(peer) => person.send_indication(peer, payload),
            Way::Channel(number) => channel_data(number, payload),
        };
        let client = person.client.tuple.client;
        let fate = self.model.client_sends(client, way);
        let sent = self.shards.handle(self.now, Datagram { from: client, to: SERVER, bytes });
        if let Fate::ToClient { .. } = fate {
            self.tally.hairpins += 1;
        }
        self.compare(fate, payload, sent);
    }

    /// What was sent is what the model says, and nothing else.
    fn compare(&mut self, fate: Fate, payload: &[u8], sent: Vec<Datagram>) {
        match (&fate, &sent[..]) {
            (Fate::Dropped, []) => {
                self.tally.dropped += 1;
                return;
            }
            (Fate::ToPeer { from, to }, [datagram]) => {
                let expected = Datagram { from: *from, to: *to, bytes: payload.into() };
                assert_eq!(*datagram, expected, "at {:?}", self.now);
            }
            (Fate::ToClient { client, channel, peer }, [datagram]) => {
                assert_eq!((datagram.from, datagram.to), (SERVER, *client), "at {:?}", self.now);
                let expected = match channel {
                    Some(number) => client::Received::channel(*number, payload),
                    None => client::Received::data(*peer, payload),
                };
                assert_eq!(client::Received::read(&datagram.bytes), expected, "at {:?}", self.now);
            }
            _ => panic!("at {:?}: {fate:?} is expected, and this was sent: {sent:?}", self.now),
        }
        self.tally.relayed += 1;
    }

    /// Asks for something; some requests are repeated later, as if the answer had been lost.
    fn ask(&mut self, index: usize, asks: &Asks, proof: Proof) {
        let request = self.people[index].request(asks, proof);
        self.exchange(index, &request);
        if self.rng.below(6) == 0 {
            let delay = Duration::from_millis(self.rng.below(30_000));
            self.plan(delay, index, Act::Repeat(Box::new(request)));
        }
    }

    /// Sends a request and compares the answer.
    fn exchange(&mut self, index: usize, request: &person::Signed) {
        let datagram = Datagram { from: request.client, to: SERVER, bytes: request.bytes.clone() };
        let sent = self.shards.handle(self.now, datagram);
        let [answer] = &sent[..] else { panic!("one answer to {request:?}: {sent:?}") };
        assert_eq!((answer.from, answer.to), (SERVER, request.client));
        let message = Message::parse(&answer.bytes).expect("the server sends messages");
        assert_eq!(message.transaction_id(), request.transaction);

        let expected = self.expected(request);
        let code = code(&message);
        let context = format!("at {:?}: {request:?} was answered {code:?}", self.now);
        if let Some(code) = code {
            *self.tally.refused.entry(code).or_default() += 1;
        }
        match &expected {
            Expected::Challenge(expected) => {
                assert_eq!(code, Some(*expected), "{context}");
                let nonce = message.get(AttributeType::NONCE).expect("a challenge has one");
                self.people[index].challenged(nonce, unix(self.now), &mut self.rng);
            }
            Expected::Answer(answer) => {
                let key = request.key.as_ref();
                assert!(message.check_integrity(key).is_ok(), "unsigned: {context}");
                self.hold(request, answer, &message, code, &context);
            }
        }
    }

    /// What authentication says (RFC 8489 s9.2.4), and then the model.
    fn expected(&mut self, request: &person::Signed) -> Expected {
        let holds = self.model.holder(request.client) == Some(&request.username);
        let is_known = holds || unix(self.now) < request.expires;
        let Some(issued) = request.nonce_issued.filter(|_| is_known) else {
            return Expected::Challenge(401);
        };
        if unix(self.now) - issued > NONCE {
            return Expected::Challenge(438);
        }
        Expected::Answer(self.model.answer(self.now, &request.asked()))
    }

    fn hold(
        &mut self,
        request: &person::Signed,
        expected: &Answer,
        message: &Message<'_>,
        code: Option<u16>,
        context: &str,
    ) {
        if let Answer::Refused(codes) = expected {
            return assert!(code.is_some_and(|code| codes.contains(&code)), "{codes:?}: {context}");
        }
        assert_eq!(code, None, "{expected:?}: {context}");
        let lifetime = message.get(AttributeType::LIFETIME).and_then(decode::u32);
        let address = |kind| decode::xor_address(message.get(kind)?, message.transaction_id());
        let relayed = address(AttributeType::XOR_RELAYED_ADDRESS);
        match expected {
            Answer::Allocated { lifetime: granted } => {
                assert_eq!(lifetime, Some(*granted), "{context}");
                assert_eq!(address(AttributeType::XOR_MAPPED_ADDRESS), Some(request.client));
                let relayed = relayed.expect("a success has one");
                assert!(relayed.ip() == SERVER_V4 && PORTS.contains(&relayed.port()));
                self.model.allocated(self.now, &request.asked(), *granted, relayed);
                self.known.push(relayed);
                self.tally.allocations += 1;
            }
            Answer::Same { relayed: same } => assert_eq!(relayed, Some(*same), "{context}"),
            Answer::Refreshed { lifetime: granted } => {
                assert_eq!(lifetime, Some(*granted), "{context}");
            }
            Answer::Done | Answer::Refused(_) => {}
        }
    }
}

enum Expected {
    /// 401 or 438, with a nonce.
    Challenge(u16),
    Answer(Answer),
}

/// ERROR-CODE; `None` for success.
fn code(message: &Message<'_>) -> Option<u16> {
    match message.class() {
        Class::Success => None,
        _ => message.get(AttributeType::ERROR_CODE).and_then(decode::error_code).map(|e| e.0),
    }
}

fn unix(now: Duration) -> u64 {
    EPOCH + now.as_secs()
}
