//! A whole evening of a service for strangers, in virtual time, with the lobby that ships.
//!
//! People come and go by a curve that rises and falls, nine men to a woman; they skip, talk, block, fall asleep, lose their
//! network and come back, or are gone without a word; some know each other. Their apps speak the wire or the old one. All
//! that passes the server's door is compared with the rules, written down a second time.

mod chart;
mod figures;
mod habits;
mod judge;
mod street;
mod town;
mod wish;

use std::time::Duration;

use hairpin_signaling::Config;

pub use figures::{Class, Crowd, End, Figures};
pub use judge::Checks;

use street::Street;

/// How long the server lets somebody wait, as it ships.
const TIMEOUT: Duration = Duration::from_secs(120);
/// How often all who wait are compared with each other.
const LOOKS: Duration = Duration::from_secs(60);
/// How often it is noted how many are there.
const COUNTS: Duration = Duration::from_secs(120);

/// How big an evening, and which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evening {
    /// How many come in the course of it.
    pub people: usize,
    /// The same seed is the same evening.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Which.
    pub evening: Evening,
    /// How long people waited.
    pub figures: Figures,
    /// How often something could have been wrong.
    pub checks: Checks,
}

impl Evening {
    /// The one that docs/evening.svg is of.
    pub const WHOLE: Self = Self { people: 10_000, seed: 1 };

    /// Lets it pass.
    ///
    /// # Panics
    /// When somebody meets whom it may not, waits though it need not, or something is left behind.
    pub fn pass(self) -> Outcome {
        self.pass_at(|_| {})
    }

    /// Lets it pass at a server that is set up in another way than everybody thinks.
    fn pass_at(self, change: impl FnOnce(&mut Config)) -> Outcome {
        let mut street = Street::new(self.seed, self.people, change);
        let (mut look, mut count) = (LOOKS, Duration::ZERO);
        while let Some(at) = street.next() {
            street.step(at);
            let (now, matcher) = (street.now, street.lobby.matcher());
            // Who is still to look at the others has its turn before that.
            let is_done = street.lobby.poll_timeout().is_none_or(|next| next > now);
            let company = (matcher.len(), matcher.offers());
            if now >= look && is_done && street.judge.look(now, company) {
                look = now + LOOKS;
            }
            if now >= count {
                let hub = street.lobby.hub();
                let (waiting, talking) = (hub.queue_len(), 2 * hub.sessions());
                street.judge.figures.crowd.push(Crowd { at: now, waiting, talking });
                count = now + COUNTS;
            }
        }
        let hub = street.lobby.hub();
        let rest = [hub.connections(), hub.sessions(), hub.queue_len(), hub.away()];
        assert_eq!((rest, street.lobby.matcher().len()), ([0; 4], 0), "all is released");
        street.judge.close(street.now);
        let (figures, checks) = (street.judge.figures, street.judge.checks);
        Outcome { evening: self, figures, checks }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use hairpin_matcher::Kind;

    use super::*;

    /// What is said of an evening at a server that breaks the rules.
    fn verdict(people: usize, change: impl FnOnce(&mut Config)) -> String {
        let evening = Evening { people, seed: 1 };
        let passed = catch_unwind(AssertUnwindSafe(|| evening.pass_at(change)));
        let Err(said) = passed else { panic!("nobody notices") };
        said.downcast_ref::<String>().cloned().unwrap_or_else(|| "not a word".into())
    }

    #[test]
    fn a_server_that_breaks_a_rule_is_found_out() {
        let [gender, interests, languages, rating] = [0, 1, 2, 3];
        let widen = |place: usize, after: Option<u64>| {
            move |config: &mut Config| {
                config.attributes.0[place].attribute.widen = after.map(Duration::from_secs);
            }
        };
        let too_soon = "meet, and may not";
        assert!(verdict(300, widen(gender, Some(60))).contains(too_soon));
        assert!(verdict(300, widen(languages, Some(30))).contains(too_soon));
        assert!(verdict(300, widen(interests, Some(8))).contains(too_soon));
        assert!(verdict(900, widen(rating, Some(3))).contains(too_soon));
        // One that is too strict lets two wait, or passes over the oldest.
        let narrow = |config: &mut Config| {
            let Kind::Number(band) = &mut config.attributes.0[rating].attribute.kind else {
                panic!("a rating is a number")
            };
            band.within /= 4;
        };
        for late in [verdict(300, widen(interests, None)), verdict(900, narrow)] {
            let words = ["wait, and could meet", "should get", "does not meet the oldest"];
            assert!(words.iter().any(|words| late.contains(words)), "{late}");
        }
    }
}
