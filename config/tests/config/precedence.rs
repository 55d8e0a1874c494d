//! A program goes before flags, flags before the environment, the environment before the file.

use hairpin_config::Layers;

use crate::{flags, variables};

fn realm(layers: Layers) -> String {
    layers.resolve().expect("the settings are valid").config.rules.realm
}

#[test]
fn each_source_goes_before_the_next() {
    let file = |layers: &mut Layers| layers.file("f.toml", "realm = 'file'");
    let environment =
        |layers: &mut Layers| layers.environment(variables(&[("HAIRPIN_REALM", "environment")]));

    let mut layers = Layers::default();
    assert_eq!(realm(layers.clone()), "hairpin");
    file(&mut layers);
    assert_eq!(realm(layers.clone()), "file");
    environment(&mut layers);
    assert_eq!(realm(layers), "environment");

    let mut layers = flags(&["--realm", "flag"]);
    environment(&mut layers);
    file(&mut layers);
    assert_eq!(realm(layers.clone()), "flag");
    layers.set("realm", "program");
    assert_eq!(realm(layers), "program");
}

#[test]
fn a_list_replaces_the_lists_behind_it() {
    let mut layers = flags(&["--relay-ip", "192.0.2.1", "--relay-ip=192.0.2.2"]);
    layers.environment(variables(&[("HAIRPIN_RELAY_IP", "192.0.2.3, 192.0.2.4,192.0.2.5")]));
    let count = |layers: Layers| layers.resolve().unwrap().config.relay.addresses.len();
    assert_eq!(count(layers), 2);

    let mut layers = Layers::default();
    layers.environment(variables(&[("HAIRPIN_RELAY_IP", "192.0.2.3, 192.0.2.4,192.0.2.5")]));
    layers.file("f.toml", "relay-ip = ['192.0.2.1']");
    assert_eq!(count(layers), 3);

    let mut layers = Layers::default();
    layers.file("f.toml", "relay-ip = ['192.0.2.1', '2001:db8::1']");
    assert_eq!(count(layers), 2);
}

#[test]
fn the_file_is_named_by_flag_or_environment() {
    let mut layers = Layers::default();
    assert_eq!(layers.config_file(), None);
    layers.environment(variables(&[("HAIRPIN_CONFIG", "/etc/a.toml")]));
    assert_eq!(layers.config_file().unwrap().to_str(), Some("/etc/a.toml"));
    let mut layers = flags(&["--config", "b.toml"]);
    layers.environment(variables(&[("HAIRPIN_CONFIG", "/etc/a.toml")]));
    assert_eq!(layers.config_file().unwrap().to_str(), Some("b.toml"));
}

#[test]
fn a_switch_can_be_turned_off_again() {
    let mut layers = flags(&["--no-page=false"]);
    layers.file("f.toml", "no-page = true\nno-software = true");
    let config = layers.resolve().unwrap().config;
    assert!(config.http.page);
    assert!(config.rules.software.is_none());
    assert!(!flags(&["--no-page"]).resolve().unwrap().config.http.page);
}

#[test]
fn what_kubernetes_sets_is_passed_over_and_what_a_person_sets_is_not() {
    let complaint = |variable: &str, value: &str| {
        let mut layers = Layers::default();
        layers.environment(variables(&[(variable, value)]));
        layers.resolve().err().map(|errors| errors.to_string())
    };
    for (variable, value) in [
        ("HAIRPIN_PORT", "tcp://10.0.0.1:8080"),
        ("HAIRPIN_PORT", "udp://[fd00::1]:3478"),
        ("HAIRPIN_PORT_3478_TCP_PORT", "3478"),
        ("HAIRPIN_SERVICE_PORT", "3478"),
        ("HAIRPIN_SERVICE_PORT_TURN_UDP", "3478"),
    ] {
        assert_eq!(complaint(variable, value), None, "{variable}={value}");
    }
    for value in ["8080", "", "http://x"] {
        let text = complaint("HAIRPIN_PORT", value).expect("nobody else means that");
        assert!(text.contains("HAIRPIN_HTTP_LISTEN=[::]:"), "{text}");
        assert!(text.contains("HAIRPIN_LISTENING_PORT"), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn the_description_names_each_value_and_its_source() {
    let mut layers = flags(&["--min-port", "50000"]);
    layers.environment(variables(&[
        ("HAIRPIN_USER_QUOTA", "7"),
        ("HOME", "/root"),
        ("HAIRPIN_SERVICE_HOST", "10.0.0.1"),
        ("HAIRPIN_PORT", "tcp://10.0.0.1:8080"),
    ]));
    layers.file("dir/f.toml", "# a comment\nrealm = 'example.org'\n");
    layers.set("no-page", "true");
    let text = layers.resolve().unwrap().describe();
    let line = |start: &str| {
        let line =
            text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{text}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(line("min-port"), "min-port = \"50000\" flag --min-port");
    assert_eq!(line("user-quota"), "user-quota = \"7\" environment HAIRPIN_USER_QUOTA");
    assert_eq!(line("realm"), "realm = \"example.org\" file dir/f.toml:2");
    assert_eq!(line("no-page"), "no-page = \"true\" program");
    assert_eq!(line("max-port"), "max-port = \"65535\" default");
    assert_eq!(line("workers"), "workers = (one per core) default");
    for setting in hairpin_config::settings() {
        line(setting.name);
    }
}
