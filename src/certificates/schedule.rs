//! When a certificate is renewed, and when what has failed is tried again. Times are in seconds since 1970.

use serde::{Deserialize, Serialize};

/// After the first failure: by the other proof, if there is one.
const FIRST_PAUSE: u64 = 10;

/// After the second; then twice as long each time. Let's Encrypt takes five failures of a name an hour.
const SECOND_PAUSE: u64 = 240;

const LONGEST_PAUSE: u64 = 6 * 3600;

/// The longest that an authority can have us wait; Let's Encrypt counts by the week.
const LONGEST_WAIT: u64 = 7 * 86_400;

/// What became of attempts to get a certificate; kept on disk, so that restarts do not try more often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Attempts {
    /// Those that failed since one succeeded.
    pub(super) failures: u32,
    /// When the next may be.
    pub(super) not_before: u64,
    /// Whether the authority has said so: then nothing hurries it.
    pub(super) told_to_wait: bool,
    /// Why the last has failed.
    pub(super) why: String,
    /// Whether the last that succeeded was by HTTP-01.
    pub(super) by_http: bool,
}

/// When to renew what is valid from and until then: at a third of its life left, or up to a thirtieth of it later.
/// `jitter` is from 0 to 1.
pub(super) fn renewal(not_before: u64, not_after: u64, jitter: f64) -> u64 {
    let life = not_after.saturating_sub(not_before) as f64;
    not_after.saturating_sub((life / 3.0 - jitter * life / 30.0) as u64)
}

/// A moment of the window that the authority suggests (RFC 9773 s4.2).
pub(super) fn within(start: u64, end: u64, jitter: f64) -> u64 {
    start + (end.saturating_sub(start) as f64 * jitter) as u64
}

impl Attempts {
    /// One more has failed. `jitter` is from 0 to 1; `wait` is what the authority asks for.
    pub(super) fn failed(&mut self, why: String, now: u64, wait: Option<u64>, jitter: f64) {
        let pause = match self.failures {
            0 => FIRST_PAUSE,
            failures => (SECOND_PAUSE << (failures - 1).min(10)).min(LONGEST_PAUSE),
        };
        let pause = (pause as f64 * (0.75 + jitter / 2.0)) as u64;
        self.failures = self.failures.saturating_add(1);
        let wait = wait.map(|wait| wait.min(LONGEST_WAIT));
        self.not_before = now + pause.max(wait.unwrap_or(0));
        self.told_to_wait = wait.is_some();
        self.why = why;
    }

    /// Whether it is by HTTP-01 next: what worked last, and after each failure the other one.
    pub(super) fn is_by_http(&self) -> bool {
        self.by_http ^ (self.failures % 2 == 1)
    }

    /// It has succeeded.
    pub(super) fn succeeded(&mut self) {
        *self = Self { by_http: self.is_by_http(), ..Self::default() };
    }

    /// Whether the next is due. `asked`: somebody has asked for it.
    pub(super) fn may(&self, now: u64, asked: Asked) -> bool {
        now >= self.not_before || (asked == Asked::ByOperator && !self.told_to_wait)
    }
}

/// Who wants an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    ByTime,
    /// Who does not want to wait, having mended something.
    ByOperator,
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400;

    #[test]
    fn renewal_is_at_a_third_of_life_left_and_not_for_all_at_once() {
        assert_eq!(renewal(0, 90 * DAY, 0.0), 60 * DAY);
        assert_eq!(renewal(0, 90 * DAY, 1.0), 63 * DAY);
        assert_eq!(renewal(100 * DAY, 106 * DAY, 0.0), 104 * DAY);
        assert_eq!(renewal(5, 3, 0.5), 3, "no life at all");
        assert_eq!((within(10, 20, 0.0), within(10, 20, 1.0), within(20, 10, 1.0)), (10, 20, 20));
    }

    #[test]
    fn an_authority_that_is_gone_for_a_day_is_asked_a_few_times() {
        let (mut attempts, mut now, mut times) = (Attempts::default(), 0, Vec::new());
        while now < DAY {
            times.push(now);
            attempts.failed("gone".into(), now, None, 0.5);
            assert!(!attempts.may(now, Asked::ByTime));
            assert!(attempts.may(now, Asked::ByOperator));
            now = attempts.not_before;
        }
        assert!((9..=12).contains(&times.len()), "{times:?}");
        assert!(times.iter().filter(|at| **at < 3600).count() <= 5, "{times:?}");
        let spread = |jitter| {
            let mut attempts = attempts.clone();
            attempts.failed("gone".into(), 0, None, jitter);
            attempts.not_before
        };
        assert!(spread(1.0) - spread(0.0) > LONGEST_PAUSE / 3);
        attempts.succeeded();
        assert!(attempts.may(0, Asked::ByTime));
    }

    #[test]
    fn what_the_authority_asks_for_is_kept_to_whoever_hurries() {
        let mut attempts = Attempts::default();
        attempts.failed("too many".into(), 100, Some(7200), 0.0);
        assert!(!attempts.may(7299, Asked::ByOperator) && attempts.may(7300, Asked::ByTime));
        attempts.failed("too many".into(), 100, Some(u64::MAX), 0.0);
        assert_eq!(attempts.not_before, 100 + LONGEST_WAIT);
        attempts.failed("too many".into(), 7300, Some(1), 0.0);
        assert!(!attempts.may(7310, Asked::ByTime), "and our own pause is kept, too");
    }

    #[test]
    fn each_failure_is_followed_by_the_other_proof_and_what_worked_comes_first() {
        let mut attempts = Attempts::default();
        assert!(!attempts.is_by_http());
        attempts.failed(String::new(), 0, None, 0.0);
        assert!(attempts.is_by_http());
        attempts.succeeded();
        assert!(attempts.is_by_http(), "what worked");
        attempts.failed(String::new(), 0, None, 0.0);
        assert!(!attempts.is_by_http());
    }
}
