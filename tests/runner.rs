//! `tests/run` itself: what it says at the end of what cargo and node said.

use std::fs;
use std::path::Path;
use std::process::Command;

const SAID: &str = "\
running 4 tests
test calls::one_is_made ... ok <1.250s>
test calls::one_ends ... ok <0.010s>
test browser::they_meet ... ok <20.000s>
test calls::one_is_lost ... FAILED <0.300s>

test result: FAILED. 3 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 20.00s

running 3 tests
test src/lib.rs - (line 6) ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
# tests 12
# pass 10
# fail 1
# skipped 1
";

#[test]
fn it_ends_in_one_line_and_a_skip_is_no_pass() {
    let said = outcome("browser::they_meet: no namespaces\nbrowser::they_meet: no namespaces\n");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.last(), Some(&"14 passed, 2 failed, 3 skipped"), "{said}");
    let slowest = lines.iter().position(|line| line.contains("slowest")).expect("a heading");
    assert_eq!(lines[slowest + 1], "20.000 s  browser::they_meet", "{said}");
    assert_eq!(lines[slowest + 2], "1.250 s  calls::one_is_made", "{said}");
    assert!(lines.contains(&"browser::they_meet: no namespaces"), "{said}");
}

#[test]
fn nothing_skipped_is_said_in_the_same_line() {
    assert_eq!(outcome("").lines().last(), Some("15 passed, 2 failed, 2 skipped"));
}

/// What the script's own function prints, of what cargo said and the tests that say they were skipped.
fn outcome(skipped: &str) -> String {
    let folder = tempfile::tempdir().expect("there is room for files");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("there is room for files");
        path
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run");
    let functions =
        r#"say() { echo "== $*"; }; eval "$(sed -n '/^outcome()/,/^}/p' "$script")"; outcome"#;
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", functions])
        .env("script", script)
        .env("log", file("log", SAID))
        .env("SKIPPED_TESTS", file("skipped", skipped))
        .output()
        .expect("bash is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
