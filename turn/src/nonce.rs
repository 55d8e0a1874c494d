//! Nonces that need no memory (RFC 8489 s9.2).
//!
//! A nonce says when it was issued and proves, with a MAC, that one of us issued it to this
//! client's IP address. Nothing is remembered between issuing and checking it, so a flood of
//! requests leaves no state, and every node with the same secret takes it, before and after a
//! restart. That matters: libwebrtc takes a 438 on Allocate as final.
//!
//! It is bound to the client's IP address and not to its port: after a 437 libwebrtc repeats its
//! Allocate from a new port with the nonce it has.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use base64ct::{Base64Unpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::{Anonymity, Rules};

/// What a nonce of RFC 8489 starts with (s9.2).
const COOKIE: &[u8; 9] = b"obMatJos2";
/// Cookie and feature bits.
const PREFIX_LEN: usize = COOKIE.len() + 4;
/// The low 16 bits of the seconds since 1970. A nonce is younger than these go around, so they tell
/// the whole; and the whole is what the MAC is over.
const TIME_LEN: usize = 2;
/// 48 bits. Short, because it goes to whoever a forged source names, and enough: a forger has an hour
/// at most, and gains one round trip that whoever asks is spared.
const MAC_LEN: usize = 6;
const BODY_LEN: usize = ((TIME_LEN + MAC_LEN) * 8).div_ceil(6);
/// Bytes in every nonce of ours, all of them ASCII.
pub(crate) const NONCE_LEN: usize = PREFIX_LEN + BODY_LEN;

/// "It is RECOMMENDED that servers ... expire" a nonce "at least once every hour" (RFC 8489 s9.2).
const MAX_LIFETIME: Duration = Duration::from_secs(3600);
/// How far another node's clock may be ahead of ours.
const CLOCK_SKEW: u64 = 60;

/// The STUN security features a nonce announces (RFC 8489 s18.1): 24 bits in base64.
///
/// The nonce carries them so that nobody in the middle can strike them out of a challenge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Bit 0: the challenge offers PASSWORD-ALGORITHMS.
    pub password_algorithms: bool,
    /// Bit 1: USERHASH is accepted in place of USERNAME.
    pub username_anonymity: bool,
}

impl Features {
    /// What a server under these rules offers.
    pub(crate) fn of(rules: &Rules) -> Self {
        Self {
            password_algorithms: rules.credentials.have_sha256(),
            username_anonymity: rules.anonymity == Anonymity::StaticUsers,
        }
    }

    /// What a nonce says was offered; nothing if it is none of RFC 8489's.
    pub(crate) fn read(nonce: &[u8]) -> Self {
        let text = nonce.strip_prefix(COOKIE).and_then(|rest| rest.first_chunk::<4>());
        let mut bits = [0; 3];
        let read = text.and_then(|text| Base64Unpadded::decode(text, &mut bits).ok());
        let bits = read.map_or(0, |bits| bits[2]);
        Self { password_algorithms: bits & 1 != 0, username_anonymity: bits & 2 != 0 }
    }

    /// Four characters of base64.
    pub fn encode(self) -> [u8; 4] {
        let bits = u8::from(self.password_algorithms) | u8::from(self.username_anonymity) << 1;
        let mut text = [0; 4];
        Base64Unpadded::encode(&[0, 0, bits], &mut text)
            .expect("3 bytes are 4 characters of base64");
        text
    }
}

/// Issues and recognises nonces.
pub(crate) struct Nonces {
    /// The first makes them, any recognises them. Never empty.
    keys: Vec<Hmac<Sha256>>,
    features: Features,
    lifetime: u64,
}

impl Nonces {
    /// `fallback` stands in when there is no secret at all; its nonces are good on this shard only.
    pub(crate) fn new(
        secrets: &[Box<[u8]>],
        fallback: u64,
        features: Features,
        lifetime: Duration,
    ) -> Self {
        let mut keys: Vec<_> = secrets.iter().map(|secret| derive_key(secret)).collect();
        if keys.is_empty() {
            keys.push(derive_key(&fallback.to_be_bytes()));
        }
        Self { keys, features, lifetime: lifetime.min(MAX_LIFETIME).as_secs() }
    }

    /// A nonce for a client, as of `unix`.
    pub(crate) fn issue(&self, unix: u64, client: IpAddr) -> [u8; NONCE_LEN] {
        write(&self.keys[0], self.features, unix, client)
    }

    /// Whether one of us issued `nonce` to this client, not too long ago. With whatever features: one that was issued
    /// before the settings were changed is good, but nobody can have changed them in it.
    pub(crate) fn accepts(&self, nonce: &[u8], unix: u64, client: IpAddr) -> bool {
        let Some(issued) = issue_time(nonce, unix) else { return false };
        let fresh = unix.saturating_sub(issued) <= self.lifetime;
        let features = Features::read(nonce);
        let is_by = |key| write(key, features, issued, client).ct_eq(nonce).into();
        fresh && self.keys.iter().any(is_by)
    }
}

