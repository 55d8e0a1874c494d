//! Clients whose sockets are cut wherever one likes: every message is on its way until it is said that it arrives.

mod judge;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use hairpin_lobby::Lobby;
use hairpin_signaling::{
    Config, ConnectionId, Departure, IceGrant, IceServers, Keys, Output, Protocol, Rate, SessionId,
    Tokens,
};
use serde_json::json;

use crate::wire_client::{State, WireClient};

/// One thing that happens, to one of the clients where it is about one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Opens a socket; one that it has lives on unheeded.
    Open(usize),
    /// So much of what it has sent reaches the server.
    Up(usize, usize),
    /// So much of what it is sent reaches it.
    Down(usize, usize),
    /// Likewise what it has sent by sockets that it has left.
    Late(usize, usize),
    /// Its socket is cut after so much of what is on its way has arrived, up and down.
    Cut(usize, usize, usize),
    /// The server notices that the sockets it has left are gone.
    Notice(usize),
    /// It says that it is not coming back.
    Goodbye(usize),
    /// It keeps its tokens, and forgets the rest.
    Reload(usize),
    /// `join_queue`
    Join(usize),
    /// `leave_queue`
    Leave(usize),
    /// `skip`
    Skip(usize),
    /// `end_session`
    End(usize),
    /// So many signals.
    Signal(usize, usize),
    /// `ping`
    Ping(usize),
    /// Everything on its way arrives, and what is said to that.
    Settle,
    /// Time passes: so many seconds.
    Pass(u64),
    /// The server is started anew, with the secret it had.
    Restart,
}

/// A server, its clients, and what is on the way between them.
pub struct Wires {
    lobby: Lobby,
    now: Duration,
    starts: u64,
    clients: Vec<Client>,
    sockets: BTreeMap<ConnectionId, Socket>,
    opened: u64,
    /// How many signals each has sent in a session.
    sent: BTreeMap<(String, String), u64>,
    /// The last that each has heard in a session.
    heard: BTreeMap<(String, usize), u64>,
    /// Sessions of which a side has begun anew.
    restarted: BTreeSet<String>,
    sides: BTreeMap<String, BTreeSet<usize>>,
}

struct Client {
    wire: WireClient,
    socket: Option<ConnectionId>,
}

struct Socket {
    owner: usize,
    up: VecDeque<Up>,
    down: VecDeque<Down>,
    /// Whether the server knows of it.
    accepted: bool,
    /// Whether the server has heard anything by it.
    greeted: bool,
}

enum Up {
    Open,
    Text(String),
    Pong,
}

enum Down {
    Text(String),
    Ping,
    Close,
}

struct Ice;

impl Tokens for Ice {}

impl IceServers for Ice {
    fn issue(&mut self, _: ConnectionId, _: &str, _: SessionId) -> IceGrant {
        IceGrant { servers: Vec::new(), ttl: Duration::from_secs(100) }
    }
}

fn config() -> Config {
    let plenty = Rate::new(1_000_000, 1_000_000);
    let (messages, joins, skips) = (plenty, plenty, plenty);
    let bytes = Rate::new(1 << 30, 1 << 30);
    // Whoever makes up tokens looks where nobody else does.
    let pools = vec!["strangers".into()];
    Config { messages, bytes, joins, skips, pools, ..Config::default() }
}

fn lobby(starts: u64) -> Lobby {
    Lobby::new(config(), &Keys::new([starts; 2], b"north"))
}

impl Wires {
    /// Clients of these protocols, none of whom is there.
    pub fn new(protocols: &[Protocol]) -> Self {
        let client = |(n, protocol): (usize, &Protocol)| Client {
            wire: WireClient::new(&format!("u{n}"), *protocol),
            socket: None,
        };
        Self {
            lobby: lobby(0),
            now: Duration::from_secs(1_000_000),
            starts: 0,
            clients: protocols.iter().enumerate().map(client).collect(),
            sockets: BTreeMap::new(),
            opened: 0,
            sent: BTreeMap::new(),
            heard: BTreeMap::new(),
            restarted: BTreeSet::new(),
            sides: BTreeMap::new(),
        }
    }

