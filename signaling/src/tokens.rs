//! Tokens that prove who somebody was.
//!
//! A *resume token* is 128 random bits that lead to a seat of this hub, which keeps only its hash. *Pair* and *place
//! tokens* say by themselves what they are good for, signed, so that a hub that knows nothing of them can believe them.

use std::fmt;
use std::hash::Hasher;
use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::SessionId;

/// How long after it was given a pair token is good, and how long somebody's seniority is kept for it elsewhere.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);
/// Longer ones are none of ours: two user ids and a pool at their longest, twice escaped.
const MAX_LEN: usize = 4096;
/// 128 bits of the MAC.
const MAC_LEN: usize = 16;

/// Makes resume tokens: a keyed pseudorandom function over a counter.
pub(crate) struct ResumeTokens {
    key: [u64; 2],
    made: u64,
}

/// What the hub keeps of a resume token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TokenHash([u8; 16]);

impl ResumeTokens {
    pub(crate) fn new(key: [u64; 2]) -> Self {
        Self { key, made: 0 }
    }

    /// A token nobody can guess, and its hash.
    pub(crate) fn next(&mut self) -> (String, TokenHash) {
        self.made += 1;
        let mut hasher = SipHasher24::new_with_keys(self.key[0], self.key[1]);
        hasher.write_u64(self.made);
        let text = Base64UrlUnpadded::encode_string(&hasher.finish128().as_bytes());
        let hash = TokenHash::of(&text);
        (text, hash)
    }
}

impl TokenHash {
    /// Finding by a hash takes as long whatever a stranger guesses.
    pub(crate) fn of(token: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut hash = [0; 16];
        hash.copy_from_slice(&digest[..16]);
        Self(hash)
    }

    /// As a number that nobody can foresee.
    pub(crate) fn as_u64(self) -> u64 {
        self.0.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// Which of the two sides of a session somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It waited longer, makes the first offer, and is the impolite one when offers cross.
    Initiator,
    /// The other one.
    Answerer,
}

impl Role {
    /// The partner's.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Answerer,
            Self::Answerer => Self::Initiator,
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Initiator => 0,
            Self::Answerer => 1,
        }
    }
}

/// That somebody is one side of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PairClaim {
    pub(crate) session: SessionId,
    pub(crate) role: Role,
    pub(crate) user: String,
    pub(crate) partner: String,
    pub(crate) pool: String,
    /// When it was given, in milliseconds since 1970.
    at: u64,
    /// When the session began, if that was not when this was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<u64>,
}

impl PairClaim {
    pub(crate) fn new(
        now: Duration,
        session: SessionId,
        role: Role,
        [user, partner]: [&str; 2],
        pool: &str,
    ) -> Self {
        let [user, partner, pool] = [user, partner, pool].map(str::to_owned);
        Self { session, role, user, partner, pool, at: milliseconds(now), since: None }
    }

    /// The same of a session that began at this time.
    pub(crate) fn begun(self, since: Duration) -> Self {
        let since = milliseconds(since);
        Self { since: (since != self.at).then_some(since), ..self }
    }

    /// When the session began.
    pub(crate) fn since(&self) -> Duration {
        Duration::from_millis(self.since.unwrap_or(self.at))
    }
}

/// Since when somebody waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlaceClaim {
    pub(crate) user: String,
    pub(crate) pool: String,
    /// In milliseconds since 1970.
    at: u64,
}

impl PlaceClaim {
    pub(crate) fn new(since: Duration, user: &str, pool: &str) -> Self {
        Self { user: user.into(), pool: pool.into(), at: milliseconds(since) }
    }

    pub(crate) fn since(&self) -> Duration {
        Duration::from_millis(self.at)
    }
}

/// What can be signed.
pub(crate) trait Claim: Serialize + DeserializeOwned {
    /// What keeps one kind from being taken for another.
    const LABEL: &'static [u8];
    fn at(&self) -> Duration;
}

impl Claim for PairClaim {
    const LABEL: &'static [u8] = b"pair";
    fn at(&self) -> Duration {
        Duration::from_millis(self.at)
    }
}

impl Claim for PlaceClaim {
    const LABEL: &'static [u8] = b"place";
    fn at(&self) -> Duration {
        Duration::from_millis(self.at)
    }
}

/// Signs claims, and believes those that it, or whoever shares its secret, has signed.
pub(crate) struct Signer(Vec<Hmac<Sha256>>);

