//! A waiting room that looks at everybody, and holds what the matcher says against that.

mod always;
pub(crate) mod meets;

use std::collections::BTreeMap;
use std::time::Duration;

use hairpin_matcher::{Match, Matcher, Mode, Output, Place, Rules, Ticket, TicketId};
use meets::{are_buddies, may_meet};

/// A matcher, and what must be so.
pub(crate) struct Pair {
    pub(crate) matcher: Matcher,
    pub(crate) rules: Rules,
    pub(crate) now: Duration,
    in_company: bool,
    held: BTreeMap<TicketId, Held>,
    /// When the last one came or went who waits.
    changed: Duration,
    /// Whether time has gone on without a word to the matcher.
    is_late: bool,
    pub(crate) offered: Vec<Match>,
    pub(crate) matched: usize,
}

struct Held {
    ticket: Ticket,
    /// To whom, until when, and whether it has agreed.
    offer: Option<(TicketId, Duration, bool)>,
    /// What it was last told, and when.
    told: Option<(Duration, Place)>,
    /// Whether it has just begun to wait, and is to be told so.
    is_new: bool,
}

impl Pair {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            matcher: Matcher::new(rules.clone(), [7, 11]),
            rules,
            now: Duration::from_secs(1000),
            in_company: false,
            held: BTreeMap::new(),
            changed: Duration::ZERO,
            is_late: false,
            offered: Vec::new(),
            matched: 0,
        }
    }

    pub(crate) fn insert(&mut self, ticket: Ticket) {
        let earlier = self.held.values().find(|held| held.ticket.user == ticket.user);
        let earlier = earlier.map(|held| held.ticket.id);
        let id = ticket.id;
        self.matcher.insert(self.now, ticket.clone());
        let mut outputs = self.outputs();
        if let Some(earlier) = earlier {
            let at = outputs.iter().position(|output| *output == Output::Replaced(earlier));
            let rest = outputs.split_off(at.expect("the earlier one is replaced") + 1);
            outputs.pop();
            self.leave(earlier, &outputs);
            outputs = rest;
        }
        let best = self.best(&ticket);
        let held = Held { ticket, offer: None, told: None, is_new: true };
        self.held.insert(id, held);
        self.changed = self.now;
        self.expect_best(id, best, &outputs);
        self.check();
    }

    pub(crate) fn remove(&mut self, id: TicketId) {
        let was_there = self.matcher.remove(self.now, id);
        let outputs = self.outputs();
        assert_eq!(was_there, self.held.contains_key(&id));
        self.leave(id, &outputs);
        self.check();
    }

    /// A ticket is gone; whom it was offered to looks at once.
    fn leave(&mut self, id: TicketId, outputs: &[Output]) {
        self.changed = self.now;
        let other = self.held.remove(&id).and_then(|held| held.offer).map(|(other, ..)| other);
        let Some(other) = other else { return assert_eq!(outputs, []) };
        let held = self.held.get_mut(&other).expect("both are held");
        (held.offer, held.is_new) = (None, true);
        if held.ticket.expires <= self.now {
            assert_eq!(outputs, [Output::Expired(other)]);
            self.held.remove(&other);
            return;
        }
        let ticket = held.ticket.clone();
        let best = self.best(&ticket);
        self.expect_best(other, best, outputs);
    }

    /// The ticket is offered just that one, or is told that it waits.
    fn expect_best(&mut self, id: TicketId, best: Option<TicketId>, outputs: &[Output]) {
        match outputs {
            [Output::Offer(both)] => {
                let ids = [both.first.id, both.second.id];
                assert!(ids.contains(&id));
                let other = ids[usize::from(ids[0] == id)];
                if !self.is_late {
                    assert_eq!(Some(other), best, "another one is older");
                }
            }
            [Output::Waiting { id: told, .. }] => {
                assert_eq!(*told, id);
                assert!(self.is_late || best.is_none(), "{id:?} may meet {best:?}");
            }
            other => panic!("{other:?}"),
        }
        self.follow(outputs);
    }

    pub(crate) fn acknowledge(&mut self, id: TicketId) {
        self.matcher.acknowledge(self.now, id);
        let outputs = self.outputs();
        let mut expected = Vec::new();
        if let Some((other, _, agreed)) = self.held.get_mut(&id).and_then(|h| h.offer.as_mut()) {
            *agreed = true;
            let other = *other;
            if self.held[&other].offer.expect("both are offered").2 {
                expected.push(Output::Matched(self.pair(id, other)));
                self.held.remove(&id);
                self.held.remove(&other);
                self.matched += 1;
            }
        }
        assert_eq!(outputs, expected);
        self.check();
    }

    pub(crate) fn set_in_company(&mut self, in_company: bool) {
        self.matcher.set_in_company(in_company);
        self.in_company = in_company;
        self.settle();
    }

    /// Time goes on, and the matcher is called just when it wants to be.
    pub(crate) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.matcher.poll_timeout().filter(|next| *next <= end) {
            assert!(next > self.now, "what was due has been done");
            self.expect_nothing_before(next);
            self.now = next;
            self.settle();
        }
        self.expect_nothing_before(end);
        self.now = end;
        self.settle();
    }

    /// Time goes on, and nobody tells the matcher.
    pub(crate) fn doze(&mut self, time: Duration) {
        self.now += time;
        self.is_late = true;
    }

    /// Calls the matcher until nothing is due.
    pub(crate) fn settle(&mut self) {
        let mut calls = 0;
        while calls == 0 || self.matcher.poll_timeout().is_some_and(|next| next <= self.now) {
            self.matcher.handle_timeout(self.now);
            let outputs = self.outputs();
            self.lapse_and_expire(&outputs);
            let expected = self.greedy();
            let offers = |output: &Output| match output {
                Output::Offer(both) => Some(*both),
                _ => None,
            };
            let offers: Vec<Match> = outputs.iter().filter_map(offers).collect();
            let has_preferences =
                self.held.values().any(|held| held.ticket.mode == Mode::BuddiesFirst);
            if !has_preferences && !self.is_late {
                let ids = |both: &Match| (both.first.id, both.second.id);
                let [mut said, mut expected] =
                    [&offers, &expected].map(|list| list.iter().map(ids).collect::<Vec<_>>());
                said.sort();
                expected.sort();
                assert_eq!(said, expected, "the oldest first");
            }
            self.follow(&outputs);
            calls += 1;
            assert!(calls < 50, "it is never content");
        }
        self.is_late = false;
        self.check();
    }

    /// What a call at this time must say of offers that are over and of tickets that expire.
    fn lapse_and_expire(&self, outputs: &[Output]) {
        let now = self.now;
        let is_over = |held: &Held| held.offer.is_some_and(|(_, until, _)| until <= now);
        for (id, held) in &self.held {
            let agreed = held.offer.is_some_and(|(_, _, agreed)| agreed);
            let has_lapsed = is_over(held) && !agreed;
            assert_eq!(has_lapsed, outputs.contains(&Output::Lapsed(*id)), "{id:?}");
            let is_free = held.offer.is_none() || is_over(held) && agreed;
            let has_expired = is_free && held.ticket.expires <= now;
            assert_eq!(has_expired, outputs.contains(&Output::Expired(*id)), "{id:?}");
        }
    }

    /// Whom a call at this time offers to each other: each its best, the oldest first.
    fn greedy(&self) -> Vec<Match> {
        let now = self.now;
        let is_free = |held: &&Held| {
            let is_back = held.offer.is_none_or(|(_, until, agreed)| until <= now && agreed);
            is_back && held.ticket.expires > now
        };
        let mut free: Vec<&Ticket> =
            self.held.values().filter(is_free).map(|held| &held.ticket).collect();
        free.sort_by_key(|ticket| age(ticket));
        let mut pairs = Vec::new();
        let mut at = 0;
        while at < free.len() {
            let found = (0..free.len()).find(|&other| self.may_meet(free[at], free[other]));
            if let Some(other) = found {
                pairs.push(self.pair(free[at].id, free[other].id));
                free.remove(other.max(at));
                free.remove(other.min(at));
                at -= usize::from(other < at);
            } else {
                at += 1;
            }
        }
        pairs
    }

    /// Takes over what the matcher said, and looks at each word as it was when it was said.
    fn follow(&mut self, outputs: &[Output]) {
        for output in outputs {
            match *output {
                Output::Waiting { id, place } => self.expect_place(id, place),
                Output::Offer(both) => {
                    let ids = [both.first.id, both.second.id];
                    let tickets = ids.map(|id| {
                        assert!(self.held[&id].offer.is_none(), "{id:?} is offered twice");
                        &self.held[&id].ticket
                    });
                    assert!(self.may_meet(tickets[0], tickets[1]), "{tickets:#?}");
                    assert_eq!(both, self.pair(ids[0], ids[1]));
                    let until = self.now + self.rules.acknowledge_within;
                    for (id, other) in [(ids[0], ids[1]), (ids[1], ids[0])] {
                        let held = self.held.get_mut(&id).expect("it is held");
                        (held.offer, held.is_new) = (Some((other, until, false)), false);
                    }
                    self.offered.push(both);
                }
                Output::Lapsed(id) => {
                    let held = self.held.remove(&id).expect("it was held");
                    let other = held.offer.expect("it was offered").0;
                    if let Some(held) = self.held.get_mut(&other)
                        && held.offer.expect("both are offered").2
                    {
                        (held.offer, held.is_new) = (None, true);
                    }
                }
                Output::Expired(id) => drop(self.held.remove(&id)),
                Output::Matched(_) | Output::Replaced(_) => panic!("{output:?}"),
            }
            if !matches!(output, Output::Waiting { .. }) {
                self.changed = self.now;
            }
        }
    }

    fn expect_place(&mut self, id: TicketId, place: Place) {
        assert_eq!(self.place(id), (place.position, place.waiting), "{id:?}");
        let now = self.now;
        let held = self.held.get_mut(&id).expect("who is told is held");
        if let Some((at, told)) = held.told.filter(|_| !held.is_new) {
            assert!(now >= at + self.rules.tell_every, "{id:?} is told too often");
            assert_ne!((told.position, told.waiting), (place.position, place.waiting));
        }
        (held.told, held.is_new) = (Some((now, place)), false);
    }

    fn place(&self, id: TicketId) -> (u32, u32) {
        let room = |ticket: &Ticket| match &ticket.mode {
            Mode::BuddiesFirst => Mode::Global,
            mode => mode.clone(),
        };
        let mine = &self.held[&id].ticket;
        let free = self.held.values().filter(|held| held.offer.is_none());
        let like: Vec<_> =
            free.map(|held| &held.ticket).filter(|ticket| room(ticket) == room(mine)).collect();
        let ahead = like.iter().filter(|other| age(other) < age(mine)).count();
        (ahead as u32 + 1, like.len() as u32)
    }

    /// Whom a ticket is to be offered now.
    fn best(&self, ticket: &Ticket) -> Option<TicketId> {
        let free = self.held.values().filter(|held| held.offer.is_none());
        let mut others: Vec<_> = free
            .map(|held| &held.ticket)
            .filter(|other| other.id != ticket.id && self.may_meet(ticket, other))
            .collect();
        others.sort_by_key(|other| age(other));
        let buddy = others.iter().find(|other| are_buddies(ticket, other));
        let first = others.first();
        match ticket.mode {
            Mode::Global | Mode::Pool(_) => first,
            Mode::BuddiesFirst | Mode::Buddies => buddy.or(first),
        }
        .map(|other| other.id)
    }

    fn may_meet(&self, a: &Ticket, b: &Ticket) -> bool {
        may_meet(&self.rules, self.now, self.in_company, a, b)
    }

    fn pair(&self, a: TicketId, b: TicketId) -> Match {
        let side = |id| {
            let waited = self.now.saturating_sub(self.held[&id].ticket.since);
            hairpin_matcher::Waited { id, waited }
        };
        let [a, b] =
            if age(&self.held[&b].ticket) < age(&self.held[&a].ticket) { [b, a] } else { [a, b] };
        Match { first: side(a), second: side(b) }
    }

    fn outputs(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.matcher.poll_output()).collect()
    }

    pub(crate) fn ids(&self) -> Vec<TicketId> {
        self.held.keys().copied().collect()
    }

    /// Who is offered to whom and has not agreed yet.
    pub(crate) fn asked(&self) -> Vec<TicketId> {
        let asked = |held: &Held| held.offer.is_some_and(|(_, _, agreed)| !agreed);
        self.held.iter().filter(|(_, held)| asked(held)).map(|(id, _)| *id).collect()
    }
}

fn age(ticket: &Ticket) -> (Duration, TicketId) {
    (ticket.since, ticket.id)
}
