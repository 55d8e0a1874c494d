//! How long people waited, and what came of it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// With a partner.
    Matched,
    /// Nobody came in time.
    TimedOut,
    /// It was to meet somebody and did not answer: its page was asleep, or its network gone.
    Unanswered,
    /// It left the queue.
    Left,
    /// It was gone without a word, and did not come back in time.
    Lost,
}

/// All waits of an evening.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// How many there were.
    pub wishes: u64,
    /// How they ended.
    pub ends: BTreeMap<End, u64>,
    /// By who waited for whom.
    pub classes: BTreeMap<String, Class>,
    /// How many waited and were in a call, every so often.
    pub crowd: Vec<Crowd>,
    /// What was foretold when a wait began, and how long it was, of those that were matched.
    pub etas: Vec<(Duration, Duration)>,
}

/// Those who waited for about the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Class {
    /// When each that was matched began to wait, and for how long.
    pub matched: Vec<(Duration, Duration)>,
    /// How many waits ended otherwise.
    pub in_vain: u64,
}

/// How many are there at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crowd {
    /// When.
    pub at: Duration,
    /// Those who wait.
    pub waiting: usize,
    /// Those in a call.
    pub talking: usize,
}

impl Figures {
    pub(super) fn ended(
        &mut self,
        began: Duration,
        class: &str,
        end: End,
        waited: Duration,
        eta: Option<Duration>,
    ) {
        *self.ends.entry(end).or_default() += 1;
        let class = self.classes.entry(class.into()).or_default();
        match end {
            End::Matched => {
                class.matched.push((began, waited));
                self.etas.extend(eta.map(|eta| (eta, waited)));
            }
            _ => class.in_vain += 1,
        }
    }

    /// A table of all classes, and what was seen besides.
    pub fn table(&self) -> String {
        let mut text = format!(
            "{:<46}{:>8}{:>9}{:>9}{:>9}{:>9}{:>9}\n",
            "who seeks whom", "waits", "matched", "median", "p90", "p99", "in vain"
        );
        for (name, class) in &self.classes {
            let matched = class.matched.len() as u64;
            let [median, most, nearly_all] =
                [50, 90, 99].map(|percent| class.percentile(percent).map_or("-".into(), seconds));
            let (all, in_vain) = (matched + class.in_vain, class.in_vain);
            let _ = writeln!(
                text,
                "{name:<46}{all:>8}{matched:>9}{median:>9}{most:>9}{nearly_all:>9}{in_vain:>9}"
            );
        }
        let _ = writeln!(text, "{} waits ended: {:?}", self.wishes, self.ends);
        let near = |(eta, waited): &&(Duration, Duration)| {
            *waited <= *eta * 2 + Duration::from_secs(1)
                && *eta <= *waited * 2 + Duration::from_secs(1)
        };
        let (all, near) = (self.etas.len(), self.etas.iter().filter(near).count());
        let _ = writeln!(text, "{near} of {all} estimates were within twice or half of the wait");
        text
    }
}

impl Class {
    /// How long so many of a hundred of those who were matched have waited at most.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        percentile(self.matched.iter().map(|(_, waited)| *waited).collect(), percent)
    }
}

/// The value that so many of a hundred do not exceed.
pub(super) fn percentile(mut values: Vec<Duration>, percent: usize) -> Option<Duration> {
    values.sort_unstable();
    let last = values.len().checked_sub(1)?;
    Some(values[last * percent / 100])
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
