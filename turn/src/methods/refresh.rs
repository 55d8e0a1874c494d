//! Refresh (RFC 8656 s8.2): a new lifetime, or the end.

use super::{DEFAULT_LIFETIME, IPV4, IPV6, lifetime, requested_family, seconds};
use crate::refusal::Refusal;
use crate::reply::Success;
use crate::request::{Outcome, Request};
use crate::{AllocationId, Family, ReleaseReason, Server};

impl Server {
    pub(crate) fn refresh(&mut self, request: &Request<'_>, id: AllocationId) -> Outcome {
        let now = request.now.monotonic;
        let allocation = self.allocations.live(now, id).ok_or(Refusal::AllocationMismatch)?;
        let own = match allocation.family() {
            Family::V4 => IPV4,
            Family::V6 => IPV6,
        };
        if requested_family(request.message)?.is_some_and(|family| family != own) {
            return Err(Refusal::PeerAddressFamilyMismatch);
        }
        let requested = lifetime(request.message)?.unwrap_or(DEFAULT_LIFETIME);
        if requested.is_zero() {
            self.release(id, ReleaseReason::Deleted);
            return Ok(Some(Success::Refreshed { lifetime: 0 }));
        }
        let granted = self.granted_lifetime(requested);
        self.allocations.prolong(id, now + granted);
        Ok(Some(Success::Refreshed { lifetime: seconds(granted) }))
    }
}
