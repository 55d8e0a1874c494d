//! Who may allocate, for how long, and towards whom.

use hairpin_stun::Key;
use hairpin_turn::{Credentials, IpRange, PeerPolicy};
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation;

use super::without_repetition;
use crate::error::{Invalid, Parsed};
use crate::parse::{number, seconds};
use crate::reader::Reader;
use crate::setting::Setting;
use crate::types::TurnSettings;

pub(super) fn turn(reader: &mut Reader) -> TurnSettings {
    let realm = reader.one("realm", realm);
    TurnSettings {
        software: !reader.switch("no-software"),
        credentials: Credentials { secrets: secrets(reader), users: users(reader, &realm) },
        realm,
        nonce_lifetime: reader.one("stale-nonce", seconds(60..=3600)),
        max_lifetime: reader.one("max-allocate-lifetime", seconds(600..=86_400)),
        policy: policy(reader),
        max_permissions: reader.one("max-permissions", number(1..=4096)),
        max_channels: reader.one("max-channels", number(1..=4096)),
    }
}

fn policy(reader: &mut Reader) -> PeerPolicy {
    let allow = reader.many("allowed-peer-ip", ip_range);
    let deny = reader.many("denied-peer-ip", ip_range);
    PeerPolicy::new(allow, deny)
}

fn ip_range(text: &str) -> Parsed<IpRange> {
    let fix = "give 192.0.2.1, 192.0.2.1-192.0.2.9, 192.0.2.0/24, or the like in IPv6";
    text.parse().map_err(|error| Invalid::new(format!("is not a range of addresses: {error}"), fix))
}

/// "It MUST [...] be less than 128 characters", prepared with OpaqueString (RFC 8489 s14.9).
fn realm(text: &str) -> Parsed<String> {
    let fix = "give 1 to 127 printable characters, such as example.org";
    let realm = OpaqueString::enforce(text)
        .map_err(|_| Invalid::new("holds characters a realm must not have (RFC 8265)", fix))?;
    if realm.chars().count() > 127 {
        return Err(Invalid::new("is too long", fix));
    }
    Ok(realm.into_owned())
}

fn secrets(reader: &mut Reader) -> Vec<Box<[u8]>> {
    /// HMAC-SHA1 is not to be guessed offline from one issued credential.
    const SHORT: usize = 16;
    let secrets = without_repetition(reader.many("static-auth-secret", secret));
    if secrets.iter().any(|secret| secret.len() < SHORT) {
        reader.warn(format!(
            "a static-auth-secret has fewer than {SHORT} bytes and can be guessed from one credential; \
             `openssl rand -hex 32` makes a good one"
        ));
    }
    secrets
}

fn secret(text: &str) -> Parsed<Box<[u8]>> {
    // Secrets may begin with hyphens, so a flag that follows a forgotten value is taken for it.
    let is_flag = text.strip_prefix("--").is_some_and(|name| Setting::find(name).is_some());
    if is_flag {
        return Err(Invalid::new("is a flag", "give the secret between the two flags"));
    }
    Ok(text.as_bytes().into())
}

fn users(reader: &mut Reader, realm: &str) -> Vec<(Box<str>, Key)> {
    let users = reader.many("user", |text| user(text, realm));
    if !users.is_empty() && !reader.is_set("realm") {
        let fix = "set realm too, and keep it";
        reader.reject("user", Invalid::new("has a key made from the realm, which is not set", fix));
    }
    let mut names: Vec<&str> = users.iter().map(|(name, _)| &**name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        reader.reject("user", Invalid::new("names one user twice", "give each user once"));
    }
    users
}

/// `name:password`, or `name:0xKEY` with the key as `turnadmin -k` prints it.
fn user(text: &str, realm: &str) -> Parsed<(Box<str>, Key)> {
    let fix = "give name:password, or name:0x and the key's 32 hexadecimal digits";
    let (name, password) = text.split_once(':').ok_or_else(|| Invalid::new("has no colon", fix))?;
    // RFC 8489 s14.3: OpaqueString, and under 509 bytes.
    let name = OpaqueString::enforce(name)
        .ok()
        .filter(|name| name.len() < 509)
        .ok_or_else(|| Invalid::new("has a name that is empty, too long or not printable", fix))?;
    let key = match password.strip_prefix("0x") {
        Some(digits) => {
            let bytes =
                key_bytes(digits).ok_or_else(|| Invalid::new("has a malformed key", fix))?;
            Key::from_bytes(bytes)
        }
        None => {
            let password = OpaqueString::enforce(password)
                .map_err(|_| Invalid::new("has a password that is empty or not printable", fix))?;
            Key::long_term(&name, realm, &password)
        }
    };
    Ok((name.into(), key))
}

fn key_bytes(digits: &str) -> Option<[u8; 16]> {
    let well_formed = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    well_formed.then(|| u128::from_str_radix(digits, 16).ok()).flatten().map(u128::to_be_bytes)
}
