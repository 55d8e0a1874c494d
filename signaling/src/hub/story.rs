//! What a client that can come back has been told, and has said.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::MessageKind;
use crate::tokens::TokenHash;
use crate::wire::ServerMessage;

/// Messages kept for one client until it says that it has heard them; more than come while a connection is found dead.
const MESSAGES: usize = 256;
/// Bytes likewise: the candidates of a few restarts.
const BYTES: usize = 128 * 1024;
/// Bytes kept for all clients together. Beyond, who is told something loses what was kept for it, and begins anew if it
/// has to come back.
const ALL_BYTES: usize = 64 * 1024 * 1024;

/// Bytes that all stories keep.
#[derive(Debug, Default)]
pub(super) struct Kept(usize);

impl Kept {
    pub(super) fn is_nothing(&self) -> bool {
        self.0 == 0
    }
}

/// Both directions are numbered from 1: what a client is told, and what it says.
#[derive(Debug)]
pub(super) struct Story {
    /// By which it may come back.
    pub(super) token: TokenHash,
    /// The one before, while it may not have heard of the newer.
    pub(super) earlier_token: Option<TokenHash>,
    /// Whether numbers have begun anew and the client may not have heard of that: then it counts as it did before, if it
    /// comes back by the earlier token.
    pub(super) anew: bool,
    /// The number of the last message it was told.
    told: u64,
    /// The last of those, as they were sent.
    log: VecDeque<(MessageKind, Arc<str>)>,
    bytes: usize,
    /// The number of the last message it said.
    pub(super) heard: u64,
    /// Whether it has yet to be told that.
    pub(super) ack_due: bool,
    /// Its ICE servers, while it is in a session.
    pub(super) ice: Option<IceLease>,
}

/// How long a client's ICE servers are good for.
#[derive(Clone, Copy, Debug)]
pub(super) struct IceLease {
    pub(super) since: Duration,
    pub(super) ttl: Duration,
}

impl IceLease {
    /// When fresh ones are due: early enough for a client that is slow to ask again.
    pub(super) fn renewal(&self) -> Duration {
        self.since.saturating_add(self.ttl.mul_f64(0.8))
    }

    pub(super) fn is_half_over(&self, now: Duration) -> bool {
        now >= self.since.saturating_add(self.ttl / 2)
    }
}

/// What a message's number says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Next,
    /// It has been heard before.
    Seen,
    /// Others should have come before it.
    Ahead,
}

impl Story {
    pub(super) fn new(token: TokenHash) -> Self {
        Self {
            token,
            earlier_token: None,
            anew: false,
            told: 0,
            log: VecDeque::new(),
            bytes: 0,
            heard: 0,
            ack_due: false,
            ice: None,
        }
    }

    /// Numbers a message, and keeps it until the client has heard it.
    pub(super) fn tell(&mut self, message: &ServerMessage<'_>, kept: &mut Kept) -> Arc<str> {
        self.told += 1;
        let text: Arc<str> = message.numbered(self.told).into();
        self.log.push_back((message.kind(), text.clone()));
        self.bytes += text.len();
        kept.0 += text.len();
        while self.log.len() > MESSAGES || self.bytes > BYTES {
            self.forget_first(kept);
        }
        if kept.0 > ALL_BYTES {
            self.forget(kept);
        }
        text
    }

    /// The client has heard all up to this number.
    pub(super) fn acknowledged(&mut self, number: u64, kept: &mut Kept) {
        while !self.log.is_empty() && self.first() <= number {
            self.forget_first(kept);
        }
    }

    /// What came after this number, if all of it is still there.
    pub(super) fn after(
        &self,
        number: u64,
    ) -> Option<impl Iterator<Item = &(MessageKind, Arc<str>)>> {
        let known = number <= self.told && number + 1 >= self.first();
        known.then(|| self.log.iter().skip((number + 1 - self.first()) as usize))
    }

