//! The matcher alone, in this process: what a join costs while many wait, and the longest pause when all widen at once.

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use hairpin_matcher::{
    Attribute, Band, Kind, Matcher, Mode, Output, Profile, Rules, Seeks, Ticket, TicketId, Value,
};
use rustix::time::{ClockId, clock_gettime};

use crate::process;

/// Who waits, and who joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Crowd {
    /// Everybody waits for a friend who is not there; those who join are for anybody.
    Plain,
    /// Men who seek women, and nine of ten who join are such, too; the others are women who seek men.
    Opposite,
    /// Likewise, with three interests each, one of which they must share.
    Interests,
    /// Likewise, and with a rating that must be near, too.
    Rating,
}

impl Crowd {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Opposite, Self::Interests, Self::Rating];

    /// In words.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Plain => "plain; friends are waited for",
            Self::Opposite => "opposite gender, 90:10",
            Self::Interests => "and one of 3 interests of 500",
            Self::Rating => "and a rating within 100 of 1000",
        }
    }
}

/// What is to be measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) crowd: Crowd,
    /// How many wait.
    pub(crate) waiting: usize,
    /// How many join then.
    pub(crate) joins: usize,
}

/// What joins were found to cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joins {
    /// Nanoseconds a join: the ticket in, the offer or the place out.
    pub(crate) join: f64,
    /// Nanoseconds to acknowledge an offer, from both sides.
    pub(crate) acknowledge: f64,
    /// How many of those who joined found somebody.
    pub(crate) found: usize,
}

/// Whether there is anybody to be found by who no longer insists on shared interests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Widened {
    /// Half are of the other gender.
    ForAll,
    /// All are of the same.
    InVain,
}

/// What it is like when all widen at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Widening {
    /// The longest call.
    pub(crate) pause: Duration,
    /// All calls together.
    pub(crate) all: Duration,
    pub(crate) calls: usize,
    /// How many found somebody.
    pub(crate) found: usize,
}

const MAN: u8 = 0;
const WOMAN: u8 = 1;
/// Words that are interests, some of which are much more common than others.
const WORDS: u64 = 500;
/// Tickets that are made before the clock runs.
const BATCH: usize = 50;
/// When it all takes place.
const NOON: Duration = Duration::from_secs(1_800_000_000);
/// After how long interests widen.
const WIDEN: Duration = Duration::from_secs(10);

/// Lets `waiting` people wait, and measures what those cost who join then.
///
/// # Errors
/// When the matcher does anything but what it must.
pub(crate) fn joins(case: Case) -> Result<Joins> {
    let mut people = People::new(case.crowd);
    let mut matcher = Matcher::new(rules(case.crowd, None), [5, 7]);
    for _ in 0..case.waiting {
        matcher.insert(NOON, people.who_waits());
    }
    let waits = std::iter::from_fn(|| matcher.poll_output()).count();
    ensure!(waits == case.waiting && matcher.offers() == 0, "{waits} wait");
    let (mut join, mut acknowledge) = (Duration::ZERO, Duration::ZERO);
    let (mut told, mut found) = (0, 0);
    // Few at a time, for a ticket that comes in has just been made from a message.
    while told < case.joins {
        let tickets: Vec<Ticket> = (0..BATCH).map(|_| people.who_joins()).collect();
        let mut outputs = Vec::with_capacity(BATCH);
        let start = cpu_time();
        for ticket in tickets {
            matcher.insert(NOON, ticket);
            while let Some(output) = matcher.poll_output() {
                outputs.push(output);
            }
        }
        join += cpu_time() - start;
        told += outputs.len();
        let offers: Vec<_> = outputs.into_iter().filter_map(offered).collect();
        found += offers.len();
        let start = cpu_time();
        for [first, second] in offers {
            matcher.acknowledge(NOON, first);
            matcher.acknowledge(NOON, second);
            black_box(matcher.poll_output());
        }
        acknowledge += cpu_time() - start;
    }
    ensure!(told == case.joins, "one word to each: {told}");
    ensure!(matcher.len() == case.waiting + case.joins - 2 * found, "all are matched");
    ensure!(matcher.offers() == 0, "none is left over");
    Ok(Joins {
        join: join.as_nanos() as f64 / case.joins as f64,
        acknowledge: acknowledge.as_nanos() as f64 / found.max(1) as f64,
        found,
    })
}

/// Lets people wait each of whom has an interest of its own, and measures what it takes when they no longer insist on that,
/// all at the same moment.
///
/// # Errors
/// When anybody is left who may meet, or somebody meets who may not.
pub(crate) fn widening(waiting: usize, widened: Widened) -> Result<Widening> {
    let mut people = People::new(Crowd::Interests);
    let mut matcher = Matcher::new(rules(Crowd::Interests, Some(WIDEN)), [5, 7]);
    for number in 0..waiting {
        let gender = if widened == Widened::InVain { MAN } else { [MAN, WOMAN][number % 2] };
        let mut ticket = people.ticket(gender);
        let word: Arc<str> = format!("only {number}").into();
        ticket.profile.is = Box::new([(0, Value::Choice(gender)), (1, Value::Tags([word].into()))]);
        matcher.insert(NOON, ticket);
    }
    while matcher.poll_output().is_some() {}
    let now = NOON + WIDEN;
    let (mut pause, mut all, mut calls, mut found) = (Duration::ZERO, Duration::ZERO, 0, 0);
    while calls == 0 || matcher.poll_timeout().is_some_and(|next| next <= now) {
        let start = cpu_time();
        matcher.handle_timeout(now);
        let took = cpu_time() - start;
        (pause, all, calls) = (pause.max(took), all + took, calls + 1);
        while let Some(output) = matcher.poll_output() {
            found += usize::from(offered(output).is_some());
        }
    }
    let expected = if widened == Widened::InVain { 0 } else { waiting / 2 };
    ensure!(found == expected, "{found} pairs instead of {expected}");
    Ok(Widening { pause, all, calls, found })
}

