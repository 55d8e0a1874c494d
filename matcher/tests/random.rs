//! Scripts of few people with few words, so that they collide, beside the model.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hairpin_matcher::{
    Attribute, Band, Kind, Mode, Profile, Recent, Rules, Seeks, Ticket, TicketId, User, Value,
};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::model::Pair;

const PEOPLE: u8 = 8;

#[derive(Clone, Debug)]
enum Step {
    Insert(Box<Wish>),
    Remove(Index),
    Acknowledge(Index),
    Company(u8),
    Pass(u16),
    Doze(u16),
}

/// A ticket with small numbers for names.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    user: u8,
    mode: u8,
    waited: u16,
    lasts: u16,
    buddies: Vec<u8>,
    blocked: Vec<u8>,
    recent: Vec<(u8, u8)>,
    gender: Option<u8>,
    genders: Option<Option<u8>>,
    words: [Option<Vec<u8>>; 2],
    sought: [Option<Option<Vec<u8>>>; 2],
    numbers: [Option<i32>; 2],
    within: [Option<Option<u32>>; 2],
}

/// The texts of a script, so that it can be seen that nobody else holds them in the end.
pub(crate) struct Texts {
    users: Vec<User>,
    words: Vec<Arc<str>>,
    next: u64,
}

impl Texts {
    pub(crate) fn new(people: u8) -> Self {
        let text = |n: u8| format!("text {n}").into();
        let [users, words] = [people, 5].map(|count| (0..count).map(text).collect());
        Self { users, words, next: 0 }
    }

    fn users(&self, which: &[u8]) -> Box<[User]> {
        which.iter().map(|&n| self.user(n)).collect()
    }

    fn user(&self, n: u8) -> User {
        Arc::clone(&self.users[usize::from(n)])
    }

    fn words(&self, which: &[u8]) -> Box<[Arc<str>]> {
        which.iter().map(|&n| Arc::clone(&self.words[usize::from(n)])).collect()
    }

    pub(crate) fn ticket(&mut self, now: Duration, wish: &Wish) -> Ticket {
        // Now and then the newer number is the lesser one.
        self.next += 1;
        let id = TicketId(self.next ^ 1);
        let parted = |ago: u8| now - Duration::from_millis(u64::from(ago) * 100);
        let recent =
            |&(user, ago): &(u8, u8)| Recent { user: self.user(user), parted: parted(ago) };
        let mut is = Vec::new();
        let mut seeks = Vec::new();
        is.extend(wish.gender.map(|gender| (0, Value::Choice(gender))));
        let one_of = |set: Option<u8>| set.map_or(Seeks::Anyone, |set| Seeks::OneOf(set.into()));
        seeks.extend(wish.genders.map(|set| (0, one_of(set))));
        for (index, (words, sought)) in (1..).zip(wish.words.iter().zip(&wish.sought)) {
            is.extend(words.as_ref().map(|words| (index, Value::Tags(self.words(words)))));
            let tags = |words: &Option<Vec<u8>>| match words {
                Some(words) => Seeks::Tags(self.words(words)),
                None => Seeks::Anyone,
            };
            seeks.extend(sought.as_ref().map(|words| (index, tags(words))));
        }
        for (index, (number, within)) in (3..).zip(wish.numbers.iter().zip(&wish.within)) {
            // The second one is on a circle.
            let number = number.map(|number| if index == 4 { number % 24 } else { number });
            is.extend(number.map(|number| (index, Value::Number(number))));
            let near = |within: Option<u32>| within.map_or(Seeks::Anyone, Seeks::Within);
            seeks.extend(within.map(|within| (index, near(within))));
        }
        Ticket {
            id,
            user: self.user(wish.user),
            mode: match wish.mode {
                0..6 => Mode::Global,
                6 => Mode::BuddiesFirst,
                7 => Mode::Buddies,
                8 => Mode::Pool("chess".into()),
                _ => Mode::Pool("go".into()),
            },
            since: now - Duration::from_secs(wish.waited.into()),
            expires: now + Duration::from_secs(wish.lasts.into()),
            buddies: self.users(&wish.buddies),
            blocked: self.users(&wish.blocked),
            recent: wish.recent.iter().map(recent).collect(),
            profile: Profile { is: is.into(), seeks: seeks.into() },
        }
    }

    /// Nobody else holds any of these.
    pub(crate) fn are_released(&self) -> bool {
        self.users.iter().chain(&self.words).all(|text| Arc::strong_count(text) == 1)
    }
}

