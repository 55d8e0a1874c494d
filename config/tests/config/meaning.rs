//! What valid settings come to mean.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use hairpin_config::{
    AllowedOrigins, BindHost, Config, Listener, ListenerSettings, Protocol, RelayAddress,
    RelayPorts,
};
use hairpin_stun::Key;
use hairpin_turn::Quotas;

use crate::{config, program};

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn bind(text: &str) -> BindHost {
    text.parse().map_or_else(|_| BindHost::Name(text.to_owned()), BindHost::Ip)
}

fn listener(protocol: Protocol, host: BindHost, port: u16, required: bool) -> Listener {
    Listener { protocol, host, port, required, settings: ListenerSettings::default() }
}

/// The listeners, whichever settings they came from.
fn listeners(config: &Config) -> Vec<Listener> {
    let plain = |l: &Listener| listener(l.protocol, l.host.clone(), l.port, l.required);
    config.listen.turn.iter().map(plain).collect()
}

#[test]
fn nothing_configured_serves_everything() {
    let config = Config::default();
    let mut expected = Vec::new();
    for protocol in [Protocol::Udp, Protocol::Tcp] {
        expected.push(listener(protocol, BindHost::ANY_V4, 3478, true));
        expected.push(listener(protocol, BindHost::ANY_V6, 3478, false));
        expected.push(listener(protocol, BindHost::ANY_V4, 443, false));
        expected.push(listener(protocol, BindHost::ANY_V6, 443, false));
    }
    assert_eq!(listeners(&config), expected);
    assert!(config.relay.addresses.is_empty());
    assert_eq!(config.relay.ports, RelayPorts::Range(49152..=65535));
    assert_eq!(config.relay.quotas, Quotas::default());
    assert_eq!(config.rules.realm, "hairpin");
    assert!(config.rules.software.is_some() && config.http.page);
    assert!(
        config.rules.credentials.secrets.is_empty() && config.rules.credentials.users.is_empty()
    );
    assert_eq!(config.rules.max_allocate_lifetime, Duration::from_secs(3600));
    assert_eq!(config.listen.http, ["[::]:8080".parse().unwrap()]);
    assert_eq!(config.http.allowed_origins, AllowedOrigins::Any);
    assert_eq!(config.listen.admin, Some("127.0.0.1:9478".parse().unwrap()));
    assert_eq!(config.signaling.queue_timeout, Duration::from_secs(120));
    assert_eq!(config.signaling.session_lifetime, Duration::from_secs(7200));
    assert_eq!(config.ice.ttl, Duration::from_secs(600));
    assert_eq!(config.workers, None);
}

#[test]
fn strangers_are_answered_so_often_unless_told_otherwise() {
    let rate = |settings| config(settings).rules.unauthenticated_answers_per_second;
    assert_eq!(rate(&[]), NonZeroU32::new(500));
    assert_eq!(rate(&[]), hairpin_turn::Rules::default().unauthenticated_answers_per_second);
    assert_eq!(rate(&[("unauthenticated-answers-per-second", "9")]), NonZeroU32::new(9));
    assert_eq!(rate(&[("unauthenticated-answers-per-second", "none")]), None);
}

#[test]
fn ports_may_be_left_to_the_system() {
    let config = config(&[
        ("listening-port", "0"),
        ("listening-ip", "127.0.0.1"),
        ("http-listen", "127.0.0.1:0"),
        ("admin-listen", "127.0.0.1:0"),
    ]);
    let host = bind("127.0.0.1");
    assert_eq!(
        config.listen.turn,
        [listener(Protocol::Udp, host.clone(), 0, true), listener(Protocol::Tcp, host, 0, true)]
    );
}

#[test]
fn the_second_port_is_required_once_asked_for() {
    let ports = |settings: &[(&str, &str)]| {
        let mut settings = settings.to_vec();
        settings.extend([("listening-ip", "192.0.2.1"), ("no-tcp", "true")]);
        let listeners = config(&settings).listen.turn;
        listeners.iter().map(|listener| (listener.port, listener.required)).collect::<Vec<_>>()
    };
    assert_eq!(ports(&[]), [(3478, true), (443, false)]);
    assert_eq!(ports(&[("alt-listening-port", "443")]), [(3478, true), (443, true)]);
    assert_eq!(ports(&[("alt-listening-port", "none")]), [(3478, true)]);
    assert_eq!(ports(&[("listening-port", "443")]), [(443, true)]);
}

