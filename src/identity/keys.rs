//! A set of public keys, as its issuer publishes it (RFC 7517).

use std::sync::Arc;

use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse,
};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, crypto};
use serde_json::Value;

/// More than an issuer has at a time.
const MOST_KEYS: usize = 64;

/// How many are tried for a token that does not say which it is signed by.
const TRIED: usize = 3;

/// RSA keys in bytes: 2048 bits at least (RFC 7518 s3.3), and what the library takes at most.
const RSA_LEN: std::ops::RangeInclusive<usize> = 256..=512;

/// The keys that can be used here.
#[derive(Debug, Default)]
pub(super) struct Keys(Vec<Arc<Key>>);

/// A key and all that it may be used for.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl Keys {
    /// Reads a set. What cannot be used here is left out; a set without anything that can is none.
    pub(super) fn read(json: &[u8]) -> Result<Self, &'static str> {
        let set: Value = serde_json::from_slice(json).map_err(|_| "it is not JSON")?;
        let keys = set["keys"].as_array().ok_or("it has no list called keys")?;
        let read = keys.iter().filter_map(Key::read).take(MOST_KEYS).map(Arc::new);
        let keys: Vec<_> = read.collect();
        if keys.is_empty() {
            return Err("it has no public key for RS256, ES256 or EdDSA");
        }
        Ok(Self(keys))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Those that may have signed a token; none if the one it names is not there.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Vec<Arc<Key>> {
        let fits = |key: &&Arc<Key>| {
            key.algorithm == algorithm && kid.is_none_or(|kid| key.id.as_deref() == Some(kid))
        };
        self.0.iter().filter(fits).take(TRIED).cloned().collect()
    }

    /// Whether a key of this name is there, whatever it is good for.
    pub(super) fn has(&self, kid: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(kid))
    }
}

impl Key {
    /// `None` for what is no key to verify with, or none that the library could use.
    fn read(json: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(json.clone()).ok()?;
        let common = &jwk.common;
        let to_verify = common
            .public_key_use
            .as_ref()
            .is_none_or(|it| *it == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|it| it.contains(&KeyOperations::Verify));
        if !to_verify {
            return None;
        }
        // Whatever a token says of itself: the key says what it is for. A secret has no place in a public set.
        let (algorithm, name) = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
            AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
                (Algorithm::ES256, KeyAlgorithm::ES256)
            }
            AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
                (Algorithm::EdDSA, KeyAlgorithm::EdDSA)
            }
            _ => return None,
        };
        if common.key_algorithm.is_some_and(|said| said != name) {
            return None;
        }
        let key = DecodingKey::from_jwk(&jwk).ok().filter(|key| is_sound(algorithm, key))?;
        Some(Self { id: common.key_id.clone(), algorithm, key })
    }
}

/// Whether the library can verify with a key. Of the length of some it makes sure by a panic.
fn is_sound(algorithm: Algorithm, key: &DecodingKey) -> bool {
    let long_enough = match (algorithm, key.kind()) {
        (Algorithm::RS256, DecodingKeyKind::RsaModulusExponent { n, e }) => {
            let n = n.strip_prefix(&[0]).unwrap_or(n);
            RSA_LEN.contains(&n.len())
                && n.first().is_some_and(|first| *first != 0)
                && n.last().is_some_and(|last| last % 2 == 1)
                && (1..=4).contains(&e.len())
        }
        (Algorithm::ES256, DecodingKeyKind::SecretOrDer(point)) => point.len() == 65,
        (Algorithm::EdDSA, DecodingKeyKind::SecretOrDer(point)) => point.len() == 32,
        _ => false,
    };
    long_enough && crypto::verify("", b"", key, algorithm).is_ok()
}
