//! How long people waited of late.

/// Half an eighth of a second, about, in nanoseconds: whoever waited less did not wait.
const LEAST: u32 = 26;
/// Buckets, two to each doubling: up to some hours.
const BUCKETS: usize = 36;
/// What remains of the weight of a wait when another is over: some hundred count.
const FADING: f32 = 63.0 / 64.0;
/// The least weight that says anything.
const ENOUGH: f32 = 2.5;
/// The least part of all that waited longer: nobody knows much about fewer.
const TAIL: f32 = 0.02;

/// How long those waited who were matched of late: their weights by the logarithm of their waits, with the older ones
/// fading.
#[derive(Clone, Debug)]
pub(crate) struct Sketch {
    weights: [f32; BUCKETS],
}

impl Sketch {
    pub(crate) fn new() -> Self {
        Self { weights: [0.0; BUCKETS] }
    }

    pub(crate) fn add(&mut self, waited: u64) {
        for weight in &mut self.weights {
            *weight *= FADING;
        }
        self.weights[bucket(waited)] += 1.0;
    }

    /// How much longer it was for half of those who waited longer than that. `None` when too few did.
    pub(crate) fn remaining(&self, waited: u64) -> Option<u64> {
        let longer = |bucket: &usize| middle(*bucket) >= waited;
        let first = (0..BUCKETS).find(longer)?;
        let all: f32 = self.weights.iter().sum();
        let tail: f32 = self.weights[first..].iter().sum();
        if all < ENOUGH || tail < all * TAIL {
            return None;
        }
        let mut weight = 0.0;
        let half = (first..BUCKETS).find(|&bucket| {
            weight += self.weights[bucket];
            weight >= tail / 2.0
        });
        Some(middle(half.unwrap_or(BUCKETS - 1)) - waited)
    }
}

fn bucket(waited: u64) -> usize {
    let octave = waited.checked_ilog2().unwrap_or(0);
    if octave < LEAST + 1 {
        return 0;
    }
    let half = waited >> (octave - 1) & 1;
    let bucket = 1 + (octave - LEAST - 1) as usize * 2 + half as usize;
    bucket.min(BUCKETS - 1)
}

/// A wait that is typical of a bucket.
fn middle(bucket: usize) -> u64 {
    let Some(place) = bucket.checked_sub(1) else { return 0 };
    let octave = 1u64 << (LEAST + 1 + place as u32 / 2);
    octave + octave / 4 + if place.is_multiple_of(2) { 0 } else { octave / 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn every_wait_is_in_a_bucket_that_is_like_it() {
        for waited in (0..70_000).map(|n| n * SECOND / 7) {
            let like = middle(bucket(waited));
            let error = like.abs_diff(waited);
            assert!(error <= SECOND / 8 || error <= waited * 3 / 10, "{waited} {like}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn who_has_waited_is_told_of_those_who_waited_longer() {
        let mut sketch = Sketch::new();
        assert_eq!(sketch.remaining(0), None);
        for _ in 0..50 {
            sketch.add(0);
            sketch.add(60 * SECOND);
        }
        let near = |a: u64, b: u64| a.abs_diff(b) <= b / 3;
        assert!(sketch.remaining(SECOND).is_some_and(|left| near(left, 59 * SECOND)));
        assert!(sketch.remaining(30 * SECOND).is_some_and(|left| near(left, 30 * SECOND)));
        assert_eq!(sketch.remaining(300 * SECOND), None);
    }

    #[test]
    fn what_was_long_ago_fades() {
        let mut sketch = Sketch::new();
        for _ in 0..100 {
            sketch.add(600 * SECOND);
        }
        for _ in 0..300 {
            sketch.add(2 * SECOND);
        }
        assert!(sketch.remaining(0).is_some_and(|left| left < 4 * SECOND));
        assert_eq!(sketch.remaining(60 * SECOND), None);
    }
}
