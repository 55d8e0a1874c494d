//! Who may allocate, for how long, and towards whom.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use hairpin_stun::{ChannelNumbers, Key};
use hairpin_turn::{Anonymity, Credentials, Mobility, PeerPolicy, Rules, TcpRelay};
use precis_profiles::OpaqueString;
use precis_profiles::precis_core::profile::PrecisFastInvocation;

use super::relay::{ALLOWED_PEER_IP, DENIED_PEER_IP};
use super::without_repetition;
use crate::check::Violations;
use crate::error::{Invalid, Parsed};
use crate::parser::{Parser, bounded, seconds};
use crate::reader::Reader;
use crate::setting::{Group, Many, Optional, Setting};
use crate::text::one_hosts;
use crate::types::Config;

pub(crate) const REALM: Setting<String> = Setting::one("realm", "TEXT", Parser::Text(realm))
    .default("hairpin")
    .help("Realm of the credentials; under 128 characters");

pub(crate) const STATIC_AUTH_SECRET: Setting<Box<[u8]>, Many> =
    Setting::many("static-auth-secret", "SECRET", Parser::Text(secret))
        .secret()
        .absent("made anew at each start")
        .help("Secret REST credentials are made with; all are accepted, the first issues");

pub(crate) const USER: Setting<User, Many> =
    Setting::many("user", "NAME:PASSWORD", Parser::Text(user))
        .secret()
        .help("Static user; instead of a password `0x` and the 32-digit key, which leaves all users without SHA-256. Needs `realm`");

pub(crate) const MAX_ALLOCATE_LIFETIME: Setting<Duration> =
    Setting::one("max-allocate-lifetime", "SECONDS", seconds(600..=86_400))
        .default("3600")
        .help("Longest allocation lifetime granted");

pub(crate) const STALE_NONCE: Setting<Duration> =
    Setting::one("stale-nonce", "SECONDS", seconds(60..=3600))
        .default("3600")
        .help("How long a nonce is good for");

pub(crate) const UNAUTHENTICATED_ANSWERS_PER_SECOND: Setting<NonZeroU32, Optional> =
    Setting::optional("unauthenticated-answers-per-second", "COUNT", Parser::Text(answers))
        .or_none()
        .default("500")
        .help("Answers of a worker over UDP to an IPv4 address or IPv6 /64 without proof, or `none` for no limit");

pub(crate) const ALTERNATE_SERVER: Setting<SocketAddr, Many> =
    Setting::many("alternate-server", "IP:PORT", Parser::Text(alternate_server))
        .absent("none")
        .help("TURN server that clients are sent to with their allocations, of the client's family; this one then makes none for them");

pub(crate) const MAX_PERMISSIONS: Setting<usize> =
    Setting::one("max-permissions", "COUNT", bounded(1..=4096))
        .default("128")
        .help("Permissions an allocation may hold");

pub(crate) const MAX_CHANNELS: Setting<usize> =
    Setting::one("max-channels", "COUNT", bounded(1..=4096))
        .default("128")
        .help("Channels an allocation may hold");

pub(crate) const COTURN_CHANNEL_NUMBERS: Setting<bool> =
    Setting::switch("coturn-channel-numbers")
        .default("true")
        .help("Channels may have the numbers 0x5000 to 0x7FFF of RFC 5766 too, which coturn's clients draw and RFC 8656 forbids");

pub(crate) const NO_TCP_RELAY: Setting<bool> =
    Setting::switch("no-tcp-relay").help("No relaying over TCP to peers (RFC 6062)");

pub(crate) const MOBILITY: Setting<bool> = Setting::switch("mobility")
    .help("Clients may take their allocations along to another address or transport (RFC 8016)");

pub(crate) const MAX_PEER_CONNECTIONS: Setting<usize> =
    Setting::one("max-peer-connections", "COUNT", bounded(1..=4096))
        .default("32")
        .help("TCP connections to peers an allocation may hold");

pub(crate) const NO_SOFTWARE: Setting<bool> =
    Setting::switch("no-software").help("No SOFTWARE attribute in answers");

pub(super) const GROUP: Group = Group {
    title: "TURN",
    settings: &[
        REALM.about(),
        STATIC_AUTH_SECRET.about(),
        USER.about(),
        MAX_ALLOCATE_LIFETIME.about(),
        STALE_NONCE.about(),
        UNAUTHENTICATED_ANSWERS_PER_SECOND.about(),
        ALTERNATE_SERVER.about(),
        MAX_PERMISSIONS.about(),
        MAX_CHANNELS.about(),
        COTURN_CHANNEL_NUMBERS.about(),
        NO_TCP_RELAY.about(),
        MAX_PEER_CONNECTIONS.about(),
        MOBILITY.about(),
        NO_SOFTWARE.about(),
    ],
};

