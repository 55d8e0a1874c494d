//! Webhooks as a receiver gets them.

use std::process::Command;

use serde_json::{Value, json};

use super::people::pair;
use super::process::{Process, on_record, sqlite};
use super::receiver::{BROKEN, FINE, Receiver, Reply, Request};
use super::records::{Folder, folder};
use super::{SECRET, until};

fn secret() -> String {
    format!("--webhook-secret={SECRET}")
}

/// Bars so many users, each of which is a webhook.
async fn bar(server: &Process, names: impl IntoIterator<Item = String>) {
    for name in names {
        let answer =
            server.admin(&format!("PUT /v1/users/{name}/bar"), r#"{"seconds":1000}"#).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

fn users(requests: &[Request]) -> Vec<String> {
    let of = |request: &Request| request.json()["data"]["userId"].as_str().map(str::to_owned);
    requests.iter().filter_map(of).collect()
}

#[tokio::test]
async fn what_happens_is_told_in_order_and_signed() {
    let receiver = Receiver::start().await;
    let server = Process::start(&[&receiver.flag(), &secret()]);
    assert!(server.summary.contains("/hooks") && !server.summary.contains("hidden"));
    let ([mut ann, mut ben], session) = pair(server.http, ["ann", "ben"]).await;
    ben.say("path", json!({ "relayed": false })).await;
    ben.say("report", json!({ "reason": "rude" })).await;
    ben.hear("reported").await;
    ann.say("end_session", json!({})).await;
    ben.hear("partner_left").await;
    bar(&server, ["mallory".to_owned()]).await;
    let heard = receiver.taken(4).await;
    let about_session: Vec<String> =
        heard.iter().map(Request::kind).filter(|kind| kind != "barred").collect();
    assert_eq!(about_session, ["session_started", "report", "session_ended"]);
    for request in &heard {
        let Value::Object(event) = request.json() else { panic!("an object") };
        assert_eq!(
            event.keys().map(|key| &**key).collect::<Vec<_>>(),
            ["createdAt", "data", "id", "type"]
        );
        assert_eq!(event["id"], request.headers["webhook-id"]);
        assert_eq!(request.headers["content-type"], "application/json");
        assert!(
            event["createdAt"].as_str().is_some_and(|at| at.starts_with("20") && at.ends_with('Z'))
        );
        let data = &event["data"];
        match &*request.kind() {
            "session_started" => {
                let users = data["users"].as_array().expect("a list");
                assert!(users.contains(&json!("ann")) && users.contains(&json!("ben")));
                assert_eq!(data["sessionId"], *session);
            }
            "session_ended" => {
                assert_eq!((&data["reason"], &data["by"]), (&json!("ended"), &json!("ann")));
                assert_eq!(
                    (&data["relayed"], &data["sessionId"]),
                    (&json!(false), &json!(session))
                );
                assert!(data["durationMs"].as_u64().is_some());
            }
            "report" => {
                let report =
                    json!({ "sessionId": session, "by": "ben", "about": "ann", "reason": "rude" });
                assert_eq!(*data, report);
            }
            _ => assert_eq!(data["userId"], "mallory"),
        }
        verify(request);
    }
    server.stop().await;
}

/// As its own implementation has it: Python's.
fn verify(request: &Request) {
    let script = "import sys, hmac, hashlib, base64
secret, id, timestamp, signature, body = sys.argv[1:]
key = base64.b64decode(secret.removeprefix('whsec_'))
mac = hmac.new(key, f'{id}.{timestamp}.{body}'.encode(), hashlib.sha256).digest()
assert signature == 'v1,' + base64.b64encode(mac).decode(), signature";
    let header = |name: &str| request.headers[name].clone();
    let output = Command::new("python3")
        .args(["-c", script, SECRET, &header("webhook-id"), &header("webhook-timestamp")])
        .args([&header("webhook-signature"), &request.body])
        .output()
        .expect("python3 is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_receiver_that_fails_and_comes_back_gets_everything_in_order() {
    let receiver = Receiver::start().await;
    receiver.reply(|_| BROKEN);
    let server = Process::start(&[&receiver.flag(), &secret()]);
    let (_both, session) = pair(server.http, ["ann", "ben"]).await;
    server.admin(&format!("DELETE /v1/sessions/{session}"), "").await;
    receiver.until("it is tried again", |heard| heard.len() >= 3).await;
    assert!(receiver.heard().iter().all(|request| request.kind() == "session_started"));
    receiver.reply(|_| FINE);
    let taken = receiver.taken(2).await;
    assert_eq!([taken[0].kind(), taken[1].kind()], ["session_started", "session_ended"]);
    // The same at every attempt, but for the time of it.
    let ids: Vec<Value> =
        receiver.heard().iter().map(|request| request.json()["id"].take()).collect();
    assert!(ids[..3].iter().all(|id| *id == ids[0]));
    taken.iter().for_each(verify);
    until("they are counted", async || {
        (server.metric("hairpin_webhooks_waiting").await == 0).then_some(())
    })
    .await;
    assert_eq!(server.metric("hairpin_webhooks_delivered_total").await, 2);
    server.stop().await;
}

#[tokio::test]
async fn a_receiver_that_stalls_delays_no_other_and_one_that_is_not_there_neither() {
    let (stalls, well) = (Receiver::start().await, Receiver::start().await);
    stalls.reply(|_| Reply::Stall);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody_is_there = format!("--webhook-url=http://{}/", nobody.local_addr().expect("bound"));
    drop(nobody);
    let flags = [&stalls.flag(), &nobody_is_there, &well.flag(), &secret()];
    let server = Process::start(&flags.map(|flag| &**flag));
    let names: Vec<String> = (0..30).map(|number| format!("u{number}")).collect();
    bar(&server, names.clone()).await;
    let mut taken = users(&well.taken(30).await);
    taken.sort();
    let mut wanted = names;
    wanted.sort();
    assert_eq!(taken, wanted, "each once");
    assert!((1..=8).contains(&stalls.heard().len()), "a few in flight");
    server.stop().await;
}

#[tokio::test]
async fn one_that_wants_no_more_gets_no_more_until_the_next_start() {
    let receiver = Receiver::start().await;
    receiver.reply(|_| Reply::Status("410 Gone"));
    let Folder { file, flag, .. } = &folder();
    let server = Process::start(&[flag, &receiver.flag(), &secret()]);
    bar(&server, ["u0".to_owned()]).await;
    let dropped = "hairpin_webhooks_dropped_total{reason=\"gone\"}";
    until("it is noticed", async || (server.metric(dropped).await == 1).then_some(())).await;
    bar(&server, ["u1".to_owned(), "u2".to_owned()]).await;
    until("they are dropped", async || (server.metric(dropped).await == 3).then_some(())).await;
    assert_eq!(receiver.heard().len(), 1);
    server.stop().await;
    assert_eq!(sqlite(file, "SELECT count(*) FROM webhooks"), "0");

    receiver.reply(|_| FINE);
    let server = Process::start(&[flag, &receiver.flag(), &secret()]);
    bar(&server, ["u3".to_owned()]).await;
    assert_eq!(users(&receiver.taken(1).await), ["u3"]);
    server.stop().await;
}

#[tokio::test]
async fn what_has_not_arrived_survives_a_restart_and_a_kill() {
    let receiver = Receiver::start().await;
    receiver.reply(|_| BROKEN);
    let Folder { file, flag, .. } = &folder();
    let flags = [&**flag, &receiver.flag(), &secret()].map(str::to_owned);
    let flags = flags.each_ref().map(|flag| &**flag);
    let server = Process::start(&flags);
    bar(&server, (0..10).map(|number| format!("u{number}"))).await;
    server.stop().await;
    assert_eq!(sqlite(file, "SELECT count(*) FROM webhooks"), "10");
    // Not what may be secret of the URL.
    assert_eq!(sqlite(file, "SELECT count(*) FROM webhooks WHERE endpoint LIKE '%hidden%'"), "0");

    let server = Process::start(&flags);
    bar(&server, (10..15).map(|number| format!("u{number}"))).await;
    let (_both, session) = pair(server.http, ["ann", "ben"]).await;
    on_record(file, "SELECT count(*) FROM webhooks", "16").await;
    server.kill();

    let before = receiver.heard().len();
    receiver.reply(|_| FINE);
    let server = Process::start(&flags);
    // Those, and that the session was lost.
    let taken = receiver.taken(17).await;
    assert!(receiver.heard().len() >= before + 17);
    let of_session: Vec<Value> = taken
        .iter()
        .map(Request::json)
        .filter(|event| event["data"]["sessionId"] == *session)
        .collect();
    let told: Vec<_> = of_session.iter().map(|event| event["type"].as_str()).collect();
    assert_eq!(told, [Some("session_started"), Some("session_ended")]);
    assert_eq!(of_session[1]["data"]["reason"], "lost");
    let mut barred = users(&taken);
    barred.sort();
    let mut wanted: Vec<String> = (0..15).map(|number| format!("u{number}")).collect();
    wanted.sort();
    assert_eq!(barred, wanted);
    on_record(file, "SELECT count(*) FROM webhooks", "0").await;
    server.stop().await;
}

#[tokio::test]
async fn a_receiver_says_when_to_come_again_and_redirects_lead_nowhere() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    // No header of an answer may be longer than the test's life.
    let location = format!("302 Away\r\nLocation: {}", elsewhere.url());
    let location: &'static str = location.leak();
    receiver.reply(move |event| match event["data"]["userId"].as_str() {
        Some("u0") => Reply::Status(location),
        _ => Reply::Status("503 Later\r\nRetry-After: 300"),
    });
    let server = Process::start(&[&receiver.flag(), &secret()]);
    bar(&server, ["u0".to_owned()]).await;
    receiver.until("a redirect is a failure", |heard| heard.len() >= 2).await;
    bar(&server, ["u1".to_owned()]).await;
    receiver.until("it asks for time", |heard| users(heard).contains(&"u1".to_owned())).await;
    let failures = "hairpin_webhook_failures_total";
    let so_far = receiver.heard().len();
    until("all are counted", async || {
        (server.metric(failures).await == so_far as u64).then_some(())
    })
    .await;
    // It is left alone, whatever else happens.
    bar(&server, (2..30).map(|number| format!("u{number}"))).await;
    assert_eq!(receiver.heard().len(), so_far);
    assert!(elsewhere.heard().is_empty());
    server.stop().await;
}
