//! CreatePermission (RFC 8656 s10.2): all of the peers, or none.

use alloc::vec::Vec;
use core::net::IpAddr;

use hairpin_stun::AttributeType;

use super::peer_address;
use crate::refusal::Refusal;
use crate::reply::Success;
use crate::request::{Outcome, Request};
use crate::{AllocationId, Server};

impl Server {
    pub(crate) fn create_permission(&mut self, request: &Request<'_>, id: AllocationId) -> Outcome {
        let (now, message) = (request.now.monotonic, request.message);
        let allocation = self.allocations.live(now, id).ok_or(Refusal::AllocationMismatch)?;
        let family = allocation.family();
        let peers: Vec<IpAddr> = message
            .get_all(AttributeType::XOR_PEER_ADDRESS)
            .map(|value| {
                let peer = peer_address(message, value)?;
                self.check_peer(peer, family)?;
                Ok(peer.0.ip())
            })
            .collect::<Result<_, Refusal>>()?;
        if peers.is_empty() {
            return Err(Refusal::BadRequest);
        }
        let limit = self.rules.max_permissions;
        let allocation = self.allocations.get_mut(id).ok_or(Refusal::AllocationMismatch)?;
        allocation.permissions.install(now, &peers, limit)?;
        Ok(Some(Success::Done))
    }
}
