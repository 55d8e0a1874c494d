//! What is said at the door, both ways.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use hairpin_signaling::{CloseCode, ConnectionId, Departure, Event, MessageKind, Output};
use serde_json::Value;

use super::{Ask, End, Foretold, Judge, Wish};

/// Who speaks, and by which connection.
type Speaker = Option<(usize, ConnectionId)>;

/// When the server says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occasion {
    /// By itself.
    Time,
    /// When somebody has said something.
    Answer,
    /// When somebody is there again, who may be told what it was told before.
    Return,
}

impl Judge {
    /// Somebody says something, and the server is about to hear it, which has so many tickets and offers now.
    pub(in super::super) fn hear(
        &mut self,
        now: Duration,
        who: usize,
        text: &str,
        (_, offers): (usize, usize),
    ) {
        self.people[who].asks = None;
        let of_interest = ["join_queue", "\"skip\"", "leave_queue", "end_session", "\"hello\""];
        if !of_interest.iter().any(|word| text.contains(word)) {
            return;
        }
        let message: Value = serde_json::from_str(text).expect("clients send JSON");
        let kind = message["type"].as_str().expect("a type");
        if kind == "hello" {
            self.people[who].resumes = true;
        } else if let Some(id) = message["id"].as_u64() {
            // What the server has had already it does not do again.
            if id <= self.people[who].said {
                return;
            }
            self.people[who].said = id;
        }
        let wish = match kind {
            "join_queue" => Wish::read(&self.people[who].user, &message["data"]),
            "skip" => self.people[who].wish.clone(),
            "leave_queue" => {
                self.disturbed += 1;
                return self.end_wait(now, who, End::Left);
            }
            "end_session" => {
                let of = message["data"]["sessionId"].as_str();
                if self.people[who].session.as_deref() == of {
                    self.end_session(now, who);
                }
                return;
            }
            _ => return,
        };
        let token = message["data"]["placeToken"].as_str().map(hash);
        let known = self.people[who].tokens.iter().find(|(known, _)| token == Some(*known));
        let since = known.map_or(now, |(_, since)| *since);
        let foretold = match offers {
            0 => self.foretell(now, who, &wish, since),
            _ => Foretold::Unknown,
        };
        self.people[who].asks = Some(Ask { wish, since, foretold });
    }

    /// What the server says to that, or by itself; `offers` is how many pairs are offered to each other then.
    pub(in super::super) fn see(
        &mut self,
        now: Duration,
        speaker: Speaker,
        outputs: &[Output],
        owners: &BTreeMap<ConnectionId, usize>,
        offers: usize,
    ) {
        let mut foretold = Foretold::Unknown;
        let matched = self.checks.matches;
        let mut occasion = if speaker.is_some() { Occasion::Answer } else { Occasion::Time };
        for (n, output) in outputs.iter().enumerate() {
            match output {
                Output::Event(Event::Queued) => {
                    let (who, connection) = speaker.expect("only who asks is queued");
                    foretold = self.begin_wait(now, who, connection);
                }
                Output::Event(Event::Matched { waited }) => self.waited.push_back(*waited),
                Output::Event(Event::Lapsed) => self.disturbed += 1,
                Output::Send { to, kind: MessageKind::Welcome, text } => {
                    occasion = Occasion::Return;
                    self.welcome(now, (owners[to], *to), text, &outputs[n..]);
                }
                Output::Send { to, kind, text } => {
                    if let Some(&who) = owners.get(to) {
                        self.told(now, who, *kind, text, occasion);
                    }
                }
                Output::Close { to, code } => {
                    if let Some(&who) = owners.get(to) {
                        let departure = match code {
                            CloseCode::Replaced => Departure::Lost,
                            code if code.reconnect() => Departure::Lost,
                            _ => Departure::Goodbye,
                        };
                        self.gone(now, who, *to, departure);
                    }
                }
                _ => {}
            }
        }
        self.known_disturbed = self.disturbed;
        if foretold != Foretold::Unknown {
            let offered = offers > 0 || self.checks.matches > matched;
            let user = speaker.map(|(who, _)| &self.people[who].user);
            assert_eq!(
                offered,
                foretold != Foretold::Nobody,
                "at {now:?}: {user:?} should get {foretold:?}"
            );
            self.checks.foretold += 1;
        }
    }

