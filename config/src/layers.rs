//! What was set, by whom, before anybody asks what it means.

use std::fmt;
use std::path::PathBuf;

use crate::error::{ConfigError, ConfigErrors, Invalid, NOT_SHOWN, Source};
use crate::resolve::{Resolved, resolve};
use crate::setting::{AnySetting, Arity};
use crate::settings::find;
use crate::settings::process::CONFIG;

/// What a program, flags, the environment and a file set. They may be added in any order: a program
/// goes before flags, flags before the environment, the environment before the file. Whoever sets a
/// setting of several values replaces all the values of those behind.
///
/// ```
/// use hairpin_config::Layers;
///
/// let mut layers = Layers::default();
/// layers.environment([("HAIRPIN_LISTENING_PORT".to_owned(), "0".to_owned())]);
/// layers.set("realm", "example.org");
/// layers.file("hairpin.toml", "realm = 'ignored.example'\nalt-listening-port = 'none'");
/// let resolved = layers.resolve()?;
/// assert_eq!(resolved.config.rules.realm, "example.org");
/// assert!(resolved.config.listen.turn.iter().all(|listener| listener.port == 0));
/// # Ok::<(), hairpin_config::ConfigErrors>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Layers {
    pub(crate) given: Vec<Given>,
    pub(crate) errors: Vec<ConfigError>,
}

/// A value somebody gave.
#[derive(Clone)]
pub(crate) struct Given {
    pub(crate) setting: &'static AnySetting,
    pub(crate) value: String,
    pub(crate) source: Source,
}

impl Given {
    /// The value in a form fit to be shown.
    pub(crate) fn shown(&self) -> String {
        if self.setting.secret { "(redacted)".to_owned() } else { format!("{:?}", self.value) }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.setting.name, self.shown(), self.source)
    }
}

impl Layers {
    /// Sets a setting from the embedding program, by its flag's name without the dashes. A setting of
    /// several values is set once for each; a switch to `"true"` or `"false"`.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        match find(name) {
            Some(setting) => self.give(setting, value.into(), Source::Program),
            None => {
                let invalid = Invalid::unknown(name, |setting| format!("{:?}", setting.name));
                self.errors.push(ConfigError::new(name, None, Source::Program, invalid));
            }
        }
    }

    /// Takes what concerns hairpin from the environment: every variable that begins with `HAIRPIN_`.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (variable, value) in variables {
            let Some(name) = variable.strip_prefix("HAIRPIN_") else { continue };
            if set_by_kubernetes(name, &value) {
                continue;
            }
            if name == "PORT" {
                let source = Source::Environment(variable.clone());
                self.errors.push(ConfigError::new(&variable, None, source, which_port()));
                continue;
            }
            let setting = crate::settings().find(|setting| setting.variable() == variable);
            let Some(setting) = setting else {
                let source = Source::Environment("HAIRPIN_…".to_owned());
                let invalid = Invalid::unknown(&variable, AnySetting::variable);
                self.errors.push(ConfigError::new(NOT_SHOWN, None, source, invalid));
                continue;
            };
            let source = Source::Environment(variable);
            match setting.arity {
                Arity::Many => {
                    for item in value.split(',') {
                        self.give(setting, item.trim().to_owned(), source.clone());
                    }
                }
                Arity::One | Arity::Switch => self.give(setting, value, source),
            }
        }
    }

    /// The TOML file the settings so far ask for. It is the caller's to read and hand to [`Layers::file`].
    pub fn config_file(&self) -> Option<PathBuf> {
        let asked = self.given.iter().filter(|given| given.setting.name == CONFIG.name);
        asked.max_by_key(|given| given.source.rank()).map(|given| PathBuf::from(&given.value))
    }

    /// Checks everything, and reports everything that is wrong at once.
    pub fn resolve(self) -> Result<Resolved, ConfigErrors> {
        resolve(self)
    }

    pub(crate) fn give(&mut self, setting: &'static AnySetting, value: String, source: Source) {
        self.given.push(Given { setting, value, source });
    }
}

/// Kubernetes gives every container `<SERVICE>_SERVICE_HOST`, `<SERVICE>_PORT` and their like for each
/// service of its namespace, so one called "hairpin" would look like misspelt settings of ours.
/// No setting begins with these words. `HAIRPIN_PORT` alone is also what a person tries who wants
/// another port; Kubernetes' value is a URL.
fn set_by_kubernetes(name: &str, value: &str) -> bool {
    let is_url = || ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    name.starts_with("SERVICE_") || name.starts_with("PORT_") || name == "PORT" && is_url()
}

fn which_port() -> Invalid {
    let fix = "set HAIRPIN_HTTP_LISTEN=[::]:PORT for the page and WebSockets, or \
               HAIRPIN_LISTENING_PORT for TURN and everything over TCP";
    Invalid::new("there is no such setting", fix)
}
