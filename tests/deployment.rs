//! fly.toml and the Dockerfile, held to what Fly.io and hairpin's own settings demand. Needs neither
//! an account nor a Docker engine.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use toml::{Table, Value};

#[test]
fn udp_keeps_its_port_as_fly_demands() {
    for service in services("udp") {
        let external: Vec<u16> = ports(&service).collect();
        assert_eq!(external, [number(&service["internal_port"])]);
    }
}

#[test]
fn udp_reaches_the_listener_and_every_relay_port_and_nothing_else() {
    let relay = setting("HAIRPIN_MIN_PORT")..=setting("HAIRPIN_MAX_PORT");
    let expected: BTreeSet<u16> = relay.chain([3478]).collect();
    let served: BTreeSet<u16> = services("udp").iter().flat_map(ports).collect();
    assert_eq!(served, expected);
}

/// A browser holds an allocation for each TURN URL it was given, through the whole call.
#[test]
fn quotas_fit_what_browsers_hold_of_the_relay_ports() {
    let urls: String = setting("HAIRPIN_ICE_URL");
    let held_by_one = urls.split(',').filter(|url| url.starts_with("turn")).count();
    let ports = setting::<usize>("HAIRPIN_MAX_PORT") - setting::<usize>("HAIRPIN_MIN_PORT") + 1;
    let user: usize = setting("HAIRPIN_USER_QUOTA");
    assert!(user >= 2 * held_by_one, "an ICE restart allocates before it lets go");
    assert!(user <= ports / 2, "nobody gets more than half of it");
    assert_eq!(setting::<usize>("HAIRPIN_TOTAL_QUOTA"), ports);
    assert_eq!(setting::<usize>("HAIRPIN_MAX_ALLOCATIONS_PER_ADDRESS"), ports);
    let calls = ports / (2 * held_by_one);
    let said = format!("{ports} allocations are {calls} calls");
    for page in ["fly.toml", "docs/deploy-fly.md"] {
        let words = read(page).replace('#', " ");
        let words: Vec<&str> = words.split_whitespace().collect();
        assert!(words.join(" ").contains(&said), "{page} says that {said}");
    }
}

#[test]
fn udp_sockets_are_bound_to_flys_address() {
    for name in ["HAIRPIN_UDP_LISTENING_IP", "HAIRPIN_RELAY_IP"] {
        assert_eq!(setting::<String>(name), "fly-global-services");
    }
    assert_eq!(setting::<String>("HAIRPIN_LISTENING_IP"), "0.0.0.0");
}

#[test]
fn turn_over_tcp_passes_the_edge_unread() {
    let turn = services("tcp").into_iter().find(|s| number(&s["internal_port"]) == 3478);
    let turn = turn.expect("TURN over TCP is a service");
    for port in turn["ports"].as_array().expect("a list") {
        let handlers = port["handlers"].as_array().expect("a list, even when empty");
        assert!(!handlers.contains(&"http".into()), "STUN is not HTTP: {port}");
    }
}

#[test]
fn a_stop_has_the_time_it_takes() {
    let fly = fly();
    assert_eq!(fly["kill_signal"].as_str(), Some("SIGTERM"));
    let kill = fly["kill_timeout"].as_integer().expect("seconds");
    assert!(setting::<i64>("HAIRPIN_SHUTDOWN_TIMEOUT") < kill && kill <= 300);
}

#[test]
fn services_are_neither_throttled_at_flys_default_nor_stopped_when_idle() {
    for service in services("tcp") {
        let soft = service["concurrency"]["soft_limit"].as_integer().expect("a number");
        assert!(soft >= 10_000, "Fly's default is 20");
    }
    for service in services("tcp").into_iter().chain(services("udp")) {
        assert_eq!(service["auto_stop_machines"].as_str(), Some("off"));
    }
}

#[test]
fn checks_and_metrics_ask_the_admin_listener_which_is_no_service() {
    let fly = fly();
    let admin: String = setting("HAIRPIN_ADMIN_LISTEN");
    let port: u16 = admin.rsplit(':').next().expect("a part").parse().expect("a port");
    assert_eq!(number(&fly["checks"]["ready"]["port"]), port);
    assert_eq!(number(&fly["metrics"]["port"]), port);
    assert!(services("tcp").iter().all(|service| number(&service["internal_port"]) != port));
}

#[test]
fn hairpin_takes_the_environment_of_fly_toml() {
    let fly = fly();
    let environment = fly["env"].as_table().expect("a table");
    assert!(environment.keys().all(|name| name.starts_with("HAIRPIN_")), "FLY_ is Fly's own");
    let output = Command::new(env!("CARGO_BIN_EXE_hairpin"))
        .args(["config", "check"])
        .envs(environment.iter().map(|(name, value)| (name, value.as_str().expect("a string"))))
        // What `fly secrets` sets.
        .env("HAIRPIN_STATIC_AUTH_SECRET", "north")
        .env("HAIRPIN_EXTERNAL_IP", "203.0.113.1")
        .output()
        .expect("the binary was built for this test");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
}

#[test]
fn the_image_runs_without_root_and_checks_itself() {
    let dockerfile = read("Dockerfile");
    let (_, runtime) = dockerfile.rsplit_once("\nFROM ").expect("there are two stages");
    assert!(runtime.contains("\nUSER 65532:65532\n"), "the last stage drops root");
    assert!(runtime.contains(r#"CMD ["/usr/local/bin/hairpin", "healthcheck"]"#), "no curl");
}

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).expect("it is checked in")
}

fn fly() -> Table {
    read("fly.toml").parse().expect("fly.toml is TOML")
}

fn services(protocol: &str) -> Vec<Table> {
    let fly = fly();
    let services = fly["services"].as_array().expect("a list").iter();
    let tables = services.map(|service| service.as_table().expect("a table").clone());
    tables.filter(|service| service["protocol"].as_str() == Some(protocol)).collect()
}

/// The external ports of a service.
fn ports(service: &Table) -> impl Iterator<Item = u16> {
    service["ports"].as_array().expect("a list").iter().map(|port| number(&port["port"]))
}

/// A setting of `[env]`.
fn setting<T: std::str::FromStr<Err: std::fmt::Debug>>(name: &str) -> T {
    let fly = fly();
    let value = fly["env"].get(name).unwrap_or_else(|| panic!("[env] sets no {name}"));
    value.as_str().expect("[env] holds strings").parse().expect("a valid value")
}

fn number(value: &Value) -> u16 {
    value.as_integer().and_then(|number| number.try_into().ok()).expect("a port")
}
