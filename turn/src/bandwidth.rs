//! How much is relayed a second, of one user and of all together.

use alloc::sync::Arc;
use core::num::NonZeroU64;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// What a rate allows at once after a silence, in nanoseconds of it: a picture's packets come together.
const BURST: u64 = SECOND / 2;

/// Bytes a second, by the generic cell rate algorithm: one number, which all shards share without a lock.
#[derive(Debug)]
pub struct Rate {
    per_second: NonZeroU64,
    /// When all that was admitted has been paid for, in nanoseconds of the monotonic clock.
    paid: AtomicU64,
}

impl Rate {
    /// So many bytes a second.
    pub fn new(per_second: NonZeroU64) -> Self {
        Self { per_second, paid: AtomicU64::new(0) }
    }

    /// Whether a packet with so many bytes of payload may pass now; then it counts. The clock must be the same for all.
    pub fn admit(&self, now: Duration, bytes: usize) -> bool {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let cost = (bytes as u64).saturating_mul(SECOND) / self.per_second;
        let pay = |paid: u64| {
            let next = paid.max(now).saturating_add(cost);
            // One packet may be more than a burst of a low rate: it passes when all is paid.
            (paid <= now || next - now <= BURST).then_some(next)
        };
        self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, pay).is_ok()
    }
}

/// What bounds an allocation's packets, of both directions.
#[derive(Clone, Debug, Default)]
pub struct Bandwidth {
    /// Of all of its user's allocations.
    pub user: Option<Arc<Rate>>,
    /// Of all allocations there are.
    pub total: Option<Arc<Rate>>,
}

impl Bandwidth {
    /// Whether nothing does.
    pub fn is_unlimited(&self) -> bool {
        self.user.is_none() && self.total.is_none()
    }

    pub(crate) fn admit(&self, now: Duration, bytes: usize) -> bool {
        let rates = [&self.user, &self.total];
        rates.into_iter().flatten().all(|rate| rate.admit(now, bytes))
    }
}

impl PartialEq for Bandwidth {
    /// Whether they are the same ones.
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Option<Arc<Rate>>, b: &Option<Arc<Rate>>| match (a, b) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same(&self.user, &other.user) && same(&self.total, &other.total)
    }
}

impl Eq for Bandwidth {}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(100);

    fn rate(per_second: u64) -> Rate {
        Rate::new(NonZeroU64::new(per_second).expect("a rate"))
    }

    /// How many of 1,000 packets of 100 bytes pass.
    fn pass(rate: &Rate, now: Duration) -> usize {
        (0..1000).filter(|_| rate.admit(now, 100)).count()
    }

    #[test]
    fn half_a_second_passes_at_once_and_then_the_rate() {
        let rate = rate(10_000);
        assert_eq!(pass(&rate, NOW), 50);
        assert_eq!(pass(&rate, NOW + Duration::from_millis(100)), 10);
        assert_eq!(pass(&rate, NOW + Duration::from_secs(60)), 50);
    }

    #[test]
    fn a_packet_beyond_a_burst_passes_alone() {
        let rate = rate(1);
        assert!(rate.admit(NOW, 1000));
        assert!(!rate.admit(NOW + Duration::from_secs(999), 0));
        assert!(rate.admit(NOW + Duration::from_secs(1000), 1000));
    }

    #[test]
    fn the_extremes_do_no_harm() {
        for per_second in [1, u64::MAX] {
            let rate = rate(per_second);
            assert!(rate.admit(Duration::ZERO, usize::MAX));
            rate.admit(Duration::MAX, usize::MAX);
        }
    }
}
