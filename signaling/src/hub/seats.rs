//! People as the hub sees them: who each is, and whether it waits or has a partner.

use std::collections::BTreeMap;
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use super::rooms::Code;
use super::story::{IceLease, Kept, Story};
use crate::attributes::Wishes;
use crate::deadlines::Deadlines;
use crate::tokens::{Role, TokenHash};
use crate::wire::ServerMessage;
use crate::{ConnectionId, Origin, Protocol, SessionId, TicketId};
use hairpin_matcher::Place;

/// A user's place in the hub, never used twice. Sessions and tickets are between seats, whatever connection they
/// are reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SeatId(NonZeroU64);

/// All seats, found by their id, by their user, by the ticket they wait with and by the tokens that lead back to them.
pub(super) struct Seats {
    taken: BTreeMap<SeatId, Seat>,
    by_user: BTreeMap<Arc<str>, SeatId>,
    by_ticket: BTreeMap<TicketId, SeatId>,
    by_token: BTreeMap<TokenHash, SeatId>,
    /// Those without a connection, by when they end.
    away: Deadlines<SeatId>,
    /// Those whose ICE servers are to be renewed.
    ice: Deadlines<SeatId>,
    kept: Kept,
    last_seat: Option<SeatId>,
    last_ticket: u64,
}

/// Who somebody is and what it does.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) user: Arc<str>,
    /// Its `matchMode`: among whom it looks for partners, and where `skip` queues it again.
    pub(super) pool: Arc<str>,
    /// Whom it would like to meet, by its own word.
    pub(super) wishes: Box<Wishes>,
    pub(super) reached: Reached,
    pub(super) home: Home,
    pub(super) state: State,
    /// The session it was in before, for a `skip` or `end_session` that crosses a `partner_left`.
    pub(super) last_session: Option<SessionId>,
    /// For a client that can come back.
    story: Option<Box<Story>>,
}

/// How somebody is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reached {
    By(ConnectionId),
    /// Not now; at this time the seat ends.
    Away(Duration),
}

/// From where somebody came, for whoever comes in its name without a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    At(Option<Origin>),
    /// Nobody has come yet: a partner has said that somebody will.
    Unknown,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Waiting(Waiting),
    /// It waits in a room for whoever has the code.
    Hosting(Code),
    /// It has the code, and waits until the room's owner shows that it is there.
    Knocking(Code),
    Paired {
        session: SessionId,
        role: Role,
    },
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) ticket: TicketId,
    pub(super) since: Duration,
    /// When the matcher gives the ticket up.
    pub(super) expires: Duration,
    /// What the matcher has said last.
    pub(super) place: Option<Place>,
    /// Whether it has yet to agree to meet whom it was offered.
    pub(super) asked: bool,
}

/// A seat somebody takes.
pub(super) struct NewSeat {
    pub(super) user: Arc<str>,
    pub(super) pool: Arc<str>,
    pub(super) reached: Reached,
    pub(super) home: Home,
    pub(super) story: Option<Story>,
}

impl Seat {
    /// The connection it is reached by.
    pub(super) fn connection(&self) -> Option<ConnectionId> {
        match self.reached {
            Reached::By(connection) => Some(connection),
            Reached::Away(_) => None,
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        if self.story.is_some() { Protocol::Resumable } else { Protocol::Plain }
    }

    pub(super) fn story(&self) -> Option<&Story> {
        self.story.as_deref()
    }

    /// The number of the last message it said, and whom to tell, if that is due.
    pub(super) fn take_ack(&mut self) -> Option<(u64, ConnectionId)> {
        let connection = self.connection();
        let story = self.story.as_deref_mut()?;
        mem::take(&mut story.ack_due).then_some((story.heard, connection?))
    }
}

impl Seats {
    pub(super) fn new() -> Self {
        Self {
            taken: BTreeMap::new(),
            by_user: BTreeMap::new(),
            by_ticket: BTreeMap::new(),
            by_token: BTreeMap::new(),
            away: Deadlines::new(),
            ice: Deadlines::new(),
            kept: Kept::default(),
            last_seat: None,
            last_ticket: 0,
        }
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.by_ticket.len()
    }

    pub(super) fn get(&self, id: SeatId) -> &Seat {
        self.taken.get(&id).expect(LIVE)
    }

    pub(super) fn get_mut(&mut self, id: SeatId) -> &mut Seat {
        self.taken.get_mut(&id).expect(LIVE)
    }

