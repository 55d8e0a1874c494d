//! What the workers share: the relay ports, the quotas, and whether the server is stopping.

use std::io;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrayvec::ArrayVec;
use hairpin_turn::{BindError, QuotaLedger, User};

use super::ports::{Claim, PortTable, Wanted};
use super::sockets;

/// What all workers share.
pub(super) struct RelayContext {
    pub(super) ports: PortTable,
    quotas: Mutex<QuotaLedger>,
    /// Set when the process is stopping: no new allocations.
    draining: AtomicBool,
}

impl RelayContext {
    pub(super) fn new(ports: PortTable, quotas: QuotaLedger) -> Self {
        Self { ports, quotas: Mutex::new(quotas), draining: AtomicBool::new(false) }
    }

    /// Refuses new allocations from now on.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// A relay socket for an allocation of `user` in a worker, within the quotas.
    pub(super) fn bind(
        &self,
        worker: usize,
        wanted: Wanted,
        user: &User,
    ) -> Result<(Claim, UdpSocket), BindError> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(BindError::Capacity);
        }
        self.quotas().acquire(user)?;
        self.claim_port(worker, wanted).ok_or_else(|| {
            self.release_quota(user);
            BindError::Capacity
        })
    }

    /// Gives back what an allocation of `user` counted for.
    pub(super) fn release_quota(&self, user: &User) {
        self.quotas().release(user);
    }

    /// Claims a random port and binds it. Ports that other programs hold inside our range are passed over.
    fn claim_port(&self, worker: usize, wanted: Wanted) -> Option<(Claim, UdpSocket)> {
        const TRIES: usize = 64;
        let mut taken = ArrayVec::<Claim, TRIES>::new();
        let mut found = None;
        for _ in 0..TRIES {
            let Some(claim) = self.ports.claim(wanted, worker, rand::random()) else { break };
            let address = self.ports.local(claim);
            match sockets::bind_relay(address) {
                Ok(socket) => {
                    found = Some((claim, socket));
                    break;
                }
                // Held until a port is found, so that no other try meets it again.
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => taken.push(claim),
                Err(error) => {
                    tracing::warn!(%error, %address, "cannot bind a relay socket");
                    taken.push(claim);
                    break;
                }
            }
        }
        for claim in taken {
            self.ports.release(claim);
        }
        found
    }

    fn quotas(&self) -> MutexGuard<'_, QuotaLedger> {
        // The ledger's methods leave it consistent even if its holder panics afterwards.
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
