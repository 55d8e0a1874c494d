//! Who was complained of of late, and by whom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::recency::{Most, Recency, Size};

/// How many who complain of one user; no bar asks for more.
const MOST_REPORTERS: usize = 100;
const MOST: Most = Most { users: 1 << 16, bytes: 32 << 20 };

/// Reports about users, from the newest of each who has made one.
#[derive(Debug)]
pub(in crate::hub) struct Reports(Recency<Reporters>);

#[derive(Debug, Default)]
struct Reporters(BTreeMap<Arc<str>, Duration>);

impl Size for Reporters {
    fn bytes(&self) -> usize {
        self.0.keys().map(|by| size_of::<(Arc<str>, Duration)>() + by.len()).sum()
    }
}

impl Reports {
    pub(super) fn new() -> Self {
        Self(Recency::new(MOST))
    }

    /// How many have reported a user within this window, with this one.
    pub(in crate::hub) fn add(
        &mut self,
        at: Duration,
        window: Duration,
        about: &Arc<str>,
        by: &Arc<str>,
    ) -> usize {
        self.0.change(about, |Reporters(all)| {
            all.retain(|_, earlier| at < earlier.saturating_add(window));
            let newest = all.get(by).copied().unwrap_or_default().max(at);
            all.insert(by.clone(), newest);
            if all.len() > MOST_REPORTERS
                && let Some(oldest) = all.iter().min_by_key(|(_, at)| **at)
            {
                let oldest = oldest.0.clone();
                all.remove(&oldest);
            }
            all.len()
        })
    }

    /// How many have reported a user within this window before now.
    pub(in crate::hub) fn of(&self, now: Duration, window: Duration, about: &str) -> usize {
        let recent = |at: &&Duration| now < at.saturating_add(window);
        self.0.get(about).map_or(0, |Reporters(all)| all.values().filter(recent).count())
    }

    /// They have been acted upon.
    pub(in crate::hub) fn forget(&mut self, about: &str) {
        self.0.forget(about);
    }
}
