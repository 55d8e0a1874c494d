//! werift, WebRTC in TypeScript for node, driven by `werift_client.js` beside this file.

use std::path::Path;

use tokio::process::Command;

use super::program::says_ok;
use super::server::Hairpin;
use super::{Account, Transport};

/// Opens a data channel between two peer connections that may use relayed candidates only.
pub(super) async fn run(account: &Account) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("node");
    command
        .arg(root.join("tests/interop/werift_client.js"))
        .arg(root.join("target/node/node_modules/werift"))
        .arg(account.server.to_string())
        .args([account.transport.name(), &account.username, &account.password]);
    says_ok(&mut command, account).await;
}

#[tokio::test]
async fn a_relayed_data_channel_opens() {
    let hairpin = Hairpin::start().await;
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        run(&hairpin.account(transport)).await;
    }
}
