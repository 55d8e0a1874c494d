//! People whose app speaks the wire as a real client does, over networks that fail: it asks whether its socket is alive,
//! opens another when it is not, and says again what was not heard.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hairpin_lobby::Lobby;
use hairpin_signaling::{Config, Keys, Protocol};
use serde_json::{Value, json};

use super::{Arrival, Frame, PersonId, System};
use crate::nat::NatKind;
use crate::wire_client::{News, State, WireClient};

/// A socket by which nothing has come for so long after a ping is dead.
const ANSWER: Duration = Duration::from_secs(3);
/// The time between two pings while waiting, and while in a call.
const PINGS: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(15)];
/// How long an app of the old wire takes to see that its socket is dead.
const SLOW: Duration = Duration::from_secs(60);
/// Who was closed comes back after this time.
const RETRY: Duration = Duration::from_secs(1);

/// Somebody's app.
pub(super) struct Caller {
    wire: WireClient,
    present: bool,
    /// When something was last heard, and when it was last asked for.
    heard: Duration,
    asked: Duration,
    /// Until then it does nothing.
    asleep: Duration,
    /// How often it has come back.
    returns: u64,
}

/// What the callers have sent and heard, by session and who has sent or heard it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sent: BTreeMap<(String, String), u64>,
    heard: BTreeMap<(String, String), u64>,
    restarted: BTreeSet<String>,
    sides: BTreeMap<String, BTreeSet<PersonId>>,
}

/// What has happened to all callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calls {
    /// Sessions.
    pub sessions: usize,
    /// Those of which a side had to begin anew.
    pub restarted: usize,
    /// Signals that were heard.
    pub signals: u64,
    /// Sockets opened in place of another.
    pub returns: u64,
}

impl System {
    /// Somebody whose app speaks the new wire or the old.
    pub fn add_caller(&mut self, user: &str, protocol: Protocol) -> PersonId {
        let id = self.add_person(user, NatKind::Open, false);
        let [heard, asked, asleep] = [Duration::ZERO; 3];
        let wire = WireClient::new(user, protocol);
        self.callers.insert(id, Caller { wire, present: false, heard, asked, asleep, returns: 0 });
        id
    }

    /// Comes, and looks for a partner.
    pub fn come(&mut self, id: PersonId, pool: &str) {
        let caller = self.caller(id);
        caller.present = true;
        if caller.wire.resumes() {
            caller.wire.join(pool);
            self.reopen(id);
        } else {
            self.reopen(id);
            self.act(id, |wire| wire.join(pool));
        }
        self.schedule(PINGS[0], Arrival::Tick(id));
    }

    /// Ends its call, says goodbye and is gone.
    pub fn go(&mut self, id: PersonId) {
        self.act(id, WireClient::end);
        self.act(id, WireClient::leave);
        self.caller(id).present = false;
        self.caller(id).wire.lost();
        self.close_for_good(id);
    }

    /// Somebody does something.
    pub fn act(&mut self, id: PersonId, act: impl FnOnce(&mut WireClient) -> Vec<String>) {
        let connected = self.connections.contains_key(&id);
        let caller = self.caller(id);
        // An app of the old wire has nothing to remember what it could not say.
        if caller.present && (connected || caller.wire.resumes()) {
            let said = act(&mut caller.wire);
            said.into_iter().for_each(|text| self.say_text(id, text));
            self.read_news(id);
        }
    }

    /// Signals to the partner, if there is one.
    pub fn signal(&mut self, id: PersonId) {
        let connected = self.connections.contains_key(&id);
        let wire = &self.caller(id).wire;
        let State::Paired { session, .. } = wire.state().clone() else { return };
        if !wire.resumes() && !connected {
            return;
        }
        let user = wire.user().to_owned();
        let n = self.ledger.sent.entry((session, user.clone())).or_default();
        *n += 1;
        let signal = json!({ "from": user, "n": *n });
        self.act(id, |wire| wire.signal(&signal));
    }

    /// What somebody's app does.
    pub fn state(&self, id: PersonId) -> &State {
        self.callers[&id].wire.state()
    }

    /// From now on nothing gets through by somebody's socket, and nobody hears of that.
    pub fn cut(&mut self, id: PersonId) {
        if let Some(connection) = self.connections.get(&id) {
            self.sockets.remove(connection);
        }
    }

    /// A page or a phone sleeps: its socket is lost unheard, and it notices nothing until it wakes.
    pub fn sleep(&mut self, id: PersonId, time: Duration) {
        self.cut(id);
        self.caller(id).asleep = self.now + time;
    }

    /// Somebody's page is loaded anew.
    pub fn reload(&mut self, id: PersonId) {
        self.caller(id).wire.reload();
        self.reopen(id);
    }

    /// The server sends everybody elsewhere, one after the other.
    pub fn drain_slowly(&mut self, spread: Duration, grace: Duration) {
        self.lobby.drain(self.now, spread, grace);
        self.carry_out_lobby();
    }

    /// The server is started anew with the secret it had. All sockets are reset.
    pub fn restart(&mut self) {
        let keys = Keys::new([self.rng.next_u64(), self.rng.next_u64()], b"north");
        self.lobby = Lobby::new(Config::default(), &keys);
        for (id, _) in std::mem::take(&mut self.connections) {
            self.caller(id).wire.lost();
            let wait = Duration::from_millis(self.rng.below(2_000));
            self.schedule(wait, Arrival::Retry(id));
        }
        self.sockets.clear();
        // What was on its way to it does not arrive at another.
        self.coming.retain(|_, arrival| {
            !matches!(
                arrival,
                Arrival::Opened(_) | Arrival::Said(..) | Arrival::Pong(_) | Arrival::Gone(_)
            )
        });
    }

