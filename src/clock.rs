//! The clocks. The state machines are handed what these read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hairpin_turn::Now;
use tokio::time::Instant;

/// Reads both clocks; copies share one origin, so their monotonic times can be compared. The monotonic one is the
/// system's as the runtime's timers see it, so that a test which holds time still holds all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The same clock when so much time has passed.
    #[cfg(test)]
    pub(crate) fn ahead(self, by: Duration) -> Self {
        Self { origin: self.origin - by }
    }

    /// Time since the origin.
    pub(crate) fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Seconds since 1970.
    pub(crate) fn unix() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Both.
    pub(crate) fn now(&self) -> Now {
        Now { monotonic: self.monotonic(), unix: Self::unix() }
    }

    /// A point of monotonic time as the runtime's timers want it.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.origin + at
    }
}
