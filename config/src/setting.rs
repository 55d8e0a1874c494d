//! One setting, declared once: its names, its form, its bounds and its words, from which flags, variables,
//! keys, help, documentation and complaints are made.

use std::marker::PhantomData;
use std::ops::Deref;

use crate::error::Parsed;
use crate::parser::{Bounds, Parser};

/// A setting whose values are `T`s. The form `F` says how many there are: [`One`], [`Optional`] or [`Many`].
///
/// ```text
/// const MAX_CHANNELS: Setting<usize> = Setting::one("max-channels", "COUNT", bounded(1..=4096))
///     .default("128")
///     .help("Channels an allocation may hold");
/// ```
#[derive(Debug)]
pub(crate) struct Setting<T, F = One> {
    about: AnySetting,
    parser: Parser<T>,
    form: PhantomData<F>,
}

/// What can be said of a setting whatever its type. The flag is `--name`, the key in a file or of an embedding
/// program `name`, and the environment variable [`AnySetting::variable`].
#[derive(Clone, Copy, Debug)]
pub struct AnySetting {
    /// Lower case and hyphens; coturn's name where coturn has one.
    pub name: &'static str,
    /// How many values it takes.
    pub arity: Arity,
    /// Whether the word `none` alone stands for no value.
    pub takes_none: bool,
    /// Whether its values must never be shown.
    pub secret: bool,
    /// What a value is, for `--help`; empty for a switch.
    pub placeholder: &'static str,
    /// What numbers it takes, if it takes numbers.
    pub bounds: Option<Bounds>,
    /// How many values it takes, if there is a limit to that.
    pub at_most: Option<usize>,
    /// What is in force when nobody sets it.
    pub default: Preset,
    help: &'static str,
}

/// How many values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// `true` or `false`; the flag alone means `true`.
    Switch,
    /// One.
    One,
    /// Any number: a repeated flag, a comma-separated variable, a list in a file.
    Many,
}

/// What is in force when nobody sets a setting.
#[derive(Clone, Copy, Debug)]
pub enum Preset {
    /// A value, parsed like a given one.
    Value(&'static str),
    /// The absence of a value, and what that means.
    Absent(&'static str),
}

/// Settings about one subject.
#[derive(Debug)]
pub struct Group {
    /// The heading.
    pub title: &'static str,
    /// The settings, in the order of the documentation.
    pub settings: &'static [&'static AnySetting],
}

/// What reading a setting comes to.
pub(crate) trait Form {
    /// The values of a setting as the program uses them.
    type Of<T>;

    /// Makes that of the values given, or of the default value; `None` is the word `none`.
    fn gather<T>(values: Vec<Option<T>>) -> Self::Of<T>;
}

/// There is always one value, given or by default.
#[derive(Debug)]
pub(crate) enum One {}

/// There is one value or none.
#[derive(Debug)]
pub(crate) enum Optional {}

/// There is any number of values.
#[derive(Debug)]
pub(crate) enum Many {}

impl Form for One {
    type Of<T> = T;

    fn gather<T>(mut values: Vec<Option<T>>) -> T {
        values.pop().flatten().expect("what must have a value has one by default")
    }
}

impl Form for Optional {
    type Of<T> = Option<T>;

    fn gather<T>(mut values: Vec<Option<T>>) -> Option<T> {
        values.pop().flatten()
    }
}

impl Form for Many {
    type Of<T> = Vec<T>;

