//! Allocate (RFC 8656 s7.2), in two halves: the request, and the answer once a relay socket is
//! bound.

use core::time::Duration;

use hairpin_stun::{AttributeType, Key, Message, TransactionId, decode};

use super::{Step, lifetime, requested_family, seconds};
use crate::allocation::{Claim, DualForm, Part, Pending, Unmet};
use crate::allocations::Allocations;
use crate::gate::Caller;
use crate::replies::{Granted, Integrity, ReplyTo, Success};
use crate::terms::Terms;
use crate::{
    AllocationId, BindError, Bound, Family, Mobility, Refusal, RelayTransport, RequestMethod,
    ReservationToken, Wanted, WantedPort,
};

/// IP protocol numbers.
const TCP: u8 = 6;
const UDP: u8 = 17;

pub(crate) struct Allocate {
    wanted: Wanted,
    /// Whether it asks for a ticket.
    mobility: Mobility,
    /// An IPv6 address besides.
    additional: Option<DualForm>,
    lifetime: Option<Duration>,
    transaction: TransactionId,
    fingerprint: bool,
    integrity: Integrity,
}

impl Allocate {
    pub(crate) fn parse(message: &Message<'_>) -> Result<Self, Refusal> {
        let transport = requested_transport(message)?;
        let mobility = mobility(message)?;
        let port = wanted_port(message)?;
        // IPv4 unless asked otherwise, whatever the client itself uses (RFC 8656 s7.2 step 6; a
        // Chromium on IPv6 relies on it).
        let family = requested_family(message, Refusal::AddressFamilyNotSupported)?;
        let additional = additional_family(message)?;
        if family.is_some() && additional.is_some() {
            return Err(Refusal::BadRequest);
        }
        Ok(Self {
            wanted: Wanted { transport, family: family.unwrap_or(Family::V4), port },
            mobility,
            additional,
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
        let Self { wanted, mobility, additional, transaction, fingerprint, integrity, .. } = self;
        if mobility == Mobility::On {
            terms.check_mobility(caller.tuple.transport, wanted.transport)?;
        }
        terms.check_alternate(caller.tuple.client, transaction)?;
        if wanted.transport == RelayTransport::Tcp {
            terms.check_tcp_relay(caller.tuple.transport)?;
            // RFC 6062 knows of one relayed address, and a connection is from that.
            if additional.is_some() {
                return Err(Refusal::BadRequest);
            }
        }
        let (wanted, part) = match additional {
            Some(form) => both_families(wanted, form, terms)?,
            None => (wanted, Part::Alone),
        };
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
        let id = allocations.begin(Pending {
            claim,
            transport,
            lifetime,
            fingerprint,
            integrity,
            part,
            mobility,
        });
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
        let (id, allocation) = allocations.by_tuple(now, &caller.tuple)?;
        if !repeats(allocation.claim()) {
            return Some(Err(Refusal::AllocationMismatch));
        }
        if allocation.awaits_twin() {
            return Some(Ok(Step::Silent));
        }
        // Rounded up, so that a repetition a moment later says what the first answer said.
        let left = allocation.expires().saturating_sub(now);
        let lifetime = seconds(left + Duration::from_nanos(999_999_999));
        granted(allocations, now, id, lifetime).map(|granted| Ok(Step::Answer(granted)))
    }
}

/// What an allocation has come to, as a success tells it: the IPv4 address before the IPv6 one.
fn granted(
    allocations: &Allocations,
    now: Duration,
    id: AllocationId,
    lifetime: u32,
) -> Option<Success> {
    let allocation = allocations.get(id)?;
    let (relayed, reserved, unmet) =
        (allocation.relayed(), allocation.reserved(), allocation.unmet());
    let ticket = allocations.ticket(id);
    let twin = allocations.twin(now, allocation).map(|(_, twin)| twin.relayed());
    let (relayed, second) = match twin {
        Some(twin) => (relayed.min(twin), Some(relayed.max(twin))),
        None => (relayed, None),
    };
    Some(Success::Allocated(Granted { relayed, second, unmet, reserved, ticket, lifetime }))
}

/// The second half: what is said, or asked for besides, to whom, and the key that signs it.
pub(crate) struct Finished {
    pub(crate) to: ReplyTo,
    pub(crate) key: Key,
    pub(crate) outcome: Result<Step, Refusal>,
}

impl Finished {
    /// `None` when nobody waits for it any more.
    pub(crate) fn new(
        id: AllocationId,
        bound: Result<Bound, BindError>,
        allocations: &mut Allocations,
        now: Duration,
    ) -> Option<Self> {
        let waiting = allocations.pending(id).cloned();
        let refusal = bound.as_ref().err().map(|error| Refusal::from(*error));
        match bound {
            Ok(bound) => allocations.promote(now, id, bound),
            Err(_) => allocations.cancel(id),
        }
        let pending = waiting?;
        let to = ReplyTo {
            tuple: pending.claim.tuple,
            method: RequestMethod::Allocate,
            transaction: pending.claim.transaction,
            fingerprint: pending.fingerprint,
            integrity: pending.integrity,
        };
        let (key, lifetime) = (pending.claim.key.clone(), seconds(pending.lifetime));
        let whole = match pending.part {
            Part::Alone => id,
            Part::Left(unmet) => {
                allocations.set_unmet(id, unmet);
                id
            }
            Part::First { port, form } => {
                let step = second(pending, id, port, form, refusal, allocations);
                return Some(Self { to, key, outcome: Ok(step) });
            }
            Part::Second { first, form } => {
                if let Some(refusal) = refusal {
                    allocations.set_unmet(first, Unmet { family: Family::V6, refusal, form });
                }
                let granted = granted(allocations, now, first, lifetime)?;
                return Some(Self { to, key, outcome: Ok(Step::Answer(granted)) });
            }
        };
        let outcome = match refusal {
            Some(refusal) => Err(refusal),
            None => Ok(Step::Answer(granted(allocations, now, whole, lifetime)?)),
        };
        Some(Self { to, key, outcome })
    }
}

/// Asks for the IPv6 address, once it is known what has become of the IPv4 one.
fn second(
    pending: Pending,
    first: AllocationId,
    port: WantedPort,
    form: DualForm,
    refusal: Option<Refusal>,
    allocations: &mut Allocations,
) -> Step {
    let (owner, transport) = (pending.claim.owner(), pending.transport);
    let id = match refusal {
        None => {
            let part = Part::Second { first, form };
            allocations.begin_twin(first, Pending { part, ..pending })
        }
        Some(refusal) => {
            let part = Part::Left(Unmet { family: Family::V4, refusal, form });
            allocations.begin(Pending { part, ..pending })
        }
    };
    Step::Bind { id, wanted: Wanted { transport, family: Family::V6, port }, owner }
}

/// What is asked for first where both families are: 440 of one does not keep the other.
fn both_families(wanted: Wanted, form: DualForm, terms: &Terms) -> Result<(Wanted, Part), Refusal> {
    let unmet = |family, refusal| Part::Left(Unmet { family, refusal, form });
    match (terms.check_family(Family::V4), terms.check_family(Family::V6)) {
        (Ok(()), Ok(())) => Ok((wanted, Part::First { port: wanted.port, form })),
        (Ok(()), Err(refusal)) => Ok((wanted, unmet(Family::V6, refusal))),
        (Err(refusal), Ok(())) => {
            Ok((Wanted { family: Family::V6, ..wanted }, unmet(Family::V4, refusal)))
        }
        (Err(refusal), Err(_)) => Err(refusal),
    }
}

/// ADDITIONAL-ADDRESS-FAMILY, which may ask for IPv6 alone (RFC 8656 s7.2), by either of its numbers.
fn additional_family(message: &Message<'_>) -> Result<Option<DualForm>, Refusal> {
    let forms = [
        (AttributeType::ADDITIONAL_ADDRESS_FAMILY, DualForm::Rfc8656),
        (AttributeType::DRAFT_ADDITIONAL_ADDRESS_FAMILY, DualForm::Draft),
    ];
    let found = forms.into_iter().find_map(|(kind, form)| Some((message.get(kind)?, form)));
    match found {
        None => Ok(None),
        Some((value, form)) if decode::address_family(value) == Some(0x02) => Ok(Some(form)),
        Some(_) => Err(Refusal::BadRequest),
    }
}

/// EVEN-PORT and RESERVATION-TOKEN (RFC 8656 s7.2 steps 5 to 8). A token names an address, so nothing else may be asked
/// of it.
fn wanted_port(message: &Message<'_>) -> Result<WantedPort, Refusal> {
    let even = message.get(AttributeType::EVEN_PORT);
    let has = |kind| message.get(kind).is_some();
    let asks_for_both = has(AttributeType::ADDITIONAL_ADDRESS_FAMILY)
        || has(AttributeType::DRAFT_ADDITIONAL_ADDRESS_FAMILY);
    if let Some(token) = message.get(AttributeType::RESERVATION_TOKEN) {
        let names_family = has(AttributeType::REQUESTED_ADDRESS_FAMILY) || asks_for_both;
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
        Some([_]) if !asks_for_both => Ok(WantedPort::EvenWithNext),
        Some(_) => Err(Refusal::BadRequest),
    }
}

/// MOBILITY-TICKET asks for a ticket and holds none (RFC 8016 s3.1.2: 400).
fn mobility(message: &Message<'_>) -> Result<Mobility, Refusal> {
    match message.get(AttributeType::MOBILITY_TICKET) {
        None => Ok(Mobility::Off),
        Some([]) => Ok(Mobility::On),
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
