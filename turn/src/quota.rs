//! How many allocations one user, one address and all together may hold (RFC 8656 s5).

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::num::NonZeroU64;

use crate::{Bandwidth, BindError, FairShare, Network, Owner, Rate, User};

/// Limits on allocations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Allocations a user may hold at once; `None` means no limit.
    pub user: Option<u32>,
    /// Allocations an IPv4 address or IPv6 /64 may hold at once; `None` means a fair share.
    pub address: Option<u32>,
    /// Allocations the whole server may hold at once; `None` means no limit.
    pub total: Option<u32>,
    /// Bytes a second that a user's allocations may relay, of both directions; `None` means no limit.
    pub user_bytes_per_second: Option<NonZeroU64>,
    /// The same of all users together.
    pub total_bytes_per_second: Option<NonZeroU64>,
}

/// Who holds how many allocations, over all shards: the one thing they share.
///
/// Call [`acquire`](Self::acquire) at [`Output::BindRelay`](crate::Output::BindRelay), and
/// [`release`](Self::release) at [`Output::CloseRelay`](crate::Output::CloseRelay) or when the
/// socket could not be bound after all. A user who holds nothing takes no memory.
///
/// Under a quota for users, whoever has an identity is bounded as that person, wherever it is. Everybody else is bounded
/// by the address: whoever has but a name of ours ([`User::is_pseudonym`]), and without that quota all.
#[derive(Clone, Debug)]
pub struct QuotaLedger {
    quotas: Quotas,
    held: BTreeMap<User, Held>,
    total_rate: Option<Arc<Rate>>,
    /// Under `None` is what people hold who are bounded as such.
    shares: FairShare<Option<Network>>,
}

impl QuotaLedger {
    /// A ledger in which nobody holds anything, for a server with room for so many: the ports of the family that has
    /// fewer, so that nobody takes all of one, or its descriptors.
    pub fn new(quotas: Quotas, room: usize) -> Self {
        let capacity = quotas.total.map_or(room, |total| room.min(count(total)));
        let shares = FairShare::new(capacity).at_most(quotas.address.map(count));
        let total_rate = quotas.total_bytes_per_second.map(|rate| Arc::new(Rate::new(rate)));
        Self { quotas, held: BTreeMap::new(), total_rate, shares }
    }

    /// Counts one more allocation of `owner`, or says which limit it would exceed.
    pub fn acquire(&mut self, owner: &Owner) -> Result<(), BindError> {
        let Self { quotas, held, shares, .. } = self;
        if quotas.total.is_some_and(|limit| shares.total() >= count(limit)) {
            return Err(BindError::TotalQuota);
        }
        let of_user = held.get(&owner.user).map_or(0, |held| held.allocations);
        if quotas.user.is_some_and(|limit| of_user >= limit) {
            return Err(BindError::UserQuota);
        }
        let key = quotas.key(owner);
        // Not whether all are taken: there may still be ports of the other family.
        if key.is_some() && !shares.allows(&key) {
            return Err(BindError::AddressQuota);
        }
        let rate = quotas.user_bytes_per_second;
        let new = || Held { allocations: 0, rate: rate.map(|rate| Arc::new(Rate::new(rate))) };
        held.entry(owner.user.clone()).or_insert_with(new).allocations += 1;
        shares.take(key);
        Ok(())
    }

    /// Counts one allocation of `owner` less. Giving back what was never taken changes nothing.
    pub fn release(&mut self, owner: &Owner) {
        let Some(held) = self.held.get_mut(&owner.user) else { return };
        held.allocations -= 1;
        if held.allocations == 0 {
            self.held.remove(&owner.user);
        }
        self.shares.release(&self.quotas.key(owner));
    }

    /// Allocations `user` holds.
    pub fn held(&self, user: &User) -> u32 {
        self.held.get(user).map_or(0, |held| held.allocations)
    }

    /// What bounds the packets of an allocation of `user`, who holds one.
    pub fn bandwidth(&self, user: &User) -> Bandwidth {
        let of_user = self.held.get(user).and_then(|held| held.rate.clone());
        Bandwidth { user: of_user, total: self.total_rate.clone() }
    }

    /// Allocations held by all.
    pub fn total(&self) -> usize {
        self.shares.total()
    }

    /// Allocations that an address may hold as long as there are plenty.
    pub fn most_of_an_address(&self) -> usize {
        self.shares.most()
    }
}

/// What a user has.
#[derive(Clone, Debug)]
struct Held {
    allocations: u32,
    rate: Option<Arc<Rate>>,
}

impl Quotas {
    /// What bounds an owner beside the quota for users: its network, or nothing.
    fn key(&self, owner: &Owner) -> Option<Network> {
        let is_a_person = self.user.is_some() && !owner.user.is_pseudonym();
        (!is_a_person).then_some(owner.network)
    }
}

