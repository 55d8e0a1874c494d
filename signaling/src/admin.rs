//! What whoever runs the server, or an app's backend, sees and says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::SessionId;

/// Two who are together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveSession {
    /// Their session.
    pub id: SessionId,
    /// The two, the initiator first.
    pub users: [Arc<str>; 2],
    /// Since when, by the hub's clock; of a session that was put together again, since the two first met.
    pub since: Duration,
    /// Whether one of them has reported the other.
    pub reported: bool,
}

/// What is known of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whereabouts {
    /// Whether it has a connection now.
    pub is_connected: bool,
    /// What it does.
    pub doing: Doing,
    /// Until when it is barred, by the hub's clock.
    pub barred_until: Option<Duration>,
    /// How many have reported it of late.
    pub reporters: usize,
}

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It has no place here.
    Nothing,
    /// It neither waits nor is with somebody.
    Idle,
    /// It waits for a partner.
    Waiting {
        /// Since when, by the hub's clock.
        since: Duration,
    },
    /// It waits in a room, or before one, for somebody it knows.
    InRoom,
    /// It is with somebody.
    InSession(SessionId),
}

/// What an app's backend says of a user, in the form of `join_queue`. What is absent is not said: the user's own word
/// counts there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushedProfile {
    /// Whom it would rather meet: a list of user ids.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buddies: Option<Json>,
    /// Whom it never meets: a list of user ids. It holds beside what the user says itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocked: Option<Json>,
    /// What it is: an object by the names of attributes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<Json>,
    /// What it seeks, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seeks: Option<Json>,
}

/// What was on record when the server was started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Who has blocked whom.
    pub blocks: Vec<(Arc<str>, Arc<str>)>,
    /// Who is barred, and until when.
    pub bars: Vec<(Arc<str>, Duration)>,
    /// Reports of late.
    pub reports: Vec<PastReport>,
}

/// A report that was made before the server was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastReport {
    /// Of whom.
    pub about: Arc<str>,
    /// Who made it.
    pub by: Arc<str>,
    /// When, since 1970.
    pub at: Duration,
}

/// Why something cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// What was said is not of the right form; names the field.
    Invalid(String),
    /// No more of these are kept; says how many are.
    Full(String),
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(message) | Self::Full(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Denied {}