/// What this thread has had of a CPU, so that others on the machine do not count.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Lets people wait, and says how many resident bytes the matcher takes for each, its name aside: that is its caller's.
///
/// To be asked in a process of its own, where nothing has been freed that could be used again.
///
/// # Errors
/// When `/proc` cannot be read, or nobody waits.
pub fn memory(crowd: Crowd, waiting: usize) -> Result<f64> {
    let mut people = People::new(crowd);
    let mut matcher = Matcher::new(rules(crowd, None), [5, 7]);
    people.users = (0..waiting).map(|number| format!("user-{number}").into()).collect();
    let before = process::resident_bytes(std::process::id())?;
    for _ in 0..waiting {
        matcher.insert(NOON, people.who_waits());
        ensure!(matches!(matcher.poll_output(), Some(Output::Waiting { .. })), "everybody waits");
    }
    let after = process::resident_bytes(std::process::id())?;
    Ok((after as f64 - before as f64) / waiting as f64)
}

/// Asks a process of its own for [`memory`].
pub(crate) fn memory_elsewhere(crowd: Crowd, waiting: usize) -> Result<f64> {
    let name = crowd.to_possible_value().context("it has a name")?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["tickets", "--waiting", &waiting.to_string(), "--memory-of", name.get_name()]);
    let output = command.output().context("cannot start another bench")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().parse()?)
}

fn offered(output: Output) -> Option<[TicketId; 2]> {
    match output {
        Output::Offer(both) => Some([both.first.id, both.second.id]),
        _ => None,
    }
}

fn rules(crowd: Crowd, widen: Option<Duration>) -> Rules {
    let band = Band { within: 100, step: 50, most: 400, around: None };
    let all = [
        Attribute { kind: Kind::Choice, widen: None },
        Attribute { kind: Kind::Tags, widen },
        Attribute { kind: Kind::Number(band), widen },
    ];
    let count = match crowd {
        Crowd::Plain => 0,
        Crowd::Opposite => 1,
        Crowd::Interests => 2,
        Crowd::Rating => 3,
    };
    Rules { attributes: all[..count].to_vec(), ..Rules::default() }
}

/// Makes people up, the same in each run.
struct People {
    crowd: Crowd,
    words: Vec<Arc<str>>,
    /// Names that are there already.
    users: Vec<Arc<str>>,
    next: u64,
    dice: u64,
}

impl People {
    fn new(crowd: Crowd) -> Self {
        let words = (0..WORDS).map(|word| format!("word {word}").into()).collect();
        Self { crowd, words, users: Vec::new(), next: 0, dice: 88_172_645_463_325_252 }
    }

    fn who_waits(&mut self) -> Ticket {
        let mut ticket = self.ticket(MAN);
        if self.crowd == Crowd::Plain {
            ticket.mode = Mode::Buddies;
        }
        ticket
    }

    fn who_joins(&mut self) -> Ticket {
        let gender = if self.roll(10) == 0 { WOMAN } else { MAN };
        self.ticket(gender)
    }

    fn ticket(&mut self, gender: u8) -> Ticket {
        let user = self.users.get(self.next as usize).cloned();
        let user = user.unwrap_or_else(|| format!("user-{}", self.next).into());
        self.next += 1;
        let mut profile = Profile::default();
        if self.crowd != Crowd::Plain {
            profile.is = self.is(gender);
            profile.seeks = Box::new([(0, Seeks::OneOf(1 << (1 - gender)))]);
        }
        Ticket {
            id: TicketId(self.next),
            user,
            mode: Mode::Global,
            since: NOON,
            expires: NOON + Duration::from_secs(120),
            buddies: Box::default(),
            blocked: Box::default(),
            recent: Box::default(),
            profile,
        }
    }

    fn is(&mut self, gender: u8) -> Box<[(u8, Value)]> {
        let mut is = vec![(0, Value::Choice(gender))];
        if matches!(self.crowd, Crowd::Interests | Crowd::Rating) {
            let mut words: Vec<u64> =
                (0..3).map(|_| self.roll(WORDS) * self.roll(WORDS) / WORDS).collect();
            words.sort_unstable();
            words.dedup();
            let words = words.iter().map(|&word| Arc::clone(&self.words[word as usize]));
            is.push((1, Value::Tags(words.collect())));
        }
        if self.crowd == Crowd::Rating {
            is.push((2, Value::Number(1000 + self.roll(1000) as i32)));
        }
        is.into()
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % sides
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_every_crowd_some_find_somebody_and_some_wait() {
        for crowd in Crowd::ALL {
            let found = joins(Case { crowd, waiting: 500, joins: 500 }).unwrap().found;
            assert!((20..=250).contains(&found), "{crowd:?}: {found}");
        }
    }

    #[test]
    fn all_who_widen_at_once_find_somebody_or_nobody() {
        assert_eq!(widening(1000, Widened::ForAll).unwrap().found, 500);
        assert_eq!(widening(1000, Widened::InVain).unwrap().found, 0);
    }
}