fn count(limit: u32) -> usize {
    limit.try_into().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 1000;

    fn owner(user: User, host: u8) -> Owner {
        Owner { user, network: Network::of([192, 0, 2, host].into()) }
    }

    fn rest(id: &str, host: u8) -> Owner {
        owner(User::Rest(id.into()), host)
    }

    fn take_all(ledger: &mut QuotaLedger, owner: &Owner) -> (usize, BindError) {
        let mut taken = 0;
        loop {
            match ledger.acquire(owner) {
                Ok(()) => taken += 1,
                Err(error) => return (taken, error),
            }
        }
    }

    #[test]
    fn each_limit_holds_and_what_is_released_can_be_had_again() {
        let quotas = Quotas { user: Some(2), total: Some(3), ..Quotas::default() };
        let mut ledger = QuotaLedger::new(quotas, ROOM);
        let [ann, bob] = ["ann", "bob"].map(|id| rest(id, 1));
        assert_eq!(ledger.acquire(&ann), Ok(()));
        assert_eq!(ledger.acquire(&ann), Ok(()));
        assert_eq!(ledger.acquire(&ann), Err(BindError::UserQuota));
        assert_eq!(ledger.acquire(&bob), Ok(()));
        assert_eq!(ledger.acquire(&bob), Err(BindError::TotalQuota));
        ledger.release(&ann);
        assert_eq!(ledger.acquire(&bob), Ok(()));
        assert_eq!((ledger.held(&ann.user), ledger.held(&bob.user), ledger.total()), (1, 2, 3));
    }

    #[test]
    fn an_address_alone_has_a_quarter_of_what_there_is_whatever_it_is_called() {
        for (total, quarter) in [(None, 250), (Some(400), 100), (Some(4000), 250)] {
            let quotas = Quotas { total, ..Quotas::default() };
            let mut ledger = QuotaLedger::new(quotas, ROOM);
            let ann = rest("ann", 1);
            assert_eq!(take_all(&mut ledger, &ann), (quarter, BindError::AddressQuota));
            assert_eq!(ledger.most_of_an_address(), quarter);
            assert_eq!(ledger.acquire(&rest("bob", 1)), Err(BindError::AddressQuota));
            let elsewhere = rest("ann", 2);
            assert_eq!(ledger.acquire(&elsewhere), Ok(()));
            [ann, elsewhere].iter().for_each(|owner| ledger.release(owner));
            assert_eq!(take_all(&mut ledger, &rest("bob", 1)).0, 1);
        }
    }

    #[test]
    fn under_a_quota_for_users_a_person_is_bounded_as_such_and_a_name_of_ours_by_the_address_too() {
        let quotas = Quotas { user: Some(300), ..Quotas::default() };
        let mut ledger = QuotaLedger::new(quotas, ROOM);
        let people = [rest("ann", 1), owner(User::Static("ann".into()), 1)];
        for person in &people {
            assert_eq!(take_all(&mut ledger, person), (300, BindError::UserQuota));
        }
        // Of the 400 that the two have left free.
        let stranger = rest("~0123", 1);
        assert_eq!(take_all(&mut ledger, &stranger), (100, BindError::AddressQuota));
        people.iter().for_each(|person| ledger.release(person));
        assert_eq!(ledger.total(), 698);
        // A static user may call itself what it likes.
        assert_eq!(ledger.acquire(&owner(User::Static("~0123".into()), 1)), Ok(()));
    }

    #[test]
    fn a_fixed_number_replaces_the_share_of_an_address() {
        let quotas = Quotas { address: Some(400), ..Quotas::default() };
        let mut ledger = QuotaLedger::new(quotas, ROOM);
        assert_eq!(take_all(&mut ledger, &rest("ann", 1)), (400, BindError::AddressQuota));
    }

    #[test]
    fn a_static_user_and_a_rest_id_of_one_text_are_two_people() {
        let quotas = Quotas { user: Some(1), ..Quotas::default() };
        let mut ledger = QuotaLedger::new(quotas, ROOM);
        let (fixed, rest) = (owner(User::Static("ann".into()), 1), rest("ann", 1));
        assert_eq!(ledger.acquire(&rest), Ok(()));
        assert_eq!(ledger.acquire(&fixed), Ok(()));
        assert_eq!(ledger.acquire(&fixed), Err(BindError::UserQuota));
    }

    #[test]
    fn a_user_without_allocations_takes_no_memory() {
        let mut ledger = QuotaLedger::new(Quotas::default(), ROOM);
        let ann = rest("ann", 1);
        ledger.acquire(&ann).expect("there are plenty");
        ledger.release(&ann);
        ledger.release(&ann);
        assert!(ledger.held.is_empty());
        assert_eq!((ledger.total(), ledger.shares.held(&Some(ann.network))), (0, 0));
    }
}
