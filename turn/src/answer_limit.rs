//! How often strangers are answered.

use alloc::boxed::Box;
use alloc::vec;
use core::net::IpAddr;
use core::num::NonZeroU32;
use core::time::Duration;

use crate::Network;
use crate::key_hasher::KeyHasher;

/// 256 KiB of cells, of which only those in use take memory where the system gives it out by pages.
const CELLS: usize = 1 << 15;

/// For how many seconds' worth an address that was silent may be answered at once: a school's worth
/// of calls may begin at the same moment.
const BURST_SECONDS: u64 = 4;

const SECOND: u64 = 1_000_000_000;

/// A rate of answers to each network, by the generic cell rate algorithm.
///
/// Over UDP a source can be forged, and an answer then goes to whom the forger names. So what has
/// proven nothing is answered so often, and no table grows with the sources there are: each network
/// has a cell by its keyed hash. Two that share one share its rate, which strangers cannot aim at.
pub(crate) struct AnswerLimit {
    /// When each cell is as it was before anybody was answered, in nanoseconds; past is the same as
    /// now.
    cells: Box<[u64]>,
    hasher: KeyHasher,
    /// Between two answers, in nanoseconds.
    interval: u64,
}

impl AnswerLimit {
    /// `seed` keeps strangers from choosing who shares a cell.
    pub(crate) fn new(per_second: NonZeroU32, seed: u64) -> Self {
        let interval = (SECOND / u64::from(per_second.get())).max(1);
        Self { cells: vec![0; CELLS].into(), hasher: KeyHasher::new(seed), interval }
    }

    /// Whether a stranger at `ip` may be answered now; then it counts as done.
    pub(crate) fn admit(&mut self, now: Duration, ip: IpAddr) -> bool {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let place = self.hasher.network(Network::of(ip)) as usize % CELLS;
        let cell = &mut self.cells[place];
        let next = (*cell).max(now).saturating_add(self.interval);
        let admits = next - now <= BURST_SECONDS * SECOND;
        if admits {
            *cell = next;
        }
        admits
    }

    /// Memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.cells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: NonZeroU32 = NonZeroU32::new(100).unwrap();
    const START: Duration = Duration::from_secs(1000);

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    /// How many of 1,000 are answered at once.
    fn answers(limit: &mut AnswerLimit, now: Duration, client: &str) -> usize {
        (0..1_000).filter(|_| limit.admit(now, ip(client))).count()
    }

    #[test]
    fn a_burst_is_answered_and_then_the_rate() {
        let mut limit = AnswerLimit::new(RATE, 7);
        assert_eq!(answers(&mut limit, START, "192.0.2.1"), 400);
        assert_eq!(answers(&mut limit, START + Duration::from_secs(1), "192.0.2.1"), 100);
        assert_eq!(answers(&mut limit, START + Duration::from_millis(1_010), "192.0.2.1"), 1);
        assert_eq!(answers(&mut limit, START + Duration::from_secs(60), "192.0.2.1"), 400);
    }

    #[test]
    fn each_ipv4_address_and_each_64_has_its_own() {
        let mut limit = AnswerLimit::new(RATE, 7);
        assert_eq!(answers(&mut limit, START, "192.0.2.1"), 400);
        assert_eq!(answers(&mut limit, START, "192.0.2.2"), 400);
        assert_eq!(answers(&mut limit, START, "2001:db8:0:1::1"), 400);
        assert_eq!(answers(&mut limit, START, "2001:db8:0:1:ffff::2"), 0);
        assert_eq!(answers(&mut limit, START, "2001:db8:0:2::1"), 400);
    }

    /// A flood from all addresses there are takes nothing from anybody for long.
    #[test]
    fn no_state_is_kept_for_a_source() {
        let mut limit = AnswerLimit::new(RATE, 7);
        let before = limit.bytes();
        let crowd = (0..200_000_u32).map(|n| IpAddr::V4(core::net::Ipv4Addr::from_bits(n)));
        assert_eq!(crowd.filter(|&ip| limit.admit(START, ip)).count(), 200_000);
        assert_eq!(limit.bytes(), before);
    }

    #[test]
    fn the_extremes_do_no_harm() {
        for rate in [NonZeroU32::MIN, NonZeroU32::MAX] {
            let mut limit = AnswerLimit::new(rate, 7);
            assert!(limit.admit(Duration::ZERO, ip("192.0.2.1")));
            assert!(limit.admit(Duration::from_secs(10), ip("192.0.2.1")));
            limit.admit(Duration::MAX, ip("192.0.2.1"));
        }
    }
}
