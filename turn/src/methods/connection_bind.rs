//! ConnectionBind (RFC 6062 s5.4): a stream of the client's becomes its end of a connection to a peer.

use core::time::Duration;

use hairpin_stun::{AttributeType, Message, decode};

use super::Step;
use crate::allocations::Allocations;
use crate::connections::Connections;
use crate::gate::Caller;
use crate::{ConnectionId, Refusal};

pub(crate) struct ConnectionBind {
    id: ConnectionId,
}

impl ConnectionBind {
    pub(crate) fn parse(message: &Message<'_>) -> Result<Self, Refusal> {
        let value = message.get(AttributeType::CONNECTION_ID).and_then(decode::u32);
        Ok(Self { id: ConnectionId(value.ok_or(Refusal::BadRequest)?) })
    }

    /// The connection that is asked for, whoever asks.
    pub(crate) fn id(&self) -> ConnectionId {
        self.id
    }

    /// A stream that has an allocation, or waits for one, is that one's control connection and stays it (400).
    pub(crate) fn apply(
        self,
        caller: &Caller<'_>,
        allocations: &Allocations,
        connections: &mut Connections,
        now: Duration,
    ) -> Result<Step, Refusal> {
        let Self { id } = self;
        let is_control = allocations.by_tuple(now, &caller.tuple).is_some()
            || allocations.pending_on(&caller.tuple).is_some();
        if is_control || !caller.tuple.transport.is_stream() {
            return Err(Refusal::BadRequest);
        }
        let allocation = connections.unbound(id).and_then(|id| allocations.live(now, id));
        if *allocation.ok_or(Refusal::BadRequest)?.claim().username != *caller.username {
            return Err(Refusal::WrongCredentials);
        }
        connections.bind(id);
        Ok(Step::Pipe { id })
    }
}
