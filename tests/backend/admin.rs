//! The admin API by every route, and who may use it.

use serde_json::json;

use super::people::{Person, pair};
use super::process::Process;
use super::{Answer, TOKEN, ask, until};

/// The status and the code of what is refused.
fn problem(answer: &Answer) -> (u16, String) {
    let json = answer.json();
    assert!(json["message"].as_str().is_some_and(|message| message.len() > 10), "{json}");
    (answer.status, json["code"].as_str().expect("a code").to_owned())
}

#[tokio::test]
async fn sessions_are_listed_shown_and_ended() {
    let server = Process::start(&[]);
    let empty = server.admin("GET /v1/sessions", "").await;
    assert_eq!(
        (empty.status, empty.json()),
        (200, json!({ "sessions": [], "next": null, "total": 0 }))
    );
    let mut pairs = Vec::new();
    for number in 0..5 {
        let names = [format!("a{number}"), format!("b{number}")];
        pairs.push(pair(server.http, names.each_ref().map(|name| &**name)).await);
    }
    let mut seen = Vec::new();
    let mut page = server.admin("GET /v1/sessions?limit=2", "").await.json();
    loop {
        let sessions = page["sessions"].as_array().expect("a list").clone();
        assert!(sessions.len() <= 2);
        assert_eq!(page["total"], 5);
        seen.extend(
            sessions
                .iter()
                .map(|session| session["sessionId"].as_str().unwrap_or_default().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        page = server.admin(&format!("GET /v1/sessions?limit=2&after={next}"), "").await.json();
    }
    let mut all: Vec<String> = pairs.iter().map(|(_, session)| session.clone()).collect();
    all.sort();
    assert_eq!(seen, all, "in order, each once");

    let ([ann, ben], session) = &mut pairs[0];
    let shown = server.admin(&format!("GET /v1/sessions/{session}"), "").await.json();
    let mut users: Vec<&str> = shown["users"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|user| user.as_str())
        .collect();
    users.sort_unstable();
    assert_eq!((users, &shown["reported"]), (vec!["a0", "b0"], &json!(false)));
    assert!(shown["durationMs"].as_u64().is_some() && shown["startedAt"].as_str().is_some());
    assert_eq!(server.admin(&format!("DELETE /v1/sessions/{session}"), "").await.status, 204);
    for person in [ann, ben] {
        assert_eq!(person.hear("partner_left").await["reason"], "ended");
    }
    for method in ["GET", "DELETE"] {
        let gone = server.admin(&format!("{method} /v1/sessions/{session}"), "").await;
        assert_eq!(problem(&gone), (404, "no_session".into()));
    }
    for path in [
        "sessions/xyz",
        "sessions?limit=0",
        "sessions?limit=1001",
        "sessions?after=1",
        "sessions?page=2",
    ] {
        let answer = server.admin(&format!("GET /v1/{path}"), "").await;
        assert_eq!(problem(&answer), (400, "invalid_field".into()), "{path}");
    }
    server.stop().await;
}

#[tokio::test]
async fn who_is_barred_is_told_so_and_meets_nobody() {
    let server = Process::start(&[]);
    let ([mut ann, mut ben], _) = pair(server.http, ["ann", "ben"]).await;
    assert_eq!(
        problem(&server.admin("GET /v1/users/ann/bar", "").await),
        (404, "not_barred".into())
    );
    let barred = server.admin("PUT /v1/users/ann/bar", r#"{"seconds":3600}"#).await;
    assert_eq!((barred.status, &barred.json()["userId"]), (200, &json!("ann")));
    assert_eq!(ben.hear("partner_left").await["reason"], "ended");
    ann.say("join_queue", json!({ "userId": "ann" })).await;
    let error = ann.hear("error").await;
    assert_eq!((&error["code"], &error["temporary"]), (&json!("barred"), &json!(true)));
    let known = server.admin("GET /v1/users/ann", "").await.json();
    assert_eq!(
        known["barredUntil"],
        server.admin("GET /v1/users/ann/bar", "").await.json()["until"]
    );
    assert_eq!(server.admin("DELETE /v1/users/ann/bar", "").await.status, 204);
    assert_eq!(
        problem(&server.admin("DELETE /v1/users/ann/bar", "").await),
        (404, "not_barred".into())
    );
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"seconds":0}"#,
        r#"{"seconds":"1"}"#,
        r#"{"seconds":1,"until":"2099-01-01T00:00:00Z"}"#,
        r#"{"until":"2020-01-01T00:00:00Z"}"#,
        r#"{"until":"tomorrow"}"#,
        r#"{"minutes":1}"#,
    ] {
        let answer = server.admin("PUT /v1/users/ann/bar", body).await;
        assert_eq!(problem(&answer).0, 400, "{body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn blocks_are_put_and_taken_back() {
    let server = Process::start(&[]);
    let blocks =
        async || server.admin("GET /v1/users/ann/blocks", "").await.json()["blocks"].take();
    assert_eq!(blocks().await, json!([]));
    // A name may hold what a path may not.
    assert_eq!(server.admin("PUT /v1/users/ann/blocks/b%2Fe%20n%C3%A9", "").await.status, 204);
    assert_eq!(blocks().await, json!(["b/e né"]));
    let put = server.admin("PUT /v1/users/ann/blocks", r#"{"blocks":["carol","dave"]}"#).await;
    assert_eq!(put.json(), json!({ "userId": "ann", "blocks": ["carol", "dave"] }));
    assert_eq!(server.admin("DELETE /v1/users/ann/blocks/carol", "").await.status, 204);
    assert_eq!(blocks().await, json!(["dave"]));
    let again = server.admin("DELETE /v1/users/ann/blocks/carol", "").await;
    assert_eq!(problem(&again), (404, "not_blocked".into()));
    let long = "x".repeat(129);
    for (line, body) in [
        ("PUT /v1/users/ann/blocks/ann", String::new()),
        (&*format!("PUT /v1/users/ann/blocks/{long}"), String::new()),
        ("PUT /v1/users/ann/blocks", r#"{"blocks":"ben"}"#.into()),
        ("PUT /v1/users/ann/blocks", r#"{"blocks":[1]}"#.into()),
        ("PUT /v1/users/ann/blocks", format!(r#"{{"blocks":["{long}"]}}"#)),
        ("PUT /v1/users/ann/blocks", r#"["ben"]"#.into()),
    ] {
        assert_eq!(problem(&server.admin(line, &body).await).0, 400, "{line} {body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_backend_says_what_a_user_is_and_two_who_are_kept_apart_do_not_meet() {
    let server = Process::start(&["--attribute=language=tags"]);
    assert_eq!(server.admin("GET /v1/users/ann/profile", "").await.json(), json!({}));
    let profile = r#"{"buddies":["ben"],"blocked":["carol"],"attributes":{"language":["de"]},"seeks":{"language":["de"]}}"#;
    assert_eq!(server.admin("PUT /v1/users/ann/profile", profile).await.status, 204);
    let said = server.admin("GET /v1/users/ann/profile", "").await.body;
    let said: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said, serde_json::from_str::<serde_json::Value>(profile).expect("JSON"));
    for (body, named) in [
        (r#"{"attributes":{"height":1}}"#, "height"),
        (r#"{"buddies":"ben"}"#, "buddies"),
        (r#"{"friends":[]}"#, "friends"),
    ] {
        let answer = server.admin("PUT /v1/users/ann/profile", body).await;
        assert_eq!(problem(&answer), (400, "invalid_field".into()), "{body}");
        assert!(answer.body.contains(named), "{body}: {}", answer.body);
    }
    let mut ann = Person::come(server.http).await;
    ann.say("join_queue", json!({ "userId": "ann" })).await;
    ann.hear("queued").await;
    let mut carol = Person::come(server.http).await;
    carol
        .say("join_queue", json!({ "userId": "carol", "attributes": { "language": ["de"] } }))
        .await;
    carol.hear("queued").await;
    let known = server.admin("GET /v1/users/carol", "").await.json();
    assert_eq!((&known["connected"], &known["state"]), (&json!(true), &json!("waiting")));
    assert!(known["waitingMs"].as_u64().is_some());
    let mut ben = Person::come(server.http).await;
    ben.say(
        "join_queue",
        json!({ "userId": "ben", "attributes": { "language": ["de"] }, "blocked": ["carol"] }),
    )
    .await;
    assert_eq!(ben.hear("match_found").await["partnerId"], "ann");
    let known = server.admin("GET /v1/users/ben", "").await.json();
    assert_eq!(known["state"], "in_session");
    drop(ben);
    until("the server sees it go", async || {
        (server.admin("GET /v1/users/ben", "").await.json()["state"] == "absent").then_some(())
    })
    .await;
    let known = server.admin("GET /v1/users/nobody", "").await.json();
    let nobody = json!({
        "userId": "nobody", "connected": false, "state": "absent", "sessionId": null, "waitingMs": null,
        "barredUntil": null, "reporters": 0,
    });
    assert_eq!(known, nobody);
    server.stop().await;
}

#[tokio::test]
async fn without_the_token_nothing_is_told_and_health_is() {
    let server = Process::start(&["--admin-token=another-token-of-ours"]);
    let another = "Authorization: Bearer another-token-of-ours\r\n";
    assert_eq!(ask(server.admin, "GET /v1/sessions", another, "").await.status, 200);
    let missing = ask(server.admin, "GET /v1/sessions", "", "").await;
    assert_eq!(problem(&missing), (401, "token_missing".into()));
    assert!(missing.head.contains("www-authenticate: bearer"));
    let close = format!("Authorization: Bearer {}0\r\n", &TOKEN[1..]);
    let mut answers = Vec::new();
    for _ in 0..12 {
        let wrong = ask(server.admin, "DELETE /v1/users/ann/bar", &close, "").await;
        answers.push(problem(&wrong));
    }
    assert_eq!(answers[0], (401, "token_invalid".into()));
    assert_eq!(answers[11], (429, "too_many_requests".into()));
    assert_eq!(
        server.admin("GET /v1/sessions", "").await.status,
        200,
        "the right one is always right"
    );
    // What there is not is not told to strangers either.
    assert_eq!(ask(server.admin, "GET /v1/nothing", "", "").await.status, 401);
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(ask(server.admin, &format!("GET {path}"), "", "").await.status, 200);
    }
    // The public listener has none of this.
    let public = ask(server.http, "GET /v1/sessions", another, "").await;
    assert_eq!(public.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn without_a_setting_there_is_no_such_api() {
    let server = super::process::Process::start_without_token(&[]);
    let answer = server.admin("GET /v1/sessions", "").await;
    assert_eq!(problem(&answer), (403, "no_admin_token".into()));
    assert!(answer.body.contains("--admin-token"));
    assert_eq!(ask(server.admin, "GET /healthz", "", "").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn bodies_are_bounded_and_paths_and_methods_are_those_there_are() {
    let server = Process::start(&[]);
    let huge = format!(r#"{{"blocks":["{}"]}}"#, "x".repeat(300_000));
    let answer = server.admin("PUT /v1/users/ann/blocks", &huge).await;
    assert_eq!(problem(&answer), (413, "long_body".into()));
    let answer = server.admin("POST /v1/users/ann/bar", "{}").await;
    assert_eq!(problem(&answer), (405, "method_not_allowed".into()));
    assert_eq!(problem(&server.admin("GET /v1/nothing", "").await), (404, "not_found".into()));
    // Not UTF-8, and not a name.
    for line in ["GET /v1/users/%ff", "GET /v1/users/%ff/bar"] {
        assert_eq!(problem(&server.admin(line, "").await).0, 400, "{line}");
    }
    server.stop().await;
}
