//! What is worth keeping, and worth telling an app's backend.

use std::sync::Arc;
use std::time::Duration;

use crate::{EndReason, SessionId};

/// Something that happened to people. Times are the hub's: since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// Two have met.
    SessionStarted {
        /// Their session.
        session: SessionId,
        /// The two, the initiator first.
        users: [Arc<str>; 2],
    },
    /// They have parted.
    SessionEnded {
        /// Their session.
        session: SessionId,
        /// The two, the initiator first.
        users: [Arc<str>; 2],
        /// Why.
        reason: EndReason,
        /// Who ended it, where one of the two did.
        by: Option<Arc<str>>,
        /// How long it was.
        lasted: Duration,
        /// Whether their media went over a relay, if a client has said so or not.
        relayed: Option<bool>,
    },
    /// Somebody complains of a partner.
    Report {
        /// Their session.
        session: SessionId,
        /// Who complains.
        by: Arc<str>,
        /// Of whom.
        about: Arc<str>,
        /// In its own words.
        reason: Arc<str>,
    },
    /// Somebody is not matched any more for a time.
    Barred {
        /// Who.
        user: Arc<str>,
        /// Until when, since 1970.
        until: Duration,
    },
    /// It is again.
    Unbarred {
        /// Who.
        user: Arc<str>,
    },
    /// Two are never to meet again.
    Blocked {
        /// Who wants that.
        by: Arc<str>,
        /// Whom it does not want to meet.
        whom: Arc<str>,
    },
    /// They may.
    Unblocked {
        /// Who wants that.
        by: Arc<str>,
        /// Whom.
        whom: Arc<str>,
    },
}
