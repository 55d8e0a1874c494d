//! Two who are to meet: a match stands when both have agreed. Whoever has been silent may be a page that was put to sleep,
//! or a phone that is out of reach.

use std::sync::Arc;
use std::time::Duration;

use super::{Hub, SeatId, State};
use crate::wire::{ServerMessage, TimeoutReason};
use crate::{ConnectionId, Event, IceServers, MatchRequest, Output, Protocol, TicketId};

/// A client of the old wire agrees by its socket being alive: it was heard within this time, or is pinged.
const ALIVE: Duration = Duration::from_secs(5);
/// Any other agrees by what it says; who has said something just now need not be asked.
const JUST_NOW: Duration = Duration::from_secs(1);
/// How long who is asked has, as the matcher has it.
pub(super) const ANSWER: Duration = Duration::from_secs(3);

/// Whether somebody can be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    There,
    /// It was silent, and is to show that it is there.
    Asked,
    /// It has no connection.
    Away,
}

impl Hub {
    /// The matcher offers two to each other.
    pub(super) fn offer(&mut self, now: Duration, tickets: [TicketId; 2]) {
        if self.draining.is_some() {
            return;
        }
        for ticket in tickets {
            // Who has gone meanwhile has taken its ticket back, or will find out that it lapsed.
            let Some(seat) = self.seats.of_ticket(ticket) else { continue };
            match self.ask_whether_there(now, seat) {
                Presence::There => self.requests.push_back(MatchRequest::Acknowledge(ticket)),
                Presence::Asked => self.seats.set_asked(seat, true),
                Presence::Away => {}
            }
        }
    }

    /// Whether somebody who waits is there, by what was heard of it; if that is too long ago, it is asked, and
    /// [agrees](Self::agree) by what it says next.
    pub(super) fn ask_whether_there(&mut self, now: Duration, seat: SeatId) -> Presence {
        let Some(connection) = self.seats.get(seat).connection() else { return Presence::Away };
        let protocol = self.seats.get(seat).protocol();
        let (heard, time) = match protocol {
            Protocol::Plain => (self.connections.last_heard(connection), ALIVE),
            Protocol::Resumable => (self.connections.last_said(connection), JUST_NOW),
        };
        if heard.is_some_and(|heard| now <= heard.saturating_add(time)) {
            return Presence::There;
        }
        self.event(Event::Probed);
        match protocol {
            Protocol::Plain => self.probe(now, connection, ANSWER),
            Protocol::Resumable => {
                let within_ms = u64::try_from(ANSWER.as_millis()).unwrap_or(u64::MAX);
                self.send(connection, &ServerMessage::MatchOffer { within_ms });
            }
        }
        Presence::Asked
    }

    /// Somebody must show within this time that it is there.
    pub(super) fn probe(&mut self, now: Duration, id: ConnectionId, within: Duration) {
        self.connections.probe(now, id, within);
        self.outputs.push_back(Output::Ping { to: id });
    }

    /// Somebody has said something, or come back, and so agrees to what it was asked.
    pub(super) fn agree(&mut self, now: Duration, seat: SeatId) {
        match self.seats.find(seat).map(|seat| seat.state) {
            Some(State::Waiting(waiting)) if waiting.asked => {
                self.seats.set_asked(seat, false);
                self.requests.push_back(MatchRequest::Acknowledge(waiting.ticket));
            }
            Some(State::Hosting(code)) => self.rooms.answer(now, code),
            _ => {}
        }
    }

    /// A client of the old wire has shown life.
    pub(super) fn show_life(&mut self, now: Duration, seat: Option<SeatId>) {
        if let Some(id) = seat
            && self.seats.find(id).is_some_and(|seat| seat.protocol() == Protocol::Plain)
        {
            self.agree(now, id);
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
        let seats = [first, second].map(|ticket| self.seats.of_ticket(ticket));
        if let [Some(a), Some(b)] = seats.map(|seat| seat.map(|seat| self.seats.get(seat)))
            && first != second
            && a.connection().is_some()
            && b.connection().is_some()
            && !self.are_apart(&a.user, &b.user)
        {
            return self.pair(now, first, second, ice);
        }
        // One of them has left meanwhile, or wants to meet anybody else: the other one still wants a partner.
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

    /// Who waits with a ticket, if it is live and has a connection.
    pub(super) fn reached_by(&self, ticket: TicketId) -> Option<Arc<str>> {
        let seat = self.seats.get(self.seats.of_ticket(ticket)?);
        seat.connection().map(|_| seat.user.clone())
    }
}
