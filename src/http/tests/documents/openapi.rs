//! `docs/protocol/openapi.yaml`: what may be asked by HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use hairpin_config::AllowedOrigins;
use serde_json::{Map, Value, json};

use super::super::Site;
use super::yaml::yaml;
use super::{check, checked_in};
use crate::http::access::Access;
use crate::http::operations::{Content, Operation};
use crate::http::{Refusal, admin, routes};

/// What any path may say, or what is said where there is none.
const ANYWHERE: [Refusal; 3] = [Refusal::NotFound, Refusal::Method("GET"), Refusal::LongBody];

/// What is asked of the ports for the public, and of the listener for the operator.
fn operations() -> [(&'static str, Vec<Operation>); 2] {
    let access = Access::new(AllowedOrigins::Any, None);
    [
        ("public", routes::api(&access).operations().to_vec()),
        ("admin", admin::api().operations().to_vec()),
    ]
}

/// What the JSON in requests and answers is like.
fn schemas() -> Value {
    let mut codes: Vec<_> = every_refusal().iter().map(|refusal| refusal.code()).collect();
    codes.sort_unstable();
    codes.dedup();
    json!({
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

/// One of each; a new one belongs here.
fn every_refusal() -> Vec<Refusal> {
    let all = vec![
        Refusal::BadHost,
        Refusal::BadHandshake("what is wrong with it"),
        Refusal::Origin,
        Refusal::NotFound,
        Refusal::Method("GET"),
        Refusal::UpgradeRequired,
        Refusal::LongBody,
        Refusal::TooOften { retry_after: Duration::from_secs(1) },
        Refusal::Full,
        Refusal::TooMany,
        Refusal::Stopping,
    ];
    for refusal in &all {
        match refusal {
            Refusal::BadHost
            | Refusal::BadHandshake(_)
            | Refusal::Origin
            | Refusal::NotFound
            | Refusal::Method(_)
            | Refusal::UpgradeRequired
            | Refusal::LongBody
            | Refusal::TooOften { .. }
            | Refusal::Full
            | Refusal::TooMany
            | Refusal::Stopping => {}
        }
    }
    all
}

fn document() -> Value {
    let mut paths = Map::new();
    for (tag, operations) in operations() {
        for operation in operations {
            let path = paths.entry(operation.path).or_insert_with(|| match tag {
                "admin" => json!({ "servers": [{
                    "url": "http://127.0.0.1:9478",
                    "description": "The listener for whoever runs the server: --admin-listen.",
                }] }),
                _ => json!({}),
            });
            path[operation.method] = described(tag, &operation);
        }
    }
    let anywhere: Vec<String> = ANYWHERE
        .iter()
        .map(|refusal| {
            format!("{} {}: {}", refusal.status().as_u16(), refusal.code(), refusal.message())
        })
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "hairpin: HTTP",
            "version": super::version(),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "description": format!(
                "Beside the demo page. What is said on the WebSocket is in asyncapi.yaml. Errors are JSON, wherever they come from; besides those that are listed: {}.",
                anywhere.join("; ")
            ),
        },
        "servers": [{ "url": "https://call.example", "description": "Every TCP port that serves HTTP." }],
        "tags": [
            { "name": "public", "description": "For pages and programs of users." },
            { "name": "admin", "description": "For whoever runs the server." },
        ],
        "paths": paths,
        "components": { "schemas": schemas() },
    })
}

fn described(tag: &str, operation: &Operation) -> Value {
    let mut responses = BTreeMap::new();
    for answer in operation.answers {
        let mut response = json!({ "description": answer.meaning });
        match answer.content {
            Content::Nothing => {}
            Content::Text(media_type) => {
                response["content"] = json!({ media_type: { "schema": { "type": "string" } } });
            }
            Content::Json(schema) => response["content"] = json_content(schema),
        }
        responses.insert(answer.status.to_string(), response);
    }
    let mut statuses: BTreeMap<u16, Vec<&Refusal>> = BTreeMap::new();
    for refusal in operation.refusals {
        statuses.entry(refusal.status().as_u16()).or_default().push(refusal);
    }
    for (status, refusals) in statuses {
        let words: Vec<_> = refusals
            .iter()
            .map(|refusal| format!("`{}`: {}", refusal.code(), refusal.message()))
            .collect();
        let names = refusals.iter().flat_map(|refusal| refusal.headers());
        let headers: Map<String, Value> = names
            .map(|(name, _)| (name.to_string(), json!({ "schema": { "type": "string" } })))
            .collect();
        let mut response =
            json!({ "description": words.join("; "), "content": json_content("Error") });
        if !headers.is_empty() {
            response["headers"] = headers.into();
        }
        responses.insert(status.to_string(), response);
    }
    let mut described = json!({
        "operationId": name(operation),
        "tags": [tag],
        "summary": operation.summary,
        "responses": responses,
    });
    if let Some(schema) = operation.takes {
        described["requestBody"] = json!({ "required": true, "content": json_content(schema) });
    }
    let parameters: Vec<Value> = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    described
}

/// `get_v1_users_user`.
fn name(operation: &Operation) -> String {
    let path = operation.path.replace(['{', '}'], "").replace(['/', '-'], "_");
    format!("{}{path}", operation.method)
}

fn json_content(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

#[test]
fn openapi_is_that_of_the_code() {
    checked_in::hold("openapi.yaml", &yaml(&document()));
}

#[test]
fn every_refusal_is_said_where_it_comes() {
    let operations = operations();
    let said: Vec<Refusal> = operations
        .iter()
        .flat_map(|(_, operations)| operations.iter().flat_map(|operation| operation.refusals))
        .chain(&ANYWHERE)
        .copied()
        .collect();
    for refusal in every_refusal() {
        let same =
            |said: &Refusal| std::mem::discriminant(said) == std::mem::discriminant(&refusal);
        assert!(said.iter().any(same), "{refusal:?}");
    }
}

/// By the documents' own schemas, references to files included.
fn as_documented(name: &str, value: &Value) -> Result<(), String> {
    let mut root = json!({ "components": { "schemas": schemas() } });
    let server: Value =
        serde_json::from_str(&checked_in::read("server.schema.json")).expect("it is JSON");
    root["$defs"] = server["$defs"].clone();
    let text = root.to_string().replace("server.schema.json#", "#");
    let root: Value = serde_json::from_str(&text).expect("it is JSON");
    check::check(value, &root["components"]["schemas"][name], &root)
}

#[tokio::test]
async fn what_is_answered_is_as_it_is_documented() {
    let site = Site::start(|_| ()).await;
    let document = document();
    for (path, headers, status) in [
        ("/v1/ice", &[][..], 200),
        ("/v1/ice", &["Host: a,b"][..], 400),
        ("/ws", &[], 426),
        ("/ws", &["Upgrade: websocket"], 400),
    ] {
        let answer = site.request(&format!("GET {path}"), headers).await;
        assert_eq!(answer.status(), status, "{path}");
        let response = &document["paths"][path]["get"]["responses"][status.to_string()];
        let schema = response["content"]["application/json"]["schema"]["$ref"].as_str();
        let schema = schema.and_then(|to| to.rsplit('/').next()).expect("it has JSON");
        assert_eq!(as_documented(schema, &answer.json()), Ok(()), "{path}");
        for header in response["headers"].as_object().into_iter().flat_map(Map::keys) {
            assert!(answer.header(header).is_some(), "{path} says {header}");
        }
    }
}
