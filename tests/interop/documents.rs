//! The documents of the protocol, read by tools that are none of ours: `documents.py` beside this file.

use std::path::Path;
use std::process::{Command, Stdio};

use super::aioice::python;

#[test]
fn the_documents_of_the_protocol_are_what_they_say_they_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python())
        .arg(root.join("tests/interop/documents.py"))
        .arg(root.join("docs/protocol"))
        .arg(root.join("target/node/node_modules/@asyncapi/specs/schemas"))
        .stdin(Stdio::null())
        .output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}; run tests/run", python().display()));
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && out.trim() == "ok",
        "{out}{err}\ntests/run installs its tools"
    );
}
