//! What the JSON in requests and answers of HTTP is like.

use serde_json::{Map, Value, json};

use super::openapi::said;

pub(super) fn schemas() -> Value {
    let mut codes: Vec<_> = said().iter().map(|refusal| refusal.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    let id = json!({ "type": "string" });
    let time = json!({ "type": "string", "format": "date-time" });
    let count = json!({ "type": "integer", "minimum": 0 });
    let users = json!({ "type": "array", "items": id });
    let session = fields(&[
        ("sessionId", json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })),
        ("users", json!({ "type": "array", "items": id, "minItems": 2, "maxItems": 2 })),
        ("startedAt", time.clone()),
        ("durationMs", count.clone()),
        ("reported", json!({ "type": "boolean" })),
    ]);
    let states = ["absent", "idle", "waiting", "in_room", "in_session"];
    let profile = |field: &str| json!({ "$ref": format!("client.schema.json#/$defs/join_queue/properties/data/properties/{field}") });
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
            ("identity", json!({ "type": "string", "enum": ["open", "token"], "description": "`open`: anybody may say any userId." })),
            ("rooms", json!({ "type": "boolean" })),
        ]),
        "Problem": fields(&[("code", id.clone()), ("message", json!({ "type": "string", "description": "For people; may change." }))]),
        "Sessions": fields(&[
            ("sessions", json!({ "type": "array", "items": { "$ref": "#/components/schemas/Session" } })),
            ("next", json!({ "type": ["string", "null"], "description": "For `after`; null at the end." })),
            ("total", count.clone()),
        ]),
        "Session": session,
        "User": fields(&[
            ("userId", id.clone()),
            ("connected", json!({ "type": "boolean" })),
            ("state", json!({ "type": "string", "enum": states })),
            ("sessionId", json!({ "type": ["string", "null"] })),
            ("waitingMs", json!({ "type": ["integer", "null"], "minimum": 0 })),
            ("barredUntil", json!({ "type": ["string", "null"], "format": "date-time" })),
            ("reporters", count),
        ]),
        "Bar": fields(&[("userId", id.clone()), ("until", time.clone())]),
        "SetBar": { "oneOf": [
            fields(&[("seconds", json!({ "type": "integer", "minimum": 1 }))]),
            fields(&[("until", time)]),
        ] },
        "Blocks": fields(&[("userId", id), ("blocks", users.clone())]),
        "SetBlocks": fields(&[("blocks", users)]),
        "Profile": {
            "type": "object",
            "properties": {
                "buddies": profile("buddies"), "blocked": profile("blocked"),
                "attributes": profile("attributes"), "seeks": profile("seeks"),
            },
        },
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
