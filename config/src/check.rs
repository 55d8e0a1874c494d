//! What makes a configuration invalid, or odd, whatever it was made from: flags and files, or a program's own values.

use std::fmt::Debug;

use crate::error::{ConfigError, ConfigErrors, Invalid, Source};
use crate::setting::{AnySetting, Setting};
use crate::settings::{
    backend, http, ice, identity, process, relay, signaling, sockets, tls, turn,
};
use crate::types::Config;

impl Config {
    /// Holds every value to its setting's bounds, and the values to each other. What flags, environment and file
    /// resolve to has been held to them already.
    ///
    /// # Errors
    /// Everything that is wrong at once, by the settings' names, which are the fields'.
    pub fn check(&self) -> Result<(), ConfigErrors> {
        let errors: Vec<_> = self.violations().into_iter().map(ConfigError::from).collect();
        if errors.is_empty() { Ok(()) } else { Err(ConfigErrors(errors)) }
    }

    /// What is allowed but hardly meant, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for warn in
            [sockets::warn, relay::warn, turn::warn, identity::warn, ice::warn, backend::warn]
        {
            warn(self, &mut warnings);
        }
        warnings
    }

    pub(crate) fn violations(&self) -> Vec<Violation> {
        let mut violations = Violations(Vec::new());
        for check in [
            sockets::check,
            relay::check,
            turn::check,
            tls::check,
            http::check,
            identity::check,
            ice::check,
            signaling::check,
            backend::check,
            process::check,
        ] {
            check(self, &mut violations);
        }
        violations.0
    }
}

/// A value that breaks a rule.
pub(crate) struct Violation {
    pub(crate) about: &'static AnySetting,
    /// The other setting, where the rule is about two.
    pub(crate) against: Option<&'static AnySetting>,
    /// The value, where it may be shown.
    value: Option<String>,
    pub(crate) invalid: Invalid,
}

/// What was found so far.
pub(crate) struct Violations(Vec<Violation>);

impl Violations {
    /// The setting has a value that will not do.
    pub(crate) fn reject(&mut self, about: &'static AnySetting, invalid: Invalid) {
        self.0.push(Violation { about, against: None, value: None, invalid });
    }

    /// The setting has a value that will not do beside another's.
    pub(crate) fn clash(
        &mut self,
        about: &'static AnySetting,
        against: &'static AnySetting,
        invalid: Invalid,
    ) {
        self.0.push(Violation { about, against: Some(against), value: None, invalid });
    }

    /// Holds a number to its setting's bounds.
    pub(crate) fn bounds<T: PartialOrd + Debug, F>(
        &mut self,
        setting: &'static Setting<T, F>,
        value: &T,
    ) {
        if let Err(invalid) = setting.check(value) {
            let value = Some(format!("{value:?}"));
            self.0.push(Violation { about: setting, against: None, value, invalid });
        }
    }
}

impl From<Violation> for ConfigError {
    fn from(Violation { about, value, invalid, .. }: Violation) -> Self {
        Self::new(about.name, value, Source::Program, invalid)
    }
}