pub(crate) fn read(reader: &mut Reader) -> Rules {
    let realm = reader.get(&REALM);
    let credentials = Credentials {
        secrets: without_repetition(reader.get(&STATIC_AUTH_SECRET)),
        users: users(reader, &realm),
    };
    let only_users = credentials.secrets.is_empty() && !credentials.users.is_empty();
    Rules {
        software: if reader.get(&NO_SOFTWARE) { None } else { Rules::default().software },
        anonymity: if only_users { Anonymity::StaticUsers } else { Anonymity::Nobody },
        credentials,
        realm,
        stale_nonce: reader.get(&STALE_NONCE),
        max_allocate_lifetime: reader.get(&MAX_ALLOCATE_LIFETIME),
        unauthenticated_answers_per_second: reader.get(&UNAUTHENTICATED_ANSWERS_PER_SECOND),
        alternate_servers: without_repetition(reader.get(&ALTERNATE_SERVER)),
        policy: PeerPolicy::new(reader.get(&ALLOWED_PEER_IP), reader.get(&DENIED_PEER_IP)),
        max_permissions: reader.get(&MAX_PERMISSIONS),
        max_channels: reader.get(&MAX_CHANNELS),
        channel_numbers: match reader.get(&COTURN_CHANNEL_NUMBERS) {
            true => ChannelNumbers::Rfc5766,
            false => ChannelNumbers::Rfc8656,
        },
        tcp_relay: if reader.get(&NO_TCP_RELAY) { TcpRelay::Off } else { TcpRelay::On },
        max_peer_connections: reader.get(&MAX_PEER_CONNECTIONS),
        mobility: if reader.get(&MOBILITY) { Mobility::On } else { Mobility::Off },
    }
}

fn users(reader: &mut Reader, realm: &str) -> Vec<(Box<str>, Key)> {
    let users = reader.get(&USER);
    if !users.is_empty() && !reader.is_set(&REALM) {
        let fix = "set realm too, and keep it";
        reader.reject(&USER, Invalid::new("has a key made from the realm, which is not set", fix));
    }
    let keys =
        |User { name, secret }| secret.keys(&name, realm).map(move |key| (name.clone(), key));
    users.into_iter().flat_map(keys).collect()
}

pub(crate) fn check(config: &Config, violations: &mut Violations) {
    let rules = &config.rules;
    match realm(&rules.realm) {
        Ok(prepared) if prepared == rules.realm => {}
        Ok(prepared) => {
            let fix = format!("give {prepared:?}");
            violations.reject(&REALM, Invalid::new("is not prepared as RFC 8265 says", fix));
        }
        Err(invalid) => violations.reject(&REALM, invalid),
    }
    // RFC 8489 s14.14
    if rules.software.as_ref().is_some_and(|software| software.chars().count() > 127) {
        let fix = "give a SOFTWARE of fewer than 128 characters";
        violations.reject(&NO_SOFTWARE, Invalid::new("leaves one that is too long", fix));
    }
    if rules.credentials.secrets.iter().any(|secret| secret.is_empty()) {
        violations.reject(&STATIC_AUTH_SECRET, Invalid::empty());
    }
    let users = &rules.credentials.users;
    let mut names: Vec<_> = users.iter().map(|(name, key)| (&**name, key.as_ref().len())).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        violations.reject(&USER, Invalid::new("names one user twice", "give each user once"));
    }
    if names.iter().any(|(name, _)| user_name(name).is_none_or(|prepared| prepared != **name)) {
        violations.reject(&USER, Invalid::new(BAD_USER_NAME, USER_FIX));
    }
    violations.bounds(&MAX_ALLOCATE_LIFETIME, &rules.max_allocate_lifetime);
    violations.bounds(&STALE_NONCE, &rules.stale_nonce);
    violations.bounds(&MAX_PERMISSIONS, &rules.max_permissions);
    violations.bounds(&MAX_CHANNELS, &rules.max_channels);
    violations.bounds(&MAX_PEER_CONNECTIONS, &rules.max_peer_connections);
}

