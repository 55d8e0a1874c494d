//! The waiting room.

mod due;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use crate::index::Index;
use crate::kinds::{Kinds, Term};
use crate::lookers::{Looker, Lookers};
use crate::meets::Moment;
use crate::names::{Names, Seed};
use crate::offers::Offers;
use crate::places::Places;
use crate::profile::{self, Criterion};
use crate::queue::Age;
use crate::rooms::{BUDDIES, GLOBAL, Rooms};
use crate::search::{Desk, Searcher, Sight};
use crate::sketch::Sketch;
use crate::tickets::{Held, NEVER, Search, Slot, State, Tickets, Told, nanos};
use crate::timers::Timers;
use crate::{Match, Mode, Output, Rules, Ticket, TicketId, Waited};

/// Pairs tickets that may meet, the oldest first, never a user with itself; see [`Mode`] and
/// [`Attribute`](crate::Attribute) for who may meet whom.
///
/// A ticket is offered the oldest other one that it may meet, or its oldest buddy if it asks for buddies first. It looks
/// when it comes, when it is back from an offer, and when it begins to take more, for it has waited, or may meet somebody
/// again; of those who look at the same time, the oldest first. After every call there are no two left that wait and may meet at that time, unless there is more to do than fits a call:
/// then [`Matcher::poll_timeout`] is not later than that time. A call takes two milliseconds at most, whatever has come
/// together for it.
#[derive(Clone, Debug)]
pub struct Matcher {
    criteria: Box<[Criterion]>,
    /// How long two who have parted are kept apart: alone, and in company.
    apart: [u64; 2],
    in_company: bool,
    names: Names,
    tickets: Tickets,
    kinds: Kinds,
    rooms: Rooms,
    index: Index,
    timers: Timers,
    offers: Offers,
    lookers: Lookers,
    places: Places,
    /// From which slot on those are to be looked at who may meet again since nobody else is there.
    review: Option<Slot>,
    /// The latest time that has been told.
    now: u64,
    outputs: VecDeque<Output>,
    desk: Desk,
    terms: Vec<Term>,
    due: Vec<Slot>,
}

impl Matcher {
    /// An empty waiting room. `seed` keeps strangers, who choose names, from aiming at each other's place in its tables.
    pub fn new(rules: Rules, seed: [u64; 2]) -> Self {
        let seed = Seed(seed);
        let mut kinds = Kinds::new(seed);
        Self {
            criteria: rules.attributes.iter().map(Criterion::new).collect(),
            apart: [rules.apart_alone, rules.apart_in_company].map(nanos),
            in_company: false,
            names: Names::new(seed),
            tickets: Tickets::new(seed),
            rooms: Rooms::new(&mut kinds),
            kinds,
            index: Index::new(seed),
            timers: Timers::default(),
            offers: Offers::new(nanos(rules.acknowledge_within)),
            lookers: Lookers::default(),
            places: Places::new(nanos(rules.tell_every)),
            review: None,
            now: 0,
            outputs: VecDeque::new(),
            desk: Desk::default(),
            terms: Vec::new(),
            due: Vec::new(),
        }
    }

