//! How long a client on a byte stream may take.

use core::time::Duration;

use crate::AllocationId;

/// The deadlines of one stream: for its first frame, for the rest of a frame that has begun, and
/// between frames while there is no allocation to keep the connection for.
#[derive(Clone, Debug)]
pub struct StreamDeadlines {
    opened: Duration,
    last_frame: Option<Duration>,
    partial_since: Option<Duration>,
}

impl StreamDeadlines {
    /// For the first whole frame.
    pub const FIRST_FRAME: Duration = Duration::from_secs(10);
    /// For the rest of a frame that has begun.
    pub const WHOLE_FRAME: Duration = Duration::from_secs(30);
    /// Between frames, without an allocation.
    pub const IDLE: Duration = Duration::from_secs(60);

    /// A stream that opened at `now`.
    pub fn new(now: Duration) -> Self {
        Self { opened: now, last_frame: None, partial_since: None }
    }

    /// A whole frame has come.
    pub fn frame(&mut self, now: Duration) {
        self.last_frame = Some(now);
        self.partial_since = None;
    }

    /// All whole frames are taken, and so many bytes of another are left.
    pub fn left_over(&mut self, now: Duration, bytes: usize) {
        self.partial_since = (bytes > 0).then(|| self.partial_since.unwrap_or(now));
    }

    /// When the stream is to be closed, given the allocation that it is kept for, if any.
    pub fn deadline(&self, allocation: Option<AllocationId>) -> Option<Duration> {
        let idle = match self.last_frame {
            None => Some(self.opened + Self::FIRST_FRAME),
            Some(last) => allocation.is_none().then_some(last + Self::IDLE),
        };
        let whole = self.partial_since.map(|since| since + Self::WHOLE_FRAME);
        idle.into_iter().chain(whole).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn c155_a_slow_handshake_and_half_a_frame_time_out() {
        let allocation = Some(AllocationId::from_u64(7));
        let mut deadlines = StreamDeadlines::new(at(100));
        assert_eq!(deadlines.deadline(None), Some(at(110)), "no first frame");
        deadlines.left_over(at(109), 1);
        assert_eq!(deadlines.deadline(None), Some(at(110)), "a drip does not extend it");
        deadlines.frame(at(109));
        assert_eq!(deadlines.deadline(None), Some(at(169)), "idle without an allocation");
        assert_eq!(deadlines.deadline(allocation), None, "an allocation has its own lifetime");
        deadlines.left_over(at(200), 1);
        deadlines.left_over(at(220), 2);
        let half = Some(at(230));
        assert_eq!(deadlines.deadline(allocation), half, "half a frame, counted from its start");
        deadlines.frame(at(221));
        deadlines.left_over(at(221), 0);
        assert_eq!(deadlines.deadline(allocation), None);
    }
}
