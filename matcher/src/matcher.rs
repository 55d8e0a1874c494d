//! The waiting room.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use crate::meets::{are_buddies, meets};
use crate::{Match, Mode, Output, Place, Rules, Ticket, TicketId, User, Waited};

/// Pairs tickets that may meet, the oldest first, never a user with itself; see [`Mode`] and
/// [`Attribute`](crate::Attribute) for who may meet whom.
#[derive(Debug)]
pub struct Matcher {
    rules: Rules,
    in_company: bool,
    held: BTreeMap<TicketId, Held>,
    by_user: BTreeMap<User, TicketId>,
    /// Those who are offered to nobody, the oldest first.
    free: BTreeSet<(Duration, TicketId)>,
    outputs: VecDeque<Output>,
}

#[derive(Debug)]
struct Held {
    ticket: Ticket,
    offer: Option<Offer>,
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    to: TicketId,
    until: Duration,
    acknowledged: bool,
}

impl Matcher {
    /// An empty waiting room. `seed` keeps strangers, who choose names, from aiming at each other's place in its tables.
    pub fn new(rules: Rules, _seed: [u64; 2]) -> Self {
        Self {
            rules,
            in_company: false,
            held: BTreeMap::new(),
            by_user: BTreeMap::new(),
            free: BTreeSet::new(),
            outputs: VecDeque::new(),
        }
    }

    /// Offers the ticket the oldest one it may meet, or lets it wait: [`Output::Offer`] or [`Output::Waiting`] follows.
    ///
    /// A user has one ticket: an earlier one of the same user leaves first, and its place with it, which
    /// [`Output::Replaced`] says.
    pub fn insert(&mut self, now: Duration, ticket: Ticket) {
        debug_assert!(!self.held.contains_key(&ticket.id), "ticket ids are used once");
        if let Some(&earlier) = self.by_user.get(&ticket.user) {
            self.remove(now, earlier);
            self.outputs.push_back(Output::Replaced(earlier));
        }
        let id = ticket.id;
        self.by_user.insert(ticket.user.clone(), id);
        self.free.insert((ticket.since, id));
        self.held.insert(id, Held { ticket, offer: None });
        if !self.seek(now, id) {
            let place = self.place(id);
            self.outputs.push_back(Output::Waiting { id, place });
        }
    }

    /// Takes a ticket out. False if it is not there (any more). Whom it was offered to looks on.
    pub fn remove(&mut self, now: Duration, id: TicketId) -> bool {
        let Some(held) = self.take(id) else { return false };
        if let Some(offer) = held.offer {
            self.put_back(now, offer.to);
        }
        true
    }

    /// A ticket that is offered to another agrees. When the other one does, too, [`Output::Matched`] follows.
    pub fn acknowledge(&mut self, now: Duration, id: TicketId) {
        let Some(offer) = self.held.get_mut(&id).and_then(|held| held.offer.as_mut()) else {
            return;
        };
        offer.acknowledged = true;
        let other = offer.to;
        if self.held[&other].offer.is_some_and(|offer| offer.acknowledged) {
            let both = self.pair(now, id, other);
            self.take(id);
            self.take(other);
            self.outputs.push_back(Output::Matched(both));
        }
    }

    /// Whether there are more people than two who wait, or will again: then two who have just parted are kept apart for
    /// longer.
    pub fn set_in_company(&mut self, in_company: bool) {
        self.in_company = in_company;
    }

