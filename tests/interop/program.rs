//! Clients that are programs of their own.

use std::io::ErrorKind;
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::{Account, DEADLINE};

/// What a script exits with when what it drives is not installed.
const NOT_INSTALLED: i32 = 77;

/// Runs a client to its end: it says "ok" if all went well. It trusts the account's authority alone: OpenSSL and Go
/// have that from `SSL_CERT_FILE`, node from a variable of its own.
///
/// One that is not there is reported as skipped.
pub(super) async fn says_ok(command: &mut Command, account: &Account) {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let root = account.authority.root();
    command
        .env("SSL_CERT_FILE", &root)
        .env("NODE_EXTRA_CA_CERTS", &root)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match timeout(DEADLINE, command.output()).await.expect("done in time") {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return crate::report_skipped(&format!("{name} is not there: tests/run installs it"));
        }
        Err(error) => panic!("{name}: {error}"),
    };
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(NOT_INSTALLED) {
        return crate::report_skipped(err.trim());
    }
    let over = account.transport;
    assert!(
        output.status.success() && out.trim() == "ok",
        "{command:?} over {over:?}: {}\n{out}{err}",
        output.status
    );
}
