//! The command, on files of its own.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::{Answer, PATIENCE, admin, ask, until};

/// Ports of the system's choice, nothing beyond loopback.
const QUIET: [&str; 8] = [
    "--listening-ip=127.0.0.1",
    "--listening-port=0",
    "--relay-ip=127.0.0.1",
    "--http-listen=127.0.0.1:0",
    "--admin-listen=127.0.0.1:0",
    "--static-auth-secret=north-star-north-star",
    "--workers=1",
    "--drain-spread=0",
];

/// A running hairpin that does not outlive its test.
pub(super) struct Process {
    child: Child,
    pub(super) http: u16,
    pub(super) admin: u16,
    pub(super) summary: String,
}

impl Process {
    /// Starts it, with these flags beside.
    pub(super) fn start(flags: &[&str]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_hairpin")), flags)
    }

    /// Starts it by a command that takes its arguments.
    pub(super) fn start_by(mut command: Command, flags: &[&str]) -> Self {
        command.arg(format!("--admin-token={}", super::TOKEN));
        Self::spawn(command, flags)
    }

    /// Starts it without what opens the admin API.
    pub(super) fn start_without_token(flags: &[&str]) -> Self {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_hairpin")), flags)
    }

    fn spawn(mut command: Command, flags: &[&str]) -> Self {
        command.args(QUIET).args(flags).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the command is built");
        let mut stdout = child.stdout.take().expect("it is piped");
        let (sender, summary) = mpsc::channel();
        std::thread::spawn(move || {
            let (mut text, mut chunk) = (String::new(), [0; 4096]);
            while !text.contains("  open  ") {
                let length = stdout.read(&mut chunk).unwrap_or(0);
                if length == 0 {
                    break;
                }
                text.push_str(&String::from_utf8_lossy(&chunk[..length]));
            }
            let _ = sender.send(text);
        });
        let summary = summary.recv_timeout(PATIENCE).expect("a summary in time");
        let port = |name: &str| {
            let line = summary.lines().find(|line| line.contains(name));
            let port = line.and_then(|line| line.rsplit(':').next()?.trim().parse().ok());
            port.unwrap_or_else(|| panic!("{name} in:\n{summary}"))
        };
        let (http, admin) = (port("HTTP and WebSocket"), port("metrics and health"));
        Self { child, http, admin, summary }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) async fn admin(&self, line: &str, body: &str) -> Answer {
        admin(self.admin, line, body).await
    }

    /// The value of a metric without labels.
    pub(super) async fn metric(&self, name: &str) -> u64 {
        let metrics = ask(self.admin, "GET /metrics", "", "").await.body;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}"))
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(rustix::process::Pid::from_raw);
        rustix::process::kill_process(pid.expect("a process"), signal).expect("it runs");
    }

    /// Begins its end.
    pub(super) fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    /// Ends it at once.
    pub(super) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has run");
    }

    /// Waits for its end.
    pub(super) async fn ended(mut self) -> ExitStatus {
        until("it ends", async || self.child.try_wait().expect("it can be waited for")).await
    }

    /// Ends it as an operator does.
    pub(super) async fn stop(self) {
        self.terminate();
        assert!(self.ended().await.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a start that fails says.
pub(super) fn refused(flags: &[&str]) -> String {
    refused_by(Command::new(env!("CARGO_BIN_EXE_hairpin")), flags)
}

pub(super) fn refused_by(mut command: Command, flags: &[&str]) -> String {
    let output = command.args(QUIET).args(flags).stdin(Stdio::null()).output();
    let output = output.expect("the command is built");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    said
}

/// What the tool of SQLite's own makers reads in a file, with `|` between columns.
pub(super) fn sqlite(file: &Path, sql: &str) -> String {
    let wait = format!(".timeout {}", Duration::from_secs(20).as_millis());
    let mut tool = Command::new("sqlite3")
        .args(["-batch", "-bail", "-cmd", &wait])
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tests/run installs sqlite3");
    let mut stdin = tool.stdin.take().expect("it is piped");
    stdin.write_all(format!("{sql};\n").as_bytes()).expect("it reads");
    drop(stdin);
    let output = tool.wait_with_output().expect("it ends");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{sql}: {error}");
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

/// Waits until the file says this.
pub(super) async fn on_record(file: &Path, sql: &str, wanted: &str) {
    let mut said = String::new();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        said = sqlite(file, sql);
        if said == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{sql}: {said:?}, not {wanted:?}");
}
