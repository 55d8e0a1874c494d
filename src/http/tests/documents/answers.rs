//! What is answered is as it is documented.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Extension;
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use http_body_util::BodyExt;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};

use super::super::Site;
use super::openapi::{Tag, document, operations};
use super::schemas::schemas;
use super::{check, checked_in};
use crate::http::admin::{self, Admin, Health, Tokens};
use crate::supervisor::Supervisor;

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
    let open = Site::start(|_| ()).await;
    let secret: Box<[u8]> = b"a secret of more than 32 bytes, for tests".as_slice().into();
    let asks = Site::start(|config| config.identity.secrets = vec![secret]).await;
    let document = document();
    for (site, path, headers, status) in [
        (&open, "/v1/ice", &[][..], 200),
        (&asks, "/v1/ice", &[], 401),
        (&asks, "/v1/ice", &["Authorization: Bearer made.up.token"], 401),
        (&asks, "/v1/ws", &["Authorization: Bearer made.up.token"], 401),
        (&open, "/v1/ice", &["Host: a,b"], 400),
        (&open, "/v1/about", &[], 200),
        (&open, "/ws", &[], 426),
        (&open, "/ws", &["Upgrade: websocket"], 400),
        (&open, "/v1/ws", &[], 426),
        (&open, "/v1/ws", &["Upgrade: websocket"], 400),
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

const TOKEN: &str = "0123456789abcdef";

/// The admin listener's answer, without the listener.
async fn ask(site: &Site, request: (&str, &str, &str), token: &str) -> (u16, Value) {
    let (method, path, body) = request;
    let health = Health {
        metrics: site.metrics.clone(),
        draining: site.stop.clone(),
        supervisor: Supervisor::default(),
        tokens: site.tokens.clone(),
        certificates: None,
    };
    let tokens = Arc::new(Tokens::new(&[hairpin_config::AdminToken::new(TOKEN)]));
    let router = admin::router(Admin { health, hub: site.hub.clone(), tokens });
    let router = router.layer(Extension(site.address));
    let request = Request::builder()
        .method(method.to_ascii_uppercase().as_str())
        .uri(path)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::from(body.to_owned()))
        .expect("it is a request");
    let answer = TowerToHyperService::new(router).call(request).await.expect("it is answered");
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.expect("it is whole").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

/// Each by its method and path: so there is none that is not there.
#[tokio::test]
async fn every_operation_of_the_admin_listener_answers_as_it_is_documented() {
    let site = Site::start(|_| ()).await;
    let mut ann = site.client("/ws").await;
    let mut bob = site.client("/ws").await;
    ann.join("ann").await;
    ann.expect("queued").await;
    bob.join("bob").await;
    let found = bob.expect("match_found").await;
    let session = found["sessionId"].as_str().expect("a session");
    let document = document();
    for (tag, below, operations) in operations() {
        for operation in operations {
            if tag == Tag::Public {
                continue;
            }
            let path = format!("{below}{}", operation.path);
            let id = if path.contains("/sessions/") { session } else { "ann" };
            let uri = path.replace("{id}", id).replace("{other}", "eve");
            let body = match operation.takes {
                None => Value::Null,
                Some("SetBar") => json!({ "seconds": 60 }),
                Some("SetBlocks") => json!({ "blocks": ["eve", "mallory"] }),
                Some("Profile") => json!({ "buddies": ["bob"] }),
                Some(other) => panic!("{other} wants an example"),
            };
            if let Some(schema) = operation.takes {
                assert_eq!(as_documented(schema, &body), Ok(()));
            }
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let request = (operation.method, &*uri, &*body);
            let (status, said) = ask(&site, request, TOKEN).await;
            let response = response(&document, operation.method, &path, status);
            // A path or a method that is not there says something else.
            assert!(
                !["not_found", "method_not_allowed"].iter().any(|code| said["code"] == *code),
                "{path}"
            );
            if !said.is_null() {
                holds(response, &said);
            }
            if tag == Tag::Admin {
                let (status, said) = ask(&site, request, "guess").await;
                assert_eq!(status, 401, "{path}");
                holds(self::response(&document, operation.method, &path, status), &said);
            }
        }
    }
}
