//! How much a connection may say.

use std::time::Duration;

/// A long-term rate and the burst it allows on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// `per_second` units in the long run, `burst` at once. Zero counts as one.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        const fn positive(n: u32) -> u32 {
            if n == 0 { 1 } else { n }
        }
        Self { per_second: positive(per_second), burst: positive(burst) }
    }

    /// What is allowed at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// How long the rate takes to allow so many units.
    fn time_of(self, units: usize) -> Duration {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        Duration::from_nanos(units.saturating_mul(1_000_000_000) / u64::from(self.per_second))
    }
}

/// A token bucket in its smallest form (GCRA): all it remembers is when it will be full again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    full_at: Duration,
}

impl Bucket {
    /// Takes so many units. False, and nothing taken, if they are not there.
    pub(crate) fn take(&mut self, now: Duration, rate: Rate, units: usize) -> bool {
        let full_at = self.full_at.max(now).saturating_add(rate.time_of(units));
        let allowed = full_at.saturating_sub(now) <= rate.time_of(rate.burst as usize);
        if allowed {
            self.full_at = full_at;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate::new(10, 3);

    #[test]
    fn a_burst_passes_and_one_more_does_not() {
        let mut bucket = Bucket::default();
        let now = Duration::from_secs(5);
        assert!((0..3).all(|_| bucket.take(now, RATE, 1)));
        assert!(!bucket.take(now, RATE, 1));
    }

    #[test]
    fn it_refills_at_its_rate_and_never_over_the_burst() {
        let mut bucket = Bucket::default();
        assert!(bucket.take(Duration::ZERO, RATE, 3));
        assert!(!bucket.take(Duration::from_millis(99), RATE, 1));
        assert!(bucket.take(Duration::from_millis(100), RATE, 1));
        assert!(!bucket.take(Duration::from_secs(3600), RATE, 4));
        assert!(bucket.take(Duration::from_secs(3600), RATE, 3));
    }

    #[test]
    fn no_number_overflows() {
        let mut bucket = Bucket { full_at: Duration::MAX };
        assert!(!bucket.take(Duration::ZERO, RATE, usize::MAX));
        assert!(!Bucket::default().take(Duration::ZERO, Rate::new(0, 0), 2));
    }
}
