//! `/v1/ice`.

use std::num::NonZeroU32;

use hairpin_config::{AllowedOrigins, Host};
use hyper::header::HeaderName;

use super::Site;

#[tokio::test]
async fn ice_servers_come_in_the_form_a_peer_connection_takes() {
    let site = Site::start(|_| ()).await;
    let answer = site.get("/v1/ice").await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(body["ttl"], 600);
    let servers = &body["iceServers"];
    assert_eq!(servers[0], serde_json::json!({ "urls": ["stun:call.example:3478"] }));
    assert_eq!(
        servers[1]["urls"],
        serde_json::json!([
            "turn:call.example:3478?transport=udp",
            "turn:call.example:3478?transport=tcp"
        ])
    );
    assert!(servers[1]["username"].as_str().expect("a username").contains(':'));
    assert_eq!(servers[1]["credential"].as_str().expect("a credential").len(), 28);
}

#[tokio::test]
async fn urls_are_made_from_nothing_but_a_host() {
    let site = Site::start(|_| ()).await;
    let six = site.request("GET /v1/ice", &["Host: [2001:db8::1]:443"]).await;
    assert_eq!(six.json()["iceServers"][0]["urls"][0], "stun:[2001:db8::1]:3478");
    for host in ["Host: a,b", "Host: user@call.example", "Host: 1.2.3", "Host: [::1", "Host:"] {
        let answer = site.request("GET /v1/ice", &[host]).await;
        assert_eq!((answer.status(), answer.error_code().as_str()), (400, "bad_host"), "{host}");
    }
    let named = Site::start(|config| config.ice.host = Host::bare("turn.example")).await;
    let answer = named.request("GET /v1/ice", &["Host: a,b"]).await;
    assert_eq!(answer.json()["iceServers"][0]["urls"][0], "stun:turn.example:3478");
}

#[tokio::test]
async fn any_page_may_ask_by_default() {
    let site = Site::start(|_| ()).await;
    let answer = site.request("GET /v1/ice", &["Origin: https://app.example"]).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    let preflight = site.request("OPTIONS /v1/ice", &["Origin: https://app.example"]).await;
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.header("access-control-allow-methods"), Some("GET"));
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn with_a_list_only_its_pages_may_ask() {
    let list = AllowedOrigins::List(vec!["https://app.example".parse().expect("an origin")]);
    let site = Site::start(|config| config.http.allowed_origins = list).await;
    let good = site.request("GET /v1/ice", &["Origin: https://app.example"]).await;
    assert_eq!(good.status(), 200);
    assert_eq!(good.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(good.header("vary"), Some("origin"));
    let own = site.request("GET /v1/ice", &["Origin: http://call.example:8080"]).await;
    assert_eq!(own.status(), 200);
    let evil = site.request("GET /v1/ice", &["Origin: https://evil.example"]).await;
    assert_eq!((evil.status(), evil.error_code().as_str()), (403, "origin_not_allowed"));
    assert_eq!(evil.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn asking_too_often_is_a_429_with_a_time_to_come_back() {
    let site = Site::start(|config| {
        config.ice.requests_per_minute = NonZeroU32::new(2).expect("not zero");
    })
    .await;
    assert_eq!(site.get("/v1/ice").await.status(), 200);
    assert_eq!(site.get("/v1/ice").await.status(), 200);
    let refused = site.request("GET /v1/ice", &["Origin: https://app.example"]).await;
    assert_eq!((refused.status(), refused.error_code().as_str()), (429, "too_many_requests"));
    let seconds: u64 = refused.header("retry-after").expect("a time").parse().expect("a number");
    assert!((1..=30).contains(&seconds), "{seconds}");
    // A page elsewhere must be able to read that.
    assert_eq!(refused.header("access-control-allow-origin"), Some("*"));
    assert_eq!(
        refused.header("access-control-expose-headers"),
        Some("retry-after,www-authenticate")
    );
    // Nobody has said that this header can be trusted.
    let forged = site.request("GET /v1/ice", &["Fly-Client-IP: 192.0.2.7"]).await;
    assert_eq!(forged.status(), 429);
}

#[tokio::test]
async fn behind_a_proxy_each_client_has_its_own_budget() {
    let site = Site::start(|config| {
        config.http.client_ip_header = Some(HeaderName::from_static("x-forwarded-for"));
        config.ice.requests_per_minute = NonZeroU32::MIN;
    })
    .await;
    let ask = async |header: &str| site.request("GET /v1/ice", &[header]).await.status();
    assert_eq!(ask("X-Forwarded-For: 192.0.2.7").await, 200);
    assert_eq!(ask("X-Forwarded-For: 192.0.2.7").await, 429);
    assert_eq!(ask("X-Forwarded-For: 198.51.100.99, 192.0.2.7").await, 429);
    assert_eq!(ask("X-Forwarded-For: 2001:db8::1").await, 200);
}
