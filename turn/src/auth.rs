//! Who sent a request: the long-term credential mechanism (RFC 8489 s9.2.4).

use hairpin_stun::{AttributeType, Key, Message, decode};

use crate::{FiveTuple, Now, Server};

/// "fewer than 509 bytes" (RFC 8489 s14.3); one more does no harm.
const MAX_USERNAME: usize = 509;

/// Somebody who has proven to hold a key.
pub(crate) struct Caller<'a> {
    pub(crate) username: &'a str,
    pub(crate) key: Key,
}

/// Why a request is not known to come from anybody.
pub(crate) enum Denial {
    /// 400, without a challenge: the client knows how to authenticate and does it wrong.
    Malformed,
    /// 401: no proof, or a wrong one.
    Unauthenticated,
    /// 438: the proof is right, the nonce is not. The key signs the answer.
    StaleNonce(Key),
}

impl Server {
    /// The checks in the order of RFC 8489 s9.2.4: a wrong proof outranks a stale nonce.
    pub(crate) fn authenticate<'a>(
        &self,
        now: Now,
        tuple: &FiveTuple,
        message: &Message<'a>,
    ) -> Result<Caller<'a>, Denial> {
        let claim = Claimed::read(message)?;
        if claim.realm != self.rules.realm {
            return Err(Denial::Unauthenticated);
        }
        let key = self.prove(now, tuple, message, claim.username).ok_or(Denial::Unauthenticated)?;
        if !self.nonces.accepts(claim.nonce, now.unix, tuple.client.ip()) {
            return Err(Denial::StaleNonce(key));
        }
        Ok(Caller { username: claim.username, key })
    }

    /// The key of `username` under which the message's integrity holds.
    ///
    /// The user of a live allocation has proven itself when it was made. Its key is kept, so that a
    /// REST credential of ten minutes serves a call of two hours.
    fn prove(
        &self,
        now: Now,
        tuple: &FiveTuple,
        message: &Message<'_>,
        username: &str,
    ) -> Option<Key> {
        let proves = |key: &Key| message.check_integrity(key.as_ref()).is_ok();
        if let Some((_, allocation)) = self.allocations.by_tuple(now.monotonic, tuple)
            && *allocation.claim.username == *username
        {
            return Some(&allocation.claim.key).filter(|key| proves(key)).cloned();
        }
        self.rules.credentials.keys(username, &self.rules.realm, now.unix).find(proves)
    }
}

/// What a request says of its sender.
struct Claimed<'a> {
    username: &'a str,
    realm: &'a str,
    nonce: &'a [u8],
}

impl<'a> Claimed<'a> {
    fn read(message: &Message<'a>) -> Result<Self, Denial> {
        if !message.has_integrity() {
            return Err(Denial::Unauthenticated);
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
