//! JSON Schemas of both directions, a definition a message.

use std::borrow::Cow;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use super::super::encode::ServerMessage;
use super::check::{UNNUMBERED, valid};
use super::checked_in;
use super::shapes::Said;
use crate::{ErrorCode, MessageKind, SessionId};

pub(super) static CLIENT: LazyLock<Value> = LazyLock::new(|| {
    let schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Said>();
    document("What a client sends to hairpin.", schema)
});

pub(super) static SERVER: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<Told<'static>>();
    document("What a client is sent by hairpin.", schema)
});

/// A message with its number.
#[derive(JsonSchema)]
#[expect(dead_code, reason = "it is for its schema")]
struct Told<'a> {
    /// Its number, for a client that has said `hello`: 1, 2, 3 and so on.
    seq: Option<u64>,
    #[serde(flatten)]
    message: ServerMessage<'a>,
}

impl JsonSchema for SessionId {
    fn schema_name() -> Cow<'static, str> {
        "SessionId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A session of two.", "type": "string", "pattern": "^[0-9a-f]{32}$" })
    }
}

/// Gives each message a definition of its own, by its type.
fn document(title: &str, schema: Schema) -> Value {
    let mut schema = schema.to_value();
    never_null(&mut schema);
    let beside = schema["properties"].take();
    let mut definitions = schema["$defs"].take();
    let mut names = Vec::new();
    for message in schema["oneOf"].as_array().expect("messages differ by their type") {
        let name = message["properties"]["type"]["const"].as_str().expect("a type").to_owned();
        definitions[&name] = with(message, &name, &beside);
        names.push(json!({ "$ref": format!("#/$defs/{name}") }));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": title,
        "oneOf": names,
        "$defs": definitions,
    })
}

/// A message and what may stand beside it. Where everything in it may be absent, so may the whole.
fn with(message: &Value, name: &str, beside: &Value) -> Value {
    let mut message = message.clone();
    // It would be that of fields which several messages have.
    if let Some(data) = message["properties"].get_mut("data").and_then(Value::as_object_mut) {
        data.remove("description");
    }
    let optional =
        message["properties"]["data"].get("required").is_none_or(|all| *all == json!([]));
    if optional {
        let required = message["required"].as_array_mut().expect("the type at least");
        required.retain(|field| field != "data");
    }
    for (field, schema) in beside.as_object().expect("an object's properties") {
        if field != "seq" || !UNNUMBERED.contains(&name) {
            message["properties"][field] = schema.clone();
        }
    }
    message
}

/// What may be absent is absent, and not null, in what is documented.
fn never_null(schema: &mut Value) {
    match schema {
        Value::Array(all) => all.iter_mut().for_each(never_null),
        Value::Object(fields) => {
            if let Some(kind) = fields.get_mut("type")
                && let Some(kinds) = kind.as_array_mut()
            {
                kinds.retain(|kind| kind != "null");
                if let [one] = &kinds[..] {
                    *kind = one.clone();
                }
            }
            if let Some(Value::Array(mut any)) = fields.remove("anyOf") {
                any.retain(|schema| *schema != json!({ "type": "null" }));
                match <[Value; 1]>::try_from(any) {
                    Ok([Value::Object(one)]) => fields.extend(one),
                    Ok(one) => drop(fields.insert("anyOf".into(), one.to_vec().into())),
                    Err(any) => drop(fields.insert("anyOf".into(), any.into())),
                }
            }
            fields.values_mut().for_each(never_null);
        }
        _ => {}
    }
}

/// A definition of a message, by its type.
pub(super) fn of<'a>(direction: &'a Value, kind: &str) -> &'a Map<String, Value> {
    let definition = direction["$defs"][kind].as_object();
    definition.unwrap_or_else(|| panic!("{kind} is no message"))
}

/// Types of all messages of a direction.
pub(super) fn kinds(direction: &Value) -> Vec<&str> {
    let all = direction["oneOf"].as_array().expect("a list").iter();
    all.map(|to| to["$ref"].as_str().expect("a reference").trim_start_matches("#/$defs/")).collect()
}

fn text(schema: &Value) -> String {
    serde_json::to_string_pretty(schema).expect("it is JSON") + "\n"
}

#[test]
fn the_schemas_are_those_of_the_code() {
    checked_in::hold("client.schema.json", &text(&CLIENT));
    checked_in::hold("server.schema.json", &text(&SERVER));
}

#[test]
fn every_message_and_every_word_of_the_server_is_in_its_schema() {
    let known = kinds(&SERVER);
    assert_eq!(known.len(), MessageKind::ALL.len());
    assert!(MessageKind::ALL.iter().all(|kind| known.contains(&kind.as_str())), "{known:?}");
    let codes = SERVER["$defs"]["ErrorCode"].to_string();
    for code in ErrorCode::ALL {
        assert!(codes.contains(&format!("\"{}\"", code.as_str())), "{code:?}");
    }
    assert_eq!(codes.matches("\"const\"").count(), ErrorCode::ALL.len());
}

#[test]
fn every_type_that_the_reader_knows_is_in_the_schema() {
    let refusal = super::super::decode(r#"{"type":"dance"}"#).expect("an envelope").message;
    let message = refusal.expect_err("no such type").message;
    let named = message.trim_start_matches("type must be ").replace(" or ", ", ");
    let mut named: Vec<_> = named.split(", ").map(str::trim).collect();
    let mut known = kinds(&CLIENT);
    named.sort_unstable();
    known.sort_unstable();
    assert_eq!(named, known);
}

#[test]
fn what_a_schema_forbids_is_found() {
    let said = |message: Value| valid(&message, &CLIENT);
    assert_eq!(said(json!({ "type": "hello", "data": { "userId": "ann", "mood": 7 } })), Ok(()));
    assert_eq!(said(json!({ "type": "hello" })), Ok(()));
    for wrong in [
        json!({}),
        json!({ "type": "dance" }),
        json!({ "type": "hello", "data": 7 }),
        json!({ "type": "hello", "data": { "userId": "" } }),
        json!({ "type": "hello", "data": { "userId": null } }),
        json!({ "type": "hello", "data": { "userId": "x".repeat(129) } }),
        json!({ "type": "hello", "data": { "userId": "ä".repeat(65) } }),
        json!({ "type": "hello", "data": { "resume": { "epoch": "e" } } }),
        json!({ "type": "hello", "id": -1 }),
        json!({ "type": "signal", "data": {} }),
        json!({ "type": "path", "data": { "relayed": 1 } }),
        json!({ "type": "join_queue", "data": { "buddies": vec!["x"; 201] } }),
        json!({ "type": "join_queue", "data": { "buddies": ["x", 7] } }),
        json!({ "type": "join_queue", "data": { "attributes": { "a": true } } }),
        json!({ "type": "join_queue", "data": { "seeks": { "a": [] } } }),
        json!({ "type": "join_queue", "data": { "seeks": { "a": { "within": -1 } } } }),
    ] {
        assert!(said(wrong.clone()).is_err(), "{wrong}");
    }
    let session = "0123456789abcdef".repeat(2);
    let left = |session: &str, reason: &str| json!({ "type": "partner_left", "payload": { "sessionId": session, "reason": reason } });
    assert_eq!(valid(&left(&session, "ended"), &SERVER), Ok(()));
    assert!(valid(&left(&session[1..], "ended"), &SERVER).is_err());
    assert!(valid(&left(&session, "shutdown"), &SERVER).is_err(), "they hear of it otherwise");
}