#[test]
fn udp_may_be_bound_elsewhere() {
    let config = config(&[
        ("listening-ip", "0.0.0.0"),
        ("udp-listening-ip", "fly-global-services"),
        ("alt-listening-port", "none"),
    ]);
    assert_eq!(
        listeners(&config),
        [
            listener(Protocol::Udp, bind("fly-global-services"), 3478, true),
            listener(Protocol::Tcp, BindHost::ANY_V4, 3478, true)
        ]
    );
}

#[test]
fn a_listener_knows_the_settings_it_came_from() {
    let config = config(&[("udp-listening-ip", "192.0.2.1"), ("listening-ip", "192.0.2.2")]);
    let named = |listener: &Listener| (listener.settings.host, listener.settings.port);
    let named: Vec<_> = config.listen.turn.iter().map(named).collect();
    assert_eq!(
        named,
        [
            ("udp-listening-ip", "listening-port"),
            ("udp-listening-ip", "alt-listening-port"),
            ("listening-ip", "listening-port"),
            ("listening-ip", "alt-listening-port"),
        ]
    );
}

#[test]
fn http_takes_the_second_port_from_turn_over_tcp() {
    let config = config(&[("http-listen", "[::]:443")]);
    let on_443: Vec<_> =
        config.listen.turn_sockets().filter(|listener| listener.port == 443).collect();
    assert!(on_443.iter().all(|listener| listener.protocol == Protocol::Udp));
    assert_eq!(on_443.len(), 2);
}

#[test]
fn bound_and_advertised_addresses_are_separate() {
    let addresses = |settings: &[(&str, &str)]| config(settings).relay.addresses;
    let relay = |host: &str, advertised: Option<&str>| RelayAddress {
        bind: bind(host),
        advertised: advertised.map(ip),
    };
    assert_eq!(addresses(&[("relay-ip", "::ffff:192.0.2.1")]), [relay("192.0.2.1", None)]);
    assert_eq!(addresses(&[("external-ip", "192.0.2.1")]), [relay("0.0.0.0", Some("192.0.2.1"))]);
    assert_eq!(addresses(&[("external-ip", "2001:db8::1")]), [relay("::", Some("2001:db8::1"))]);
    assert_eq!(
        addresses(&[("external-ip", "192.0.2.1/10.0.0.1")]),
        [relay("10.0.0.1", Some("192.0.2.1"))]
    );
    assert_eq!(
        addresses(&[("relay-ip", "fly-global-services"), ("external-ip", "192.0.2.1")]),
        [relay("fly-global-services", Some("192.0.2.1"))]
    );
    assert_eq!(
        addresses(&[
            ("relay-ip", "10.0.0.1"),
            ("relay-ip", "fd00::1"),
            ("external-ip", "2001:db8::1"),
            ("external-ip", "192.0.2.1"),
        ]),
        [relay("10.0.0.1", Some("192.0.2.1")), relay("fd00::1", Some("2001:db8::1"))]
    );
    assert_eq!(
        addresses(&[
            ("relay-ip", "10.0.0.1"),
            ("relay-ip", "10.0.0.2"),
            ("external-ip", "192.0.2.1/10.0.0.1"),
            ("external-ip", "192.0.2.2/10.0.0.2"),
        ]),
        [relay("10.0.0.1", Some("192.0.2.1")), relay("10.0.0.2", Some("192.0.2.2"))]
    );
}

#[test]
fn users_are_kept_as_keys() {
    let key = |text: &str| {
        let users = config(&[("realm", "example.org"), ("user", text)]).rules.credentials.users;
        assert_eq!(&*users[0].0, "alice");
        users[0].1.as_ref().to_vec()
    };
    let expected = Key::long_term("alice", "example.org", "pass:word");
    assert_eq!(key("alice:pass:word"), expected.as_ref());
    let digits: String = expected.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(key(&format!("alice:0x{digits}")), expected.as_ref());
    // OpaqueString (RFC 8265 s4.2.2): NFC, and every space is U+0020.
    let prepared = Key::long_term("alice", "example.org", "caf\u{e9} au lait");
    assert_eq!(key("alice:cafe\u{301}\u{a0}au lait"), prepared.as_ref());
}

#[test]
fn a_key_must_have_32_digits() {
    for user in ["alice", ":pw", "alice:", "alice:0x12", "alice:0x+f0f1f2f3f4f5f6f7f8f9fafbfcfdfe"]
    {
        assert!(program(&[("realm", "r"), ("user", user)]).is_err(), "{user}");
    }
}

