//! When to look at what again.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::{ConnectionId, SessionId, TicketId};

/// What a deadline is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// A connection is to be pinged, or has been silent for too long.
    Heartbeat(ConnectionId),
    /// A ticket has waited in vain.
    Queue(TicketId),
    /// A session has had its time.
    Session(SessionId),
}

/// All deadlines in order: arming, disarming and finding the next are O(log n), and nothing scans.
#[derive(Debug, Default)]
pub(crate) struct Timers(BTreeSet<(Duration, Timer)>);

impl Timers {
    pub(crate) fn arm(&mut self, at: Duration, timer: Timer) {
        self.0.insert((at, timer));
    }

    /// Takes a deadline out; one that has fired is out already.
    pub(crate) fn disarm(&mut self, at: Duration, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    /// Takes out the earliest deadline that has come.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<Timer> {
        let due = self.next().is_some_and(|at| at <= now);
        due.then(|| self.0.pop_first().map(|(_, timer)| timer))?
    }
}
