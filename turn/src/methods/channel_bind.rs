//! ChannelBind (RFC 8656 s12.2): a number for a peer, and a permission with it.

use core::time::Duration;

use hairpin_stun::{AttributeType, ChannelNumber, Message, decode};

use super::{Step, peer_address};
use crate::allocations::Allocations;
use crate::replies::Success;
use crate::terms::Terms;
use crate::{AllocationId, Family, PeerAddr, Refusal, RelayTransport};

pub(crate) struct ChannelBind {
    number: ChannelNumber,
    peer: PeerAddr,
}

impl ChannelBind {
    pub(crate) fn parse(message: &Message<'_>, terms: &Terms) -> Result<Self, Refusal> {
        let number = message
            .get(AttributeType::CHANNEL_NUMBER)
            .and_then(decode::channel_number)
            .and_then(|number| terms.channel_numbers().number(number))
            .ok_or(Refusal::BadRequest)?;
        let value = message.get(AttributeType::XOR_PEER_ADDRESS).ok_or(Refusal::BadRequest)?;
        Ok(Self { number, peer: peer_address(message, value)? })
    }

    /// A conflict is the client's mistake and told first; a lack of room only matters for peers it
    /// may have.
    pub(crate) fn apply(
        self,
        id: AllocationId,
        allocations: &mut Allocations,
        terms: &Terms,
        now: Duration,
    ) -> Result<Step, Refusal> {
        let Self { number, peer } = self;
        let allocation = allocations.live(now, id).ok_or(Refusal::AllocationMismatch)?;
        // No datagrams pass through a TCP allocation (RFC 6062 s5.1).
        if allocation.transport() == RelayTransport::Tcp {
            return Err(Refusal::Forbidden);
        }
        let twin = allocations.twin(now, allocation);
        let (id, allocation, other) = match twin {
            Some((twin_id, twin)) if twin.family() == Family::of(peer.0.ip()) => {
                (twin_id, twin, Some(allocation))
            }
            _ => (id, allocation, twin.map(|(_, twin)| twin)),
        };
        // A number is one channel, of whichever of two.
        if other.is_some_and(|other| other.peer_of(now, number).is_some()) {
            return Err(Refusal::BadRequest);
        }
        allocation.check_channel(now, number, peer)?;
        terms.check_peer(peer, allocation.family())?;
        allocations.bind_channel(now, id, number, peer, terms.limits())?;
        Ok(Step::Answer(Success::Done))
    }
}
