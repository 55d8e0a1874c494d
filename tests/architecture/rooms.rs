//! The rooms of `src/`: who knows whom, and that arrows go one way.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{Graph, graph_in_block, page, reach, root, sources};

/// The one file that may hold `unsafe`, and its tests beside it.
const UNSAFE: [&str; 2] = ["src/relay/sys.rs", "src/relay/sys/"];

#[test]
fn rooms_know_only_whom_the_page_says() {
    assert_eq!(graph_of_sources(), graph_in_block(&page(), "rooms"));
}

#[test]
fn no_room_knows_itself_through_others() {
    let graph = graph_of_sources();
    let comes_back = |room: &&String| graph[*room].iter().any(|n| reach(&graph, n).contains(*room));
    let circles: Vec<_> = graph.keys().filter(comes_back).collect();
    assert!(circles.is_empty(), "these rooms of src/ lie on a circle: {circles:?}");
}

#[test]
fn unsafe_code_is_in_one_file() {
    let mut found = Vec::new();
    for file in sources(root()) {
        let name = relative(&file);
        // These files name what they look for.
        let exempt = UNSAFE.iter().chain(&["tests/architecture/"]);
        if exempt.into_iter().any(|place| name.starts_with(place)) || !name.ends_with(".rs") {
            continue;
        }
        for (number, line) in read(&file).lines().enumerate() {
            if words(without_comment(line)).any(|word| word == "unsafe") {
                found.push(format!("{name}:{}", number + 1));
            }
        }
    }
    assert!(found.is_empty(), "unsafe outside of {UNSAFE:?}: {found:?}");
}

/// The modules right below `src/lib.rs` and which of them each one names. Tests may know everybody.
fn graph_of_sources() -> Graph {
    let lib = read(&root().join("src/lib.rs"));
    let rooms: BTreeSet<String> = lib
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .map(str::to_owned)
        .collect();
    // `crate::Server` names the room that the root has it from.
    let from_room = |name: String| {
        let line = lib.lines().find(|line| {
            line.strip_prefix("pub use ").is_some_and(|path| words(path).any(|word| word == name))
        });
        line.and_then(|line| identifier(line.strip_prefix("pub use ")?)).unwrap_or(name)
    };
    let mut graph: Graph = rooms.iter().map(|room| (room.clone(), BTreeSet::new())).collect();
    for file in sources(&root().join("src")) {
        let name = relative(&file);
        let inside = name.trim_start_matches("src/");
        let room = inside.split(['/', '.']).next().unwrap_or_default();
        let is_test = inside.contains("/tests/") || inside.ends_with("/tests.rs");
        let Some(known) = graph.get_mut(room).filter(|_| !is_test) else { continue };
        let text = read(&file);
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code: String =
            text.lines().map(|line| without_comment(line).to_owned() + "\n").collect();
        let others = named(&code).map(from_room);
        known.extend(others.filter(|other| other != room && rooms.contains(other)));
    }
    graph
}

/// Every `x` of `crate::x` and of `crate::{x, y::z}`.
fn named(code: &str) -> impl Iterator<Item = String> {
    code.split("crate::").skip(1).flat_map(|rest| match rest.strip_prefix('{') {
        Some(list) => first_words(list),
        None => identifier(rest).into_iter().collect(),
    })
}

/// The first word of each item of a brace's content, up to its end.
fn first_words(list: &str) -> Vec<String> {
    let (mut depth, mut fresh, mut found) = (0, true, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => fresh = true,
            c if fresh && !c.is_whitespace() => {
                found.extend(identifier(&list[at..]));
                fresh = false;
            }
            _ => {}
        }
    }
    found
}

fn identifier(text: &str) -> Option<String> {
    words(text).next().map(str::to_owned)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty())
}

fn without_comment(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn relative(file: &Path) -> String {
    file.strip_prefix(root()).expect("it was found below").to_string_lossy().into_owned()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).expect("sources are UTF-8")
}

#[test]
fn the_reader_of_rooms_sees_both_ways_to_name_one() {
    let code =
        "use crate::net::x;\nuse crate::{clock::Clock, http::{a, b}, ice};\ncrate::metrics::f()";
    let mut found: Vec<_> = named(code).collect();
    found.sort_unstable();
    assert_eq!(found, ["clock", "http", "ice", "metrics", "net"]);
}