    /// Does one thing; what it concerns is taken modulo how many there are.
    pub fn apply(&mut self, step: Step) {
        let all = self.clients.len();
        let of = |client: usize| client % all;
        match step {
            Step::Open(client) => self.open(of(client)),
            Step::Up(client, count) => {
                let socket = self.clients[of(client)].socket;
                self.deliver_up(socket, count);
            }
            Step::Down(client, count) => {
                let socket = self.clients[of(client)].socket;
                self.deliver_down(socket, count);
            }
            Step::Late(client, count) => {
                let old = self.left_by(of(client)).first().copied();
                self.deliver_up(old, count);
            }
            Step::Cut(client, up, down) => {
                let client = of(client);
                let socket = self.clients[client].socket;
                self.deliver_up(socket, up);
                self.deliver_down(socket, down);
                self.leave(client);
            }
            Step::Notice(client) => {
                for socket in self.left_by(of(client)) {
                    self.lose(socket, Departure::Lost);
                }
            }
            Step::Goodbye(client) => self.goodbye(of(client)),
            Step::Reload(client) => {
                let client = of(client);
                self.leave(client);
                self.clients[client].wire.reload();
            }
            Step::Join(client) => self.act(of(client), |wire| wire.join("")),
            Step::Leave(client) => self.act(of(client), WireClient::leave),
            Step::Skip(client) => self.act(of(client), WireClient::skip),
            Step::End(client) => self.act(of(client), WireClient::end),
            Step::Signal(client, count) => (0..count).for_each(|_| self.signal(of(client))),
            Step::Ping(client) => self.act(of(client), WireClient::ping),
            Step::Settle => self.settle(),
            Step::Pass(seconds) => self.pass(Duration::from_secs(seconds)),
            Step::Restart => self.restart(),
        }
    }

    fn open(&mut self, client: usize) {
        self.leave(client);
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let (up, down) = ([Up::Open].into(), VecDeque::new());
        let socket = Socket { owner: client, up, down, accepted: false, greeted: false };
        self.sockets.insert(id, socket);
        self.clients[client].socket = Some(id);
        self.act(client, WireClient::opened);
    }

    /// Does not look at its socket any more. The server may hear of it, or not for a long time.
    ///
    /// What it would have said first does not come any more: who says who it is after another socket of its own has done
    /// so comes later, as the server sees it.
    fn leave(&mut self, client: usize) {
        let socket = self.clients[client].socket.take();
        let socket = socket.and_then(|socket| self.sockets.get_mut(&socket));
        if let Some(socket) = socket.filter(|socket| !socket.greeted) {
            socket.up.clear();
        }
        self.clients[client].wire.lost();
    }

    fn left_by(&self, client: usize) -> Vec<ConnectionId> {
        let present = self.clients[client].socket;
        let left = |(id, socket): (&ConnectionId, &Socket)| {
            (socket.owner == client && Some(*id) != present).then_some(*id)
        };
        self.sockets.iter().filter_map(left).collect()
    }

    fn lose(&mut self, id: ConnectionId, departure: Departure) {
        if self.sockets.remove(&id).is_some_and(|socket| socket.accepted) {
            self.lobby.disconnect(self.now, id, departure, &mut Ice);
            self.carry_out();
        }
    }

    fn goodbye(&mut self, client: usize) {
        self.act(client, WireClient::end);
        self.act(client, WireClient::leave);
        let Some(socket) = self.clients[client].socket else { return };
        self.leave(client);
        self.deliver_up(Some(socket), usize::MAX);
        self.lose(socket, Departure::Goodbye);
    }

    /// Somebody does something, and sends what it says.
    fn act(&mut self, client: usize, act: impl FnOnce(&mut WireClient) -> Vec<String>) {
        let Client { wire, socket } = &mut self.clients[client];
        // The old wire has no way to say anything later.
        if socket.is_none() && !wire.resumes() {
            return;
        }
        let said = act(wire);
        let socket = socket.and_then(|socket| self.sockets.get_mut(&socket));
        if let Some(socket) = socket {
            socket.up.extend(said.into_iter().map(Up::Text));
        }
        self.read_news(client);
    }

