//! What goes in and what comes out.

use alloc::sync::Arc;
use core::time::Duration;

/// A ticket's name, chosen by the caller and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketId(pub u64);

/// A wish to meet somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its name.
    pub id: TicketId,
    /// Whose wish it is. A user never meets itself.
    pub user: Arc<str>,
    /// Where it waits: only tickets of the same pool meet.
    pub pool: Arc<str>,
    /// Since when it waits, which may be longer than the matcher has had it.
    pub since: Duration,
    /// When it stops waiting.
    pub expires: Duration,
}

/// What became of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It waits.
    Waiting {
        /// Which.
        id: TicketId,
        /// Its place in its pool; 1 is the next to be matched.
        position: usize,
    },
    /// It has found another; both are gone from the matcher.
    Matched(Match),
    /// A newer ticket of the same user, in whichever pool, has taken its place.
    Replaced(TicketId),
    /// It has waited until its end in vain, and is gone from the matcher.
    Expired(TicketId),
}

/// Two tickets that meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The one that has waited longer.
    pub first: Waited,
    /// The other one.
    pub second: Waited,
}

/// One side of a [`Match`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// The ticket.
    pub id: TicketId,
    /// How long it has waited.
    pub waited: Duration,
}
