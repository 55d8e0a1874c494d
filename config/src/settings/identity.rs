//! Who somebody is.

use std::time::Duration;

use super::turn::secret;
use super::without_repetition;
use crate::check::Violations;
use crate::error::{Invalid, Parsed};
use crate::http_url::HttpUrl;
use crate::parser::{Parser, seconds};
use crate::reader::Reader;
use crate::setting::{Group, Many, Optional, Setting};
use crate::types::{Config, IdentitySettings};

/// As many bytes as the hash of HS256 has (RFC 7518 s3.2).
const SECRET_LEN: usize = 32;

pub(crate) const JWT_SECRET: Setting<Box<[u8]>, Many> =
    Setting::many("jwt-secret", "SECRET", Parser::Text(secret))
        .secret()
        .at_most(4)
        .help("Secret that tokens are signed with (HS256); all are accepted");

pub(crate) const JWKS_URL: Setting<HttpUrl, Optional> =
    Setting::optional("jwks-url", "URL", Parser::Text(str::parse))
        .help("Where the keys are that tokens are signed with (RS256, ES256, EdDSA)");

pub(crate) const JWT_AUDIENCE: Setting<String, Many> =
    Setting::many("jwt-audience", "NAME", Parser::Text(words))
        .absent("not looked at")
        .help("For whom a token must be: its `aud` has one of these");

pub(crate) const JWT_ISSUER: Setting<String, Many> =
    Setting::many("jwt-issuer", "NAME", Parser::Text(words))
        .absent("not looked at")
        .help("By whom a token must be made: its `iss` is one of these");

pub(crate) const JWT_LEEWAY: Setting<Duration> =
    Setting::one("jwt-leeway", "SECONDS", seconds(0..=600))
        .default("30")
        .help("How much the clock of whoever makes tokens may differ from ours");

pub(super) const GROUP: Group = Group {
    title: "Who somebody is",
    settings: &[
        JWT_SECRET.about(),
        JWKS_URL.about(),
        JWT_AUDIENCE.about(),
        JWT_ISSUER.about(),
        JWT_LEEWAY.about(),
    ],
};

fn words(text: &str) -> Parsed<String> {
    match text.chars().any(char::is_control) {
        true => Err(Invalid::new("is not printable", "give the name as it is in tokens")),
        false => Ok(text.to_owned()),
    }
}

pub(crate) fn read(reader: &mut Reader) -> IdentitySettings {
    IdentitySettings {
        secrets: without_repetition(reader.get(&JWT_SECRET)),
        jwks_url: reader.get(&JWKS_URL),
        audiences: without_repetition(reader.get(&JWT_AUDIENCE)),
        issuers: without_repetition(reader.get(&JWT_ISSUER)),
        leeway: reader.get(&JWT_LEEWAY),
    }
}

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    let identity = &config.identity;
    if identity.secrets.iter().any(|secret| secret.is_empty()) {
        violations.reject(&JWT_SECRET, Invalid::empty());
    }
    if let Some(most) = JWT_SECRET.at_most.filter(|most| identity.secrets.len() > *most) {
        let fix = format!("give {most} or fewer: each is tried");
        violations.reject(&JWT_SECRET, Invalid::new("has too many secrets", fix));
    }
    for (setting, names) in [(&JWT_AUDIENCE, &identity.audiences), (&JWT_ISSUER, &identity.issuers)]
    {
        if names.iter().any(String::is_empty) {
            violations.reject(setting, Invalid::empty());
        }
        if identity.is_open() && !names.is_empty() {
            let fix = "give jwt-secret or jwks-url, or leave it out";
            violations.reject(setting, Invalid::new("has no keys to check tokens with", fix));
        }
    }
    violations.bounds(&JWT_LEEWAY, &identity.leeway);
}

pub(crate) fn warn(config: &Config, warnings: &mut Vec<String>) {
    let identity = &config.identity;
    if identity.secrets.iter().any(|secret| secret.len() < SECRET_LEN) {
        warnings.push(format!(
            "jwt-secret is shorter than {SECRET_LEN} bytes: whoever has a token can guess it"
        ));
    }
    if identity.jwks_url.as_ref().is_some_and(|url| !url.is_https() && !url.is_loopback()) {
        warnings.push(
            "jwks-url is without TLS: whoever is on the way to it can be anybody here".to_owned(),
        );
    }
    if !identity.is_open() && identity.audiences.is_empty() && identity.jwks_url.is_some() {
        warnings.push(
            "jwt-audience is not given: tokens that the same issuer made for other services count here"
                .to_owned(),
        );
    }
}