    /// Offers the ticket the oldest one it may meet, or lets it wait: [`Output::Offer`] or [`Output::Waiting`] follows.
    ///
    /// A user has one ticket: an earlier one of the same user leaves first, and its place with it, which
    /// [`Output::Replaced`] says.
    pub fn insert(&mut self, now: Duration, ticket: Ticket) {
        debug_assert!(!self.holds(ticket.id), "ticket ids are used once");
        let now = self.at(now);
        let user = self.names.take(&ticket.user);
        if let Some(earlier) = self.names.ticket(user) {
            let earlier = TicketId(self.tickets[earlier].id);
            self.remove(Duration::from_nanos(now), earlier);
            self.outputs.push_back(Output::Replaced(earlier));
        }
        let (room, search) = match &ticket.mode {
            Mode::Global => (GLOBAL, Search::Oldest),
            Mode::BuddiesFirst => (GLOBAL, Search::BuddiesFirst),
            Mode::Buddies => (BUDDIES, Search::BuddiesOnly),
            Mode::Pool(pool) => {
                let room = self.rooms.pool(pool, &mut self.names, &mut self.kinds);
                (room, Search::NoBuddies)
            }
        };
        self.rooms.enter(room);
        let details = profile::read(&self.criteria, &ticket, &mut self.names, &mut self.terms);
        let serial = self.rooms[room].serial;
        let origin = self.kinds.take(serial, &self.terms);
        let since = nanos(ticket.since);
        let waited = now.saturating_sub(since);
        let kind = match profile::widen(&self.criteria, &mut self.terms, waited) {
            true => self.kinds.take(serial, &self.terms),
            false => self.kinds.take_again(origin),
        };
        let slot = self.tickets.insert(Held {
            id: ticket.id.0,
            since,
            expires: nanos(ticket.expires),
            wakes: NEVER,
            link: 0,
            user,
            room,
            kind,
            origin,
            search,
            state: State::New,
            is_of_rest: false,
            told: Told::default(),
            details,
        });
        self.names.set_ticket(user, Some(slot));
        let sight = self.search(now, slot, None);
        self.conclude(now, slot, sight);
    }

    /// Takes a ticket out. False if it is not there (any more). Whom it was offered to looks on.
    pub fn remove(&mut self, now: Duration, id: TicketId) -> bool {
        let now = self.at(now);
        let Some(slot) = self.tickets.find(id.0) else { return false };
        if self.tickets[slot].state == State::Offered {
            let offer = self.offers.remove(self.tickets[slot].link);
            self.take(slot);
            let other = offer.other(slot);
            if self.put_back(now, other) {
                let sight = self.search(now, other, None);
                self.conclude(now, other, sight);
            }
        } else {
            self.stop_waiting(now, slot);
            self.take(slot);
        }
        true
    }

    /// A ticket that is offered to another agrees. When the other one does, too, [`Output::Matched`] follows.
    pub fn acknowledge(&mut self, now: Duration, id: TicketId) {
        let now = self.at(now);
        let Some(slot) = self.tickets.find(id.0) else { return };
        let Held { state: State::Offered, link: offer, .. } = self.tickets[slot] else { return };
        if self.offers.acknowledge(offer, slot) {
            let sides = self.offers.remove(offer).sides;
            let both = self.pair(now, sides);
            for slot in sides {
                let held = &self.tickets[slot];
                let waited = now.saturating_sub(held.since);
                let like_it = &mut self.kinds[held.origin].waits;
                for waits in [like_it, &mut self.rooms[held.room].waits] {
                    waits.get_or_insert_with(|| Box::new(Sketch::new())).add(waited);
                }
                self.take(slot);
            }
            self.outputs.push_back(Output::Matched(both));
        }
    }

    /// Whether there are more people than two who wait, or will again: then two who have just parted are kept apart for
    /// longer.
    pub fn set_in_company(&mut self, in_company: bool) {
        if in_company != self.in_company {
            self.in_company = in_company;
            self.review = (!in_company && self.tickets.len() > 0).then_some(0);
        }
    }

