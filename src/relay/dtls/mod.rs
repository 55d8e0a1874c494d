//! TURN over DTLS (RFC 7350): a worker's sessions, by 5-tuple.
//!
//! Nothing is kept of a client before it has sent a cookie back; then handshakes are bounded for each address and in all,
//! and those that nothing comes of end soon. A session ends as a stream does: with its allocation, or a while without one.

mod hello;
mod identity;
mod session;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use hairpin_turn::{FairShare, FiveTuple, Network, OwnedPacket};

use hello::{ClientHello, Cookies};
pub(crate) use identity::Identity;
use session::{Session, Wants};

/// Sessions of a worker. One holds some tens of kilobytes.
const SESSIONS: usize = 4096;

/// Handshakes under way in a worker.
const HANDSHAKES: usize = 256;

/// Handshakes that begin in one turn: each takes about as long as a hundred packets, which wait meanwhile.
const BEGINNINGS: usize = 4;

/// All of a worker's DTLS clients.
pub(super) struct Sessions {
    identity: Identity,
    cookies: Cookies,
    by_tuple: HashMap<FiveTuple, Session, foldhash::fast::RandomState>,
    timers: BTreeSet<(Duration, FiveTuple)>,
    /// Places of sessions, and of handshakes besides.
    places: FairShare<Network>,
    half_open: FairShare<Network>,
    /// Handshakes that began in this turn.
    begun: usize,
    /// Datagrams for clients, in their order.
    outgoing: Vec<(FiveTuple, Vec<u8>)>,
    /// Whose sessions are over.
    ended: Vec<FiveTuple>,
    now: Duration,
    /// The time that the worker's clock counts from, as the library wants it.
    origin: Instant,
}

impl Sessions {
    /// None yet. `now` is the worker's time, `secret` random.
    pub(super) fn new(identity: Identity, now: Duration, secret: [u8; 32]) -> Self {
        Self {
            identity,
            cookies: Cookies::new(secret),
            by_tuple: HashMap::default(),
            timers: BTreeSet::new(),
            places: FairShare::new(SESSIONS),
            half_open: FairShare::new(HANDSHAKES),
            begun: 0,
            outgoing: Vec::new(),
            ended: Vec::new(),
            now,
            origin: Instant::now().checked_sub(now).unwrap_or_else(Instant::now),
        }
    }

    /// Takes another certificate for the handshakes to come.
    pub(super) fn set_identity(&mut self, identity: Identity) {
        self.identity = identity;
    }

    /// Takes a datagram from a client, and returns the messages in it.
    pub(super) fn receive(
        &mut self,
        now: Duration,
        tuple: &FiveTuple,
        datagram: &[u8],
    ) -> Vec<OwnedPacket> {
        self.now = now;
        let hello = ClientHello::read(datagram);
        let session = self.by_tuple.get_mut(tuple);
        match (hello, session) {
            (Some(hello), session) if session.as_ref().is_none_or(|s| !s.began_with(&hello)) => {
                // Of a client that begins anew a session is left until it has shown that it is the same (RFC 6347 s4.2.8).
                if let Some(refusal) = hello.refusal() {
                    self.outgoing.push((*tuple, refusal));
                } else if self.cookies.is_verified(now, tuple.client, &hello) {
                    self.begin(tuple, &hello, datagram);
                } else {
                    let cookie = self.cookies.cookie(now, tuple.client, hello.random);
                    self.outgoing.push((*tuple, hello.verify(&cookie)));
                }
                Vec::new()
            }
            (_, Some(session)) => {
                let was_open = session.is_open;
                let wants = session.receive(now, datagram);
                if session.is_open && !was_open {
                    self.half_open.release(&Network::of(tuple.client.ip()));
                }
                self.follow(tuple, wants)
            }
            (_, None) => Vec::new(),
        }
    }

