//! Somebody with a page open: answers the server as a client of its protocol does, and calls whomever it meets.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::nat::Nat;
use crate::shards::SERVER;
use crate::turn_client::{TurnClient, TurnEvent};

/// How long after the first round of probes the second one is sent. The first may only have opened the router.
const PROBE_AGAIN: Duration = Duration::from_millis(500);

/// A scripted client.
///
/// In a call it allocates at the relay, signals its two candidates (the mapped and the relayed address), lets the
/// partner's candidates through, and when both sides are ready sends a probe to each of them, directly and
/// through the relay. What arrives is in [`Person::received`].
#[derive(Debug)]
pub struct Person {
    pub(crate) user: String,
    pub(crate) nat: Nat,
    /// The time a packet takes between this person and the middle of the network.
    pub(crate) delay: Duration,
    calls: bool,
    call: Option<Call>,
    /// Every message of the server, in order.
    pub heard: Vec<Value>,
    /// Every partner it was given.
    pub met: Vec<Meeting>,
    /// Every probe that arrived.
    pub received: Vec<Received>,
    /// The status code its WebSocket was closed with.
    pub closed: Option<u16>,
}

/// A `match_found`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting {
    /// `sessionId`
    pub session: String,
    /// `partnerId`
    pub partner: String,
    /// `isInitiator`
    pub initiator: bool,
}

/// A probe as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Straight to this person's socket, or out of its own allocation.
    pub path: Path,
    /// Where it came from, as this person sees it.
    pub from: SocketAddr,
    /// The sender and the path by which it sent.
    pub text: String,
}

/// One end of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// From the person's own socket.
    Direct,
    /// Through the person's allocation.
    Relay,
}

/// What a person does.
#[derive(Debug)]
pub(crate) enum Action {
    /// A message to the server.
    Say(Value),
    /// A packet from the person's socket.
    Send { to: SocketAddr, bytes: Vec<u8> },
    /// [`Person::wake`] after this time.
    Wake(Duration),
}

#[derive(Debug)]
struct Call {
    session: String,
    turn: TurnClient,
    allocated: bool,
    permitted: bool,
    theirs: Vec<SocketAddr>,
    partner_ready: bool,
}

impl Person {
    /// A person who calls everybody it meets, or only takes note of them.
    pub(crate) fn new(user: String, nat: Nat, delay: Duration, calls: bool) -> Self {
        Self {
            user,
            nat,
            delay,
            calls,
            call: None,
            heard: Vec::new(),
            met: Vec::new(),
            received: Vec::new(),
            closed: None,
        }
    }

    /// Its `userId`.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Where its router is.
    pub fn nat(&self) -> &Nat {
        &self.nat
    }

    /// The types of what it heard, errors by their code.
    pub fn heard_types(&self) -> Vec<&str> {
        self.heard.iter().filter_map(name).collect()
    }

    pub(crate) fn hear(&mut self, text: &str) -> Vec<Action> {
        let message: Value = serde_json::from_str(text).expect("the server sends JSON");
        let payload = &message["payload"];
        let actions = match message["type"].as_str() {
            Some("match_found") => self.meet(payload),
            Some("signal") => self.signaled(&payload["signal"]),
            Some("partner_left") => self.hang_up(),
            _ => Vec::new(),
        };
        self.heard.push(message);
        actions
    }

    /// Gives the allocation back, if it has one.
    pub(crate) fn hang_up(&mut self) -> Vec<Action> {
        let release = |mut call: Call| to_server(call.turn.release());
        self.call.take().filter(|call| call.allocated).map(release).into_iter().collect()
    }

    pub(crate) fn receive(&mut self, from: SocketAddr, bytes: &[u8]) -> Vec<Action> {
        if from != SERVER {
            self.note(Path::Direct, from, bytes);
            return Vec::new();
        }
        let Some(call) = &mut self.call else { return Vec::new() };
        match call.turn.handle(bytes) {
            Some(TurnEvent::Transmit(bytes)) => vec![to_server(bytes)],
            Some(TurnEvent::Allocated { relayed, mapped }) => {
                call.allocated = true;
                let mut actions = vec![call.say(json!({ "candidates": [mapped, relayed] }))];
                actions.extend(call.permit());
                actions
            }
            Some(TurnEvent::Permitted(_)) => {
                call.permitted = true;
                let mut actions = vec![call.say(json!({ "ready": true }))];
                actions.extend(self.probe_if_ready());
                actions
            }
            Some(TurnEvent::Data { peer, payload }) => {
                self.note(Path::Relay, peer, &payload);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// Sends another round of probes.
    pub(crate) fn wake(&mut self) -> Vec<Action> {
        let user = &self.user;
        let Some(call) = &mut self.call else { return Vec::new() };
        let probes = call.theirs.clone().into_iter().flat_map(|to| {
            let relayed = call.turn.send(to, format!("{user} by {:?}", Path::Relay).as_bytes());
            let direct = format!("{user} by {:?}", Path::Direct).into_bytes();
            [Action::Send { to, bytes: direct }, to_server(relayed)]
        });
        probes.collect()
    }

    fn meet(&mut self, payload: &Value) -> Vec<Action> {
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let session = text(&payload["sessionId"]);
        self.met.push(Meeting {
            session: session.clone(),
            partner: text(&payload["partnerId"]),
            initiator: payload["isInitiator"].as_bool().expect("a boolean"),
        });
        if !self.calls {
            return Vec::new();
        }
        let server = &payload["iceServers"][0];
        let mut turn = TurnClient::new(&text(&server["username"]), &text(&server["credential"]));
        let allocate = to_server(turn.allocate());
        let [allocated, permitted, partner_ready] = [false; 3];
        let theirs = Vec::new();
        self.call = Some(Call { session, turn, allocated, permitted, theirs, partner_ready });
        vec![allocate]
    }

    fn signaled(&mut self, signal: &Value) -> Vec<Action> {
        let Some(call) = &mut self.call else { return Vec::new() };
        if let Some(candidates) = signal["candidates"].as_array() {
            let address = |value: &Value| value.as_str()?.parse().ok();
            call.theirs = candidates.iter().filter_map(address).collect();
            return call.permit().into_iter().collect();
        }
        call.partner_ready = true;
        self.probe_if_ready()
    }

    fn probe_if_ready(&mut self) -> Vec<Action> {
        if !self.call.as_ref().is_some_and(|call| call.permitted && call.partner_ready) {
            return Vec::new();
        }
        let mut actions = self.wake();
        actions.push(Action::Wake(PROBE_AGAIN));
        actions
    }

    fn note(&mut self, path: Path, from: SocketAddr, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.received.push(Received { path, from, text });
    }
}

impl Call {
    /// Lets the partner's candidates through, once there is an allocation and once they are known.
    fn permit(&mut self) -> Option<Action> {
        let possible = self.allocated && !self.theirs.is_empty();
        possible.then(|| to_server(self.turn.permit(&self.theirs)))
    }

    fn say(&self, signal: Value) -> Action {
        let data =
            json!({ "sessionId": self.session, "targetUserId": "whoever", "signal": signal });
        Action::Say(json!({ "type": "signal", "data": data }))
    }
}

fn name(message: &Value) -> Option<&str> {
    match message["type"].as_str() {
        Some("error") => message["payload"]["code"].as_str(),
        kind => kind,
    }
}

fn to_server(bytes: Vec<u8>) -> Action {
    Action::Send { to: SERVER, bytes }
}
