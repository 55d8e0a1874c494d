//! The relay port range: which ports are taken, and by which worker.
//!
//! Shared by all workers and read on the packet path, so it is a table of atomics and not a lock: an
//! allocation claims its port with one compare-and-swap, and a hairpin finds the port's owner with one load.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use hairpin_turn::{Family, RelayTransport, RelayedAddr, Wanted, WantedPort};

const FREE: u16 = 0;
/// Held for somebody's next allocation: of no worker yet.
const RESERVED: u16 = u16::MAX - 1;
/// Another program has it.
const FOREIGN: u16 = u16::MAX;
/// Beside the worker's number: a TCP allocation has it, and gets no datagrams.
const LISTENS: u16 = 1 << 15;

/// How many ports that other programs had are made free at a time.
pub(super) const AGAIN: usize = 64;

/// An address relay sockets are bound to, and how peers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RelayIp {
    /// The local address.
    pub(crate) bind: IpAddr,
    /// The address in XOR-RELAYED-ADDRESS; differs from `bind` behind a 1:1 NAT.
    pub(crate) advertised: IpAddr,
}

/// Every relay address with the owners of its ports.
pub(super) struct PortTable {
    range: RangeInclusive<u16>,
    addresses: Vec<(RelayIp, Box<[AtomicU16]>)>,
    /// Marked as foreign, with the time, oldest first.
    aside: Mutex<VecDeque<(Instant, Claim)>>,
}

/// A port held for one worker on one relay address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    address: usize,
    port: u16,
}

impl PortTable {
    pub(super) fn new(addresses: &[RelayIp], range: RangeInclusive<u16>) -> Self {
        let table = || range.clone().map(|_| AtomicU16::new(FREE)).collect();
        Self {
            addresses: addresses.iter().map(|ip| (*ip, table())).collect(),
            range,
            aside: Mutex::default(),
        }
    }

    /// Claims a free port for a worker, and reserves the next one if that is wanted, beginning the search at a place that `random` chooses and going
    /// round the whole range once, so that the last free port is found too.
    pub(super) fn claim(&self, wanted: Wanted, worker: usize, random: u32) -> Option<Claim> {
        let size = usize::from(self.range.end() - self.range.start()) + 1;
        let start = random as usize % size;
        let of_family = self
            .addresses
            .iter()
            .enumerate()
            .filter(|(_, (ip, _))| Family::of(ip.bind) == wanted.family);
        for (address, (_, owners)) in of_family {
            for offset in (start..size).chain(0..start) {
                let port = self.range.start() + offset as u16;
                if wanted.port != WantedPort::Any && port % 2 == 1 {
                    continue;
                }
                if !take(&owners[offset], owner_mark(worker, wanted.transport)) {
                    continue;
                }
                let claim = Claim { address, port };
                if wanted.port != WantedPort::EvenWithNext
                    || owners.get(offset + 1).is_some_and(|next| take(next, RESERVED))
                {
                    return Some(claim);
                }
                self.release(claim);
            }
        }
        None
    }

    /// The port that was reserved with a claim.
    pub(super) fn next(&self, claim: Claim) -> Claim {
        Claim { port: claim.port + 1, ..claim }
    }

    /// Gives a reserved port to a worker.
    pub(super) fn assign(&self, claim: Claim, worker: usize) {
        self.mark(claim, owner_mark(worker, RelayTransport::Udp));
    }

    /// Gives a port back.
    pub(super) fn release(&self, claim: Claim) {
        self.mark(claim, FREE);
    }

    /// Gives a port back that another program has: it is not claimed again for a while.
    pub(super) fn set_aside(&self, claim: Claim, now: Instant) {
        self.mark(claim, FOREIGN);
        self.aside().push_back((now, claim));
    }

    /// Makes ports free that were set aside before `since`, the oldest of them and at most [`AGAIN`].
    pub(super) fn take_back(&self, since: Instant) {
        let mut aside = self.aside();
        for _ in 0..AGAIN {
            match aside.front() {
                Some((at, claim)) if *at < since => self.mark(*claim, FREE),
                _ => return,
            }
            aside.pop_front();
        }
    }

    fn mark(&self, claim: Claim, mark: u16) {
        let offset = usize::from(claim.port - self.range.start());
        self.addresses[claim.address].1[offset].store(mark, Ordering::Release);
    }

    fn aside(&self) -> MutexGuard<'_, VecDeque<(Instant, Claim)>> {
        // Nothing above leaves it half changed, even if its holder panics afterwards.
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where to bind the socket of a claim.
    pub(super) fn local(&self, claim: Claim) -> SocketAddr {
        SocketAddr::new(self.addresses[claim.address].0.bind, claim.port)
    }

    /// What peers see of a claim.
    pub(super) fn relayed(&self, claim: Claim) -> RelayedAddr {
        RelayedAddr(SocketAddr::new(self.addresses[claim.address].0.advertised, claim.port))
    }

    /// The worker that holds a relayed address, in its advertised or its bound form, and the address in the advertised form.
    pub(super) fn owner(&self, to: RelayedAddr) -> Option<(usize, RelayedAddr)> {
        match self.look_up(to.0)? {
            (_, FREE | LISTENS..) => None,
            (ip, mark) => {
                let relayed = RelayedAddr(SocketAddr::new(ip.advertised, to.0.port()));
                Some((usize::from(mark) - 1, relayed))
            }
        }
    }

