//! A configuration that a program has put together from values is held to the rules of one that was typed.

use std::num::NonZeroUsize;
use std::time::Duration;

use hairpin_config::{
    BindHost, Config, Host, Layers, Listener, ListenerSettings, Protocol, RelayAddress, RelayPorts,
    Source,
};
use hairpin_signaling::Rate;
use hairpin_stun::Key;
use hairpin_turn::{Quotas, Rules};
use proptest::prelude::*;

/// A configuration with one thing changed.
fn changed(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = Config::default();
    change(&mut config);
    config
}

#[test]
fn what_nothing_configured_means_is_valid() {
    assert_eq!(Config::default().check(), Ok(()));
}

/// A program that sets one rule and leaves the others to `..Default::default()` gets what the command would have.
#[test]
fn the_cores_own_defaults_are_the_settings() {
    let config = Config::default();
    assert_eq!(format!("{:?}", config.rules), format!("{:?}", Rules::default()));
    assert_eq!(config.relay.quotas, Quotas::default());
    assert_eq!(config.signaling, hairpin_signaling::Config::default());
}

#[test]
fn every_number_is_held_to_its_settings_bounds() {
    type Change = fn(&mut Config);
    let cases: &[(&str, Change)] = &[
        ("max-allocate-lifetime", |c| c.rules.max_allocate_lifetime = Duration::from_secs(599)),
        ("stale-nonce", |c| c.rules.stale_nonce = Duration::from_millis(3_600_001)),
        ("max-permissions", |c| c.rules.max_permissions = 0),
        ("max-channels", |c| c.rules.max_channels = 4097),
        ("min-port", |c| c.relay.ports = RelayPorts::Range(1023..=2000)),
        ("user-quota", |c| c.relay.quotas.user = Some(0)),
        ("total-quota", |c| c.relay.quotas.total = Some(0)),
        ("max-websockets", |c| c.http.max_websockets = 0),
        ("jwt-leeway", |c| c.identity.leeway = Duration::from_secs(601)),
        ("ice-ttl", |c| c.ice.ttl = Duration::from_secs(59)),
        ("queue-timeout", |c| c.signaling.queue_timeout = Duration::ZERO),
        ("session-lifetime", |c| c.signaling.session_lifetime = Duration::MAX),
        ("heartbeat-interval", |c| c.signaling.heartbeat_interval = Duration::from_millis(999)),
        ("max-message-bytes", |c| c.signaling.max_message_bytes = 1023),
        ("shutdown-timeout", |c| c.shutdown_timeout = Duration::from_secs(301)),
        ("workers", |c| c.workers = NonZeroUsize::new(1025)),
    ];
    for (name, change) in cases {
        let errors = changed(change).check().expect_err(name).0;
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert_eq!((&*errors[0].field, &errors[0].source), (*name, &Source::Program));
        assert!(errors[0].fix.contains("give a whole number from "), "{}", errors[0]);
    }
    let text = changed(|c| c.rules.max_channels = 4097).check().expect_err("too many").to_string();
    assert_eq!(
        text,
        "max-channels = 4097 (program): is out of bounds; give a whole number from 1 to 4096"
    );
}

