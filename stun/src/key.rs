//! Keys and passwords (RFC 8489 s9.2.2, s14.4; draft-uberti-behave-turn-rest s2.2).
//!
//! Usernames, realms and passwords are given as they are after OpaqueString (RFC 8265); preparing
//! them is the caller's.

use alloc::boxed::Box;
use core::fmt;

use base64ct::{Base64, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The key of a long-term credential: what a server stores in place of the password.
///
/// [`Writer::sign`](crate::Writer::sign) and [`Message::verify`](crate::Message::verify) take the
/// integrity attribute that goes with it.
#[derive(Clone)]
pub struct Key(Digested);

/// Username, realm and password, by password algorithm (RFC 8489 s18.5).
#[derive(Clone)]
enum Digested {
    Md5([u8; 16]),
    /// Boxed, because those who hold keys by the ten thousand mostly hold the shorter ones.
    Sha256(Box<[u8; 32]>),
}

/// How a key is made of a password (RFC 8489 s18.5), which also says what it signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PasswordAlgorithm {
    /// 0x0001, with MESSAGE-INTEGRITY.
    Md5,
    /// 0x0002, with MESSAGE-INTEGRITY-SHA256.
    Sha256,
}

impl Key {
    /// MD5(username ":" realm ":" password) (RFC 8489 s18.5.1.1).
    pub fn long_term(username: &str, realm: &str, password: &str) -> Self {
        Self::from_bytes(joined::<Md5>(&[username, realm, password]).into())
    }

    /// SHA-256(username ":" realm ":" password) (RFC 8489 s18.5.1.2).
    pub fn long_term_sha256(username: &str, realm: &str, password: &str) -> Self {
        Self(Digested::Sha256(Box::new(joined::<Sha256>(&[username, realm, password]).into())))
    }

    /// An MD5 key that was computed before.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Digested::Md5(bytes))
    }

    /// How it was made.
    pub fn algorithm(&self) -> PasswordAlgorithm {
        match self.0 {
            Digested::Md5(_) => PasswordAlgorithm::Md5,
            Digested::Sha256(_) => PasswordAlgorithm::Sha256,
        }
    }
}

impl AsRef<[u8]> for Key {
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Digested::Md5(bytes) => bytes,
            Digested::Sha256(bytes) => bytes.as_slice(),
        }
    }
}

/// As good as the password, so never shown.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
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
