//! How much of a bounded thing one key may hold.

use alloc::collections::BTreeMap;
use core::net::{IpAddr, Ipv6Addr};

/// What one subscriber has to itself: an IPv4 address, or an IPv6 /64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of an address; IPv4 in IPv6 is IPv4.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => {
                Self(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))))
            }
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }

    /// Its first address, which stands for all of it.
    pub fn first(self) -> IpAddr {
        self.0
    }
}

/// Places, shared so that nobody is left without because one took all.
///
/// A key may hold a third of what the others have left free, itself not counted: alone it comes to a quarter of the
/// capacity, and however many try to take all, there is room for a newcomer. While there is plenty, that is much,
/// because a school or a carrier lives behind one address; and a few places a key gets in any case, as long as there
/// are any. Who holds nothing takes no memory.
#[derive(Clone, Debug)]
pub struct FairShare<K> {
    capacity: usize,
    most: Option<usize>,
    total: usize,
    held: BTreeMap<K, usize>,
}

impl<K: Ord> FairShare<K> {
    /// What a key may hold however scarce places are.
    pub const FLOOR: usize = 8;

    /// So many places, of which nobody holds any.
    pub fn new(capacity: usize) -> Self {
        Self { capacity, most: None, total: 0, held: BTreeMap::new() }
    }

    /// With a fixed number of places for every key, in place of a share.
    #[must_use]
    pub fn at_most(mut self, most: Option<usize>) -> Self {
        self.most = most;
        self
    }

    /// Gives a key one more place, unless it has its share or there is none left.
    #[must_use]
    pub fn admit(&mut self, key: K) -> bool {
        let admits = !self.is_full() && self.allows(&key);
        if admits {
            self.take(key);
        }
        admits
    }

    /// Whether a key has less than its share, even if there is no place left.
    pub fn allows(&self, key: &K) -> bool {
        let held = self.held(key);
        held < self.most.unwrap_or(self.share(held))
    }

    /// Gives a key one more place, whatever its share and whatever is left.
    pub fn take(&mut self, key: K) {
        *self.held.entry(key).or_default() += 1;
        self.total += 1;
    }

    /// Takes one place back. Giving back what was never taken changes nothing.
    pub fn release(&mut self, key: &K) {
        let Some(held) = self.held.get_mut(key) else { return };
        *held -= 1;
        self.total -= 1;
        if *held == 0 {
            self.held.remove(key);
        }
    }

    /// Places a key holds.
    pub fn held(&self, key: &K) -> usize {
        self.held.get(key).copied().unwrap_or(0)
    }

    /// Places that all hold.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Places that a key may hold which is alone.
    pub fn most(&self) -> usize {
        self.most.unwrap_or((self.capacity / 4).max(Self::FLOOR)).min(self.capacity)
    }

    /// Whether there is no place left for anybody.
    pub fn is_full(&self) -> bool {
        self.total >= self.capacity
    }

    /// Places that a key may hold now which holds so many: 3 * share <= what is free then.
    fn share(&self, held: usize) -> usize {
        let beside = self.capacity.saturating_sub(self.total - held);
        (beside / 4).max(Self::FLOOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_all(share: &mut FairShare<u32>, key: u32) -> usize {
        core::iter::repeat_with(|| share.admit(key)).take_while(|admitted| *admitted).count()
    }

    #[test]
    fn one_key_alone_comes_to_a_quarter() {
        let mut share = FairShare::new(1000);
        assert_eq!((take_all(&mut share, 1), share.most()), (250, 250));
        share.release(&1);
        assert!(share.admit(1) && !share.admit(1));
    }

    #[test]
    fn ten_who_take_all_they_get_leave_room_for_newcomers() {
        let mut share = FairShare::new(10_000);
        for hog in 0..10 {
            assert!(take_all(&mut share, hog) <= 2_500);
        }
        assert!(share.total() < 9_500, "{}", share.total());
        for newcomer in 100..150 {
            assert_eq!((0..8).filter(|_| share.admit(newcomer)).count(), 8);
        }
    }

    #[test]
    fn a_few_places_are_for_everyone_and_never_more_than_there_are() {
        let mut share = FairShare::new(20);
        assert_eq!([1, 2, 3].map(|key| take_all(&mut share, key)), [8, 8, 4]);
        assert_eq!(share.total(), 20);
    }

    #[test]
    fn a_fixed_number_replaces_the_share() {
        let mut share = FairShare::new(20).at_most(Some(15));
        assert_eq!(share.most(), 15);
        assert_eq!([1, 2].map(|key| take_all(&mut share, key)), [15, 5]);
    }

    #[test]
    fn who_holds_nothing_takes_no_memory() {
        let mut share = FairShare::new(100);
        for key in 0..1000 {
            assert!(share.admit(key));
            share.release(&key);
            share.release(&key);
        }
        assert!(share.held.is_empty() && share.total() == 0);
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_an_ipv6_64() {
        let of = |text: &str| Network::of(text.parse().expect("an address"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.2"), of("192.0.2.1"));
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::9"));
        assert_ne!(of("2001:db8:0:2::1"), of("2001:db8:0:1::1"));
    }
}
