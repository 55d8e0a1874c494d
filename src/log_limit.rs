//! Lines of the log that strangers can cause, however often they try: a few each second, and then how many more there were.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many lines of one kind are written in a row.
const LINES: u32 = 5;

/// And after how long the next ones.
const PERIOD: Duration = Duration::from_secs(1);

/// Bounds one kind of line; a `static` beside it.
#[derive(Debug)]
pub(crate) struct LogLimit(Mutex<Lines>);

/// Those of one period.
#[derive(Debug)]
struct Lines {
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl LogLimit {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Lines { since: None, written: 0, left_out: 0 }))
    }

    /// Whether a line may be written now, and how many were left out before it.
    pub(crate) fn admit(&self) -> Option<u64> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.admit(Instant::now())
    }
}

impl Lines {
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= PERIOD) {
            self.since = Some(now);
            self.written = 0;
        }
        if self.written == LINES {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_few_lines_and_a_number() {
        let mut lines = Lines { since: None, written: 0, left_out: 0 };
        let start = Instant::now();
        let admitted = |lines: &mut Lines, at: Duration| -> Vec<u64> {
            (0..1000).filter_map(|_| lines.admit(start + at)).collect()
        };
        assert_eq!(admitted(&mut lines, Duration::ZERO), [0; 5]);
        assert!(admitted(&mut lines, PERIOD - Duration::from_millis(1)).is_empty());
        assert_eq!(admitted(&mut lines, PERIOD), [1995, 0, 0, 0, 0]);
        assert_eq!(lines.admit(start + 9 * PERIOD), Some(995));
    }
}
