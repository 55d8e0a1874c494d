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
fn udp_reaches_the_listener_and_the_shared_relay_port_and_nothing_else() {
    assert_eq!(setting::<String>("HAIRPIN_RELAY_PORTS"), "shared");
    let expected = BTreeSet::from([3478, setting("HAIRPIN_SHARED_RELAY_PORT")]);
    let served: BTreeSet<u16> = services("udp").iter().flat_map(ports).collect();
    assert_eq!(served, expected);
    assert_eq!(services("udp").len() + services("tcp").len(), 4);
}

/// A browser holds an allocation for each TURN URL it was given, through the whole call.
#[test]
fn quotas_fit_what_browsers_hold() {
    let held_by_one = urls().iter().filter(|url| url.starts_with("turn")).count();
    let user: usize = setting("HAIRPIN_USER_QUOTA");
    assert!(user >= 2 * held_by_one, "an ICE restart allocates before it lets go");
    let pairs = setting::<usize>("HAIRPIN_TOTAL_QUOTA") / (2 * held_by_one);
    assert!(pairs >= 1000, "{pairs}");
    for page in ["fly.toml", "docs/deploy-fly.md"] {
        let words = read(page).replace('#', " ");
        let words: Vec<&str> = words.split_whitespace().collect();
        assert!(words.join(" ").to_lowercase().contains("1,000 pairs"), "{page} says how many");
    }
}

/// Every URL leads to a service that hands on what it is for.
#[test]
fn ice_urls_lead_to_services() {
    for url in urls() {
        let (scheme, rest) = url.split_once(':').expect("a scheme");
        let port = rest.split(['?', ':']).nth(1).expect("a port").parse().expect("a number");
        let transport = if rest.ends_with("tcp") { "tcp" } else { "udp" };
        let service = services(transport).into_iter().find(|s| ports(s).any(|p| p == port));
        let service = service.unwrap_or_else(|| panic!("no service for {url}"));
        let by_tls = handlers(&service, port).contains(&"tls".to_owned());
        assert_eq!(by_tls, scheme == "turns", "{url}");
    }
}

/// The edge says who is behind a connection wherever it does not read it.
#[test]
fn clients_have_their_own_addresses() {
    assert!(fly()["env"].get("HAIRPIN_PROXY_PROTOCOL_FROM").is_some());
    for service in services("tcp") {
        for port in ports(&service).filter(|port| *port != 80) {
            assert!(handlers(&service, port).contains(&"proxy_proto".to_owned()), "{port}");
        }
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
    let given = environment.iter().map(|(name, value)| (&**name, value.as_str().expect("text")));
    // What `fly secrets` sets.
    let secrets = [("HAIRPIN_STATIC_AUTH_SECRET", "north"), ("HAIRPIN_EXTERNAL_IP", "203.0.113.1")];
    config_check(given.chain(secrets).map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn the_image_runs_without_root_and_checks_itself() {
    let dockerfile = read("Dockerfile");
    let (_, runtime) = dockerfile.rsplit_once("\nFROM ").expect("there are two stages");
    assert!(runtime.contains("\nUSER 65532:65532\n"), "the last stage drops root");
    assert!(runtime.contains(r#"CMD ["/usr/local/bin/hairpin", "healthcheck"]"#), "no curl");
}

/// What is published is what the settings bind, and the image has a place for what they keep.
#[test]
fn compose_publishes_two_udp_ports_443_and_80() {
    let compose = read("compose.yaml");
    let published: Vec<&str> = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- \"")?.strip_suffix('"'))
        .collect();
    assert_eq!(published, ["443:443/tcp", "80:80/tcp", "3478:3478/udp", "3479:3479/udp"]);
    let environment: Vec<(String, String)> = compose
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .filter(|(name, _)| name.starts_with("HAIRPIN_"))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let given = |name: &str, value: &str| match name {
        "HAIRPIN_DOMAIN" => "call.example.org".to_owned(),
        "HAIRPIN_EXTERNAL_IP" => "203.0.113.7".to_owned(),
        _ if value.starts_with("${") => "north".to_owned(),
        _ => value.to_owned(),
    };
    config_check(environment.iter().map(|(name, value)| (name.as_str(), given(name, value))));
    assert!(read("Dockerfile").contains("--chown=65532:65532 /out/state /var/lib/hairpin"));
    assert!(environment.contains(&("HAIRPIN_STATE_DIR".into(), "/var/lib/hairpin".into())));
}

/// hairpin takes these settings.
fn config_check<'a>(environment: impl Iterator<Item = (&'a str, String)>) {
    let output = Command::new(env!("CARGO_BIN_EXE_hairpin"))
        .args(["config", "check"])
        .envs(environment)
        .output()
        .expect("the binary was built for this test");
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
}

fn urls() -> Vec<String> {
    setting::<String>("HAIRPIN_ICE_URL").split(',').map(str::to_owned).collect()
}

fn handlers(service: &Table, port: u16) -> Vec<String> {
    let ports = service["ports"].as_array().expect("a list");
    let port = ports.iter().find(|p| number(&p["port"]) == port).expect("it is one of them");
    let handlers = port.get("handlers").and_then(Value::as_array);
    let handlers = handlers.map(Vec::as_slice).unwrap_or_default();
    handlers.iter().map(|handler| handler.as_str().expect("a word").to_owned()).collect()
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
