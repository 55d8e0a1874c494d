//! Files of the repository that are made from the code. Shared by the tests of every crate that makes some.
#![allow(clippy::disallowed_methods, reason = "cores read no files; their tests may")]

use std::fs;
use std::path::{Path, PathBuf};

/// Where the documents of the protocol are.
pub(crate) fn protocol(name: &str) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|folder| folder.join("docs/protocol").is_dir());
    root.expect("the repository is around us").join("docs/protocol").join(name)
}

pub(crate) fn read(name: &str) -> String {
    let path = protocol(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Fails if the file is not what the code makes of it; with `UPDATE_PROTOCOL=1` it is written anew instead.
pub(crate) fn hold(name: &str, made: &str) {
    if std::env::var_os("UPDATE_PROTOCOL").is_some_and(|value| value == "1") {
        let path = protocol(name);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("it may be made");
        fs::write(&path, made).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    if let Some((at, (is, should))) =
        read(name).lines().zip(made.lines()).enumerate().find(|(_, (is, should))| is != should)
    {
        panic!(
            "docs/protocol/{name}, line {}: is\n{is}\nand should be\n{should}\nUPDATE_PROTOCOL=1 writes it anew",
            at + 1
        );
    }
    assert_eq!(
        read(name).len(),
        made.len(),
        "docs/protocol/{name}: UPDATE_PROTOCOL=1 writes it anew"
    );
}
