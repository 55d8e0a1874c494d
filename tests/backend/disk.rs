//! Disks that are full, read-only, or busy: loud, and no call is stopped.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::people::pair;
use super::process::{Process, on_record, refused_by, sqlite};
use super::records::{Folder, folder};
use super::{ask, until};

/// A command in a mount namespace where this folder is a disk of so many kilobytes; `None` where there can be none.
fn with_disk(folder: &Path, options: &str) -> Option<Command> {
    let script = format!("mount -t tmpfs -o {options} tmpfs '{}' && exec \"$@\"", folder.display());
    let unshare = |command: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-rm", "sh", "-c", &script, "sh", command]);
        unshare
    };
    match unshare("true").output() {
        Ok(tried) if tried.status.success() => Some(unshare(env!("CARGO_BIN_EXE_hairpin"))),
        Ok(tried) => {
            crate::report_skipped(&String::from_utf8_lossy(&tried.stderr));
            None
        }
        Err(error) => {
            crate::report_skipped(&format!("unshare: {error}"));
            None
        }
    }
}

/// What `sqlite3` reads where the server sees the file.
fn sqlite_there(server: &Process, file: &Path, sql: &str) -> String {
    let pid = server.pid().to_string();
    let output = Command::new("nsenter")
        .args([
            "-t",
            &pid,
            "-U",
            "-m",
            "--preserve-credentials",
            "sqlite3",
            "-cmd",
            ".timeout 20000",
        ])
        .arg(file)
        .arg(sql)
        .output()
        .expect("nsenter comes with unshare");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {error}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

async fn ready(server: &Process) -> (u16, String) {
    let answer = ask(server.admin, "GET /readyz", "", "").await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn a_full_disk_stops_no_call_and_what_waited_is_written_when_there_is_room() {
    let Folder { folder, file, flag } = &folder();
    let Some(command) = with_disk(folder.path(), "size=2m") else { return };
    let server = Process::start_by(command, &[flag]);
    let disk = format!("/proc/{}/root{}", server.pid(), folder.path().display());
    let filler = Path::new(&disk).join("filler");
    let mut all = std::fs::File::create(&filler).expect("created");
    while all.write_all(&[0; 4096]).is_ok() {}
    drop(all);

    let ([mut ann, mut ben], session) = pair(server.http, ["ann", "ben"]).await;
    // Enough that it does not fit into what is left of a page.
    super::endings::block(&server, 50).await;
    until("it is noticed", async || {
        (server.metric("hairpin_records_failing").await == 1).then_some(())
    })
    .await;
    let (status, said) = ready(&server).await;
    assert_eq!(status, 200);
    assert!(said.starts_with("ok\nrecords cannot be written: ") && said.contains("full"), "{said}");
    ann.say("signal", serde_json::json!({ "sessionId": session, "signal": { "type": "candidate", "candidate": {} } })).await;
    ben.hear("signal").await;

    std::fs::remove_file(&filler).expect("it was there");
    let wanted = "SELECT (SELECT count(*) FROM blocks), (SELECT count(*) FROM sessions)";
    until("all of it is written", async || {
        (sqlite_there(&server, file, wanted) == "5000|1").then_some(())
    })
    .await;
    until("it is noticed", async || (ready(&server).await == (200, "ok\n".into())).then_some(()))
        .await;
    assert_eq!(server.metric("hairpin_records_failing").await, 0);
    server.stop().await;
}

#[tokio::test]
async fn a_disk_that_is_read_only_is_refused_at_the_start() {
    let Folder { folder, flag, .. } = &folder();
    let Some(command) = with_disk(folder.path(), "ro,size=1m") else { return };
    let said = refused_by(command, &[flag]);
    assert!(
        said.contains("Read-only file system") && said.contains("write the file and the folder"),
        "{said}"
    );
}

#[tokio::test]
async fn a_disk_that_is_full_is_refused_at_the_start() {
    let Folder { folder, flag, .. } = &folder();
    let Some(command) = with_disk(folder.path(), "size=8k") else { return };
    let said = refused_by(command, &[flag]);
    assert!(said.contains("records = ") && said.contains("make room on the disk"), "{said}");
}

#[tokio::test]
async fn a_file_that_somebody_deletes_is_missed() {
    let Folder { file, flag, .. } = &folder();
    let server = Process::start(&[flag]);
    std::fs::remove_file(file).expect("it was there");
    let _both = pair(server.http, ["ann", "ben"]).await;
    until("it is noticed", async || {
        (server.metric("hairpin_records_failing").await == 1).then_some(())
    })
    .await;
    let (status, said) = ready(&server).await;
    assert!(status == 200 && said.contains("it is gone"), "{said}");
    server.stop().await;
}

#[tokio::test]
async fn who_holds_the_file_for_long_stops_no_call() {
    let Folder { file, flag, .. } = &folder();
    let server = Process::start(&[flag]);
    let mut other = Command::new("sqlite3")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("sqlite3");
    let mut tell = other.stdin.take().expect("it is piped");
    tell.write_all(b"BEGIN IMMEDIATE;\nSELECT 'begun';\n").expect("it reads");
    let mut said = std::io::BufReader::new(other.stdout.take().expect("it is piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).expect("it answers");
    assert_eq!(line, "begun\n");

    let _both = pair(server.http, ["ann", "ben"]).await;
    until("it is noticed", async || {
        (server.metric("hairpin_records_failing").await == 1).then_some(())
    })
    .await;
    assert!(ready(&server).await.1.contains("locked"));
    drop(tell);
    other.wait().expect("it ends with its input");
    on_record(file, "SELECT count(*) FROM sessions", "1").await;
    assert_eq!(sqlite(file, "SELECT count(*) FROM losses"), "0");
    server.stop().await;
}
