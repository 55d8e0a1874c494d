//! Stopping: everybody is sent elsewhere, but not all at once, or they would all be there at once.

use std::time::Duration;

use super::Hub;
use crate::deadlines::Deadlines;
use crate::wire::ServerMessage;
use crate::{CloseCode, ConnectionId, Protocol};

/// Clients come back within this time of being told, each at a time of its own.
const JITTER_MS: u64 = 1000;

/// When whom is told, and when its connection is closed in any case.
#[derive(Debug, Default)]
pub(super) struct Drain {
    farewells: Deadlines<ConnectionId>,
    ends: Deadlines<ConnectionId>,
    grace: Duration,
}

impl Drain {
    pub(super) fn next(&self) -> Option<Duration> {
        [self.farewells.next(), self.ends.next()].into_iter().flatten().min()
    }
}

impl Hub {
    pub(super) fn begin_drain(&mut self, now: Duration, spread: Duration, grace: Duration) {
        let ids: Vec<_> = self.connections.ids().collect();
        let mut drain = Drain { grace, ..Drain::default() };
        let count = u32::try_from(ids.len()).unwrap_or(u32::MAX).max(1);
        for (place, id) in (0..).zip(ids) {
            drain.farewells.arm(now.saturating_add(spread * place / count), id);
        }
        self.draining = Some(drain);
        let waiting: Vec<_> = self.seats.tickets().collect();
        for ticket in waiting {
            self.requests.push_back(crate::MatchRequest::Unseek(ticket));
        }
        self.go_on_draining(now);
    }

    pub(super) fn go_on_draining(&mut self, now: Duration) {
        while let Some(id) = self.draining.as_mut().and_then(|drain| drain.farewells.pop_due(now)) {
            self.say_farewell(now, id);
        }
        while let Some(id) = self.draining.as_mut().and_then(|drain| drain.ends.pop_due(now)) {
            if self.connections.contains(id) {
                self.close(now, id, CloseCode::GoingAway);
            }
        }
    }

    /// Who can come back is told when, and given time to go by itself; everybody else hears that it is over.
    fn say_farewell(&mut self, now: Duration, id: ConnectionId) {
        if !self.connections.contains(id) {
            return;
        }
        let seat = self.connections.seat(id).map(|seat| self.seats.get(seat).protocol());
        let grace = self.draining.as_ref().map_or(Duration::ZERO, |drain| drain.grace);
        if seat != Some(Protocol::Resumable) {
            return self.turn_away(now, id);
        }
        let retry_after_ms = self.jitter() % JITTER_MS;
        self.send(id, &ServerMessage::Goaway { retry_after_ms });
        let end = now.saturating_add(grace + Duration::from_millis(retry_after_ms));
        match &mut self.draining {
            Some(drain) if !grace.is_zero() => drain.ends.arm(end, id),
            _ => self.close(now, id, CloseCode::GoingAway),
        }
    }
}
