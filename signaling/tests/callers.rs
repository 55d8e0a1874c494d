//! Clients that say `hello`.

use std::collections::BTreeMap;

use hairpin_matcher::Matcher;
use hairpin_signaling::{ConnectionId, Hub, Keys};
use serde_json::{Value, json};

use crate::harness::{World, config};

/// What a client knows of its seat.
#[derive(Clone, Debug)]
pub(crate) struct Ticket {
    pub(crate) user: String,
    pub(crate) token: Value,
    pub(crate) epoch: Value,
    pub(crate) pair_token: Value,
}

impl Ticket {
    /// The data of a `hello` that resumes, of a client that has heard so much.
    pub(crate) fn resume(&self, received: impl Into<Value>) -> Value {
        let resume = json!({
            "token": self.token, "epoch": self.epoch, "received": received.into(),
        });
        json!({ "userId": self.user, "resume": resume })
    }

    /// Likewise, with the proof of its session.
    pub(crate) fn resume_pair(&self, received: impl Into<Value>) -> Value {
        let mut data = self.resume(received);
        data["pairToken"] = self.pair_token.clone();
        data
    }
}

impl World {
    /// Connects, says `hello`, and empties the inbox.
    pub(crate) fn hello(&mut self, id: u64, user: &str) -> Ticket {
        let heard = self.hello_with(id, json!({ "userId": user }));
        let [welcome] = &heard[..] else { panic!("a welcome: {heard:?}") };
        let payload = &welcome["payload"];
        Ticket {
            user: user.into(),
            token: payload["resumeToken"].clone(),
            epoch: payload["epoch"].clone(),
            pair_token: Value::Null,
        }
    }

    /// Connects, says `hello` like this, and gives back what came of it.
    pub(crate) fn hello_with(&mut self, id: u64, data: Value) -> Vec<Value> {
        self.connect(id);
        self.say(id, "hello", data);
        self.take(id)
    }

    /// Users `a` and `b` say hello as 1 and 2, meet, and have heard of it.
    pub(crate) fn meet_with_hello(&mut self) -> (String, [Ticket; 2]) {
        let mut tickets = [self.hello(1, "a"), self.hello(2, "b")];
        self.say(1, "join_queue", json!({}));
        self.say(2, "join_queue", json!({}));
        let session = self.session(1);
        for (id, ticket) in [1, 2].into_iter().zip(&mut tickets) {
            let heard = self.take(id);
            let found = heard.last().expect("a match");
            assert_eq!(found["payload"]["sessionId"], *session);
            ticket.pair_token = found["payload"]["pairToken"].clone();
        }
        (session, tickets)
    }

    /// A message with a number.
    pub(crate) fn say_numbered(&mut self, id: u64, number: u64, kind: &str, data: Value) {
        let message = json!({ "type": kind, "data": data, "id": number });
        self.say_text(id, &message.to_string());
    }

    pub(crate) fn ack(&mut self, id: u64, number: u64) {
        self.say_text(id, &json!({ "type": "ack", "ack": number }).to_string());
    }

    /// Signals between 1 and 2 are this short.
    pub(crate) fn signal(&mut self, id: u64, signal: Value) {
        self.say(id, "signal", json!({ "signal": signal }));
    }

    /// The acks that are due, without any time passing.
    pub(crate) fn beat(&mut self) {
        self.hub.handle_timeout(self.now, &mut self.ice);
        self.settle();
    }

    /// The server is started anew with another secret, or the same. Every connection is gone.
    pub(crate) fn restart(&mut self, seed: u64, secret: &[u8]) {
        self.hub = Hub::new(config(), &Keys::new([seed; 2], secret));
        self.matcher = Matcher::new(config().match_rules(), [seed; 2]);
        self.seeking.clear();
        self.inbox = BTreeMap::new();
    }

    pub(crate) fn is_nobody_there(&self) -> bool {
        let hub = &self.hub;
        let rest = [hub.connections(), hub.sessions(), hub.queue_len(), hub.away()];
        rest == [0; 4] && hub.poll_timeout().is_none()
    }

    pub(crate) fn texts_of(&self, id: u64) -> Vec<String> {
        let texts = self.texts.get(&ConnectionId(id)).into_iter().flatten();
        texts.map(ToString::to_string).collect()
    }
}

/// The numbers; those without one are 0.
pub(crate) fn numbers(messages: &[Value]) -> Vec<u64> {
    messages.iter().map(|message| message["seq"].as_u64().unwrap_or(0)).collect()
}

/// The types.
pub(crate) fn kinds(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["type"].as_str().expect("a type")).collect()
}
