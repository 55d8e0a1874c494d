//! What the hub is told once.

use std::sync::Arc;
use std::time::Duration;

use hairpin_matcher::{Mode, Rules};

use crate::refusal::Refusal;
use crate::wire::invalid;
use crate::{Declared, Naming, Rate};

/// The longest `userId`, in bytes.
pub const MAX_USER_LEN: usize = 128;

/// The longest `matchMode`, in bytes.
pub const MAX_POOL_LEN: usize = 64;

/// The `matchMode` of those who name none, who meet anybody.
pub(crate) const GLOBAL: &str = "global";
/// What it was called before there were others.
const DEFAULT: &str = "default";
const BUDDIES_FIRST: &str = "buddies_first";
const BUDDIES: &str = "buddies";

/// Times and limits of a [`Hub`](crate::Hub).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// How long a user waits for a match before `queue_timeout`.
    pub queue_timeout: Duration,
    /// How long a session lasts at most.
    pub session_lifetime: Duration,
    /// The time between two pings of a connection; less than a second counts as a second.
    pub heartbeat_interval: Duration,
    /// How long a connection may be silent before it counts as dead; longer than `heartbeat_interval`.
    pub heartbeat_timeout: Duration,
    /// How long a seat that waits or is in a session outlives its connection, for a client that has said `hello`; zero
    /// is not at all.
    pub resume_window: Duration,
    /// The longest message, in bytes.
    pub max_message_bytes: usize,
    /// How many messages a connection may send.
    pub messages: Rate,
    /// How many bytes a connection may send.
    pub bytes: Rate,
    /// Names of a `matchMode` besides the three that there always are: who names one meets only who names the same.
    pub pools: Vec<Arc<str>>,
    /// What users may say of themselves and seek in others.
    pub attributes: Declared,
    /// How often a user may ask for a partner by `join_queue`, whatever connection it comes by; a hundred times as often
    /// for all users of one [`Origin`](crate::Origin).
    pub joins: Rate,
    /// How often by `skip`, likewise.
    pub skips: Rate,
    /// How often a user in a session may ask for fresh ICE servers, likewise.
    pub ice_requests: Rate,
    /// How often a user may send its partner a `message`, likewise.
    pub partner_messages: Rate,
    /// How often a user may name a room that there is not; ten times as often for all users of one origin.
    pub wrong_codes: Rate,
    /// How many more others a user may block for good, likewise.
    pub blocks: Rate,
    /// After how many reports, each by another user, a user is barred; zero is never.
    pub reports_to_bar: usize,
    /// How long a report counts.
    pub report_window: Duration,
    /// How long who was reported so often is barred.
    pub bar_time: Duration,
    /// How long a room waits for the second one.
    pub room_lifetime: Duration,
    /// Who somebody is: whoever it says, or whoever its token says.
    pub naming: Naming,
    /// How often a user who has brought a token may bring another, likewise.
    pub tokens: Rate,
}

impl Config {
    /// What the matcher of this hub's tickets needs to know.
    pub fn match_rules(&self) -> Rules {
        Rules { attributes: self.attributes.attributes(), ..Rules::default() }
    }

    /// The name of a mode that there is.
    ///
    /// # Errors
    /// It is not there; the message says which are.
    pub(crate) fn mode<'a>(&'a self, name: &str) -> Result<&'a str, Refusal> {
        match name {
            "" | DEFAULT | GLOBAL => Ok(GLOBAL),
            BUDDIES_FIRST => Ok(BUDDIES_FIRST),
            BUDDIES => Ok(BUDDIES),
            _ => self.pools.iter().find(|pool| ***pool == *name).map(|pool| &**pool).ok_or_else(|| {
                let pools: String = self.pools.iter().map(|pool| format!(", {pool}")).collect();
                invalid(format!("matchMode must be one of {GLOBAL}, {BUDDIES_FIRST}, {BUDDIES}{pools} (--pool)"))
            }),
        }
    }

    /// Among whom a mode of that name lets people look.
    pub(crate) fn matcher_mode(&self, name: &Arc<str>) -> Mode {
        match &**name {
            GLOBAL | DEFAULT => Mode::Global,
            BUDDIES_FIRST => Mode::BuddiesFirst,
            BUDDIES => Mode::Buddies,
            _ => Mode::Pool(name.clone()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            queue_timeout: Duration::from_secs(120),
            session_lifetime: Duration::from_secs(7200),
            heartbeat_interval: Duration::from_secs(25),
            heartbeat_timeout: Duration::from_secs(60),
            resume_window: Duration::from_secs(30),
            max_message_bytes: 64 * 1024,
            messages: Rate::new(50, 250),
            bytes: Rate::new(64 * 1024, 512 * 1024),
            pools: Vec::new(),
            attributes: Declared::default(),
            joins: Rate::per_minute(10),
            skips: Rate::per_minute(30),
            ice_requests: Rate::per_minute(20),
            partner_messages: Rate::new(1, 20),
            wrong_codes: Rate::per_minute(10),
            blocks: Rate::per_minute(200),
            reports_to_bar: 0,
            report_window: Duration::from_secs(24 * 3600),
            bar_time: Duration::from_secs(24 * 3600),
            room_lifetime: Duration::from_secs(600),
            naming: Naming::Open,
            tokens: Rate::per_minute(10),
        }
    }
}
