//! The documentation says what the program does.

use hairpin_config::{Layers, Preset, markdown_table, settings};

const DOCUMENT: &str = include_str!("../../../docs/configuration.md");
const EXAMPLE: &str = include_str!("../../../hairpin.example.toml");

#[test]
fn the_documents_table_is_the_programs() {
    let expected = markdown_table();
    let table = DOCUMENT
        .split_once("<!-- settings -->\n")
        .and_then(|(_, rest)| rest.split_once("<!-- /settings -->"))
        .map(|(table, _)| table.trim());
    assert!(
        table == Some(expected.trim()),
        "put this between the marks in docs/configuration.md:\n{expected}"
    );
}

#[test]
fn the_example_file_is_valid_and_names_every_setting() {
    let mut layers = Layers::default();
    layers.file("hairpin.example.toml", EXAMPLE);
    layers.resolve().expect("the example is valid");

    for setting in settings().filter(|setting| setting.name != "config") {
        let named = EXAMPLE
            .lines()
            .any(|line| line.trim_start_matches("# ").starts_with(&format!("{} = ", setting.name)));
        assert!(named, "{} is missing", setting.name);
    }
}

/// What is commented out must be right as well, on the day somebody takes the mark away.
#[test]
fn the_example_files_comments_are_valid() {
    let is_setting = |line: &str| settings().any(|s| line.starts_with(&format!("{} = ", s.name)));
    let lines = EXAMPLE.lines().map(|line| line.strip_prefix("# ").unwrap_or(line));
    let all: Vec<&str> = lines.filter(|line| is_setting(line)).collect();
    let mut layers = Layers::default();
    layers.file("hairpin.example.toml", &all.join("\n"));
    let resolved = layers.resolve().expect("the example is valid without its marks");
    assert_eq!(resolved.config.warnings(), [""; 0]);
}

#[test]
fn recipes_are_valid() {
    let recipes: Vec<&str> = DOCUMENT
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("a block ends").0)
        .collect();
    assert!(recipes.len() >= 5);
    for recipe in recipes {
        let mut layers = Layers::default();
        layers.file("recipe", recipe);
        let resolved = layers.resolve().unwrap_or_else(|errors| panic!("{recipe}\n{errors}"));
        assert_eq!(resolved.config.warnings(), [""; 0], "{recipe}");
    }
}

/// A browser holds an allocation for each TURN URL it was given, and twice as many during an ICE restart; it is
/// given four at most.
#[test]
fn a_quota_that_is_recommended_lets_a_browser_make_its_call() {
    let hints = hairpin_config::Config::default().insecure_defaults();
    let hints: Vec<&str> = hints.iter().map(|insecurity| insecurity.fix).collect();
    let readme = include_str!("../../../README.md");
    for (name, text) in [
        ("README.md", readme),
        ("docs/configuration.md", DOCUMENT),
        ("hairpin.example.toml", EXAMPLE),
        ("the hints", &hints.join("\n")),
    ] {
        let quotas: Vec<u32> = text
            .split("user-quota")
            .skip(1)
            .filter_map(|rest| {
                let rest = rest.trim_start_matches([' ', '=']);
                rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
            })
            .collect();
        assert!(!quotas.is_empty(), "{name} recommends one");
        assert!(quotas.iter().all(|quota| *quota >= 2 * 4), "{name}: {quotas:?}");
        assert!(quotas.contains(&100), "{name}: the same as elsewhere");
    }
    assert!(DOCUMENT.contains("one for each TURN URL"), "and says why");
}

#[test]
fn names_are_unique_and_leave_kubernetes_its_own() {
    let mut names: Vec<_> = settings().map(|setting| setting.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(!names.iter().any(|name| name.starts_with("port") || name.starts_with("service")));
}

#[test]
fn every_default_value_may_be_given() {
    for setting in settings() {
        if let Preset::Value(value) = setting.default {
            let mut layers = Layers::default();
            layers.set(setting.name, value);
            layers.resolve().unwrap_or_else(|errors| panic!("{errors}"));
        }
    }
}
