//! Who comes that evening, when, and what each is like.

use std::sync::Arc;
use std::time::Duration;

use hairpin_matcher::{Attribute, Band, Kind};
use hairpin_signaling::{Declaration, Declared, Protocol, SCALE};
use serde_json::{Value, json};

use super::wish::{INTERESTS_WIDEN, RATINGS_MOST, RATINGS_STEP, RATINGS_WIDEN, RATINGS_WITHIN};
use crate::rng::Rng;

/// From 19:00 on, within so long everybody comes; by midnight all are gone.
const ARRIVALS: Duration = Duration::from_secs(4 * 3600);
/// Nobody stays for less, nor for longer than an hour.
const SHORTEST_STAY: u64 = 5 * 60;
const LONGEST_STAY: u64 = 60 * 60;
/// The pool of those who play.
pub(super) const CHESS: &str = "chess";
const INTERESTS: [&str; 10] = [
    "music", "films", "games", "travel", "football", "cooking", "books", "chess", "climbing", "go",
];
const LANGUAGES: [&str; 4] = ["es", "de", "fr", "pt"];

/// Somebody who comes.
pub(super) struct Resident {
    pub(super) user: String,
    pub(super) protocol: Protocol,
    pub(super) comes: Duration,
    pub(super) stays: Duration,
    pub(super) mode: &'static str,
    pub(super) attributes: Value,
    pub(super) seeks: Value,
    pub(super) buddies: Vec<String>,
}

/// What the app has declared.
pub(super) fn declared() -> Declared {
    let hundredths = |number: f64| (number * SCALE) as u32;
    let band = Band {
        within: hundredths(RATINGS_WITHIN),
        step: hundredths(RATINGS_STEP),
        most: hundredths(RATINGS_MOST),
        around: None,
    };
    let declare = |name: &str, kind, widen, values: &[&str]| Declaration {
        name: name.into(),
        attribute: Attribute { kind, widen },
        values: values.iter().map(|value| Arc::from(*value)).collect(),
    };
    Declared(vec![
        declare("gender", Kind::Choice, None, &["woman", "man"]),
        declare("interests", Kind::Tags, Some(INTERESTS_WIDEN), &[]),
        declare("languages", Kind::Tags, None, &[]),
        declare("rating", Kind::Number(band), Some(RATINGS_WIDEN), &[]),
    ])
}

/// Everybody, in order of their names.
pub(super) fn residents(rng: &mut Rng, people: usize) -> Vec<Resident> {
    let mut all: Vec<Resident> = (0..people).map(|n| resident(rng, n)).collect();
    // Three in ten know somebody else who is there.
    let mut next = 0;
    while next < people {
        if percent(rng, 86) {
            next += 1;
            continue;
        }
        let size = 2 + usize::from(percent(rng, 50)) + usize::from(percent(rng, 30));
        let group = next..people.min(next + size);
        let comes = all[next].comes;
        for member in group.clone() {
            let others = group.clone().filter(|other| *other != member);
            all[member].buddies = others.map(|other| all[other].user.clone()).collect();
            all[member].comes = comes + Duration::from_millis(rng.below(300_000));
            // So that of all one in twenty wants nobody else, and three like to meet anybody, but them first.
            all[member].mode = match rng.below(12) {
                _ if all[member].mode == CHESS => CHESS,
                0 | 1 => "buddies",
                2..=7 => "buddies_first",
                _ => "global",
            };
        }
        next = group.end;
    }
    all
}

fn resident(rng: &mut Rng, n: usize) -> Resident {
    let woman = percent(rng, 10);
    let (gender, other) = if woman { ("woman", "man") } else { ("man", "woman") };
    let seeks = match rng.below(100) {
        0..55 => json!({ "gender": other }),
        55..60 => json!({ "gender": gender }),
        60..65 => json!({ "gender": [gender, other] }),
        65..80 => json!({ "gender": "anyone" }),
        _ => json!({}),
    };
    let plays = percent(rng, 3);
    let mut attributes = json!({ "gender": gender, "languages": languages(rng) });
    if plays {
        attributes["rating"] = json!(800 + rng.below(600) + rng.below(600));
    } else if percent(rng, 35) {
        let interests: Vec<_> = (0..1 + rng.below(3)).map(|_| interest(rng)).collect();
        attributes["interests"] = json!(interests);
    }
    // Few stay for long.
    let stay = rng.below(1000) * rng.below(1000);
    Resident {
        user: format!("p{n}"),
        protocol: if percent(rng, 30) { Protocol::Plain } else { Protocol::Resumable },
        comes: arrival(rng),
        stays: Duration::from_secs(
            SHORTEST_STAY + stay * (LONGEST_STAY - SHORTEST_STAY) / 1_000_000,
        ),
        mode: if plays { CHESS } else { "global" },
        attributes,
        seeks: if plays { json!({}) } else { seeks },
        buddies: Vec::new(),
    }
}

/// They become more until a little after nine, then fewer: the sum of three dice is about a bell.
fn arrival(rng: &mut Rng) -> Duration {
    let part: u64 = (0..3).map(|_| rng.below(1_000_000)).sum();
    ARRIVALS.mul_f64(part as f64 / 3_000_000.0)
}

fn languages(rng: &mut Rng) -> Vec<&'static str> {
    let other = LANGUAGES[rng.below(4) as usize];
    match rng.below(10) {
        0..6 => vec!["en"],
        6..8 => vec!["en", other],
        _ => vec![other],
    }
}

/// Some are far more common than others.
fn interest(rng: &mut Rng) -> &'static str {
    INTERESTS[rng.below(10).min(rng.below(10)) as usize]
}

/// True in so many of a hundred cases.
pub(super) fn percent(rng: &mut Rng, percent: u64) -> bool {
    rng.below(100) < percent
}
