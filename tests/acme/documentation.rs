//! docs/tls.md: what a reader pastes works.

use std::process::Command;

use super::*;
use crate::documentation::blocks;

const PAGE: &str = "docs/tls.md";

/// The block with these words in it.
fn block(words: &str) -> String {
    let found = blocks(PAGE, "sh").into_iter().find(|block| block.contains(words));
    found.unwrap_or_else(|| panic!("{PAGE} has no command with {words:?}"))
}

/// What a shell says of these commands.
fn shell(folder: &Path, commands: &str) -> String {
    let output = Command::new("bash").args(["-ec", commands]).current_dir(folder).output();
    let output = output.expect("bash is there");
    let said =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(output.status.success(), "{commands}{}", said.concat());
    said.into_iter().next().expect("there are two")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_made_as_the_page_says_is_served_and_seen_as_it_says() {
    let folder = tempfile::tempdir().expect("a folder");
    let block = block("openssl req");
    let (make, run) = block.split_once("\nhairpin ").expect("it is made, and then used");
    shell(folder.path(), make);
    let inside = |file: &str| folder.path().join(file).display().to_string();
    let run = run.replace("fullchain.pem", &inside("fullchain.pem"));
    let run = run.replace("privkey.pem", &inside("privkey.pem"));
    let places = Places::new();
    let site = Site::start(quiet(command(&format!("hairpin {run}"))), &places);

    let look = self::block("openssl s_client").replace("localhost:443", &site.tls.to_string());
    // It waits for the end of its input, and that of the connection.
    let path = folder.path().to_owned();
    let said = tokio::task::spawn_blocking(move || shell(&path, &look)).await.expect("it ends");
    assert!(said.contains("CN = localhost") && said.contains("notAfter="), "{said}");

    let ask = self::block("curl -s").replace("127.0.0.1:9478", &site.admin.to_string());
    let path = folder.path().to_owned();
    let said = tokio::task::spawn_blocking(move || shell(&path, &ask)).await.expect("it ends");
    assert!(said.contains("hairpin_certificate_expiry_seconds{name=\"localhost\"} 25"), "{said}");
    assert!(said.ends_with("ok\n"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_of_ones_own_is_used_as_the_page_says() {
    let places = Places::new();
    let Some(pebble) = Pebble::start(options(&places)).await else { return };
    let state = tempfile::tempdir().expect("a folder");
    let mut words =
        block("--acme-root").replace("\\\n", " ").replace("call.example.org", "a.example");
    for (name, value) in pebble.settings() {
        let (before, rest) = words.split_once(&format!("--{name} ")).expect("it is in it");
        let rest = rest.split_once(' ').map_or("", |(_, rest)| rest);
        words = format!("{before}--{name} {value} {rest}");
    }
    let words = words.replace("/var/lib/hairpin", state.path().to_str().expect("text"));
    let site = Site::start(quiet(command(&words)), &places);
    site.until_certified(&pebble.client().await, None).await;
}

/// What a line of a shell sets.
fn command(line: &str) -> Layers {
    let words = line.split_whitespace().map(Into::into);
    match hairpin_config::Command::parse(words).expect("it is understood") {
        hairpin_config::Command::Run(layers) => layers,
        other => panic!("{line} runs no server: {other:?}"),
    }
}

/// The same on loopback alone, on ports that are chosen elsewhere.
fn quiet(mut layers: Layers) -> Config {
    for (name, value) in [
        ("relay-ip", "127.0.0.1"),
        ("redirect-listen", "none"),
        ("workers", "1"),
        ("shutdown-timeout", "0"),
    ] {
        layers.set(name, value);
    }
    layers.resolve().expect("the settings are valid").config
}
