//! A client of the wire without its socket: says `hello` and comes back, or speaks the old wire and does not.
//!
//! It believes what it is told, and panics on what it must not be told: a number that is not the next, a match it has had
//! before, news of a partner that it does not have.

mod news;

use std::collections::{BTreeSet, VecDeque};

use hairpin_signaling::Protocol;
use serde_json::{Value, json};

/// A client acknowledges at the latest after so many messages.
const UNACKED: u64 = 32;

/// Types that a client of the old wire knows.
const OLD_TYPES: [&str; 6] =
    ["queued", "match_found", "signal", "partner_left", "queue_timeout", "error"];

/// Somebody's end of the signaling.
#[derive(Debug)]
pub struct WireClient {
    user: String,
    pool: String,
    /// More fields of its `join_queue`.
    wishes: Value,
    protocol: Protocol,
    /// The resume token and its epoch.
    seat: Option<[Value; 2]>,
    /// `None` if it has forgotten what it has heard.
    received: Option<u64>,
    acked: u64,
    last_id: u64,
    /// What the server has not yet said that it has heard.
    unheard: VecDeque<(u64, Value)>,
    pair_token: Option<Value>,
    place_token: Option<Value>,
    link: Link,
    state: State,
    /// Whether the last it has asked for is a partner.
    seeks: bool,
    /// What it was doing before it began anew, until it knows how things are.
    before: Option<State>,
    met: BTreeSet<String>,
    left: BTreeSet<String>,
    /// Whether it has left the queue, and so may have left a session by a later `join_queue` before it heard of it.
    changed_its_mind: bool,
    news: Vec<News>,
}

/// How far its socket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Nothing can be said but `hello`, which may have been said.
    Unwelcome {
        resumes: bool,
    },
    /// It has been welcomed, and is about to hear that it begins anew.
    BeginsAnew,
    Open,
}

/// What it does, as far as it knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Idle,
    /// It looks for a partner.
    Waiting,
    /// It has one.
    Paired {
        /// `sessionId`
        session: String,
        /// `partnerId`
        partner: String,
    },
}

/// What an application hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A partner.
    Met {
        /// `sessionId`
        session: String,
        /// `partnerId`
        partner: String,
    },
    /// A signal.
    Signal {
        /// `sessionId`
        session: String,
        /// What the partner has said.
        signal: Value,
    },
    /// The partner is gone.
    Left {
        /// `sessionId`
        session: String,
    },
    /// Some of what went before may be lost, in this session if it was in one.
    Restart {
        /// `sessionId`
        session: Option<String>,
    },
    /// The server is stopping; come back after so many milliseconds.
    Goaway(u64),
}

impl WireClient {
    /// Somebody who has never been there.
    pub fn new(user: &str, protocol: Protocol) -> Self {
        Self {
            user: user.into(),
            pool: String::new(),
            wishes: json!({}),
            protocol,
            seat: None,
            received: Some(0),
            acked: 0,
            last_id: 0,
            unheard: VecDeque::new(),
            pair_token: None,
            place_token: None,
            link: Link::Unwelcome { resumes: false },
            state: State::Idle,
            seeks: false,
            before: None,
            met: BTreeSet::new(),
            left: BTreeSet::new(),
            changed_its_mind: false,
            news: Vec::new(),
        }
    }

    /// What it does, as far as it knows.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Its `userId`.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Whether it speaks the new wire.
    pub fn resumes(&self) -> bool {
        self.protocol == Protocol::Resumable
    }

    /// Whether all it has said has been heard, and nothing is unclear.
    pub fn is_settled(&self) -> bool {
        self.link == Link::Open && self.unheard.is_empty() && self.before.is_none()
    }

