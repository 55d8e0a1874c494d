//! What must hold of an evening, by what goes in and out at the server's door. It knows nothing of what is inside, but
//! how many wait and how many are offered to each other.

mod hearsay;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hairpin_matcher::Rules;
use hairpin_signaling::{ConnectionId, Departure};

use super::figures::{End, Figures};
use super::wish::{Apart, Waiter, Wish, are_of_each_other_s_liking, last_parted, may_meet};

/// More than two, and than what one message can change.
const COMPANY: usize = 5;
/// How many partners are remembered.
const PARTNERS: usize = 8;

/// Looks on, and panics at what must not be.
pub(super) struct Judge {
    rules: Rules,
    people: Vec<Seen>,
    by_name: BTreeMap<String, usize>,
    /// The two of each session, and whether it goes on.
    sessions: BTreeMap<String, Session>,
    /// What the server says of how long those have waited who are about to be told of a match.
    waited: VecDeque<Duration>,
    /// How often an offer may have come to nothing.
    disturbed: u64,
    /// How often it had when the server last said something.
    known_disturbed: u64,
    /// Since when so many wait or are in a call that two are in company also if others are about to leave.
    in_company: Option<Duration>,
    pub(super) checks: Checks,
    pub(super) figures: Figures,
}

/// How often something could have been wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checks {
    /// Pairs whose every rule was looked at.
    pub matches: u64,
    /// Times at which all who waited were compared with each other, and how many pairs that were.
    pub looks: u64,
    /// See `looks`.
    pub pairs: u64,
    /// Times at which it was known beforehand whom somebody was to meet, or that nobody was there for it.
    pub foretold: u64,
    /// Matches with the one that had waited longest, where one was foretold.
    pub in_order: u64,
    /// Waits that went on after their WebSocket was lost, or an offer came to nothing, and were matched as old as they were.
    pub kept_seniority: u64,
}

#[derive(Default)]
struct Session {
    sides: Vec<usize>,
    is_over: bool,
}

/// Somebody, as seen from the door.
#[derive(Default)]
struct Seen {
    user: String,
    /// What its seat wishes.
    wish: Wish,
    /// What it has just asked for, until the server has taken it up.
    asks: Option<Ask>,
    wait: Option<Wait>,
    /// The connection its seat is reached by.
    connection: Option<ConnectionId>,
    session: Option<String>,
    /// The number of the last message it has said.
    said: u64,
    /// Proofs of places, by their hashes, and since when these are held.
    tokens: VecDeque<(u64, Duration)>,
    parted: VecDeque<(String, Duration)>,
    told_place: Option<Duration>,
    resumes: bool,
}

struct Ask {
    wish: Wish,
    since: Duration,
    foretold: Foretold,
}

/// Whom somebody who asks now is to be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Foretold {
    Unknown,
    Nobody,
    One(usize),
}

struct Wait {
    since: Duration,
    began: Duration,
    class: String,
    /// Whom it is to meet unless something comes between.
    first: Option<(usize, u64)>,
    eta: Option<Duration>,
    was_lost: bool,
}

