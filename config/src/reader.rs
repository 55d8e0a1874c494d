//! Reading settings one by one, keeping every complaint for the end.

use crate::error::{ConfigError, Invalid, Parsed, Source};
use crate::layers::{Given, Layers};
use crate::setting::{Arity, Preset, Setting};

/// The prevailing values, and what is found wrong with them.
pub(crate) struct Reader {
    given: Vec<Given>,
    pub(crate) errors: Vec<ConfigError>,
    pub(crate) warnings: Vec<String>,
}

impl Reader {
    /// Keeps of each setting the values of the source that prevails.
    pub(crate) fn new(layers: Layers) -> Self {
        let Layers { mut given, errors } = layers;
        for setting in crate::settings() {
            let ours = |given: &Given| given.setting.name == setting.name;
            let strongest = given.iter().filter(|g| ours(g)).map(|g| g.source.rank()).max();
            given.retain(|g| !ours(g) || Some(g.source.rank()) == strongest);
        }
        let mut reader = Self { given, errors, warnings: Vec::new() };
        reader.refuse_repetitions();
        reader
    }

    /// A setting that has a default value.
    pub(crate) fn one<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Parsed<T>) -> T {
        match self.optional(name, &parse) {
            Some(value) => value,
            None => parse(default_value(name)).expect("the table's default values are valid"),
        }
    }

    /// A setting that may be absent.
    pub(crate) fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Option<T> {
        self.given_values(name, parse).pop()
    }

    /// A setting of several values; a default value counts as one.
    pub(crate) fn many<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Vec<T> {
        if self.is_set(name) {
            return self.given_values(name, parse);
        }
        match setting(name).default {
            Preset::Absent(_) => Vec::new(),
            Preset::Value(value) => {
                vec![parse(value).expect("the table's default values are valid")]
            }
        }
    }

    /// Like [`Reader::many`], but `word` alone stands for no values.
    pub(crate) fn many_or<T>(
        &mut self,
        word: &'static str,
        name: &'static str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Vec<T> {
        let count = self.values(name).count();
        let values = self.many(name, |text| {
            if text != word {
                return parse(text).map(Some);
            }
            match count {
                0 | 1 => Ok(None),
                _ => Err(Invalid::new("excludes every other value", format!("give {word} alone"))),
            }
        });
        values.into_iter().flatten().collect()
    }

    /// A switch.
    pub(crate) fn switch(&mut self, name: &'static str) -> bool {
        self.one(name, |text| match text {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(Invalid::new("is neither true nor false", "give true or false")),
        })
    }

    /// Whether somebody set it.
    pub(crate) fn is_set(&self, name: &'static str) -> bool {
        self.values(name).next().is_some()
    }

    /// Whether no complaint was made about it yet, so that it may be compared with others.
    pub(crate) fn is_sound(&self, name: &'static str) -> bool {
        self.errors.iter().all(|error| error.field != name)
    }

    /// Complains about a setting in the light of others.
    pub(crate) fn reject(&mut self, name: &'static str, bad: Invalid) {
        let (value, source) = self.in_force(name);
        self.complain(name, value, source, bad);
    }

    /// Notes what is allowed, but hardly meant.
    pub(crate) fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    /// What is in force, fit to be shown, and where it comes from.
    pub(crate) fn in_force(&self, name: &'static str) -> (String, Source) {
        let shown: Vec<String> = self.values(name).map(Given::shown).collect();
        match self.values(name).next() {
            Some(given) => (shown.join(", "), given.source.clone()),
            None => (setting(name).default.shown(), Source::Default),
        }
    }

    fn values(&self, name: &'static str) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |given| given.setting.name == name)
    }

    fn given_values<T>(&mut self, name: &'static str, parse: impl Fn(&str) -> Parsed<T>) -> Vec<T> {
        let given: Vec<Given> = self.values(name).cloned().collect();
        let mut parsed = Vec::with_capacity(given.len());
        for given in given {
            let outcome = if given.value.is_empty() {
                Err(Invalid::new("is empty", "give a value or leave it out"))
            } else {
                parse(&given.value)
            };
            match outcome {
                Ok(value) => parsed.push(value),
                Err(bad) => self.complain(name, given.shown(), given.source, bad),
            }
        }
        parsed
    }

    fn refuse_repetitions(&mut self) {
        for setting in crate::settings().filter(|setting| setting.arity != Arity::Many) {
            if self.values(setting.name).count() > 1 {
                self.reject(setting.name, Invalid::new("is given more than once", "give it once"));
            }
        }
    }

    fn complain(&mut self, name: &str, value: String, source: Source, bad: Invalid) {
        self.errors.push(ConfigError::new(name, Some(value), source, bad));
    }
}

fn setting(name: &'static str) -> &'static Setting {
    Setting::find(name).expect("only settings of the table are read")
}

fn default_value(name: &'static str) -> &'static str {
    match setting(name).default {
        Preset::Value(value) => value,
        Preset::Absent(_) => unreachable!("a setting read as `one` has a default value"),
    }
}