    /// What has happened so far.
    pub fn calls(&self) -> Calls {
        Calls {
            sessions: self.ledger.sides.len(),
            restarted: self.ledger.restarted.len(),
            signals: self.ledger.heard.values().sum(),
            returns: self.callers.values().map(|caller| caller.returns).sum(),
        }
    }

    /// Looks whether everybody who is there is in a call with somebody who is in the same, or is one who waits.
    pub fn check_calls(&self) {
        let present = || self.callers.iter().filter(|(_, caller)| caller.present);
        let (mut waiting, mut paired) = (0, 0);
        let mut sides: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for (_, Caller { wire, .. }) in present() {
            assert!(wire.is_settled() || !wire.resumes(), "{} is unsettled", wire.user());
            match wire.state() {
                State::Idle => {}
                State::Waiting => waiting += 1,
                State::Paired { session, partner } => {
                    paired += 1;
                    sides.entry(session).or_default().push((wire.user(), partner));
                }
            }
        }
        for (session, sides) in sides {
            let [(a, of_a), (b, of_b)] = sides[..] else { panic!("{session} of {sides:?}") };
            assert_eq!((of_a, of_b), (b, a));
            for (from, to) in [(a, b), (b, a)] {
                let of = |who: &str| (session.to_owned(), who.to_owned());
                let sent = self.ledger.sent.get(&of(from)).copied().unwrap_or(0);
                let heard = self.ledger.heard.get(&of(to)).copied().unwrap_or(0);
                let complete = sent == heard || self.ledger.restarted.contains(session);
                assert!(complete, "{to} has heard {heard} of {sent}");
            }
        }
        let hub = self.hub();
        assert_eq!((hub.away(), hub.queue_len(), 2 * hub.sessions()), (0, waiting, paired));
    }

    /// Opens a socket; another one lives on as far as the server knows.
    pub(super) fn reopen(&mut self, id: PersonId) {
        if !self.caller(id).present {
            return;
        }
        if let Some(earlier) = self.connections.remove(&id) {
            self.sockets.remove(&earlier);
        }
        self.connect(id);
        let now = self.now;
        let caller = self.caller(id);
        (caller.heard, caller.asked, caller.asleep) = (now, now, now);
        caller.returns += 1;
        caller.wire.lost();
        self.act(id, WireClient::opened);
    }

    /// Looks after the socket.
    pub(super) fn tick(&mut self, id: PersonId) {
        let now = self.now;
        let dead = self.connections.get(&id).is_some_and(|id| !self.sockets.contains_key(id));
        let connected = self.connections.contains_key(&id);
        let caller = self.caller(id);
        if !caller.present {
            return;
        }
        if now < caller.asleep {
            let rest = caller.asleep - now;
            return self.schedule(rest, Arrival::Tick(id));
        }
        let calls = matches!(caller.wire.state(), State::Paired { .. });
        let next = PINGS[usize::from(calls)];
        let silent = caller.heard < caller.asked && now >= caller.asked + ANSWER;
        let given_up = match caller.wire.resumes() {
            true => silent,
            false => dead && now >= caller.heard + SLOW,
        };
        if given_up && connected {
            self.reopen(id);
        } else if caller.wire.resumes() && now >= caller.heard.max(caller.asked) + next - ANSWER {
            caller.asked = now;
            self.act(id, WireClient::ping);
        }
        self.schedule(ANSWER, Arrival::Tick(id));
    }

    /// Hears what the server says to somebody's app.
    pub(super) fn hear_caller(&mut self, id: PersonId, frame: &Frame) {
        let now = self.now;
        self.caller(id).heard = now;
        match frame {
            Frame::Text(text) => self.act(id, |wire| wire.hear(text)),
            Frame::Ping => {}
            Frame::Close(code) => {
                assert!(*code < 4500, "{} is {code}", self.people[id.0].user());
                self.caller(id).wire.lost();
                self.schedule(RETRY, Arrival::Retry(id));
            }
        }
    }

    fn close_for_good(&mut self, id: PersonId) {
        if let Some(connection) = self.connections.remove(&id)
            && self.sockets.remove(&connection).is_some()
        {
            self.schedule(self.people[id.0].delay, Arrival::Left(connection));
        }
    }

    fn caller(&mut self, id: PersonId) -> &mut Caller {
        self.callers.get_mut(&id).expect("it was added as a caller")
    }

    fn read_news(&mut self, id: PersonId) {
        for news in self.caller(id).wire.take_news() {
            match news {
                News::Met { session, .. } => {
                    let sides = self.ledger.sides.entry(session).or_default();
                    sides.insert(id);
                    assert!(sides.len() <= 2, "a session of {sides:?}");
                }
                News::Restart { session } => self.ledger.restarted.extend(session),
                News::Signal { session, signal } => self.hear_signal(id, session, &signal),
                News::Left { .. } => {}
                News::Goaway(after) => {
                    self.schedule(Duration::from_millis(after), Arrival::Retry(id));
                }
            }
        }
    }

    fn hear_signal(&mut self, id: PersonId, session: String, signal: &Value) {
        let user = self.people[id.0].user().to_owned();
        let n = signal["n"].as_u64().expect("a number");
        assert_ne!(signal["from"], *user);
        let restarted = self.ledger.restarted.contains(&session);
        let last = self.ledger.heard.entry((session, user)).or_default();
        assert!(n > *last, "heard once and in order: {n} after {last}");
        assert!(restarted || n == *last + 1, "a gap without a restart: {n} after {last}");
        *last = n;
    }
}
