//! Allocate (RFC 8656 s7.2), in two halves: the request, and the answer once a relay socket is
//! bound.

use core::time::Duration;

use hairpin_stun::{AttributeType, Key, Message, TransactionId, decode};

use super::{Step, lifetime, requested_family, seconds};
use crate::allocation::{Claim, Pending};
use crate::allocations::Allocations;
use crate::gate::Caller;
use crate::replies::{Integrity, ReplyTo, Success};
use crate::terms::Terms;
use crate::{
    AllocationId, BindError, Bound, Family, Refusal, RelayTransport, RequestMethod,
    ReservationToken, Wanted, WantedPort,
};

/// IP protocol numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;

pub(crate) struct Allocate {
    wanted: Wanted,
    lifetime: Option<Duration>,
    transaction: TransactionId,
    fingerprint: bool,
    integrity: Integrity,
}

impl Allocate {
    pub(crate) fn parse(message: &Message<'_>) -> Result<Self, Refusal> {
        let transport = requested_transport(message)?;
        check_mobility(message)?;
        let port = wanted_port(message)?;
        // IPv4 unless asked otherwise, whatever the client itself uses (RFC 8656 s7.2 step 6; a
        // Chromium on IPv6 relies on it).
        let family = requested_family(message, Refusal::AddressFamilyNotSupported)?;
        Ok(Self {
            wanted: Wanted { transport, family: family.unwrap_or(Family::V4), port },
            lifetime: lifetime(message)?,
            transaction: message.transaction_id(),
            fingerprint: message.get(AttributeType::FINGERPRINT).is_some(),
            integrity: Integrity::of(message),
        })
    }

    /// The first half. The 5-tuple must be free; see [`again`](Self::again).
    pub(crate) fn apply(
        self,
        caller: &Caller<'_>,
        allocations: &mut Allocations,
        terms: &Terms,
    ) -> Result<Step, Refusal> {
        let Self { wanted, transaction, fingerprint, integrity, .. } = self;
        if wanted.transport == RelayTransport::Tcp {
            terms.check_tcp_relay(caller.tuple.transport)?;
        }
        // What is reserved has its family already.
        if !matches!(wanted.port, WantedPort::Reserved(_)) {
            terms.check_family(wanted.family)?;
        }
        let lifetime = terms.granted_lifetime(self.lifetime);
        let claim = Claim {
            tuple: caller.tuple,
            username: (*caller.username).into(),
            user: terms.user_of(&caller.username),
            key: caller.key.clone(),
            transaction,
        };
        let owner = claim.owner();
        let transport = wanted.transport;
        let id = allocations.begin(Pending { claim, transport, lifetime, fingerprint, integrity });
        Ok(Step::Bind { id, wanted, owner })
    }

    /// What a 5-tuple that is taken already has to say, whatever else the request holds: the same
    /// again to a retransmission, 437 to anything else. `None` when it is free.
    ///
    /// While the relay socket is being bound a retransmission needs no answer: one is under way.
    pub(crate) fn again(
        message: &Message<'_>,
        caller: &Caller<'_>,
        allocations: &Allocations,
        now: Duration,
    ) -> Option<Result<Step, Refusal>> {
        let repeats = |claim: &Claim| {
            claim.transaction == message.transaction_id() && *claim.username == *caller.username
        };
        if let Some(claim) = allocations.pending_on(&caller.tuple) {
            let repeats = repeats(claim);
            return Some(if repeats { Ok(Step::Silent) } else { Err(Refusal::AllocationMismatch) });
        }
        let (_, allocation) = allocations.by_tuple(now, &caller.tuple)?;
        if !repeats(allocation.claim()) {
            return Some(Err(Refusal::AllocationMismatch));
        }
        // Rounded up, so that a repetition a moment later says what the first answer said.
        let left = allocation.expires().saturating_sub(now);
        let lifetime = seconds(left + Duration::from_nanos(999_999_999));
        let (relayed, reserved) = (allocation.relayed(), allocation.reserved());
        Some(Ok(Step::Answer(Success::Allocated { relayed, reserved, lifetime })))
    }
}

