//! `/v1/about`.

use serde_json::json;

use super::Site;

#[tokio::test]
async fn a_page_learns_whom_one_may_ask_for_and_no_more() {
    let site = Site::start(|config| {
        let file =
            "pool = [\"chess\"]\nattribute = [\"gender=choice:woman/man\", \"interests=tags\"]\n";
        let mut layers = hairpin_config::Layers::default();
        layers.file("test", file);
        config.signaling = layers.resolve().expect("it is right").config.signaling;
    })
    .await;
    let answer = site.request("GET /v1/about", &["Origin: https://calls.example"]).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let expected = json!({
        "pools": ["chess"],
        "attributes": [
            { "name": "gender", "kind": "choice", "values": ["woman", "man"] },
            { "name": "interests", "kind": "tags" },
        ],
        "identity": "open",
        "rooms": true,
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(site.request("POST /v1/about", &["Content-Length: 0"]).await.status(), 405);
}

#[tokio::test]
async fn that_tokens_are_wanted_is_told_and_nothing_of_what_they_are_signed_with() {
    let secret = "a secret for the tokens of an app";
    let site = Site::start(|config| config.identity.secrets = vec![secret.as_bytes().into()]).await;
    let answer = site.get("/v1/about").await;
    assert_eq!(answer.json()["identity"], "token");
    assert!(!answer.body.contains("secret"), "{}", answer.body);
}

#[tokio::test]
async fn where_nothing_is_declared_it_says_so() {
    let site = Site::start(|_| ()).await;
    let about = site.get("/v1/about").await.json();
    assert_eq!((&about["pools"], &about["attributes"]), (&json!([]), &json!([])));
}
