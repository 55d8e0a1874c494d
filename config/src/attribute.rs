//! From text to what users may say of themselves, and where else they may look for each other.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use hairpin_matcher::{Attribute, Band, Kind};
use hairpin_signaling::{Declaration, MAX_POOL_LEN};

use crate::error::{Invalid, Parsed};

/// Names that there always are.
const MODES: [&str; 4] = ["global", "buddies_first", "buddies", "default"];
const FORM: &str =
    "give it as gender=choice:woman/man, interests=tags:widen=10 or rating=number:within=100";
/// Numbers are kept with two decimals.
const SCALE: f64 = hairpin_signaling::SCALE;

/// The name of a pool.
pub(crate) fn pool(text: &str) -> Parsed<Arc<str>> {
    if MODES.contains(&text) {
        return Err(Invalid::new(
            "is a matchMode that there always is",
            "give a pool another name",
        ));
    }
    if !is_name(text) || text.len() > MAX_POOL_LEN {
        let fix = format!("give at most {MAX_POOL_LEN} letters, digits, hyphens and underscores");
        return Err(Invalid::new("is no name of a pool", fix));
    }
    Ok(text.into())
}

/// `NAME=choice:A/B/C`, `NAME=tags` or `NAME=number:within=N`, each with more options after colons.
pub(crate) fn attribute(text: &str) -> Parsed<Declaration> {
    let (name, rest) = text.split_once('=').ok_or_else(|| Invalid::new("has no kind", FORM))?;
    if !is_name(name) || name.len() > 64 {
        return Err(Invalid::new("has no name of letters, digits, hyphens and underscores", FORM));
    }
    let mut parts = rest.split(':');
    let (kind, mut options) = (parts.next().unwrap_or_default(), Options::default());
    let values = match kind {
        "choice" => choices(parts.next().unwrap_or_default())?,
        _ => Vec::new(),
    };
    parts.try_for_each(|part| options.read(part))?;
    let widen = options.take("widen")?.map(Duration::from_secs_f64);
    let kind = match kind {
        "choice" => Kind::Choice,
        "tags" => Kind::Tags,
        "number" => Kind::Number(options.band(widen.is_some())?),
        _ => return Err(Invalid::new("is neither a choice nor tags nor a number", FORM)),
    };
    options.is_empty()?;
    Ok(Declaration { name: name.into(), attribute: Attribute { kind, widen }, values })
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    !text.is_empty() && text.bytes().all(plain)
}

fn choices(text: &str) -> Parsed<Vec<Arc<str>>> {
    let values: Vec<Arc<str>> = text.split('/').map(Arc::from).collect();
    let twice = (1..values.len()).any(|at| values[..at].contains(&values[at]));
    if values.len() > 64
        || twice
        || values.iter().any(|value| value.is_empty() || **value == *"anyone")
    {
        let fix = "give 1 to 64 different ones, as in gender=choice:woman/man; anyone is what one may always seek";
        return Err(Invalid::new("is a choice between nothing", fix));
    }
    Ok(values)
}

/// Numbers by their names, taken out as they are understood.
#[derive(Default)]
struct Options(Vec<(String, f64)>);

impl Options {
    fn read(&mut self, part: &str) -> Parsed<()> {
        let read =
            part.split_once('=').and_then(|(name, number)| Some((name, number.parse().ok()?)));
        let read = read.filter(|(_, number)| (0.01..=20_000_000.0).contains(number));
        let (name, number) =
            read.ok_or_else(|| Invalid::new("has an option that is no number above 0", FORM))?;
        self.0.push((name.to_owned(), number));
        Ok(())
    }

    fn take(&mut self, name: &str) -> Parsed<Option<f64>> {
        let mut found: Vec<_> = self.0.extract_if(.., |(option, _)| option == name).collect();
        if found.len() > 1 {
            return Err(Invalid::new(format!("says {name} twice"), "say it once"));
        }
        Ok(found.pop().map(|(_, number)| number))
    }

    fn band(&mut self, widens: bool) -> Parsed<Band> {
        let scaled = |number: f64| (number * SCALE).round() as u32;
        let missing = || Invalid::new("does not say how near is near enough", FORM);
        let within = scaled(self.take("within")?.ok_or_else(missing)?);
        let (step, most) = (self.take("step")?.map(scaled), self.take("most")?.map(scaled));
        let around = self.take("around")?.map(scaled).and_then(NonZeroU32::new);
        match (widens, step) {
            (true, Some(step)) => Ok(Band { within, step, most: most.unwrap_or(u32::MAX), around }),
            (false, None) if most.is_none() => Ok(Band { within, step: 0, most: within, around }),
            _ => Err(Invalid::new(
                "says only a part of how it widens",
                "give step and widen, and most if it is to end, as in rating=number:within=100:step=50:most=400:widen=5",
            )),
        }
    }

    fn is_empty(&self) -> Parsed<()> {
        match self.0.first() {
            None => Ok(()),
            Some((name, _)) => {
                let fix = "options are widen, and of a number within, step, most and around";
                Err(Invalid::new(format!("has an option {name} that means nothing here"), fix))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_form() {
        let choice = attribute("gender=choice:woman/man:widen=15").expect("a choice");
        assert_eq!((&*choice.name, choice.attribute.kind), ("gender", Kind::Choice));
        assert_eq!(choice.values, ["woman".into(), "man".into()] as [Arc<str>; 2]);
        assert_eq!(choice.attribute.widen, Some(Duration::from_secs(15)));
        let tags = attribute("language=tags").expect("tags").attribute;
        assert_eq!(tags, Attribute { kind: Kind::Tags, widen: None });
        let band = |text| match attribute(text).expect("a number").attribute.kind {
            Kind::Number(Band { within, step, most, around }) => {
                (within, step, most, around.map(NonZeroU32::get))
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(band("timezone=number:within=3:around=24"), (300, 0, 300, Some(2400)));
        assert_eq!(
            band("rating=number:within=100:step=50:most=400:widen=5"),
            (10_000, 5000, 40_000, None)
        );
        assert_eq!(band("rating=number:within=1:step=1:widen=0.5"), (100, 100, u32::MAX, None));
    }

    #[test]
    fn what_is_wrong_is_said_with_an_example() {
        for (text, words) in [
            ("gender", "has no kind"),
            ("=tags", "has no name"),
            ("a b=tags", "has no name"),
            ("gender=sort", "neither a choice"),
            ("gender=choice", "between nothing"),
            ("gender=choice:a/a", "between nothing"),
            ("gender=choice:a/anyone", "between nothing"),
            ("x=tags:widen", "no number above 0"),
            ("x=tags:widen=0", "no number above 0"),
            ("x=tags:widen=1:widen=2", "says widen twice"),
            ("x=tags:within=3", "option within that means nothing here"),
            ("x=number", "how near"),
            ("x=number:within=1:widen=5", "only a part"),
            ("x=number:within=1:step=5", "only a part"),
        ] {
            let invalid = attribute(text).expect_err(text).to_string();
            assert!(invalid.contains(words), "{text}: {invalid}");
        }
        assert!(pool("buddies").is_err() && pool("").is_err() && pool("a b").is_err());
        assert_eq!(pool("video").as_deref().ok(), Some("video"));
    }
}