impl Judge {
    pub(super) fn new<'a>(rules: Rules, users: impl Iterator<Item = &'a str>) -> Self {
        let people: Vec<_> =
            users.map(|user| Seen { user: user.into(), ..Seen::default() }).collect();
        let by_name = people.iter().enumerate().map(|(n, seen)| (seen.user.clone(), n)).collect();
        Self {
            rules,
            people,
            by_name,
            sessions: BTreeMap::new(),
            waited: VecDeque::new(),
            disturbed: 0,
            known_disturbed: 0,
            in_company: None,
            checks: Checks::default(),
            figures: Figures::default(),
        }
    }

    /// A connection is gone, as the server hears.
    pub(super) fn gone(
        &mut self,
        now: Duration,
        who: usize,
        id: ConnectionId,
        departure: Departure,
    ) {
        self.disturbed += 1;
        let seen = &mut self.people[who];
        if seen.connection != Some(id) {
            return;
        }
        seen.connection = None;
        if let Some(wait) = &mut seen.wait {
            wait.was_lost = true;
        }
        if departure == Departure::Goodbye || !seen.resumes {
            let end = if departure == Departure::Goodbye { End::Left } else { End::Lost };
            self.end_wait(now, who, end);
            self.end_session(now, who);
        }
    }

    /// Looks whether two wait who may meet; nothing, and false, while any are offered to each other.
    pub(super) fn look(&mut self, now: Duration, (tickets, offers): (usize, usize)) -> bool {
        if offers > 0 {
            return false;
        }
        let waiting: Vec<usize> = self.waiting().collect();
        assert_eq!(waiting.len(), tickets, "at {now:?}: who waits is who is seen to wait");
        let [_, apart] = self.apart(now);
        for (n, &a) in waiting.iter().enumerate() {
            for &b in &waiting[n + 1..] {
                let [one, other] = [self.waiter(a), self.waiter(b)];
                assert!(
                    !may_meet(now, apart, &one, &other),
                    "at {now:?}: {:?} since {:?} and {:?} since {:?} wait, and could meet",
                    one.wish,
                    one.since,
                    other.wish,
                    other.since,
                );
                self.checks.pairs += 1;
            }
        }
        self.checks.looks += 1;
        true
    }

    /// Looks whether every wish has come to its end, once nobody is there any more.
    pub(super) fn close(&mut self, now: Duration) {
        for who in 0..self.people.len() {
            if self.people[who].wait.is_some() {
                assert_eq!(self.people[who].connection, None, "{}", self.people[who].user);
                self.end_wait(now, who, End::Lost);
            }
        }
        assert!(self.waited.is_empty());
        let figures = &self.figures;
        assert_eq!(figures.wishes, figures.ends.values().sum::<u64>(), "each wish ends once");
    }

    /// Those who wait and are reached.
    fn waiting(&self) -> impl Iterator<Item = usize> + '_ {
        let waits = |seen: &Seen| seen.wait.is_some() && seen.connection.is_some();
        (0..self.people.len()).filter(move |who| waits(&self.people[*who]))
    }

    fn waiter(&self, who: usize) -> Waiter<'_> {
        let seen = &self.people[who];
        let since = seen.wait.as_ref().map_or(Duration::ZERO, |wait| wait.since);
        Waiter { wish: &seen.wish, since, parted: seen.parted.as_slices().0 }
    }

    /// So many wait or are in a call now.
    pub(super) fn count(&mut self, now: Duration, people: usize) {
        self.in_company = (people > COMPANY).then(|| self.in_company.unwrap_or(now));
    }

    /// How long two are kept apart at least, and at most, as things have been while they could be offered to each other.
    fn apart(&self, now: Duration) -> [Apart; 2] {
        let Rules { apart_alone, apart_in_company, acknowledge_within, .. } = self.rules;
        let in_company = self.in_company.is_some_and(|since| now > since + acknowledge_within);
        [if in_company { apart_in_company } else { apart_alone }, apart_in_company]
            .map(|others| Apart { buddies: apart_alone, others })
    }

    /// Whom somebody is to be offered who begins to wait now: the oldest it may meet.
    fn foretell(&self, now: Duration, who: usize, wish: &Wish, since: Duration) -> Foretold {
        let me = Waiter { wish, since, parted: self.people[who].parted.as_slices().0 };
        let apart = self.apart(now);
        let mut others = Vec::new();
        for other in self.waiting().filter(|other| *other != who) {
            let waiter = self.waiter(other);
            if !are_of_each_other_s_liking(now, &me, &waiter) {
                continue;
            }
            let [least, most] = apart.map(|apart| apart.of(wish, waiter.wish));
            match last_parted(&me, &waiter) {
                Some(parted) if now < parted + least => {}
                // They may just have been alone.
                Some(parted) if now < parted + most => return Foretold::Unknown,
                _ => others.push((waiter.since, other)),
            }
        }
        others.sort_unstable();
        let is_buddy = |other: &usize| wish.is_buddy_of(&self.people[*other].wish);
        let buddy = others.iter().map(|(_, other)| *other).find(is_buddy);
        let oldest = others.first().map(|(_, other)| *other);
        let first = if wish.mode == "buddies_first" { buddy.or(oldest) } else { oldest };
        first.map_or(Foretold::Nobody, Foretold::One)
    }

    fn begin_wait(&mut self, now: Duration, who: usize, connection: ConnectionId) -> Foretold {
        // Its seat had gone unseen.
        self.end_wait(now, who, End::Lost);
        self.end_session(now, who);
        let seen = &mut self.people[who];
        let ask = seen.asks.take().expect("who is queued has asked for it");
        seen.wish = ask.wish;
        seen.connection = Some(connection);
        seen.told_place = None;
        let first = match ask.foretold {
            Foretold::One(other) => Some((other, self.disturbed)),
            _ => None,
        };
        let (class, was_lost) = (seen.wish.class(), ask.since < now);
        seen.wait = Some(Wait { since: ask.since, began: now, class, first, eta: None, was_lost });
        self.figures.wishes += 1;
        ask.foretold
    }

    /// Somebody is told of a session it has not been told of.
    fn meet(&mut self, now: Duration, who: usize, session: &str, partner: &str) {
        let partner = self.by_name[partner];
        let said = self.waited.pop_front().expect("how long somebody has waited is said before");
        let seen = &mut self.people[who];
        assert_ne!(partner, who, "nobody meets itself");
        assert_eq!(seen.session, None, "{} has a partner", seen.user);
        let wait = seen.wait.as_ref().unwrap_or_else(|| panic!("{} does not wait", seen.user));
        assert_eq!(said, now - wait.since, "{} is as old as it is", seen.user);
        if wait.was_lost {
            self.checks.kept_seniority += 1;
        }
        if let Some((other, disturbed)) = wait.first
            && disturbed == self.disturbed
        {
            assert_eq!(other, partner, "at {now:?}: {} does not meet the oldest", seen.user);
            self.checks.in_order += 1;
        }
        seen.session = Some(session.into());
        let sides = &mut self.sessions.entry(session.into()).or_default().sides;
        sides.push(who);
        let sides = sides.clone();
        assert!(sides.len() <= 2, "{session} is of {sides:?}");
        if let [a, b] = sides[..] {
            assert_eq!([a, b].map(|side| side == partner), [true, false], "both meet each other");
            let [one, other] = [self.waiter(a), self.waiter(b)];
            assert!(
                may_meet(now, self.apart(now)[0], &one, &other),
                "at {now:?}: {:?} since {:?} and {:?} since {:?} meet, and may not",
                one.wish,
                one.since,
                other.wish,
                other.since,
            );
            self.checks.matches += 1;
            self.end_wait(now, a, End::Matched);
            self.end_wait(now, b, End::Matched);
        }
    }

    fn end_wait(&mut self, now: Duration, who: usize, end: End) {
        let Some(wait) = self.people[who].wait.take() else { return };
        self.figures.ended(wait.began, &wait.class, end, now - wait.since, wait.eta);
    }

    fn end_session(&mut self, now: Duration, who: usize) {
        let Some(session) = self.people[who].session.take() else { return };
        let session = self.sessions.get_mut(&session).expect("it has begun");
        if std::mem::replace(&mut session.is_over, true) {
            return;
        }
        let [a, b] = session.sides[..] else { return };
        for (one, other) in [(a, b), (b, a)] {
            let other = self.people[other].user.clone();
            let seen = &mut self.people[one];
            seen.session = None;
            seen.parted.push_back((other, now));
            if seen.parted.len() > PARTNERS {
                seen.parted.pop_front();
            }
            seen.parted.make_contiguous();
        }
    }
}
