//! One file per method. A request is parsed into a value once, which is then applied to just what it
//! concerns.
//!
//! Each reads its attributes in the order of its RFC's steps, so that the first thing wrong decides
//! the answer.

mod allocate;
mod binding;
mod channel_bind;
mod connect;
mod connection_bind;
mod create_permission;
mod refresh;

use core::time::Duration;

use hairpin_stun::{AttributeType, Message, decode};

use crate::replies::{Success, UNDERSTOOD};
use crate::{AllocationId, ConnectReach, ConnectionId, Family, Owner, PeerAddr, Refusal, Wanted};

pub(crate) use allocate::{Allocate, Finished};
pub(crate) use binding::{Binding, DISCOVERY};
pub(crate) use channel_bind::ChannelBind;
pub(crate) use connect::Connect;
pub(crate) use connection_bind::ConnectionBind;
pub(crate) use create_permission::CreatePermission;
pub(crate) use refresh::Refresh;

/// What follows from a request that is not refused.
#[derive(Debug)]
pub(crate) enum Step {
    /// The client is told.
    Answer(Success),
    /// A relay socket is asked for, and the client is told once it is there.
    Bind { id: AllocationId, wanted: Wanted, owner: Owner },
    /// A connection to a peer is asked for, and the client is told once it is there.
    Connect { id: ConnectionId, via: AllocationId, to: PeerAddr, reach: ConnectReach },
    /// The client is told, and its stream is a data connection from then on.
    Pipe { id: ConnectionId },
    /// Nothing: an answer is under way.
    Silent,
}

/// Refuses a request that holds what must be understood and is not (420).
pub(crate) fn check_understood(message: &Message<'_>) -> Result<(), Refusal> {
    match message.unknown_required(UNDERSTOOD).next() {
        None => Ok(()),
        Some(_) => Err(Refusal::UnknownAttribute),
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

/// REQUESTED-ADDRESS-FAMILY, if there is one (RFC 8656 s18.6); `otherwise` is what a family that
/// does not exist is refused with.
fn requested_family(message: &Message<'_>, otherwise: Refusal) -> Result<Option<Family>, Refusal> {
    let Some(value) = message.get(AttributeType::REQUESTED_ADDRESS_FAMILY) else { return Ok(None) };
    match decode::address_family(value).ok_or(Refusal::BadRequest)? {
        0x01 => Ok(Some(Family::V4)),
        0x02 => Ok(Some(Family::V6)),
        _ => Err(otherwise),
    }
}

/// An XOR-PEER-ADDRESS.
fn peer_address(message: &Message<'_>, value: &[u8]) -> Result<PeerAddr, Refusal> {
    decode::xor_address(value, message.transaction_id()).map(PeerAddr).ok_or(Refusal::BadRequest)
}
