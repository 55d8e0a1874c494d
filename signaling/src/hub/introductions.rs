//! Two who are to meet: a match stands when both have been heard of late. Whoever has been silent may be a page that was
//! put to sleep, or a phone that is out of reach, and is asked first.

use std::collections::BTreeMap;
use std::time::Duration;

use super::connections::Heard;
use super::{Hub, SeatId, State};
use crate::{ConnectionId, Event, IceServers, Output, TicketId};

/// Who was heard within this time is there.
const FRESH: Duration = Duration::from_secs(5);
/// How long the other one waits for somebody who is asked.
const ANSWER: Duration = Duration::from_secs(3);

/// Tickets that wait for each other's life signs, each found by the other.
#[derive(Debug, Default)]
pub(super) struct Introductions(BTreeMap<TicketId, TicketId>);

impl Introductions {
    pub(super) fn len(&self) -> usize {
        self.0.len() / 2
    }

    fn begin(&mut self, first: TicketId, second: TicketId) {
        self.0.insert(first, second);
        self.0.insert(second, first);
    }

    fn of(&self, ticket: TicketId) -> Option<TicketId> {
        self.0.get(&ticket).copied()
    }

    /// Ends an introduction, and says with whom it was.
    fn end(&mut self, ticket: TicketId) -> Option<TicketId> {
        let other = self.0.remove(&ticket)?;
        self.0.remove(&other);
        Some(other)
    }
}

impl Hub {
    /// The matcher has put two together.
    pub(super) fn introduce(
        &mut self,
        now: Duration,
        first: TicketId,
        second: TicketId,
        ice: &mut impl IceServers,
    ) {
        if self.draining.is_some() {
            return;
        }
        let reached = [first, second].map(|ticket| self.reached_by(ticket));
        let (true, [Some(a), Some(b)]) = (first != second, reached) else {
            return self.seek_again(first, second);
        };
        let silent = |id: &ConnectionId| !self.connections.heard_within(now, *id, FRESH);
        let silent: Vec<_> = [a, b].into_iter().filter(silent).collect();
        if silent.is_empty() {
            return self.pair(now, first, second, ice);
        }
        self.introductions.begin(first, second);
        self.event(Event::Probed);
        for id in silent {
            self.probe(now, id, ANSWER);
        }
    }

    /// Somebody must show within this time that it is there.
    pub(super) fn probe(&mut self, now: Duration, id: ConnectionId, within: Duration) {
        self.connections.probe(now, id, within);
        self.outputs.push_back(Output::Ping { to: id });
    }

    /// Somebody has been heard; a partner may have waited for that.
    pub(super) fn show_life(&mut self, now: Duration, heard: Heard, ice: &mut impl IceServers) {
        let Heard { seat: Some(seat), awaited: true } = heard else { return };
        let Some(State::Waiting(waiting)) = self.seats.find(seat).map(|seat| seat.state) else {
            return;
        };
        let Some(other) = self.introductions.of(waiting.ticket) else { return };
        let is_awaited = |id| self.connections.is_awaited(id);
        if self.reached_by(other).is_some_and(is_awaited) {
            return;
        }
        self.introductions.end(waiting.ticket);
        // Whose ticket is older is the initiator, as the matcher has it.
        let [first, second] = match self.since(other) < Some(waiting.since) {
            true => [other, waiting.ticket],
            false => [waiting.ticket, other],
        };
        self.pair(now, first, second, ice);
    }

    /// Somebody who waits is not to be met any more: whoever was to meet it looks on.
    pub(super) fn withdraw(&mut self, seat: SeatId) {
        let State::Waiting(waiting) = self.seats.get(seat).state else { return };
        self.requests.push_back(crate::MatchRequest::Unseek(waiting.ticket));
        self.end_introduction(waiting.ticket);
    }

    pub(super) fn end_introduction(&mut self, ticket: TicketId) {
        if let Some(other) = self.introductions.end(ticket) {
            self.seek(other);
        }
    }

    /// The connection of whoever waits with a ticket, if it is live and has one.
    pub(super) fn reached_by(&self, ticket: TicketId) -> Option<ConnectionId> {
        self.seats.get(self.seats.of_ticket(ticket)?).connection()
    }

    fn since(&self, ticket: TicketId) -> Option<Duration> {
        match self.seats.get(self.seats.of_ticket(ticket)?).state {
            State::Waiting(waiting) => Some(waiting.since),
            State::Idle | State::Paired { .. } => None,
        }
    }

    /// A match of which a side has left meanwhile: the other one still wants a partner.
    fn seek_again(&mut self, first: TicketId, second: TicketId) {
        self.seek(first);
        if second != first {
            self.seek(second);
        }
    }
}
