//! What the workers share: the relay ports, the quotas, and whether the server is stopping.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hairpin_turn::{
    Bandwidth, BindError, Family, Owner, QuotaLedger, RelayTransport, ReservationToken,
    Reservations, User, Wanted, WantedPort,
};
use socket2::Socket;

use super::ports::{AGAIN, Claim, PortTable};
use super::sockets;
use crate::log_limit::LogLimit;
use crate::net::Budgets;

/// Ports tried for an allocation. A try is one system call: a worker with packets to pass on waits for a millisecond at
/// most, and since what was tried is remembered, the next Allocate searches on.
const TRIES: usize = 1024;

/// Pairs of ports tried for an allocation whose client wants two.
const PAIRS: usize = 16;

/// After how long a port that another program had is tried again.
const ASIDE: Duration = Duration::from_secs(60);

/// What all workers share.
pub(super) struct RelayContext {
    pub(super) ports: PortTable,
    /// For connections to peers.
    pub(super) budgets: Budgets,
    quotas: Mutex<QuotaLedger>,
    /// Ports held for who has a token, bound, so that no other program gets them.
    reservations: Mutex<Reservations<(Claim, Socket)>>,
    started: Instant,
    /// Set when the process is stopping: no new allocations.
    draining: AtomicBool,
}

/// A port and a socket bound to it.
pub(super) struct RelayPort {
    pub(super) claim: Claim,
    pub(super) socket: Socket,
    /// Under which the next port is held, if that was wanted.
    pub(super) reserved: Option<ReservationToken>,
}

impl RelayContext {
    pub(super) fn new(ports: PortTable, quotas: QuotaLedger, budgets: Budgets) -> Self {
        Self {
            ports,
            budgets,
            quotas: Mutex::new(quotas),
            reservations: Mutex::default(),
            started: Instant::now(),
            draining: AtomicBool::new(false),
        }
    }

    /// Refuses new allocations from now on.
    pub(super) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// A relay socket for an allocation of `owner` in a worker, within the quotas; a TCP one listens.
    pub(super) fn bind(
        &self,
        worker: usize,
        wanted: Wanted,
        owner: &Owner,
    ) -> Result<RelayPort, BindError> {
        self.bind_at(Instant::now(), worker, wanted, owner)
    }

    fn bind_at(
        &self,
        now: Instant,
        worker: usize,
        wanted: Wanted,
        owner: &Owner,
    ) -> Result<RelayPort, BindError> {
        self.expire_reservations(now);
        if self.draining.load(Ordering::Relaxed) {
            return Err(BindError::Capacity);
        }
        if let WantedPort::Reserved(token) = wanted.port {
            return self.bind_reserved(worker, token, owner);
        }
        self.quotas().acquire(owner)?;
        let port = match wanted.port {
            WantedPort::EvenWithNext => self.claim_pair(now, worker, wanted, owner),
            _ => {
                let port = self.claim_port(now, worker, wanted).ok_or(BindError::Capacity);
                port.map(|(claim, socket)| RelayPort { claim, socket, reserved: None })
            }
        };
        port.inspect_err(|_| self.release_quota(owner))
    }

    /// An even port and the next. Where another program has the next, another pair will do.
    fn claim_pair(
        &self,
        now: Instant,
        worker: usize,
        wanted: Wanted,
        owner: &Owner,
    ) -> Result<RelayPort, BindError> {
        for _ in 0..PAIRS {
            let even = self.claim_port(now, worker, wanted).ok_or(BindError::Capacity)?;
            match self.with_next(now, even.0, even.1, owner) {
                Err(BindError::Capacity) => {}
                done => return done,
            }
        }
        Err(BindError::Capacity)
    }

