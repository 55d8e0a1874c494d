//! Who may meet whom, read off the wire and written down anew: what the shipped rules are compared with.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;

/// After this time somebody who names interests takes anybody.
pub(super) const INTERESTS_WIDEN: Duration = Duration::from_secs(10);
/// Ratings are this near at first, so much wider with every [`RATINGS_WIDEN`], and never more than [`RATINGS_MOST`].
pub(super) const RATINGS_WITHIN: f64 = 100.0;
pub(super) const RATINGS_STEP: f64 = 50.0;
pub(super) const RATINGS_MOST: f64 = 400.0;
pub(super) const RATINGS_WIDEN: Duration = Duration::from_secs(5);

/// What a `join_queue` asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Wish {
    pub(super) user: String,
    pub(super) mode: String,
    pub(super) gender: String,
    /// `None` is anyone.
    pub(super) seeks: Option<BTreeSet<String>>,
    interests: BTreeSet<String>,
    languages: BTreeSet<String>,
    rating: Option<f64>,
    buddies: BTreeSet<String>,
    blocked: BTreeSet<String>,
}

/// Somebody's wish, since when it waits, and whom it has parted from, and when.
pub(super) struct Waiter<'a> {
    pub(super) wish: &'a Wish,
    pub(super) since: Duration,
    pub(super) parted: &'a [(String, Duration)],
}

impl Wish {
    pub(super) fn read(user: &str, data: &Value) -> Self {
        let words = |value: &Value| -> BTreeSet<String> {
            let words = value.as_array().into_iter().flatten();
            words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
        };
        let is = &data["attributes"];
        let seeks = match &data["seeks"]["gender"] {
            Value::String(one) if one != "anyone" => Some([one.clone()].into()),
            several @ Value::Array(_) => Some(words(several)),
            _ => None,
        };
        Self {
            user: user.into(),
            mode: data["matchMode"].as_str().unwrap_or("global").into(),
            gender: is["gender"].as_str().unwrap_or_default().into(),
            seeks,
            interests: words(&is["interests"]),
            languages: words(&is["languages"]),
            rating: is["rating"].as_f64(),
            buddies: words(&data["buddies"]),
            blocked: words(&data["blocked"]),
        }
    }

    /// What sets of people wait for about the same: mode, what somebody is, and whom it seeks.
    pub(super) fn class(&self) -> String {
        let seeks = self.seeks.as_ref().map(|seeks| seeks.iter().cloned().collect::<Vec<_>>());
        let seeks = seeks.map_or("anyone".into(), |seeks| seeks.join(" or "));
        format!("{}: {} seeks {seeks}", self.mode, self.gender)
    }

    pub(super) fn is_buddy_of(&self, other: &Self) -> bool {
        self.buddies.contains(&other.user) && other.buddies.contains(&self.user)
    }
}

/// Whether two may meet who are kept apart for so long after they have parted.
pub(super) fn may_meet(now: Duration, apart: Apart, a: &Waiter<'_>, b: &Waiter<'_>) -> bool {
    are_of_each_other_s_liking(now, a, b)
        && last_parted(a, b).is_none_or(|parted| now >= parted + apart.of(a.wish, b.wish))
}

/// How long two are kept apart after they have parted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Apart {
    /// Two of whom one meets buddies alone.
    pub(super) buddies: Duration,
    /// All others.
    pub(super) others: Duration,
}

impl Apart {
    pub(super) fn of(self, one: &Wish, other: &Wish) -> Duration {
        let buddies = one.mode == "buddies" || other.mode == "buddies";
        if buddies { self.buddies } else { self.others }
    }
}

/// When two were last together.
pub(super) fn last_parted(a: &Waiter<'_>, b: &Waiter<'_>) -> Option<Duration> {
    let parted = |x: &Waiter<'_>, y: &Waiter<'_>| {
        x.parted.iter().filter(|(user, _)| *user == y.wish.user).map(|(_, at)| *at).max()
    };
    parted(a, b).max(parted(b, a))
}

/// Whether two may meet, whenever they did before.
pub(super) fn are_of_each_other_s_liking(now: Duration, a: &Waiter<'_>, b: &Waiter<'_>) -> bool {
    let (one, other) = (a.wish, b.wish);
    let strangers_meet = |wish: &Wish| wish.mode == "global" || wish.mode == "buddies_first";
    let in_one_place = match (strangers_meet(one), strangers_meet(other)) {
        (true, true) => true,
        _ if one.mode == "buddies" || other.mode == "buddies" => one.is_buddy_of(other),
        _ => one.mode == other.mode,
    };
    in_one_place
        && takes(now, a, other)
        && takes(now, b, one)
        && one.user != other.user
        && !one.blocked.contains(&other.user)
        && !other.blocked.contains(&one.user)
}

