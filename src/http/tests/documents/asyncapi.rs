//! `docs/protocol/asyncapi.yaml`: what is said on the WebSocket.

use hairpin_signaling::CloseCode;
use serde_json::{Map, Value, json};

use super::checked_in;
use super::yaml::yaml;

/// A direction: its schemas, its golden messages, and what it is called.
struct Direction {
    name: &'static str,
    schema: Value,
    golden: Map<String, Value>,
}

impl Direction {
    fn read(name: &'static str) -> Self {
        let json = |file: String| -> Value {
            serde_json::from_str(&checked_in::read(&file)).expect("it is JSON")
        };
        let schema = json(format!("{name}.schema.json"));
        let golden = json(format!("golden/{name}.json"));
        Self { name, schema, golden: golden.as_object().expect("messages by name").clone() }
    }

    fn kinds(&self) -> Vec<&str> {
        let all = self.schema["oneOf"].as_array().expect("messages").iter();
        all.filter_map(|to| to["$ref"].as_str()?.strip_prefix("#/$defs/")).collect()
    }

    /// Messages of both directions may have one name.
    fn key(&self, kind: &str) -> String {
        format!("{}.{kind}", self.name)
    }

    fn message(&self, kind: &str) -> Value {
        let examples: Vec<Value> = self
            .golden
            .iter()
            .filter(|(_, message)| message["type"] == kind)
            .map(|(name, message)| {
                let name = name.split_once(": ").expect("type and name").1;
                json!({ "name": name, "payload": message })
            })
            .collect();
        json!({
            "name": kind,
            "summary": self.schema["$defs"][kind]["description"],
            "payload": { "$ref": format!("{}.schema.json#/$defs/{kind}", self.name) },
            "examples": examples,
        })
    }

    fn operation(&self, action: &str, summary: &str) -> Value {
        let messages: Vec<Value> = self
            .kinds()
            .iter()
            .map(|kind| json!({ "$ref": format!("#/channels/ws/messages/{}", self.key(kind)) }))
            .collect();
        json!({
            "action": action,
            "summary": summary,
            "channel": { "$ref": "#/channels/ws" },
            "messages": messages,
        })
    }
}

fn document() -> Value {
    let (client, server) = (Direction::read("client"), Direction::read("server"));
    let (mut messages, mut of_channel) = (Map::new(), Map::new());
    for direction in [&client, &server] {
        for kind in direction.kinds() {
            let key = direction.key(kind);
            let to = json!({ "$ref": format!("#/components/messages/{key}") });
            of_channel.insert(key.clone(), to);
            messages.insert(key, direction.message(kind));
        }
    }
    let closes: Vec<Value> = CloseCode::ALL
        .iter()
        .map(|code| json!({ "code": code.code(), "reason": code.reason(), "reconnect": code.reconnect() }))
        .collect();
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "hairpin: signaling",
            "version": super::version(),
            "description": "How a page finds a partner and exchanges offers, answers and candidates with it. In words: docs/protocol.md.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "hairpin": {
                "host": "call.example",
                "protocol": "wss",
                "description": "Every TCP port that serves HTTP; without TLS, ws.",
            },
        },
        "channels": {
            "ws": {
                "address": "/ws",
                "description": "Text messages. A handshake at /v1/ws or / is answered as well.",
                "messages": of_channel,
                "bindings": { "ws": {
                    "method": "GET",
                    "headers": {
                        "type": "object",
                        "properties": {
                            "Sec-WebSocket-Protocol": {
                                "type": "string",
                                "description": "Where the server asks for tokens, one may come here: the server answers hairpin.",
                                "examples": ["hairpin, hairpin.token.<JWT>"],
                            },
                        },
                    },
                    "bindingVersion": "0.1.0",
                } },
                "x-close-codes": closes,
            },
        },
        "operations": {
            "hear": client.operation("receive", "What clients say."),
            "tell": server.operation("send", "What clients are told."),
        },
        "components": { "messages": messages },
    })
}

#[test]
fn asyncapi_is_that_of_the_code() {
    checked_in::hold("asyncapi.yaml", &yaml(&document()));
}