    /// What the application has heard since the last call.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// It has a new socket; what it says first.
    pub fn opened(&mut self) -> Vec<String> {
        if !self.resumes() {
            self.link = Link::Open;
            let searches = std::mem::replace(&mut self.state, State::Idle) != State::Idle;
            return if searches { self.join(&self.pool.clone()) } else { Vec::new() };
        }
        self.link = Link::Unwelcome { resumes: self.seat.is_some() };
        let mut data = json!({ "userId": self.user, "pairToken": self.pair_token });
        if let Some([token, epoch]) = &self.seat {
            data["resume"] = json!({ "token": token, "epoch": epoch, "received": self.received });
        }
        vec![json!({ "type": "hello", "data": data }).to_string()]
    }

    /// It has no socket any more.
    pub fn lost(&mut self) {
        self.link = Link::Unwelcome { resumes: self.seat.is_some() };
    }

    /// The page is loaded anew: it knows its tokens and nothing else.
    pub fn reload(&mut self) {
        if self.seat.is_some() {
            self.received = None;
        }
    }

    /// What its next `join_queue` has besides: `attributes`, `seeks`, `buddies`, `blocked`.
    pub fn wish(&mut self, wishes: Value) {
        self.wishes = wishes;
    }

    /// `join_queue`; what is to be sent now.
    pub fn join(&mut self, pool: &str) -> Vec<String> {
        // Before it knows how things are, it would leave a session that it is in.
        if self.state != State::Idle || self.before.is_some() {
            return Vec::new();
        }
        self.pool = pool.into();
        (self.state, self.seeks) = (State::Waiting, true);
        let mut data = self.wishes.clone();
        (data["matchMode"], data["placeToken"]) = (json!(pool), json!(self.place_token));
        if !self.resumes() {
            data["userId"] = json!(self.user);
        }
        self.say("join_queue", data)
    }

    /// `leave_queue`
    pub fn leave(&mut self) -> Vec<String> {
        if self.state != State::Waiting || self.before.is_some() || !self.resumes() {
            return Vec::new();
        }
        (self.state, self.place_token) = (State::Idle, None);
        (self.seeks, self.changed_its_mind) = (false, true);
        self.say("leave_queue", json!({}))
    }

    /// `skip`
    pub fn skip(&mut self) -> Vec<String> {
        self.leave_session("skip", State::Waiting)
    }

    /// `end_session`
    pub fn end(&mut self) -> Vec<String> {
        self.leave_session("end_session", State::Idle)
    }

    /// `signal`, in the session it is in.
    pub fn signal(&mut self, signal: &Value) -> Vec<String> {
        let State::Paired { session, .. } = &self.state else { return Vec::new() };
        let data = json!({ "sessionId": session, "signal": signal });
        self.say("signal", data)
    }

    /// `ping`; nothing before it is welcome.
    pub fn ping(&mut self) -> Vec<String> {
        if self.link != Link::Open || !self.resumes() {
            return Vec::new();
        }
        vec![json!({ "type": "ping", "ack": self.ack() }).to_string()]
    }

    /// Hears a message; what it says to that.
    pub fn hear(&mut self, text: &str) -> Vec<String> {
        let message: Value = serde_json::from_str(text).expect("the server sends JSON");
        let kind = message["type"].as_str().expect("a type");
        let payload = &message["payload"];
        if !self.resumes() {
            assert!(OLD_TYPES.contains(&kind) && message.get("seq").is_none(), "{text}");
            return self.hear_news(kind, payload);
        }
        if self.link == Link::BeginsAnew {
            assert_eq!(kind, "restart", "it follows at once");
        }
        match kind {
            "welcome" => return self.welcome(payload),
            "restart" => {
                assert_eq!(self.link, Link::BeginsAnew);
                return self.open();
            }
            "ack" => {
                let id = payload["id"].as_u64().expect("a number");
                assert!(id <= self.last_id, "{text}");
                self.unheard.retain(|(number, _)| *number > id);
            }
            "pong" => return self.know(),
            "match_offer" => {
                assert!(message.get("seq").is_none() && payload["withinMs"].is_u64(), "{text}");
                return vec![json!({ "type": "accept", "ack": self.ack() }).to_string()];
            }
            "goaway" => {
                let after = payload["retryAfterMs"].as_u64().expect("a number");
                self.news.push(News::Goaway(after));
            }
            // Refusals of a socket that has no seat.
            "error" if message.get("seq").is_none() => return self.hear_news(kind, payload),
            _ => {
                assert_eq!(self.link, Link::Open, "{}: {text}", self.user);
                let next = self.received.expect("it counts") + 1;
                assert_eq!(message["seq"], next, "{}: {text}", self.user);
                self.received = Some(next);
                let mut answer = self.hear_news(kind, payload);
                if next >= self.acked + UNACKED {
                    answer.push(json!({ "type": "ack", "ack": self.ack() }).to_string());
                }
                return answer;
            }
        }
        Vec::new()
    }

