//! Every snippet of the documentation: what a reader pastes works. JavaScript for pages runs in `tests/browser/snippets.rs`; SQL, and
//! what verifies webhooks, in `tests/backend/documentation.rs`.

mod identity;
mod rust;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use hairpin_config::Layers;

const PAGES: &[&str] = &[
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "bench/README.md",
    "docs/admin.md",
    "docs/configuration.md",
    "docs/conformance.md",
    "docs/coturn.md",
    "docs/deploy-fly.md",
    "docs/identity.md",
    "docs/interop.md",
    "docs/matching.md",
    "docs/metrics.md",
    "docs/protocol.md",
    "docs/records.md",
    "docs/tls.md",
    "docs/webhooks.md",
];

/// What every page's blocks may be: those that a test here runs, and those that are no code.
const LANGUAGES: &[&str] =
    &["js", "json", "mjs", "py", "rust", "sh", "sql", "toml", "mermaid", "text"];

#[test]
fn every_block_says_what_it_is_so_that_it_is_tried() {
    for page in PAGES {
        let text = read(page);
        for fence in text.lines().filter(|line| line.starts_with("```")).step_by(2) {
            let language = fence.trim_start_matches('`');
            assert!(LANGUAGES.contains(&language), "{page}: {fence:?} is none of {LANGUAGES:?}");
        }
    }
    for page in fs::read_dir(root().join("docs")).expect("it is checked in").flatten() {
        let name = format!("docs/{}", page.file_name().to_string_lossy());
        assert!(!name.ends_with(".md") || PAGES.contains(&&*name), "{name} is not tried");
    }
}

#[test]
fn shell_lines_are_shell_and_their_flags_are_ours() {
    let mut commands = 0;
    for (page, block) in all("sh") {
        let parsed = bash(&["-n", "-c", &block]);
        assert!(parsed.status.success(), "{page}: {}", String::from_utf8_lossy(&parsed.stderr));
        let lines = block.replace("\\\n", " ");
        for line in lines.lines().filter(|line| line.starts_with("hairpin ")) {
            takes(page, line);
            commands += 1;
        }
    }
    assert!(commands > 0, "the README starts a server");
}

#[test]
fn commands_in_sentences_are_commands() {
    let mut commands = 0;
    for page in PAGES {
        let text = read(page);
        for code in text.split('`').skip(1).step_by(2).filter(|code| code.starts_with("hairpin ")) {
            takes(page, &code.replace('…', ""));
            commands += 1;
        }
    }
    assert!(commands > 3);
}

#[test]
fn files_of_settings_resolve_without_a_warning() {
    let files = all("toml");
    assert!(files.len() >= 5);
    for (page, block) in files {
        let mut layers = Layers::default();
        layers.file(page, &block);
        let resolved = layers.resolve().unwrap_or_else(|errors| panic!("{block}\n{errors}"));
        assert_eq!(resolved.config.warnings(), [""; 0], "{block}");
    }
}

/// The blocks of a page in that language.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let text = read(page);
    let fence = format!("\n```{language}\n");
    let parts = text.split(&fence).skip(1);
    parts.map(|rest| rest.split_once("\n```").expect("a block ends").0.to_owned() + "\n").collect()
}

fn all(language: &str) -> Vec<(&'static str, String)> {
    let of = |page| blocks(page, language).into_iter().map(move |block| (page, block));
    PAGES.iter().copied().flat_map(of).collect()
}

/// Lets a shell split the line into words, and hairpin understand them.
fn takes(page: &str, line: &str) {
    let split = r#"SECRET=0123456789abcdef; hairpin() { printf '%s\0' hairpin "$@"; }; "#;
    let words = bash(&["-c", &format!("{split}{line}")]);
    assert!(words.status.success(), "{page}: {line}");
    let text = String::from_utf8(words.stdout).expect("words are text");
    let arguments = text.split_terminator('\0').map(OsString::from);
    match hairpin_config::Command::parse(arguments) {
        Err(exit) => assert_eq!(exit.code, 0, "{page}: {line}: {}", exit.text),
        Ok(
            hairpin_config::Command::Run(layers)
            | hairpin_config::Command::ConfigCheck(layers)
            | hairpin_config::Command::Healthcheck(layers),
        ) => {
            layers.resolve().unwrap_or_else(|errors| panic!("{page}: {line}: {errors}"));
        }
    }
}

fn bash(arguments: &[&str]) -> std::process::Output {
    Command::new("bash").args(arguments).output().expect("bash is there")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}
