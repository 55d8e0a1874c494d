//! What the workers share: the relay ports, the quotas, and whether the server is stopping.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hairpin_turn::{BindError, Owner, QuotaLedger, Wanted};

use super::ports::{AGAIN, Claim, PortTable};
use super::sockets;
use crate::log_limit::LogLimit;

/// Ports tried for an allocation. A try is one system call: a worker with packets to pass on waits for a millisecond at
/// most, and since what was tried is remembered, the next Allocate searches on.
const TRIES: usize = 1024;

/// After how long a port that another program had is tried again.
const ASIDE: Duration = Duration::from_secs(60);

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

    /// A relay socket for an allocation of `owner` in a worker, within the quotas.
    pub(super) fn bind(
        &self,
        worker: usize,
        wanted: Wanted,
        owner: &Owner,
    ) -> Result<(Claim, UdpSocket), BindError> {
        self.take_quota(owner)?;
        self.claim_port(worker, wanted).ok_or_else(|| {
            self.release_quota(owner);
            BindError::Capacity
        })
    }

    /// Counts an allocation of `owner`, if there may be one more.
    pub(super) fn take_quota(&self, owner: &Owner) -> Result<(), BindError> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(BindError::Capacity);
        }
        self.quotas().acquire(owner)
    }

    /// Gives back what an allocation of `owner` counted for.
    pub(super) fn release_quota(&self, owner: &Owner) {
        self.quotas().release(owner);
    }

    /// A random port and a socket bound to it. Ports that other programs hold inside our range are passed over, and for a
    /// while not tried again unless nothing else is free.
    fn claim_port(&self, worker: usize, wanted: Wanted) -> Option<(Claim, UdpSocket)> {
        let now = Instant::now();
        self.ports.take_back(now.checked_sub(ASIDE).unwrap_or(now));
        self.search(worker, wanted, TRIES, now).or_else(|| {
            self.ports.take_back(now);
            self.search(worker, wanted, AGAIN, now)
        })
    }

    fn search(
        &self,
        worker: usize,
        wanted: Wanted,
        tries: usize,
        now: Instant,
    ) -> Option<(Claim, UdpSocket)> {
        let socket = sockets::relay_socket(wanted.family);
        let socket = socket.map_err(|error| no_relay_socket(&error, None)).ok()?;
        for _ in 0..tries {
            let claim = self.ports.claim(wanted, worker, rand::random())?;
            let address = self.ports.local(claim);
            match socket.bind(&address.into()) {
                Ok(()) => return Some((claim, socket.into())),
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => self.ports.set_aside(claim, now),
                Err(error) => {
                    no_relay_socket(&error, Some(address));
                    self.ports.release(claim);
                    return None;
                }
            }
        }
        None
    }

    fn quotas(&self) -> MutexGuard<'_, QuotaLedger> {
        // The ledger's methods leave it consistent even if its holder panics afterwards.
        self.quotas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Any client with credentials can cause this, when descriptors have run out.
pub(super) fn no_relay_socket(error: &io::Error, address: Option<SocketAddr>) {
    static LIMIT: LogLimit = LogLimit::new();
    if let Some(left_out) = LIMIT.admit() {
        let address = address.map(tracing::field::display);
        tracing::warn!(%error, address, left_out, "no relay socket for an allocation");
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use hairpin_turn::{Family, Network, Quotas, User, WantedPort};

    use super::super::ports::RelayIp;
    use super::*;

    #[test]
    fn the_one_port_that_other_programs_leave_is_found_and_so_is_what_they_give_back() {
        // An address of loopback's that nobody else uses: its ports are all free.
        let [x, y] = rand::random::<[u8; 2]>();
        let ip = IpAddr::from(Ipv4Addr::new(127, 77, x, y));
        let ports = 20_000..=20_299;
        let mut held: Vec<_> = ports.clone().map(|port| UdpSocket::bind((ip, port))).collect();
        drop(held.remove(217));
        let relay_ip = RelayIp { bind: ip, advertised: ip };
        let ports = PortTable::new(&[relay_ip], ports);
        let context = RelayContext::new(ports, QuotaLedger::new(Quotas::default(), 300));
        let wanted = Wanted { family: Family::V4, port: WantedPort::Any };
        let owner = Owner { user: User::Rest("ann".into()), network: Network::of(ip) };
        let bind = || context.bind(0, wanted, &owner);

        let (claim, first) = bind().expect("one is free");
        assert_eq!(context.ports.local(claim).port(), 20_217);
        assert_eq!(bind().map(drop), Err(BindError::Capacity));
        drop(held.remove(3));
        // Of 299 ports set aside each Allocate tries 64 again.
        let found = (0..5).find_map(|_| bind().ok());
        let (_, second) = found.expect("a program has given one back");
        assert_eq!(second.local_addr().expect("bound").port(), 20_003);
        drop(first);
        context.ports.release(claim);
        bind().expect("ours has come back");
    }
}