    fn gather<T>(values: Vec<Option<T>>) -> Vec<T> {
        values.into_iter().flatten().collect()
    }
}

impl<T> Setting<T> {
    /// A setting that always has one value; to be followed by [`Setting::default`].
    pub(crate) const fn one(
        name: &'static str,
        placeholder: &'static str,
        parser: Parser<T>,
    ) -> Self {
        Self::new(name, Arity::One, placeholder, parser)
    }
}

impl Setting<bool> {
    /// A setting that is on or off, and off by default.
    pub(crate) const fn switch(name: &'static str) -> Self {
        Self::new(name, Arity::Switch, "", Parser::Text(crate::text::switch)).default("false")
    }
}

impl<T> Setting<T, Optional> {
    /// A setting that may have no value.
    pub(crate) const fn optional(
        name: &'static str,
        placeholder: &'static str,
        parser: Parser<T>,
    ) -> Self {
        Self::new(name, Arity::One, placeholder, parser)
    }
}

impl<T> Setting<T, Many> {
    /// A setting of several values.
    pub(crate) const fn many(
        name: &'static str,
        placeholder: &'static str,
        parser: Parser<T>,
    ) -> Self {
        Self::new(name, Arity::Many, placeholder, parser)
    }
}

impl<T, F> Setting<T, F> {
    const fn new(
        name: &'static str,
        arity: Arity,
        placeholder: &'static str,
        parser: Parser<T>,
    ) -> Self {
        let about = AnySetting {
            name,
            arity,
            takes_none: false,
            secret: false,
            placeholder,
            bounds: parser.bounds(),
            at_most: None,
            default: Preset::Absent("none"),
            help: "",
        };
        Self { about, parser, form: PhantomData }
    }

    /// What is in force when nobody sets it.
    pub(crate) const fn default(mut self, value: &'static str) -> Self {
        self.about.default = Preset::Value(value);
        self
    }

    /// What it means that nobody sets it.
    pub(crate) const fn absent(mut self, meaning: &'static str) -> Self {
        self.about.default = Preset::Absent(meaning);
        self
    }

    /// What it does: a sentence, its full stop and its bounds left out.
    pub(crate) const fn help(mut self, sentence: &'static str) -> Self {
        self.about.help = sentence;
        self
    }

    /// Never to be shown.
    pub(crate) const fn secret(mut self) -> Self {
        self.about.secret = true;
        self
    }

    /// Takes the word `none` for no value. Not for settings that must have one.
    pub(crate) const fn or_none(mut self) -> Self {
        self.about.takes_none = true;
        self
    }

    /// Takes no more values than these.
    pub(crate) const fn at_most(mut self, count: usize) -> Self {
        self.about.at_most = Some(count);
        self
    }

    /// What can be said of it whatever its type.
    pub(crate) const fn about(&self) -> &AnySetting {
        &self.about
    }

    /// Reads one value.
    pub(crate) fn parse(&self, text: &str) -> Parsed<T> {
        self.parser.parse(text)
    }
}

impl<T: PartialOrd, F> Setting<T, F> {
    /// Holds a value that did not come from text to the setting's bounds.
    pub(crate) fn check(&self, value: &T) -> Parsed<()> {
        self.parser.check(value)
    }
}

impl<T, F> Deref for Setting<T, F> {
    type Target = AnySetting;

    fn deref(&self) -> &AnySetting {
        &self.about
    }
}

impl AnySetting {
    /// The environment variable: `HAIRPIN_` and the name in upper case with underscores.
    pub fn variable(&self) -> String {
        format!("HAIRPIN_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// What it does and what its bounds are, in a sentence.
    pub fn help(&self) -> String {
        let mut sentence = self.help.to_owned();
        // That a port is a port goes without saying.
        if let Some(bounds) = self.bounds.filter(|bounds| *bounds != Bounds::PORTS) {
            sentence += &format!("; {bounds}");
        }
        if let Some(count) = self.at_most {
            sentence += &format!("; at most {count}");
        }
        sentence + "."
    }
}

impl Preset {
    /// The words for it alone.
    pub(crate) fn plain(self) -> &'static str {
        match self {
            Self::Value(words) | Self::Absent(words) => words,
        }
    }

    /// The words for it in plain text: a value in quotes, an absence in parentheses.
    pub(crate) fn shown(self) -> String {
        match self {
            Self::Value(value) => format!("{value:?}"),
            Self::Absent(words) => format!("({})", words.replace('`', "")),
        }
    }
}
