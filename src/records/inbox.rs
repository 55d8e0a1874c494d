//! What waits to be written: a queue whose writer never waits, and whose reader takes what has gathered.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{BATCH, Entry, INTERVAL};

/// A bounded queue between the hub's task and the thread that writes.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Entry>,
    /// Those for which there was no room.
    left_out: LeftOut,
    closed: bool,
}

/// How many entries there was no room for, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    pub(super) count: u64,
    pub(super) since: Duration,
}

/// Whether more can come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    /// It can.
    Comes,
    /// What was taken is the last.
    Never,
}

impl Inbox {
    pub(super) fn new(capacity: usize) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), capacity }
    }

    /// Whether there was room for it; `now` is since 1970.
    pub(super) fn push(&self, entry: Entry, now: Duration) -> bool {
        let mut state = self.lock();
        if state.entries.len() >= self.capacity {
            if state.left_out.count == 0 {
                state.left_out.since = now;
            }
            state.left_out.count += 1;
            return false;
        }
        state.entries.push_back(entry);
        // Between the first and a batch full the reader sleeps by the clock: it need not be woken for each.
        let wakes = matches!(state.entries.len(), 1 | BATCH);
        drop(state);
        if wakes {
            self.changed.notify_one();
        }
        true
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits for the first entry, at most `idle`, then until it has waited long enough or enough have come, and moves
    /// them behind `batch`.
    pub(super) fn take(&self, batch: &mut Vec<Entry>, idle: Duration) -> (LeftOut, More) {
        let state = self.wait_until(self.lock(), idle, |state| !state.entries.is_empty());
        let mut state = match state.entries.is_empty() {
            true => state,
            false => self.wait_until(state, INTERVAL, |state| state.entries.len() >= BATCH),
        };
        let count = state.entries.len().min(4 * BATCH);
        batch.extend(state.entries.drain(..count));
        let more = if state.closed && state.entries.is_empty() { More::Never } else { More::Comes };
        (std::mem::take(&mut state.left_out), more)
    }

    /// Waits so long, or until nothing more comes.
    pub(super) fn pause(&self, time: Duration) -> More {
        let state = self.wait_until(self.lock(), time, |_| false);
        if state.closed { More::Never } else { More::Comes }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    fn wait_until<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        time: Duration,
        enough: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let end = Instant::now() + time;
        while !state.closed && !enough(&state) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
