//! Connect (RFC 6062 s5.2): a connection from the relayed address to a peer.

use core::time::Duration;

use hairpin_stun::{AttributeType, Message};

use super::{Step, peer_address};
use crate::allocations::Allocations;
use crate::connections::{Asked, Connections};
use crate::terms::Terms;
use crate::{AllocationId, PeerAddr, Refusal, RelayTransport};

pub(crate) struct Connect {
    peer: PeerAddr,
}

impl Connect {
    pub(crate) fn parse(message: &Message<'_>) -> Result<Self, Refusal> {
        let value = message.get(AttributeType::XOR_PEER_ADDRESS).ok_or(Refusal::BadRequest)?;
        Ok(Self { peer: peer_address(message, value)? })
    }

    /// It takes no permission: whoever asks names the peer, and the policy has its say. An allocation of datagrams has no
    /// connections, so it is none that Connect could be about (437).
    pub(crate) fn apply(
        self,
        via: AllocationId,
        allocations: &Allocations,
        connections: &mut Connections,
        terms: &Terms,
        now: Duration,
        asked: Asked,
    ) -> Result<Step, Refusal> {
        let Self { peer } = self;
        let allocation = allocations.live(now, via).ok_or(Refusal::AllocationMismatch)?;
        if allocation.transport() != RelayTransport::Tcp {
            return Err(Refusal::AllocationMismatch);
        }
        connections.check_peer(via, peer)?;
        terms.check_peer(peer, allocation.family())?;
        // A connection from an address to itself is none.
        if peer.0 == allocation.relayed().0 || peer.0.port() == 0 {
            return Err(Refusal::Forbidden);
        }
        connections.check_room(via, terms.max_peer_connections())?;
        let id = connections.begin(now, via, peer, asked);
        Ok(Step::Connect { id, via, to: peer, reach: terms.connect_reach(peer) })
    }
}
