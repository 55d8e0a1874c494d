//! What happens that evening, each thing at its own time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hairpin_lobby::Lobby;
use hairpin_signaling::{
    Config, ConnectionId, Departure, IceGrant, IceServers, Keys, Output, Protocol, SessionId,
    Tokens,
};
use serde_json::json;

use super::judge::Judge;
use super::town::{self, CHESS, Resident};
use crate::rng::Rng;
use crate::wire_client::WireClient;

/// The whole of it, from 19:00 on.
pub(super) struct Street {
    pub(super) now: Duration,
    pub(super) coming: BTreeMap<(Duration, u64), Happening>,
    scheduled: u64,
    pub(super) lobby: Lobby,
    pub(super) people: Vec<Somebody>,
    /// Who is behind a connection, as far as the network still carries anything.
    sockets: BTreeMap<ConnectionId, usize>,
    /// Likewise as far as the server knows.
    pub(super) owners: BTreeMap<ConnectionId, usize>,
    opened: u64,
    pub(super) judge: Judge,
    pub(super) rng: Rng,
}

/// Somebody and its app.
pub(super) struct Somebody {
    pub(super) is: Resident,
    pub(super) wire: WireClient,
    pub(super) connection: Option<ConnectionId>,
    pub(super) present: bool,
    /// Until then its page is asleep, and hears later what it was sent.
    pub(super) asleep: Duration,
    inbox: VecDeque<Frame>,
    pub(super) blocked: Vec<String>,
    /// How often in a row nobody came.
    pub(super) in_vain: u32,
    pub(super) last_join: Duration,
    pub(super) is_to_seek: bool,
    delay: Duration,
}

pub(super) enum Happening {
    Opened(ConnectionId),
    Said(ConnectionId, String),
    Pong(ConnectionId),
    Gone(ConnectionId, Departure),
    Heard(ConnectionId, Frame),
    /// Somebody does something.
    Does(usize, Deed),
}

/// What people and their apps do.
pub(super) enum Deed {
    Come,
    Leave,
    Seek,
    /// A call has been long enough.
    Part(String),
    /// Nothing gets through by its socket any more.
    LoseNetwork,
    /// Its app has found out, and opens another.
    Reopen,
    Sleep,
    Wake,
}

/// What the server sends on a WebSocket.
pub(super) enum Frame {
    Text(String),
    Ping,
    Close(u16),
}

pub(super) struct Ice;

impl Tokens for Ice {}

impl IceServers for Ice {
    fn issue(&mut self, _: ConnectionId, _: &str, _: SessionId) -> IceGrant {
        IceGrant { servers: Vec::new(), ttl: Duration::from_secs(3600) }
    }
}

impl Street {
    /// A server that is set up as its people think, but for a change.
    pub(super) fn new(seed: u64, people: usize, change: impl FnOnce(&mut Config)) -> Self {
        let mut rng = Rng::new(seed);
        let keys = Keys::new([rng.next_u64(), rng.next_u64()], b"north");
        let mut config =
            Config { attributes: town::declared(), pools: vec![CHESS.into()], ..Config::default() };
        change(&mut config);
        let residents = town::residents(&mut rng, people);
        let rules = config.match_rules();
        let mut street = Self {
            now: Duration::ZERO,
            coming: BTreeMap::new(),
            scheduled: 0,
            lobby: Lobby::new(config, &keys),
            judge: Judge::new(rules, residents.iter().map(|resident| &*resident.user)),
            people: Vec::new(),
            sockets: BTreeMap::new(),
            owners: BTreeMap::new(),
            opened: 0,
            rng,
        };
        for (n, is) in residents.into_iter().enumerate() {
            street.after(is.comes, Happening::Does(n, Deed::Come));
            street.after(is.comes + is.stays, Happening::Does(n, Deed::Leave));
            let delay = Duration::from_micros(5_000 + street.rng.below(60_000));
            street.people.push(Somebody {
                wire: WireClient::new(&is.user, is.protocol),
                is,
                connection: None,
                present: false,
                asleep: Duration::ZERO,
                inbox: VecDeque::new(),
                blocked: Vec::new(),
                in_vain: 0,
                last_join: Duration::ZERO,
                is_to_seek: false,
                delay,
            });
        }
        street
    }

    pub(super) fn after(&mut self, time: Duration, happening: Happening) {
        self.scheduled += 1;
        self.coming.insert((self.now + time, self.scheduled), happening);
    }

    /// When there is something to do next.
    pub(super) fn next(&self) -> Option<Duration> {
        let coming = self.coming.first_key_value().map(|((at, _), _)| *at);
        [coming, self.lobby.poll_timeout()].into_iter().flatten().min()
    }