    fn welcome(&mut self, payload: &Value) -> Vec<String> {
        let Link::Unwelcome { resumes } = self.link else { panic!("welcome twice") };
        self.seat = Some([payload["resumeToken"].clone(), payload["epoch"].clone()]);
        if payload["resumed"] == false && resumes {
            self.begin_anew();
            return Vec::new();
        }
        assert_eq!(payload["resumed"], resumes);
        let heard = payload["received"].as_u64().expect("a number");
        let first = self.unheard.front().map_or(0, |(id, _)| *id);
        assert!(first <= heard + 1 && heard <= self.last_id, "{}: {heard}", self.user);
        self.unheard.retain(|(id, _)| *id > heard);
        self.open()
    }

    /// With this welcome, not with the reason that follows: they may be cut apart.
    fn begin_anew(&mut self) {
        self.link = Link::BeginsAnew;
        (self.received, self.acked, self.last_id) = (Some(0), 0, 0);
        self.unheard.clear();
        let state = std::mem::replace(&mut self.state, State::Idle);
        let session = session_of(&state).or(self.before.as_ref().and_then(session_of));
        // What it did before an earlier restart of which it knows nothing more counts as well.
        if self.before.is_none() || state != State::Idle {
            self.before = Some(state);
        }
        self.news.push(News::Restart { session });
    }

    /// Says what it has not been able to say.
    fn open(&mut self) -> Vec<String> {
        self.link = Link::Open;
        let mut said: Vec<_> =
            self.unheard.iter().map(|(_, message)| message.to_string()).collect();
        if self.before.is_some() {
            // The answer comes after all that is the case.
            said.extend(self.ping());
        }
        said
    }

    /// It knows how things are: what it has not been told of is not the case.
    fn know(&mut self) -> Vec<String> {
        let before = self.before.take();
        if before.is_some() && session_of(&self.state).is_none() {
            self.pair_token = None;
        }
        match (before, &self.state) {
            (Some(State::Waiting), State::Idle) => self.join(&self.pool.clone()),
            _ => Vec::new(),
        }
    }

    fn leave_session(&mut self, how: &str, next: State) -> Vec<String> {
        let Some(session) = session_of(&self.state) else { return Vec::new() };
        self.seeks = next == State::Waiting;
        (self.state, self.pair_token) = (next, None);
        self.left.insert(session.clone());
        self.say(how, json!({ "sessionId": session }))
    }

    fn is_of_mine(&self, session: &str) -> bool {
        matches!(&self.state, State::Paired { session: mine, .. } if mine == session)
    }

    fn say(&mut self, kind: &str, data: Value) -> Vec<String> {
        let mut message = json!({ "type": kind, "data": data });
        if self.resumes() {
            self.last_id += 1;
            message["id"] = json!(self.last_id);
            self.unheard.push_back((self.last_id, message.clone()));
        }
        if self.link == Link::Open { vec![message.to_string()] } else { Vec::new() }
    }

    fn ack(&mut self) -> u64 {
        self.acked = self.received.expect("it counts");
        self.acked
    }
}

fn session_of(state: &State) -> Option<String> {
    match state {
        State::Paired { session, .. } => Some(session.clone()),
        State::Idle | State::Waiting => None,
    }
}
