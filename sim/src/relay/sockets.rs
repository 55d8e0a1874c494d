//! The relay sockets of a simulated server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use hairpin_turn::{
    AllocationId, BindError, Bound, Family, Owner, RelayTransport, RelayedAddr, ReservationToken,
    Reservations, Wanted, WantedPort,
};

use super::{SERVER_V4, SERVER_V6};

/// Which are open, and where the next will be: one port after the other, and again from the first.
#[derive(Debug)]
pub struct Sockets {
    by_id: BTreeMap<AllocationId, RelayedAddr>,
    /// Nobody's are reserved.
    by_address: BTreeMap<RelayedAddr, Option<AllocationId>>,
    /// Those that listen for connections.
    listening: BTreeSet<RelayedAddr>,
    reserved: Reservations<RelayedAddr>,
    tokens: u64,
    ports: RangeInclusive<u16>,
    /// From a port to the next: several servers that share a range begin side by side.
    step: u16,
    next: u16,
}

impl Sockets {
    /// None is open. Ports are those of the range that are some steps from its start.
    pub(crate) fn new(ports: RangeInclusive<u16>, step: u16) -> Self {
        let next = *ports.start();
        let (by_id, by_address, listening, reserved) = Default::default();
        Self { by_id, by_address, listening, reserved, tokens: 0, ports, step, next }
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Where they are, by the age of their allocation's slot.
    pub fn addresses(&self) -> impl Iterator<Item = RelayedAddr> {
        self.by_id.values().copied()
    }

    /// Whose is at an address.
    pub fn owner(&self, address: RelayedAddr) -> Option<AllocationId> {
        self.by_address.get(&address).copied().flatten()
    }

    /// Whose is at an address, if datagrams are received there.
    pub fn datagram_owner(&self, address: RelayedAddr) -> Option<AllocationId> {
        self.owner(address).filter(|_| !self.listening.contains(&address))
    }

    /// Where an allocation's is.
    pub fn address(&self, id: AllocationId) -> Option<RelayedAddr> {
        self.by_id.get(&id).copied()
    }

    /// Opens one for an allocation. A port that is reserved with it, or was, counts against nobody here.
    pub(crate) fn open(
        &mut self,
        now: Duration,
        id: AllocationId,
        wanted: Wanted,
        owner: &Owner,
    ) -> Result<Bound, BindError> {
        while let Some((_, address)) = self.reserved.expired(now) {
            self.by_address.remove(&address);
        }
        if let WantedPort::Reserved(token) = wanted.port {
            self.reserved.owner(token, &owner.user).ok_or(BindError::Capacity)?;
            let (_, address) = self.reserved.take(token).ok_or(BindError::Capacity)?;
            return Ok(self.opened(id, address).into());
        }
        let ip = match wanted.family {
            Family::V4 => SERVER_V4,
            Family::V6 => SERVER_V6,
        };
        let ports = usize::from(self.ports.end() - self.ports.start()) + 1;
        for _ in 0..ports {
            let port = self.next_port();
            let address = RelayedAddr(SocketAddr::new(ip, port));
            let next = RelayedAddr(SocketAddr::new(ip, port.wrapping_add(1)));
            let free = |address: &RelayedAddr| {
                self.ports.contains(&address.0.port()) && !self.by_address.contains_key(address)
            };
            let fits = match wanted.port {
                WantedPort::Any | WantedPort::Reserved(_) => true,
                WantedPort::Even => port.is_multiple_of(2),
                WantedPort::EvenWithNext => port.is_multiple_of(2) && free(&next),
            };
            if fits && free(&address) {
                let relayed = self.opened(id, address);
                if wanted.transport == RelayTransport::Tcp {
                    self.listening.insert(address);
                }
                let reserved = (wanted.port == WantedPort::EvenWithNext)
                    .then(|| self.reserve(now, next, owner.clone()));
                return Ok(Bound { reserved, ..Bound::from(relayed) });
            }
        }
        Err(BindError::Capacity)
    }

    /// How many are held for who has a token.
    pub fn reserved(&self) -> usize {
        self.reserved.len()
    }

    fn opened(&mut self, id: AllocationId, address: RelayedAddr) -> RelayedAddr {
        assert_eq!(self.by_id.insert(id, address), None, "one socket an allocation");
        self.by_address.insert(address, Some(id));
        address
    }

    fn reserve(&mut self, now: Duration, address: RelayedAddr, owner: Owner) -> ReservationToken {
        self.tokens += 1;
        let token = ReservationToken(self.tokens.to_be_bytes());
        assert!(self.reserved.hold(now, token, owner, address), "tokens are counted");
        self.by_address.insert(address, None);
        token
    }

    pub(crate) fn close(&mut self, id: AllocationId, address: RelayedAddr) {
        assert_eq!(self.by_id.remove(&id), Some(address), "a socket that is open");
        self.by_address.remove(&address);
        self.listening.remove(&address);
    }

    fn next_port(&mut self) -> u16 {
        let port = self.next;
        let next = port.checked_add(self.step).filter(|next| self.ports.contains(next));
        self.next =
            next.unwrap_or_else(|| self.ports.start() + (port - self.ports.start()) % self.step);
        port
    }
}
