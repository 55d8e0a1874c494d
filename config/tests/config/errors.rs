//! Every error names the field, the value, the source and the fix; all of them come at once.

use hairpin_config::{Arity, Layers, Preset, settings};

use crate::{complaints, flags, program, variables};

#[test]
fn every_setting_refuses_nonsense_by_name_value_source_and_fix() {
    // `config` is the one setting any text will do for.
    for setting in settings().filter(|setting| setting.name != "config") {
        // Not a number, address, name, token, colon pair or printable text.
        let nonsense = if setting.name.ends_with("-secret") { "" } else { "no\u{1}sense" };
        let mut layers = Layers::default();
        layers.environment([(setting.variable(), nonsense.to_owned())]);
        let errors = layers.resolve().expect_err(setting.name).0;
        let error = &errors[0];
        assert_eq!(error.field, setting.name);
        let shown = if setting.secret { "(redacted)".to_owned() } else { format!("{nonsense:?}") };
        assert_eq!(error.value.as_deref(), Some(&*shown), "{error}");
        assert!(error.to_string().contains(&format!("(environment {})", setting.variable())));
        assert!(!error.problem.is_empty() && !error.fix.is_empty(), "{error}");
    }
}

#[test]
fn every_setting_refuses_an_empty_value() {
    for setting in settings() {
        let mut layers = Layers::default();
        layers.set(setting.name, "");
        let text = layers.resolve().expect_err(setting.name).to_string();
        assert!(text.contains("(program): is empty; give a value or leave it out"), "{text}");
    }
}

#[test]
fn a_single_value_given_twice_is_refused() {
    let text = flags(&["--realm", "a", "--realm", "b"]).resolve().unwrap_err().to_string();
    assert_eq!(text, "realm = \"a\", \"b\" (flag --realm): is given more than once; give it once");
    for setting in settings().filter(|setting| setting.arity == Arity::Many) {
        let mut layers = Layers::default();
        layers.set(setting.name, "");
        layers.set(setting.name, "");
        let text = layers.resolve().expect_err(setting.name).to_string();
        assert!(!text.contains("more than once"), "{text}");
    }
}

#[test]
fn all_errors_come_at_once() {
    let mut layers = flags(&["--min-port", "80", "--ice-url", "http://x"]);
    layers.environment(variables(&[("HAIRPIN_RELM", "x"), ("HAIRPIN_WORKERS", "none")]));
    layers.file("f.toml", "user-quota = 0\nlistening_port = 1\n\n[turn]\nrealm = 'x'\n");
    let text = layers.resolve().unwrap_err().to_string();
    for line in [
        "(not shown) (environment HAIRPIN_…): there is no such setting; did you mean HAIRPIN_REALM?",
        "(not shown) (file f.toml:2): there is no such setting; did you mean listening-port?",
        "(not shown) (file f.toml:4): there are no sections; write the keys at the top of the file",
        "min-port = \"80\" (flag --min-port): is out of bounds; give a whole number from 1024 to 65535",
        "user-quota = \"0\" (file f.toml:1): is no limit; give a whole number from 1 to 4294967295, or leave it out for none",
        "workers = \"none\" (environment HAIRPIN_WORKERS): is not a number in bounds; give a whole number from 1 to 1024",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\nis not in\n{text}");
    }
    assert!(text.contains("ice-url = \"http://x\" (flag --ice-url): is not a STUN or TURN URL;"));
    assert_eq!(text.lines().count(), 7, "{text}");
}

/// A secret may have been pasted where a key belongs.
#[test]
fn an_unknown_key_is_shown_only_as_what_was_meant() {
    for (key, shown) in [
        ("relm", "(not shown) (file f.toml:1): there is no such setting; did you mean realm?"),
        (
            "static_auth_secret",
            "(not shown) (file f.toml:1): there is no such setting; did you mean static-auth-secret?",
        ),
        (
            "correcthorsebatterystaple",
            "(not shown) (file f.toml:1): there is no such setting; remove it; `hairpin --help` lists every setting",
        ),
        (
            "user-hunterpassword",
            "(not shown) (file f.toml:1): there is no such setting; did you mean user-quota?",
        ),
        ("Realm7", "(not shown) (file f.toml:1): there is no such setting; did you mean realm?"),
    ] {
        let mut layers = Layers::default();
        layers.file("f.toml", &format!("{key} = 1"));
        assert_eq!(layers.resolve().expect_err(key).to_string(), shown);
    }
}

