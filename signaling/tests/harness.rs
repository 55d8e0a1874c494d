//! A hub with a clock that stands still until told, and the matcher it has in a server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hairpin_matcher::{Matcher, Output as Answer};
use hairpin_signaling::{
    BadToken, CloseCode, Config, ConnectionId, Departure, Event, Hub, IceGrant, IceServer,
    IceServers, Identity, Keys, MatchRequest, NodeId, Origin, Output, PartnerNews, Place, Record,
    SessionId, Ticket, TicketId, Tokens,
};
use serde_json::{Value, json};

use crate::documented;

/// Issues credentials that say whose they are, and knows some tokens.
#[derive(Default)]
pub(crate) struct Ice {
    pub(crate) issued: Vec<(ConnectionId, String)>,
    pub(crate) tokens: BTreeMap<String, Result<Identity, BadToken>>,
    /// Those it was asked about.
    pub(crate) read: Vec<String>,
}

impl Tokens for Ice {
    fn verify(&mut self, token: &str) -> Result<Identity, BadToken> {
        self.read.push(token.to_owned());
        let unknown = Err(BadToken::Invalid("nobody has signed this token".into()));
        self.tokens.get(token).cloned().unwrap_or(unknown)
    }
}

impl IceServers for Ice {
    fn issue(&mut self, connection: ConnectionId, user: &str, _: SessionId) -> IceGrant {
        self.issued.push((connection, user.to_owned()));
        let server = IceServer {
            urls: vec!["turn:relay.example:3478".into()],
            username: Some(format!("600:{user}")),
            credential: Some("secret".into()),
        };
        IceGrant { servers: vec![server], ttl: Duration::from_secs(600) }
    }
}

/// With pools beside the modes that there always are.
pub(crate) fn config() -> Config {
    let pools = ["video", "chess", "go"].map(Into::into);
    Config { pools: pools.into(), ..Config::default() }
}

/// Who have just parted meet again after this time, if nobody else is there.
pub(crate) const APART: Duration = Duration::from_secs(5);