    /// Does all that is due at a time.
    pub(super) fn step(&mut self, at: Duration) {
        self.now = at.max(self.now);
        while let Some(entry) = self.coming.first_entry().filter(|e| e.key().0 <= self.now) {
            let happening = entry.remove();
            self.happen(happening);
        }
        self.pass_on(None, |lobby, now| lobby.handle_timeout(now, &mut Ice));
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Opened(id) => self.pass_on(None, |lobby, now| lobby.connect(now, id, None)),
            Happening::Said(id, text) => {
                let Some(&who) = self.owners.get(&id) else { return };
                let company = (self.lobby.matcher().len(), self.lobby.matcher().offers());
                self.judge.hear(self.now, who, &text, company);
                self.pass_on(Some((who, id)), |lobby, now| {
                    lobby.handle_message(now, id, &text, &mut Ice);
                });
            }
            Happening::Pong(id) => {
                self.pass_on(None, |lobby, now| lobby.handle_pong(now, id, &mut Ice));
            }
            Happening::Gone(id, departure) => {
                if let Some(who) = self.owners.remove(&id) {
                    self.judge.gone(self.now, who, id, departure);
                }
                self.pass_on(None, |lobby, now| lobby.disconnect(now, id, departure, &mut Ice));
            }
            Happening::Heard(id, frame) => self.deliver(id, frame),
            Happening::Does(who, deed) => self.live(who, deed),
        }
    }

    /// Something reaches the server; what it says to that is looked at, and goes on its way.
    fn pass_on(
        &mut self,
        speaker: Option<(usize, ConnectionId)>,
        act: impl FnOnce(&mut Lobby, Duration),
    ) {
        act(&mut self.lobby, self.now);
        let mut outputs = Vec::new();
        while let Some(output) = self.lobby.poll_output() {
            outputs.push(output);
        }
        let (hub, offers) = (self.lobby.hub(), self.lobby.matcher().offers());
        self.judge.count(self.now, hub.queue_len() + 2 * hub.sessions());
        self.judge.see(self.now, speaker, &outputs, &self.owners, offers);
        for output in outputs {
            let (to, frame) = match output {
                Output::Send { to, text, .. } => (to, Frame::Text(text.to_string())),
                Output::Ping { to } => (to, Frame::Ping),
                Output::Close { to, code } => {
                    self.owners.remove(&to);
                    (to, Frame::Close(code.code()))
                }
                Output::ToNode { .. } => unreachable!("there is one node"),
                Output::Event(_) | Output::Record(_) => continue,
            };
            if let Some(&who) = self.sockets.get(&to) {
                self.after(self.people[who].delay, Happening::Heard(to, frame));
            }
        }
    }

    fn deliver(&mut self, id: ConnectionId, frame: Frame) {
        let Some(&who) = self.sockets.get(&id) else { return };
        let somebody = &mut self.people[who];
        match frame {
            // A browser answers by itself, whatever the page does.
            Frame::Ping => {
                let delay = somebody.delay;
                self.after(delay, Happening::Pong(id));
            }
            frame if self.now < somebody.asleep => somebody.inbox.push_back(frame),
            frame => self.hear(who, &frame),
        }
    }

    fn hear(&mut self, who: usize, frame: &Frame) {
        match frame {
            Frame::Text(text) => self.act(who, |wire| wire.hear(text)),
            Frame::Ping => {}
            Frame::Close(code) => {
                assert!(*code < 4500, "{} is closed with {code}", self.people[who].is.user);
                self.forget_socket(who);
                self.people[who].wire.lost();
                self.after(Duration::from_secs(1), Happening::Does(who, Deed::Reopen));
            }
        }
    }

    /// What came while the page was asleep.
    pub(super) fn wake(&mut self, who: usize) {
        while let Some(frame) = self.people[who].inbox.pop_front() {
            if self.people[who].present {
                self.hear(who, &frame);
            }
        }
    }

    /// An app does something, and sends what it says.
    pub(super) fn act(&mut self, who: usize, act: impl FnOnce(&mut WireClient) -> Vec<String>) {
        let somebody = &mut self.people[who];
        // An app of the old wire has nothing to remember what it could not say.
        if !somebody.present || (somebody.connection.is_none() && !somebody.wire.resumes()) {
            return;
        }
        let before = somebody.wire.state().clone();
        let said = act(&mut somebody.wire);
        for text in said {
            self.say(who, text);
        }
        self.follow(who, &before);
    }

    fn say(&mut self, who: usize, text: String) {
        let Somebody { connection, delay, .. } = self.people[who];
        if let Some(id) = connection.filter(|id| self.sockets.contains_key(id)) {
            self.after(delay, Happening::Said(id, text));
        }
    }

    /// Opens a socket; one that it has lives on as far as the server knows.
    pub(super) fn open(&mut self, who: usize) {
        self.cut(who);
        self.opened += 1;
        let id = ConnectionId(self.opened);
        self.sockets.insert(id, who);
        self.owners.insert(id, who);
        let somebody = &mut self.people[who];
        somebody.connection = Some(id);
        somebody.inbox.clear();
        somebody.wire.lost();
        let delay = somebody.delay;
        self.after(delay, Happening::Opened(id));
        self.act(who, WireClient::opened);
    }

    /// Nothing gets through any more, and nobody hears of that.
    pub(super) fn cut(&mut self, who: usize) {
        if let Some(id) = self.people[who].connection {
            self.sockets.remove(&id);
        }
    }

    pub(super) fn forget_socket(&mut self, who: usize) {
        if let Some(id) = self.people[who].connection.take() {
            self.sockets.remove(&id);
        }
    }

    /// The server hears that a socket is closed, if the network carries that.
    pub(super) fn close(&mut self, who: usize, departure: Departure) {
        let Somebody { connection, delay, .. } = self.people[who];
        if let Some(id) = connection.filter(|id| self.sockets.contains_key(id)) {
            self.after(delay, Happening::Gone(id, departure));
        }
        self.forget_socket(who);
    }

    /// What its next `join_queue` says.
    pub(super) fn join(&mut self, who: usize) {
        let Somebody { is, wire, blocked, .. } = &mut self.people[who];
        wire.wish(json!({
            "attributes": is.attributes, "seeks": is.seeks,
            "buddies": is.buddies, "blocked": blocked,
        }));
        let mode = is.mode;
        self.people[who].last_join = self.now;
        self.act(who, |wire| wire.join(mode));
    }

    pub(super) fn speaks_old_wire(&self, who: usize) -> bool {
        self.people[who].is.protocol == Protocol::Plain
    }
}
