//! pion's TURN client and ICE agent, as Debian packages them, in the program of `pion/main.go`.

use std::path::Path;

use tokio::process::Command;

use super::program::says_ok;
use super::server::Hairpin;
use super::{Account, EchoPeer, Transport};

/// Runs a scenario of the program: `echo` through one allocation, or `ice` between two agents that may use relayed
/// candidates only.
pub(super) async fn run(scenario: &str, account: &Account) {
    let peer = EchoPeer::start().await;
    let mut command =
        Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("target/go/bin/pion"));
    command.arg(scenario).args([account.server.to_string(), peer.address.to_string()]).args([
        account.transport.name(),
        &account.username,
        &account.password,
    ]);
    says_ok(&mut command, account).await;
}

#[tokio::test]
async fn completes_a_relayed_echo() {
    let hairpin = Hairpin::start().await;
    for transport in Transport::ALL {
        run("echo", &hairpin.account(transport)).await;
    }
}

#[tokio::test]
async fn two_relayed_agents_connect() {
    let hairpin = Hairpin::start().await;
    for transport in Transport::ALL {
        run("ice", &hairpin.account(transport)).await;
    }
}
