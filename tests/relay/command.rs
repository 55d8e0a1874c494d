//! The command as a person meets it: flags, signals, exit codes.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
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

fn started() -> (Running, String) {
    started_with(&QUIET)
}

/// Starts the command and reads its summary, which is written at once.
fn started_with(args: &[&str]) -> (Running, String) {
    let mut child = hairpin(args).spawn().expect("the command is built");
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

#[test]
fn a_secret_made_at_the_start_is_told_and_config_check_tells_it_too() {
    let quiet: Vec<_> = QUIET.into_iter().filter(|arg| !arg.contains("secret")).collect();
    let (_running, summary) = started_with(&quiet);
    let check = hairpin(&["config", "check"]).args(&quiet).output().expect("it is built");
    let foreseen = String::from_utf8_lossy(&check.stdout);
    let list = |text: &str| {
        let (_, list) = text.split_once("Not for production").expect("loopback has no quotas");
        list.trim().to_owned()
    };
    assert!(list(&summary).contains("--static-auth-secret SECRET"), "{summary}");
    assert_eq!(list(&summary), list(&foreseen));
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
    let limits = std::fs::read_to_string("/proc/self/limits").expect("Linux has it");
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let hard = files.and_then(|line| line.split_whitespace().nth(1)).expect("soft, then hard");
    let raised = format!("open files            {hard}, of which TCP connections ");
    assert!(summary.contains(&raised), "{raised:?} is missing in:\n{summary}");
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

/// What certbot's and logrotate's hooks send. It must be harmless however early it comes, so the process is held where
/// it reads its file: before anything is bound.
#[test]
fn sighup_and_its_like_are_harmless_from_the_start_to_the_end() {
    use rustix::process::Signal;
    let folder = tempfile::tempdir().expect("there is room for files");
    let fifo = folder.path().join("hairpin.toml");
    let made = Command::new("mkfifo").arg(&fifo).status().expect("coreutils are there");
    assert!(made.success());
    let mut child = hairpin(&QUIET).arg("--config").arg(&fifo).spawn().expect("it is built");
    let stderr = BufReader::new(child.stderr.take().expect("it is piped"));
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut running = Running(child);
    // Without waiting it opens as soon as there is a reader.
    let patience = Instant::now() + super::wire::PATIENCE;
    let mut writer = std::fs::File::options();
    writer.write(true).custom_flags(libc::O_NONBLOCK);
    let file = loop {
        match writer.open(&fifo) {
            Ok(file) => break file,
            Err(error) => assert!(Instant::now() < patience, "it does not read its file: {error}"),
        }
        std::thread::yield_now();
    };
    for kind in [Signal::HUP, Signal::USR1, Signal::USR2] {
        signal(&running.0, kind);
    }
    drop(file);
    let summary = stdout.lines().map_while(Result::ok).find(|line| line.contains("open "));
    assert!(summary.is_some(), "it has ended: {:?}", running.0.wait());

    signal(&running.0, Signal::HUP);
    let mut said = stderr.lines().map_while(Result::ok).filter(|line| line.contains("SIG"));
    let mut heard = [said.next(), said.next(), said.next()].map(Option::unwrap_or_default);
    heard.sort_by_key(|line| line.contains("SIGUSR2"));
    assert!(heard[0].contains("SIGHUP") && heard[1].contains("SIGHUP"), "{heard:?}");
    assert!(heard[2].contains("SIGUSR2"), "{heard:?}");
    assert!(heard.iter().all(|line| line.contains("restart")), "{heard:?}");
    signal(&running.0, Signal::TERM);
    assert!(running.0.wait().expect("it ends").success());
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
    assert!(
        complaint.contains(&format!("udp 127.0.0.1:{port} (alt-listening-port)")),
        "{complaint}"
    );
    assert!(complaint.contains("stop the program that holds the port"), "{complaint}");
}

#[test]
fn an_address_this_machine_lacks_is_refused_by_its_own_setting() {
    let output = hairpin(&QUIET)
        .args(["--udp-listening-ip", "192.0.2.77"])
        .output()
        .expect("the command is built");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("udp 192.0.2.77:0 (udp-listening-ip)"), "{complaint}");
    let output = hairpin(&QUIET)
        .args(["--udp-listening-ip", "nowhere.invalid"])
        .output()
        .expect("the command is built");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("udp-listening-ip = \"nowhere.invalid\""), "{complaint}");
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
        (&["--min-prt", "5000"], &["argument 1", "--min-port"]),
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
fn a_variable_that_is_no_setting_is_not_repeated_whatever_its_value() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    for value in [&b"x"[..], b"\xFF"] {
        let output = hairpin(&["config", "check"])
            .env("HAIRPIN_opensesame", OsStr::from_bytes(value))
            .output()
            .expect("the command is built");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains("there is no such setting"), "{complaint}");
        assert!(!complaint.contains("opensesame"), "{complaint}");
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
    for wanted in [
        "example.org",
        "60000",
        "HAIRPIN_MAX_PORT",
        "(redacted)",
        "peers see             ",
        "0.0.0.0:443 where it may be bound",
        "Not for production as it is:",
        "--user-quota 100",
    ] {
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
    // One address may have them all.
    command.arg("--max-allocations-per-address=1000");
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