    /// Somebody has a seat, which may be the one it had.
    fn welcome(
        &mut self,
        now: Duration,
        (who, connection): (usize, ConnectionId),
        text: &str,
        rest: &[Output],
    ) {
        let message: Value = serde_json::from_str(text).expect("the server sends JSON");
        let says_why = |output: &Output| match output {
            Output::Send { to, kind: MessageKind::Restart, text } if *to == connection => {
                Some(text.contains("state_asked") || text.contains("missed_too_much"))
            }
            _ => None,
        };
        let keeps = message["payload"]["resumed"] == true
            || rest.iter().find_map(says_why).unwrap_or_default();
        if !keeps {
            self.end_wait(now, who, End::Lost);
            self.end_session(now, who);
        }
        let seen = &mut self.people[who];
        seen.said = match &message["payload"] {
            payload if payload["resumed"] == true => payload["received"].as_u64().unwrap_or(0),
            _ => 0,
        };
        seen.connection = Some(connection);
    }

    fn told(
        &mut self,
        now: Duration,
        who: usize,
        kind: MessageKind,
        text: &str,
        occasion: Occasion,
    ) {
        match kind {
            MessageKind::Queued => self.told_place(now, who, text, occasion),
            MessageKind::MatchFound => {
                let payload = payload(text);
                let session = payload["sessionId"].as_str().expect("a session");
                let again = |sides: &[usize]| sides.contains(&who);
                // What it had not heard is said again.
                if !self.sessions.get(session).is_some_and(|known| again(&known.sides)) {
                    let partner = payload["partnerId"].as_str().expect("a partner");
                    self.meet(now, who, session, partner);
                }
            }
            MessageKind::Rejoined => {
                let session = payload(text)["sessionId"].as_str().map(str::to_owned);
                self.end_wait(now, who, End::Left);
                if let Some(known) = session.as_ref().and_then(|id| self.sessions.get_mut(id)) {
                    known.is_over = false;
                }
                self.people[who].session = session;
            }
            MessageKind::PartnerLeft => {
                let payload = payload(text);
                if self.people[who].session.as_deref() == payload["sessionId"].as_str() {
                    self.end_session(now, who);
                }
            }
            MessageKind::QueueTimeout if self.people[who].wait.is_some() => {
                self.disturbed += 1;
                // The old wire knows no reasons.
                let wait = self.people[who].wait.as_ref().expect("just seen");
                let end = match payload(text)["reason"].as_str() {
                    None if now >= wait.began + super::super::TIMEOUT => End::TimedOut,
                    _ => End::Unanswered,
                };
                self.end_wait(now, who, end);
            }
            _ => {}
        }
    }

    fn told_place(&mut self, now: Duration, who: usize, text: &str, occasion: Occasion) {
        // This is nine tenths of all that is said.
        let field = |name: &str| text.split_once(name).map(|(_, rest)| rest);
        let number = |name: &str| -> Option<u64> {
            let digits = field(name)?.split(|c: char| !c.is_ascii_digit()).next()?;
            digits.parse().ok()
        };
        let (position, waiting) = (number("\"position\":"), number("\"waiting\":"));
        let (Some(1..), true) = (position, position <= waiting) else { panic!("{text}") };
        let seen = &mut self.people[who];
        let Some(wait) = &mut seen.wait else { return };
        wait.eta = wait.eta.or(number("\"etaMs\":").map(Duration::from_millis));
        let token = field("\"placeToken\":\"").and_then(|rest| rest.split('"').next());
        if let Some(token) = token.map(hash) {
            // A proof counts in whole milliseconds.
            let since = Duration::from_millis(wait.since.as_millis() as u64);
            seen.tokens.push_back((token, since));
            if seen.tokens.len() > 300 {
                seen.tokens.pop_front();
            }
        }
        if occasion == Occasion::Return {
            // It may have heard that before.
            return;
        }
        let earlier = seen.told_place.replace(now);
        let soon = earlier.is_some_and(|earlier| now < earlier + self.rules.tell_every);
        // Whoever is back from an offer that came to nothing hears where it is, at once.
        let may = !soon || occasion == Occasion::Answer || self.disturbed > self.known_disturbed;
        assert!(may, "at {now:?}: {} hears it too often", seen.user);
    }
}

fn payload(text: &str) -> Value {
    let mut message: Value = serde_json::from_str(text).expect("the server sends JSON");
    message["payload"].take()
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
