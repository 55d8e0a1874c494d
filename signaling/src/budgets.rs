//! How often somebody may ask for a partner, for ICE servers and the like, whatever connection it asks by.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::time::Duration;

use siphasher::sip::SipHasher24;

use crate::deadlines::Deadlines;
use crate::limit::{Bucket, Rate};
use crate::{Config, Origin};

/// How many remain in mind at a time. When there are more, who would be forgotten next is forgotten now, which
/// strangers who make up users can bring about: what bounds them is their origin.
const KNOWN: usize = 1 << 16;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// `join_queue`
    Join,
    /// `skip`
    Skip,
    /// `ice_servers`
    IceServers,
    /// `message`
    Message,
    /// `join_room` with a code that is none.
    WrongCode,
    /// A block that is to last.
    Block,
    /// `renew_token`, or a newer token with another message.
    Token,
}

impl Wish {
    /// How many there are.
    const COUNT: usize = Self::Token as usize + 1;

    /// How often a user may have it, and how many users' worth one origin may: a school is one address. What a stranger
    /// can guess or fill by making up users is bounded closer.
    fn rates(self, config: &Config) -> (Rate, u32) {
        match self {
            Self::Join => (config.joins, 100),
            Self::Skip => (config.skips, 100),
            Self::IceServers => (config.ice_requests, 100),
            Self::Message => (config.partner_messages, 100),
            Self::WrongCode => (config.wrong_codes, 10),
            Self::Block => (config.blocks, 10),
            Self::Token => (config.tokens, 100),
        }
    }

    /// What one does too often.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Join | Self::Skip => "ask for partners",
            Self::IceServers => "ask for ICE servers",
            Self::Message => "send messages",
            Self::WrongCode => "give wrong codes",
            Self::Block => "block others",
            Self::Token => "bring tokens",
        }
    }
}

/// What users and origins have asked for of late. Somebody who comes back by another connection finds what it has
/// spent.
pub(crate) struct Budgets {
    users: Ledger,
    origins: Ledger,
    key: [u64; 2],
}

impl Budgets {
    /// Nobody has asked for anything. `key` keeps strangers from aiming at each other's place.
    pub(crate) fn new(key: [u64; 2]) -> Self {
        Self { users: Ledger::default(), origins: Ledger::default(), key }
    }

    /// Takes one wish from a user's budget and from its origin's.
    ///
    /// # Errors
    /// How long to wait for the next, and nothing is taken.
    pub(crate) fn take(
        &mut self,
        now: Duration,
        wish: Wish,
        user: &str,
        origin: Option<Origin>,
        config: &Config,
    ) -> Result<(), Duration> {
        self.may_take(now, wish, user, origin, config)?;
        let (rate, users) = wish.rates(config);
        let of_origin = rate.times(users);
        self.users.take(now, self.hash(user), wish, rate);
        if let Some(Origin(origin)) = origin {
            self.origins.take(now, origin, wish, of_origin);
        }
        Ok(())
    }

    /// Whether a wish could be taken; it is not.
    ///
    /// # Errors
    /// How long to wait for the next.
    pub(crate) fn may_take(
        &self,
        now: Duration,
        wish: Wish,
        user: &str,
        origin: Option<Origin>,
        config: &Config,
    ) -> Result<(), Duration> {
        let (rate, users) = wish.rates(config);
        let mut wait = self.users.wait(now, self.hash(user), wish, rate);
        if let Some(Origin(origin)) = origin {
            wait = wait.max(self.origins.wait(now, origin, wish, rate.times(users)));
        }
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    fn hash(&self, user: &str) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
        hasher.write(user.as_bytes());
        hasher.finish()
    }
}

/// Who has spent what.
#[derive(Default)]
struct Ledger {
    spent: BTreeMap<u64, Spent>,
    /// When each may be forgotten, because its budget is whole again.
    whole: Deadlines<u64>,
}

/// A bucket for each wish.
#[derive(Clone, Copy, Default)]
struct Spent([Bucket; Wish::COUNT]);

impl Spent {
    fn bucket(&mut self, wish: Wish) -> &mut Bucket {
        &mut self.0[wish as usize]
    }

    fn whole_at(&self) -> Duration {
        self.0.iter().map(Bucket::full_at).max().unwrap_or_default()
    }
}

impl Ledger {
    fn wait(&self, now: Duration, who: u64, wish: Wish, rate: Rate) -> Duration {
        let mut spent = self.spent.get(&who).copied().unwrap_or_default();
        spent.bucket(wish).wait(now, rate, 1)
    }

    fn take(&mut self, now: Duration, who: u64, wish: Wish, rate: Rate) {
        while let Some(whole) = self.whole.pop_due(now) {
            self.spent.remove(&whole);
        }
        let mut spent = self.forget(who).unwrap_or_default();
        if self.spent.len() >= KNOWN
            && let Some(next) = self.whole.pop_due(Duration::MAX)
        {
            self.spent.remove(&next);
        }
        spent.bucket(wish).take(now, rate, 1);
        self.whole.arm(spent.whole_at(), who);
        self.spent.insert(who, spent);
    }

    fn forget(&mut self, who: u64) -> Option<Spent> {
        let spent = self.spent.remove(&who)?;
        self.whole.disarm(spent.whole_at(), who);
        Some(spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1000);

    fn config() -> Config {
        Config { joins: Rate::per_minute(2), skips: Rate::per_minute(3), ..Config::default() }
    }

    fn times(budgets: &mut Budgets, wish: Wish, user: &str, origin: Option<Origin>) -> usize {
        (0..1000).take_while(|_| budgets.take(NOW, wish, user, origin, &config()).is_ok()).count()
    }

    #[test]
    fn a_user_has_a_budget_for_each_wish_and_others_have_their_own() {
        let mut budgets = Budgets::new([1, 2]);
        for user in ["ann", "bob"] {
            assert_eq!(times(&mut budgets, Wish::Join, user, None), 2);
            assert_eq!(times(&mut budgets, Wish::Skip, user, None), 3);
        }
        let mut take = |after: u64| {
            budgets.take(NOW + Duration::from_secs(after), Wish::Join, "ann", None, &config())
        };
        assert_eq!(take(10), Err(Duration::from_secs(20)));
        assert_eq!(take(30), Ok(()));
        assert!(take(30).is_err());
    }

    #[test]
    fn an_origin_is_a_hundred_users_however_many_names_it_makes_up() {
        let mut budgets = Budgets::new([1, 2]);
        let [here, there] = [Some(Origin(7)), Some(Origin(8))];
        let mut join = |n: usize, origin| {
            budgets.take(NOW, Wish::Join, &format!("user-{n}"), origin, &config())
        };
        let most = 2 * 100;
        assert!((0..most).all(|n| join(n, here).is_ok()));
        assert!(join(most, here).is_err());
        assert_eq!(join(most, there), Ok(()), "what was refused has cost the user nothing");
        assert_eq!(join(most, None), Ok(()));
    }

    #[test]
    fn whoever_has_a_whole_budget_takes_no_memory_and_nobody_takes_more_than_there_is() {
        let mut ledger = Ledger::default();
        let rate = Rate::per_minute(2);
        for who in 0..KNOWN as u64 + 10 {
            ledger.take(NOW, who, Wish::Join, rate);
        }
        assert_eq!((ledger.spent.len(), ledger.whole.len()), (KNOWN, KNOWN));
        ledger.take(NOW + Duration::from_secs(30), 0, Wish::Join, rate);
        assert_eq!((ledger.spent.len(), ledger.whole.len()), (1, 1));
    }
}
