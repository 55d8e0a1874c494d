//! How often one address may ask.

use std::hash::{BuildHasher, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::Duration;

/// A rate per client address, in memory that does not grow: a table of cells, and the address's keyed
/// hash chooses one. Two addresses that share a cell share its budget, which strangers cannot aim at.
///
/// A cell is the "theoretical arrival time" of the generic cell rate algorithm (ITU-T I.371): the time at
/// which the address will have used up nothing.
#[derive(Debug)]
pub(crate) struct AddressLimit {
    cells: Mutex<Box<[Duration]>>,
    hasher: RandomState,
    each: Duration,
}

/// 1 MiB of cells.
const CELLS: usize = 1 << 16;

/// What a full budget lasts for.
const BURST: Duration = Duration::from_secs(60);

impl AddressLimit {
    /// This many requests per minute, which may all come at once.
    pub(crate) fn new(per_minute: NonZeroU32) -> Self {
        Self {
            cells: Mutex::new(vec![Duration::ZERO; CELLS].into()),
            hasher: RandomState::new(),
            each: BURST / per_minute.get(),
        }
    }

    /// Takes one request from an address's budget, or says how long to wait for the next.
    pub(crate) fn take(&self, now: Duration, address: IpAddr) -> Result<(), Duration> {
        let cell = self.hasher.hash_one(network(address)) as usize % CELLS;
        let mut cells = self.cells.lock().expect("nothing panics while it holds this lock");
        let used = cells[cell].max(now) + self.each;
        let excess = used.saturating_sub(now + BURST);
        if excess > Duration::ZERO {
            return Err(excess);
        }
        cells[cell] = used;
        Ok(())
    }
}

/// What one client has to itself: an IPv4 address, or an IPv6 /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_budget_runs_out_and_comes_back() {
        let limit = AddressLimit::new(NonZeroU32::new(3).expect("not zero"));
        let (client, mut now) = (ip("192.0.2.1"), Duration::from_secs(1000));
        for _ in 0..3 {
            assert_eq!(limit.take(now, client), Ok(()));
        }
        assert_eq!(limit.take(now, client), Err(Duration::from_secs(20)));
        now += Duration::from_secs(19);
        assert_eq!(limit.take(now, client), Err(Duration::from_secs(1)));
        now += Duration::from_secs(1);
        assert_eq!(limit.take(now, client), Ok(()));
        assert!(limit.take(now, client).is_err());
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_64() {
        assert_eq!(network(ip("::ffff:192.0.2.1")), network(ip("192.0.2.1")));
        assert_ne!(network(ip("192.0.2.2")), network(ip("192.0.2.1")));
        assert_eq!(network(ip("2001:db8:0:1::1")), network(ip("2001:db8:0:1:ffff::9")));
        assert_ne!(network(ip("2001:db8:0:2::1")), network(ip("2001:db8:0:1::1")));
    }
}
