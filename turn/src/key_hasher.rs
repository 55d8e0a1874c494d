//! Hashes of the addresses that allocations are found by.

use core::hash::{Hash, Hasher};
use core::net::SocketAddr;

use foldhash::SharedSeed;
use foldhash::fast::FoldHasher;

use crate::{FiveTuple, Network, RelayedAddr};

/// Hashes addresses as the few machine words they are; every packet passes here.
pub(crate) struct KeyHasher {
    seed: u64,
    shared: SharedSeed,
}

impl KeyHasher {
    /// `seed` keeps strangers from choosing colliding keys.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, shared: SharedSeed::from_u64(seed) }
    }

    pub(crate) fn tuple(&self, tuple: &FiveTuple) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        write_addr(&mut hasher, tuple.client);
        write_addr(&mut hasher, tuple.server);
        hasher.write_u8(tuple.transport as u8);
        hasher.finish()
    }

    /// With every bit of use, also under a seed that is a small number.
    pub(crate) fn network(&self, network: Network) -> u64 {
        let mut hasher = foldhash::quality::FoldHasher::with_seed(self.seed, &self.shared);
        network.hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn relayed(&self, relayed: RelayedAddr) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        write_addr(&mut hasher, relayed.0);
        hasher.finish()
    }
}

fn write_addr(hasher: &mut FoldHasher<'_>, addr: SocketAddr) {
    match addr {
        SocketAddr::V4(addr) => {
            hasher.write_u64(u64::from(addr.ip().to_bits()) << 16 | u64::from(addr.port()));
        }
        SocketAddr::V6(addr) => {
            hasher.write_u128(addr.ip().to_bits());
            hasher.write_u16(addr.port());
        }
    }
}
