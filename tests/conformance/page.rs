//! docs/conformance.md: each line of `lines.txt` with the tests that hold it, or why we deviate. Made from the sources, and compared
//! with them. Anew: `UPDATE_CONFORMANCE=1 cargo test --test hairpin conformance::page`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use super::deviations::DEVIATIONS;
use crate::architecture::{root, sources};

const PAGE: &str = "docs/conformance.md";
const LINES: &str = "tests/conformance/lines.txt";
/// Numbers of lines that are not yet held. It only ever gets shorter, and when it is empty it goes.
const OPEN: &str = "tests/conformance/open.txt";

const HEAD: &str = "# Conformance

What a TURN and STUN server owes on the wire, line by line, with the tests that hold it. A test is named by the number of its line, so
`cargo test c027_` runs those of line 27. Most of them drive the relay's core in virtual time; those of sockets and streams are there too.
Signed means that a response carries MESSAGE-INTEGRITY, or MESSAGE-INTEGRITY-SHA256 where the request did. A number that is missing is
of a line that was dropped.

This page is made from the sources, and a test compares it with them:
`UPDATE_CONFORMANCE=1 cargo test --test hairpin conformance::page` writes it anew.
";

/// A heading, and the numbered lines below it.
struct Section {
    title: String,
    lines: Vec<(u16, String)>,
}

/// A test's name, and the file it is in, as seen from the root.
type Test = (String, PathBuf);

#[test]
fn every_line_is_held_or_deviated_from() {
    let (tests, lines) = (tests(), numbers(&sections()));
    let deviations = DEVIATIONS.iter().map(|deviation| deviation.line);
    let unknown: Vec<u16> =
        tests.keys().copied().chain(deviations).filter(|line| !lines.contains(line)).collect();
    assert!(
        unknown.is_empty(),
        "tests or deviations of lines that {LINES} does not have: {unknown:?}"
    );

    let missing = missing(&lines, &tests);
    if is_update() {
        let still = open().into_iter().filter(|line| missing.contains(line));
        write(OPEN, &still.map(|line| format!("{line:03}\n")).collect::<String>());
    }
    let open = open();
    let done: Vec<_> = open.difference(&missing).collect();
    assert!(done.is_empty(), "no longer open, to be taken out of {OPEN}: {done:?}");
    let silent: Vec<_> = missing.difference(&open).collect();
    assert!(silent.is_empty(), "lines with neither a test nor a deviation: {silent:?}");
}

#[test]
fn the_page_is_what_the_sources_say() {
    let made = page(&sections(), &tests());
    if is_update() {
        write(PAGE, &made);
    }
    let page = read(PAGE);
    let first = page.lines().zip(made.lines()).find(|(is, should)| is != should);
    assert!(
        page == made,
        "{PAGE}: UPDATE_CONFORMANCE=1 writes it anew; is and should be: {first:?}"
    );
}

#[test]
fn tests_are_found_by_their_names_wherever_a_number_stands() {
    let text = "#[test]\nfn c001_a() {}\nfn c002_no_test() {}\n#[tokio::test(start_paused = true)]\nasync fn c003_c004_b() {}\n    \
                #[test]\n    // why\n    fn what_c005_says(x in any::<u8>()) {}\n#[test]\nfn abc006_c07_c0080_c009() {}\n";
    let found: Vec<(String, Vec<u16>)> =
        names_of_tests(text).map(|name| (name.to_owned(), lines_of(name).collect())).collect();
    let expected = [
        ("c001_a", vec![1]),
        ("c003_c004_b", vec![3, 4]),
        ("what_c005_says", vec![5]),
        ("abc006_c07_c0080_c009", vec![9]),
    ];
    assert_eq!(found, expected.map(|(name, lines)| (name.to_owned(), lines)));
}

