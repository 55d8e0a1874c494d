//! Python's aioice, driven by `aioice_client.py` beside this file.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::server::Hairpin;
use super::{Account, DEADLINE, EchoPeer, Transport};

/// Runs a scenario of the script: `echo` through one allocation, or `ice` between two agents that
/// may use relayed candidates only.
pub(super) async fn run(scenario: &str, account: &Account) {
    let peer = EchoPeer::start().await;
    let mut command = Command::new(python());
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/aioice_client.py"))
        .arg(scenario)
        .args([account.server.to_string(), peer.address.to_string()])
        .arg(if account.transport == Transport::Udp { "udp" } else { "tcp" })
        .args([&account.username, &account.password])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await.expect("done in time");
    let output = output.unwrap_or_else(|e| panic!("{}: {e}; run tests/run", python().display()));
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim() == "ok", "{scenario}:\n{out}{err}");
}

/// A Python that has aioice and what reads our documents: `AIOICE_PYTHON`, or the environment that `tests/run` makes.
pub(super) fn python() -> PathBuf {
    env::var_os("AIOICE_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python"),
        PathBuf::from,
    )
}

#[tokio::test]
async fn completes_a_relayed_echo_over_udp() {
    let hairpin = Hairpin::start().await;
    run("echo", &hairpin.account(Transport::Udp)).await;
}

#[tokio::test]
async fn completes_a_relayed_echo_over_tcp() {
    let hairpin = Hairpin::start().await;
    run("echo", &hairpin.account(Transport::Tcp)).await;
}

#[tokio::test]
async fn two_relayed_agents_connect_over_udp() {
    let hairpin = Hairpin::start().await;
    run("ice", &hairpin.account(Transport::Udp)).await;
}

#[tokio::test]
async fn two_relayed_agents_connect_over_tcp() {
    let hairpin = Hairpin::start().await;
    run("ice", &hairpin.account(Transport::Tcp)).await;
}
