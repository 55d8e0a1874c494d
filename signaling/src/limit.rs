//! How much somebody may say, and how often.

use std::time::Duration;

/// A long-term rate and the burst it allows on top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    units: u32,
    seconds: u32,
    burst: u32,
}

impl Rate {
    /// `per_second` units in the long run, `burst` at once. Zero counts as one.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { units: positive(per_second), seconds: 1, burst: positive(burst) }
    }

    /// So many units a minute, which may all come at once. Zero counts as one.
    pub const fn per_minute(units: u32) -> Self {
        Self { units: positive(units), seconds: 60, burst: positive(units) }
    }

    /// What is allowed at once.
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// As much as so many have together.
    pub(crate) fn times(self, many: u32) -> Self {
        let [units, burst] = [self.units, self.burst].map(|n| n.saturating_mul(many));
        Self { units, burst, ..self }
    }

    /// How long the rate takes to allow so many units.
    fn time_of(self, units: usize) -> Duration {
        let units = u64::try_from(units).unwrap_or(u64::MAX);
        let nanoseconds = units.saturating_mul(1_000_000_000 * u64::from(self.seconds));
        Duration::from_nanos(nanoseconds / u64::from(self.units))
    }
}

const fn positive(n: u32) -> u32 {
    if n == 0 { 1 } else { n }
}

/// A token bucket in its smallest form (GCRA): all it remembers is when it will be full again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    full_at: Duration,
}

impl Bucket {
    /// Takes so many units. False, and nothing taken, if they are not there.
    pub(crate) fn take(&mut self, now: Duration, rate: Rate, units: usize) -> bool {
        let allowed = self.wait(now, rate, units).is_zero();
        if allowed {
            self.full_at = self.with(now, rate, units);
        }
        allowed
    }

    /// How long it takes until so many units are there.
    pub(crate) fn wait(&self, now: Duration, rate: Rate, units: usize) -> Duration {
        let missing = self.with(now, rate, units).saturating_sub(now);
        missing.saturating_sub(rate.time_of(rate.burst as usize))
    }

    /// When it is as if nothing had ever been taken.
    pub(crate) fn full_at(&self) -> Duration {
        self.full_at
    }

    /// When it would be full again without so many units.
    fn with(&self, now: Duration, rate: Rate, units: usize) -> Duration {
        self.full_at.max(now).saturating_add(rate.time_of(units))
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
    fn it_says_when_there_will_be_enough() {
        let mut bucket = Bucket::default();
        let rate = Rate::per_minute(10);
        let now = Duration::from_secs(5);
        assert!((0..10).all(|_| bucket.take(now, rate, 1)));
        assert_eq!(bucket.wait(now, rate, 1), Duration::from_secs(6));
        assert!(!bucket.take(now + Duration::from_secs(5), rate, 1));
        assert!(bucket.take(now + Duration::from_secs(6), rate, 1));
    }

    #[test]
    fn no_number_overflows() {
        let mut bucket = Bucket { full_at: Duration::MAX };
        assert!(!bucket.take(Duration::ZERO, RATE, usize::MAX));
        assert!(!Bucket::default().take(Duration::ZERO, Rate::new(0, 0), 2));
    }
}
