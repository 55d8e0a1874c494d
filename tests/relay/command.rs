//! The command as a person meets it: flags, signals, exit codes.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::wire::Client;

/// A running command that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn hairpin(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hairpin"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Ports of the system's choice, nothing beyond loopback.
const QUIET: [&str; 8] = [
    "--listening-ip=127.0.0.1",
    "--listening-port=0",
    "--relay-ip=127.0.0.1",
    "--http-listen=127.0.0.1:0",
    "--admin-listen=none",
    "--shutdown-timeout=5",
    "--static-auth-secret=north-star",
    "--workers=2",
];

/// Starts the command and reads its summary up to the last section.
fn started() -> (Running, String) {
    let mut child = hairpin(&QUIET).spawn().expect("the command is built");
    let stdout = child.stdout.take().expect("it is piped");
    let running = Running(child);
    (running, read_summary(stdout))
}

fn read_summary(mut stdout: impl Read) -> String {
    let mut summary = String::new();
    let mut chunk = [0; 4096];
    while !summary.contains("open ") {
        let length = stdout.read(&mut chunk).expect("the pipe is readable");
        assert!(length > 0, "the command ended: {summary}");
        summary.push_str(std::str::from_utf8(&chunk[..length]).expect("the summary is text"));
    }
    summary
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(child);
    rustix::process::kill_process(pid, signal).expect("the command runs");
}

#[test]
fn a_newcomer_reads_what_listens_where_and_no_secret() {
    let (_running, summary) = started();
    for wanted in ["STUN/TURN over UDP", "127.0.0.1:", "peers see", "http://localhost:"] {
        assert!(summary.contains(wanted), "{wanted:?} is missing in:\n{summary}");
    }
    assert!(!summary.contains("north-star"), "{summary}");
}

#[test]
fn sigterm_and_sigint_stop_it_cleanly_and_in_time() {
    for kind in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        let (mut running, _) = started();
        let began = Instant::now();
        signal(&running.0, kind);
        let status = running.0.wait().expect("it ends");
        assert!(status.success(), "{status}");
        assert!(began.elapsed() < Duration::from_secs(5), "nobody was there to wait for");
    }
}

#[test]
fn a_busy_port_is_refused_with_the_fix() {
    let held = std::net::UdpSocket::bind(super::loopback(0)).expect("loopback has free ports");
    let port = held.local_addr().expect("bound").port().to_string();
    let output = hairpin(&QUIET)
        .args(["--alt-listening-port", &port])
        .output()
        .expect("the command is built");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains(&format!("udp 127.0.0.1:{port}")), "{complaint}");
    assert!(complaint.contains("stop the program that holds the port"), "{complaint}");
}

#[test]
fn c093_a_relay_range_with_system_ports_is_refused() {
    let output = hairpin(&["--min-port", "1023"]).output().expect("the command is built");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.contains("from 1024 to 65535"), "{complaint}");
}

#[test]
fn wrong_flags_name_the_field_the_value_and_the_fix() {
    for (args, wanted) in [
        (&["--min-port", "80"][..], &["min-port", "80", "--min-port", "1024"][..]),
        (&["--min-prt", "5000"], &["--min-prt", "--min-port"]),
        (&["--denied-peer-ip", "10.0.0.0/33"], &["denied-peer-ip", "10.0.0.0/33"]),
        (&["--config", "/nonexistent.toml"], &["/nonexistent.toml", "TOML"]),
    ] {
        let output = hairpin(args).output().expect("the command is built");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {complaint}");
        for word in wanted {
            assert!(complaint.contains(word), "{args:?}: {word:?} is missing in {complaint}");
        }
    }
}

#[test]
fn config_check_prints_what_is_in_force_and_no_secret() {
    let output = hairpin(&["config", "check", "--realm", "example.org"])
        .args(["--static-auth-secret", "north-star", "--user", "ann:opensesame"])
        .env("HAIRPIN_MAX_PORT", "60000")
        .output()
        .expect("the command is built");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for wanted in ["example.org", "60000", "HAIRPIN_MAX_PORT", "(redacted)"] {
        assert!(text.contains(wanted), "{wanted:?} is missing in:\n{text}");
    }
    assert!(!text.contains("north-star") && !text.contains("opensesame"), "{text}");
}

#[tokio::test]
async fn a_flood_of_refused_allocations_is_a_few_lines_in_the_log() {
    // What is left of these descriptors after the start is soon taken.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 64; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_hairpin")]);
    command.args(QUIET).args(["--alt-listening-port=none", "--realm=test"]);
    command.arg(format!("--user={}:{}", super::USER, super::PASSWORD));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("there is a shell");
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let running = Running(child);
    let summary = read_summary(stdout.expect("it is piped"));
    let udp = summary.lines().find_map(|line| line.trim().strip_prefix("STUN/TURN over UDP"));
    let udp: std::net::SocketAddr = udp.expect("it listens").trim().parse().expect("one address");

    let mut held = Vec::new();
    let mut refused = loop {
        let mut client = Client::udp(udp).await;
        match client.allocate().await {
            Ok(_) => held.push(client),
            Err(508) => break client,
            Err(other) => panic!("{other}"),
        }
    };
    for _ in 0..300 {
        assert_eq!(refused.allocate().await, Err(508));
    }
    drop(running);
    let mut log = String::new();
    stderr.expect("it is piped").read_to_string(&mut log).expect("it is text");
    let lines = log.lines().filter(|line| line.contains("relay socket")).count();
    assert!((1..=60).contains(&lines), "{lines} lines for 301 refusals:\n{log}");
}
