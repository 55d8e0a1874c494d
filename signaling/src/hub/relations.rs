//! What is known of users whether they are there or not.
//!
//! Names are a stranger's choice, so all of it is bounded. What passes, such as whom somebody has met of late, is
//! forgotten for those who were not there for the longest time. What lasts, such as blocks, is kept, and when there is no
//! room for more, that is said.

mod acquaintances;
mod bars;
mod blocks;
mod profiles;
mod recency;
mod reports;

pub(super) use acquaintances::{Acquaintances, Met};
pub(super) use bars::Bars;
pub(super) use blocks::{Blocks, Kept};
pub(super) use profiles::Profiles;
pub(super) use reports::Reports;

/// Each part keeps to itself.
#[derive(Debug)]
pub(super) struct Relations {
    pub(super) acquaintances: Acquaintances,
    pub(super) blocks: Blocks,
    pub(super) bars: Bars,
    pub(super) reports: Reports,
    pub(super) profiles: Profiles,
}

impl Relations {
    pub(super) fn new() -> Self {
        Self {
            acquaintances: Acquaintances::new(),
            blocks: Blocks::default(),
            bars: Bars::default(),
            reports: Reports::new(),
            profiles: Profiles::default(),
        }
    }
}
