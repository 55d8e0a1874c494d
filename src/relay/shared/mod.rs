//! The address that all allocations share: its state for all workers, and what one worker knows of it by heart.
//!
//! Checks and their answers, a few a second for each allocation, are looked at under a lock. Data is not: each worker keeps
//! whom it has found to hold what comes from whom, and an array of numbers, which grow when that changes, says whether that
//! is still so. Most sources that nobody is tied to are known by a zero there.

mod sockets;
mod worker;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::FixedState;
use hairpin_turn::shared::{Change, SharedPort, Source};

pub(crate) use sockets::SharedSockets;
pub(super) use worker::{Lent, SharedRelay};

use super::ports::RelayIp;

/// Numbers that say what has changed. Sources share them; so many that few do.
const SLOTS: usize = 1 << 14;

/// The lower bits of a slot: how many sources there are in it that somebody is tied to. The others grow with every change.
const TIED: u64 = 0xFFFF;

/// One address, as it is bound and as peers see it, each with the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SharedIp {
    pub(crate) bind: SocketAddr,
    pub(crate) advertised: SocketAddr,
}

impl SharedIp {
    pub(crate) fn new(RelayIp { bind, advertised }: RelayIp, port: u16) -> Self {
        Self { bind: (bind, port).into(), advertised: (advertised, port).into() }
    }
}

/// What all workers share.
pub(super) struct SharedAddress {
    /// One of each family at most.
    ips: Vec<SharedIp>,
    port: Mutex<SharedPort>,
    slots: Box<[AtomicU64]>,
    hasher: FixedState,
}

/// A slot as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen(u64);

impl Seen {
    /// Whether nobody is tied to any source of the slot.
    fn is_free(self) -> bool {
        self.0 & TIED == 0
    }
}

impl SharedAddress {
    pub(super) fn new(ips: Vec<SharedIp>) -> Self {
        let advertised = ips.iter().map(|ip| ip.advertised).collect();
        Self {
            ips,
            port: Mutex::new(SharedPort::new(advertised, rand::random())),
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
            hasher: FixedState::with_seed(rand::random()),
        }
    }

    /// The advertised form, if it is this address in any.
    fn canonical(&self, address: SocketAddr) -> SocketAddr {
        let ours = self.ips.iter().find(|ip| ip.bind == address);
        ours.map_or(address, |ip| ip.advertised)
    }

    /// Asks the state for something, and tells the workers what has changed.
    fn with<T>(&self, ask: impl FnOnce(&mut SharedPort) -> T) -> T {
        let mut port = self.port();
        let answer = ask(&mut port);
        while let Some(Change { source, before, after }) = port.poll_change() {
            let slot = self.slot(source);
            // Written under the lock alone.
            let seen = slot.load(Ordering::Relaxed);
            let tied = (seen & TIED) + u64::from(after.is_some()) - u64::from(before.is_some());
            debug_assert!(tied <= TIED, "an allocation has few ties");
            slot.store((seen & !TIED).wrapping_add(TIED + 1) | tied, Ordering::Release);
        }
        answer
    }

    fn seen(&self, source: Source) -> Seen {
        Seen(self.slot(source).load(Ordering::Acquire))
    }

    fn slot(&self, source: Source) -> &AtomicU64 {
        use std::hash::BuildHasher;
        &self.slots[self.hasher.hash_one(source) as usize % SLOTS]
    }

    fn port(&self) -> MutexGuard<'_, SharedPort> {
        // Its methods leave it consistent even if its holder panics afterwards.
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
