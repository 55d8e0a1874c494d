//! Apps that were written for the first wire, driven by `old_wire_client.js` beside this file.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::DEADLINE;
use super::server::Hairpin;

#[tokio::test]
async fn an_app_of_the_old_wire_finds_all_as_it_was() {
    let hairpin = Hairpin::start().await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("node");
    command
        .arg(root.join("tests/interop/old_wire_client.js"))
        .arg(root.join("target/node"))
        .arg(hairpin.websocket())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(DEADLINE, command.output()).await.expect("done in time");
    let output = output.expect("node is there: run tests/run");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.trim() == "ok", "{out}{err}");
}