    pub(super) fn find(&self, id: SeatId) -> Option<&Seat> {
        self.taken.get(&id)
    }

    pub(super) fn find_mut(&mut self, id: SeatId) -> Option<&mut Seat> {
        self.taken.get_mut(&id)
    }

    pub(super) fn of_user(&self, user: &str) -> Option<SeatId> {
        self.by_user.get(user).copied()
    }

    pub(super) fn of_token(&self, token: TokenHash) -> Option<SeatId> {
        self.by_token.get(&token).copied()
    }

    /// How many have no connection.
    pub(super) fn away(&self) -> usize {
        self.away.len()
    }

    /// Tickets of those who wait.
    pub(super) fn tickets(&self) -> impl Iterator<Item = TicketId> + '_ {
        self.by_ticket.keys().copied()
    }

    /// Gives a user that has none a seat.
    pub(super) fn take(&mut self, new: NewSeat) -> SeatId {
        let NewSeat { user, pool, reached, home, story } = new;
        let next = self.last_seat.and_then(|SeatId(last)| last.checked_add(1));
        let id = SeatId(next.unwrap_or(NonZeroU64::MIN));
        self.last_seat = Some(id);
        let earlier = self.by_user.insert(user.clone(), id);
        debug_assert!(earlier.is_none(), "a user has one seat");
        if let Some(story) = &story {
            self.by_token.insert(story.token, id);
        }
        if let Reached::Away(until) = reached {
            self.away.arm(until, id);
        }
        let (state, last_session, story) = (State::Idle, None, story.map(Box::new));
        self.taken.insert(
            id,
            Seat { user, pool, wishes: Box::default(), reached, home, state, last_session, story },
        );
        id
    }

    /// Gives a seat to another user, who has none.
    pub(super) fn rename(&mut self, id: SeatId, user: Arc<str>) {
        let seat = self.taken.get_mut(&id).expect(LIVE);
        self.by_user.remove(&mem::replace(&mut seat.user, user.clone()));
        self.by_user.insert(user, id);
    }

    /// Gives up the seat of somebody who is idle.
    pub(super) fn leave(&mut self, id: SeatId) {
        let mut seat = self.taken.remove(&id).expect(LIVE);
        debug_assert_eq!(seat.state, State::Idle);
        self.by_user.remove(&seat.user);
        if let Reached::Away(until) = seat.reached {
            self.away.disarm(until, id);
        }
        if let Some(story) = &mut seat.story {
            story.forget(&mut self.kept);
            self.by_token.remove(&story.token);
            story.earlier_token.and_then(|token| self.by_token.remove(&token));
            story.ice.iter().for_each(|lease| self.ice.disarm(lease.renewal(), id));
        }
        debug_assert!(!self.taken.is_empty() || self.keeps_nothing(), "something is left behind");
    }

    fn keeps_nothing(&self) -> bool {
        let found = self.by_user.len() + self.by_ticket.len() + self.by_token.len();
        found + self.away.len() + self.ice.len() == 0 && self.kept.is_nothing()
    }

    /// Somebody is reached otherwise from now on.
    pub(super) fn set_reached(&mut self, id: SeatId, reached: Reached) {
        let seat = self.taken.get_mut(&id).expect(LIVE);
        if let Reached::Away(until) = mem::replace(&mut seat.reached, reached) {
            self.away.disarm(until, id);
        }
        if let Reached::Away(until) = reached {
            self.away.arm(until, id);
        }
    }

    /// The next seat whose client has not come back in time. It stays until it is left.
    pub(super) fn given_up(&mut self, now: Duration) -> Option<SeatId> {
        self.away.pop_due(now)
    }

    /// The next seat whose ICE servers are to be renewed.
    pub(super) fn ice_due(&mut self, now: Duration) -> Option<SeatId> {
        let id = self.ice.pop_due(now)?;
        if let Some(story) = &mut self.get_mut(id).story {
            story.ice = None;
        }
        Some(id)
    }

    /// When [`Seats::given_up`] or [`Seats::ice_due`] has something next.
    pub(super) fn next_due(&self) -> Option<Duration> {
        [self.away.next(), self.ice.next()].into_iter().flatten().min()
    }

    /// Somebody has ICE servers from now on, or needs none any more.
    pub(super) fn lease_ice(&mut self, id: SeatId, lease: Option<IceLease>) {
        let Some(story) = &mut self.taken.get_mut(&id).expect(LIVE).story else { return };
        if let Some(earlier) = mem::replace(&mut story.ice, lease) {
            self.ice.disarm(earlier.renewal(), id);
        }
        if let Some(lease) = lease {
            self.ice.arm(lease.renewal(), id);
        }
    }

