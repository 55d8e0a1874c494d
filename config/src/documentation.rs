//! The settings in Markdown.

use crate::setting::{AnySetting, Arity, Preset};
use crate::settings::GROUPS;

/// The table of every setting, a section per group, as `docs/configuration.md` holds it.
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

fn markdown_row(setting: &AnySetting) -> String {
    let AnySetting { name, placeholder, .. } = setting;
    let flag = match setting.arity {
        Arity::Switch => format!("`--{name}`"),
        Arity::One => format!("`--{name} {placeholder}`"),
        Arity::Many => format!("`--{name} {placeholder}` …"),
    };
    let default = match setting.default {
        Preset::Value(value) => format!("`{value}`"),
        Preset::Absent(words) => words.to_owned(),
    };
    format!("| {flag} | `{}` | {default} | {} |\n", setting.variable(), setting.help())
}
