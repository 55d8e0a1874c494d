//! Python's aioice, driven by `aioice_client.py` beside this file.

use std::env;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::program::says_ok;
use super::server::Hairpin;
use super::{Account, EchoPeer, Transport};

/// Runs a scenario of the script: `echo` through one allocation, or `ice` between two agents that
/// may use relayed candidates only.
pub(super) async fn run(scenario: &str, account: &Account) {
    let peer = EchoPeer::start().await;
    let mut command = Command::new(python());
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/aioice_client.py"))
        .arg(scenario)
        .args([account.server.to_string(), peer.address.to_string()])
        .args([account.transport.name(), &account.username, &account.password]);
    says_ok(&mut command, account).await;
}

/// A Python that has aioice and what reads our documents: `AIOICE_PYTHON`, or the environment that `tests/run` makes.
pub(super) fn python() -> PathBuf {
    env::var_os("AIOICE_PYTHON").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/bin/python"),
        PathBuf::from,
    )
}

#[tokio::test]
async fn completes_a_relayed_echo() {
    let hairpin = Hairpin::start().await;
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        run("echo", &hairpin.account(transport)).await;
    }
}

#[tokio::test]
async fn two_relayed_agents_connect() {
    let hairpin = Hairpin::start().await;
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        run("ice", &hairpin.account(transport)).await;
    }
}