    /// Holds the next port, too, as if it were another allocation of the same owner.
    fn with_next(
        &self,
        now: Instant,
        claim: Claim,
        socket: Socket,
        owner: &Owner,
    ) -> Result<RelayPort, BindError> {
        let next = self.ports.next(claim);
        // A statement of its own: the ledger's lock is let go before anything else may want it.
        let counted = self.quotas().acquire(owner);
        let held =
            counted.and_then(|()| self.bound(next, now).inspect_err(|_| self.release_quota(owner)));
        match held {
            Ok(socket_of_next) => {
                // 64 random bits are taken by nobody else.
                let token = ReservationToken(rand::random());
                let now = now.duration_since(self.started);
                self.reservations().hold(now, token, owner.clone(), (next, socket_of_next));
                Ok(RelayPort { claim, socket, reserved: Some(token) })
            }
            Err(error) => {
                drop(socket);
                self.ports.release(claim);
                Err(error)
            }
        }
    }

    /// The socket of a reserved port, which is given back if it cannot be had.
    fn bound(&self, claim: Claim, now: Instant) -> Result<Socket, BindError> {
        let address = self.ports.local(claim);
        let socket = sockets::relay_socket(Family::of(address.ip()), RelayTransport::Udp)
            .and_then(|socket| socket.bind(&address.into()).map(|()| socket));
        socket.map_err(|error| {
            match error.kind() {
                io::ErrorKind::AddrInUse => self.ports.set_aside(claim, now),
                _ => self.ports.release(claim),
            }
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

    /// The port that is held under a token, if it is held for this user: it counted against whoever reserved it, and counts
    /// against the allocation from now on.
    fn bind_reserved(
        &self,
        worker: usize,
        token: ReservationToken,
        owner: &Owner,
    ) -> Result<RelayPort, BindError> {
        let mut reservations = self.reservations();
        let before = reservations.owner(token, &owner.user).ok_or(BindError::Capacity)?;
        {
            let mut quotas = self.quotas();
            quotas.release(before);
            if let Err(error) = quotas.acquire(owner) {
                // What was just released can be had again.
                quotas.acquire(before)?;
                return Err(error);
            }
        }
        let (_, (claim, socket)) = reservations.take(token).ok_or(BindError::Capacity)?;
        self.ports.assign(claim, worker);
        Ok(RelayPort { claim, socket, reserved: None })
    }

    fn expire_reservations(&self, now: Instant) {
        let now = now.duration_since(self.started);
        let mut reservations = self.reservations();
        while let Some((owner, (claim, socket))) = reservations.expired(now) {
            drop(socket);
            self.ports.release(claim);
            self.release_quota(&owner);
        }
    }

    /// What bounds the packets of a user's allocations, in whichever workers they are.
    pub(super) fn bandwidth(&self, user: &User) -> Bandwidth {
        self.quotas().bandwidth(user)
    }

    /// Gives back what an allocation of `owner` counted for.
    pub(super) fn release_quota(&self, owner: &Owner) {
        self.quotas().release(owner);
    }

    /// A random port and a socket bound to it. Ports that other programs hold inside our range are passed over, and for a
    /// while not tried again unless nothing else is free.
    fn claim_port(&self, now: Instant, worker: usize, wanted: Wanted) -> Option<(Claim, Socket)> {
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
    ) -> Option<(Claim, Socket)> {
        let socket = sockets::relay_socket(wanted.family, wanted.transport);
        let socket = socket.map_err(|error| no_relay_socket(&error, None)).ok()?;
        for _ in 0..tries {
            let claim = self.ports.claim(wanted, worker, rand::random())?;
            let address = self.ports.local(claim);
            let give_back_next = || {
                if wanted.port == WantedPort::EvenWithNext {
                    self.ports.release(self.ports.next(claim));
                }
            };
            match sockets::bind_relay(&socket, address, wanted.transport) {
                Ok(()) => return Some((claim, socket)),
                Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                    give_back_next();
                    self.ports.set_aside(claim, now);
                }
                Err(error) => {
                    give_back_next();
                    no_relay_socket(&error, Some(address));
                    self.ports.release(claim);
                    return None;
                }
            }
        }
        None
    }

    fn reservations(&self) -> MutexGuard<'_, Reservations<(Claim, Socket)>> {
        // Nothing above leaves it half changed, even if its holder panics afterwards.
        self.reservations.lock().unwrap_or_else(PoisonError::into_inner)
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
mod tests;
