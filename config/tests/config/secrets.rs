//! A secret is shown nowhere, however it was put in and whatever is wrong around it.

use std::fmt::Write;

use hairpin_config::{Command, Layers};
use proptest::prelude::*;

/// Everything a caller could print about these layers.
fn everything(layers: Layers, text: &mut String) {
    write!(text, "{layers:?}").unwrap();
    match layers.resolve() {
        Ok(resolved) => {
            write!(
                text,
                "{resolved:?}{}{:?}",
                resolved.describe(),
                resolved.config.insecure_defaults()
            )
            .unwrap();
        }
        Err(errors) => write!(text, "{errors}{errors:?}").unwrap(),
    }
}

fn from_flags(args: &[String], text: &mut String) {
    let args = std::iter::once("hairpin".into()).chain(args.iter().map(Into::into));
    match Command::parse(args) {
        Ok(Command::Run(layers) | Command::ConfigCheck(layers) | Command::Healthcheck(layers)) => {
            everything(layers, text);
        }
        Err(exit) => text.push_str(&exit.text),
    }
}

fn from_environment(variable: &str, value: &str, text: &mut String) {
    let mut layers = Layers::default();
    layers.environment([(variable.to_owned(), value.to_owned())]);
    everything(layers, text);
}

fn from_file(toml: &str, text: &mut String) {
    let mut layers = Layers::default();
    layers.file("f.toml", toml);
    everything(layers, text);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_secret_is_never_shown(secret in "[a-zA-Z0-9+/_!-]{6,40}") {
        let mut shown = String::new();
        for name in ["static-auth-secret", "jwt-secret", "static-auth-secrt", "user", "webhook-secret", "webhook-url", "admin-token"] {
            for value in [secret.clone(), format!("alice:{secret}"), format!("alice:0x{secret}"), format!("{secret}\u{1}")] {
                from_flags(&[format!("--{name}"), value.clone()], &mut shown);
                from_flags(&[format!("--{name}={value}")], &mut shown);
                from_flags(&[format!("--{name}"), value.clone(), "--realm=r".into(), "--min-port=1".into()], &mut shown);
                from_flags(&[format!("--{name}"), "half".into(), value.clone()], &mut shown);
                let variable = format!("HAIRPIN_{}", name.to_uppercase().replace('-', "_"));
                from_environment(&variable, &value, &mut shown);
                from_environment(&variable, &format!("{value},{value}"), &mut shown);
                from_file(&format!("{name} = '{value}'"), &mut shown);
                from_file(&format!("{name} = ['{value}', 1]\nrealm = 'r'"), &mut shown);
                from_file(&format!("{name} = {value}"), &mut shown);
                from_file(&format!("{name} = ['{value}"), &mut shown);
                from_file(&format!("{name} = '{value}\nmin-port = 1"), &mut shown);
                let mut layers = Layers::default();
                layers.set(name, value);
                everything(layers, &mut shown);
            }
        }
        // In the place of a name.
        for name in [secret.clone(), format!("--{secret}"), format!("realm-{secret}"), format!("--realm-{secret}")] {
            from_flags(std::slice::from_ref(&name), &mut shown);
            from_flags(&["--realm".into(), "r".into(), format!("{name}=x"), "--relm".into()], &mut shown);
            from_environment(&format!("HAIRPIN_{name}"), "x", &mut shown);
            from_environment(&format!("HAIRPIN_REALM_{name}"), "x", &mut shown);
        }
        for key in [secret.clone(), format!("'{secret}'"), format!("a.{secret}"), format!("{secret}.a")] {
            from_file(&format!("{key} = 'x'"), &mut shown);
            from_file(&format!("{key} = 1\n{key} = 2"), &mut shown);
            from_file(&format!("[{key}]\nrealm = 'r'"), &mut shown);
            from_file(&format!("[{key}]\n[{key}]"), &mut shown);
            from_file(&format!("[[{key}]]\nrealm = 'r'"), &mut shown);
            from_file(&key, &mut shown);
        }
        prop_assert!(!shown.contains(&secret), "{secret} is shown");
    }
}
