//! What an app's users may say of themselves and seek in others, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use hairpin_matcher::{Attribute, Kind, Profile, Seeks, User, Value};
use serde_json::Value as Json;

use crate::MAX_USER_LEN;
use crate::refusal::Refusal;
use crate::wire::invalid;

/// Most names in a list of buddies, and in one of those who are blocked.
pub(crate) const MOST_NAMES: usize = 200;
/// Most words in one attribute.
pub(crate) const MOST_TAGS: usize = 16;
/// The longest of these, in bytes.
pub(crate) const MAX_TAG_LEN: usize = 64;
/// Most names of a choice, and most that somebody seeks of them.
pub(crate) const MOST_VALUES: usize = 64;
/// Numbers are kept with two decimals.
pub const SCALE: f64 = 100.0;
/// What asks for nothing.
pub(crate) const ANYONE: &str = "anyone";

/// An attribute as an app declares it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// Its name on the wire.
    pub name: Arc<str>,
    /// What it is like. Numbers are a hundred times what they are on the wire.
    pub attribute: Attribute,
    /// The names of a choice, at most 64; empty for anything else.
    pub values: Vec<Arc<str>>,
}

impl Declaration {
    /// What it is like, as its declaration names it.
    pub fn kind(&self) -> &'static str {
        match self.attribute.kind {
            Kind::Choice => "choice",
            Kind::Tags => "tags",
            Kind::Number(_) => "number",
        }
    }
}

/// All attributes of an app, at most [`Rules::MOST_ATTRIBUTES`](hairpin_matcher::Rules::MOST_ATTRIBUTES), each by a name
/// of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared(pub Vec<Declaration>);

/// Whom somebody wants to meet, and whom not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wishes {
    /// `None` is nothing said of buddies.
    pub(crate) buddies: Option<Box<[User]>>,
    pub(crate) blocked: Box<[User]>,
    pub(crate) profile: Profile,
}

/// The fields that say so, as JSON; `None` and null are nothing said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct WishFields<'a> {
    pub(crate) buddies: Option<&'a Json>,
    pub(crate) blocked: Option<&'a Json>,
    pub(crate) attributes: Option<&'a Json>,
    pub(crate) seeks: Option<&'a Json>,
}

impl Wishes {
    /// These, where they say something, before others; blocks add up.
    pub(crate) fn over(self, weaker: Wishes) -> Wishes {
        let mut blocked: Vec<User> = self.blocked.into_iter().chain(weaker.blocked).collect();
        blocked.sort_unstable();
        blocked.dedup();
        Wishes {
            buddies: self.buddies.or(weaker.buddies),
            blocked: blocked.into(),
            profile: Profile {
                is: over(self.profile.is, weaker.profile.is),
                seeks: over(self.profile.seeks, weaker.profile.seeks),
            },
        }
    }
}

/// What is said of each place, by the stronger where both say something.
fn over<T>(stronger: Box<[(u8, T)]>, weaker: Box<[(u8, T)]>) -> Box<[(u8, T)]> {
    let all: BTreeMap<_, _> = weaker.into_iter().chain(stronger).collect();
    all.into_iter().collect()
}

impl Declared {
    /// What the matcher needs to know of them, in order.
    pub fn attributes(&self) -> Vec<Attribute> {
        self.0.iter().map(|declared| declared.attribute.clone()).collect()
    }

    /// Reads what somebody wishes.
    ///
    /// # Errors
    /// A field of another form, or an attribute that is not declared; the message names it.
    pub(crate) fn wishes(&self, fields: WishFields<'_>) -> Result<Wishes, Refusal> {
        let said = |field: Option<&'_ Json>| field.filter(|json| !json.is_null()).cloned();
        let buddies = said(fields.buddies).map(|json| names("buddies", &json)).transpose()?;
        let blocked = said(fields.blocked).map(|json| names("blocked", &json)).transpose()?;
        let is = self.each("attributes", fields.attributes, value)?;
        let seeks = self.each("seeks", fields.seeks, seeks)?;
        let blocked = blocked.unwrap_or_default();
        Ok(Wishes { buddies, blocked, profile: Profile { is, seeks } })
    }

    fn each<T>(
        &self,
        field: &str,
        json: Option<&Json>,
        read: fn(&Declaration, &Json) -> Result<T, String>,
    ) -> Result<Box<[(u8, T)]>, Refusal> {
        let Some(json) = json.filter(|json| !json.is_null()) else { return Ok(Box::default()) };
        let fields = json.as_object().ok_or_else(|| {
            invalid(format!("{field} must be an object, such as {{\"name\": \"value\"}}"))
        })?;
        let mut all = Vec::with_capacity(fields.len());
        for (name, json) in fields.iter().filter(|(_, json)| !json.is_null()) {
            let (place, declared) = self.find(field, name)?;
            let said = read(declared, json)
                .map_err(|must| invalid(format!("{field}.{name} must be {must}")))?;
            all.push((place, said));
        }
        all.sort_unstable_by_key(|(place, _)| *place);
        Ok(all.into())
    }

