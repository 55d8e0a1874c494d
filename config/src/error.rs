//! What is wrong with a configuration, and how to put it right.

use std::fmt;
use std::sync::Arc;

use crate::setting::AnySetting;
use crate::settings::nearest;

/// Where a value came from; a later variant goes before an earlier one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody set it.
    Default,
    /// The TOML file.
    File {
        /// The file's name.
        name: Arc<str>,
        /// The line, from 1.
        line: usize,
    },
    /// This environment variable.
    Environment(String),
    /// This flag, with its dashes.
    Flag(String),
    /// The argument of this number, from 1, where naming what it is would show it.
    Argument(usize),
    /// The program hairpin is embedded in.
    Program,
}

impl Source {
    /// The greater rank prevails.
    pub(crate) fn rank(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::File { .. } => 1,
            Self::Environment(_) => 2,
            Self::Flag(_) | Self::Argument(_) => 3,
            Self::Program => 4,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { name, line } => write!(f, "file {name}:{line}"),
            Self::Environment(variable) => write!(f, "environment {variable}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Argument(number) => write!(f, "argument {number}"),
            Self::Program => f.write_str("program"),
        }
    }
}

/// Stands for a name that is not repeated: somebody may have put a secret where a name belongs.
pub(crate) const NOT_SHOWN: &str = "(not shown)";

/// One thing wrong: the field, the value unless that is a secret, where it came from, and the fix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The setting's name; for an unknown one `(not shown)`.
    pub field: String,
    /// The value, or `(redacted)`; `None` where there is none to speak of.
    pub value: Option<String>,
    /// Where it came from.
    pub source: Source,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

impl ConfigError {
    pub(crate) fn new(
        field: &str,
        value: Option<String>,
        source: Source,
        invalid: Invalid,
    ) -> Self {
        let Invalid { problem, fix } = invalid;
        Self { field: field.to_owned(), value, source, problem, fix }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.field)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, " ({}): {}; {}", self.source, self.problem, self.fix)
    }
}

/// Everything wrong with a configuration; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// Why a value will not do, and what would; without the value, which may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong, as in "is not an origin".
    pub problem: String,
    /// What to do about it.
    pub fix: String,
}

impl Invalid {
    pub(crate) fn new(problem: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { problem: problem.into(), fix: fix.into() }
    }

    /// There is nothing.
    pub(crate) fn empty() -> Self {
        Self::new("is empty", "give a value or leave it out")
    }

    /// There is no setting called `name`; where settings are spelt like `spelling`.
    pub(crate) fn unknown(name: &str, spelling: fn(&AnySetting) -> String) -> Self {
        let plain = name.to_ascii_lowercase().replace('_', "-");
        let plain = plain.trim_start_matches("--").trim_start_matches("hairpin-");
        let fix = match nearest(plain) {
            Some(setting) => format!("did you mean {}?", spelling(setting)),
            None => "remove it; `hairpin --help` lists every setting".to_owned(),
        };
        Self::new("there is no such setting", fix)
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem, self.fix)
    }
}

impl std::error::Error for Invalid {}

/// A value understood, or why not.
pub(crate) type Parsed<T> = Result<T, Invalid>;
