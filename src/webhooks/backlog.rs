//! What waits to be delivered to one URL, and when each is tried next. Pure: the caller has the clock and the dice.
//!
//! What concerns one session, or one user where it is about no session, arrives in order: the later one is not tried
//! before the earlier one is settled. Everything else goes in order of time as far as failures let it.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::event::Webhook;

/// How many may wait.
const CAPACITY: usize = 10_000;

/// How many are on their way at a time, to a receiver that is well.
const IN_FLIGHT: usize = 8;

/// What a webhook waits after its first failure, twice as long after each one more, and at most.
const BACKOFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3600)];

/// What a receiver that fails is left alone after the first failure in a row, likewise. Less, so that it is noticed soon
/// when it is well again.
const REST: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(60)];

/// For how long a webhook is tried.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// The longest that a receiver can ask to be left alone.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Failures in a row after which a success means that the receiver has come back.
const DOWN: u32 = 3;

/// The queue of one URL.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    waiting: BTreeMap<u64, Waiting>,
    /// What concerns one session or user, the oldest first; that one alone may be tried.
    about: HashMap<Arc<str>, VecDeque<u64>>,
    /// What may be tried now.
    ready: BTreeSet<u64>,
    /// What may be tried then.
    later: BTreeSet<(Duration, u64)>,
    flying: BTreeSet<u64>,
    next: u64,
    /// Failures in a row, whatever it was that failed.
    failures: u32,
    rest_until: Duration,
    gone: bool,
}

#[derive(Debug)]
struct Waiting {
    webhook: Arc<Webhook>,
    attempts: u32,
}

/// Why one was not taken, or what was given up for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It waits.
    Waits,
    /// It waits in the place of this one, the oldest.
    InPlaceOf(Arc<Webhook>),
    /// The receiver wants no more.
    Gone,
}

/// What a failure means for what has failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// It is tried again.
    TriedAgain,
    /// It has been tried for long enough.
    GivenUp(Arc<Webhook>),
}

impl Backlog {
    pub(super) fn push(&mut self, webhook: Arc<Webhook>) -> Pushed {
        if self.gone {
            return Pushed::Gone;
        }
        let number = self.next;
        self.next += 1;
        let about = self.about.entry(webhook.about.clone()).or_default();
        about.push_back(number);
        if about.len() == 1 {
            self.ready.insert(number);
        }
        self.waiting.insert(number, Waiting { webhook, attempts: 0 });
        if self.waiting.len() <= CAPACITY {
            return Pushed::Waits;
        }
        let oldest = self.waiting.keys().find(|number| !self.flying.contains(number)).copied();
        oldest.and_then(|oldest| self.settle(oldest)).map_or(Pushed::Waits, Pushed::InPlaceOf)
    }

    /// What is to be sent now. To be answered by [`Backlog::arrived`] or [`Backlog::failed`].
    pub(super) fn poll(&mut self, now: Duration) -> Option<(u64, Arc<Webhook>)> {
        while let Some(&(due, number)) = self.later.first()
            && due <= now
        {
            self.later.pop_first();
            self.ready.insert(number);
        }
        let at_a_time = if self.failures == 0 { IN_FLIGHT } else { 1 };
        if self.flying.len() >= at_a_time || now < self.rest_until {
            return None;
        }
        let number = self.ready.pop_first()?;
        self.flying.insert(number);
        Some((number, self.waiting[&number].webhook.clone()))
    }

    /// When [`Backlog::poll`] may have more, if nothing else happens.
    pub(super) fn poll_timeout(&self) -> Option<Duration> {
        let later = self.later.first().map(|(due, _)| *due);
        let due = if self.ready.is_empty() { later? } else { Duration::ZERO };
        let full = self.flying.len() >= if self.failures == 0 { IN_FLIGHT } else { 1 };
        (!full).then(|| due.max(self.rest_until))
    }

    /// The receiver has taken it.
    pub(super) fn arrived(&mut self, number: u64) -> Option<Arc<Webhook>> {
        if self.failures >= DOWN {
            // It is back: what waited for that goes first, in order.
            self.ready.extend(self.later.iter().map(|(_, number)| number));
            self.later.clear();
        }
        self.failures = 0;
        self.rest_until = Duration::ZERO;
        self.settle(number)
    }

    /// It has not arrived. `dice` is from 0 to 1, and spreads what would come all at once.
    pub(super) fn failed(
        &mut self,
        number: u64,
        now: Duration,
        retry_after: Option<Duration>,
        dice: f64,
    ) -> Failed {
        self.failures = self.failures.saturating_add(1);
        let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
        let spread = |time: Duration| time.mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0).max(asked);
        self.rest_until = now + spread(doubled(REST, self.failures));
        self.flying.remove(&number);
        // It may have been given up for newer ones.
        let Some(waiting) = self.waiting.get_mut(&number) else { return Failed::TriedAgain };
        waiting.attempts += 1;
        let due = now + spread(doubled(BACKOFF, waiting.attempts));
        if waiting.webhook.created + LIFETIME <= now {
            return self.settle(number).map_or(Failed::TriedAgain, Failed::GivenUp);
        }
        self.later.insert((due, number));
        Failed::TriedAgain
    }

    /// The receiver wants none of them, and no more.
    pub(super) fn close(&mut self) -> Vec<Arc<Webhook>> {
        let waiting = std::mem::take(&mut self.waiting);
        *self = Self { gone: true, ..Self::default() };
        waiting.into_values().map(|waiting| waiting.webhook).collect()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Failures in a row.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    fn settle(&mut self, number: u64) -> Option<Arc<Webhook>> {
        self.flying.remove(&number);
        self.ready.remove(&number);
        let webhook = self.waiting.remove(&number)?.webhook;
        self.later.retain(|(_, other)| *other != number);
        if let Some(about) = self.about.get_mut(&webhook.about) {
            let was_first = about.front() == Some(&number);
            about.retain(|other| *other != number);
            match about.front() {
                Some(next) if was_first => {
                    self.ready.insert(*next);
                }
                Some(_) => {}
                None => {
                    self.about.remove(&webhook.about);
                }
            }
        }
        Some(webhook)
    }
}

fn doubled([least, most]: [Duration; 2], times: u32) -> Duration {
    least.saturating_mul(2_u32.saturating_pow(times.saturating_sub(1))).min(most)
}