#[test]
fn peers_are_allowed_and_denied() {
    let policy = config(&[
        ("allowed-peer-ip", "10.1.0.0/16"),
        ("denied-peer-ip", "198.51.100.1-198.51.100.9"),
    ])
    .rules
    .policy;
    assert!(policy.allows(ip("10.1.2.3")));
    assert!(!policy.allows(ip("10.2.2.3")));
    assert!(policy.allows(ip("1.1.1.1")));
}

#[test]
fn origins_are_written_as_browsers_write_them() {
    let list = |value: &str| match config(&[("allowed-origin", value)]).http.allowed_origins {
        AllowedOrigins::List(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>(),
        AllowedOrigins::Any => panic!("{value} allows any"),
    };
    assert_eq!(list("HTTPS://Your.Site:443"), ["https://your.site"]);
    assert_eq!(list("http://[2001:db8::1]:8080"), ["http://[2001:db8::1]:8080"]);
    assert_eq!(list("http://127.0.0.1:80"), ["http://127.0.0.1"]);
    assert_eq!(list("capacitor://localhost"), ["capacitor://localhost"]);
    assert!(list("none").is_empty());
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("static-auth-secret", "north")], "fewer than 16 bytes"),
        (
            &[("min-port", "3000"), ("max-port", "4000")],
            "listening port 3478 lies in the relay range 3000-4000",
        ),
        (
            &[("min-port", "50000"), ("max-port", "50009"), ("total-quota", "11")],
            "more than the 10 relay ports",
        ),
        (&[("user-quota", "9"), ("total-quota", "8")], "user-quota 9 is above total-quota 8"),
        (&[("no-udp", "true"), ("no-tcp", "true")], "nothing is relayed"),
        (&[("realm", "call.me.example.home!")], "request of 20 bytes 96 bytes long, 4.8 times"),
        (&[("ice-host", "a.example"), ("ice-url", "stun:b.example")], "ice-host is not used"),
    ];
    for (settings, expected) in cases {
        let resolved = program(settings).unwrap();
        let warnings = resolved.config.warnings();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(expected), "{warnings:?}");
        assert!(resolved.describe().contains(&format!("warning: {}", warnings[0])));
    }
    assert!(Config::default().warnings().is_empty());
    assert!(program(&[("realm", "call.me.example.home")]).unwrap().config.warnings().is_empty());
}

/// Every TCP port speaks HTTP.
#[test]
fn http_without_tls_is_warned_of_wherever_it_is_spoken() {
    let open = "http-listen=127.0.0.1:8080";
    for (settings, warned) in [
        (&[][..], true),
        (&[open], true),
        (&[open, "no-tcp=true"], false),
        (&[open, "no-http-on-turn=true"], false),
        (&[open, "listening-ip=127.0.0.1", "listening-ip=::1"], false),
        (&[open, "listening-ip=127.0.0.1", "listening-ip=192.0.2.1"], true),
        (&[open, "listening-ip=name"], true),
        (&[open, "listening-ip=127.0.0.1", "udp-listening-ip=192.0.2.1"], false),
        (&["http-listen=none"], false),
        (&["http-listen=192.0.2.1:80", "no-tcp=true"], true),
    ] {
        let given: Vec<_> = settings.iter().filter_map(|setting| setting.split_once('=')).collect();
        let insecure = program(&given).unwrap().config.insecure_defaults();
        let found = insecure.iter().any(|insecurity| insecurity.what.contains("without TLS"));
        assert_eq!(found, warned, "{settings:?}");
    }
}

#[test]
fn each_insecurity_goes_with_its_fix() {
    let count =
        |settings: &[(&str, &str)]| program(settings).unwrap().config.insecure_defaults().len();
    assert_eq!(count(&[]), 6);
    let mended = [
        ("static-auth-secret", "0123456789abcdef0123456789abcdef"),
        ("allowed-origin", "https://your.site"),
        ("http-listen", "127.0.0.1:8080"),
        ("no-http-on-turn", "true"),
        ("user-quota", "20"),
        ("total-quota", "5000"),
        ("external-ip", "192.0.2.1"),
    ];
    // Who may connect is open to everyone whatever is set.
    assert_eq!(count(&mended), 1);
    let mut public_admin = mended.to_vec();
    public_admin.push(("admin-listen", "0.0.0.0:9478"));
    assert_eq!(count(&public_admin), 2);
    for insecurity in program(&[]).unwrap().config.insecure_defaults() {
        let flag = insecurity.fix.trim_start_matches("--").split(' ').next().unwrap();
        assert!(hairpin_config::settings().any(|setting| setting.name == flag), "{flag}");
    }
}
