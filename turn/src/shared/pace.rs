//! How often an allocation may ask a shared address for something.

use alloc::collections::BTreeMap;
use core::time::Duration;

use super::Party;

/// STUN messages: checks to every candidate of the other side, answers to its own, and no flood.
const MESSAGES: Rate = Rate { interval: Duration::from_millis(5), burst: 200 };

/// Pairs that are new to an allocation: one when a call begins, one with every ICE restart.
const CLAIMS: Rate = Rate { interval: Duration::from_secs(2), burst: 4 };

struct Rate {
    /// Between two, in the long run.
    interval: Duration,
    /// How many come at once after a silence.
    burst: u32,
}

/// One pace for each allocation that has sent a message.
#[derive(Debug, Default)]
pub(super) struct Paces(BTreeMap<Party, Pace>);

/// When each kind is as it was before anything was sent; past is the same as now.
#[derive(Debug, Default)]
pub(super) struct Pace {
    messages: Duration,
    claims: Duration,
}

impl Paces {
    pub(super) fn of(&mut self, party: Party) -> &mut Pace {
        self.0.entry(party).or_default()
    }

    pub(super) fn remove(&mut self, party: Party) {
        self.0.remove(&party);
    }
}

impl Pace {
    /// Whether a message may be sent now; then it counts as done.
    pub(super) fn message(&mut self, now: Duration) -> bool {
        MESSAGES.admits(&mut self.messages, now)
    }

    /// Whether a new pair may be claimed now; then it counts as done.
    pub(super) fn claim(&mut self, now: Duration) -> bool {
        CLAIMS.admits(&mut self.claims, now)
    }
}

impl Rate {
    /// The generic cell rate algorithm.
    fn admits(&self, clear: &mut Duration, now: Duration) -> bool {
        let next = (*clear).max(now) + self.interval;
        let admits = next - now <= self.interval * self.burst;
        if admits {
            *clear = next;
        }
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_and_then_the_rate() {
        let (mut pace, start) = (Pace::default(), Duration::from_secs(1000));
        assert_eq!((0..1000).filter(|_| pace.message(start)).count(), 200);
        assert_eq!((0..10).filter(|_| pace.claim(start)).count(), 4);
        let later = start + Duration::from_millis(100);
        assert_eq!((0..1000).filter(|_| pace.message(later)).count(), 20);
        assert!(!pace.claim(later));
        assert!(pace.claim(start + CLAIMS.interval));
    }
}
