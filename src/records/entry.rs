//! What is written, and what is read back at the next start.

use std::sync::Arc;
use std::time::Duration;

use hairpin_signaling::Record;

/// Something to write.
#[derive(Clone, Debug)]
pub(crate) enum Entry {
    /// Something that happened, and when, since 1970.
    Happened { at: Duration, record: Record },
    /// A webhook is to be delivered.
    Owed(Arc<SavedWebhook>),
    /// It has been, or never will be.
    Settled { id: Arc<str>, endpoint: Arc<str> },
}

/// A webhook on its way to one URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedWebhook {
    /// The same for every URL and every attempt.
    pub(crate) id: Arc<str>,
    /// Which URL, by a name that tells nothing of its query.
    pub(crate) endpoint: Arc<str>,
    /// When it happened, since 1970.
    pub(crate) created: Duration,
    /// What is sent.
    pub(crate) body: Arc<str>,
}

/// What the last run left behind, as far as the next one needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Restored {
    /// Who blocks whom.
    pub(crate) blocks: Vec<(Arc<str>, Arc<str>)>,
    /// Who is barred, and until when, since 1970.
    pub(crate) bars: Vec<(Arc<str>, Duration)>,
    /// Reports, the oldest first.
    pub(crate) reports: Vec<SavedReport>,
    /// Sessions that had begun, and did not end.
    pub(crate) lost: Vec<Lost>,
    /// Webhooks that have not arrived, the oldest first.
    pub(crate) webhooks: Vec<SavedWebhook>,
}

/// A complaint of a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SavedReport {
    /// When, since 1970.
    pub(crate) at: Duration,
    /// Who complained.
    pub(crate) by: Arc<str>,
    /// Of whom.
    pub(crate) about: Arc<str>,
}

/// A session that nobody saw end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    /// Its id, as on the wire.
    pub(crate) session: Arc<str>,
    /// The two.
    pub(crate) users: [Arc<str>; 2],
    /// `stopped` with the server, or `lost` when that was killed.
    pub(crate) reason: &'static str,
    /// How long it was known to last.
    pub(crate) lasted: Duration,
}