/// The whole nonce, so that checking one is comparing it with what we would have written.
fn write(key: &Hmac<Sha256>, features: Features, issued: u64, client: IpAddr) -> [u8; NONCE_LEN] {
    let mut prefix = [0; PREFIX_LEN];
    prefix[..COOKIE.len()].copy_from_slice(COOKIE);
    prefix[COOKIE.len()..].copy_from_slice(&features.encode());
    let client = match client {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut mac = key.clone();
    mac.update(&prefix);
    mac.update(&issued.to_be_bytes());
    mac.update(&client.octets());
    let mac: [u8; 32] = mac.finalize().into_bytes().into();

    let mut body = [0; TIME_LEN + MAC_LEN];
    body[..TIME_LEN].copy_from_slice(&(issued as u16).to_be_bytes());
    body[TIME_LEN..].copy_from_slice(&mac[..MAC_LEN]);
    let mut nonce = [0; NONCE_LEN];
    nonce[..PREFIX_LEN].copy_from_slice(&prefix);
    Base64Unpadded::encode(&body, &mut nonce[PREFIX_LEN..])
        .expect("BODY_LEN is this body's length");
    nonce
}

/// When a nonce says that it was issued, not yet proven: the last such time that is not too far in
/// the future.
fn issue_time(nonce: &[u8], unix: u64) -> Option<u64> {
    let mut body = [0; TIME_LEN + MAC_LEN];
    let text = nonce.get(PREFIX_LEN..).filter(|text| text.len() == BODY_LEN)?;
    Base64Unpadded::decode(text, &mut body).ok()?;
    let low = u16::from_be_bytes(*body.first_chunk()?);
    let latest = unix.saturating_add(CLOCK_SKEW);
    latest.checked_sub((latest as u16).wrapping_sub(low).into())
}

/// A key of its own, so that no nonce says anything about the secret's other uses.
fn derive_key(secret: &[u8]) -> Hmac<Sha256> {
    let mut mac = keyed(secret);
    mac.update(b"hairpin STUN nonce 2");
    keyed(&mac.finalize().into_bytes())
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: u64 = 600;
    const NOW: u64 = 1_800_000_000;

    fn nonces(secrets: &[&str]) -> Nonces {
        let secrets: Vec<Box<[u8]>> = secrets.iter().map(|s| s.as_bytes().into()).collect();
        Nonces::new(&secrets, 7, Features::default(), Duration::from_secs(LIFETIME))
    }

    fn client() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    #[test]
    fn it_is_good_for_its_lifetime() {
        let nonces = nonces(&["north"]);
        let nonce = nonces.issue(NOW, client());
        for (unix, good) in [
            (NOW - CLOCK_SKEW - 1, false),
            (NOW - CLOCK_SKEW, true),
            (NOW, true),
            (NOW + LIFETIME, true),
            (NOW + LIFETIME + 1, false),
            (u64::MAX, false),
            (0, false),
        ] {
            assert_eq!(nonces.accepts(&nonce, unix, client()), good, "{unix}");
        }
    }

    #[test]
    fn its_time_going_around_makes_it_no_younger() {
        let nonces = nonces(&["north"]);
        let nonce = nonces.issue(NOW, client());
        for rounds in 1..=100 {
            assert!(!nonces.accepts(&nonce, NOW + rounds * 65_536, client()));
            assert!(!nonces.accepts(&nonce, NOW - rounds * 65_536, client()));
        }
        let early = nonces.issue(3, client());
        assert!(nonces.accepts(&early, 7, client()));
    }

    #[test]
    fn no_lifetime_exceeds_an_hour() {
        let nonces = Nonces::new(&[], 7, Features::default(), Duration::from_secs(86_400));
        let nonce = nonces.issue(NOW, client());
        assert!(nonces.accepts(&nonce, NOW + 3600, client()));
        assert!(!nonces.accepts(&nonce, NOW + 3601, client()));
    }

    #[test]
    fn any_secret_of_a_rotation_will_do_and_no_other() {
        let nonce = nonces(&["old"]).issue(NOW, client());
        assert!(nonces(&["new", "old"]).accepts(&nonce, NOW, client()));
        assert!(!nonces(&["new"]).accepts(&nonce, NOW, client()));
    }

    #[test]
    fn every_character_counts() {
        let nonces = nonces(&["north"]);
        let nonce = nonces.issue(NOW, client());
        for at in 0..nonce.len() {
            for bit in 0..8 {
                let mut forged = nonce;
                forged[at] ^= 1 << bit;
                assert!(!nonces.accepts(&forged, NOW, client()), "byte {at} bit {bit}");
            }
        }
        assert!(!nonces.accepts(&nonce[..nonce.len() - 1], NOW, client()));
        assert!(!nonces.accepts(b"", NOW, client()));
    }
}