/// As a key may. Nobody's order of the environment is another's, so there is no number to tell.
#[test]
fn an_unknown_variable_is_shown_only_as_what_was_meant() {
    let mut layers = Layers::default();
    layers.environment(variables(&[
        ("HAIRPIN_STATIC_AUTH_SECRTE", "x"),
        ("HAIRPIN_correcthorsebatterystaple", "x"),
    ]));
    assert_eq!(
        layers.resolve().expect_err("no settings").to_string(),
        "(not shown) (environment HAIRPIN_…): there is no such setting; did you mean HAIRPIN_STATIC_AUTH_SECRET?\n\
         (not shown) (environment HAIRPIN_…): there is no such setting; remove it; `hairpin --help` lists every setting"
    );
}

/// A setting that has a value unless it is given another has none to leave out.
#[test]
fn who_may_leave_a_limit_out_has_none_then() {
    let mut told = Vec::new();
    for setting in settings() {
        let mut layers = Layers::default();
        layers.set(setting.name, "-");
        let text = layers.resolve().map_or_else(|errors| errors.to_string(), |_| String::new());
        if text.contains("leave it out for none") {
            assert!(matches!(setting.default, Preset::Absent(_)), "{text}");
            told.push(setting.name);
        }
    }
    assert_eq!(told, ["user-quota", "total-quota"]);
}

#[test]
fn an_unknown_name_from_a_program_is_refused() {
    assert_eq!(
        complaints(&[("http-listne", "127.0.0.1:0"), ("zzz", "1")]),
        "http-listne (program): there is no such setting; did you mean \"http-listen\"?\n\
         zzz (program): there is no such setting; remove it; `hairpin --help` lists every setting"
    );
}

#[test]
fn a_file_is_refused_line_by_line() {
    let text = |toml: &str| {
        let mut layers = Layers::default();
        layers.file("f.toml", toml);
        layers.resolve().expect_err(toml).to_string()
    };
    assert!(text("\n\nrealm = \n").starts_with("(syntax) (file f.toml:3): not valid TOML: "));
    assert!(
        text("realm = 'a'\nrealm = 'b'").starts_with("(syntax) (file f.toml:2): not valid TOML")
    );
    assert!(text("realm = true").starts_with("realm (file f.toml:1): is of the wrong type;"));
    assert!(text("realm = ['a']").starts_with("realm (file f.toml:1): is of the wrong type;"));
    assert!(
        text("no-udp = 2").starts_with("no-udp = \"2\" (file f.toml:1): is neither true nor false")
    );
    assert!(text("no-udp = 1.5").contains("is of the wrong type; write true or false"));
    assert!(text("static-auth-secret = 1234").contains("is of the wrong type"));
    assert!(text("relay-ip = [1.5]").contains("is of the wrong type"));
    assert!(
        text("relay-ip = [\n'192.0.2.1',\n'192.0.2']")
            .starts_with("relay-ip = \"192.0.2\" (file f.toml:3)")
    );
    assert!(text("config = 'g.toml'").contains("a file cannot name the file; remove it"));
}

