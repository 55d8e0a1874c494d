//! The relay sockets of a simulated server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::ops::RangeInclusive;

use hairpin_turn::{
    AllocationId, BindError, Family, RelayTransport, RelayedAddr, Wanted, WantedPort,
};

use super::{SERVER_V4, SERVER_V6};

/// Which are open, and where the next will be: one port after the other, and again from the first.
#[derive(Clone, Debug)]
pub struct Sockets {
    by_id: BTreeMap<AllocationId, RelayedAddr>,
    by_address: BTreeMap<RelayedAddr, AllocationId>,
    /// Those that listen for connections.
    listening: BTreeSet<RelayedAddr>,
    ports: RangeInclusive<u16>,
    /// From a port to the next: several servers that share a range begin side by side.
    step: u16,
    next: u16,
}

impl Sockets {
    /// None is open. Ports are those of the range that are some steps from its start.
    pub(crate) fn new(ports: RangeInclusive<u16>, step: u16) -> Self {
        let next = *ports.start();
        let (by_id, by_address, listening) = Default::default();
        Self { by_id, by_address, listening, ports, step, next }
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
        self.by_address.get(&address).copied()
    }

    /// Whose is at an address, if datagrams are received there.
    pub fn datagram_owner(&self, address: RelayedAddr) -> Option<AllocationId> {
        self.owner(address).filter(|_| !self.listening.contains(&address))
    }

    /// Where an allocation's is.
    pub fn address(&self, id: AllocationId) -> Option<RelayedAddr> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn open(
        &mut self,
        id: AllocationId,
        wanted: Wanted,
    ) -> Result<RelayedAddr, BindError> {
        let ip = match wanted.family {
            Family::V4 => SERVER_V4,
            Family::V6 => SERVER_V6,
        };
        let ports = usize::from(self.ports.end() - self.ports.start()) + 1;
        for _ in 0..ports {
            let address = RelayedAddr(SocketAddr::new(ip, self.next_port()));
            let fits = wanted.port == WantedPort::Any || address.0.port().is_multiple_of(2);
            if fits && !self.by_address.contains_key(&address) {
                assert_eq!(self.by_id.insert(id, address), None, "one socket an allocation");
                self.by_address.insert(address, id);
                if wanted.transport == RelayTransport::Tcp {
                    self.listening.insert(address);
                }
                return Ok(address);
            }
        }
        Err(BindError::Capacity)
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
