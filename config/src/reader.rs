//! Reading settings one by one, keeping every complaint for the end.

use crate::check::Violation;
use crate::error::{ConfigError, Invalid, Source};
use crate::layers::{Given, Layers};
use crate::setting::{AnySetting, Arity, Form, Preset, Setting};

/// The prevailing values, and what is found wrong with them.
pub(crate) struct Reader {
    given: Vec<Given>,
    pub(crate) errors: Vec<ConfigError>,
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
        let mut reader = Self { given, errors };
        reader.refuse_repetitions();
        reader
    }

    /// What a setting comes to; by default, too, where what was given is complained about.
    pub(crate) fn get<T, F: Form>(&mut self, setting: &Setting<T, F>) -> F::Of<T> {
        let mut values = self.parse_given(setting);
        if let (true, Preset::Value(default)) = (values.is_empty(), setting.default) {
            values.push(Some(setting.parse(default).expect("default values are valid")));
        }
        F::gather(values)
    }

    /// Whether somebody set it.
    pub(crate) fn is_set(&self, setting: &AnySetting) -> bool {
        self.values(setting).next().is_some()
    }

    /// Whether no complaint was made about it yet, so that it may be compared with others.
    pub(crate) fn is_sound(&self, setting: &AnySetting) -> bool {
        self.errors.iter().all(|error| error.field != setting.name)
    }

    /// Complains about a setting in the light of others.
    pub(crate) fn reject(&mut self, setting: &AnySetting, invalid: Invalid) {
        let (value, source) = self.in_force(setting);
        self.complain(setting, value, source, invalid);
    }

    /// Complains about a rule that is broken, unless only because of a value complained about already.
    pub(crate) fn report(&mut self, Violation { about, against, invalid, .. }: Violation) {
        if self.is_sound(about) && against.is_none_or(|against| self.is_sound(against)) {
            self.reject(about, invalid);
        }
    }

    /// What is in force, fit to be shown, and where it comes from.
    pub(crate) fn in_force(&self, setting: &AnySetting) -> (String, Source) {
        let shown: Vec<String> = self.values(setting).map(Given::shown).collect();
        match self.values(setting).next() {
            Some(given) => (shown.join(", "), given.source.clone()),
            None => (setting.default.shown(), Source::Default),
        }
    }

    fn values(&self, setting: &AnySetting) -> impl Iterator<Item = &Given> {
        self.given.iter().filter(move |given| given.setting.name == setting.name)
    }

    /// The values given that can be understood; `None` is the word `none`.
    fn parse_given<T, F>(&mut self, setting: &Setting<T, F>) -> Vec<Option<T>> {
        let given: Vec<Given> = self.values(setting).cloned().collect();
        let alone = given.len() == 1;
        let mut parsed = Vec::with_capacity(given.len());
        for given in given {
            let outcome = match &*given.value {
                "" => Err(Invalid::empty()),
                "none" if setting.takes_none && alone => Ok(None),
                "none" if setting.takes_none => {
                    Err(Invalid::new("excludes every other value", "give none alone"))
                }
                text => setting.parse(text).map(Some),
            };
            match outcome {
                Ok(value) => parsed.push(value),
                Err(invalid) => self.complain(setting, given.shown(), given.source, invalid),
            }
        }
        parsed
    }

    fn refuse_repetitions(&mut self) {
        for setting in crate::settings().filter(|setting| setting.arity != Arity::Many) {
            if self.values(setting).count() > 1 {
                self.reject(setting, Invalid::new("is given more than once", "give it once"));
            }
        }
    }

    fn complain(&mut self, setting: &AnySetting, value: String, source: Source, invalid: Invalid) {
        self.errors.push(ConfigError::new(setting.name, Some(value), source, invalid));
    }
}
