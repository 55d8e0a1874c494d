//! Whom the people of a crowd want to meet.

use serde_json::{Value, json};

/// Interests that people may share with each other.
const INTERESTS: [&str; 10] =
    ["music", "films", "games", "travel", "sport", "food", "books", "chess", "art", "dogs"];
/// A prime: steps of it lead past everybody, in an order that looks like none.
const STRIDE: usize = 7919;

/// What all of them ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Wishes {
    /// Anybody.
    Plain,
    /// The other gender, and who shares an interest before all others.
    Attributes,
}

impl Wishes {
    /// What the server must know of it.
    pub(crate) fn options(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Attributes => {
                "--attribute gender=choice:woman/man --attribute interests=tags:widen=10"
            }
        }
    }

    /// What one says of it who comes as such a one of so many. There is somebody for everybody.
    pub(crate) fn of(self, number: usize, count: usize) -> Value {
        if self == Self::Plain {
            return json!({});
        }
        let place = if count.is_multiple_of(STRIDE) { number } else { number * STRIDE % count };
        let (is, seeks) = if place.is_multiple_of(2) { ("woman", "man") } else { ("man", "woman") };
        let interest = INTERESTS[place / 2 % INTERESTS.len()];
        json!({
            "attributes": { "gender": is, "interests": [interest] },
            "seeks": { "gender": seeks },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn there_is_somebody_for_everybody() {
        for count in [2, 60, 10_000] {
            let key = |wish: &Value, gender: &Value| {
                format!("{gender} {}", wish["attributes"]["interests"])
            };
            let mut sought: HashMap<String, i32> = HashMap::new();
            for wish in (0..count).map(|number| Wishes::Attributes.of(number, count)) {
                *sought.entry(key(&wish, &wish["seeks"]["gender"])).or_default() += 1;
                *sought.entry(key(&wish, &wish["attributes"]["gender"])).or_default() -= 1;
            }
            assert!(sought.values().all(|left| *left == 0), "{count}: {sought:?}");
        }
    }
}
