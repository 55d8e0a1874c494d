//! `docs/protocol/openapi.yaml`: what may be asked by HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use hairpin_config::AllowedOrigins;
use serde_json::{Map, Value, json};

use super::checked_in;
use super::schemas::schemas;
use super::yaml::yaml;
use crate::http::access::Access;
use crate::http::operations::{Content, Operation};
use crate::http::{Refusal, admin, routes};

/// What any path may say, or what is said where there is none.
const ANYWHERE: [Refusal; 3] = [Refusal::NotFound, Refusal::Method("GET"), Refusal::LongBody];

/// Who asks what, and below which path: users of the ports for the public, anybody of the admin listener, and apps'
/// backends there.
pub(super) fn operations() -> [(Tag, &'static str, Vec<Operation>); 3] {
    let access = Access::new(AllowedOrigins::Any, None);
    [
        (Tag::Public, "", routes::api(&access).operations().to_vec()),
        (Tag::Health, "", admin::health().operations().to_vec()),
        (Tag::Admin, "/v1", admin::backend().operations().to_vec()),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    Public,
    Health,
    Admin,
}

impl Tag {
    fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Health => "health",
            Self::Admin => "admin",
        }
    }

    /// Any of these, or none where there is an empty one.
    fn security(self) -> Value {
        match self {
            Self::Public => json!([{}, { "userToken": [] }]),
            Self::Health => json!([]),
            Self::Admin => json!([{ "adminToken": [] }]),
        }
    }
}

/// All that is said anywhere.
pub(super) fn said() -> Vec<Refusal> {
    let all = operations().into_iter().flat_map(|(_, _, operations)| operations);
    all.flat_map(|operation| operation.refusals).chain(&ANYWHERE).copied().collect()
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
        Refusal::NO_TOKEN,
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
            | Refusal::Token { .. }
            | Refusal::TooOften { .. }
            | Refusal::Full
            | Refusal::TooMany
            | Refusal::Stopping => {}
        }
    }
    all
}

pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for (tag, below, operations) in operations() {
        for operation in operations {
            let path = format!("{below}{}", operation.path);
            let path = paths.entry(path).or_insert_with(|| match tag {
                Tag::Public => json!({}),
                Tag::Health | Tag::Admin => json!({ "servers": [{
                    "url": "http://127.0.0.1:9478",
                    "description": "The listener for whoever runs the server: --admin-listen.",
                }] }),
            });
            path[operation.method] = described(tag, below, &operation);
        }
    }
    let anywhere: Vec<String> = ANYWHERE
        .iter()
        .map(|refusal| format!("{} {}", refusal.status().as_u16(), refusal.code()))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "hairpin: HTTP",
            "version": super::version(),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            "description": format!(
                "Beside the demo page. What is said on the WebSocket is in asyncapi.yaml. Errors are JSON, wherever they come from; besides those that are listed: {}.",
                anywhere.join(", ")
            ),
        },
        "servers": [{ "url": "https://call.example", "description": "Every TCP port that serves HTTP." }],
        "tags": [
            { "name": "public", "description": "For pages and programs of users." },
            { "name": "health", "description": "For whoever looks after the server: no token is asked for." },
            { "name": "admin", "description": "For an app's backend, with --admin-token: docs/admin.md." },
        ],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "userToken": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "Where the server asks who somebody is." },
                "adminToken": { "type": "http", "scheme": "bearer", "description": "One that --admin-token names." },
            },
        },
    })
}

/// An answer's words, content and headers, by its status.
type Responses = BTreeMap<u16, Value>;

fn described(tag: Tag, below: &str, operation: &Operation) -> Value {
    let mut responses = Responses::new();
    for answer in operation.answers {
        let mut response = json!({ "description": answer.meaning });
        match answer.content {
            Content::Nothing => {}
            Content::Text(media_type) => {
                response["content"] = json!({ media_type: { "schema": { "type": "string" } } });
            }
            Content::Json(schema) => response["content"] = json_content(schema),
        }
        responses.insert(answer.status, response);
    }
    for refusal in operation.refusals {
        let words = format!("`{}`: {}", refusal.code(), refusal.message());
        let response = refused(&mut responses, refusal.status().as_u16(), &words, "Error");
        for (name, _) in refusal.headers() {
            response["headers"][name.as_str()] = json!({ "schema": { "type": "string" } });
        }
    }
    let any = if tag == Tag::Admin { admin::ANY } else { &[] };
    for (status, code) in operation.problems.iter().chain(any) {
        refused(&mut responses, *status, &format!("`{code}`"), "Problem");
    }
    let responses: BTreeMap<String, Value> =
        responses.into_iter().map(|(status, response)| (status.to_string(), response)).collect();
    let mut described = json!({
        "operationId": name(below, operation),
        "tags": [tag.name()],
        "security": tag.security(),
        "summary": operation.summary,
        "responses": responses,
    });
    if let Some(schema) = operation.takes {
        described["requestBody"] = json!({ "required": true, "content": json_content(schema) });
    }
    let string = json!({ "type": "string" });
    let in_path =
        operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": string }));
    let in_query = operation.query.iter().map(
        |(name, meaning)| json!({ "name": name, "in": "query", "description": meaning, "schema": string }),
    );
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    described
}

fn refused<'a>(
    responses: &'a mut Responses,
    status: u16,
    words: &str,
    schema: &str,
) -> &'a mut Value {
    let response = responses
        .entry(status)
        .or_insert_with(|| json!({ "description": "", "content": json_content(schema) }));
    let before = response["description"].as_str().expect("it has one");
    let between = if before.is_empty() { "" } else { "; " };
    response["description"] = format!("{before}{between}{words}").into();
    response
}

/// `get_v1_users_user`.
fn name(below: &str, operation: &Operation) -> String {
    let path =
        format!("{below}{}", operation.path).replace(['{', '}'], "").replace(['/', '-'], "_");
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
    let said = said();
    for refusal in every_refusal() {
        let same =
            |said: &Refusal| std::mem::discriminant(said) == std::mem::discriminant(&refusal);
        assert!(said.iter().any(same), "{refusal:?}");
    }
}
