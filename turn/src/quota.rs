//! How many allocations one user and all users together may hold (RFC 8656 s5).

use alloc::collections::BTreeMap;

use crate::{BindError, User};

/// Limits on allocations; `None` means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Allocations a user may hold at once.
    pub user: Option<u32>,
    /// Allocations the whole server may hold at once.
    pub total: Option<u32>,
}

/// Who holds how many allocations, over all shards: the one thing they share.
///
/// Call [`acquire`](Self::acquire) at [`Output::BindRelay`](crate::Output::BindRelay), and
/// [`release`](Self::release) at [`Output::CloseRelay`](crate::Output::CloseRelay) or when the
/// socket could not be bound after all. A user who holds nothing takes no memory.
#[derive(Clone, Debug, Default)]
pub struct QuotaLedger {
    quotas: Quotas,
    total: u32,
    held: BTreeMap<User, u32>,
}

impl QuotaLedger {
    /// A ledger in which nobody holds anything.
    pub fn new(quotas: Quotas) -> Self {
        Self { quotas, total: 0, held: BTreeMap::new() }
    }

    /// Counts one more allocation of `user`, or says which quota it would exceed.
    pub fn acquire(&mut self, user: &User) -> Result<(), BindError> {
        if self.quotas.total.is_some_and(|limit| self.total >= limit) {
            return Err(BindError::TotalQuota);
        }
        if self.quotas.user.is_some_and(|limit| self.held(user) >= limit) {
            return Err(BindError::UserQuota);
        }
        *self.held.entry(user.clone()).or_default() += 1;
        self.total += 1;
        Ok(())
    }

    /// Counts one allocation of `user` less. Giving back what was never taken changes nothing.
    pub fn release(&mut self, user: &User) {
        let Some(held) = self.held.get_mut(user) else { return };
        *held -= 1;
        self.total -= 1;
        if *held == 0 {
            self.held.remove(user);
        }
    }

    /// Allocations `user` holds.
    pub fn held(&self, user: &User) -> u32 {
        self.held.get(user).copied().unwrap_or(0)
    }

    /// Allocations held by all.
    pub fn total(&self) -> u32 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_holds_and_what_is_released_can_be_had_again() {
        let mut ledger = QuotaLedger::new(Quotas { user: Some(2), total: Some(3) });
        let [ann, bob] = ["ann", "bob"].map(|id| User::Rest(id.into()));
        assert_eq!(ledger.acquire(&ann), Ok(()));
        assert_eq!(ledger.acquire(&ann), Ok(()));
        assert_eq!(ledger.acquire(&ann), Err(BindError::UserQuota));
        assert_eq!(ledger.acquire(&bob), Ok(()));
        assert_eq!(ledger.acquire(&bob), Err(BindError::TotalQuota));
        ledger.release(&ann);
        assert_eq!(ledger.acquire(&bob), Ok(()));
        assert_eq!((ledger.held(&ann), ledger.held(&bob), ledger.total()), (1, 2, 3));
    }

    #[test]
    fn a_static_user_and_a_rest_id_of_one_text_are_two_people() {
        let mut ledger = QuotaLedger::new(Quotas { user: Some(1), total: None });
        let (fixed, rest) = (User::Static("ann".into()), User::Rest("ann".into()));
        assert_eq!(ledger.acquire(&rest), Ok(()));
        assert_eq!(ledger.acquire(&fixed), Ok(()));
        assert_eq!(ledger.acquire(&fixed), Err(BindError::UserQuota));
    }

    #[test]
    fn a_user_without_allocations_takes_no_memory() {
        let mut ledger = QuotaLedger::new(Quotas::default());
        let user = User::Rest("ann".into());
        ledger.acquire(&user).expect("no limit is set");
        ledger.release(&user);
        ledger.release(&user);
        assert!(ledger.held.is_empty());
        assert_eq!(ledger.total(), 0);
    }
}
