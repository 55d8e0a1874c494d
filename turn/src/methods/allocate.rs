//! Allocate (RFC 8656 s7.2), in two halves: the request, and the answer once a relay socket is
//! bound.

use core::time::Duration;

use hairpin_stun::{AttributeType, Message, Method, decode};

use super::{DEFAULT_LIFETIME, IPV4, IPV6, lifetime, requested_family, seconds};
use crate::allocation::{Claim, Pending};
use crate::refusal::Refusal;
use crate::reply::{ReplyTo, Success};
use crate::request::{Outcome, Request};
use crate::{AllocationId, BindError, Event, Family, Output, RelayedAddr, Server, User};

/// UDP's IP protocol number, the one transport towards peers.
const UDP: u8 = 17;

impl Server {
    pub(crate) fn allocate(&mut self, request: &Request<'_>) -> Outcome {
        if let Some(outcome) = self.allocate_again(request) {
            return outcome;
        }
        let message = request.message;
        check_transport(message)?;
        let even_port = even_port(message)?;
        let family = self.relay_family(message)?;
        let lifetime = self.granted_lifetime(lifetime(message)?.unwrap_or(DEFAULT_LIFETIME));

        let username = request.caller.username;
        let user = User::from(self.rules.credentials.user_of(username));
        let claim = Claim {
            tuple: request.reply_to.tuple,
            username: username.into(),
            user: user.clone(),
            key: request.caller.key.clone(),
            transaction: message.transaction_id(),
        };
        let fingerprint = request.reply_to.fingerprint;
        let id = self.allocations.begin(Pending { claim, lifetime, fingerprint, abandoned: false });
        self.output(Output::BindRelay { id, family, even_port, user });
        Ok(None)
    }

    /// The second half: answers the request for which `id` was begun.
    pub(crate) fn finish_allocate(
        &mut self,
        now: Duration,
        id: AllocationId,
        bound: Result<RelayedAddr, BindError>,
    ) {
        let Some(Pending { claim, lifetime, fingerprint, abandoned }) =
            self.allocations.pending(id)
        else {
            return;
        };
        let (user, key, lifetime, abandoned) =
            (claim.user.clone(), claim.key.clone(), *lifetime, *abandoned);
        let to = ReplyTo {
            tuple: claim.tuple,
            method: Method::ALLOCATE,
            transaction: claim.transaction,
            fingerprint: *fingerprint,
        };
        match bound {
            Ok(relayed) if abandoned => {
                self.allocations.cancel(id);
                self.output(Output::CloseRelay { id, relayed, user });
            }
            Ok(relayed) => {
                self.allocations.promote(id, relayed, now + lifetime);
                let lifetime = seconds(lifetime);
                self.succeed(&to, Some(&key), Success::Allocated { relayed, lifetime });
                self.event(Event::Allocated { tuple: to.tuple, relayed, user });
            }
            Err(error) => {
                self.allocations.cancel(id);
                if !abandoned {
                    self.refuse(&to, Some(&key), error.into());
                }
            }
        }
    }

    /// What a 5-tuple that is taken already has to say: the same again to a retransmission, 437 to
    /// anything else. While the relay socket is being bound a retransmission needs no answer: one
    /// is under way.
    fn allocate_again(&self, request: &Request<'_>) -> Option<Outcome> {
        let (now, tuple) = (request.now.monotonic, &request.reply_to.tuple);
        let repeats = |claim: &Claim| {
            claim.transaction == request.message.transaction_id()
                && *claim.username == *request.caller.username
        };
        if let Some(pending) = self.allocations.pending_on(tuple) {
            let repeats = repeats(&pending.claim);
            return Some(if repeats { Ok(None) } else { Err(Refusal::AllocationMismatch) });
        }
        let (_, allocation) = self.allocations.by_tuple(now, tuple)?;
        if !repeats(&allocation.claim) {
            return Some(Err(Refusal::AllocationMismatch));
        }
        // Rounded up, so that a repetition a moment later says what the first answer said.
        let left = allocation.expires.saturating_sub(now);
        let lifetime = seconds(left + Duration::from_nanos(999_999_999));
        Some(Ok(Some(Success::Allocated { relayed: allocation.relayed, lifetime })))
    }

    /// The family of the relayed address: IPv4 unless asked otherwise, whatever the client itself
    /// uses (RFC 8656 s7.2 step 6; a Chromium on IPv6 relies on it).
    fn relay_family(&self, message: &Message<'_>) -> Result<Family, Refusal> {
        match requested_family(message)? {
            None | Some(IPV4) if self.own.relays(Family::V4) => Ok(Family::V4),
            Some(IPV6) if self.own.relays(Family::V6) => Ok(Family::V6),
            _ => Err(Refusal::AddressFamilyNotSupported),
        }
    }
}

/// EVEN-PORT (RFC 8656 s7.2 step 8). The RFC says that R=1 reserves the next port; we hold no ports for others, so that
/// request cannot be met, which the RFC answers with 508.
fn even_port(message: &Message<'_>) -> Result<bool, Refusal> {
    let Some(value) = message.get(AttributeType::EVEN_PORT) else { return Ok(false) };
    match *value {
        [flags] if flags & 0x80 == 0 => Ok(true),
        [_] => Err(Refusal::InsufficientCapacity),
        _ => Err(Refusal::BadRequest),
    }
}

fn check_transport(message: &Message<'_>) -> Result<(), Refusal> {
    let value = message.get(AttributeType::REQUESTED_TRANSPORT).ok_or(Refusal::BadRequest)?;
    match decode::requested_transport(value).ok_or(Refusal::BadRequest)? {
        UDP => Ok(()),
        _ => Err(Refusal::UnsupportedTransport),
    }
}
