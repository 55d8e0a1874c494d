//! Refresh (RFC 8656 s8.2): a new lifetime, or the end.

use core::time::Duration;

use hairpin_stun::Message;

use super::{Step, lifetime, requested_family, seconds};
use crate::allocations::Allocations;
use crate::replies::Success;
use crate::terms::Terms;
use crate::{AllocationId, Family, Refusal, ReleaseReason};

pub(crate) struct Refresh {
    family: Option<Family>,
    lifetime: Option<Duration>,
}

impl Refresh {
    pub(crate) fn parse(message: &Message<'_>) -> Result<Self, Refusal> {
        let family = requested_family(message, Refusal::PeerAddressFamilyMismatch)?;
        Ok(Self { family, lifetime: lifetime(message)? })
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
            return Ok(Step::Answer(Success::Refreshed { lifetime: 0 }));
        }
        let granted = terms.granted_lifetime(self.lifetime);
        ids.for_each(|id| allocations.prolong(now, id, now + granted));
        Ok(Step::Answer(Success::Refreshed { lifetime: seconds(granted) }))
    }
}
