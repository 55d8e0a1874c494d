//! How long a client on a byte stream may take.

use core::time::Duration;

/// The deadlines of one stream: for its first frame, for the rest of a frame that has begun, for reading what it is sent,
/// and for a stranger to become a client who holds an allocation.
#[derive(Clone, Debug)]
pub struct StreamDeadlines {
    opened: Duration,
    first_frame: Option<Duration>,
    /// When a frame last came while the 5-tuple had an allocation: whoever sends it has authenticated. What strangers
    /// say does not count, or a Binding indication a minute would hold a connection for ever.
    allocated: Option<Duration>,
    partial_since: Option<Duration>,
    stalled_since: Option<Duration>,
}

impl StreamDeadlines {
    /// For the first whole frame.
    pub const FIRST_FRAME: Duration = Duration::from_secs(10);
    /// For the rest of a frame that has begun.
    pub const WHOLE_FRAME: Duration = Duration::from_secs(30);
    /// Without an allocation, since the stream opened, or since it was last heard of while it had one.
    pub const IDLE: Duration = Duration::from_secs(60);
    /// For taking some of what waits to be sent.
    pub const WRITE: Duration = Duration::from_secs(20);

    /// A stream that opened at `now`.
    pub fn new(now: Duration) -> Self {
        Self {
            opened: now,
            first_frame: None,
            allocated: None,
            partial_since: None,
            stalled_since: None,
        }
    }

    /// A whole frame has come.
    pub fn frame(&mut self, now: Duration) {
        self.first_frame.get_or_insert(now);
        self.partial_since = None;
    }

    /// The frame that has come was for an allocation, made one or ended it.
    pub fn allocated(&mut self, now: Duration) {
        self.allocated = Some(now);
    }

    /// All whole frames are taken, and so many bytes of another are left.
    pub fn left_over(&mut self, now: Duration, bytes: usize) {
        self.partial_since = (bytes > 0).then(|| self.partial_since.unwrap_or(now));
    }

    /// The client has taken so many bytes, and so many wait for it.
    pub fn written(&mut self, now: Duration, taken: usize, waiting: usize) {
        let since = self.stalled_since.filter(|_| taken == 0).unwrap_or(now);
        self.stalled_since = (waiting > 0).then_some(since);
    }

    /// When the stream is to be closed, given the end of its allocation, if it has one.
    pub fn deadline(&self, allocation_ends: Option<Duration>) -> Duration {
        let idle = match self.first_frame {
            None => self.opened + Self::FIRST_FRAME,
            Some(_) => self.allocated.unwrap_or(self.opened) + Self::IDLE,
        };
        let idle = allocation_ends.map_or(idle, |ends| idle.max(ends));
        let whole = self.partial_since.map(|since| since + Self::WHOLE_FRAME);
        let write = self.stalled_since.map(|since| since + Self::WRITE);
        [whole, write].into_iter().flatten().fold(idle, Duration::min)
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
        let ends = Some(at(700));
        let mut deadlines = StreamDeadlines::new(at(100));
        assert_eq!(deadlines.deadline(None), at(110), "no first frame");
        deadlines.left_over(at(109), 1);
        assert_eq!(deadlines.deadline(None), at(110), "a drip does not extend it");
        deadlines.frame(at(109));
        deadlines.allocated(at(109));
        assert_eq!(deadlines.deadline(None), at(169), "idle without an allocation");
        assert_eq!(deadlines.deadline(ends), at(700), "an allocation has its own lifetime");
        deadlines.left_over(at(200), 1);
        deadlines.left_over(at(220), 2);
        assert_eq!(deadlines.deadline(ends), at(230), "half a frame, counted from its start");
        deadlines.frame(at(221));
        deadlines.left_over(at(221), 0);
        assert_eq!(deadlines.deadline(ends), at(700));
    }

    #[test]
    fn c190_what_a_stranger_says_never_extends_its_time() {
        let mut deadlines = StreamDeadlines::new(at(100));
        for now in 100..160 {
            deadlines.frame(at(now));
            assert_eq!(deadlines.deadline(None), at(160), "counted from the start");
        }
    }

    #[test]
    fn c190_a_stream_ends_with_its_allocation_or_an_idle_time_after_its_last_word() {
        let mut deadlines = StreamDeadlines::new(at(100));
        deadlines.frame(at(101));
        deadlines.allocated(at(101));
        assert_eq!(deadlines.deadline(Some(at(701))), at(701), "it expires");
        assert_eq!(deadlines.deadline(None), at(161), "revoked: as if it had never been");
        deadlines.frame(at(400));
        deadlines.allocated(at(400));
        assert_eq!(deadlines.deadline(None), at(460), "Refresh 0: there is time for another");
        deadlines.frame(at(450));
        assert_eq!(deadlines.deadline(None), at(460), "a stranger again");
    }

    #[test]
    fn a_reader_that_takes_nothing_is_closed_and_a_slow_one_is_not() {
        let ends = Some(at(700));
        let mut deadlines = StreamDeadlines::new(at(100));
        deadlines.frame(at(100));
        deadlines.written(at(100), 500, 10);
        assert_eq!(deadlines.deadline(ends), at(120));
        deadlines.written(at(110), 0, 20);
        assert_eq!(deadlines.deadline(ends), at(120), "more for it is no excuse");
        deadlines.written(at(119), 1, 19);
        assert_eq!(deadlines.deadline(ends), at(139));
        deadlines.written(at(120), 19, 0);
        assert_eq!(deadlines.deadline(ends), at(700));
    }
}
