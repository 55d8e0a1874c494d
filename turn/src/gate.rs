//! Who sent a request: the long-term credential mechanism (RFC 8489 s9.2.4).

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use core::net::IpAddr;

use hairpin_stun::{AttributeType, Key, Message, PasswordAlgorithm, decode, userhash};

use crate::allocation::Claim;
use crate::nonce::{Features, NONCE_LEN, Nonces};
use crate::replies::{Integrity, PASSWORD_ALGORITHMS};
use crate::{FiveTuple, Now, Rules};

/// "fewer than 509 bytes" (RFC 8489 s14.3); one more does no harm.
const MAX_USERNAME: usize = 509;

/// Lets in who proves to hold a key, and knows nobody otherwise.
pub(crate) struct Gate {
    /// For the realm and the credentials.
    rules: Arc<Rules>,
    nonces: Nonces,
    /// Static users by USERHASH, where they may send it.
    hashes: BTreeMap<[u8; 32], Arc<str>>,
}

/// Somebody who has proven to hold a key.
pub(crate) struct Caller<'m> {
    pub(crate) tuple: FiveTuple,
    pub(crate) username: Cow<'m, str>,
    pub(crate) key: Key,
}

/// Why a request is not known to come from anybody.
pub(crate) enum Denial {
    /// 400, without a challenge: the client knows how to authenticate and does it wrong.
    Malformed,
    /// 401: no proof. Every client's first request is such a one.
    Unproven,
    /// 401: a wrong proof.
    Unauthenticated,
    /// 438: the proof is right, the nonce is not. The key signs the answer.
    StaleNonce(Key),
}

impl Gate {
    /// `seed` makes nonces when there is no secret for it.
    pub(crate) fn new(rules: Arc<Rules>, seed: u64) -> Self {
        let secrets = &rules.credentials.secrets;
        let features = Features::of(&rules);
        let nonces = Nonces::new(secrets, seed, features, rules.stale_nonce);
        let hash = |name: &str| (userhash(name, &rules.realm), name.into());
        let hashes = match features.username_anonymity {
            true => rules.credentials.users.iter().map(|(name, _)| hash(name)).collect(),
            false => BTreeMap::new(),
        };
        Self { rules, nonces, hashes }
    }

    /// The checks in the order of RFC 8489 s9.2.4: a wrong proof outranks a stale nonce.
    ///
    /// `holder` is who has the live allocation of the 5-tuple, if there is one.
    pub(crate) fn check<'m>(
        &self,
        now: Now,
        tuple: FiveTuple,
        message: &Message<'m>,
        holder: Option<&Claim>,
    ) -> Result<Caller<'m>, Denial> {
        let Claimed { name, realm, nonce, algorithm } = Claimed::read(message)?;
        if realm != self.rules.realm {
            return Err(Denial::Unauthenticated);
        }
        let username = match name {
            Name::Plain(name) => Cow::Borrowed(name),
            // A hash of nobody, or one that was never asked for.
            Name::Hash(hash) => {
                let name = self.hashes.get(hash).ok_or(Denial::Unauthenticated)?;
                Cow::Owned(String::from(&**name))
            }
        };
        let key = self.prove(now, message, algorithm, &username, holder);
        let key = key.ok_or(Denial::Unauthenticated)?;
        if !self.nonces.accepts(nonce, now.unix, tuple.client.ip()) {
            return Err(Denial::StaleNonce(key));
        }
        Ok(Caller { tuple, username, key })
    }

    /// A nonce for a challenge.
    pub(crate) fn nonce(&self, now: Now, client: IpAddr) -> [u8; NONCE_LEN] {
        self.nonces.issue(now.unix, client)
    }

    /// The key of `username` under which the message's integrity holds.
    ///
    /// The user of a live allocation has proven itself when it was made. Its key is kept, so that a
    /// REST credential of ten minutes serves a call of two hours.
    fn prove(
        &self,
        now: Now,
        message: &Message<'_>,
        algorithm: PasswordAlgorithm,
        username: &str,
        holder: Option<&Claim>,
    ) -> Option<Key> {
        let integrity = Integrity::of(message);
        let proves = |key: &Key| integrity.proves(message, key);
        let is_holder =
            |claim: &&Claim| *claim.username == *username && claim.key.algorithm() == algorithm;
        if let Some(claim) = holder.filter(is_holder) {
            return Some(&claim.key).filter(|key| proves(key)).cloned();
        }
        let realm = &self.rules.realm;
        self.rules.credentials.keys(algorithm, username, realm, now.unix).find(proves)
    }
}

/// What a request says of its sender.
struct Claimed<'m> {
    name: Name<'m>,
    realm: &'m str,
    nonce: &'m [u8],
    algorithm: PasswordAlgorithm,
}

enum Name<'m> {
    /// USERNAME.
    Plain(&'m str),
    /// USERHASH.
    Hash(&'m [u8]),
}

impl<'m> Claimed<'m> {
    fn read(message: &Message<'m>) -> Result<Self, Denial> {
        if !message.has_integrity() && !message.has_integrity_sha256() {
            return Err(Denial::Unproven);
        }
        let username = || {
            let name = message.get(AttributeType::USERNAME)?;
            (name.len() <= MAX_USERNAME).then(|| decode::text(name)).flatten()
        };
        let hash = || message.get(AttributeType::USERHASH).map(Name::Hash);
        let claimed = || {
            let nonce = message.get(AttributeType::NONCE)?;
            Some(Self {
                name: username().map(Name::Plain).or_else(hash)?,
                realm: message.get(AttributeType::REALM).and_then(decode::short_text)?,
                nonce,
                algorithm: algorithm(message, Features::read(nonce))?,
            })
        };
        claimed().ok_or(Denial::Malformed)
    }
}

/// By which algorithm the key was made (RFC 8489 s9.2.4). What the client was offered is in its nonce, where nobody can
/// have changed it, and it repeats the list, so that nobody can have shortened that either.
fn algorithm(message: &Message<'_>, offered: Features) -> Option<PasswordAlgorithm> {
    let list = message.get(AttributeType::PASSWORD_ALGORITHMS);
    let chosen = message.get(AttributeType::PASSWORD_ALGORITHM);
    match (list, chosen) {
        _ if !offered.password_algorithms => Some(PasswordAlgorithm::Md5),
        (None, None) => Some(PasswordAlgorithm::Md5),
        (Some(list), Some(chosen)) if *list == PASSWORD_ALGORITHMS => match chosen {
            [0, 1, 0, 0] => Some(PasswordAlgorithm::Md5),
            [0, 2, 0, 0] => Some(PasswordAlgorithm::Sha256),
            _ => None,
        },
        _ => None,
    }
}
