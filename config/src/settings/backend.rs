//! What an app's backend has of the server: records, webhooks, and a say in it.

use std::path::PathBuf;

use super::http::ADMIN_LISTEN;
use super::without_repetition;
use crate::backend::{AdminToken, BackendSettings, WebhookSecret};
use crate::check::Violations;
use crate::error::{Invalid, Parsed};
use crate::http_url::HttpUrl;
use crate::parser::{Parser, bounded};
use crate::reader::Reader;
use crate::setting::{Group, Many, Optional, Setting};
use crate::types::Config;

pub(crate) const RECORDS: Setting<PathBuf, Optional> =
    Setting::optional("records", "FILE", Parser::Text(path))
        .help("SQLite file in which sessions, reports, blocks, bars and unsent webhooks are kept");

pub(crate) const RECORDS_DAYS: Setting<u32> =
    Setting::one("records-days", "DAYS", bounded(1..=36_500)).default("90").help(
        "How long sessions and reports are kept there; blocks are kept until they are taken back",
    );

pub(crate) const WEBHOOK_URL: Setting<HttpUrl, Many> =
    Setting::many("webhook-url", "URL", Parser::Text(str::parse))
        .secret()
        .at_most(8)
        .help("Where your backend is told of sessions, reports and bars");

pub(crate) const WEBHOOK_SECRET: Setting<WebhookSecret, Many> =
    Setting::many("webhook-secret", "SECRET", Parser::Text(str::parse))
        .secret()
        .at_most(4)
        .help("What webhooks are signed with, `whsec_` and base64; with several, each signs, so that one can be replaced");

pub(crate) const ADMIN_TOKEN: Setting<AdminToken, Many> =
    Setting::many("admin-token", "TOKEN", Parser::Text(token))
        .secret()
        .at_most(8)
        .help("Bearer token of your backend for the admin API, at `admin-listen` under `/v1/`; without one there is no such API");

pub(super) const GROUP: Group = Group {
    title: "Your backend",
    settings: &[
        RECORDS.about(),
        RECORDS_DAYS.about(),
        WEBHOOK_URL.about(),
        WEBHOOK_SECRET.about(),
        ADMIN_TOKEN.about(),
    ],
};

pub(crate) fn read(reader: &mut Reader) -> BackendSettings {
    BackendSettings {
        records: reader.get(&RECORDS),
        records_days: reader.get(&RECORDS_DAYS),
        webhook_urls: without_repetition(reader.get(&WEBHOOK_URL)),
        webhook_secrets: without_repetition(reader.get(&WEBHOOK_SECRET)),
        admin_tokens: reader.get(&ADMIN_TOKEN),
    }
}

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    let backend = &config.backend;
    violations.bounds(&RECORDS_DAYS, &backend.records_days);
    if !backend.webhook_urls.is_empty() && backend.webhook_secrets.is_empty() {
        let fix = "give webhook-secret too; `echo whsec_$(openssl rand -base64 32)` makes one";
        violations.reject(&WEBHOOK_URL, Invalid::new("has no secret to sign with", fix));
    }
    for (setting, count, most) in [
        (WEBHOOK_URL.about(), backend.webhook_urls.len(), WEBHOOK_URL.at_most),
        (WEBHOOK_SECRET.about(), backend.webhook_secrets.len(), WEBHOOK_SECRET.at_most),
        (ADMIN_TOKEN.about(), backend.admin_tokens.len(), ADMIN_TOKEN.at_most),
    ] {
        if let Some(most) = most.filter(|most| count > *most) {
            let fix = format!("give {most} or fewer");
            violations.reject(setting, Invalid::new("has too many values", fix));
        }
    }
    if !backend.admin_tokens.is_empty() && config.listen.admin.is_none() {
        let fix = "give admin-listen an address, or leave admin-token out";
        let invalid = Invalid::new("is for a listener that is off", fix);
        violations.clash(&ADMIN_TOKEN, &ADMIN_LISTEN, invalid);
    }
}

pub(crate) fn warn(config: &Config, warnings: &mut Vec<String>) {
    let backend = &config.backend;
    if backend.webhook_urls.is_empty() && !backend.webhook_secrets.is_empty() {
        warnings.push("webhook-secret is not used: there is no webhook-url".to_owned());
    }
    if !backend.webhook_urls.is_empty() && backend.records.is_none() {
        warnings.push(
            "webhooks that are not yet sent are lost at a restart: give records a file to keep them in"
                .to_owned(),
        );
    }
}

fn path(text: &str) -> Parsed<PathBuf> {
    let path = PathBuf::from(text);
    if path.file_name().is_none() || text.ends_with('/') || text.contains(char::is_control) {
        return Err(Invalid::new("names no file", "give one, such as /var/lib/hairpin/records.db"));
    }
    Ok(path)
}

fn token(text: &str) -> Parsed<AdminToken> {
    let fix = "give 16 to 512 letters, digits or -._~+/=; `openssl rand -hex 32` makes a good one";
    let bearer = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    match text.len() {
        _ if !text.bytes().all(bearer) => {
            Err(Invalid::new("holds what a bearer token cannot (RFC 6750)", fix))
        }
        0..16 => Err(Invalid::new("is short enough to be guessed", fix)),
        16..=512 => Ok(AdminToken::new(text)),
        _ => Err(Invalid::new("is too long", fix)),
    }
}
