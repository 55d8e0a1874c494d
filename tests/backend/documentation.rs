//! What docs/records.md, docs/webhooks.md and docs/admin.md print, as a reader pastes it.

use std::process::Command;

use super::people::pair;
use super::process::{Process, on_record, sqlite};
use super::receiver::{Receiver, Request};
use super::records::{Folder, folder};
use super::{SECRET, TOKEN};
use crate::documentation::blocks;

#[tokio::test]
async fn queries_of_the_records_page_find_what_happened() {
    let Folder { file, flag, .. } = &folder();
    let server = Process::start(&[flag]);
    let ([mut ann, mut ben], session) = pair(server.http, ["ann", "ben"]).await;
    ben.say("report", serde_json::json!({ "reason": "rude" })).await;
    ben.hear("reported").await;
    ann.say("end_session", serde_json::json!({})).await;
    on_record(file, "SELECT count(ended_at) FROM sessions", "1").await;
    let [queries, deletions] = &blocks("docs/records.md", "sql")[..] else { panic!("two blocks") };
    let said = sqlite(file, queries);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].contains("|1|") && lines[0].ends_with("|1"), "{said}");
    assert_eq!(lines[1], "ann|1");
    assert!(lines[2].starts_with(&session), "{said}");
    sqlite(file, deletions);
    let left = "SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM reports)";
    assert_eq!(sqlite(file, left), "0");
    server.stop().await;
}

#[tokio::test]
async fn a_webhook_is_verified_as_the_page_does_it_and_a_forged_one_is_not() {
    let receiver = Receiver::start().await;
    let old = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let secrets = [old, SECRET].map(|secret| format!("--webhook-secret={secret}"));
    let server = Process::start(&[&receiver.flag(), &secrets[0], &secrets[1]]);
    server.admin("PUT /v1/users/mall%C3%B3ry/bar", r#"{"seconds":60}"#).await;
    let request = &receiver.taken(1).await[0];
    assert_eq!(request.headers["webhook-signature"].split(' ').count(), 2, "one by each secret");
    server.stop().await;

    let forged = Request { body: request.body.replace("barred", "blessed"), ..request.clone() };
    let mut late = request.clone();
    late.headers.insert("webhook-timestamp".into(), "1700000000".into());
    let another = "whsec_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA=";
    for run in [in_node, in_python] {
        for secret in [old, SECRET] {
            let said = run(secret, request).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(said.trim(), "barred");
        }
        let error = run(SECRET, &forged).expect_err("it was changed");
        assert!(error.contains("not signed by hairpin"), "{error}");
        let error = run(another, request).expect_err("by nobody we know");
        assert!(error.contains("not signed by hairpin"), "{error}");
        let error = run(SECRET, &late).expect_err("of long ago");
        assert!(error.contains("too old"), "{error}");
    }
}

fn in_node(secret: &str, request: &Request) -> Result<String, String> {
    let [snippet] = &blocks("docs/webhooks.md", "mjs")[..] else { panic!("one block") };
    let call = "const [secret, headers, body] = process.argv.slice(1);
console.log(verify(secret, JSON.parse(headers), body).type);";
    let script = format!("{}\n{call}", snippet.replace("export ", ""));
    run(Command::new("node").args(["--input-type=module", "-e", &script]), secret, request)
}

fn in_python(secret: &str, request: &Request) -> Result<String, String> {
    let [snippet] = &blocks("docs/webhooks.md", "py")[..] else { panic!("one block") };
    let call = "import sys
print(verify(sys.argv[1], json.loads(sys.argv[2]), sys.argv[3])['type'])";
    run(Command::new("python3").args(["-c", &format!("{snippet}\n{call}")]), secret, request)
}

fn run(command: &mut Command, secret: &str, request: &Request) -> Result<String, String> {
    let headers = serde_json::to_string(&request.headers).expect("text");
    let output =
        command.args([secret, &headers, &request.body]).output().expect("tests/run installs it");
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[tokio::test]
async fn the_admin_pages_requests_are_answered() {
    let server = Process::start(&[]);
    let [_, requests] = &blocks("docs/admin.md", "sh")[..] else { panic!("two blocks") };
    assert!(requests.contains(TOKEN));
    let requests = requests.replace("127.0.0.1:9478", &format!("127.0.0.1:{}", server.admin));
    let requests = requests.replace("curl ", "curl -sS --fail-with-body ");
    let output = Command::new("bash").args(["-ec", &requests]).output().expect("bash is there");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("\"sessions\":[]") && said.contains("\"userId\":\"mallory\""), "{said}");
    server.stop().await;
}

/// What the page's tables promise is what the program answers.
#[tokio::test]
async fn the_admin_page_names_every_route_and_every_code() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/admin.md"))
        .expect("it is there");
    let server = Process::start(&[]);
    let mut requests = 0;
    for row in page.lines().filter(|line| line.starts_with("| `") && line.contains(" /v1/")) {
        let request = row
            .split('`')
            .nth(1)
            .expect("a request")
            .replace("USER", "ann")
            .replace("OTHER", "ben");
        let request = request.replace("ID", "00000000000000000000000000000000");
        let body = row.split('|').nth(2).unwrap_or_default().split('`').nth(1).unwrap_or_default();
        let body = body.replace("[...]", "[]").replace("{...}", "{}");
        let answer = server.admin(&request, &body).await;
        let known =
            answer.status < 300 || (answer.status == 404 && !answer.body.contains("not_found"));
        assert!(known, "{request} {body}: {answer:?}");
        requests += 1;
    }
    assert_eq!(requests, 13);
    server.stop().await;
    let sources = ["answers", "access", "sessions", "users"];
    for source in sources {
        let path = format!("{}/src/http/admin/{source}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("it is there");
        let codes = text.split('"').filter(|word| {
            word.contains('_') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        });
        for code in codes.filter(|code| *code != "in_session" && *code != "in_room") {
            assert!(
                page.contains(&format!("`{code}`")),
                "{code} of {source}.rs is not on the page"
            );
        }
    }
}
