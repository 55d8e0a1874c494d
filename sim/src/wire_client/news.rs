//! What a client makes of what it is told.

use serde_json::{Value, json};

use super::{News, State, WireClient, session_of};

impl WireClient {
    pub(super) fn hear_news(&mut self, kind: &str, payload: &Value) -> Vec<String> {
        let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
        let (session, partner) = (text("sessionId"), text("partnerId"));
        match kind {
            "queued" => {
                self.place_token = payload.get("placeToken").cloned();
                self.forget_session();
                if self.before.is_some() || self.seeks {
                    self.state = State::Waiting;
                }
            }
            "match_found" => {
                assert!(self.met.insert(session.clone()), "{} is matched twice", self.user);
                return self.meet(session, partner, payload);
            }
            "rejoined" => {
                self.met.insert(session.clone());
                self.left.remove(&session);
                self.news.push(News::Restart { session: Some(session.clone()) });
                self.state = State::Waiting;
                return self.meet(session, partner, payload);
            }
            "signal" if self.is_of_mine(&session) => {
                self.news.push(News::Signal { session, signal: payload["signal"].clone() });
            }
            "partner_left" if self.is_of_mine(&session) => {
                (self.state, self.pair_token) = (State::Idle, None);
                self.news.push(News::Left { session });
            }
            "partner_left"
                if self.before.as_ref().and_then(session_of) == Some(session.clone()) =>
            {
                self.pair_token = None;
                self.news.push(News::Left { session });
            }
            "signal" | "partner_away" | "partner_back" | "partner_left" => {
                let known = self.is_of_mine(&session) || self.left.contains(&session);
                assert!(known, "{} hears of a partner it does not have: {kind}", self.user);
            }
            "queue_timeout" if self.state == State::Waiting => {
                let asks = |(_, message): &(u64, Value)| message["type"] != "signal";
                if !self.unheard.iter().any(asks) {
                    (self.state, self.place_token, self.seeks) = (State::Idle, None, false);
                }
            }
            "queue_timeout" | "ice_servers" => {}
            "error" => {
                let code = payload["code"].as_str().expect("a code");
                let usual = ["no_session", "shutting_down", "too_often"];
                assert!(usual.contains(&code), "{}: {payload}", self.user);
            }
            _ => panic!("{kind} is no message"),
        }
        Vec::new()
    }

    fn meet(&mut self, session: String, partner: String, payload: &Value) -> Vec<String> {
        assert_ne!(partner, self.user, "nobody meets itself");
        self.forget_session();
        self.place_token = None;
        if self.state == State::Idle && !self.seeks {
            // It had left the queue meanwhile.
            self.left.insert(session.clone());
            return self.say("end_session", json!({ "sessionId": session }));
        }
        self.pair_token = payload.get("pairToken").cloned();
        self.state = State::Paired { session: session.clone(), partner: partner.clone() };
        self.news.push(News::Met { session, partner });
        Vec::new()
    }

    /// It is where it has asked to be, by a message that crossed that of a match.
    fn forget_session(&mut self) {
        if let Some(session) = session_of(&self.state) {
            assert!(self.changed_its_mind, "{} has one partner at a time", self.user);
            self.left.insert(session);
            (self.state, self.pair_token) = (State::Waiting, None);
        }
    }
}