    /// Does what is due. To be called at [`Matcher::poll_timeout`]; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Duration) {
        let now = self.at(now);
        self.do_what_is_due(now);
    }

    /// When [`Matcher::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let is_behind = self.review.is_some() || !self.lookers.is_empty();
        let at_once = is_behind.then_some(self.now);
        let timers = [self.offers.next(), self.timers.next(), self.places.next(), at_once];
        timers.into_iter().flatten().min().map(Duration::from_nanos)
    }

    /// What has happened since the last call, in order; `None` when all has been told.
    pub fn poll_output(&mut self) -> Option<Output> {
        let output = self.outputs.pop_front();
        if output.is_none() && self.outputs.capacity() > 4096 {
            self.outputs = VecDeque::new();
        }
        output
    }

    /// How many tickets there are, those included that are offered to each other.
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tickets.len() == 0
    }

    /// How many pairs are offered to each other.
    pub fn offers(&self) -> usize {
        self.offers.len()
    }

    /// Whether a ticket waits, or is offered to another.
    pub fn holds(&self, id: TicketId) -> bool {
        self.tickets.find(id.0).is_some()
    }

    fn at(&mut self, now: Duration) -> u64 {
        let now = nanos(now);
        self.now = self.now.max(now);
        now
    }

    fn searcher(&self, now: u64) -> Searcher<'_> {
        let apart = self.apart[usize::from(self.in_company)];
        Searcher {
            criteria: &self.criteria,
            names: &self.names,
            tickets: &self.tickets,
            kinds: &self.kinds,
            rooms: &self.rooms,
            index: &self.index,
            moment: Moment { now, apart, apart_alone: self.apart[0] },
        }
    }

    fn search(&mut self, now: u64, slot: Slot, after: Option<Age>) -> Sight {
        let mut desk = core::mem::take(&mut self.desk);
        let sight = self.searcher(now).search(slot, after, &mut desk);
        self.desk = desk;
        sight
    }

    /// What a look has come to of one who is new or back, and has not been told.
    fn conclude(&mut self, now: u64, slot: Slot, sight: Sight) {
        if let Sight::Found(other) = sight {
            return self.offer(now, slot, other);
        }
        self.wait(now, slot);
        if let Sight::Unfinished(end) = sight {
            let looker = Looker { slot, after: Some(end), is_back: false };
            self.lookers.put(&mut self.tickets, looker);
        }
        self.tell(now, slot);
    }

    /// Offers two to each other, whether they wait or not.
    fn offer(&mut self, now: u64, a: Slot, b: Slot) {
        let [first, second] = [a, b].map(|slot| self.tickets[slot].age());
        let sides = if first < second { [a, b] } else { [b, a] };
        let offer = self.offers.add(now, sides);
        for slot in sides {
            if self.tickets[slot].is_free() {
                self.stop_waiting(now, slot);
            }
            let held = &mut self.tickets[slot];
            (held.state, held.link) = (State::Offered, offer);
        }
        let both = self.pair(now, sides);
        self.outputs.push_back(Output::Offer(both));
    }

    fn pair(&self, now: u64, sides: [Slot; 2]) -> Match {
        let [first, second] = sides.map(|slot| {
            let held = &self.tickets[slot];
            let waited = Duration::from_nanos(now.saturating_sub(held.since));
            Waited { id: TicketId(held.id), waited }
        });
        Match { first, second }
    }

    /// Takes a place in the queues.
    fn wait(&mut self, now: u64, slot: Slot) {
        let entry = self.tickets.entry(slot);
        let held = &mut self.tickets[slot];
        held.state = State::Waits;
        let count =
            self.index.insert(&self.criteria, &mut self.kinds, &mut self.rooms, held, entry);
        self.desk.work += count;
        let (room, wakes) = (held.room, self.wakes(now, slot));
        self.timers.set(&mut self.tickets, slot, wakes);
        self.places.change(&mut self.rooms, room, now);
    }

    fn stop_waiting(&mut self, now: u64, slot: Slot) {
        self.lookers.remove(&mut self.tickets, slot);
        self.timers.clear(&mut self.tickets, slot);
        let held = &self.tickets[slot];
        self.index.remove(&self.criteria, &mut self.kinds, &mut self.rooms, held);
        self.places.change(&mut self.rooms, held.room, now);
    }

    /// Forgets a ticket that is in no queue.
    fn take(&mut self, slot: Slot) {
        let held = self.tickets.remove(slot);
        self.names.set_ticket(held.user, None);
        self.names.release(held.user);
        for name in held.details.iter().flat_map(|details| details.names()) {
            self.names.release(name);
        }
        self.kinds.release(held.kind);
        self.kinds.release(held.origin);
        self.rooms.leave(held.room, &mut self.names, &mut self.kinds);
        if self.tickets.len() == 0 {
            self.review = None;
        }
    }

    fn tell(&mut self, now: u64, slot: Slot) {
        let output = Places::first(now, slot, &self.rooms, &mut self.tickets, &self.kinds);
        self.outputs.push_back(output);
    }
}
