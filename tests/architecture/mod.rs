//! ARCHITECTURE.md, held to what the code is.
//!
//! The page draws the crate graph in a fenced block marked `graph`: a line for each crate with
//! the crates it uses, all without their `hairpin-` prefix (`hairpin` itself is the root crate):
//!
//! ```text
//! stun ->
//! turn -> stun
//! ```
//!
//! A second block, marked `rooms`, draws the modules of `src/` in the same way.

mod rooms;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The crates without sockets, clock, environment, entropy and tasks.
const CORES: [&str; 6] = ["stun", "turn", "matcher", "signaling", "lobby", "config"];

/// Of these, the ones that prove it by `#![no_std]`.
const NO_STD: [&str; 3] = ["stun", "turn", "matcher"];

/// What no core may reach, at any depth: runtimes, sockets, entropy, metrics.
const IMPURE: [&str; 12] = [
    "async-std",
    "getrandom",
    "libc",
    "metrics",
    "mio",
    "prometheus",
    "prometheus-client",
    "rand",
    "rustix",
    "smol",
    "socket2",
    "tokio",
];

/// The longest source file, in lines.
const LONGEST: usize = 400;

type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn crates_use_only_whom_the_graph_says() {
    assert_eq!(graph_of_workspace(&metadata()), graph_of_page(&page()));
}

#[test]
fn cores_reach_nothing_impure() {
    let metadata = metadata();
    let uses = all_uses(&metadata);
    let name_of: BTreeMap<_, _> = list(&metadata["packages"])
        .map(|package| (text(&package["id"]), text(&package["name"])))
        .collect();
    for core in CORES {
        let package = name_of.iter().find(|(_, name)| **name == format!("hairpin-{core}"));
        let reached = reach(&uses, package.expect("it is in the workspace").0);
        let reached: BTreeSet<&str> = reached.iter().map(|id| name_of[id.as_str()]).collect();
        let impure: Vec<_> = IMPURE.into_iter().filter(|name| reached.contains(*name)).collect();
        assert!(impure.is_empty(), "{core}/ reaches {impure:?}");
    }
}

#[test]
fn cores_declare_what_they_forbid() {
    for core in CORES {
        let lib =
            fs::read_to_string(root().join(core).join("src/lib.rs")).expect("every core has one");
        assert!(lib.contains("#![forbid(unsafe_code)]"), "{core}/src/lib.rs allows unsafe code");
        assert!(!NO_STD.contains(&core) || lib.contains("#![no_std]"), "{core}/ is not no_std");
    }
}

/// What crates.io asks for, and what a crate is found by there. A README's snippets are tried by rustdoc.
#[test]
fn what_is_published_says_what_it_is() {
    let metadata = metadata();
    let published = list(&metadata["packages"])
        .filter(|package| package["source"].is_null() && package["publish"].is_null());
    let mut names = BTreeSet::new();
    for package in published {
        let name = text(&package["name"]);
        for field in ["description", "license", "readme", "rust_version"] {
            assert!(package[field].is_string(), "{name} has no {field}");
        }
        for field in ["keywords", "categories"] {
            assert!((1..=5).contains(&list(&package[field]).count()), "{name}'s {field}");
        }
        let folder = Path::new(text(&package["manifest_path"])).parent().expect("it is in one");
        let lib = fs::read_to_string(folder.join("src/lib.rs")).expect("each is a library");
        let tried = r#"cfg_attr(doctest, doc = include_str!("../README.md"))"#;
        assert!(name == "hairpin" || lib.contains(tried), "{name}'s README is not tried");
        names.insert(name.trim_start_matches("hairpin-"));
    }
    assert_eq!(names, CORES.into_iter().chain(["hairpin"]).collect());
}

#[test]
fn every_path_on_the_page_exists() {
    let page = page();
    let missing: Vec<_> = paths(&page).filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}

#[test]
fn no_source_file_is_long() {
    let mut long = Vec::new();
    for file in sources(root()) {
        let text = fs::read_to_string(&file).expect("sources are UTF-8");
        if text.lines().count() > LONGEST {
            long.push(file);
        }
    }
    assert!(long.is_empty(), "over {LONGEST} lines: {long:#?}");
}

