//! Who meets nobody for a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::Denied;
use crate::deadlines::Deadlines;

/// How many at a time.
const MOST: usize = 1 << 17;

/// Bars that are not over.
#[derive(Debug, Default)]
pub(in crate::hub) struct Bars {
    until: BTreeMap<Arc<str>, Duration>,
    ends: Deadlines<Arc<str>>,
}

impl Bars {
    /// A user is barred, or for another time than before.
    ///
    /// # Errors
    /// There is no room for another one.
    pub(in crate::hub) fn add(
        &mut self,
        now: Duration,
        user: &Arc<str>,
        until: Duration,
    ) -> Result<(), Denied> {
        while let Some(over) = self.ends.pop_due(now) {
            self.until.remove(&over);
        }
        self.remove(user);
        if self.until.len() >= MOST {
            return Err(Denied::Full(format!("the server keeps at most {MOST} bars")));
        }
        self.until.insert(user.clone(), until);
        self.ends.arm(until, user.clone());
        Ok(())
    }

    /// Whether there was one.
    pub(in crate::hub) fn remove(&mut self, user: &str) -> bool {
        let Some((user, until)) = self.until.remove_entry(user) else { return false };
        self.ends.disarm(until, user);
        true
    }

    /// Until when a user is barred, if it is.
    pub(in crate::hub) fn until(&self, now: Duration, user: &str) -> Option<Duration> {
        self.until.get(user).copied().filter(|until| now < *until)
    }
}
