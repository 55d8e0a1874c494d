//! The command line: commands, help, version, and what is neither.

use hairpin_config::{Command, Exit};

fn parse(args: &[&str]) -> Result<Command, Exit> {
    Command::parse(["hairpin"].iter().chain(args).map(Into::into))
}

#[test]
fn each_command_takes_the_flags() {
    assert!(matches!(parse(&[]), Ok(Command::Run(_))));
    let Ok(Command::ConfigCheck(layers)) =
        parse(&["--workers", "2", "config", "check", "--realm", "example.org"])
    else {
        panic!("not a check");
    };
    let config = layers.resolve().unwrap().config;
    assert_eq!(config.rules.realm, "example.org");
    assert_eq!(config.workers.unwrap().get(), 2);
    let Ok(Command::Healthcheck(layers)) = parse(&["healthcheck", "--admin-listen", "[::1]:1"])
    else {
        panic!("not a health check");
    };
    assert_eq!(layers.resolve().unwrap().config.listen.admin, Some("[::1]:1".parse().unwrap()));
}

#[test]
fn help_names_every_flag_and_its_default() {
    let help = parse(&["--help"]).unwrap_err();
    assert_eq!(help.code, 0);
    for group in hairpin_config::GROUPS {
        assert!(help.text.contains(&format!("{}:", group.title)), "{}", help.text);
        for setting in group.settings {
            assert!(help.text.contains(&format!("--{}", setting.name)), "{}", help.text);
        }
    }
    assert!(help.text.contains("HAIRPIN_MIN_PORT") && help.text.contains("[default: 3478]"));
    assert!(help.text.contains("config") && help.text.contains("healthcheck"));
}

#[test]
fn version_is_the_crates() {
    let version = parse(&["--version"]).unwrap_err();
    assert_eq!(version.text, format!("hairpin {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(version.code, 0);
}

#[test]
fn what_is_no_flag_is_refused() {
    let complaint = |args: &[&str]| {
        let exit = parse(args).unwrap_err();
        assert_eq!(exit.code, 2);
        exit.text.lines().next().unwrap().to_owned()
    };
    assert_eq!(
        complaint(&["--relm", "x"]),
        "(not shown) (argument 1): there is no such setting; did you mean --realm?"
    );
    assert_eq!(
        complaint(&["--listening_port=1"]),
        "(not shown) (argument 1): there is no such setting; did you mean --listening-port?"
    );
    assert_eq!(
        complaint(&["--realm", "r", "--correcthorsebatterystaple"]),
        "(not shown) (argument 3): there is no such setting; remove it; `hairpin --help` lists every setting"
    );
    assert_eq!(complaint(&["--realm"]), "--realm <TEXT>: has no value; give one after it");
    assert!(complaint(&["serve"]).starts_with("an argument is neither a flag nor a command"));
    assert!(complaint(&["-5"]).starts_with("an argument is neither a flag nor a command"));
    assert!(complaint(&["config", "chekc"]).starts_with("an argument is neither a flag"));
}

#[test]
fn everything_that_is_no_flag_is_refused_at_once() {
    let text = parse(&[
        "--min-prt",
        "5000",
        "--realm",
        "--x",
        "--max-prt=6000",
        "config",
        "check",
        "--relm",
        "secret",
    ])
    .unwrap_err()
    .text;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    for (line, wanted) in lines.iter().zip([
        "(argument 1): there is no such setting; did you mean --min-port?",
        "(argument 5): there is no such setting; did you mean --max-port?",
        "(argument 8): there is no such setting; did you mean --realm?",
        "--help",
    ]) {
        assert!(line.contains(wanted), "{text}");
    }
    assert!(!text.contains("5000") && !text.contains("secret"), "{text}");
    let text = parse(&["stray", "--realm", "x", "strays", "--relm"]).unwrap_err().text;
    assert_eq!(text.matches("neither a flag nor a command").count(), 1, "{text}");
    assert!(text.contains("--realm?") && !text.contains("stray"), "{text}");
}

#[test]
fn short_flags_and_single_hyphens_are_told_the_long_flag() {
    for (args, wanted) in [
        (&["-p", "1"][..], "--listening-port?"),
        (&["-c", "x"], "--config?"),
        (&["-X", "203.0.113.7"], "--external-ip?"),
        (&["-v"], "--log-level debug?"),
        (&["-y"], "no short flags"),
        (&["-realm", "x"], "did you mean --realm?"),
        (&["healthcheck", "-L", "127.0.0.1"], "--listening-ip?"),
    ] {
        let Exit { text, code } = parse(args).unwrap_err();
        assert_eq!(code, 2);
        assert!(text.contains(wanted), "{args:?}: {text}");
        assert_eq!(text.lines().count(), 2, "{args:?}: {text}");
    }
}

#[test]
fn help_and_version_are_commands_too() {
    for args in [&["help"][..], &["config", "help"], &["help", "config", "check"]] {
        let help = parse(args).unwrap_err();
        assert_eq!(help.code, 0, "{}", help.text);
        assert!(help.text.contains("Usage: hairpin"), "{}", help.text);
    }
    assert_eq!(parse(&["version"]).unwrap_err(), parse(&["--version"]).unwrap_err());
}

#[cfg(unix)]
#[test]
fn arguments_that_are_not_text_are_refused() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;

    let args = ["hairpin".into(), "--realm".into(), OsString::from_vec(vec![0xff, 0xfe])];
    let exit = Command::parse(args).unwrap_err();
    assert_eq!(exit.code, 2);
    assert!(exit.text.starts_with("invalid UTF-8"), "{}", exit.text);
}