/// SECURITY.md is a list of promises, each with the test that holds it.
#[test]
fn every_promise_names_a_test_that_exists() {
    let page = fs::read_to_string(root().join("SECURITY.md")).expect("the page exists");
    let is_test = |span: &&str| {
        span.matches('_').count() > 2
            && span.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let named: BTreeSet<_> = page.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(named.len() > 20, "promises without tests: {named:?}");
    let code: Vec<String> =
        sources(root()).iter().filter_map(|f| fs::read_to_string(f).ok()).collect();
    let is_there = |test: &&&str| code.iter().any(|text| text.contains(&format!("fn {test}(")));
    let missing: Vec<_> = named.iter().filter(|test| !is_there(test)).collect();
    assert!(missing.is_empty(), "SECURITY.md names tests that are not there: {missing:?}");
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).expect("the page exists")
}

/// What `cargo metadata` says of the workspace and everything below it.
fn metadata() -> Value {
    let output = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--format-version", "1", "--locked"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .expect("cargo runs these tests, so it is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

/// The lines of the page's `graph` block.
fn graph_of_page(page: &str) -> Graph {
    graph_in_block(page, "graph")
}

/// The lines of the page's block with this mark.
fn graph_in_block(page: &str, mark: &str) -> Graph {
    let block = page.split(&format!("```{mark}\n")).nth(1).expect("the page has such a block");
    let block = block.split("```").next().expect("split gives at least one part");
    let lines = block.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let (krate, uses) = line.split_once("->").expect("a line of the graph has an arrow");
            (krate.trim().to_owned(), uses.split_whitespace().map(str::to_owned).collect())
        })
        .collect()
}

/// Who uses whom among the workspace's crates; dependencies of tests do not count.
fn graph_of_workspace(metadata: &Value) -> Graph {
    let short = |name: &str| name.trim_start_matches("hairpin-").to_owned();
    let members: BTreeSet<_> = list(&metadata["packages"])
        .filter(|package| package["source"].is_null())
        .map(|package| text(&package["name"]))
        .collect();
    let mut graph = Graph::new();
    for package in list(&metadata["packages"]).filter(|p| members.contains(text(&p["name"]))) {
        let uses = list(&package["dependencies"])
            .filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| text(&dependency["name"]))
            .filter(|name| members.contains(name));
        graph.insert(short(text(&package["name"])), uses.map(short).collect());
    }
    graph
}

/// Who uses whom among all packages, by name; dependencies of tests and build scripts do not count.
fn all_uses(metadata: &Value) -> Graph {
    let mut uses = Graph::new();
    for node in list(&metadata["resolve"]["nodes"]) {
        let normal = list(&node["deps"])
            .filter(|dependency| list(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null()));
        let normal = normal.map(|dependency| text(&dependency["pkg"]).to_owned());
        uses.insert(text(&node["id"]).to_owned(), normal.collect());
    }
    uses
}

fn reach(uses: &Graph, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        open.extend(uses[&name].iter().filter(|next| !reached.contains(*next)).cloned());
        reached.insert(name);
    }
    reached
}

/// The code spans of the page, outside fenced blocks, that can only be paths of the repository.
fn paths(page: &str) -> impl Iterator<Item = &str> {
    let prose = page.split("```").step_by(2);
    let spans = prose.flat_map(|part| part.split('`').skip(1).step_by(2));
    spans.filter(|span| {
        let path_like = span.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
        // `/metrics` is a URL's, `127.0.0.0/8` a network.
        let relative = span.starts_with(|c: char| c.is_ascii_alphabetic() || c == '.');
        let names_file = [".rs", ".md", ".toml"].iter().any(|end| span.ends_with(end));
        path_like && relative && (span.contains('/') || names_file)
    })
}

/// Every Rust and JavaScript file below `directory`, build products left out.
pub(crate) fn sources(directory: &Path) -> Vec<PathBuf> {
    const SKIPPED: [&str; 4] = [".git", "target", "node_modules", "corpus"];
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("the working tree is readable") {
        let path = entry.expect("the working tree is readable").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !SKIPPED.contains(&name) {
            found.extend(sources(&path));
        } else if name.ends_with(".rs") || name.ends_with(".js") {
            found.push(path);
        }
    }
    found
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().expect("cargo metadata gives a list here").iter()
}

fn text(value: &Value) -> &str {
    value.as_str().expect("cargo metadata gives a string here")
}
