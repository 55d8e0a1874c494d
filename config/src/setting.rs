//! One setting: its names, its form and its words, from which flags, variables, keys and documentation are made.

use crate::table::GROUPS;

/// A setting. The flag is `--name`, the key in a file or of an embedding program `name`, and the
/// environment variable [`Setting::variable`].
#[derive(Debug)]
pub struct Setting {
    /// Lower case and hyphens; coturn's name where coturn has one.
    pub name: &'static str,
    /// How many values it takes.
    pub arity: Arity,
    /// Whether its values must never be shown.
    pub secret: bool,
    /// What a value is, for `--help`; empty for a switch.
    pub value: &'static str,
    /// What is in force when nobody sets it.
    pub default: Preset,
    /// What it does, in a sentence.
    pub help: &'static str,
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
    pub settings: &'static [Setting],
}

impl Setting {
    pub(crate) const fn switch(name: &'static str, help: &'static str) -> Self {
        let default = Preset::Value("false");
        Self { name, arity: Arity::Switch, secret: false, value: "", default, help }
    }

    pub(crate) const fn one(
        name: &'static str,
        value: &'static str,
        default: Preset,
        help: &'static str,
    ) -> Self {
        Self { name, arity: Arity::One, secret: false, value, default, help }
    }

    pub(crate) const fn many(
        name: &'static str,
        value: &'static str,
        default: Preset,
        help: &'static str,
    ) -> Self {
        Self { name, arity: Arity::Many, secret: false, value, default, help }
    }

    pub(crate) const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The environment variable: `HAIRPIN_` and the name in upper case with underscores.
    pub fn variable(&self) -> String {
        format!("HAIRPIN_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// The setting of this name.
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        settings().find(|setting| setting.name == name)
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

/// Every setting, in the order of the documentation.
pub fn settings() -> impl Iterator<Item = &'static Setting> {
    GROUPS.iter().flat_map(|group| group.settings)
}

/// The setting whose name is most like `name`, if any is like it enough to be what was meant.
pub(crate) fn nearest(name: &str) -> Option<&'static Setting> {
    const ALIKE: f64 = 0.75;
    settings()
        .map(|setting| (strsim::jaro_winkler(name, setting.name), setting))
        .filter(|(likeness, _)| *likeness > ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, setting)| setting)
}

/// The table of every setting in Markdown, a section per group, as `docs/configuration.md` holds it.
pub fn markdown_table() -> String {
    let mut text = String::new();
    for group in GROUPS {
        text += &format!(
            "### {}\n\n| Flag | Environment | Default | What it does |\n|---|---|---|---|\n",
            group.title
        );
        for setting in group.settings {
            text += &markdown_row(setting);
        }
        text.push('\n');
    }
    text
}

fn markdown_row(setting: &Setting) -> String {
    let flag = match setting.arity {
        Arity::Switch => format!("`--{}`", setting.name),
        Arity::One => format!("`--{} {}`", setting.name, setting.value),
        Arity::Many => format!("`--{} {}` …", setting.name, setting.value),
    };
    let default = match setting.default {
        Preset::Value(value) => format!("`{value}`"),
        Preset::Absent(words) => words.to_owned(),
    };
    format!("| {flag} | `{}` | {default} | {} |\n", setting.variable(), setting.help)
}
