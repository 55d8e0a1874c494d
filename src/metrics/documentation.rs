//! docs/metrics.md, held to the code, and both to what Prometheus asks of metrics.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use hairpin_signaling::{CloseCode, EndReason, ErrorCode, Return};
use hairpin_turn::{Refusal, RequestMethod};
use prometheus::proto::{MetricFamily, MetricType};

use super::{Metrics, TokenVerdict};

const PAGE: &str = include_str!("../../docs/metrics.md");

/// Names that users asked for as they are. Each has a twin that Prometheus likes better.
const LEGACY: [&str; 4] = [
    "matchmaking_queue_length",
    "active_sessions_count",
    "websocket_connections",
    "matchmaking_latency_ms",
];

/// Metrics of a server to which everything has happened.
fn eventful() -> Metrics {
    let metrics = Metrics::new(1);
    let relay = metrics.relay(0);
    for method in RequestMethod::ALL {
        relay.challenged(method);
        Refusal::ALL.into_iter().for_each(|refusal| relay.refused(method, refusal));
    }
    metrics.certificates.expiries(vec![("example.org".to_owned(), 0)]);
    TokenVerdict::ALL.into_iter().for_each(|verdict| metrics.identity.token(verdict));
    let signaling = &metrics.signaling;
    signaling.matched(Duration::from_secs(1));
    signaling.queue_timeout();
    EndReason::ALL.into_iter().for_each(|reason| signaling.ended(reason.as_str()));
    ErrorCode::ALL.into_iter().for_each(|code| signaling.refused(code.as_str()));
    Return::ALL.into_iter().for_each(|how| signaling.returned(how.name()));
    // 1002 and 1007 are what the WebSocket protocol itself closes with.
    CloseCode::ALL
        .into_iter()
        .map(CloseCode::code)
        .chain([1002, 1007])
        .for_each(|code| signaling.closed(code));
    metrics
}

/// A row for each metric: what it is called, what it is, the values of its labels, and what it says.
fn table(families: &[MetricFamily]) -> String {
    let mut text = String::from("| Metric | Type | Labels | What it says |\n|---|---|---|---|\n");
    for family in families {
        let kind = match family.get_field_type() {
            MetricType::COUNTER => "counter",
            MetricType::GAUGE => "gauge",
            MetricType::HISTOGRAM => "histogram",
            other => panic!("no metric of ours is {other:?}"),
        };
        let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for label in family.get_metric().iter().flat_map(|metric| metric.get_label()) {
            labels.entry(label.name()).or_default().insert(label.value());
        }
        let labels = labels.into_iter().map(|(name, values)| match name {
            "name" | "version" => format!("`{name}`"),
            _ => {
                let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
                format!("`{name}`: {}", values.join(" "))
            }
        });
        let labels: Vec<String> = labels.collect();
        let (name, help) = (family.name(), family.help());
        text += &format!("| `{name}` | {kind} | {} | {help}. |\n", labels.join("; "));
    }
    text
}

#[test]
fn the_page_is_what_the_code_says() {
    let expected = table(&eventful().families());
    let found = PAGE
        .split_once("<!-- metrics -->\n")
        .and_then(|(_, rest)| rest.split_once("<!-- /metrics -->"))
        .map(|(table, _)| table.trim());
    assert!(
        found == Some(expected.trim()),
        "put this between the marks in docs/metrics.md:\n{expected}"
    );
}

#[test]
fn what_is_counted_has_a_prefix_of_ours_but_for_the_names_that_were_asked_for() {
    for family in eventful().families() {
        let name = family.name();
        let ours = ["hairpin_", "process_"].iter().any(|prefix| name.starts_with(prefix));
        assert!(ours || LEGACY.contains(&name), "{name}");
    }
}

/// `promtool` comes with Prometheus; `tests/run` installs it.
#[test]
fn prometheus_has_nothing_to_say_against_any_name_but_those_that_were_asked_for() {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else { return skipped("there is no promtool here") };
    let mut stdin = promtool.stdin.take().expect("it was asked for");
    stdin.write_all(eventful().text().as_bytes()).expect("promtool reads it all");
    drop(stdin);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let complaints: Vec<&str> = said
        .lines()
        .filter(|line| !LEGACY.iter().any(|name| line.starts_with(&format!("{name} "))))
        .collect();
    assert!(complaints.is_empty(), "{said}");
}

fn skipped(reason: &str) {
    let test = std::thread::current().name().unwrap_or("metrics").to_owned();
    println!("SKIPPED: {test}: {reason}");
    if let Some(path) = std::env::var_os("SKIPPED_TESTS") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let mut file = file.expect("SKIPPED_TESTS names a writable file");
        writeln!(file, "{test}: {reason}").expect("SKIPPED_TESTS names a writable file");
    }
}
