//! Who somebody is, through real WebSockets and `/v1/ice`, with tokens whose keys are on a server.

use hairpin_config::{AllowedOrigins, Config, Host};
use hairpin_signaling::CloseCode;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::sync::CancellationToken;

use super::super::admin;
use super::{Answer, Client, Site, patiently};
use crate::clock::Clock;
use crate::identity::issuer::{KeyServer, Mood, Signer, claims};

const SECRET: &str = "thirty-two bytes are long enough";
const SHARED: Signer = Signer::Secret(SECRET);

const HANDSHAKE: [&str; 4] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

/// A site that knows the secret, changed as the test needs.
async fn site(change: impl FnOnce(&mut Config)) -> Site {
    Site::start(|config| {
        config.identity.secrets = vec![SECRET.as_bytes().into()];
        config.ice.host = Host::bare("turn.example");
        change(config);
    })
    .await
}

/// A site whose keys are on this server, and have come.
async fn site_of(server: &KeyServer) -> Site {
    let site = Site::start(|config| config.identity.jwks_url = Some(server.url())).await;
    patiently(async {
        while site.tokens.trouble().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    site
}

impl Site {
    /// A WebSocket that brings a token among its protocols, as a page does.
    async fn client_with(&self, token: &str) -> Client {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let mut request =
            format!("ws://{}/v1/ws", self.address).into_client_request().expect("a URL");
        let protocols =
            format!("hairpin, hairpin.token.{token}").parse().expect("a header's value");
        request.headers_mut().insert("sec-websocket-protocol", protocols);
        let handshake = tokio_tungstenite::client_async(request, stream);
        let (socket, answer) = patiently(handshake).await.expect("a WebSocket");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "hairpin");
        Client(socket)
    }

    async fn ice_for(&self, token: &str) -> Answer {
        self.request("GET /v1/ice", &[&format!("Authorization: Bearer {token}")]).await
    }

    /// What a handshake is told, and what a plain GET is, which must be the same: the status and the code.
    async fn told(&self, headers: &[&str]) -> (u16, String) {
        let handshake = self.request("GET /v1/ws", &[&HANDSHAKE[..], headers].concat()).await;
        let plain = self.request("GET /v1/ws", headers).await;
        assert_eq!(handshake.body, plain.body, "they cannot differ");
        assert_eq!(handshake.header("retry-after"), plain.header("retry-after"));
        (plain.status(), plain.error_code())
    }
}

fn name(answer: &Answer) -> String {
    let username = &answer.json()["iceServers"][1]["username"];
    username.as_str().expect("a username").split_once(':').expect("expiry:name").1.to_owned()
}

#[tokio::test]
async fn two_with_tokens_of_a_key_server_meet_and_each_is_who_its_token_says() {
    let server = KeyServer::of(&[Signer::Rsa, Signer::Ec, Signer::Ed]).await;
    let site = site_of(&server).await;
    let mut ada = site.client_with(&Signer::Ec.sign(&claims("ada"))).await;
    ada.send("join_queue", json!({})).await;
    ada.expect("queued").await;
    let mut bob = site.client("/ws").await;
    bob.send("join_queue", json!({ "userId": "bob" })).await;
    assert_eq!(bob.expect("error").await["code"], "token_missing");
    let token = Signer::Rsa.sign(&claims("bob"));
    bob.send("join_queue", json!({ "userId": "eve", "token": token })).await;
    assert_eq!(bob.expect("error").await["code"], "wrong_user");
    bob.send("join_queue", json!({ "userId": "bob", "token": token })).await;
    assert_eq!(ada.expect("match_found").await["partnerId"], "bob");
    // Its own first place may be overtaken by the match.
    bob.expect("match_found").await;
}

#[tokio::test]
async fn keys_are_changed_while_people_come() {
    let server = KeyServer::of(&[Signer::Ed]).await;
    let site = site_of(&server).await;
    let (old, new) = (Signer::Ed.sign(&claims("ada")), Signer::Ed2.sign(&claims("bob")));
    let mut ada = site.client_with(&old).await;
    server.rotate(&[Signer::Ed, Signer::Ed2]);
    let early = site.ice_for(&new).await;
    assert_eq!((early.status(), early.error_code().as_str()), (503, "token_unverified"));
    assert!(early.header("retry-after").is_some());
    server.be(Mood::Silent);
    ada.send("join_queue", json!({ "token": old })).await;
    ada.expect("queued").await;
    assert_eq!(site.ice_for(&old).await.status(), 200, "the keys that are known go on");
}

#[tokio::test]
async fn a_token_that_runs_out_ends_the_call_unless_another_comes() {
    let site = site(|config| config.identity.leeway = std::time::Duration::ZERO).await;
    let short = |user: &str| json!({ "sub": user, "exp": Clock::unix() + 3 });
    let mut ada = site.client_with(&SHARED.sign(&short("ada"))).await;
    let mut bob = site.client_with(&SHARED.sign(&claims("bob"))).await;
    for client in [&mut ada, &mut bob] {
        client.send("hello", json!({})).await;
        client.send("join_queue", json!({})).await;
    }
    let mut heard = Vec::new();
    while heard.last().map(String::as_str) != Some("error") {
        heard.push(ada.next_kind().await);
    }
    assert!(heard.contains(&"token_expiring".to_owned()), "{heard:?}");
    ada.closed_as(CloseCode::TokenExpired).await;
    let mut heard = Vec::new();
    while heard.last().map(String::as_str) != Some("partner_left") {
        heard.push(bob.next_kind().await);
    }
    assert!(heard.contains(&"match_found".to_owned()), "{heard:?}");
    // Who renews goes on.
    let mut cat = site.client_with(&SHARED.sign(&short("cat"))).await;
    cat.send("renew_token", json!({ "token": SHARED.sign(&claims("cat")) })).await;
    while cat.next_kind().await != "token_renewed" {}
}

impl Client {
    /// The type of the next message.
    async fn next_kind(&mut self) -> String {
        let message = patiently(futures_util::StreamExt::next(&mut self.0)).await;
        let message = message.expect("still open").expect("no error");
        let value: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        value["type"].as_str().expect("a string").to_owned()
    }
}

#[tokio::test]
async fn ice_servers_are_for_who_brings_a_token_and_in_its_name() {
    let site = site(|_| ()).await;
    let none = site.get("/v1/ice").await;
    assert_eq!((none.status(), none.error_code().as_str()), (401, "token_missing"));
    assert_eq!(none.header("www-authenticate"), Some("Bearer realm=\"hairpin\""));
    let forged = site
        .ice_for(&Signer::Secret("another secret of the same length").sign(&claims("ada")))
        .await;
    assert_eq!((forged.status(), forged.error_code().as_str()), (401, "token_invalid"));
    assert!(forged.header("www-authenticate").is_some_and(|it| it.contains("invalid_token")));
    let old = SHARED.sign(&json!({ "sub": "ada", "exp": Clock::unix() - 31 }));
    assert_eq!(site.ice_for(&old).await.error_code(), "token_expired");

    let ada = site.ice_for(&SHARED.sign(&claims("ada"))).await;
    assert_eq!((ada.status(), ada.header("cache-control")), (200, Some("no-store")));
    assert_eq!(name(&ada), name(&site.ice_for(&SHARED.sign(&claims("ada"))).await));
    assert_ne!(name(&ada), name(&site.ice_for(&SHARED.sign(&claims("bob"))).await));
    // A page must be able to send it, and to read why it was refused.
    let origin = "Origin: https://app.example";
    let preflight = site.request("OPTIONS /v1/ice", &[origin]).await;
    assert!(
        preflight
            .header("access-control-allow-headers")
            .is_some_and(|it| it.contains("authorization"))
    );
    let refused = site.request("GET /v1/ice", &[origin]).await;
    assert!(
        refused
            .header("access-control-expose-headers")
            .is_some_and(|it| it.contains("www-authenticate"))
    );
}

#[tokio::test]
async fn a_token_in_a_url_is_not_looked_at() {
    let site = site(|_| ()).await;
    let token = SHARED.sign(&claims("ada"));
    for query in [format!("token={token}"), format!("access_token={token}")] {
        assert_eq!(site.get(&format!("/v1/ice?{query}")).await.error_code(), "token_missing");
        let mut client = site.client(&format!("/ws?{query}")).await;
        client.send("join_queue", json!({})).await;
        assert_eq!(client.expect("error").await["code"], "token_missing");
    }
}

#[tokio::test]
async fn a_plain_get_says_why_a_handshake_is_refused() {
    let list = AllowedOrigins::List(vec!["https://app.example".parse().expect("an origin")]);
    let site = site(|config| {
        config.http.allowed_origins = list;
        config.http.max_websockets = 1;
    })
    .await;
    let well = site.get("/v1/ws").await;
    assert_eq!((well.status(), well.error_code().as_str()), (426, "upgrade_required"));
    assert!(well.body.contains("nothing is in the way"), "{}", well.body);
    assert_eq!(well.header("sec-websocket-version"), Some("13"));

    let told = async |headers: &[&str]| site.told(headers).await;
    assert_eq!(told(&["Origin: https://evil.example"]).await, (403, "origin_not_allowed".into()));
    let by = |token: &str| format!("Sec-WebSocket-Protocol: hairpin, hairpin.token.{token}");
    assert_eq!(told(&[&by("made.up.token")]).await, (401, "token_invalid".into()));
    let old = SHARED.sign(&json!({ "sub": "ada", "exp": 1 }));
    assert_eq!(told(&[&by(&old)]).await, (401, "token_expired".into()));
    assert_eq!(told(&["Authorization: Bearer made.up.token"]).await, (401, "token_invalid".into()));
    let two = format!("{}, hairpin.token.another", by(&old));
    assert_eq!(told(&[&two]).await, (400, "bad_handshake".into()));

    let version = site.request("GET /v1/ws", &["Sec-WebSocket-Version: 8"]).await;
    assert_eq!((version.status(), version.error_code().as_str()), (426, "upgrade_required"));
    let _only = site.client("/ws").await;
    assert_eq!(told(&[]).await, (503, "too_many_connections".into()));
    site.stop.cancel();
}

#[tokio::test]
async fn in_open_mode_a_token_stands_in_nobodys_way() {
    let site = Site::start(|_| ()).await;
    let mut ada = site.client_with("made.up.token").await;
    ada.join("ada").await;
    ada.expect("queued").await;
    assert_eq!(site.ice_for("made.up.token").await.status(), 200);
}

#[tokio::test]
async fn readyz_says_when_there_are_no_keys_and_when_they_are_old() {
    let server = KeyServer::start(Mood::Status(500)).await;
    let mut site = Site::start(|config| config.identity.jwks_url = Some(server.url())).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    site.address = listener.local_addr().expect("bound");
    let health = admin::Health {
        metrics: site.metrics.clone(),
        draining: CancellationToken::new(),
        supervisor: crate::supervisor::Supervisor::default(),
        tokens: site.tokens.clone(),
        certificates: None,
    };
    let (hub, tokens) = (site.hub.clone(), std::sync::Arc::new(admin::Tokens::new(&[])));
    tokio::spawn(admin::serve(listener, admin::Admin { health, hub, tokens }));

    let ready = patiently(async {
        loop {
            let ready = site.get("/readyz").await;
            if ready.body.contains("answered 500") {
                return ready;
            }
        }
    })
    .await;
    assert_eq!(ready.status(), 503, "{}", ready.body);
    server.rotate(&[Signer::Ed]);
    patiently(async { while site.get("/readyz").await.body != "ok\n" {} }).await;
    assert_eq!(site.metric("hairpin_token_keys"), Some(1.0));

    server.be(Mood::Down);
    assert!(!site.tokens.key_set().expect("a set").refresh_for_a_test().await);
    let old = site.get("/readyz").await;
    assert_eq!(old.status(), 200);
    assert!(old.body.starts_with("ok\nthe keys of tokens are "), "{}", old.body);
}