    fn find(&self, field: &str, name: &str) -> Result<(u8, &Declaration), Refusal> {
        let found = (0u8..).zip(&self.0).find(|(_, declared)| *declared.name == *name);
        found.ok_or_else(|| {
            let known: Vec<_> = self.0.iter().map(|declared| &*declared.name).collect();
            let known = if known.is_empty() {
                "declares none".into()
            } else {
                format!("has {}", known.join(", "))
            };
            // What a stranger has sent is not said back at any length.
            let name: String = name.chars().take(40).collect();
            invalid(format!(
                "{field}.{name} is no attribute of this server, which {known} (--attribute)"
            ))
        })
    }
}

fn value(declared: &Declaration, json: &Json) -> Result<Value, String> {
    match declared.attribute.kind {
        Kind::Choice => choice(declared, json).map(Value::Choice),
        Kind::Tags => tags(json).map(Value::Tags).ok_or_else(tags_form),
        Kind::Number(band) => {
            let number = json.as_f64().map(|number| (number * SCALE).round());
            let most = band.around.map_or(f64::from(i32::MAX), |around| f64::from(around.get()));
            // On a circle, -5 hours are 19.
            let number = number.map(|n| if band.around.is_some() { n.rem_euclid(most) } else { n });
            let number = number.filter(|number| number.abs() <= most);
            number.map(|number| Value::Number(number as i32)).ok_or_else(|| "a number".into())
        }
    }
}

fn seeks(declared: &Declaration, json: &Json) -> Result<Seeks, String> {
    if json.as_str() == Some(ANYONE) {
        return Ok(Seeks::Anyone);
    }
    match (declared.attribute.kind, json) {
        (Kind::Choice, Json::Array(several)) if (1..=MOST_VALUES).contains(&several.len()) => {
            let mut places = several.iter().map(|json| choice(declared, json));
            // The same one twice is once.
            places.try_fold(0, |all, place| Ok(all | 1 << place?)).map(Seeks::OneOf)
        }
        (Kind::Choice, json) => choice(declared, json).map(|place| Seeks::OneOf(1 << place)),
        (Kind::Tags, json) => tags(json)
            .filter(|tags| !tags.is_empty())
            .map(Seeks::Tags)
            .ok_or_else(|| format!("\"{ANYONE}\", or {}", tags_form())),
        (Kind::Number(_), json) => {
            let within =
                json.get("within").and_then(Json::as_f64).map(|within| (within * SCALE).round());
            let within = within.filter(|within| (0.0..=f64::from(u32::MAX)).contains(within));
            within
                .map(|within| Seeks::Within(within as u32))
                .ok_or_else(|| format!("\"{ANYONE}\" or {{\"within\": a number}}"))
        }
    }
}

fn choice(declared: &Declaration, json: &Json) -> Result<u8, String> {
    let place =
        json.as_str().and_then(|name| declared.values.iter().position(|value| **value == *name));
    place.and_then(|place| u8::try_from(place).ok()).ok_or_else(|| {
        format!(
            "one of {}",
            declared
                .values
                .iter()
                .map(|value| format!("\"{value}\""))
                .collect::<Vec<_>>()
                .join(", ")
        )
    })
}

fn tags(json: &Json) -> Option<Box<[Arc<str>]>> {
    let tags = json.as_array().filter(|tags| tags.len() <= MOST_TAGS)?;
    let tag = |json: &Json| {
        json.as_str().filter(|tag| (1..=MAX_TAG_LEN).contains(&tag.len())).map(Arc::from)
    };
    let mut tags: Vec<Arc<str>> = tags.iter().map(tag).collect::<Option<_>>()?;
    tags.sort_unstable();
    tags.dedup();
    Some(tags.into())
}

fn tags_form() -> String {
    format!("a list of at most {MOST_TAGS} strings of 1 to {MAX_TAG_LEN} bytes")
}

fn names(field: &str, json: &Json) -> Result<Box<[User]>, Refusal> {
    let name = |json: &Json| {
        json.as_str().filter(|name| (1..=MAX_USER_LEN).contains(&name.len())).map(Arc::from)
    };
    let names = json.as_array().filter(|names| names.len() <= MOST_NAMES);
    let names: Option<Vec<User>> = names.and_then(|names| names.iter().map(name).collect());
    let mut names = names.ok_or_else(|| {
        invalid(format!(
            "{field} must be a list of at most {MOST_NAMES} userIds of 1 to {MAX_USER_LEN} bytes"
        ))
    })?;
    names.sort_unstable();
    names.dedup();
    Ok(names.into())
}

#[cfg(test)]
mod tests;
