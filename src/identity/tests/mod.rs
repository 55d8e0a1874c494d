//! Tokens that are good, and all the ways in which they are not.

pub(crate) mod issuer;
mod key_sets;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use hairpin_config::{Config, IdentitySettings};

use super::*;

/// The settings of a server that knows this secret.
fn settings(secret: &str) -> IdentitySettings {
    IdentitySettings { secrets: vec![secret.as_bytes().into()], ..Config::default().identity }
}

fn verifier(settings: &IdentitySettings) -> Verifier {
    Verifier::new(settings, Arc::new(Metrics::new(0))).expect("its keys can be asked for")
}

/// Why a token does not count, in words.
fn why(bad: BadToken) -> String {
    format!("{}: {}", bad.code().as_str(), bad.message())
}

const LEEWAY: Duration = Duration::from_secs(30);
