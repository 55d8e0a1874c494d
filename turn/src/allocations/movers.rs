//! Mobility (RFC 8016): an allocation whose client shows its ticket from elsewhere is the same one at another 5-tuple.
//!
//! The new 5-tuple is an *arrival* until something is heard from there, and the old one stays in use: the answer to the
//! Refresh may be lost, and a client that never hears it can ask again, from there or from yet another place.

use alloc::collections::BTreeMap;
use core::num::NonZeroU32;
use core::time::Duration;

use hairpin_stun::TransactionId;

use super::{Allocations, State};
use crate::allocation::{Allocation, Claim};
use crate::gate::Caller;
use crate::tickets::{Ticket, Tickets};
use crate::{AllocationId, Event, FiveTuple, Network, Output, Owner, Refusal, Transport};

/// Who may move.
pub(super) struct Movers {
    tickets: Tickets,
    all: BTreeMap<u64, Mover>,
    arrivals: BTreeMap<FiveTuple, u64>,
    /// Numbers are not used again, or an old ticket would be another's.
    next: u64,
}

/// The allocation of a 5-tuple, or both of two.
struct Mover {
    id: AllocationId,
    /// Which ticket is good.
    serial: u32,
    /// Where it was made, which it counts against for good.
    origin: Network,
    /// Where the client has said it is, and has not been heard from. The ticket it was given there is good as well.
    arrival: Option<FiveTuple>,
    /// The last Refresh that moved it, which may come again.
    transaction: Option<TransactionId>,
}

/// Whom a ticket has been found to be of.
pub(crate) struct Found {
    pub(crate) id: AllocationId,
    mover: u64,
    serial: u32,
    /// The request has been answered before.
    repeated: bool,
}

impl Movers {
    pub(super) fn new(seed: u64) -> Self {
        let (all, arrivals) = Default::default();
        Self { tickets: Tickets::new(seed), all, arrivals, next: 0 }
    }
}

/// Tickets.
impl Allocations {
    /// See [`Tickets::set_shard`].
    pub(crate) fn set_shard(&mut self, shard: u32, shards: NonZeroU32) {
        self.movers.tickets.set_shard(shard, shards);
    }

    /// See [`Tickets::elsewhere`].
    pub(crate) fn ticket_elsewhere(&self, ticket: &[u8]) -> Option<usize> {
        self.movers.tickets.elsewhere(ticket)
    }

    /// Lets an allocation move from now on.
    pub(super) fn enlist(&mut self, id: AllocationId) {
        let Some(State::Live(allocation)) = self.slab.get_mut(id) else { return };
        let (number, origin) = (self.movers.next, allocation.claim().owner().network);
        allocation.set_mover(Some(number));
        let mover = Mover { id, serial: 0, origin, arrival: None, transaction: None };
        self.movers.all.insert(number, mover);
        self.movers.next += 1;
    }

    /// The ticket of an allocation that may move.
    pub(crate) fn ticket(&self, id: AllocationId) -> Option<Ticket> {
        let number = self.mover_of(self.get(id)?)?;
        Some(self.movers.tickets.seal(number, self.movers.all.get(&number)?.serial))
    }

    /// Who holds the allocation that a ticket is of.
    pub(crate) fn ticket_holder(&self, now: Duration, ticket: &[u8]) -> Option<&Claim> {
        let (mover, _) = self.movers.tickets.open(ticket)?;
        Some(self.moving(now, mover)?.1.claim())
    }

    /// Who has said to be at a 5-tuple and not been heard from there.
    pub(crate) fn arrival(&self, now: Duration, tuple: &FiveTuple) -> Option<&Allocation> {
        let mover = self.movers.arrivals.get(tuple)?;
        self.moving(now, *mover).map(|(_, allocation)| allocation)
    }