    fn begin(&mut self, tuple: &FiveTuple, hello: &ClientHello<'_>, datagram: &[u8]) {
        let Ok(cookie) = hello.cookie().try_into() else { return };
        if self.by_tuple.contains_key(tuple) {
            // The client repeats itself, and finds nobody who knows it.
            return self.end(tuple);
        }
        let network = Network::of(tuple.client.ip());
        let admits = self.begun < BEGINNINGS && !self.places.is_full();
        if !admits || !self.places.allows(&network) || !self.half_open.admit(network) {
            return;
        }
        self.places.take(network);
        self.begun += 1;
        let mut session = Session::new(&self.identity, self.origin, self.now, hello);
        let wants = session.begin(self.now, hello, datagram, cookie);
        self.timers.insert((session.timer, *tuple));
        self.by_tuple.insert(*tuple, session);
        self.follow(tuple, wants);
    }

    /// Sends a client a message, if it still has a session.
    pub(super) fn send(&mut self, tuple: &FiveTuple, message: &[u8]) {
        if let Some(session) = self.by_tuple.get_mut(tuple) {
            let wants = session.send(self.now, message);
            self.follow(tuple, wants);
        }
    }

    /// Notes that what a client has sent was for an allocation.
    pub(super) fn allocated(&mut self, tuple: &FiveTuple) {
        if let Some(session) = self.by_tuple.get_mut(tuple) {
            session.deadlines.allocated(self.now);
        }
    }

    /// Has a session's deadlines looked at now: its allocation has ended, perhaps before its time.
    pub(super) fn look_now(&mut self, tuple: &FiveTuple, now: Duration) {
        self.look_at(tuple, now);
    }

    /// When [`handle_timeout`](Self::handle_timeout) is next worth a call.
    pub(super) fn next_timer(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Sends again what was lost, and ends sessions whose time is over, looking at no more than `most`.
    pub(super) fn handle_timeout(
        &mut self,
        now: Duration,
        most: usize,
        allocation_ends: impl Fn(&FiveTuple) -> Option<Duration>,
    ) {
        self.now = now;
        for _ in 0..most {
            let Some(&(_, tuple)) = self.timers.first().filter(|(at, _)| *at <= now) else {
                return;
            };
            let Some(session) = self.by_tuple.get_mut(&tuple) else { return };
            let mut wants = session.handle_timeout(now);
            let end = session.deadlines.deadline(allocation_ends(&tuple));
            if end <= now {
                wants = session.close(now);
            }
            self.look_at(&tuple, end);
            self.follow(&tuple, wants);
        }
    }

    /// Ends a turn: the datagrams for clients.
    pub(super) fn take_outgoing(&mut self) -> Vec<(FiveTuple, Vec<u8>)> {
        self.begun = 0;
        std::mem::take(&mut self.outgoing)
    }

    /// The next client whose session is over.
    pub(super) fn next_ended(&mut self) -> Option<FiveTuple> {
        self.ended.pop()
    }

    /// Does what a session wants, and returns what it has received.
    fn follow(&mut self, tuple: &FiveTuple, wants: Wants) -> Vec<OwnedPacket> {
        let Wants { transmit, received, closed } = wants;
        self.outgoing.extend(transmit.into_iter().map(|datagram| (*tuple, datagram)));
        if closed {
            self.end(tuple);
        } else if let Some(session) = self.by_tuple.get(tuple)
            && let Some(wake) = session.wake.filter(|wake| *wake < session.timer)
        {
            self.look_at(tuple, wake);
        }
        received
    }

    fn look_at(&mut self, tuple: &FiveTuple, at: Duration) {
        if let Some(session) = self.by_tuple.get_mut(tuple) {
            self.timers.remove(&(session.timer, *tuple));
            session.timer = at;
            self.timers.insert((at, *tuple));
        }
    }

    fn end(&mut self, tuple: &FiveTuple) {
        let Some(session) = self.by_tuple.remove(tuple) else { return };
        self.timers.remove(&(session.timer, *tuple));
        let network = Network::of(tuple.client.ip());
        self.places.release(&network);
        if !session.is_open {
            self.half_open.release(&network);
        }
        self.ended.push(*tuple);
    }
}
