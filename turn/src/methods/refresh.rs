//! Refresh (RFC 8656 s8.2): a new lifetime, or the end, and with a ticket another 5-tuple (RFC 8016 s3.2.2).

use core::time::Duration;

use hairpin_stun::{Message, TransactionId};

use super::{Step, lifetime, requested_family, seconds};
use crate::allocations::Allocations;
use crate::gate::Caller;
use crate::replies::Success;
use crate::terms::Terms;
use crate::{AllocationId, Family, Refusal, RelayTransport, ReleaseReason};

pub(crate) struct Refresh {
    family: Option<Family>,
    lifetime: Option<Duration>,
    transaction: TransactionId,
}

impl Refresh {
    pub(crate) fn parse(message: &Message<'_>) -> Result<Self, Refusal> {
        let family = requested_family(message, Refusal::PeerAddressFamilyMismatch)?;
        Ok(Self { family, lifetime: lifetime(message)?, transaction: message.transaction_id() })
    }

    /// From elsewhere: the client is expected there, unless this is the end.
    pub(crate) fn apply_from_elsewhere(
        self,
        caller: &Caller<'_>,
        ticket: &[u8],
        allocations: &mut Allocations,
        terms: &Terms,
        now: Duration,
    ) -> Result<Step, Refusal> {
        terms.check_mobility(caller.tuple.transport, RelayTransport::Udp)?;
        let transaction = self.transaction;
        let found = allocations.find_by_ticket(now, caller, ticket, transaction)?;
        match self.apply(found.id, allocations, terms, now)? {
            Step::Answer(Success::Refreshed { lifetime: lifetime @ 1.., .. }) => {
                let ticket = allocations.expect(now, &found, caller.tuple, transaction);
                Ok(Step::Answer(Success::Refreshed { lifetime, ticket }))
            }
            ended => Ok(ended),
        }
    }

    pub(crate) fn apply(
        self,
        id: AllocationId,
        allocations: &mut Allocations,
        terms: &Terms,
        now: Duration,
    ) -> Result<Step, Refusal> {
        let allocation = allocations.live(now, id).ok_or(Refusal::AllocationMismatch)?;
        // Without a family it is about both of two.
        let ids = match self.family {
            None => [Some(id), allocation.twin()],
            Some(family) => {
                let found = allocations.of_family(now, id, family);
                [Some(found.ok_or(Refusal::PeerAddressFamilyMismatch)?), None]
            }
        };
        let ids = ids.into_iter().flatten();
        if self.lifetime == Some(Duration::ZERO) {
            ids.for_each(|id| allocations.release(id, ReleaseReason::Deleted));
            return Ok(Step::Answer(Success::Refreshed { lifetime: 0, ticket: None }));
        }
        let granted = terms.granted_lifetime(self.lifetime);
        ids.for_each(|id| allocations.prolong(now, id, now + granted));
        Ok(Step::Answer(Success::Refreshed { lifetime: seconds(granted), ticket: None }))
    }
}
