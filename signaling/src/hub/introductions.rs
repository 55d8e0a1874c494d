//! Two who are to meet: a match stands when both have agreed. Whoever has been silent may be a page that was put to sleep,
//! or a phone that is out of reach.

use std::time::Duration;

use super::{Hub, SeatId, State};
use crate::wire::{ServerMessage, TimeoutReason};
use crate::{ConnectionId, Event, IceServers, MatchRequest, Output, Protocol, TicketId};

/// A client of the old wire agrees by its socket being alive: it was heard within this time, or is pinged.
const ALIVE: Duration = Duration::from_secs(5);
/// Any other agrees by what it says; who has said something just now need not be asked.
const JUST_NOW: Duration = Duration::from_secs(1);
/// How long who is asked has, as the matcher has it.
const ANSWER: Duration = Duration::from_secs(3);

impl Hub {
    /// The matcher offers two to each other.
    pub(super) fn offer(&mut self, now: Duration, tickets: [TicketId; 2]) {
        if self.draining.is_some() {
            return;
        }
        for ticket in tickets {
            // Who has gone meanwhile has taken its ticket back, or will find out that it lapsed.
            let Some(seat) = self.seats.of_ticket(ticket) else { continue };
            let Some(connection) = self.seats.get(seat).connection() else { continue };
            let protocol = self.seats.get(seat).protocol();
            let (heard, time) = match protocol {
                Protocol::Plain => (self.connections.last_heard(connection), ALIVE),
                Protocol::Resumable => (self.connections.last_said(connection), JUST_NOW),
            };
            if heard.is_some_and(|heard| now <= heard.saturating_add(time)) {
                self.requests.push_back(MatchRequest::Acknowledge(ticket));
                continue;
            }
            self.seats.set_asked(seat, true);
            self.event(Event::Probed);
            match protocol {
                Protocol::Plain => self.probe(now, connection, ANSWER),
                Protocol::Resumable => {
                    let within_ms = u64::try_from(ANSWER.as_millis()).unwrap_or(u64::MAX);
                    self.send(connection, &ServerMessage::MatchOffer { within_ms });
                }
            }
        }
    }

    /// Somebody must show within this time that it is there.
    pub(super) fn probe(&mut self, now: Duration, id: ConnectionId, within: Duration) {
        self.connections.probe(now, id, within);
        self.outputs.push_back(Output::Ping { to: id });
    }

    /// Somebody has said something, or come back, and so agrees to what it was asked.
    pub(super) fn agree(&mut self, seat: SeatId) {
        if let Some(State::Waiting(waiting)) = self.seats.find(seat).map(|seat| seat.state)
            && waiting.asked
        {
            self.seats.set_asked(seat, false);
            self.requests.push_back(MatchRequest::Acknowledge(waiting.ticket));
        }
    }

    /// A client of the old wire has shown life.
    pub(super) fn show_life(&mut self, seat: Option<SeatId>) {
        if let Some(id) = seat
            && self.seats.find(id).is_some_and(|seat| seat.protocol() == Protocol::Plain)
        {
            self.agree(id);
        }
    }

    /// Both have agreed.
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
        let reached = [first, second].map(|ticket| self.reached_by(ticket).is_some());
        if first != second && reached == [true; 2] {
            return self.pair(now, first, second, ice);
        }
        // One of them has left meanwhile: the other one still wants a partner.
        self.seek(first);
        if second != first {
            self.seek(second);
        }
    }

    /// Somebody who waits is not to be met any more.
    pub(super) fn withdraw(&mut self, seat: SeatId) {
        let State::Waiting(waiting) = self.seats.get(seat).state else { return };
        self.seats.set_asked(seat, false);
        self.requests.push_back(MatchRequest::Unseek(waiting.ticket));
    }

    /// Somebody did not agree in time.
    pub(super) fn lapse(&mut self, ticket: TicketId) {
        if self.draining.is_some() {
            return;
        }
        if let Some((seat, _)) = self.seats.end_ticket(ticket) {
            let resumable = self.seats.get(seat).protocol() == Protocol::Resumable;
            let reason = resumable.then_some(TimeoutReason::Unanswered);
            self.tell(seat, &ServerMessage::QueueTimeout { reason });
            self.event(Event::Lapsed);
        }
    }

    /// The connection of whoever waits with a ticket, if it is live and has one.
    pub(super) fn reached_by(&self, ticket: TicketId) -> Option<ConnectionId> {
        self.seats.get(self.seats.of_ticket(ticket)?).connection()
    }
}
