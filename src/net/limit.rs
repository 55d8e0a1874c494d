//! How often one address may ask for something.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};
use governor::{Quota, RateLimiter};
use hairpin_turn::Network;

use crate::clock::Clock;

/// A rate per client address, by the generic cell rate algorithm.
#[derive(Debug)]
pub(crate) struct AddressLimit<C: GovernorClock = Clock> {
    limiter: RateLimiter<IpAddr, Cells, C, NoOpMiddleware<C::Instant>>,
}

impl<C: GovernorClock> AddressLimit<C> {
    /// This many per minute, which may all come at once.
    pub(crate) fn per_minute(times: NonZeroU32, clock: C) -> Self {
        Self { limiter: RateLimiter::new(Quota::per_minute(times), Cells::new(), clock) }
    }

    /// Takes one from an address's budget.
    ///
    /// # Errors
    /// How long to wait for the next.
    pub(crate) fn take(&self, address: IpAddr) -> Result<(), Duration> {
        self.limiter
            .check_key(&network(address))
            .map_err(|not_until| not_until.wait_time_from(self.limiter.clock().now()))
    }
}

/// What one client has to itself: an IPv4 address, or an IPv6 /64, by its first address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    Network::of(address).first()
}

/// The state of all addresses, in memory that does not grow: a table of cells, and the address's keyed hash
/// chooses one. Two addresses that share a cell share its budget, which strangers cannot aim at. A map would
/// have to grow with every /64 that asks, and one subscriber of IPv6 has thousands of those, or to forget somebody.
struct Cells {
    cells: Box<[InMemoryState]>,
    hasher: RandomState,
}

/// 512 KiB of cells.
const CELLS: usize = 1 << 16;

impl Cells {
    fn new() -> Self {
        let cells = (0..CELLS).map(|_| InMemoryState::default()).collect();
        Self { cells, hasher: RandomState::new() }
    }
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cells").finish_non_exhaustive()
    }
}

impl StateStore for Cells {
    type Key = IpAddr;

    fn measure_and_replace<T, F, E>(&self, network: &IpAddr, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let cell = self.hasher.hash_one(network) as usize % CELLS;
        self.cells[cell].measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

impl GovernorClock for Clock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.monotonic()
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_budget_runs_out_and_comes_back() {
        let clock = FakeRelativeClock::default();
        clock.advance(Duration::from_secs(1000));
        let times = NonZeroU32::new(3).expect("not zero");
        let limit = AddressLimit::per_minute(times, clock.clone());
        let client = ip("192.0.2.1");
        for _ in 0..3 {
            assert_eq!(limit.take(client), Ok(()));
        }
        assert_eq!(limit.take(client), Err(Duration::from_secs(20)));
        clock.advance(Duration::from_secs(19));
        assert_eq!(limit.take(client), Err(Duration::from_secs(1)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(limit.take(client), Ok(()));
        assert!(limit.take(client).is_err());
    }

    #[test]
    fn a_client_is_an_ipv4_address_or_an_ipv6_64() {
        assert_eq!(network(ip("::ffff:192.0.2.1")), network(ip("192.0.2.1")));
        assert_ne!(network(ip("192.0.2.2")), network(ip("192.0.2.1")));
        assert_eq!(network(ip("2001:db8:0:1::1")), network(ip("2001:db8:0:1:ffff::9")));
        assert_ne!(network(ip("2001:db8:0:2::1")), network(ip("2001:db8:0:1::1")));
    }
}
