//! When a worker lets packets collect instead of waking for each.
//!
//! Below saturation most of a packet's cost is the wake-up for it. While packets come densely, a worker that has nothing
//! left to do sleeps a little before it looks again, and finds several for one wake-up. When they come sparsely, it would
//! find one, later, and have paid for a timer besides. And when it is busy all the time, sleeping would only slow down
//! those who wait for it.

use std::time::Duration;

/// Decides whether a worker sleeps through what arrives. Pure: it is told the time.
///
/// How densely packets come, and how much of its time a worker is idle, shows only while it does not sleep through
/// anything. So it watches for [`WATCH`](Self::WATCH), and if what it saw lies in between, lets packets collect for
/// [`COLLECT`](Self::COLLECT).
#[derive(Debug)]
pub(super) struct Pace {
    mode: Mode,
    /// Since when, and what was counted since.
    began: Duration,
    packets: u32,
    idle: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Watching,
    Collecting,
}

/// How a worker waited for a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waited {
    /// Not at all: there was something to do.
    No,
    /// For the first event, so long.
    Idle(Duration),
    /// For packets to collect.
    Paused,
}

impl Pace {
    /// How long a worker sleeps, and so the latency that it adds at most.
    pub(super) const PAUSE: Duration = Duration::from_micros(200);
    /// How long packets and idle time are counted.
    const WATCH: Duration = Duration::from_millis(2);
    /// How long that holds.
    const COLLECT: Duration = Duration::from_millis(100);
    /// Packets in the time of a pause from which one is worth it: with two, it is a draw.
    const DENSE: u128 = 3;
    /// Packets in one turn with which a worker has all it can do.
    const FULL: usize = 48;
    /// The part of its time that a worker must have been idle: a quarter.
    const IDLE: u32 = 4;

    pub(super) fn new(now: Duration) -> Self {
        Self { mode: Mode::Watching, began: now, packets: 0, idle: Duration::ZERO }
    }

    /// How long to sleep when nothing is there, if at all.
    pub(super) fn pause(&self) -> Option<Duration> {
        (self.mode == Mode::Collecting).then_some(Self::PAUSE)
    }

    /// Notes a turn that began at `now` and found so many packets.
    pub(super) fn turn(&mut self, now: Duration, waited: Waited, found: usize) {
        self.packets = self.packets.saturating_add(u32::try_from(found).unwrap_or(u32::MAX));
        if let Waited::Idle(idle) = waited {
            self.idle += idle;
        }
        let elapsed = now.saturating_sub(self.began);
        match self.mode {
            Mode::Watching if elapsed >= Self::WATCH => {
                let pauses = elapsed.as_micros() / Self::PAUSE.as_micros();
                let dense = u128::from(self.packets) >= Self::DENSE * pauses;
                let idle = self.idle * Self::IDLE >= elapsed;
                self.begin(now, if dense && idle { Mode::Collecting } else { Mode::Watching });
            }
            Mode::Collecting => {
                let in_vain = waited == Waited::Paused && found < 2;
                if in_vain || found > Self::FULL || elapsed >= Self::COLLECT {
                    self.begin(now, Mode::Watching);
                }
            }
            Mode::Watching => {}
        }
    }

    fn begin(&mut self, now: Duration, mode: Mode) {
        *self = Self { mode, ..Self::new(now) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// Turns `every` so many microseconds, each finding `found` packets and idle for `idle` of that time.
    fn watch(pace: &mut Pace, from: u64, every: u64, idle: u64, found: usize) -> u64 {
        let mut now = from;
        while now < from + 2000 {
            now += every;
            pace.turn(micros(now), Waited::Idle(micros(idle)), found);
        }
        now
    }

    #[test]
    fn it_pauses_for_dense_packets_and_not_for_sparse_ones() {
        for (every, pauses) in [(25, true), (50, true), (100, false), (250, false)] {
            let mut pace = Pace::new(micros(0));
            assert_eq!(pace.pause(), None, "nothing is known yet");
            watch(&mut pace, 0, every, every * 3 / 4, 1);
            assert_eq!(pace.pause().is_some(), pauses, "a packet every {every} us");
        }
    }

    #[test]
    fn it_never_pauses_when_it_is_busy() {
        let mut pace = Pace::new(micros(0));
        let now = watch(&mut pace, 0, 100, 20, 20);
        assert_eq!(pace.pause(), None);
        watch(&mut pace, now, 100, 30, 20);
        assert_eq!(pace.pause(), Some(Pace::PAUSE), "now it is idle for long enough");
    }

    #[test]
    fn a_long_silence_is_not_a_dense_time() {
        let mut pace = Pace::new(micros(0));
        pace.turn(micros(10), Waited::No, 20);
        pace.turn(Duration::from_secs(5), Waited::Idle(Duration::from_secs(5)), 20);
        assert_eq!(pace.pause(), None);
    }

    #[test]
    fn it_stops_when_a_pause_was_in_vain_or_the_turn_was_full_or_it_is_time_to_look() {
        let collecting = || {
            let mut pace = Pace::new(micros(0));
            let now = watch(&mut pace, 0, 25, 20, 1);
            assert!(pace.pause().is_some());
            (pace, now)
        };
        for (waited, found, goes_on) in [
            (Waited::Paused, 8, true),
            (Waited::Paused, 1, false),
            (Waited::Paused, 0, false),
            (Waited::No, 1, true),
            (Waited::Paused, Pace::FULL, true),
            (Waited::No, Pace::FULL + 1, false),
        ] {
            let (mut pace, now) = collecting();
            pace.turn(micros(now + 200), waited, found);
            assert_eq!(pace.pause().is_some(), goes_on, "{waited:?}, {found} packets");
        }
        let (mut pace, now) = collecting();
        pace.turn(micros(now) + Pace::COLLECT, Waited::Paused, 8);
        assert_eq!(pace.pause(), None);
    }

    #[test]
    fn more_packets_than_can_be_counted_are_many() {
        let mut pace = Pace::new(micros(0));
        for now in [500, 1000, 2000] {
            pace.turn(micros(now), Waited::Idle(micros(400)), usize::MAX);
        }
        assert!(pace.pause().is_some());
    }
}
