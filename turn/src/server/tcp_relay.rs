//! TCP allocations (RFC 6062): what the caller tells of connections, and what becomes of them.

use core::num::NonZeroU32;

use hairpin_stun::Message;

use super::{MAX_EXPIRATIONS, Server};
use crate::allocation::{Allocation, Claim};
use crate::connections::Asked;
use crate::methods::{ConnectionBind, Step};
use crate::replies::{ReplyTo, Success};
use crate::terms::Reach;
use crate::{
    AllocationId, ConnectionId, Now, Output, PeerAddr, Refusal, RelayTransport, RequestMethod,
};

/// The longest ConnectionBind that is given to another shard. None that proves anything is longer: a username has 509 bytes,
/// realm and nonce 763 each.
const MAX_HANDED_OVER: usize = 2560;

impl Server {
    /// The same server as the `shard`-th of `shards`, which have connections of their own each. The
    /// stream of a ConnectionBind may reach any of them; see [`Output::HandOver`].
    pub fn one_of(mut self, shard: u32, shards: NonZeroU32) -> Self {
        self.connections.set_shard(shard, shards);
        self.allocations.set_shard(shard, shards);
        self
    }

    /// Takes the answer to [`Output::Connect`]: the connection is there. Leave unread what comes by
    /// it, until [`Output::Pipe`] says for whom it is.
    ///
    /// When nobody waits for it any more, [`Output::CloseConnection`] has been asked for.
    pub fn handle_connected(&mut self, now: Now, id: ConnectionId) {
        let Some(Asked { to, key }) = self.connections.connected(now.monotonic, id) else { return };
        self.carry_out(&to, Some(&key), Step::Answer(Success::Connected { id }));
    }

    /// Takes a connection from a peer to the relayed address of a TCP allocation, which the client is
    /// told of. `None`: it is not let in; close it (RFC 6062 s5.3).
    pub fn handle_accepted(
        &mut self,
        now: Now,
        via: AllocationId,
        peer: PeerAddr,
    ) -> Option<ConnectionId> {
        let allocation = self.allocations.live(now.monotonic, via)?;
        let admits = allocation.transport() == RelayTransport::Tcp
            && allocation.admits(now.monotonic, peer.0.ip())
            && self.terms.reach(&peer) != Reach::Denied;
        let most = self.terms.max_peer_connections();
        if !admits || self.connections.check_room(via, most).is_err() {
            return None;
        }
        let client = *allocation.tuple();
        let id = self.connections.accept(now.monotonic, via, peer);
        let transaction = self.indications.next();
        let attempt = self.replies.connection_attempt(client, transaction, id, peer);
        self.outputs.push_back(attempt);
        Some(id)
    }

    /// A connection to a peer could not be had, or is closed.
    pub fn handle_connection_closed(&mut self, id: ConnectionId) {
        self.forget_connection(id);
    }

    /// How many connections there are to peers, those included that are under way.
    pub fn peer_connections(&self, via: AllocationId) -> usize {
        self.connections.of(via).count()
    }

    /// The connections of an allocation end with it.
    pub(super) fn close_connections_of(&mut self, via: AllocationId) {
        while let Some(id) = { self.connections.of(via).next() } {
            self.close_connection(id);
        }
    }

    /// Closes connections that nobody has come for in time.
    pub(super) fn close_overdue_connections(&mut self, now: Now) {
        for _ in 0..MAX_EXPIRATIONS {
            let Some(id) = self.connections.next_overdue(now.monotonic) else { return };
            self.close_connection(id);
        }
    }

    /// Whether a request is for another shard, to which its stream then goes. It is only looked at
    /// there, so nothing but the shape of one that proves something is asked of it here.
    pub(super) fn hands_over(&mut self, to: &ReplyTo, message: &Message<'_>) -> bool {
        let tuple = &to.tuple;
        let may_move = (message.has_integrity() || message.has_integrity_sha256())
            && message.as_bytes().len() <= MAX_HANDED_OVER
            && !self.allocations.has(tuple);
        let shard = match to.method {
            RequestMethod::ConnectionBind if may_move && tuple.transport.is_stream() => {
                let asked = ConnectionBind::parse(message).ok();
                asked.and_then(|asked| self.connections.elsewhere(asked.id()))
            }
            RequestMethod::Refresh if may_move => self.home_of(to, message),
            _ => None,
        };
        let Some(shard) = shard else { return false };
        let frame = message.as_bytes().to_vec();
        self.outputs.push_back(Output::HandOver { client: *tuple, shard, frame });
        true
    }

    /// Whose key a request may be signed with besides those that are good now: the 5-tuple's
    /// allocation's, or that of the connection or of the ticket it names.
    pub(super) fn holder(&self, now: Now, to: &ReplyTo, message: &Message<'_>) -> Option<&Claim> {
        if to.method == RequestMethod::ConnectionBind {
            let id = self.connections.unbound(ConnectionBind::parse(message).ok()?.id())?;
            return self.allocations.live(now.monotonic, id).map(|allocation| allocation.claim());
        }
        let (now, tuple) = (now.monotonic, &to.tuple);
        let live = self.allocations.by_tuple(now, tuple).map(|(_, allocation)| allocation);
        let holder = live.or_else(|| self.allocations.arrival(now, tuple)).map(Allocation::claim);
        holder.or_else(|| {
            let may_show = to.method == RequestMethod::Refresh;
            let ticket = may_show.then(|| self.terms.ticket(message)).flatten()?;
            self.allocations.ticket_holder(now, ticket)
        })
    }

    fn close_connection(&mut self, id: ConnectionId) {
        self.outputs.push_back(Output::CloseConnection { id });
        self.forget_connection(id);
    }

    /// Who still waits for it is told that it has failed.
    fn forget_connection(&mut self, id: ConnectionId) {
        let Some(Asked { to, key }) = self.connections.remove(id) else { return };
        let refusal = Refusal::ConnectionTimeoutOrFailure;
        let answer = self.replies.refusal(&to, Some(&key), refusal);
        self.refused(&to, refusal, answer);
    }
}
