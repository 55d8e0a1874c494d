//! One file per method. Each reads its attributes in the order of its RFC's steps, so that the
//! first thing wrong decides the answer.

mod allocate;
mod binding;
mod channel_bind;
mod create_permission;
mod refresh;

use core::time::Duration;

use hairpin_stun::{AttributeType, Message, decode};

use crate::own_addresses::Standing;
use crate::refusal::Refusal;
use crate::{Family, PeerAddr, Server};

/// REQUESTED-ADDRESS-FAMILY's numbers (RFC 8656 s18.6).
const IPV4: u8 = 0x01;
const IPV6: u8 = 0x02;

/// The lifetime of an allocation that asks for none, and the least one gets (RFC 8656 s7.2).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);

impl Server {
    /// The lifetime a LIFETIME attribute gets, which need not be the one it asks for (RFC 8656
    /// s7.2).
    fn granted_lifetime(&self, requested: Duration) -> Duration {
        requested.max(DEFAULT_LIFETIME).min(self.rules.max_lifetime)
    }

    /// Checks that a peer may be talked to over an allocation of `family` (RFC 8656 s10.2, s12.2).
    fn check_peer(&self, peer: PeerAddr, family: Family) -> Result<(), Refusal> {
        let ip = peer.0.ip();
        if Family::of(ip) != family {
            return Err(Refusal::PeerAddressFamilyMismatch);
        }
        if self.own.classify(peer.0) == Some(Standing::Listener) {
            return Err(Refusal::Forbidden);
        }
        if self.own.relays_at(ip) || self.rules.policy.allows(ip) {
            return Ok(());
        }
        Err(Refusal::Forbidden)
    }
}

/// A lifetime as LIFETIME tells it.
fn seconds(lifetime: Duration) -> u32 {
    lifetime.as_secs().try_into().unwrap_or(u32::MAX)
}

/// LIFETIME, if there is one.
fn lifetime(message: &Message<'_>) -> Result<Option<Duration>, Refusal> {
    let Some(value) = message.get(AttributeType::LIFETIME) else { return Ok(None) };
    let seconds = decode::u32(value).ok_or(Refusal::BadRequest)?;
    Ok(Some(Duration::from_secs(seconds.into())))
}

/// The number in REQUESTED-ADDRESS-FAMILY, if there is one (RFC 8656 s18.6).
fn requested_family(message: &Message<'_>) -> Result<Option<u8>, Refusal> {
    let Some(value) = message.get(AttributeType::REQUESTED_ADDRESS_FAMILY) else { return Ok(None) };
    decode::address_family(value).map(Some).ok_or(Refusal::BadRequest)
}

/// An XOR-PEER-ADDRESS.
fn peer_address(message: &Message<'_>, value: &[u8]) -> Result<PeerAddr, Refusal> {
    decode::xor_address(value, message.transaction_id()).map(PeerAddr).ok_or(Refusal::BadRequest)
}