/// The only one who waits.
pub(crate) const ALONE: Place = Place { position: 1, waiting: 1, eta: None };

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) now: Duration,
    pub(crate) ice: Ice,
    pub(crate) matcher: Matcher,
    /// Tickets that wait, as they came, those included that are offered to each other.
    pub(crate) seeking: Vec<Ticket>,
    /// Whether tickets reach the matcher as they come; otherwise they only pile up in `seeking`.
    pub(crate) matching: bool,
    pub(crate) inbox: BTreeMap<ConnectionId, Vec<Value>>,
    /// Everything that was ever sent, to the byte.
    pub(crate) texts: BTreeMap<ConnectionId, Vec<Arc<str>>>,
    pub(crate) pings: Vec<ConnectionId>,
    pub(crate) closed: BTreeMap<ConnectionId, CloseCode>,
    pub(crate) events: Vec<Event>,
    pub(crate) records: Vec<Record>,
    /// What other nodes are told.
    pub(crate) told_nodes: Vec<(NodeId, SessionId, PartnerNews)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self {
            matcher: Matcher::new(config.match_rules(), [0; 2]),
            hub: Hub::new(config, &Keys::new([0; 2], b"north")),
            now: Duration::from_secs(1_000_000),
            ice: Ice::default(),
            seeking: Vec::new(),
            matching: true,
            inbox: BTreeMap::new(),
            texts: BTreeMap::new(),
            pings: Vec::new(),
            closed: BTreeMap::new(),
            events: Vec::new(),
            records: Vec::new(),
            told_nodes: Vec::new(),
        }
    }

    pub(crate) fn connect(&mut self, id: u64) {
        self.connect_from(id, None);
    }

    pub(crate) fn connect_from(&mut self, id: u64, origin: Option<Origin>) {
        self.hub.connect(self.now, ConnectionId(id), origin);
        self.settle();
    }

    pub(crate) fn disconnect(&mut self, id: u64) {
        self.depart(id, Departure::Lost);
    }

    pub(crate) fn depart(&mut self, id: u64, departure: Departure) {
        self.hub.disconnect(self.now, ConnectionId(id), departure);
        self.settle();
    }

    pub(crate) fn say(&mut self, id: u64, kind: &str, data: Value) {
        self.say_text(id, &json!({ "type": kind, "data": data }).to_string());
    }

    pub(crate) fn say_text(&mut self, id: u64, text: &str) {
        self.hub.handle_message(self.now, ConnectionId(id), text, &mut self.ice);
        self.settle();
    }

    pub(crate) fn binary(&mut self, id: u64) {
        self.hub.handle_binary(self.now, ConnectionId(id));
        self.settle();
    }

    pub(crate) fn join(&mut self, id: u64, user: &str) {
        self.say(id, "join_queue", json!({ "userId": user, "matchMode": null }));
    }

    /// Connects users `a` and `b` as 1 and 2, lets them meet, and empties their inboxes.
    pub(crate) fn meet(&mut self) -> String {
        for (id, user) in [(1, "a"), (2, "b")] {
            self.connect(id);
            self.join(id, user);
        }
        let session = self.session(1);
        assert_eq!(session, self.session(2));
        self.take(1);
        self.take(2);
        session
    }

    /// The session of the last `match_found`.
    pub(crate) fn session(&self, id: u64) -> String {
        let found = self.inbox[&ConnectionId(id)].iter().rev().find(|m| m["type"] == "match_found");
        found.expect("a match_found")["payload"]["sessionId"].as_str().expect("a string").to_owned()
    }

    /// What a client got since the last call.
    pub(crate) fn take(&mut self, id: u64) -> Vec<Value> {
        self.inbox.remove(&ConnectionId(id)).unwrap_or_default()
    }

    /// The types of what a client got since the last call; an error is named by its code.
    pub(crate) fn heard(&mut self, id: u64) -> Vec<String> {
        let name = |message: Value| {
            let key = if message["type"] == "error" {
                &message["payload"]["code"]
            } else {
                &message["type"]
            };
            key.as_str().expect("a string").to_owned()
        };
        self.take(id).into_iter().map(name).collect()
    }

    /// Lets time pass, firing every timer at its own time.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.hub.handle_timeout(self.now, &mut self.ice);
            assert!(
                self.hub.poll_timeout().is_none_or(|next| next > self.now),
                "all that is due is done"
            );
            self.matcher.handle_timeout(self.now);
            self.settle();
            self.expire();
        }
        self.now = end;
    }

    fn next(&self) -> Option<Duration> {
        let piled_up = self.seeking.iter().filter(|ticket| !self.matcher.holds(ticket.id));
        let piled_up = piled_up.map(|ticket| ticket.expires).min();
        [piled_up, self.matcher.poll_timeout(), self.hub.poll_timeout()].into_iter().flatten().min()
    }

    /// What a matcher does with those who have waited in vain.
    fn expire(&mut self) {
        let ended =
            |ticket: &mut Ticket| ticket.expires <= self.now && !self.matcher.holds(ticket.id);
        for ticket in self.seeking.extract_if(.., ended) {
            self.hub.expired(ticket.id);
        }
        self.settle();
    }

    /// Lets time pass as it does for clients that answer every ping.
    pub(crate) fn pass_alive(&mut self, time: Duration, clients: &[u64]) {
        let end = self.now + time;
        while self.now < end {
            self.pass(Duration::from_secs(10).min(end - self.now));
            for id in clients {
                self.pong(*id);
            }
        }
    }

    pub(crate) fn pong(&mut self, id: u64) {
        self.hub.handle_pong(self.now, ConnectionId(id));
        self.settle();
    }

    pub(crate) fn code(&self, id: u64) -> Option<CloseCode> {
        self.closed.get(&ConnectionId(id)).copied()
    }

    /// Carries out everything the hub asks for.
    pub(crate) fn settle(&mut self) {
        self.ask();
        while let Some(answer) = self.matcher.poll_output() {
            let gone = |id: TicketId| move |ticket: &Ticket| ticket.id != id;
            match answer {
                Answer::Waiting { id, place } => self.hub.queued(id, place),
                Answer::Offer(pair) => self.hub.offered(self.now, pair.first.id, pair.second.id),
                Answer::Matched(pair) => {
                    self.seeking.retain(gone(pair.first.id));
                    self.seeking.retain(gone(pair.second.id));
                    self.hub.matched(self.now, pair.first.id, pair.second.id, &mut self.ice);
                }
                Answer::Lapsed(id) => {
                    self.seeking.retain(gone(id));
                    self.hub.lapsed(id);
                }
                Answer::Expired(id) => {
                    self.seeking.retain(gone(id));
                    self.hub.expired(id);
                }
                Answer::Replaced(id) => panic!("two tickets of one user: {id:?}"),
            }
            self.ask();
        }
        self.hear();
    }

    fn ask(&mut self) {
        while let Some(request) = self.hub.poll_match_request() {
            match request {
                MatchRequest::Seek(ticket) => {
                    self.seeking.push((*ticket).clone());
                    if self.matching {
                        self.matcher.insert(self.now, *ticket);
                    }
                }
                MatchRequest::Unseek(id) => {
                    self.seeking.retain(|ticket| ticket.id != id);
                    self.matcher.remove(self.now, id);
                }
                MatchRequest::Acknowledge(id) => self.matcher.acknowledge(self.now, id),
                MatchRequest::InCompany(company) => self.matcher.set_in_company(company),
            }
        }
    }

    /// Takes note of everything the hub says.
    fn hear(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                Output::Send { to, kind, text } => {
                    assert!(!self.closed.contains_key(&to), "nothing follows a close");
                    let message: Value = serde_json::from_str(&text).expect("the hub sends JSON");
                    assert_eq!(message["type"], kind.as_str());
                    documented::by_server(&message);
                    self.inbox.entry(to).or_default().push(message);
                    self.texts.entry(to).or_default().push(text);
                }
                Output::Ping { to } => self.pings.push(to),
                Output::Close { to, code } => {
                    assert_eq!(self.closed.insert(to, code), None, "closed once");
                }
                Output::ToNode { node, session, news } => {
                    self.told_nodes.push((node, session, news));
                }
                Output::Event(event) => self.events.push(event),
                Output::Record(record) => self.records.push(record),
            }
        }
    }

    /// What a matcher that answers late does: two that have piled up meet.
    pub(crate) fn match_late(&mut self, index: usize) {
        let Some(first) = self.seeking.get(index).cloned() else { return };
        let fits = |other: &Ticket| other.mode == first.mode && other.user != first.user;
        let Some(second) = self.seeking.iter().find(|other| fits(other)).cloned() else { return };
        if [&first, &second].iter().any(|ticket| self.matcher.holds(ticket.id)) {
            return;
        }
        self.matcher.insert(self.now, first);
        self.matcher.insert(self.now, second);
        self.settle();
    }

    /// How many pairs are asked whether they agree.
    pub(crate) fn introductions(&self) -> usize {
        self.matcher.offers()
    }

    pub(crate) fn tickets(&self) -> Vec<TicketId> {
        self.seeking.iter().map(|ticket| ticket.id).collect()
    }
}