/// How many times as long as a request the answer to it may be before the realm is warned of: what a forged source can
/// have sent to somebody else.
const AMPLIFIES: f64 = 4.6;
/// A request without attributes.
const SHORTEST_REQUEST: f64 = 20.0;

pub(crate) fn warn(config: &Config, warnings: &mut Vec<String>) {
    let answer = config.rules.challenge_len();
    let times = answer as f64 / SHORTEST_REQUEST;
    if times > AMPLIFIES {
        warnings.push(format!(
            "the realm makes the answer to anybody's request of {SHORTEST_REQUEST} bytes {answer} bytes long, {times:.1} times, \
             which a forged source can have sent to others; give a realm of at most 20 bytes"
        ));
    }
    /// HMAC-SHA1 is not to be guessed offline from one issued credential.
    const SHORT: usize = 16;
    if config.rules.credentials.secrets.iter().any(|secret| secret.len() < SHORT) {
        warnings.push(format!(
            "a static-auth-secret has fewer than {SHORT} bytes and can be guessed from one credential; \
             `openssl rand -hex 32` makes a good one"
        ));
    }
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

fn alternate_server(text: &str) -> Parsed<SocketAddr> {
    let fix = "give an address and a port such as 192.0.2.1:3478 or [2001:db8::1]:3478";
    let server: SocketAddr =
        text.parse().map_err(|_| Invalid::new("is not an address and port", fix))?;
    let ip = one_hosts(server.ip().to_canonical())?;
    if ip.is_unspecified() || server.port() == 0 {
        return Err(Invalid::new("is not where clients can reach a server", fix));
    }
    Ok(SocketAddr::new(ip, server.port()))
}

fn answers(text: &str) -> Parsed<NonZeroU32> {
    text.parse().map_err(|_| {
        Invalid::new("is no limit", format!("give a whole number from 1 to {}, or none", u32::MAX))
    })
}

pub(super) fn secret(text: &str) -> Parsed<Box<[u8]>> {
    // Secrets may begin with hyphens, so a flag that follows a forgotten value is taken for it.
    let is_flag = text.strip_prefix("--").is_some_and(|name| super::find(name).is_some());
    if is_flag {
        return Err(Invalid::new("is a flag", "give the secret between the two flags"));
    }
    Ok(text.as_bytes().into())
}

/// A `user`, whose key is not known before the realm is.
pub(crate) struct User {
    name: Box<str>,
    secret: UserSecret,
}

enum UserSecret {
    Password(String),
    Key(Key),
}

const USER_FIX: &str = "give name:password, or name:0x and the key's 32 hexadecimal digits";
const BAD_USER_NAME: &str = "has a name that is empty, too long or not printable";

/// `name:password`, or `name:0xKEY` with the key as `turnadmin -k` prints it.
fn user(text: &str) -> Parsed<User> {
    let (name, password) =
        text.split_once(':').ok_or_else(|| Invalid::new("has no colon", USER_FIX))?;
    let name = user_name(name).ok_or_else(|| Invalid::new(BAD_USER_NAME, USER_FIX))?;
    let secret = match password.strip_prefix("0x") {
        Some(digits) => {
            let bytes =
                key_bytes(digits).ok_or_else(|| Invalid::new("has a malformed key", USER_FIX))?;
            UserSecret::Key(Key::from_bytes(bytes))
        }
        None => {
            let password = OpaqueString::enforce(password).map_err(|_| {
                Invalid::new("has a password that is empty or not printable", USER_FIX)
            })?;
            UserSecret::Password(password.into_owned())
        }
    };
    Ok(User { name: name.into(), secret })
}

/// OpaqueString, and under 509 bytes (RFC 8489 s14.3).
fn user_name(text: &str) -> Option<String> {
    let name = OpaqueString::enforce(text).ok().filter(|name| name.len() < 509)?;
    Some(name.into_owned())
}

impl UserSecret {
    /// By each algorithm, as far as they can be made.
    fn keys(self, name: &str, realm: &str) -> impl Iterator<Item = Key> + use<> {
        let (md5, sha256) = match self {
            Self::Password(password) => (
                Key::long_term(name, realm, &password),
                Some(Key::long_term_sha256(name, realm, &password)),
            ),
            Self::Key(key) => (key, None),
        };
        std::iter::once(md5).chain(sha256)
    }
}

fn key_bytes(digits: &str) -> Option<[u8; 16]> {
    let well_formed = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    well_formed.then(|| u128::from_str_radix(digits, 16).ok()).flatten().map(u128::to_be_bytes)
}
