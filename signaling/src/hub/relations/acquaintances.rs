//! Whom somebody has met of late.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use hairpin_matcher::Recent;

use super::recency::{Most, Recency, Size};
use crate::SessionId;

/// How many partners of one user.
const PARTNERS: usize = 5;
const MOST: Most = Most { users: 1 << 16, bytes: 32 << 20 };

/// The last partners of each user, whether it is there or not.
#[derive(Debug)]
pub(in crate::hub) struct Acquaintances(Recency<Partners>);

/// The last is the newest.
#[derive(Debug, Default)]
struct Partners(VecDeque<Met>);

/// A session that is over, as one of its sides remembers it.
#[derive(Clone, Debug)]
pub(in crate::hub) struct Met {
    pub(in crate::hub) session: SessionId,
    pub(in crate::hub) user: Arc<str>,
    pub(in crate::hub) parted: Duration,
    /// Whether this side has reported the other.
    pub(in crate::hub) reported: bool,
}

impl Size for Partners {
    fn bytes(&self) -> usize {
        self.0.iter().map(|met| size_of::<Met>() + met.user.len()).sum()
    }
}

impl Acquaintances {
    pub(super) fn new() -> Self {
        Self(Recency::new(MOST))
    }

    /// A session is over; one that was put together again is so for the second time.
    pub(in crate::hub) fn parted(&mut self, user: &Arc<str>, met: Met) {
        self.0.change(user, |Partners(all)| {
            let earlier = all.iter().position(|earlier| earlier.session == met.session);
            let reported = earlier.and_then(|at| all.remove(at)).is_some_and(|met| met.reported);
            if all.len() == PARTNERS {
                all.pop_front();
            }
            all.push_back(Met { reported: met.reported || reported, ..met });
        });
    }

    /// Whom it has met in this session, or in the last one.
    pub(in crate::hub) fn of(&self, user: &str, session: Option<SessionId>) -> Option<&Met> {
        let Partners(all) = self.0.get(user)?;
        match session {
            Some(session) => all.iter().find(|met| met.session == session),
            None => all.back(),
        }
    }

    /// It reports whom it met in this session. Whether it does so for the first time.
    pub(in crate::hub) fn report(&mut self, user: &Arc<str>, session: SessionId) -> bool {
        self.0.change(user, |Partners(all)| {
            let met = all.iter_mut().find(|met| met.session == session);
            met.is_some_and(|met| !mem::replace(&mut met.reported, true))
        })
    }

    /// All of them, as the matcher is to know them.
    pub(in crate::hub) fn recent(&self, user: &str) -> Box<[Recent]> {
        let met = self.0.get(user).into_iter().flat_map(|Partners(all)| all);
        met.map(|met| Recent { user: met.user.clone(), parted: met.parted }).collect()
    }
}
