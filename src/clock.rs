//! The clocks. The state machines are handed what these read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hairpin_turn::Now;
use tokio::time::Instant;

/// Reads both clocks; copies share one origin, so their monotonic times can be compared. The monotonic one is the
/// system's as the runtime's timers see it, so that a test which holds time still holds all of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The same clock when so much time has passed.
    #[cfg(test)]
    pub(crate) fn ahead(self, by: Duration) -> Self {
        Self { origin: self.origin - by }
    }

    /// Time since the origin.
    pub(crate) fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }

    /// Seconds since 1970.
    pub(crate) fn unix() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Time since 1970.
    pub(crate) fn since_1970() -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// A time since 1970 as RFC 3339 has it, to the millisecond: `2026-11-21T22:03:34.120Z`.
    pub(crate) fn text(since_1970: Duration) -> String {
        let (day, second) = (since_1970.as_secs() / 86_400, since_1970.as_secs() % 86_400);
        // Years that begin in March have their odd day at the end; eras of 400 of them are all alike.
        let day = day + 719_468;
        let (era, day) = (day / 146_097, day % 146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = era * 400 + year + u64::from(month <= 2);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let millis = since_1970.subsec_millis();
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }

    /// A time in that form; fractions of a second may be absent, and are read to the millisecond.
    pub(crate) fn parse(text: &str) -> Option<Duration> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let numbers = |text: &str, separator: char, digits: [usize; 3]| -> Option<[u64; 3]> {
            let parts: Vec<&str> = text.split(separator).collect();
            let parts: [&str; 3] = parts.try_into().ok()?;
            let mut numbers = [0; 3];
            for ((number, part), digits) in numbers.iter_mut().zip(parts).zip(digits) {
                let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
                *number = plain.then(|| part.parse().ok())??;
            }
            Some(numbers)
        };
        let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
        let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
        let plain =
            (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
        let millis: u64 = plain.then(|| format!("{fraction:0<3}")[..3].parse().ok())??;
        if year < 1970
            || !(1..=12).contains(&month)
            || day == 0
            || hour > 23
            || minute > 59
            || second > 59
        {
            return None;
        }
        // As in `text`, backwards.
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let day = (153 * month + 2) / 5 + day - 1 + 365 * year + year / 4 - year / 100 + year / 400;
        let seconds = (day - 719_468) * 86_400 + hour * 3600 + minute * 60 + second;
        let time = Duration::from_millis(seconds * 1000 + millis);
        // A day that the month does not have comes out as another.
        (Self::text(time)[..10] == *date).then_some(time)
    }

    /// Both.
    pub(crate) fn now(&self) -> Now {
        Now { monotonic: self.monotonic(), unix: Self::unix() }
    }

    /// A point of monotonic time as the runtime's timers want it.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.origin + at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_the_calendar_has_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (1_709_164_800, "2024-02-29T00:00:00.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(Clock::text(Duration::from_secs(seconds)), text);
            assert_eq!(Clock::parse(text), Some(Duration::from_secs(seconds)));
        }
        assert_eq!(Clock::text(Duration::from_millis(1_999)), "1970-01-01T00:00:01.999Z");
        assert_eq!(Clock::parse("1970-01-01T00:00:02Z"), Some(Duration::from_secs(2)));
        assert_eq!(Clock::parse("1970-01-01T00:00:02.5Z"), Some(Duration::from_millis(2500)));
        for text in [
            "",
            "Z",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1969-12-31T23:59:59Z",
            "2025-02-29T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-01-00T00:00:00Z",
            "2025-01-01T24:00:00Z",
            "2025-01-01T00:00:00+01:00",
            "+025-01-01T00:00:00Z",
            "2025-1-1T00:00:00Z",
            "2025-01-01T00:00:00.Z",
        ] {
            assert_eq!(Clock::parse(text), None, "{text}");
        }
    }
}
