//! Tickets of few people with few words, in any order and at any time, beside the model that the matcher's own tests have:
//! whoever looks at everybody finds what the matcher finds, and nothing is left over in the end.
#![no_main]

#[path = "../../matcher/tests/model/mod.rs"]
mod model;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use hairpin_matcher::{
    Attribute, Band, Kind, Mode, Profile, Recent, Rules, Seeks, Ticket, TicketId, Value,
};
use libfuzzer_sys::fuzz_target;
use model::Pair;

#[derive(Arbitrary, Debug)]
enum Step {
    Insert(Box<Wish>),
    Remove(u8),
    Acknowledge(u8),
    Company(bool),
    Pass(u16),
    Doze(u16),
}

#[derive(Arbitrary, Debug)]
struct Wish {
    user: u8,
    mode: u8,
    waited: u8,
    lasts: u8,
    /// A bit for each user, or word.
    buddies: u8,
    blocked: u8,
    recent: Option<(u8, u8)>,
    choice: Option<u8>,
    choices: Sought<u8>,
    words: Option<u8>,
    wanted: Sought<u8>,
    rating: Option<i32>,
    near: Sought<u32>,
    hour: Option<u8>,
}

#[derive(Arbitrary, Debug)]
enum Sought<T> {
    Nothing,
    Anyone,
    That(T),
}

impl<T> Sought<T> {
    fn seeks(&self, index: u8, seeks: impl FnOnce(&T) -> Seeks) -> Option<(u8, Seeks)> {
        match self {
            Self::Nothing => None,
            Self::Anyone => Some((index, Seeks::Anyone)),
            Self::That(that) => Some((index, seeks(that))),
        }
    }
}

#[derive(Arbitrary, Debug)]
struct Case {
    /// Seconds until attributes widen.
    widen: [Option<u8>; 4],
    within: u16,
    step: u16,
    most: u16,
    steps: Vec<Step>,
}

fuzz_target!(|case: Case| {
    let texts: Vec<Arc<str>> = (0..8).map(|text| format!("text {text}").into()).collect();
    let mut pair = Pair::new(rules(&case));
    // What takes long finds nothing more.
    for (id, step) in (0..200).zip(case.steps) {
        let pick =
            |ids: Vec<TicketId>, at: u8| ids.get(usize::from(at) % ids.len().max(1)).copied();
        match step {
            Step::Insert(wish) => {
                let ticket = ticket(&texts, TicketId(id ^ 1), pair.now, &wish);
                pair.insert(ticket);
            }
            Step::Remove(at) => pick(pair.ids(), at).into_iter().for_each(|id| pair.remove(id)),
            Step::Acknowledge(at) => {
                pick(pair.asked(), at).into_iter().for_each(|id| pair.acknowledge(id));
            }
            Step::Company(in_company) => pair.set_in_company(in_company),
            Step::Pass(millis) => pair.pass(Duration::from_millis(millis.into())),
            Step::Doze(millis) => pair.doze(Duration::from_millis(millis.into())),
        }
    }
    pair.settle();
    for id in pair.ids() {
        pair.remove(id);
    }
    assert_eq!(pair.matcher.poll_timeout(), None);
    assert!(texts.iter().all(|text| Arc::strong_count(text) == 1));
});

fn rules(case: &Case) -> Rules {
    let widen = |index: usize| {
        case.widen[index].map(|seconds| Duration::from_secs(seconds.clamp(1, 60).into()))
    };
    let band = Band {
        within: case.within.into(),
        step: case.step.into(),
        most: case.most.into(),
        around: None,
    };
    let hours = Band { within: 3, step: 1, most: 6, around: NonZeroU32::new(24) };
    let kinds = [Kind::Choice, Kind::Tags, Kind::Number(band), Kind::Number(hours)];
    let attributes = kinds.iter().enumerate();
    let attributes = attributes.map(|(index, &kind)| Attribute { kind, widen: widen(index) });
    Rules { attributes: attributes.collect(), ..Rules::default() }
}

fn ticket(texts: &[Arc<str>], id: TicketId, now: Duration, wish: &Wish) -> Ticket {
    let text = |n: u8| Arc::clone(&texts[usize::from(n) % texts.len()]);
    let some = |bits: u8| (0..8).filter(|n| bits >> n & 1 == 1).map(text).collect::<Box<[_]>>();
    let recent = |&(user, ago): &(u8, u8)| Recent {
        user: text(user),
        parted: now - Duration::from_millis(u64::from(ago) * 100),
    };
    let is = [
        wish.choice.map(|choice| (0, Value::Choice(choice % 8))),
        wish.words.map(|words| (1, Value::Tags(some(words)))),
        wish.rating.map(|rating| (2, Value::Number(rating))),
        wish.hour.map(|hour| (3, Value::Number((hour % 24).into()))),
    ];
    let seeks = [
        wish.choices.seeks(0, |&set| Seeks::OneOf(set.into())),
        wish.wanted.seeks(1, |&words| Seeks::Tags(some(words))),
        wish.near.seeks(2, |&within| Seeks::Within(within)),
    ];
    Ticket {
        id,
        user: text(wish.user),
        mode: match wish.mode % 8 {
            0..4 => Mode::Global,
            4 => Mode::BuddiesFirst,
            5 => Mode::Buddies,
            6 => Mode::Pool("chess".into()),
            _ => Mode::Pool("go".into()),
        },
        since: now - Duration::from_secs(wish.waited.into()),
        expires: now + Duration::from_secs(wish.lasts.into()),
        buddies: some(wish.buddies),
        blocked: some(wish.blocked & wish.blocked >> 1),
        recent: wish.recent.iter().map(recent).collect(),
        profile: Profile {
            is: is.into_iter().flatten().collect(),
            seeks: seeks.into_iter().flatten().collect(),
        },
    }
}
