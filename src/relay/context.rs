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
        let port = self.claim_port(now, worker, wanted).ok_or(BindError::Capacity);
        let port = port.and_then(|(claim, socket)| match wanted.port {
            WantedPort::EvenWithNext => self.with_next(now, claim, socket, owner),
            _ => Ok(RelayPort { claim, socket, reserved: None }),
        });
        port.inspect_err(|_| self.release_quota(owner))
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
mod tests {
    use std::net::{IpAddr, Ipv4Addr, UdpSocket};

    use hairpin_turn::{Network, Quotas};

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
        let context =
            RelayContext::new(ports, QuotaLedger::new(Quotas::default(), 300), Budgets::plenty());
        let wanted = Wanted { port: WantedPort::Any, ..PAIR };
        let owner = Owner { user: User::Rest("ann".into()), network: Network::of(ip) };
        let bind = || context.bind(0, wanted, &owner);

        let RelayPort { claim, socket: first, .. } = bind().expect("one is free");
        assert_eq!(context.ports.local(claim).port(), 20_217);
        assert_eq!(bind().map(drop), Err(BindError::Capacity));
        drop(held.remove(3));
        // Of 299 ports set aside each Allocate tries 64 again.
        let found = (0..5).find_map(|_| bind().ok());
        let second = found.expect("a program has given one back");
        let second = second.socket.local_addr().expect("bound").as_socket();
        assert_eq!(second.map(|address| address.port()), Some(20_003));
        drop(first);
        context.ports.release(claim);
        bind().expect("ours has come back");
    }

    fn owner(id: &str, host: u8) -> Owner {
        Owner { user: User::Rest(id.into()), network: Network::of([192, 0, 2, host].into()) }
    }

    const PAIR: Wanted = Wanted {
        transport: RelayTransport::Udp,
        family: Family::V4,
        port: WantedPort::EvenWithNext,
    };

    fn reserved(token: ReservationToken) -> Wanted {
        Wanted { port: WantedPort::Reserved(token), ..PAIR }
    }

    /// One pair of ports on an address of loopback's that nobody else uses.
    fn context_of_a_pair(quotas: Quotas) -> RelayContext {
        let [x, y] = rand::random::<[u8; 2]>();
        let ip = IpAddr::from(Ipv4Addr::new(127, 79, x, y));
        let ports = PortTable::new(&[RelayIp { bind: ip, advertised: ip }], 20_000..=20_001);
        RelayContext::new(ports, QuotaLedger::new(quotas, 300), Budgets::plenty())
    }

    #[test]
    fn a_next_port_that_another_program_holds_counts_for_nobody() {
        let context = context_of_a_pair(Quotas::default());
        let ann = owner("ann", 1);
        let any = Wanted { port: WantedPort::Even, ..PAIR };
        let even = context.bind(0, any, &ann).expect("it is free");
        let next = context.ports.local(context.ports.next(even.claim));
        let _held = UdpSocket::bind(next).expect("nobody has it");
        context.ports.release(even.claim);
        drop(even);
        context.release_quota(&ann);
        assert_eq!(context.bind(0, PAIR, &ann).err(), Some(BindError::Capacity));
        assert_eq!(context.quotas().total(), 0);
    }

    #[test]
    fn c074_c075_a_reserved_port_is_bound_its_users_and_handed_out_once() {
        let context = context_of_a_pair(Quotas { user: Some(2), ..Quotas::default() });
        let (ann, bob) = (owner("ann", 1), owner("bob", 1));
        let first = context.bind(0, PAIR, &ann).expect("the pair is free");
        let token = first.reserved.expect("the next one is held");
        let next = context.ports.local(context.ports.next(first.claim));
        UdpSocket::bind(next).expect_err("it is bound for whoever claims it");
        assert_eq!(context.bind(0, PAIR, &ann).err(), Some(BindError::UserQuota), "it counts");
        assert_eq!(context.bind(1, reserved(token), &bob).err(), Some(BindError::Capacity));
        let ann_elsewhere = owner("ann", 2);
        let second = context.bind(1, reserved(token), &ann_elsewhere).expect("it is hers");
        assert_eq!(second.socket.local_addr().expect("bound"), next.into());
        let holder = context.ports.owner(context.ports.relayed(second.claim));
        assert_eq!(holder.map(|(worker, _)| worker), Some(1));
        assert_eq!(context.bind(1, reserved(token), &ann).err(), Some(BindError::Capacity));
        assert_eq!(context.quotas().held(&ann.user), 2);
        context.release_quota(&ann);
        context.release_quota(&ann_elsewhere);
        assert_eq!(context.quotas().total(), 0);
    }

    #[test]
    fn c083_a_reservation_is_held_for_thirty_seconds_and_comes_back_if_nobody_claims_it() {
        let context = context_of_a_pair(Quotas::default());
        let ann = owner("ann", 1);
        let first = context.bind(0, PAIR, &ann).expect("the pair is free");
        let token = first.reserved.expect("the next one is held");
        let any = Wanted { port: WantedPort::Any, ..PAIR };
        let at = |seconds| context.started + Duration::from_secs(seconds);
        assert_eq!(context.bind_at(at(30), 0, any, &ann).err(), Some(BindError::Capacity));
        assert_eq!(
            context.bind_at(at(60), 0, reserved(token), &ann).err(),
            Some(BindError::Capacity)
        );
        assert_eq!(context.quotas().total(), 1);
        assert!(context.bind_at(at(60), 0, any, &ann).is_ok());
    }
}
