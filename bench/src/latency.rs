//! How long packets were on their way: a stamp in each of them, and a histogram of bounded size.

use std::time::Duration;

/// Bytes of data a stamp takes: the time of sending in nanoseconds.
pub(crate) const STAMP_LEN: usize = 8;

/// Writes the time of sending, in nanoseconds, into `packet` where its data begins.
pub(crate) fn stamp(packet: &mut [u8], data_at: usize, nanos: u64) {
    packet[data_at..data_at + STAMP_LEN].copy_from_slice(&nanos.to_be_bytes());
}

/// The time that was written into `message`, whose data begins at `data_at`.
pub(crate) fn read_stamp(message: &[u8], data_at: usize) -> u64 {
    let bytes = &message[data_at..data_at + STAMP_LEN];
    u64::from_be_bytes(bytes.try_into().expect("the range is that long"))
}

/// Buckets to each doubling: a quantile is at most 1/32 above the true one.
const STEPS: usize = 32;
const STEP_BITS: usize = STEPS.ilog2() as usize;
/// Doublings up to 2^40 ns, 18 minutes. What took longer is in the last bucket.
const DOUBLINGS: usize = 40 - STEP_BITS;

/// Times, counted in buckets that get wider as they get longer.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    worst: u64,
}

/// What a histogram comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latency {
    /// Half of all took no longer.
    pub(crate) p50: Duration,
    /// All but one in a hundred took no longer.
    pub(crate) p99: Duration,
    /// The longest.
    pub(crate) worst: Duration,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; STEPS * (DOUBLINGS + 1)], count: 0, worst: 0 }
    }

    pub(crate) fn record(&mut self, nanos: u64) {
        let bucket = bucket_of(nanos).min(self.buckets.len() - 1);
        self.buckets[bucket] += 1;
        self.count += 1;
        self.worst = self.worst.max(nanos);
    }

    /// `None` when nothing was recorded.
    pub(crate) fn summary(&self) -> Option<Latency> {
        (self.count > 0).then(|| Latency {
            p50: self.quantile(0.50),
            p99: self.quantile(0.99),
            worst: Duration::from_nanos(self.worst),
        })
    }

    /// The upper end of the bucket in which the part `part` of all times is reached.
    fn quantile(&self, part: f64) -> Duration {
        let wanted = (self.count as f64 * part).ceil() as u64;
        let mut seen = 0;
        let reached = self.buckets.iter().position(|&count| {
            seen += count;
            seen >= wanted
        });
        let end = reached.map_or(self.worst, |bucket| end_of(bucket).min(self.worst));
        Duration::from_nanos(end)
    }
}

/// The first [`STEPS`] buckets are a nanosecond wide, the next as many as well, then two, then four ...
fn bucket_of(nanos: u64) -> usize {
    let doubling = (nanos.max(1).ilog2() as usize).saturating_sub(STEP_BITS);
    doubling * STEPS + (nanos >> doubling) as usize
}

/// The longest time that falls into a bucket.
fn end_of(bucket: usize) -> u64 {
    let doubling = (bucket / STEPS).saturating_sub(1);
    let step = (bucket - doubling * STEPS) as u64;
    ((step + 1) << doubling) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_lies_in_a_bucket_that_is_at_most_a_32nd_wide() {
        let mut before = 0;
        for nanos in (0..5000).chain((1..38).flat_map(|bit| [(1 << bit) - 1, 1 << bit])) {
            let end = end_of(bucket_of(nanos));
            assert!(end >= nanos && end - nanos <= nanos / 32, "{nanos} in a bucket to {end}");
            before = before.max(bucket_of(nanos));
        }
        assert!(before < STEPS * (DOUBLINGS + 1));
        assert_eq!(bucket_of(31) + 1, bucket_of(32));
        assert_eq!(bucket_of(63) + 1, bucket_of(64));
    }

    #[test]
    fn quantiles_are_those_of_the_times() {
        let mut histogram = Histogram::new();
        assert_eq!(histogram.summary(), None);
        (1..=1000).rev().for_each(|micros| histogram.record(micros * 1000));
        let Latency { p50, p99, worst } = histogram.summary().unwrap();
        assert_eq!(worst, Duration::from_millis(1));
        assert!((500..516).contains(&p50.as_micros()), "{p50:?}");
        assert!((990..1001).contains(&p99.as_micros()), "{p99:?}");
    }

    #[test]
    fn a_time_beyond_all_buckets_is_the_worst_and_no_panic() {
        let mut histogram = Histogram::new();
        histogram.record(u64::MAX);
        assert_eq!(histogram.summary().unwrap().worst, Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn a_stamp_is_read_where_it_was_written() {
        let mut packet = [0; 20];
        stamp(&mut packet, 4, 123_456_789);
        assert_eq!(read_stamp(&packet, 4), 123_456_789);
    }
}
