//! Connections between the relayed addresses of TCP allocations and their peers (RFC 6062).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use core::num::NonZeroU32;
use core::time::Duration;

use hairpin_stun::Key;

use crate::replies::ReplyTo;
use crate::{AllocationId, ConnectionId, PeerAddr, Refusal};

/// How long a connection attempt may take: "MUST be at least 30 seconds" (RFC 6062 s5.2).
const CONNECT: Duration = Duration::from_secs(30);

/// How long a connection waits for the client's ConnectionBind (RFC 6062 s5.2, s5.3).
const UNBOUND: Duration = Duration::from_secs(30);

/// The connections of a shard, found by number, by allocation and by deadline.
pub(crate) struct Connections {
    all: BTreeMap<ConnectionId, Connection>,
    by_allocation: BTreeSet<(AllocationId, ConnectionId)>,
    /// Of those under way and those unbound.
    deadlines: BTreeSet<(Duration, ConnectionId)>,
    numbers: Numbers,
}

struct Connection {
    allocation: AllocationId,
    peer: PeerAddr,
    state: State,
}

enum State {
    /// Under way until then, for somebody who waits for the answer.
    Connecting(Duration, Box<Asked>),
    /// There, and waits until then for the client.
    Unbound(Duration),
    /// A stream of the client's is its other end.
    Bound,
}

/// Who asked for a connection.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) to: ReplyTo,
    pub(crate) key: Key,
}

/// The numbers of one of several shards.
struct Numbers {
    next: u32,
    shard: u32,
    shards: NonZeroU32,
}

impl Connections {
    /// Of the only shard. `seed` says where numbers begin.
    pub(crate) fn new(seed: u64) -> Self {
        let numbers = Numbers { next: seed as u32, shard: 0, shards: NonZeroU32::MIN };
        let (by_allocation, deadlines) = Default::default();
        Self { all: BTreeMap::new(), by_allocation, deadlines, numbers }
    }

    /// From now on the numbers are those of one of so many shards.
    pub(crate) fn set_shard(&mut self, shard: u32, shards: NonZeroU32) {
        self.numbers.shard = shard;
        self.numbers.shards = shards;
    }

    /// The shard that has a connection of this number, if it is another one.
    pub(crate) fn elsewhere(&self, id: ConnectionId) -> Option<usize> {
        let shard = id.0 % self.numbers.shards;
        (shard != self.numbers.shard).then_some(shard as usize)
    }

    /// Checks that there is no connection to a peer yet (446).
    pub(crate) fn check_peer(&self, via: AllocationId, peer: PeerAddr) -> Result<(), Refusal> {
        match self.of(via).any(|id| self.all[&id].peer == peer) {
            true => Err(Refusal::ConnectionAlreadyExists),
            false => Ok(()),
        }
    }

    /// Checks that an allocation has fewer connections than `most` (508).
    pub(crate) fn check_room(&self, via: AllocationId, most: usize) -> Result<(), Refusal> {
        match self.of(via).count() < most {
            true => Ok(()),
            false => Err(Refusal::InsufficientCapacity),
        }
    }

    /// A connection to a peer that is asked for.
    pub(crate) fn begin(
        &mut self,
        now: Duration,
        via: AllocationId,
        peer: PeerAddr,
        asked: Asked,
    ) -> ConnectionId {
        let until = now + CONNECT;
        self.insert(via, peer, State::Connecting(until, asked.into()), until)
    }

    /// A connection from a peer.
    pub(crate) fn accept(
        &mut self,
        now: Duration,
        via: AllocationId,
        peer: PeerAddr,
    ) -> ConnectionId {
        let until = now + UNBOUND;
        self.insert(via, peer, State::Unbound(until), until)
    }

    /// A connection that was asked for is there. Returns who waits for it.
    pub(crate) fn connected(&mut self, now: Duration, id: ConnectionId) -> Option<Asked> {
        let connection = self.all.get_mut(&id)?;
        if !matches!(connection.state, State::Connecting(..)) {
            return None;
        }
        let until = now + UNBOUND;
        let before = core::mem::replace(&mut connection.state, State::Unbound(until));
        let State::Connecting(before, asked) = before else { return None };
        // In this order: the two may be the same.
        self.deadlines.remove(&(before, id));
        self.deadlines.insert((until, id));
        Some(*asked)
    }

    /// The allocation of a connection that waits for the client.
    pub(crate) fn unbound(&self, id: ConnectionId) -> Option<AllocationId> {
        let connection = self.all.get(&id)?;
        matches!(connection.state, State::Unbound(_)).then_some(connection.allocation)
    }

    /// The client has come.
    pub(crate) fn bind(&mut self, id: ConnectionId) {
        let Some(connection) = self.all.get_mut(&id) else { return };
        if let State::Unbound(until) = core::mem::replace(&mut connection.state, State::Bound) {
            self.deadlines.remove(&(until, id));
        }
    }

    /// Forgets a connection. Returns who still waits for it.
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Asked> {
        let Connection { allocation, state, .. } = self.all.remove(&id)?;
        self.by_allocation.remove(&(allocation, id));
        match state {
            State::Connecting(until, asked) => {
                self.deadlines.remove(&(until, id));
                Some(*asked)
            }
            State::Unbound(until) => {
                self.deadlines.remove(&(until, id));
                None
            }
            State::Bound => None,
        }
    }

    /// The connections of an allocation.
    pub(crate) fn of(&self, via: AllocationId) -> impl Iterator<Item = ConnectionId> {
        let all = (via, ConnectionId(0))..=(via, ConnectionId(u32::MAX));
        self.by_allocation.range(all).map(|(_, id)| *id)
    }

    /// When [`next_overdue`](Self::next_overdue) has something to say.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// A connection that nobody has waited for, or come for, in time.
    pub(crate) fn next_overdue(&self, now: Duration) -> Option<ConnectionId> {
        self.deadlines.first().filter(|(at, _)| *at <= now).map(|(_, id)| *id)
    }

    fn insert(
        &mut self,
        allocation: AllocationId,
        peer: PeerAddr,
        state: State,
        until: Duration,
    ) -> ConnectionId {
        let id = self.numbers.next(|id| self.all.contains_key(&id));
        self.all.insert(id, Connection { allocation, peer, state });
        self.by_allocation.insert((allocation, id));
        self.deadlines.insert((until, id));
        id
    }
}

impl Numbers {
    /// The next one that is not `taken`. There are never as many connections as a shard has numbers.
    fn next(&mut self, taken: impl Fn(ConnectionId) -> bool) -> ConnectionId {
        let shards = self.shards.get();
        loop {
            self.next = (self.next + 1) % (u32::MAX / shards);
            let id = ConnectionId(self.next * shards + self.shard);
            if !taken(id) {
                return id;
            }
        }
    }
}