fn takes(now: Duration, who: &Waiter<'_>, whom: &Wish) -> bool {
    let wish = who.wish;
    let waited = now.saturating_sub(who.since);
    if wish.seeks.as_ref().is_some_and(|seeks| !seeks.contains(&whom.gender)) {
        return false;
    }
    let share = |mine: &BTreeSet<String>, theirs| mine.is_empty() || !mine.is_disjoint(theirs);
    let interests = waited >= INTERESTS_WIDEN || share(&wish.interests, &whom.interests);
    let language = share(&wish.languages, &whom.languages);
    let rating = wish.rating.is_none_or(|mine| {
        let times = waited.as_nanos() / RATINGS_WIDEN.as_nanos();
        let within = (RATINGS_WITHIN + RATINGS_STEP * times as f64).min(RATINGS_MOST);
        whom.rating.is_some_and(|theirs| (mine - theirs).abs() <= within)
    });
    rating && interests && language
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const APART: Apart = Apart { buddies: Duration::from_secs(5), others: Duration::from_secs(5) };

    fn wish(user: &str, mode: &str, more: Value) -> Wish {
        let mut data = json!({ "matchMode": mode });
        more.as_object().into_iter().flatten().for_each(|(name, value)| {
            data[name.as_str()] = value.clone();
        });
        Wish::read(user, &data)
    }

    fn meet(after: u64, a: &Wish, b: &Wish) -> bool {
        let waiter = |wish| Waiter { wish, since: Duration::ZERO, parted: &[] };
        may_meet(Duration::from_secs(after), APART, &waiter(a), &waiter(b))
    }

    #[test]
    fn the_model_knows_the_rules_one_by_one() {
        let buddies =
            |user: &str, mode: &str, of: &str| wish(user, mode, json!({ "buddies": [of] }));
        let plain = |user: &str, mode: &str| wish(user, mode, json!({}));
        assert!(meet(0, &plain("a", "global"), &plain("b", "buddies_first")));
        assert!(!meet(0, &plain("a", "global"), &plain("a", "global")));
        assert!(!meet(0, &plain("a", "global"), &plain("b", "buddies")));
        assert!(!meet(0, &plain("a", "global"), &plain("b", "chess")));
        assert!(meet(0, &buddies("a", "global", "b"), &buddies("b", "buddies", "a")));
        assert!(!meet(0, &buddies("a", "buddies", "b"), &buddies("b", "buddies", "c")));
        let blocks = wish("a", "global", json!({ "blocked": ["b"] }));
        assert!(
            !meet(0, &blocks, &plain("b", "global")) && !meet(0, &plain("b", "global"), &blocks)
        );
        let is = |user: &str, gender: &str, seeks: Value| {
            wish(user, "global", json!({ "attributes": { "gender": gender }, "seeks": seeks }))
        };
        let ann = is("a", "woman", json!({ "gender": "man" }));
        let bob = is("b", "man", json!({ "gender": ["woman", "man"] }));
        assert!(meet(0, &ann, &bob) && !meet(0, &ann, &is("c", "woman", json!({}))));
        assert!(!meet(0, &ann, &is("d", "man", json!({ "gender": "man" }))));
        let likes = |user: &str, interests: Value| {
            wish(user, "global", json!({ "attributes": { "interests": interests } }))
        };
        let (chess, music) = (likes("a", json!(["chess"])), likes("b", json!(["music"])));
        assert!(!meet(9, &chess, &music) && meet(10, &chess, &music));
        let rated = |user: &str, rating: f64| {
            wish(user, "global", json!({ "attributes": { "rating": rating } }))
        };
        let (low, high) = (rated("a", 1000.0), rated("b", 1200.0));
        assert!(!meet(9, &low, &high) && meet(10, &low, &high));
        assert!(!meet(99, &low, &rated("c", 1401.0)), "never further");
        let parted = [("b".to_owned(), Duration::from_secs(7))];
        let (a, b) = (plain("a", "global"), plain("b", "global"));
        let a = Waiter { wish: &a, since: Duration::ZERO, parted: &parted };
        let b = Waiter { wish: &b, since: Duration::ZERO, parted: &[] };
        assert!(!may_meet(Duration::from_secs(11), APART, &b, &a));
        assert!(may_meet(Duration::from_secs(12), APART, &b, &a));
    }
}
