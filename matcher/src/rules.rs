//! What an app has settled about whom its users meet.

use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::time::Duration;

/// The rules of a waiting room, the same for all its tickets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// What people may say of themselves and ask of each other; at most [`Rules::MOST_ATTRIBUTES`].
    pub attributes: Vec<Attribute>,
    /// How long two who are offered to each other have to acknowledge that.
    pub acknowledge_within: Duration,
    /// How long two who have parted are kept apart even when nobody else is there, or one of them is in
    /// [`Mode::Buddies`](crate::Mode::Buddies), where strangers are nobody.
    pub apart_alone: Duration,
    /// How long while others are there; not less than `apart_alone`.
    pub apart_in_company: Duration,
    /// The least time between two [`Output::Waiting`](crate::Output::Waiting) of a ticket.
    pub tell_every: Duration,
}

impl Rules {
    /// More attributes than these are a mistake.
    pub const MOST_ATTRIBUTES: usize = 16;
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            attributes: Vec::new(),
            acknowledge_within: Duration::from_secs(3),
            apart_alone: Duration::from_secs(5),
            apart_in_company: Duration::from_secs(20),
            tell_every: Duration::from_secs(1),
        }
    }
}

/// Something people are, and may seek in others. Filters are mutual: both must accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// What it is like.
    pub kind: Kind,
    /// After how long a wait who seeks something takes anybody, or, of a number, its next wider band. `None` is never.
    pub widen: Option<Duration>,
}

/// What an attribute is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One of at most 64 things, such as a gender or a region. Who seeks nothing takes anybody; who seeks some takes only
    /// who is one of these.
    Choice,
    /// Any number of words, such as interests or languages. Who says some takes who shares at least one of them, or of
    /// others that it seeks; who says and seeks none takes anybody. An empty list says nothing.
    Tags,
    /// A number, such as a rating or a timezone. Who says one takes who is near; who says none takes anybody.
    Number(Band),
}

/// How near two numbers must be: `within` at first, and `step` more each time the attribute's `widen` is over, up to
/// `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Band {
    /// At first.
    pub within: u32,
    /// What is added.
    pub step: u32,
    /// Never more.
    pub most: u32,
    /// The length of the circle that the numbers are on, such as a day's: 23 and 1 of 24 are 2 apart.
    pub around: Option<NonZeroU32>,
}