    /// The allocation that a ticket is of. A ticket of nobody's making, and one from where the client is already, is 400;
    /// one that has been used, or whose allocation is gone, 437; somebody else's 441.
    pub(crate) fn find_by_ticket(
        &self,
        now: Duration,
        caller: &Caller<'_>,
        ticket: &[u8],
        transaction: TransactionId,
    ) -> Result<Found, Refusal> {
        let tuple = caller.tuple;
        let (number, serial) = self.movers.tickets.open(ticket).ok_or(Refusal::BadRequest)?;
        let mover = self.movers.all.get(&number).ok_or(Refusal::AllocationMismatch)?;
        let (id, allocation) = self.moving(now, number).ok_or(Refusal::AllocationMismatch)?;
        if *allocation.claim().username != *caller.username {
            return Err(Refusal::WrongCredentials);
        }
        let is_there = mover.arrival == Some(tuple) || *allocation.tuple() == tuple;
        if is_there && mover.transaction == Some(transaction) {
            return Ok(Found { id, mover: number, serial, repeated: true });
        }
        let others = self.movers.arrivals.get(&tuple).is_some_and(|other| *other != number);
        if others || self.has(&tuple) {
            return Err(Refusal::BadRequest);
        }
        let is_next = mover.arrival.is_some() && serial == mover.serial.wrapping_add(1);
        match serial == mover.serial || is_next {
            true => Ok(Found { id, mover: number, serial, repeated: false }),
            false => Err(Refusal::AllocationMismatch),
        }
    }

    /// Expects the client at the 5-tuple it has shown its ticket from. Returns the next ticket.
    pub(crate) fn expect(
        &mut self,
        now: Duration,
        found: &Found,
        tuple: FiveTuple,
        transaction: TransactionId,
    ) -> Option<Ticket> {
        let mover = self.movers.all.get_mut(&found.mover)?;
        if !found.repeated {
            // Who has the next ticket has had the answer, wherever it has gone since.
            mover.serial = found.serial;
            mover.transaction = Some(transaction);
            let before = mover.arrival.replace(tuple).filter(|before| *before != tuple);
            self.movers.arrivals.insert(tuple, found.mover);
            self.tell_of(Output::Expect { client: tuple });
            if let Some(before) = before {
                self.movers.arrivals.remove(&before);
                self.tell_of(Output::Forget { client: before });
            }
            let old = self.get(found.id)?.tuple();
            if is_nowhere(old) {
                self.arrive(now, &tuple);
            }
        }
        let mover = self.movers.all.get(&found.mover)?;
        let serial = mover.serial.wrapping_add(u32::from(mover.arrival.is_some()));
        Some(self.movers.tickets.seal(found.mover, serial))
    }

    fn moving(&self, now: Duration, mover: u64) -> Option<(AllocationId, &Allocation)> {
        let id = self.movers.all.get(&mover)?.id;
        let allocation = self.get(id)?;
        match now < allocation.expires() {
            true => Some((id, allocation)),
            false => self.twin(now, allocation),
        }
    }

    /// One of two has it for both.
    fn mover_of(&self, allocation: &Allocation) -> Option<u64> {
        allocation.mover().or_else(|| self.get(allocation.twin()?)?.mover())
    }
}

/// Moving.
impl Allocations {
    /// Whether anybody has said to be elsewhere and not been heard from there. For the hot path.
    #[inline(always)]
    pub(crate) fn expects_anybody(&self) -> bool {
        !self.movers.arrivals.is_empty()
    }

    /// A request of a client that is known: see [`arrive`](Self::arrive).
    pub(crate) fn arrive_with(&mut self, now: Duration, caller: &Caller<'_>) {
        let expected = self.arrival(now, &caller.tuple);
        if expected.is_some_and(|found| *found.claim().username == *caller.username) {
            self.arrive(now, &caller.tuple);
        }
    }

