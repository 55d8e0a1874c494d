//! The signaling hub and the matcher joined into one state machine, without I/O.
//!
//! 1. Tell a [`Lobby`] what happened: [`Lobby::connect`], [`Lobby::handle_message`], [`Lobby::disconnect`], ...
//! 2. Drain [`Lobby::poll_output`] until it returns `None` and carry out each [`Output`]: a message, a ping, a close,
//!    or an event to count.
//! 3. At [`Lobby::poll_timeout`], call [`Lobby::handle_timeout`], then drain again.
//!
//! Who looks for whom stays inside. Whatever may bring a match takes the [`IceServers`] that both sides are then given.
//!
//! `now` is the time since 1970 as it was when the process started, by a clock that never goes back.
#![cfg_attr(doctest, doc = include_str!("../README.md"))]
#![forbid(unsafe_code)]

use std::time::Duration;

use hairpin_matcher::Matcher;
use hairpin_signaling::{
    Config, ConnectionId, Departure, Hub, IceServers, Identity, Keys, MatchRequest, Origin, Output,
    Outside,
};

/// A [`Hub`] whose users are matched by a [`Matcher`] of its own.
pub struct Lobby {
    hub: Hub,
    matcher: Matcher,
}

impl Lobby {
    /// Nobody is there.
    pub fn new(config: Config, keys: &Keys) -> Self {
        let matcher = Matcher::new(config.match_rules(), keys.matcher());
        Self { hub: Hub::new(config, keys), matcher }
    }

    /// A client has connected, from there, if that says whose it is. After [`Lobby::drain`] it is sent away again.
    pub fn connect(&mut self, now: Duration, id: ConnectionId, origin: Option<Origin>) {
        self.hub.connect(now, id, origin);
        self.ask(now);
    }

    /// A client's connection is gone; news only if the lobby has not closed it.
    pub fn disconnect(
        &mut self,
        now: Duration,
        id: ConnectionId,
        departure: Departure,
        ice: &mut impl IceServers,
    ) {
        self.hub.disconnect(now, id, departure);
        // Whoever was to meet it looks on, and may meet another.
        self.settle(now, ice);
    }

    /// A client has brought a token with its handshake, and the caller has read it: it counts from its first message on.
    pub fn identify(&mut self, now: Duration, id: ConnectionId, identity: Identity) {
        self.hub.identify(now, id, identity);
    }

    /// A client has sent a text message.
    pub fn handle_message(
        &mut self,
        now: Duration,
        id: ConnectionId,
        text: &str,
        outside: &mut impl Outside,
    ) {
        self.hub.handle_message(now, id, text, outside);
        self.settle(now, outside);
    }

    /// A client has sent a binary message; the protocol has none.
    pub fn handle_binary(&mut self, now: Duration, id: ConnectionId, ice: &mut impl IceServers) {
        self.hub.handle_binary(now, id);
        self.settle(now, ice);
    }

    /// A client has answered a ping, or shown life in another way that is no message.
    pub fn handle_pong(&mut self, now: Duration, id: ConnectionId, ice: &mut impl IceServers) {
        self.hub.handle_pong(now, id);
        self.settle(now, ice);
    }

    /// Stops: nobody is matched any more, and every client is sent elsewhere within `spread`, with `grace` to go by
    /// itself. Whoever comes is sent away at once.
    pub fn drain(&mut self, now: Duration, spread: Duration, grace: Duration) {
        self.hub.drain(now, spread, grace);
        self.ask(now);
    }

    /// Says something that comes from no client, such as [`Hub::bar`], [`Hub::block`], [`Hub::set_profile`] or
    /// [`Hub::restore`]. What only asks is with [`Lobby::hub`].
    pub fn administer<T>(
        &mut self,
        now: Duration,
        ice: &mut impl IceServers,
        act: impl FnOnce(&mut Hub) -> T,
    ) -> T {
        let done = act(&mut self.hub);
        self.settle(now, ice);
        done
    }

    /// Does what is due. To be called at [`Lobby::poll_timeout`]; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Duration, ice: &mut impl IceServers) {
        self.hub.handle_timeout(now, ice);
        // What is settled may change whom those meet who wait. More than that is left for the next call: it is bounded.
        for _ in 0..3 {
            self.matcher.handle_timeout(now);
            self.settle(now, ice);
            if self.matcher.poll_timeout().is_none_or(|next| next > now) {
                return;
            }
        }
    }

    /// When [`Lobby::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        [self.hub.poll_timeout(), self.matcher.poll_timeout()].into_iter().flatten().min()
    }

    /// What to do next; `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.hub.poll_output()
    }

    /// Who is connected and who is paired.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Who waits.
    pub fn matcher(&self) -> &Matcher {
        &self.matcher
    }

    /// Hands the hub's wishes on, and the matcher's answers back, until neither has anything to say.
    fn settle(&mut self, now: Duration, ice: &mut impl IceServers) {
        self.ask(now);
        while let Some(answer) = self.matcher.poll_output() {
            use hairpin_matcher::Output::{Expired, Lapsed, Matched, Offer, Replaced, Waiting};
            match answer {
                Waiting { id, place } => self.hub.queued(id, place),
                Offer(pair) => self.hub.offered(now, pair.first.id, pair.second.id),
                Matched(pair) => self.hub.matched(now, pair.first.id, pair.second.id, ice),
                Lapsed(id) => self.hub.lapsed(id),
                Expired(id) => self.hub.expired(id),
                // The hub takes a user's ticket back before it hands in another.
                Replaced(_) => debug_assert!(false, "two tickets of one user"),
            }
            self.ask(now);
        }
    }

    /// Hands the hub's wishes on.
    fn ask(&mut self, now: Duration) {
        while let Some(request) = self.hub.poll_match_request() {
            match request {
                MatchRequest::Seek(ticket) => self.matcher.insert(now, *ticket),
                MatchRequest::Unseek(ticket) => {
                    self.matcher.remove(now, ticket);
                }
                MatchRequest::Acknowledge(ticket) => self.matcher.acknowledge(now, ticket),
                MatchRequest::InCompany(company) => self.matcher.set_in_company(company),
            }
        }
    }
}