    /// Takes note of a message's number.
    pub(super) fn hear(&mut self, number: u64) -> Number {
        if number <= self.heard {
            return Number::Seen;
        }
        if number > self.heard + 1 {
            return Number::Ahead;
        }
        self.heard = number;
        Number::Next
    }

    /// Begins anew: both sides count from 1 again.
    pub(super) fn restart(&mut self, kept: &mut Kept) {
        self.forget(kept);
        (self.told, self.heard, self.ack_due, self.anew) = (0, 0, false, true);
    }

    /// Keeps nothing any more.
    pub(super) fn forget(&mut self, kept: &mut Kept) {
        kept.0 -= self.bytes;
        self.bytes = 0;
        self.log = VecDeque::new();
    }

    /// The number of the first message that is kept, or would be.
    fn first(&self) -> u64 {
        self.told + 1 - self.log.len() as u64
    }

    fn forget_first(&mut self, kept: &mut Kept) {
        if let Some((_, text)) = self.log.pop_front() {
            self.bytes -= text.len();
            kept.0 -= text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::ResumeTokens;

    fn story() -> Story {
        Story::new(ResumeTokens::new([0; 2]).next().1)
    }

    fn numbers(story: &Story, after: u64) -> Option<Vec<u64>> {
        let number = |(_, text): &(MessageKind, Arc<str>)| {
            let value: serde_json::Value = serde_json::from_str(text).expect("JSON");
            value["seq"].as_u64().expect("a number")
        };
        story.after(after).map(|missed| missed.map(number).collect())
    }

    #[test]
    fn what_was_missed_is_all_of_it_or_nothing() {
        let (mut story, mut kept) = (story(), Kept::default());
        for _ in 0..5 {
            story.tell(&ServerMessage::Pong {}, &mut kept);
        }
        assert_eq!(numbers(&story, 0), Some(vec![1, 2, 3, 4, 5]));
        assert_eq!(numbers(&story, 3), Some(vec![4, 5]));
        assert_eq!(numbers(&story, 5), Some(vec![]));
        assert_eq!(numbers(&story, 6), None, "it cannot have heard that");
        story.acknowledged(2, &mut kept);
        assert_eq!(numbers(&story, 1), None, "some of it is gone");
        assert_eq!(numbers(&story, 2), Some(vec![3, 4, 5]));
        story.acknowledged(u64::MAX, &mut kept);
        assert_eq!((numbers(&story, 5), kept.0), (Some(vec![]), 0));
        for number in [u64::MAX, u64::MAX - 1] {
            assert_eq!(numbers(&story, number), None);
        }
    }

    #[test]
    fn what_is_kept_is_bounded_for_one_and_for_all() {
        let (mut story, mut kept) = (story(), Kept::default());
        for _ in 0..MESSAGES + 10 {
            story.tell(&ServerMessage::Pong {}, &mut kept);
        }
        assert_eq!((story.log.len(), story.bytes), (MESSAGES, kept.0));
        assert_eq!(numbers(&story, 9), None);
        assert!(numbers(&story, 10).is_some());
        kept.0 += ALL_BYTES;
        story.tell(&ServerMessage::Pong {}, &mut kept);
        assert_eq!((story.log.len(), kept.0), (0, ALL_BYTES));
        assert_eq!(numbers(&story, story.told), Some(vec![]));
        assert_eq!(numbers(&story, story.told - 1), None);
    }

    #[test]
    fn a_number_is_heard_once_and_in_order() {
        let mut story = story();
        let heard = [1, 1, 3, 2, 0, 3, u64::MAX].map(|number| story.hear(number));
        use Number::{Ahead, Next, Seen};
        assert_eq!(heard, [Next, Seen, Ahead, Next, Seen, Next, Ahead]);
    }

    #[test]
    fn a_story_stays_small() {
        assert!(size_of::<Story>() <= 192, "{}", size_of::<Story>());
    }
}
