//! Keys and passwords (RFC 8489 s9.2.2, s14.4; draft-uberti-behave-turn-rest s2.2).
//!
//! Usernames, realms and passwords are given as they are after OpaqueString (RFC 8265); preparing
//! them is the caller's.

use core::fmt;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The key of a long-term credential under MD5: what a server stores in place of the password.
#[derive(Clone)]
pub struct Key([u8; 16]);

impl Key {
    /// MD5(username ":" realm ":" password) (RFC 8489 s18.5.1.1).
    pub fn long_term(username: &str, realm: &str, password: &str) -> Self {
        Self(joined::<Md5>(&[username, realm, password]).into())
    }

    /// A key that was computed before.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// As good as the password, so never shown.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// The key of a long-term credential under SHA-256: SHA-256(username ":" realm ":" password)
/// (RFC 8489 s18.5.1.2).
pub fn sha256_key(username: &str, realm: &str, password: &str) -> [u8; 32] {
    joined::<Sha256>(&[username, realm, password]).into()
}

/// USERHASH: SHA-256(username ":" realm) (RFC 8489 s14.4).
pub fn userhash(username: &str, realm: &str) -> [u8; 32] {
    joined::<Sha256>(&[username, realm]).into()
}

/// The password that belongs to a REST username: base64(HMAC-SHA1(secret, username)), 28
/// characters.
pub fn rest_password<'o>(secret: &[u8], username: &str, out: &'o mut [u8; 28]) -> &'o str {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(username.as_bytes());
    let mac: [u8; 20] = mac.finalize().into_bytes().into();
    Base64::encode(&mac, out).expect("20 bytes are 28 characters of base64")
}

fn joined<D: Digest>(parts: &[&str]) -> md5::digest::Output<D> {
    let mut digest = D::new();
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            digest.update(b":");
        }
        digest.update(part.as_bytes());
    }
    digest.finalize()
}