    /// A message as it is to be sent, numbered and kept for who can come back.
    pub(super) fn tell(
        &mut self,
        id: SeatId,
        message: &ServerMessage<'_>,
    ) -> (Option<ConnectionId>, Arc<str>) {
        let seat = self.taken.get_mut(&id).expect(LIVE);
        let text = match &mut seat.story {
            Some(story) => story.tell(message, &mut self.kept),
            None => message.encode().into(),
        };
        (seat.connection(), text)
    }

    /// What a client has heard need not be kept.
    pub(super) fn acknowledged(&mut self, id: SeatId, number: u64) {
        if let Some(story) = &mut self.taken.get_mut(&id).expect(LIVE).story {
            story.acknowledged(number, &mut self.kept);
        }
    }

    /// Begins a seat's numbers anew.
    pub(super) fn restart(&mut self, id: SeatId) {
        if let Some(story) = &mut self.taken.get_mut(&id).expect(LIVE).story {
            story.restart(&mut self.kept);
        }
    }

    pub(super) fn story_mut(&mut self, id: SeatId) -> Option<&mut Story> {
        self.get_mut(id).story.as_deref_mut()
    }

    /// A client has come back by one of its tokens, and is given another. The one it used is good until it shows that it
    /// knows the other.
    pub(super) fn rotate(&mut self, id: SeatId, used: TokenHash, next: TokenHash) {
        let story = self.taken.get_mut(&id).and_then(|seat| seat.story.as_deref_mut());
        let Some(story) = story else { return };
        for token in [Some(story.token), story.earlier_token].into_iter().flatten() {
            if token != used {
                self.by_token.remove(&token);
            }
        }
        (story.token, story.earlier_token) = (next, Some(used));
        self.by_token.insert(next, id);
    }

    /// A client has shown that it knows its newest token.
    pub(super) fn confirm_token(&mut self, id: SeatId) {
        let story = self.taken.get_mut(&id).and_then(|seat| seat.story.as_deref_mut());
        let Some(story) = story else { return };
        story.anew = false;
        if let Some(earlier) = story.earlier_token.take() {
            self.by_token.remove(&earlier);
        }
    }

    /// Lets somebody who is idle wait with a new ticket.
    pub(super) fn wait(&mut self, id: SeatId, since: Duration, expires: Duration) -> TicketId {
        self.last_ticket += 1;
        let ticket = TicketId(self.last_ticket);
        let seat = self.get_mut(id);
        debug_assert_eq!(seat.state, State::Idle);
        seat.state = State::Waiting(Waiting { ticket, since, expires, place: None, asked: false });
        self.by_ticket.insert(ticket, id);
        ticket
    }

    /// Who waits with a ticket that is live.
    pub(super) fn of_ticket(&self, ticket: TicketId) -> Option<SeatId> {
        self.by_ticket.get(&ticket).copied()
    }

    /// Takes note of a place in the queue, and says who is to hear of it.
    pub(super) fn set_place(&mut self, ticket: TicketId, place: Place) -> Option<SeatId> {
        let id = *self.by_ticket.get(&ticket)?;
        let State::Waiting(waiting) = &mut self.get_mut(id).state else { unreachable!("{WAITS}") };
        waiting.place = Some(place);
        Some(id)
    }

    /// Somebody who waits is asked whether it agrees, or not any more.
    pub(super) fn set_asked(&mut self, id: SeatId, asked: bool) {
        if let State::Waiting(waiting) = &mut self.get_mut(id).state {
            waiting.asked = asked;
        }
    }

    /// Ends a ticket, if it is live: who waited, and since when.
    pub(super) fn end_ticket(&mut self, ticket: TicketId) -> Option<(SeatId, Duration)> {
        let id = self.by_ticket.remove(&ticket)?;
        let state = mem::replace(&mut self.get_mut(id).state, State::Idle);
        let State::Waiting(waiting) = state else { unreachable!("{WAITS}") };
        Some((id, waiting.since))
    }
}

const LIVE: &str = "who gives a seat up ends its session and ticket, and its connection forgets it";
const WAITS: &str = "a ticket's owner waits";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_stays_small() {
        assert!(size_of::<Seat>() <= 208, "{}", size_of::<Seat>());
    }
}
