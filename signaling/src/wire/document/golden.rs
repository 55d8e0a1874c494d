//! Golden messages: what clients of any language can be tested with. `client/tests/golden.test.ts` reads the same files.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::super::{Envelope, ServerMessage, decode};
use super::check::{UNNUMBERED, valid};
use super::checked_in;
use super::examples::Parts;
use super::schemas::{self, CLIENT, SERVER};
use super::shapes::Said;

/// The messages of a file with their names.
fn read(name: &str) -> Vec<(String, Value)> {
    let all: Map<String, Value> =
        serde_json::from_str(&checked_in::read(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    all.into_iter().collect()
}

/// An object, a message a line.
fn written(messages: &[(String, String)]) -> String {
    let lines: Vec<_> =
        messages.iter().map(|(name, text)| format!("  {}: {text}", json!(name))).collect();
    format!("{{\n{}\n}}\n", lines.join(",\n"))
}

/// What a message has of what it could have: `false` for all that must be there, `true` for all that may.
fn fields(definition: &Map<String, Value>, root: &Value, all: bool) -> BTreeSet<String> {
    let definition = match definition.get("$ref") {
        Some(to) => root.pointer(&to.as_str().expect("a reference")[1..]).expect("it is there"),
        None => return names(definition, all),
    };
    names(definition.as_object().expect("a schema"), all)
}

fn names(definition: &Map<String, Value>, all: bool) -> BTreeSet<String> {
    let field = if all { "properties" } else { "required" };
    match definition.get(field) {
        Some(Value::Object(fields)) => fields.keys().cloned().collect(),
        Some(Value::Array(names)) => {
            names.iter().map(|n| n.as_str().expect("a name").to_owned()).collect()
        }
        _ => BTreeSet::new(),
    }
}

/// Each type has a message with nothing that may be absent, and one with everything.
fn complete(direction: &Value, content: &str, messages: &[(String, Value)]) {
    for kind in schemas::kinds(direction) {
        let definition = schemas::of(direction, kind);
        let Some(inner) = definition["properties"].get(content).and_then(Value::as_object) else {
            assert!(messages.iter().any(|(_, message)| message["type"] == kind), "{kind} has none");
            continue;
        };
        let had: Vec<BTreeSet<String>> = messages
            .iter()
            .filter(|(_, message)| message["type"] == kind)
            .map(|(_, message)| {
                message[content].as_object().into_iter().flat_map(Map::keys).cloned().collect()
            })
            .collect();
        for all in [false, true] {
            let wanted = fields(inner, direction, all);
            assert!(
                had.contains(&wanted),
                "no golden {kind} has just {wanted:?} in its {content}: {had:?}"
            );
        }
    }
}

#[test]
fn every_message_of_the_server_is_golden_and_valid() {
    let parts = Parts::new();
    let mut messages = Vec::new();
    for (seq, (name, message)) in (1..).zip(parts.messages()) {
        let kind = message.kind();
        // As a client that counts is told it, and where the number says nothing, as others are.
        let counted = !UNNUMBERED.contains(&kind.as_str()) && name == "full";
        let text = if counted { message.numbered(seq) } else { message.encode() };
        let value: Value = serde_json::from_str(&text).expect("it is JSON");
        valid(&value, &SERVER).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
        messages.push((format!("{}: {name}", kind.as_str()), text));
    }
    checked_in::hold("golden/server.json", &written(&messages));
    complete(&SERVER, "payload", &read("golden/server.json"));
}

#[test]
fn every_message_of_a_client_is_golden_valid_and_read_as_it_is_meant() {
    let messages = read("golden/client.json");
    for (name, message) in &messages {
        valid(message, &CLIENT).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let (text, kind) = (message.to_string(), message["type"].as_str().expect("a type"));
        assert!(name.starts_with(&format!("{kind}: ")), "{name} is named after its type");
        let said: Said =
            serde_json::from_str(&with_data(message)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let Envelope { numbers, message } = decode(&text).expect("an envelope");
        assert_eq!(numbers.read(), Ok((said.id, said.ack)), "{name}");
        let read = message.unwrap_or_else(|refusal| panic!("{name}: {}", refusal.message));
        assert_eq!(format!("{read:?}"), said.message.meaning(), "{name}");
    }
    complete(&CLIENT, "data", &messages);
}

/// An absent `data` is an empty one; the derived reader wants to see it.
pub(super) fn with_data(message: &Value) -> String {
    let kind = message["type"].as_str().expect("a type");
    let mut message = message.clone();
    if schemas::of(&CLIENT, kind)["properties"].get("data").is_some() && message["data"].is_null() {
        message["data"] = json!({});
    }
    message.to_string()
}

/// `says` is the text of a message, or a message; what it is answered with is made from the code.
#[test]
fn what_is_wrong_is_answered_as_it_is_written() {
    let mut held = Vec::new();
    for (name, case) in read("golden/wrong.json") {
        let says = &case["says"];
        let text = says.as_str().map_or_else(|| says.to_string(), str::to_owned);
        let refused = match decode(&text) {
            Err(refusal) => refusal,
            Ok(Envelope { numbers, message }) => numbers
                .read()
                .and(message)
                .map(|read| panic!("{name}: nothing is wrong with {read:?}"))
                .expect_err("it is refused"),
        };
        let hears = ServerMessage::from(&refused).encode();
        valid(&serde_json::from_str(&hears).expect("JSON"), &SERVER).expect("an error");
        if !says.is_string() {
            assert!(valid(says, &CLIENT).is_err(), "{name} is valid by the schema");
        }
        held.push((name, format!("{{\"says\":{says},\"hears\":{hears}}}")));
    }
    checked_in::hold("golden/wrong.json", &written(&held));
}