/// The second half: what is said, to whom, and the key that signs it.
pub(crate) struct Finished {
    pub(crate) to: ReplyTo,
    pub(crate) key: Key,
    pub(crate) outcome: Result<Success, Refusal>,
}

impl Finished {
    /// `None` when nobody waits for it any more.
    pub(crate) fn new(
        id: AllocationId,
        bound: Result<Bound, BindError>,
        allocations: &mut Allocations,
        now: Duration,
    ) -> Option<Self> {
        let waiting = allocations.pending(id).map(|pending| {
            let Pending { claim, lifetime, fingerprint, integrity, .. } = pending;
            let to = ReplyTo {
                tuple: claim.tuple,
                method: RequestMethod::Allocate,
                transaction: claim.transaction,
                fingerprint: *fingerprint,
                integrity: *integrity,
            };
            (to, claim.key.clone(), seconds(*lifetime))
        });
        match bound {
            Ok(bound) => allocations.promote(now, id, bound),
            Err(_) => allocations.cancel(id),
        }
        let (to, key, lifetime) = waiting?;
        let outcome = bound.map(|Bound { relayed, reserved }| Success::Allocated {
            relayed,
            reserved,
            lifetime,
        });
        Some(Self { to, key, outcome: outcome.map_err(Refusal::from) })
    }
}

/// EVEN-PORT and RESERVATION-TOKEN (RFC 8656 s7.2 steps 5 to 8). A token names an address, so nothing else may be asked
/// of it.
fn wanted_port(message: &Message<'_>) -> Result<WantedPort, Refusal> {
    let even = message.get(AttributeType::EVEN_PORT);
    let has = |kind| message.get(kind).is_some();
    if let Some(token) = message.get(AttributeType::RESERVATION_TOKEN) {
        let names_family = has(AttributeType::REQUESTED_ADDRESS_FAMILY)
            || has(AttributeType::ADDITIONAL_ADDRESS_FAMILY);
        return match token.try_into() {
            Ok(token) if even.is_none() && !names_family => {
                Ok(WantedPort::Reserved(ReservationToken(token)))
            }
            _ => Err(Refusal::BadRequest),
        };
    }
    match even {
        None => Ok(WantedPort::Any),
        Some([flags]) if flags & 0x80 == 0 => Ok(WantedPort::Even),
        // The next port of two addresses would be two ports under one token.
        Some([_]) if !has(AttributeType::ADDITIONAL_ADDRESS_FAMILY) => Ok(WantedPort::EvenWithNext),
        Some(_) => Err(Refusal::BadRequest),
    }
}

/// MOBILITY-TICKET asks for a ticket and holds none (RFC 8016 s3.1.2: 400). None is given out, for
/// allocations stay where they are: 405 tells the client, who then asks without.
fn check_mobility(message: &Message<'_>) -> Result<(), Refusal> {
    match message.get(AttributeType::MOBILITY_TICKET) {
        None => Ok(()),
        Some([]) => Err(Refusal::MobilityForbidden),
        Some(_) => Err(Refusal::BadRequest),
    }
}

/// REQUESTED-TRANSPORT (RFC 8656 s7.2 step 3). With TCP go none of the attributes that are about datagrams and their ports
/// (RFC 6062 s4.1: 400).
fn requested_transport(message: &Message<'_>) -> Result<RelayTransport, Refusal> {
    let value = message.get(AttributeType::REQUESTED_TRANSPORT).ok_or(Refusal::BadRequest)?;
    match decode::requested_transport(value).ok_or(Refusal::BadRequest)? {
        UDP => Ok(RelayTransport::Udp),
        TCP => {
            let datagrams_only = [
                AttributeType::DONT_FRAGMENT,
                AttributeType::EVEN_PORT,
                AttributeType::RESERVATION_TOKEN,
            ];
            match datagrams_only.into_iter().any(|kind| message.get(kind).is_some()) {
                true => Err(Refusal::BadRequest),
                false => Ok(RelayTransport::Tcp),
            }
        }
        _ => Err(Refusal::UnsupportedTransport),
    }
}
