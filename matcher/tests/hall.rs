//! A waiting room for tests that read like a story.

use std::time::Duration;

use hairpin_matcher::{Attribute, Matcher, Mode, Output, Profile, Rules, Ticket, TicketId};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const START: Duration = Duration::from_secs(1_800_000_000);

/// A waiting room whose time goes on by itself.
pub(crate) struct Hall {
    pub(crate) matcher: Matcher,
    pub(crate) now: Duration,
    pub(crate) next: u64,
}

impl Hall {
    pub(crate) fn new(attributes: &[Attribute]) -> Self {
        let rules = Rules { attributes: attributes.to_vec(), ..Rules::default() };
        Self { matcher: Matcher::new(rules, [1, 2]), now: START, next: 0 }
    }

    /// A ticket for anybody that is new.
    pub(crate) fn ticket(now: Duration, id: u64, user: &str) -> Ticket {
        Ticket {
            id: TicketId(id),
            user: user.into(),
            mode: Mode::Global,
            since: now,
            expires: now + 600 * SECOND,
            buddies: Box::default(),
            blocked: Box::default(),
            recent: Box::default(),
            profile: Profile::default(),
        }
    }

    /// Somebody joins, and a second goes by. Says whom it is offered to.
    pub(crate) fn join(&mut self, user: &str, change: impl FnOnce(&mut Ticket)) -> Option<u64> {
        self.next += 1;
        let mut ticket = Self::ticket(self.now, self.next, user);
        change(&mut ticket);
        self.matcher.insert(self.now, ticket);
        let offers = self.offers();
        self.now += SECOND;
        assert!(offers.len() < 2);
        let id = self.next;
        offers.first().map(|both| if both[0] == id { both[1] } else { both[0] })
    }

    pub(crate) fn offers(&mut self) -> Vec<[u64; 2]> {
        self.outputs()
            .into_iter()
            .filter_map(|output| match output {
                Output::Offer(both) => Some([both.first.id.0, both.second.id.0]),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.matcher.poll_output()).collect()
    }

    /// Time goes on until somebody is offered, and says after how long since the start, and who.
    pub(crate) fn wait_for_offer(&mut self) -> Option<(Duration, [u64; 2])> {
        while let Some(next) = self.matcher.poll_timeout().filter(|at| *at < START + 500 * SECOND) {
            self.now = self.now.max(next);
            self.matcher.handle_timeout(self.now);
            if let [both] = self.offers()[..] {
                return Some((self.now - START, both));
            }
        }
        None
    }
}

pub(crate) fn names(list: &[&str]) -> Box<[std::sync::Arc<str>]> {
    list.iter().map(|&name| name.into()).collect()
}
