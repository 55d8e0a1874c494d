//! Who somebody is: what the settings come to, and what is said of those that make no sense.

use std::time::Duration;

use hairpin_config::{Config, Layers};

use crate::config;

const SECRET: &str = "thirty-two bytes are long enough";

fn errors(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let mut layers = Layers::default();
    settings.iter().for_each(|(name, value)| layers.set(name, *value));
    let errors = layers.resolve().expect_err("it makes no sense").0;
    errors.into_iter().map(|error| (error.field, error.problem)).collect()
}

fn warnings(settings: &[(&str, &str)]) -> String {
    config(settings).warnings().join("\n")
}

fn is_insecure(config: &Config) -> bool {
    config.insecure_defaults().iter().any(|insecurity| insecurity.fix.contains("--jwt-secret"))
}

#[test]
fn without_keys_everybody_is_who_it_says_and_the_start_says_so() {
    let open = Config::default();
    assert!(open.identity.is_open() && is_insecure(&open));
    for keys in [("jwt-secret", SECRET), ("jwks-url", "https://auth.example/keys")] {
        let config = config(&[keys]);
        assert!(!config.identity.is_open() && !is_insecure(&config), "{keys:?}");
    }
}

#[test]
fn secrets_and_a_url_may_be_given_together() {
    let config = config(&[
        ("jwt-secret", SECRET),
        ("jwks-url", "https://auth.example/keys"),
        ("jwt-audience", "hairpin"),
        ("jwt-issuer", "https://auth.example/"),
    ]);
    let identity = &config.identity;
    assert_eq!(&*identity.secrets[0], SECRET.as_bytes());
    assert_eq!(identity.leeway, Duration::from_secs(30));
    assert_eq!(config.warnings(), [""; 0]);
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn an_audience_or_an_issuer_without_keys_is_an_error_that_names_it() {
    for name in ["jwt-audience", "jwt-issuer"] {
        let errors = errors(&[(name, "hairpin")]);
        assert_eq!(errors.len(), 1);
        assert_eq!(errors[0].0, name);
        assert!(errors[0].1.contains("no keys"), "{errors:?}");
    }
}

#[test]
fn what_is_no_url_is_an_error() {
    for url in ["keys.json", "ftp://auth.example/keys", "https://user:word@auth.example/"] {
        assert_eq!(errors(&[("jwks-url", url)])[0].0, "jwks-url", "{url}");
    }
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    assert!(warnings(&[("jwt-secret", "short")]).contains("shorter than 32 bytes"));
    assert_eq!(warnings(&[("jwt-secret", SECRET)]), "");
    let plain = [("jwks-url", "http://auth.example/keys"), ("jwt-audience", "hairpin")];
    assert!(warnings(&plain).contains("without TLS"));
    let near = [("jwks-url", "http://127.0.0.1:9/keys"), ("jwt-audience", "hairpin")];
    assert_eq!(warnings(&near), "");
    assert!(warnings(&[("jwks-url", "https://auth.example/keys")]).contains("jwt-audience"));
}
