//! The TOML file: keys are the flags' names, lists are settings of several values.

use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::error::{ConfigError, Invalid, NOT_SHOWN, Parsed, Source};
use crate::layers::Layers;
use crate::setting::{AnySetting, Arity};
use crate::settings::find;
use crate::settings::process::CONFIG;

impl Layers {
    /// Takes the settings of a TOML file. `name` is what errors call it.
    pub fn file(&mut self, name: &str, text: &str) {
        let file = File { name: name.into(), text };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            self.errors.push(file.syntax_error(error));
        }
        // What a parser guesses after a mistake is no ground for more complaints.
        if errors.is_empty() {
            for (key, value) in table.get_ref() {
                if let Err(bad) = self.file_entry(&file, key, value) {
                    let source = file.source(key);
                    let field = find(key.get_ref()).map_or(NOT_SHOWN, |setting| setting.name);
                    self.errors.push(ConfigError::new(field, None, source, bad));
                }
            }
        }
    }

    fn file_entry(&mut self, file: &File<'_>, key: &Key<'_>, value: &Value<'_>) -> Parsed<()> {
        let name = key.get_ref().as_ref();
        if name == CONFIG.name {
            return Err(Invalid::new("a file cannot name the file", "remove it"));
        }
        if let DeValue::Table(_) = value.get_ref() {
            return Err(Invalid::new(
                "there are no sections",
                "write the keys at the top of the file",
            ));
        }
        let setting =
            find(name).ok_or_else(|| Invalid::unknown(name, |setting| setting.name.to_owned()))?;
        match value.get_ref() {
            DeValue::Array(items) if setting.arity == Arity::Many => {
                for item in items.iter() {
                    self.give(setting, scalar(setting, item)?, file.source(item));
                }
            }
            _ => self.give(setting, scalar(setting, value)?, file.source(key)),
        }
        Ok(())
    }
}

type Key<'t> = Spanned<DeString<'t>>;
type Value<'t> = Spanned<DeValue<'t>>;

/// The text of a single value. A secret must be a string: what TOML makes of `0x7` is not what was meant.
fn scalar(setting: &AnySetting, value: &Value<'_>) -> Parsed<String> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.clone().into_owned()),
        DeValue::Integer(number) if !setting.secret => Ok(number.to_string()),
        DeValue::Boolean(switch) if setting.arity == Arity::Switch => Ok(switch.to_string()),
        _ => {
            let fix = match setting.arity {
                Arity::Switch => "write true or false",
                Arity::One => "write one value, in quotes unless it is a whole number",
                Arity::Many => "write a list of values in quotes",
            };
            Err(Invalid::new("is of the wrong type", fix))
        }
    }
}

struct File<'t> {
    name: Arc<str>,
    text: &'t str,
}

impl File<'_> {
    fn source<T>(&self, item: &Spanned<T>) -> Source {
        self.source_at(item.span().start)
    }

    fn source_at(&self, offset: usize) -> Source {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        Source::File { name: self.name.clone(), line }
    }

    /// The parser's own report quotes the line, which may hold a secret; its message does not.
    fn syntax_error(&self, error: &toml::de::Error) -> ConfigError {
        let source = self.source_at(error.span().map_or(0, |span| span.start));
        let problem = format!("not valid TOML: {}", error.message());
        let bad = Invalid::new(problem, "write `key = value`, text in quotes");
        ConfigError::new("(syntax)", None, source, bad)
    }
}
