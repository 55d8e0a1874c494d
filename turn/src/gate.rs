//! Who sent a request: the long-term credential mechanism (RFC 8489 s9.2.4).

use alloc::sync::Arc;
use core::net::IpAddr;

use hairpin_stun::{AttributeType, Key, Message, decode};

use crate::allocation::Claim;
use crate::nonce::{Features, NONCE_LEN, Nonces};
use crate::{FiveTuple, Now, Rules};

/// "fewer than 509 bytes" (RFC 8489 s14.3); one more does no harm.
const MAX_USERNAME: usize = 509;

/// Lets in who proves to hold a key, and knows nobody otherwise.
pub(crate) struct Gate {
    /// For the realm and the credentials.
    rules: Arc<Rules>,
    nonces: Nonces,
}

/// Somebody who has proven to hold a key.
pub(crate) struct Caller<'m> {
    pub(crate) tuple: FiveTuple,
    pub(crate) username: &'m str,
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
        let nonces = Nonces::new(secrets, seed, Features::default(), rules.stale_nonce);
        Self { rules, nonces }
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
        let Claimed { username, realm, nonce } = Claimed::read(message)?;
        if realm != self.rules.realm {
            return Err(Denial::Unauthenticated);
        }
        let key = self.prove(now, message, username, holder).ok_or(Denial::Unauthenticated)?;
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
        username: &str,
        holder: Option<&Claim>,
    ) -> Option<Key> {
        let proves = |key: &Key| message.verify(key).is_ok();
        if let Some(claim) = holder.filter(|claim| *claim.username == *username) {
            return Some(&claim.key).filter(|key| proves(key)).cloned();
        }
        self.rules.credentials.keys(username, &self.rules.realm, now.unix).find(proves)
    }
}

/// What a request says of its sender.
struct Claimed<'m> {
    username: &'m str,
    realm: &'m str,
    nonce: &'m [u8],
}

impl<'m> Claimed<'m> {
    fn read(message: &Message<'m>) -> Result<Self, Denial> {
        if !message.has_integrity() {
            return Err(Denial::Unproven);
        }
        let username = message.get(AttributeType::USERNAME);
        if username.is_none() && message.get(AttributeType::USERHASH).is_some() {
            // We never offer anonymity, so the hash is of no user we know; the challenge says so.
            return Err(Denial::Unauthenticated);
        }
        let claimed = || {
            Some(Self {
                username: username.filter(|v| v.len() <= MAX_USERNAME).and_then(decode::text)?,
                realm: message.get(AttributeType::REALM).and_then(decode::short_text)?,
                nonce: message.get(AttributeType::NONCE)?,
            })
        };
        claimed().ok_or(Denial::Malformed)
    }
}