#[test]
fn values_are_held_to_each_other() {
    type Change = fn(&mut Config);
    let cases: &[(Change, &str)] = &[
        (
            |c| c.relay.ports = RelayPorts::Range(std::ops::RangeInclusive::new(3000, 2000)),
            "min-port (program): is above max-port, which is 2000;",
        ),
        (|c| c.rules.realm.clear(), "realm (program): holds characters a realm must not have"),
        (
            |c| c.rules.realm = "a\u{a0}b".into(),
            "realm (program): is not prepared as RFC 8265 says; give \"a b\"",
        ),
        (|c| c.rules.realm = "a".repeat(128), "realm (program): is too long;"),
        (
            |c| c.rules.credentials.secrets = vec![Box::default()],
            "static-auth-secret (program): is empty;",
        ),
        (
            |c| {
                let user = || ("alice".into(), Key::long_term("alice", "hairpin", "pw"));
                c.rules.credentials.users = vec![user(), user()];
            },
            "user (program): names one user twice;",
        ),
        (
            |c| c.rules.credentials.users = vec![("".into(), Key::from_bytes([0; 16]))],
            "user (program): has a name that is empty",
        ),
        (
            |c| c.ice.urls = vec!["stun:a.example".parse().expect("a URL"); 5],
            "ice-url (program): has too many URLs; give 4 or fewer",
        ),
        (
            |c| c.ice.host = Host::bare("0.0.0.0"),
            "ice-host (program): is not an address others can reach;",
        ),
        (
            |c| c.signaling.heartbeat_timeout = c.signaling.heartbeat_interval,
            "heartbeat-interval (program): outlasts the heartbeat timeout;",
        ),
        (|c| c.rules.software = Some("s".repeat(128)), "no-software (program): leaves one"),
        (
            |c| c.signaling.bytes = Rate::new(1024, 65_535),
            "max-message-bytes (program): is more than may come at once;",
        ),
        (
            |c| c.listen.http = vec!["127.0.0.1:3478".parse().expect("an address")],
            "http-listen (program): is a TURN/STUN socket too;",
        ),
        (
            |c| c.listen.admin = Some(c.listen.http[0]),
            "admin-listen (program): is an HTTP or TURN/STUN socket too;",
        ),
        (
            |c| c.relay.addresses = vec![relay("10.0.0.1", "2001:db8::1")],
            "external-ip (program): mixes IPv4 and IPv6;",
        ),
        (
            |c| c.relay.addresses = vec![relay("10.0.0.1", "0.0.0.0")],
            "is not an address peers can reach;",
        ),
        (
            |c| c.relay.addresses = vec![relay("10.0.0.1", "224.0.0.1")],
            "is not the address of one host;",
        ),
        (
            |c| {
                c.relay.addresses =
                    vec![relay("10.0.0.1", "192.0.2.1"), relay("10.0.0.2", "192.0.2.1")]
            },
            "external-ip (program): leaves open which address",
        ),
    ];
    for (change, expected) in cases {
        let text = changed(change).check().expect_err(expected).to_string();
        assert!(text.contains(expected), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

fn relay(bind: &str, advertised: &str) -> RelayAddress {
    RelayAddress {
        bind: BindHost::Ip(bind.parse().expect("an address")),
        advertised: Some(advertised.parse().expect("an address")),
    }
}

#[test]
fn everything_wrong_is_said_at_once() {
    let config = changed(|c| {
        c.rules.max_channels = 0;
        c.rules.max_permissions = 0;
        c.ice.ttl = Duration::ZERO;
    });
    assert_eq!(config.check().expect_err("three mistakes").0.len(), 3);
}

#[test]
fn a_listener_nobody_asked_for_makes_way_for_http() {
    let at_443 = |host| Listener {
        protocol: Protocol::Tcp,
        host,
        port: 443,
        required: false,
        settings: ListenerSettings::default(),
    };
    let config = changed(|c| {
        c.listen.turn.push(at_443(BindHost::Name("a.example".into())));
        c.listen.http = vec!["[::]:443".parse().expect("an address")];
    });
    assert_eq!(config.check(), Ok(()));
    let tcp_443: Vec<_> = config
        .listen
        .turn_sockets()
        .filter(|listener| listener.protocol == Protocol::Tcp && listener.port == 443)
        .collect();
    assert_eq!(tcp_443, [&at_443(BindHost::Name("a.example".into()))]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Preparing text that is prepared already changes nothing.
    #[test]
    fn whatever_text_is_taken_is_valid_as_a_value(text in "\\PC{1,40}") {
        let mut layers = Layers::default();
        layers.set("realm", &*text);
        layers.set("user", format!("{text}:password"));
        if let Ok(resolved) = layers.resolve() {
            prop_assert_eq!(resolved.config.check(), Ok(()));
        }
    }
}
