//! CreatePermission (RFC 8656 s10.2): all of the peers, or none.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use hairpin_stun::{AttributeType, Message};

use super::{Step, peer_address};
use crate::allocations::Allocations;
use crate::replies::Success;
use crate::terms::Terms;
use crate::{AllocationId, PeerAddr, Refusal};

pub(crate) struct CreatePermission {
    /// At least one.
    peers: Vec<PeerAddr>,
}

impl CreatePermission {
    pub(crate) fn parse(message: &Message<'_>) -> Result<Self, Refusal> {
        let values = message.get_all(AttributeType::XOR_PEER_ADDRESS);
        let peers: Vec<_> =
            values.map(|value| peer_address(message, value)).collect::<Result<_, _>>()?;
        if peers.is_empty() {
            return Err(Refusal::BadRequest);
        }
        Ok(Self { peers })
    }

    pub(crate) fn apply(
        self,
        id: AllocationId,
        allocations: &mut Allocations,
        terms: &Terms,
        now: Duration,
    ) -> Result<Step, Refusal> {
        let family = allocations.live(now, id).ok_or(Refusal::AllocationMismatch)?.family();
        self.peers.iter().try_for_each(|peer| terms.check_permission(*peer, family))?;
        let ips: Vec<IpAddr> = self.peers.iter().map(|peer| peer.0.ip()).collect();
        allocations.permit(now, id, &ips, terms.limits())?;
        Ok(Step::Answer(Success::Done))
    }
}