/// The attributes that a [`Wish`] has values for, with or without widening.
pub(crate) fn rules(widens: bool) -> Rules {
    let secs = |secs| widens.then(|| Duration::from_secs(secs));
    let rating = Band { within: 100, step: 50, most: 400, around: None };
    let timezone = Band { within: 3, step: 0, most: 3, around: NonZeroU32::new(24) };
    Rules {
        attributes: vec![
            Attribute { kind: Kind::Choice, widen: secs(30) },
            Attribute { kind: Kind::Tags, widen: secs(10) },
            Attribute { kind: Kind::Tags, widen: None },
            Attribute { kind: Kind::Number(rating), widen: secs(5) },
            Attribute { kind: Kind::Number(timezone), widen: None },
        ],
        ..Rules::default()
    }
}

/// Somebody's wish; the more often `wants_buddies`, the more there are of the modes that know friends.
pub(crate) fn wish(people: u8, most_modes: u8) -> impl Strategy<Value = Wish> {
    let few = move |most: usize| prop::collection::vec(0..people, 0..=most);
    let words = || prop::collection::vec(0..5u8, 0..3);
    let recent = prop::collection::vec((0..people, 0..220u8), 0..3);
    let lists = (few(4), few(2), recent);
    let lasts = prop_oneof![3 => 20..120u16, 1 => 0..20u16];
    let who = (0..people, 0..most_modes, prop_oneof![2 => Just(0), 1 => 0..60u16], lasts);
    let choice = (prop::option::of(0..3u8), seldom(1..8u8));
    let tags = || (prop::option::weighted(0.4, words()), seldom(words()));
    let number = || prop::option::weighted(0.3, 0..900i32);
    let within =
        || prop::option::weighted(0.2, prop::option::of(prop_oneof![0..300u32, Just(u32::MAX)]));
    let numbers = ([number(), number()], [within(), within()]);
    (who, lists, choice, (tags(), tags()), numbers).prop_map(
        |(who, lists, choice, tags, (numbers, within))| Wish {
            user: who.0,
            mode: who.1,
            waited: who.2,
            lasts: who.3,
            buddies: lists.0,
            blocked: lists.1,
            recent: lists.2,
            gender: choice.0,
            genders: choice.1,
            words: [tags.0.0, tags.1.0],
            sought: [tags.0.1, tags.1.1],
            numbers,
            within,
        },
    )
}

/// Mostly nothing, else anyone or that.
fn seldom<S: Strategy>(that: S) -> impl Strategy<Value = Option<Option<S::Value>>> {
    prop::option::weighted(0.25, prop::option::weighted(0.7, that))
}

fn step(most_modes: u8) -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => wish(PEOPLE, most_modes).prop_map(|wish| Step::Insert(Box::new(wish))),
        1 => any::<Index>().prop_map(Step::Remove),
        3 => any::<Index>().prop_map(Step::Acknowledge),
        1 => (0..2u8).prop_map(Step::Company),
        4 => (0..12_000u16).prop_map(Step::Pass),
        1 => (0..12_000u16).prop_map(Step::Doze),
    ]
}

fn run(rules: Rules, steps: Vec<Step>) {
    let mut texts = Texts::new(PEOPLE);
    let mut pair = Pair::new(rules);
    for step in steps {
        let ids = pair.ids();
        let pick = |index: Index, ids: &[TicketId]| ids.get(index.index(ids.len().max(1))).copied();
        match step {
            Step::Insert(wish) => {
                let ticket = texts.ticket(pair.now, &wish);
                pair.insert(ticket);
            }
            Step::Remove(index) => pick(index, &ids).into_iter().for_each(|id| pair.remove(id)),
            Step::Acknowledge(index) => {
                // Half of the time somebody who is not asked.
                let asked = if index.index(4) > 0 { pair.asked() } else { ids };
                pick(index, &asked).into_iter().for_each(|id| pair.acknowledge(id));
            }
            Step::Company(company) => pair.set_in_company(company == 1),
            Step::Pass(millis) => pair.pass(Duration::from_millis(millis.into())),
            Step::Doze(millis) => pair.doze(Duration::from_millis(millis.into())),
        }
    }
    pair.pass(Duration::from_secs(10));
    for id in pair.ids() {
        pair.remove(id);
    }
    assert_eq!(pair.matcher.poll_timeout(), None);
    assert!(texts.are_released());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nobody_meets_whom_it_must_not_and_nobody_waits_who_need_not(
        steps in prop::collection::vec(step(10), 0..80),
    ) {
        run(rules(true), steps);
    }

    #[test]
    fn the_oldest_come_first_where_nobody_asks_for_friends(
        steps in prop::collection::vec(step(6), 0..80),
    ) {
        run(rules(true), steps);
    }

    #[test]
    fn without_widening_it_is_the_same(steps in prop::collection::vec(step(10), 0..80)) {
        run(rules(false), steps);
    }

    #[test]
    fn without_attributes_it_is_the_same(steps in prop::collection::vec(step(10), 0..80)) {
        run(Rules::default(), steps);
    }
}