    /// Where a TCP allocation of ours listens and what its peers see, given either.
    pub(super) fn listening(&self, at: SocketAddr) -> Option<(SocketAddr, RelayedAddr)> {
        match self.look_up(at)? {
            (_, FOREIGN | RESERVED) => None,
            (ip, LISTENS..) => {
                let [bound, advertised] =
                    [ip.bind, ip.advertised].map(|ip| SocketAddr::new(ip, at.port()));
                Some((bound, RelayedAddr(advertised)))
            }
            _ => None,
        }
    }

    /// The mark of a port on a relay address, in its advertised or its bound form.
    fn look_up(&self, at: SocketAddr) -> Option<(RelayIp, u16)> {
        let (ip, owners) =
            self.addresses.iter().find(|(ip, _)| ip.advertised == at.ip() || ip.bind == at.ip())?;
        let offset = at.port().checked_sub(*self.range.start())?;
        Some((*ip, owners.get(usize::from(offset))?.load(Ordering::Acquire)))
    }
}

fn take(owner: &AtomicU16, mark: u16) -> bool {
    owner.compare_exchange(FREE, mark, Ordering::AcqRel, Ordering::Relaxed).is_ok()
}

fn owner_mark(worker: usize, transport: RelayTransport) -> u16 {
    let mark = u16::try_from(worker + 1).ok().filter(|mark| *mark < RESERVED - LISTENS);
    let mark = mark.expect("workers are bounded by the number of cores");
    match transport {
        RelayTransport::Udp => mark,
        RelayTransport::Tcp => mark | LISTENS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY_V4: Wanted =
        Wanted { transport: RelayTransport::Udp, family: Family::V4, port: WantedPort::Any };

    fn table(range: RangeInclusive<u16>) -> PortTable {
        let bind = "10.0.0.5".parse().expect("literal");
        let advertised = "203.0.113.5".parse().expect("literal");
        PortTable::new(&[RelayIp { bind, advertised }], range)
    }

    #[test]
    fn the_last_free_port_is_found_and_then_there_is_none() {
        let table = table(50_000..=50_003);
        let mut ports: Vec<u16> = (0..4)
            .map(|i| table.claim(ANY_V4, 0, 3 * i + 2).expect("a port is free").port)
            .collect();
        assert_eq!(table.claim(ANY_V4, 0, 1), None);
        ports.sort_unstable();
        assert_eq!(ports, [50_000, 50_001, 50_002, 50_003]);
    }

    #[test]
    fn a_port_that_listens_gets_no_packets_and_is_found_by_either_form() {
        let table = table(50_000..=50_003);
        let tcp = Wanted { transport: RelayTransport::Tcp, ..ANY_V4 };
        let claim = table.claim(tcp, 7, 1).expect("a port is free");
        let (bound, relayed) = (table.local(claim), table.relayed(claim));
        assert_eq!(table.owner(relayed), None);
        for form in [bound, relayed.0] {
            assert_eq!(table.listening(form), Some((bound, relayed)));
        }
        table.release(claim);
        assert_eq!(table.listening(bound), None);
        table.set_aside(table.claim(ANY_V4, 0, 1).expect("a port is free"), Instant::now());
        assert_eq!(table.listening(bound), None, "another program's");
    }

    #[test]
    fn an_even_port_is_even_or_there_is_none() {
        let table = table(50_001..=50_004);
        let even = Wanted { port: WantedPort::Even, ..ANY_V4 };
        let mut ports: Vec<u16> =
            (0..2).map(|i| table.claim(even, 0, i).expect("two are even").port).collect();
        ports.sort_unstable();
        assert_eq!(ports, [50_002, 50_004]);
        assert_eq!(table.claim(even, 0, 0), None);
    }

    #[test]
    fn the_next_port_is_reserved_and_nobodys_until_it_is_assigned() {
        let table = table(50_001..=50_004);
        let pair = Wanted { port: WantedPort::EvenWithNext, ..ANY_V4 };
        let claim = table.claim(pair, 0, 3).expect("one pair is there");
        let next = table.next(claim);
        assert_eq!((claim.port, next.port), (50_002, 50_003));
        assert_eq!(table.claim(pair, 0, 0), None, "50,004 has no next one");
        assert_eq!(table.owner(table.relayed(next)), None);
        table.assign(next, 7);
        assert_eq!(table.owner(table.relayed(next)).map(|(worker, _)| worker), Some(7));
        table.release(claim);
        table.release(next);
        assert!(table.claim(pair, 0, 0).is_some(), "both are free again");
    }

    #[test]
    fn a_family_without_an_address_has_no_ports() {
        assert_eq!(
            table(50_000..=50_003).claim(Wanted { family: Family::V6, ..ANY_V4 }, 0, 0),
            None
        );
    }

    #[test]
    fn the_owner_is_found_by_either_form_of_the_address_until_release() {
        let table = table(50_000..=50_003);
        let claim = table.claim(ANY_V4, 7, 1).expect("a port is free");
        let advertised: SocketAddr = "203.0.113.5:50001".parse().expect("literal");
        assert_eq!(table.relayed(claim).0, advertised);
        assert_eq!(table.local(claim), "10.0.0.5:50001".parse().expect("literal"));
        for form in ["203.0.113.5:50001", "10.0.0.5:50001"] {
            let to = RelayedAddr(form.parse().expect("literal"));
            assert_eq!(table.owner(to), Some((7, RelayedAddr(advertised))));
        }
        for other in ["203.0.113.5:50002", "203.0.113.6:50001", "203.0.113.5:80", "10.0.0.5:60000"]
        {
            assert_eq!(table.owner(RelayedAddr(other.parse().expect("literal"))), None);
        }
        table.release(claim);
        assert_eq!(table.owner(RelayedAddr(advertised)), None);
    }
}