fn page(sections: &[Section], tests: &BTreeMap<u16, BTreeSet<Test>>) -> String {
    let mut page = HEAD.to_owned();
    let missing = missing(&numbers(sections), tests);
    if !missing.is_empty() {
        writeln!(page, "\nLines that are still open: {}.", missing.len()).expect("to memory");
    }
    for section in sections {
        write!(page, "\n## {}\n\n| Line | The duty | Held by |\n|---|---|---|\n", section.title)
            .expect("to memory");
        for (number, duty) in &section.lines {
            let held = tests
                .get(number)
                .into_iter()
                .flatten()
                .map(|(name, file)| format!("[`{name}`](../{})", file.display()));
            let deviations = DEVIATIONS.iter().filter(|deviation| deviation.line == *number);
            let mut cell: Vec<String> = deviations
                .map(|deviation| format!("**Deviation:** {}", deviation.because))
                .collect();
            cell.extend(held);
            if missing.contains(number) {
                cell.push("open".to_owned());
            }
            let duty = duty.replace('|', "\\|");
            writeln!(page, "| {number} | {duty} | {} |", cell.join("<br>")).expect("to memory");
        }
    }
    page
}

/// What `lines.txt` says: `== title`, `NNN duty`, and `#` before what is said to its reader.
fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in read(LINES).lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(title) = line.strip_prefix("== ") {
            sections.push(Section { title: title.to_owned(), lines: Vec::new() });
            continue;
        }
        let (number, duty) = line.split_once(' ').expect("a number and a duty");
        let section = sections.last_mut().expect("a title comes first");
        section.lines.push((number.parse().expect("a number"), duty.to_owned()));
    }
    sections
}

fn numbers(sections: &[Section]) -> BTreeSet<u16> {
    let all: Vec<u16> =
        sections.iter().flat_map(|section| &section.lines).map(|line| line.0).collect();
    assert!(all.is_sorted_by(|a, b| a < b), "{LINES} is in order, and each number is there once");
    all.into_iter().collect()
}

/// Lines without a test and without a deviation.
fn missing(lines: &BTreeSet<u16>, tests: &BTreeMap<u16, BTreeSet<Test>>) -> BTreeSet<u16> {
    let deviates = |line: &u16| DEVIATIONS.iter().any(|deviation| deviation.line == *line);
    lines.iter().copied().filter(|line| !tests.contains_key(line) && !deviates(line)).collect()
}

fn open() -> BTreeSet<u16> {
    read(OPEN).lines().map(|line| line.parse().expect("a number")).collect()
}

/// The tests of each line.
fn tests() -> BTreeMap<u16, BTreeSet<Test>> {
    let mut tests: BTreeMap<u16, BTreeSet<Test>> = BTreeMap::new();
    for file in
        sources(root()).into_iter().filter(|file| file.extension().is_some_and(|end| end == "rs"))
    {
        let text = fs::read_to_string(&file).expect("sources are UTF-8");
        let file = file.strip_prefix(root()).expect("it was found there");
        for name in names_of_tests(&text) {
            for line in lines_of(name) {
                tests.entry(line).or_default().insert((name.to_owned(), file.to_owned()));
            }
        }
    }
    tests
}

/// The names of all functions that an attribute makes tests.
fn names_of_tests(text: &str) -> impl Iterator<Item = &str> {
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let line = line.trim_start();
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let signature = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ")?;
        std::mem::take(&mut is_test)
            .then(|| signature.split('(').next().expect("split gives one at least"))
    })
}

/// The lines that a test's name names: `c` and three digits between underscores.
fn lines_of(name: &str) -> impl Iterator<Item = u16> {
    name.split('_').filter_map(|word| {
        let digits = word.strip_prefix('c').filter(|digits| digits.len() == 3)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| digits.parse().expect("three digits"))
    })
}

fn is_update() -> bool {
    env::var_os("UPDATE_CONFORMANCE").is_some_and(|value| value == "1")
}

fn path(name: &str) -> PathBuf {
    Path::new(root()).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn write(name: &str, text: &str) {
    fs::write(path(name), text).unwrap_or_else(|error| panic!("{name}: {error}"));
}