    fn signal(&mut self, client: usize) {
        let wire = &self.clients[client].wire;
        let State::Paired { session, .. } = wire.state().clone() else { return };
        let user = wire.user().to_owned();
        let reachable = self.clients[client].socket.is_some();
        if !reachable && !self.clients[client].wire.resumes() {
            return;
        }
        let n = self.sent.entry((session, user.clone())).or_default();
        *n += 1;
        let signal = json!({ "from": user, "n": *n });
        self.act(client, |wire| wire.signal(&signal));
    }

    fn deliver_up(&mut self, id: Option<ConnectionId>, count: usize) {
        let Some(id) = id else { return };
        for _ in 0..count {
            let Some(socket) = self.sockets.get_mut(&id) else { return };
            match socket.up.pop_front() {
                None => return,
                Some(Up::Open) => {
                    socket.accepted = true;
                    self.lobby.connect(self.now, id, None);
                }
                Some(Up::Text(text)) => {
                    socket.greeted = true;
                    self.lobby.handle_message(self.now, id, &text, &mut Ice);
                }
                Some(Up::Pong) => self.lobby.handle_pong(self.now, id, &mut Ice),
            }
            self.lobby.handle_timeout(self.now, &mut Ice);
            self.carry_out();
        }
    }

    fn deliver_down(&mut self, id: Option<ConnectionId>, count: usize) {
        let Some(id) = id else { return };
        for _ in 0..count {
            let Some(socket) = self.sockets.get_mut(&id) else { return };
            let client = socket.owner;
            match socket.down.pop_front() {
                None => return,
                Some(Down::Text(text)) => self.act(client, |wire| wire.hear(&text)),
                Some(Down::Ping) => socket.up.push_back(Up::Pong),
                Some(Down::Close) => {
                    self.sockets.remove(&id);
                    self.leave(client);
                }
            }
        }
    }

    fn settle(&mut self) {
        loop {
            let on_its_way = |socket: &Socket| !socket.up.is_empty() || !socket.down.is_empty();
            let present = self.clients.iter().filter_map(|client| client.socket);
            let busy: Vec<_> = present.filter(|id| on_its_way(&self.sockets[id])).collect();
            if busy.is_empty() {
                return;
            }
            for id in busy {
                self.deliver_up(Some(id), usize::MAX);
                self.deliver_down(Some(id), usize::MAX);
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.lobby.poll_timeout().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.lobby.handle_timeout(self.now, &mut Ice);
            assert!(self.lobby.poll_timeout().is_none_or(|next| next > self.now), "overdue");
            self.carry_out();
        }
        self.now = end;
    }

    fn restart(&mut self) {
        self.starts += 1;
        self.lobby = lobby(self.starts);
        self.sockets.clear();
        (0..self.clients.len()).for_each(|client| self.leave(client));
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.lobby.poll_output() {
            let (to, frame) = match output {
                Output::Send { to, text, .. } => (to, Down::Text(text.to_string())),
                Output::Ping { to } => (to, Down::Ping),
                Output::Close { to, .. } => (to, Down::Close),
                Output::ToNode { .. } => unreachable!("there is one node"),
                Output::Event(_) | Output::Record(_) => continue,
            };
            let Some(socket) = self.sockets.get_mut(&to) else {
                let Down::Text(text) = frame else { continue };
                let mine = ["\"resumed\":true", "rejoined", "partner"];
                assert!(!mine.iter().any(|word| text.contains(word)), "a stranger hears {text}");
                continue;
            };
            if self.clients[socket.owner].socket == Some(to) {
                socket.down.push_back(frame);
            }
        }
    }

    /// Somebody who knows nothing says `hello` with whatever it makes up, and goes.
    pub fn stranger(&mut self, token: &str, epoch: &str, pair_token: &str, received: u64) {
        self.opened += 1;
        let id = ConnectionId(self.opened);
        self.lobby.connect(self.now, id, None);
        let resume = json!({ "token": token, "epoch": epoch, "received": received });
        let data = json!({
            "userId": "stranger", "resume": resume, "pairToken": pair_token,
            "matchMode": "strangers", "placeToken": pair_token,
        });
        for kind in ["hello", "join_queue"] {
            let text = json!({ "type": kind, "data": data }).to_string();
            self.lobby.handle_message(self.now, id, &text, &mut Ice);
        }
        self.lobby.disconnect(self.now, id, Departure::Goodbye, &mut Ice);
        self.carry_out();
    }
}
