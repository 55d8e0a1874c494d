//! libnice, as Debian packages it with what Python needs of it, driven by `libnice_client.py` beside this file.

use std::path::Path;

use tokio::process::Command;

use super::program::says_ok;
use super::server::Hairpin;
use super::{Account, Transport};

/// Connects two agents that may use relayed candidates only.
pub(super) async fn run(account: &Account) {
    // Debian's own Python, which alone has Debian's packages.
    let mut command = Command::new("/usr/bin/python3");
    command
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/libnice_client.py"))
        .arg(account.server.to_string())
        .args([account.transport.name(), &account.username, &account.password]);
    says_ok(&mut command, account).await;
}

#[tokio::test]
async fn two_relayed_agents_connect() {
    let hairpin = Hairpin::start().await;
    for transport in [Transport::Udp, Transport::Tcp] {
        run(&hairpin.account(transport)).await;
    }
}
