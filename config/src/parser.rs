//! How a setting's text becomes its value, and what the value is held to.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::{Invalid, Parsed};

/// Reads one value of a setting.
#[derive(Debug)]
pub(crate) enum Parser<T> {
    /// Text with a form of its own.
    Text(fn(&str) -> Parsed<T>),
    /// A whole number within bounds.
    Number { bounds: Bounds, convert: fn(u64) -> Option<T> },
}

/// The least and the greatest number a setting takes, in the unit of its text. `Display` is for a sentence:
/// `1 to 4096`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The least.
    pub low: u64,
    /// The greatest.
    pub high: u64,
}

/// A whole number within these bounds.
pub(crate) const fn bounded<T: TryFrom<u64>>(range: RangeInclusive<u64>) -> Parser<T> {
    Parser::Number { bounds: Bounds::of(&range), convert: |number| T::try_from(number).ok() }
}

/// A whole number of seconds within these bounds.
pub(crate) const fn seconds(range: RangeInclusive<u64>) -> Parser<Duration> {
    Parser::Number {
        bounds: Bounds::of(&range),
        convert: |number| Some(Duration::from_secs(number)),
    }
}

/// A limit of a setting that is optional: what has none is left out.
pub(crate) const fn limit() -> Parser<NonZeroU32> {
    Parser::Text(|text| {
        text.parse().map_err(|_| {
            let fix =
                format!("give a whole number from 1 to {}, or leave it out for none", u32::MAX);
            Invalid::new("is no limit", fix)
        })
    })
}

/// A whole number that is not 0.
pub(crate) const fn positive() -> Parser<NonZeroU32> {
    Parser::Number {
        bounds: Bounds { low: 1, high: u32::MAX as u64 },
        convert: |number| u32::try_from(number).ok().and_then(NonZeroU32::new),
    }
}

impl<T> Parser<T> {
    /// Reads a value.
    pub(crate) fn parse(&self, text: &str) -> Parsed<T> {
        match *self {
            Self::Text(parse) => parse(text),
            Self::Number { bounds, convert } => match text.parse() {
                Ok(number) if bounds.contain(number) => {
                    Ok(convert(number).expect("bounds lie within what the type holds"))
                }
                Ok(_) => Err(bounds.exceeded()),
                Err(_) => Err(Invalid::new("is not a number in bounds", bounds.fix())),
            },
        }
    }

    pub(crate) const fn bounds(&self) -> Option<Bounds> {
        match self {
            Self::Text(_) => None,
            Self::Number { bounds, .. } => Some(*bounds),
        }
    }
}

impl<T: PartialOrd> Parser<T> {
    /// Holds a value that did not come from text to the same bounds.
    pub(crate) fn check(&self, value: &T) -> Parsed<()> {
        let Self::Number { bounds, convert } = self else { return Ok(()) };
        let within = convert(bounds.low).is_some_and(|low| low <= *value)
            && convert(bounds.high).is_some_and(|high| *value <= high);
        if within { Ok(()) } else { Err(bounds.exceeded()) }
    }
}

impl Bounds {
    /// Every port, and 0.
    pub(crate) const PORTS: Self = Self { low: 0, high: u16::MAX as u64 };

    const fn of(range: &RangeInclusive<u64>) -> Self {
        Self { low: *range.start(), high: *range.end() }
    }

    fn contain(self, number: u64) -> bool {
        (self.low..=self.high).contains(&number)
    }

    fn exceeded(self) -> Invalid {
        Invalid::new("is out of bounds", self.fix())
    }

    fn fix(self) -> String {
        format!("give a whole number from {self}")
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.low, self.high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_values_are_held_to_the_same_bounds() {
        let parser = bounded::<u16>(1024..=2000);
        assert_eq!(parser.parse("1024"), Ok(1024));
        for (text, value) in [("1023", 1023), ("2001", 2001), ("65535", u16::MAX)] {
            assert_eq!(
                parser.parse(text),
                Err(Invalid::new("is out of bounds", "give a whole number from 1024 to 2000"))
            );
            assert_eq!(parser.check(&value), Err(parser.parse(text).expect_err("as above")));
        }
        assert_eq!(parser.check(&2000), Ok(()));
        for text in ["", "-1", "1e3", "many", "99999999999999999999"] {
            assert_eq!(parser.parse(text).expect_err(text).problem, "is not a number in bounds");
        }
    }

    #[test]
    fn a_part_of_a_second_counts() {
        let parser = seconds(60..=3600);
        assert_eq!(parser.parse("60"), Ok(Duration::from_secs(60)));
        assert_eq!(parser.check(&Duration::from_millis(60_500)), Ok(()));
        assert!(parser.check(&Duration::from_millis(59_999)).is_err());
        assert!(parser.check(&Duration::from_millis(3_600_001)).is_err());
    }
}
