//! A server that ends: what has been on its way to the file, and what has not.

use std::time::{Duration, Instant};

use super::people::pair;
use super::process::{Process, on_record, sqlite};
use super::records::{Folder, folder};

/// So many hundreds of rows, as fast as they are taken: lists of blocks.
pub(super) async fn block(server: &Process, hundreds: usize) {
    for user in 0..hundreds {
        let names: Vec<String> = (0..100).map(|number| format!("\"user-{number}\"")).collect();
        let body = format!("{{\"blocks\":[{}]}}", names.join(","));
        let answer = server.admin(&format!("PUT /v1/users/u{user}/blocks"), &body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[tokio::test]
async fn nothing_is_lost_on_sigterm_also_when_the_drain_is_cut() {
    for timeout in ["--shutdown-timeout=5", "--shutdown-timeout=0"] {
        let Folder { file, flag, .. } = &folder();
        let server = Process::start(&[flag, timeout]);
        let (_both, session) = pair(server.http, ["ann", "ben"]).await;
        block(&server, 50).await;
        server.terminate();
        assert!(server.ended().await.success());
        assert_eq!(sqlite(file, "SELECT count(*) FROM blocks"), "5000", "{timeout}");
        let run = "SELECT count(*), sum(stopped_at IS NOT NULL) FROM runs";
        assert_eq!(sqlite(file, run), "1|1", "{timeout}");
        // Those who met are on record, and what became of them is at the latest after the next start.
        Process::start(&[flag]).stop().await;
        let ended = sqlite(file, "SELECT id, reason FROM sessions WHERE ended_at IS NOT NULL");
        let reasons = ["shutdown", "stopped", "disconnected"].map(|why| format!("{session}|{why}"));
        assert!(reasons.contains(&ended), "{timeout}: {ended}");
    }
}

#[tokio::test]
async fn nothing_is_lost_when_a_second_signal_ends_it_at_once() {
    let Folder { file, flag, .. } = &folder();
    let server = Process::start(&[flag, "--shutdown-timeout=60"]);
    let _both = pair(server.http, ["ann", "ben"]).await;
    block(&server, 50).await;
    server.terminate();
    server.terminate();
    assert!(server.ended().await.success());
    assert_eq!(sqlite(file, "SELECT count(*) FROM blocks"), "5000");
}

#[tokio::test]
async fn a_session_of_a_killed_server_is_closed_as_lost_by_the_next() {
    let Folder { file, flag, .. } = &folder();
    let server = Process::start(&[flag]);
    let (_both, session) = pair(server.http, ["ann", "ben"]).await;
    on_record(file, "SELECT count(*) FROM sessions", "1").await;
    server.kill();
    assert_eq!(sqlite(file, "SELECT ended_at IS NULL FROM sessions"), "1");
    let server = Process::start(&[flag]);
    let lost = "SELECT id, reason, ended_at >= started_at, duration_ms >= 0 FROM sessions";
    assert_eq!(sqlite(file, lost), format!("{session}|lost|1|1"));
    server.stop().await;
}

#[tokio::test]
async fn a_killed_server_has_lost_its_last_moment_at_most() {
    let Folder { file, flag, .. } = &folder();
    let server = Process::start(&[flag]);
    let begun = Instant::now();
    let mut said = Vec::new();
    while begun.elapsed() < Duration::from_secs(2) {
        let line = format!("PUT /v1/users/u{}/blocks/ann", said.len());
        assert_eq!(server.admin(&line, "").await.status, 204);
        said.push(Instant::now());
    }
    let killed = Instant::now();
    server.kill();
    let kept: usize = sqlite(file, "SELECT count(*) FROM blocks").parse().expect("a number");
    // 200 ms are gathered; the rest is for a machine that is busy with other tests.
    let late = said.get(kept).map(|first_lost| killed - *first_lost).unwrap_or_default();
    assert!(late < Duration::from_millis(1000), "{kept} of {}, {late:?}", said.len());
    assert!(kept > 0);
}
