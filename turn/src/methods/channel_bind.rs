//! ChannelBind (RFC 8656 s12.2): a number for a peer, and a permission with it.

use hairpin_stun::{AttributeType, ChannelNumber, decode};

use super::peer_address;
use crate::refusal::Refusal;
use crate::reply::Success;
use crate::request::{Outcome, Request};
use crate::{AllocationId, Server};

impl Server {
    pub(crate) fn channel_bind(&mut self, request: &Request<'_>, id: AllocationId) -> Outcome {
        let (now, message) = (request.now.monotonic, request.message);
        let number = message
            .get(AttributeType::CHANNEL_NUMBER)
            .and_then(decode::channel_number)
            .and_then(ChannelNumber::new)
            .ok_or(Refusal::BadRequest)?;
        let value = message.get(AttributeType::XOR_PEER_ADDRESS).ok_or(Refusal::BadRequest)?;
        let peer = peer_address(message, value)?;

        let allocation = self.allocations.live(now, id).ok_or(Refusal::AllocationMismatch)?;
        let fits = allocation.channels.check(now, number, peer, self.rules.max_channels);
        // A conflict is the client's mistake and told first; a lack of room only matters for peers
        // it may have.
        if fits == Err(Refusal::BadRequest) {
            return Err(Refusal::BadRequest);
        }
        self.check_peer(peer, allocation.family())?;
        fits?;

        let limit = self.rules.max_permissions;
        let allocation = self.allocations.get_mut(id).ok_or(Refusal::AllocationMismatch)?;
        allocation.permissions.install(now, &[peer.0.ip()], limit)?;
        allocation.channels.bind(now, number, peer);
        Ok(Some(Success::Done))
    }
}