impl Signer {
    /// The first secret signs, all are believed.
    pub(crate) fn new(secrets: &[Box<[u8]>]) -> Self {
        let derive = |secret: &[u8]| {
            let mut mac = keyed(secret);
            mac.update(b"hairpin seat tokens 1");
            keyed(&mac.finalize().into_bytes())
        };
        Self(secrets.iter().map(|secret| derive(secret)).collect())
    }

    /// `payload.mac`, both in base64url. Without a secret there is no token.
    pub(crate) fn sign<C: Claim>(&self, claim: &C) -> Option<String> {
        let payload = serde_json::to_vec(claim).expect("strings and numbers serialise");
        let mut mac = self.0.first()?.clone();
        mac.update(C::LABEL);
        mac.update(&payload);
        let mut text = Base64UrlUnpadded::encode_string(&payload);
        text.push('.');
        text += &Base64UrlUnpadded::encode_string(&mac.finalize().into_bytes()[..MAC_LEN]);
        Some(text)
    }

    /// What a token says, if it is one and still good.
    pub(crate) fn verify<C: Claim>(&self, now: Duration, token: &str) -> Option<C> {
        let (payload, mac) = token.split_once('.').filter(|_| token.len() <= MAX_LEN)?;
        let payload = Base64UrlUnpadded::decode_vec(payload).ok()?;
        let mac = Base64UrlUnpadded::decode_vec(mac).ok().filter(|mac| mac.len() == MAC_LEN)?;
        let signed = self.0.iter().any(|key| {
            let mut expected = key.clone();
            expected.update(C::LABEL);
            expected.update(&payload);
            expected.verify_truncated_left(&mac).is_ok()
        });
        let claim: C = signed.then(|| serde_json::from_slice(&payload).ok())??;
        (now <= claim.at().saturating_add(LIFETIME)).then_some(claim)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SessionIds;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn signer(secrets: &[&str]) -> Signer {
        let secrets: Vec<Box<[u8]>> =
            secrets.iter().map(|secret| secret.as_bytes().into()).collect();
        Signer::new(&secrets)
    }

    fn claim() -> PairClaim {
        let session = SessionIds::new([1, 2]).next();
        PairClaim::new(NOW, session, Role::Answerer, ["ann\"", "bob"], "")
    }

    #[test]
    fn a_claim_is_believed_where_its_secret_is_known_and_nowhere_else() {
        let token = signer(&["north"]).sign(&claim()).expect("there is a secret");
        assert_eq!(signer(&["north"]).verify(NOW, &token), Some(claim()));
        assert_eq!(signer(&["south", "north"]).verify(NOW, &token), Some(claim()));
        assert_eq!(signer(&["south"]).verify::<PairClaim>(NOW, &token), None);
        assert_eq!(signer(&[]).verify::<PairClaim>(NOW, &token), None);
        assert_eq!(signer(&[]).sign(&claim()), None);
    }

    #[test]
    fn a_claim_of_one_kind_is_none_of_another() {
        let place = PlaceClaim::new(NOW, "ann", "default");
        let token = signer(&["north"]).sign(&place).expect("there is a secret");
        assert_eq!(signer(&["north"]).verify::<PairClaim>(NOW, &token), None);
        assert_eq!(signer(&["north"]).verify(NOW, &token), Some(place));
    }

    #[test]
    fn a_changed_character_anywhere_makes_it_worthless_and_so_does_age() {
        let signer = signer(&["north"]);
        let token = signer.sign(&claim()).expect("there is a secret");
        for place in 0..token.len() {
            let mut changed = token.clone().into_bytes();
            changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).expect("ASCII");
            assert_eq!(signer.verify::<PairClaim>(NOW, &changed), None, "{place}");
            assert_eq!(signer.verify::<PairClaim>(NOW, &token[..place]), None, "{place}");
        }
        assert!(signer.verify::<PairClaim>(NOW + LIFETIME, &token).is_some());
        let later = NOW + LIFETIME + Duration::from_millis(1);
        assert_eq!(signer.verify::<PairClaim>(later, &token), None);
    }

    #[test]
    fn resume_tokens_differ_and_are_found_by_their_hash() {
        let mut tokens = ResumeTokens::new([1, 2]);
        let made: Vec<_> = (0..100).map(|_| tokens.next()).collect();
        let hashes: std::collections::BTreeSet<_> =
            made.iter().map(|(token, _)| TokenHash::of(token)).collect();
        assert_eq!(hashes.len(), 100);
        assert!(
            made.iter().all(|(token, hash)| TokenHash::of(token) == *hash && token.len() == 22)
        );
    }
}
