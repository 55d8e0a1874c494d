//! What goes in and what comes out.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::time::Duration;

/// A ticket's name, chosen by the caller and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TicketId(pub u64);

/// A user's name.
pub type User = Arc<str>;

/// A wish to meet somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its name.
    pub id: TicketId,
    /// Whose wish it is. A user never meets itself.
    pub user: User,
    /// Among whom.
    pub mode: Mode,
    /// Since when it waits, which may be longer than the matcher has had it.
    pub since: Duration,
    /// When it stops waiting.
    pub expires: Duration,
    /// Whom it would rather meet, if that one has it among its own.
    pub buddies: Box<[User]>,
    /// Whom it never meets, and who never meets it.
    pub blocked: Box<[User]>,
    /// Whom it has met of late.
    pub recent: Box<[Recent]>,
    /// What it says of its user, and asks of others.
    pub profile: Profile,
}

/// Among whom somebody looks for a partner. Whatever it is, two mutual buddies outside of a pool meet, as far as their
/// filters let them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// All others here and in [`Mode::BuddiesFirst`], the oldest first.
    Global,
    /// The oldest mutual buddy, else as in [`Mode::Global`].
    BuddiesFirst,
    /// Mutual buddies only.
    Buddies,
    /// All others of a pool of its own, by its name, the oldest first.
    Pool(Arc<str>),
}

/// Somebody who was met of late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// Whom.
    pub user: User,
    /// When the two parted.
    pub parted: Duration,
}

/// What somebody is and seeks, by the places of the attributes in [`Rules::attributes`](crate::Rules::attributes), in
/// ascending order, each at most once and of its attribute's kind. What is not there is not said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What it is.
    pub is: Box<[(u8, Value)]>,
    /// What it seeks.
    pub seeks: Box<[(u8, Seeks)]>,
}

/// What somebody is, in one respect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// One of the things a [`Kind::Choice`](crate::Kind::Choice) is between; less than 64.
    Choice(u8),
    /// Words, each once.
    Tags(Box<[Arc<str>]>),
    /// A number; on a circle, less than its length.
    Number(i32),
}

/// What somebody seeks, in one respect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seeks {
    /// Anybody, whatever the attribute's rule is.
    Anyone,
    /// One of these choices: a bit for each.
    OneOf(u64),
    /// Who has one of these words.
    Tags(Box<[Arc<str>]>),
    /// Who is so near, instead of the attribute's `within`.
    Within(u32),
}

/// What became of a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// It waits. Said when it begins to, also after an offer that came to nothing, and then when its place has changed,
    /// no more often than [`Rules::tell_every`](crate::Rules::tell_every).
    ///
    /// The first sixteen are told every change, those behind when it is a sixteenth or more. The first hundred are told
    /// soon, those far back in a long queue only now and then: a thousand in all in that time, so that a hundred
    /// thousand who wait do not make as many messages a second.
    Waiting {
        /// Which.
        id: TicketId,
        /// Where.
        place: Place,
    },
    /// Two may meet, if both [acknowledge](crate::Matcher::acknowledge) it in time. Nobody else is offered to them
    /// meanwhile.
    Offer(Match),
    /// Both have acknowledged, and are gone from the matcher.
    Matched(Match),
    /// It has not acknowledged an offer in time, and is gone from the matcher. Whom it was offered to is back in its old
    /// place.
    Lapsed(TicketId),
    /// A newer ticket of the same user has taken its place.
    Replaced(TicketId),
    /// It has waited until its end in vain, and is gone from the matcher.
    Expired(TicketId),
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// 1 is who has waited longest of those who wait among the same people: [`Mode::Global`] and [`Mode::BuddiesFirst`],
    /// [`Mode::Buddies`], or a pool.
    pub position: u32,
    /// How many those are.
    pub waiting: u32,
    /// How much longer it is likely to be: half of those who waited longer than it has so far, and were matched then, did
    /// so within that time. They are those of late, some hundred, of the same room who were and sought the same choices;
    /// where too few of these were, all of the room. `None` when nobody knows, as when it has waited longer than nearly
    /// all of them.
    pub eta: Option<Duration>,
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
