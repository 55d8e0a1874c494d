//! When to look at what again.

use std::collections::BTreeSet;
use std::time::Duration;

/// Deadlines in order: arming, disarming and finding the next are O(log n), and nothing scans.
#[derive(Debug)]
pub(crate) struct Deadlines<K>(BTreeSet<(Duration, K)>);

impl<K> Default for Deadlines<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Ord> Deadlines<K> {
    pub(crate) fn new() -> Self {
        Self(BTreeSet::new())
    }

    pub(crate) fn arm(&mut self, at: Duration, what: K) {
        self.0.insert((at, what));
    }

    /// Takes a deadline out; one that has come is out already.
    pub(crate) fn disarm(&mut self, at: Duration, what: K) {
        self.0.remove(&(at, what));
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes out the earliest deadline that has come.
    pub(crate) fn pop_due(&mut self, now: Duration) -> Option<K> {
        let due = self.next().is_some_and(|at| at <= now);
        due.then(|| self.0.pop_first().map(|(_, what)| what))?
    }
}