    /// Does what is due. To be called at [`Matcher::poll_timeout`]; earlier or later does no harm.
    pub fn handle_timeout(&mut self, now: Duration) {
        let is_late =
            |held: &Held| held.offer.is_some_and(|offer| offer.until <= now && !offer.acknowledged);
        let late: Vec<_> =
            self.held.iter().filter(|(_, held)| is_late(held)).map(|(id, _)| *id).collect();
        let mut back = Vec::new();
        for id in late {
            back.extend(self.take(id).and_then(|held| held.offer).map(|offer| offer.to));
            self.outputs.push_back(Output::Lapsed(id));
        }
        for id in back {
            self.put_back(now, id);
        }
        let ended = |held: &Held| held.offer.is_none() && held.ticket.expires <= now;
        let expired: Vec<_> =
            self.held.iter().filter(|(_, held)| ended(held)).map(|(id, _)| *id).collect();
        for id in expired {
            self.take(id);
            self.outputs.push_back(Output::Expired(id));
        }
        for (_, id) in self.free.clone() {
            self.seek(now, id);
        }
    }

    /// When [`Matcher::handle_timeout`] is to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let due = |held: &Held| held.offer.map_or(held.ticket.expires, |offer| offer.until);
        self.held.values().map(due).min()
    }

    /// What has happened since the last call, in order; `None` when all has been told.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many tickets there are, those included that are offered to each other.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// How many pairs are offered to each other.
    pub fn offers(&self) -> usize {
        (self.held.len() - self.free.len()) / 2
    }

    /// Whether a ticket waits, or is offered to another.
    pub fn holds(&self, id: TicketId) -> bool {
        self.held.contains_key(&id)
    }

    /// Offers a ticket that is free to the first it may meet.
    fn seek(&mut self, now: Duration, id: TicketId) -> bool {
        let Some(Held { ticket, offer: None }) = self.held.get(&id) else { return false };
        let others = self.free.iter().map(|(_, id)| &self.held[id].ticket);
        let mut others =
            others.filter(|other| meets(&self.rules, now, self.in_company, ticket, other));
        let found = match ticket.mode {
            Mode::Global | Mode::Pool(_) => others.next(),
            Mode::BuddiesFirst | Mode::Buddies => {
                let others: Vec<_> = others.collect();
                let buddy = others.iter().find(|other| are_buddies(ticket, other));
                buddy.or(others.first()).copied()
            }
        };
        let Some(other) = found.map(|other| other.id) else { return false };
        let until = now.saturating_add(self.rules.acknowledge_within);
        for (id, to) in [(id, other), (other, id)] {
            let held = self.held.get_mut(&id).expect("it is held");
            held.offer = Some(Offer { to, until, acknowledged: false });
            let since = held.ticket.since;
            self.free.remove(&(since, id));
        }
        let both = self.pair(now, id, other);
        self.outputs.push_back(Output::Offer(both));
        true
    }

    /// A ticket is offered to nobody any more, and looks on from its old place.
    fn put_back(&mut self, now: Duration, id: TicketId) {
        let Some(held) = self.held.get_mut(&id) else { return };
        held.offer = None;
        self.free.insert((held.ticket.since, id));
        if !self.seek(now, id) {
            let place = self.place(id);
            self.outputs.push_back(Output::Waiting { id, place });
        }
    }

    fn pair(&self, now: Duration, a: TicketId, b: TicketId) -> Match {
        let since = |id: &TicketId| (self.held[id].ticket.since, *id);
        let waited = |id| Waited { id, waited: now.saturating_sub(self.held[&id].ticket.since) };
        let (first, second) = if since(&b) < since(&a) { (b, a) } else { (a, b) };
        Match { first: waited(first), second: waited(second) }
    }

    fn place(&self, id: TicketId) -> Place {
        let room = |ticket: &Ticket| match &ticket.mode {
            Mode::BuddiesFirst => Mode::Global,
            mode => mode.clone(),
        };
        let mine = room(&self.held[&id].ticket);
        let like = self.free.iter().filter(|(_, id)| room(&self.held[id].ticket) == mine);
        let ahead = like.clone().take_while(|(_, other)| *other != id).count();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place { position: count(ahead + 1), waiting: count(like.count()), eta: None }
    }

    fn take(&mut self, id: TicketId) -> Option<Held> {
        let held = self.held.remove(&id)?;
        self.by_user.remove(&held.ticket.user);
        self.free.remove(&(held.ticket.since, id));
        Some(held)
    }
}
