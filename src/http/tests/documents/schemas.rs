//! What the JSON in requests and answers of HTTP is like.

use serde_json::{Map, Value, json};

use super::openapi::every_refusal;

pub(super) fn schemas() -> Value {
    let mut codes: Vec<_> = every_refusal().iter().map(|refusal| refusal.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    let id = json!({ "type": "string" });
    json!({
        "About": fields(&[
            ("pools", json!({ "type": "array", "items": id })),
            ("attributes", json!({ "type": "array", "items": {
                "type": "object",
                "required": ["name", "kind"],
                "properties": {
                    "name": id,
                    "kind": { "type": "string", "enum": ["choice", "tags", "number"] },
                    "values": { "type": "array", "items": id, "description": "Of a choice." },
                },
            } })),
            ("identity", json!({ "type": "string", "description": "`open`: anybody may say any userId." })),
            ("rooms", json!({ "type": "boolean" })),
        ]),
        "Error": {
            "type": "object",
            "required": ["error"],
            "properties": { "error": {
                "type": "object",
                "required": ["code", "message"],
                "properties": {
                    "code": { "type": "string", "enum": codes },
                    "message": { "type": "string", "description": "For people; may change." },
                },
            } },
        },
        "Ice": {
            "type": "object",
            "required": ["iceServers", "ttl"],
            "properties": {
                "iceServers": {
                    "type": "array",
                    "description": "For `new RTCPeerConnection`.",
                    "items": { "$ref": "server.schema.json#/$defs/IceServer" },
                },
                "ttl": { "type": "integer", "minimum": 0, "description": "In seconds." },
            },
        },
    })
}

/// An object with just these.
fn fields(all: &[(&str, Value)]) -> Value {
    let names: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        all.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": names, "properties": properties })
}
