//! When a worker lets packets collect instead of waking for each.
//!
//! Below saturation most of a packet's cost is the wake-up for it. While packets come densely, a worker that has nothing to
//! do waits a little before it looks again, and finds several for one wake-up; when they come sparsely, it would find
//! one, later, and have paid for a timer besides.

use std::time::Duration;

/// Decides how long a worker may sleep through what arrives. Pure: it is told the time.
#[derive(Debug)]
pub(super) struct Pace {
    window_began: Duration,
    packets: u32,
    dense: bool,
}

impl Pace {
    /// The longest wait, and so the latency that waiting adds at most.
    pub(super) const PAUSE: Duration = Duration::from_micros(200);

    /// How long packets are counted to tell how densely they come.
    const WINDOW: Duration = Duration::from_millis(2);

    /// Packets in a window that make it dense: three to a pause.
    const DENSE: u32 = 30;

    pub(super) fn new(now: Duration) -> Self {
        Self { window_began: now, packets: 0, dense: false }
    }

    /// Notes that a turn has found so many packets.
    pub(super) fn found(&mut self, now: Duration, packets: usize) {
        self.packets = self.packets.saturating_add(packets as u32);
        let elapsed = now.saturating_sub(self.window_began);
        if elapsed >= Self::WINDOW {
            let dense = u128::from(Self::DENSE) * elapsed.as_micros() / Self::WINDOW.as_micros();
            self.dense = u128::from(self.packets) >= dense;
            (self.window_began, self.packets) = (now, 0);
        }
    }

    /// How long to let packets collect, now that nothing is there.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.dense.then_some(Self::PAUSE)
    }
}
