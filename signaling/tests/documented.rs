//! What clients say and hear, by the schemas in `docs/protocol/`.

use std::sync::LazyLock;

use serde_json::Value;

use crate::checked_in;

#[path = "../src/wire/document/check.rs"]
mod check;

pub(crate) use check::UNNUMBERED;

pub(crate) static CLIENT: LazyLock<Value> = LazyLock::new(|| read("client.schema.json"));
pub(crate) static SERVER: LazyLock<Value> = LazyLock::new(|| read("server.schema.json"));

fn read(name: &str) -> Value {
    serde_json::from_str(&checked_in::read(name)).expect("it is JSON")
}

/// Fails if no client says such a thing.
pub(crate) fn by_client(message: &Value) {
    check::valid(message, &CLIENT).unwrap_or_else(|wrong| panic!("{message}: {wrong}"));
}

/// Fails if a client is told what is not documented.
pub(crate) fn by_server(message: &Value) {
    check::valid(message, &SERVER).unwrap_or_else(|wrong| panic!("{message}: {wrong}"));
}

/// Types of all messages of a direction.
pub(crate) fn kinds(direction: &Value) -> impl Iterator<Item = &str> {
    let all = direction["oneOf"].as_array().expect("messages").iter();
    all.map(|to| to["$ref"].as_str().expect("a reference").trim_start_matches("#/$defs/"))
}