#[test]
fn combinations_are_refused() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (
            &[("min-port", "3000"), ("max-port", "2000")],
            "min-port = \"3000\" (program): is above max-port, which is 2000; give 2000 or less, or a greater max-port",
        ),
        (
            &[("user", "alice:pw")],
            "user = (redacted) (program): has a key made from the realm, which is not set;",
        ),
        (&[("realm", "r"), ("user", "a:b"), ("user", "a:c")], "names one user twice"),
        (
            &[("external-ip", "2001:db8::1"), ("relay-ip", "192.0.2.1")],
            "has 2001:db8::1 for no relay-ip; add a relay-ip of the family",
        ),
        (
            &[("external-ip", "192.0.2.9/10.0.0.2"), ("relay-ip", "10.0.0.1")],
            "has 192.0.2.9 for no relay-ip; add relay-ip 10.0.0.2",
        ),
        (&[("external-ip", "192.0.2.9/::1")], "mixes IPv4 and IPv6"),
        (
            &[("external-ip", "192.0.2.8"), ("external-ip", "192.0.2.9")],
            "leaves open which address",
        ),
        (
            &[("external-ip", "192.0.2.8"), ("relay-ip", "10.0.0.1"), ("relay-ip", "10.0.0.2")],
            "leaves open which address",
        ),
        (
            &[("external-ip", "192.0.2.8"), ("external-ip", "2001:db8::1"), ("relay-ip", "name")],
            "leaves open which address",
        ),
        (
            &[("http-listen", "127.0.0.1:3478")],
            "http-listen = \"127.0.0.1:3478\" (program): is a TURN/STUN socket too",
        ),
        (
            &[("http-listen", "0.0.0.0:80"), ("http-listen", "[::]:80")],
            "http-listen = \"0.0.0.0:80\", \"[::]:80\" (program): has one port twice",
        ),
        (
            &[("admin-listen", "127.0.0.1:8080")],
            "admin-listen = \"127.0.0.1:8080\" (program): is an HTTP or TURN/STUN socket too",
        ),
        (
            &[("http-listen", "none"), ("http-listen", "127.0.0.1:1")],
            "excludes every other value; give none alone",
        ),
        (&[("allowed-origin", "*"), ("allowed-origin", "https://a.example")], "has * among others"),
        (
            &[
                ("ice-url", "stun:a"),
                ("ice-url", "stun:b"),
                ("ice-url", "stun:c"),
                ("ice-url", "stun:d"),
                ("ice-url", "stun:e"),
            ],
            "has too many URLs; give 4 or fewer",
        ),
        (
            &[("static-auth-secret", "--realm")],
            "static-auth-secret = (redacted) (program): is a flag",
        ),
    ];
    for (settings, expected) in cases {
        let text = complaints(settings);
        assert!(text.contains(expected), "{settings:?}: {text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn a_broken_value_is_not_compared_with_others() {
    let text = complaints(&[("min-port", "many"), ("max-port", "2000")]);
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn misspelt_addresses_are_not_taken_for_names() {
    for host in [
        "10.0.0.256",
        "10.0.0",
        "1.2.3.4.5",
        "10.0.0.1:80",
        "::g",
        "a..b",
        "-a",
        "a b",
        "224.0.0.1",
        "ff02::1",
    ] {
        let text = complaints(&[("listening-ip", host)]);
        assert!(text.starts_with(&format!("listening-ip = {host:?} (program): is not ")), "{text}");
    }
}

#[test]
fn malformed_origins_hosts_and_urls_are_refused() {
    for origin in [
        "a.example",
        "https://",
        "https://a.example/",
        "https://a.example:0",
        "https://a:b@c",
        "null",
        "https://*.a.example",
        "https://[::1",
    ] {
        assert!(complaints(&[("allowed-origin", origin)]).contains("is not an origin"), "{origin}");
    }
    for url in [
        "turn:",
        "turn://a.example",
        "stun:a?transport=udp",
        "turn:a?transport=sctp",
        "turn:a:70000",
        "turn:[::1",
        "turn:a]",
        "turn:[::1]x",
        "https://a",
    ] {
        assert!(complaints(&[("ice-url", url)]).contains("is not a STUN or TURN URL"), "{url}");
    }
    for host in ["turn:a.example", "a.example:3478", "0.0.0.0", "a/b"] {
        assert!(complaints(&[("ice-host", host)]).contains("ice-host"), "{host}");
    }
}

/// Two addresses of one family, and two ports that are known.
#[test]
fn nat_discovery_needs_two_ports_at_two_addresses_of_a_family() {
    let on = ("nat-discovery", "true");
    let (first, second) = (("listening-ip", "127.0.0.1"), ("listening-ip", "127.0.0.2"));
    let too_few: [&[(&str, &str)]; 7] = [
        &[on],
        &[on, first],
        &[on, first, ("listening-ip", "::1")],
        &[on, first, ("listening-ip", "0.0.0.0")],
        &[on, first, second, ("alt-listening-port", "none")],
        &[on, first, second, ("listening-port", "0"), ("alt-listening-port", "0")],
        &[on, first, second, ("no-udp", "true")],
    ];
    for settings in too_few {
        let text = complaints(settings);
        for word in ["nat-discovery", "twice", "listening-port and alt-listening-port"] {
            assert!(text.contains(word), "{settings:?}: {text}");
        }
    }
    let enough: [&[(&str, &str)]; 3] = [
        &[on, first, second],
        &[on, first, ("udp-listening-ip", "::1"), ("udp-listening-ip", "::2")],
        // What a name stands for is seen at the start.
        &[on, ("listening-ip", "two.example.org")],
    ];
    for settings in enough {
        assert!(
            program(settings).expect("they will do").config.listen.nat_discovery,
            "{settings:?}"
        );
    }
}
