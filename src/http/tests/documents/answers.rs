//! What is answered is as it is documented.

use serde_json::{Map, Value, json};

use super::super::Site;
use super::openapi::document;
use super::schemas::schemas;
use super::{check, checked_in};

/// By the documents' own schemas, references to files included.
fn as_documented(name: &str, value: &Value) -> Result<(), String> {
    let file =
        |name| -> Value { serde_json::from_str(&checked_in::read(name)).expect("it is JSON") };
    let [client, server] = ["client.schema.json", "server.schema.json"].map(file);
    let mut root = json!({ "components": { "schemas": schemas() }, "$defs": client["$defs"] });
    root["$defs"]["IceServer"] = server["$defs"]["IceServer"].clone();
    let text =
        root.to_string().replace("server.schema.json#", "#").replace("client.schema.json#", "#");
    let root: Value = serde_json::from_str(&text).expect("it is JSON");
    check::check(value, &root["components"]["schemas"][name], &root)
}

/// What the document says that this operation answers with this status, which must be there.
fn response<'a>(document: &'a Value, method: &str, path: &str, status: u16) -> &'a Value {
    let response = &document["paths"][path][method]["responses"][status.to_string()];
    assert!(response.is_object(), "{method} {path} does not say {status}");
    response
}

fn holds(response: &Value, body: &Value) {
    let schema = response["content"]["application/json"]["schema"]["$ref"].as_str();
    let schema = schema.and_then(|to| to.rsplit('/').next()).expect("it has JSON");
    assert_eq!(as_documented(schema, body), Ok(()));
}

#[tokio::test]
async fn the_public_is_answered_as_it_is_documented() {
    let site = Site::start(|_| ()).await;
    let document = document();
    for (path, headers, status) in [
        ("/v1/ice", &[][..], 200),
        ("/v1/ice", &["Host: a,b"][..], 400),
        ("/v1/about", &[], 200),
        ("/ws", &[], 426),
        ("/ws", &["Upgrade: websocket"], 400),
    ] {
        let answer = site.request(&format!("GET {path}"), headers).await;
        assert_eq!(answer.status(), status, "{path}");
        let response = response(&document, "get", path, status);
        holds(response, &answer.json());
        for header in response["headers"].as_object().into_iter().flat_map(Map::keys) {
            assert!(answer.header(header).is_some(), "{path} says {header}");
        }
    }
}