    /// Something is heard from a 5-tuple: the allocation that is expected there is there.
    pub(crate) fn arrive(&mut self, now: Duration, tuple: &FiveTuple) {
        let Some(number) = self.movers.arrivals.remove(tuple) else { return };
        let lives = self.moving(now, number).is_some();
        let Some(mover) = self.movers.all.get_mut(&number) else { return };
        mover.arrival = None;
        // An allocation whose time is over is gone, and the 5-tuple may be somebody's by then.
        if !lives {
            return;
        }
        mover.serial = mover.serial.wrapping_add(1);
        let id = mover.id;
        if let Some(led) = self.relocate(now, id, *tuple) {
            self.index_tuple(led, tuple);
        }
    }

    /// The stream of a client is closed. One that may move is expected to come again, so its allocation is kept until its
    /// end. `false` if there is none.
    pub(crate) fn leave(&mut self, now: Duration, tuple: &FiveTuple) -> bool {
        if let Some(number) = self.movers.arrivals.remove(tuple) {
            if let Some(mover) = self.movers.all.get_mut(&number) {
                mover.arrival = None;
            }
            return true;
        }
        let Some((id, allocation)) = self.by_tuple(now, tuple) else { return false };
        let Some(number) = self.mover_of(allocation) else { return false };
        match self.movers.all.get(&number).and_then(|mover| mover.arrival) {
            Some(arrival) => self.arrive(now, &arrival),
            None => _ = self.relocate(now, id, nowhere(*tuple)),
        }
        true
    }

    /// Whom an allocation counts against.
    pub(super) fn owner_of(&self, allocation: &Allocation) -> Owner {
        let mover = self.mover_of(allocation).and_then(|number| self.movers.all.get(&number));
        let owner = allocation.claim().owner();
        Owner { network: mover.map_or(owner.network, |mover| mover.origin), ..owner }
    }

    /// Has the other of two go on for what is gone, or forgets it.
    pub(super) fn leave_mover(&mut self, gone: &Allocation) {
        let Some(number) = gone.mover() else { return };
        if let Some(twin) = gone.twin()
            && let Some(State::Live(other)) = self.slab.get_mut(twin)
            && let Some(mover) = self.movers.all.get_mut(&number)
        {
            other.set_mover(Some(number));
            mover.id = twin;
            return;
        }
        let Some(mover) = self.movers.all.remove(&number) else { return };
        if mover.transaction.is_some() {
            self.tell_of(Output::Forget { client: *gone.tuple() });
        }
        if let Some(arrival) = mover.arrival {
            self.movers.arrivals.remove(&arrival);
            self.tell_of(Output::Forget { client: arrival });
        }
    }

    /// Gives an allocation, or both of two, another 5-tuple, and tells of its paths anew. Returns which one the old 5-tuple
    /// led to.
    fn relocate(&mut self, now: Duration, id: AllocationId, to: FiveTuple) -> Option<AllocationId> {
        let allocation = self.get(id)?;
        let (from, relayed) = (*allocation.tuple(), allocation.relayed());
        let ids = [Some(id), allocation.twin()];
        let mut led = id;
        for id in ids.into_iter().flatten() {
            if self.unindex_tuple(id.index, &from) {
                led = id;
            }
            let Some(State::Live(allocation)) = self.slab.get_mut(id) else { continue };
            allocation.set_tuple(to);
            if now < allocation.expires() && allocation.has_paths() {
                self.changes.push_back(Output::PathClosed { id });
                if let Some((allocation, tell)) = self.change(id) {
                    allocation.tell_all(now, tell);
                }
            }
        }
        self.tell_of(Output::Forget { client: from });
        self.changes.push_back(Output::Event(Event::Moved { from, to, relayed }));
        Some(led)
    }

    /// Streams are where they are; datagrams go to whoever is told to take them.
    fn tell_of(&mut self, output: Output) {
        if let Output::Expect { client } | Output::Forget { client } = &output
            && client.transport == Transport::Udp
        {
            self.changes.push_back(output);
        }
    }
}

/// Where a client is whose stream is closed: what is sent there finds nobody.
fn nowhere(mut tuple: FiveTuple) -> FiveTuple {
    tuple.client.set_port(0);
    tuple
}

fn is_nowhere(tuple: &FiveTuple) -> bool {
    tuple.client.port() == 0
}
