//! What is on record, read with `sqlite3`.

use std::path::PathBuf;

use serde_json::json;

use super::people::pair;
use super::process::{Process, on_record, refused, sqlite};

pub(super) struct Folder {
    pub(super) folder: tempfile::TempDir,
    pub(super) file: PathBuf,
    pub(super) flag: String,
}

pub(super) fn folder() -> Folder {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("records.db");
    let flag = format!("--records={}", file.display());
    Folder { folder, file, flag }
}

#[tokio::test]
async fn who_when_how_long_why_and_by_whom() {
    let Folder { file, flag, .. } = &folder();
    let server = Process::start(&[flag]);
    assert!(server.summary.contains(&format!("{}, for 90 days", file.display())));
    let ([mut ann, mut ben], session) = pair(server.http, ["ann", "ben"]).await;
    let open =
        "SELECT id, user_a || user_b IN ('annben', 'benann'), ended_at IS NULL FROM sessions";
    on_record(file, open, &format!("{session}|1|1")).await;

    ben.say("path", json!({ "relayed": true })).await;
    ann.say("report", json!({ "reason": "he's \"rude\"" })).await;
    ann.hear("reported").await;
    ann.say("end_session", json!({})).await;
    ben.hear("partner_left").await;
    let ended =
        "SELECT reason, ended_by, relayed, reports FROM sessions WHERE ended_at IS NOT NULL";
    on_record(file, ended, "ended|ann|1|1").await;
    let report = "SELECT session, reporter, reported, reason FROM reports";
    on_record(file, report, &format!("{session}|ann|ben|he's \"rude\"")).await;

    // Times are such as people read and SQLite reckons with, and they agree.
    let times = "SELECT started_at GLOB '20[0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9]Z',
        abs((julianday(ended_at) - julianday(started_at)) * 86400000 - duration_ms) < 10,
        unixepoch('now') - unixepoch(started_at) BETWEEN -2 AND 120 FROM sessions";
    assert_eq!(sqlite(file, times), "1|1|1");
    use std::os::unix::fs::MetadataExt;
    let mode = std::fs::metadata(file).expect("it is there").mode();
    assert_eq!(mode & 0o077, 0, "nobody else's business: {mode:o}");
    server.stop().await;
}

#[tokio::test]
async fn what_was_decided_is_in_force_after_a_restart() {
    let Folder { file, flag, .. } = &folder();
    let server = Process::start(&[flag]);
    for (line, body) in [
        ("PUT /v1/users/mallory/bar", r#"{"until":"2099-01-01T00:00:00Z"}"#),
        ("PUT /v1/users/trent/bar", r#"{"seconds":1000}"#),
        ("PUT /v1/users/ann/blocks", r#"{"blocks":["ben","carol"]}"#),
    ] {
        assert_eq!(server.admin(line, body).await.status, 200, "{line}");
    }
    assert_eq!(server.admin("DELETE /v1/users/trent/bar", "").await.status, 204);
    assert_eq!(server.admin("DELETE /v1/users/ann/blocks/carol", "").await.status, 204);
    server.stop().await;
    assert_eq!(sqlite(file, "SELECT user, until FROM bars"), "mallory|2099-01-01T00:00:00.000Z");
    assert_eq!(sqlite(file, "SELECT blocker, blocked FROM blocks"), "ann|ben");

    let server = Process::start(&[flag]);
    let bar = server.admin("GET /v1/users/mallory/bar", "").await;
    assert_eq!(bar.json()["until"], "2099-01-01T00:00:00.000Z");
    assert_eq!(server.admin("GET /v1/users/trent/bar", "").await.status, 404);
    let blocks = server.admin("GET /v1/users/ann/blocks", "").await.json();
    assert_eq!(blocks["blocks"], json!(["ben"]));
    server.stop().await;
}

#[tokio::test]
async fn what_is_too_old_goes_and_what_lasts_stays() {
    let Folder { file, flag, .. } = &folder();
    Process::start(&[flag]).stop().await;
    // More than one step of it.
    sqlite(
        file,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO sessions (id, user_a, user_b, started_at, ended_at)
         SELECT i, 'a', 'b', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-8 days'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-8 days') FROM n;
         INSERT INTO sessions (id, user_a, user_b, started_at, ended_at)
         VALUES ('young', 'a', 'b', strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-6 days'), strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-6 days'));
         INSERT INTO reports (at, session, reporter, reported, reason) VALUES ('2020-01-01T00:00:00.000Z', 's', 'a', 'b', 'r');
         INSERT INTO blocks VALUES ('a', 'b', '2020-01-01T00:00:00.000Z');",
    );
    let server = Process::start(&[flag, "--records-days=7"]);
    on_record(file, "SELECT group_concat(id) FROM sessions", "young").await;
    on_record(file, "SELECT (SELECT count(*) FROM reports), (SELECT count(*) FROM blocks)", "0|1")
        .await;
    server.stop().await;
}

#[tokio::test]
async fn a_file_that_will_not_do_is_refused_with_the_setting_and_the_fix() {
    let Folder { folder, file, flag } = &folder();
    let missing = format!("--records={}/nowhere/records.db", folder.path().display());
    let a_folder = format!("--records={}", folder.path().display());
    for (flag, wanted) in [(&missing, "make the folder"), (&a_folder, "name a file in that folder")]
    {
        let said = refused(&[flag]);
        assert!(said.contains("records = ") && said.contains(wanted), "{said}");
    }
    std::fs::write(
        file,
        "this is no database, though it is long enough for a header of one.".repeat(99),
    )
    .expect("written");
    let said = refused(&[flag]);
    assert!(said.contains("not a database") && said.contains("move it away"), "{said}");
    std::fs::remove_file(file).expect("it was there");

    sqlite(file, "CREATE TABLE recipes (name)");
    let said = refused(&[flag]);
    assert!(said.contains("another program's database"), "{said}");
    assert_eq!(sqlite(file, "SELECT group_concat(name) FROM sqlite_schema"), "recipes");
    std::fs::remove_file(file).expect("it was there");

    let server = Process::start(&[flag]);
    let said = refused(&[flag]);
    assert!(said.contains("another hairpin writes it"), "{said}");
    server.stop().await;
    sqlite(file, "PRAGMA user_version = 99");
    let said = refused(&[flag]);
    assert!(said.contains("version 99") && said.contains("later hairpin"), "{said}");
}

#[tokio::test]
async fn a_file_with_a_torn_page_is_refused() {
    let Folder { file, flag, .. } = &folder();
    let server = Process::start(&[flag]);
    assert_eq!(server.admin("PUT /v1/users/ann/blocks/ben", "").await.status, 204);
    server.stop().await;
    let mut bytes = std::fs::read(file).expect("it is there");
    bytes[4096..].fill(0xa5);
    std::fs::write(file, bytes).expect("written");
    let said = refused(&[flag]);
    assert!(said.contains("malformed") && said.contains("move it away"), "{said}");
}
