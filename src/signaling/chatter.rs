//! What a client sends that is no message: pings, pongs, empty continuations, fragments without end. The hub meters
//! messages; this is for the rest, which costs time as well.

use std::time::Duration;

/// Bytes that may come without being a message, as a bucket that leaks.
#[derive(Debug)]
pub(super) struct Chatter {
    bytes: usize,
    at: Duration,
    most: usize,
}

/// Bytes a second that leak: some hundred pings.
const PER_SECOND: u128 = 1024;

/// What may come at once, besides a message that is not whole yet.
const BURST: usize = 16 << 10;

impl Chatter {
    pub(super) fn new(now: Duration, max_message_bytes: usize) -> Self {
        Self { bytes: 0, at: now, most: max_message_bytes + BURST }
    }

    /// So many bytes were received, and messages of so many came of them, or of what came before. Says whether that is
    /// within bounds.
    #[must_use]
    pub(super) fn hear(&mut self, now: Duration, received: usize, messages: usize) -> bool {
        let leaked = now.saturating_sub(self.at).as_millis() * PER_SECOND / 1000;
        if leaked > 0 {
            self.at = now;
        }
        let leaked = usize::try_from(leaked).unwrap_or(usize::MAX);
        self.bytes = self.bytes.saturating_sub(leaked) + received;
        self.bytes = self.bytes.saturating_sub(messages);
        self.bytes <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_free_and_what_is_none_is_bounded() {
        let mut chatter = Chatter::new(Duration::ZERO, 1000);
        for _ in 0..1000 {
            assert!(chatter.hear(Duration::ZERO, 1008, 1008));
        }
        let pings = (0..).take_while(|_| chatter.hear(Duration::ZERO, 6, 0)).count();
        assert_eq!(pings, (1000 + BURST) / 6);
    }

    #[test]
    fn a_ping_now_and_then_is_free() {
        let mut chatter = Chatter::new(Duration::ZERO, 1000);
        for second in 0..100_000 {
            assert!(chatter.hear(Duration::from_secs(second), 131, 0));
        }
    }
}
