//! How many connections may be open without having said what they are.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use hairpin_turn::{FairShare, Network};
use tokio::sync::oneshot;

/// A bounded number of permits. When there is none left, the one that was given out first is withdrawn: whoever
/// opens connections and says nothing pushes out its own, and a client that speaks at once gets in meanwhile. If
/// newcomers were refused instead, such a one would keep everybody out for as long as silence is allowed. Whoever holds
/// its share pushes out its own before that.
#[derive(Clone, Debug)]
pub(crate) struct Permits {
    given: Arc<Mutex<Given>>,
}

/// Permits by age. Dropping a permit's sender withdraws it.
#[derive(Debug)]
struct Given {
    holders: BTreeMap<u64, (Network, oneshot::Sender<Infallible>)>,
    shares: FairShare<Network>,
    next: u64,
}

/// The right to be open; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    number: u64,
    withdrawn: oneshot::Receiver<Infallible>,
    permits: Permits,
}

impl Permits {
    /// At most `most` at a time, which is above zero.
    pub(crate) fn new(most: usize) -> Self {
        let shares = FairShare::new(most);
        Self { given: Arc::new(Mutex::new(Given { holders: BTreeMap::new(), shares, next: 0 })) }
    }

    /// A new permit, in place of the oldest if there are too many: of this network, if it has its share.
    pub(crate) fn give(&self, address: IpAddr) -> Permit {
        let network = Network::of(address);
        let (holder, withdrawn) = oneshot::channel();
        let mut given = self.given();
        while !given.shares.admit(network) {
            let oldest = given.oldest(network);
            if oldest.is_none_or(|oldest| !given.withdraw(oldest)) {
                break;
            }
        }
        let number = given.next;
        given.next += 1;
        given.holders.insert(number, (network, holder));
        Permit { number, withdrawn, permits: self.clone() }
    }

    /// Withdraws the oldest permit.
    pub(crate) fn withdraw_oldest(&self) {
        let mut given = self.given();
        if let Some(oldest) = given.holders.keys().next().copied() {
            given.withdraw(oldest);
        }
    }

    /// Withdraws every permit.
    pub(crate) fn withdraw_all(&self) {
        let mut given = self.given();
        while let Some(oldest) = given.holders.keys().next().copied() {
            given.withdraw(oldest);
        }
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().expect("nothing panics while it holds this lock")
    }
}

impl Given {
    /// The oldest permit of a network, or of all if it has none.
    fn oldest(&self, network: Network) -> Option<u64> {
        let own = self.holders.iter().find(|(_, (holder, _))| *holder == network);
        own.or(self.holders.first_key_value()).map(|(number, _)| *number)
    }

    /// Takes a permit away, unless it is gone already.
    fn withdraw(&mut self, number: u64) -> bool {
        let Some((network, _)) = self.holders.remove(&number) else { return false };
        self.shares.release(&network);
        true
    }
}

impl Permit {
    /// Does something for as long as the permit is not withdrawn.
    ///
    /// # Errors
    /// It was withdrawn.
    pub(crate) async fn hold<T>(&mut self, work: impl Future<Output = T>) -> io::Result<T> {
        tokio::select! {
            biased;
            () = self.withdrawn() => Err(io::Error::other("a silent connection makes room")),
            done = work => Ok(done),
        }
    }

    /// Returns when the permit is withdrawn.
    async fn withdrawn(&mut self) {
        let Err(_) = (&mut self.withdrawn).await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.given().withdraw(self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn is_withdrawn(permit: &mut Permit) -> bool {
        permit.withdrawn().now_or_never().is_some()
    }

    const ANYONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn whoever_holds_its_share_pushes_out_its_own() {
        let permits = Permits::new(64);
        let mut newcomer = permits.give(ANYONE);
        let hog = [198, 51, 100, 1].into();
        let mut given: Vec<_> = (0..100).map(|_| permits.give(hog)).collect();
        assert!(!is_withdrawn(&mut newcomer), "it is older than all of them");
        let left =
            given.iter_mut().filter_map(|permit| (!is_withdrawn(permit)).then_some(())).count();
        assert_eq!(left, 15, "a quarter of what is left beside the other");
    }

    #[test]
    fn when_there_are_too_many_the_oldest_goes() {
        let permits = Permits::new(2);
        let [mut first, mut second] = [permits.give(ANYONE), permits.give(ANYONE)];
        assert!(!is_withdrawn(&mut first));
        let mut third = permits.give(ANYONE);
        assert!(is_withdrawn(&mut first));
        assert!(!is_withdrawn(&mut second) && !is_withdrawn(&mut third));
    }

    #[test]
    fn what_is_given_back_makes_room() {
        let permits = Permits::new(2);
        let [mut first, second] = [permits.give(ANYONE), permits.give(ANYONE)];
        drop(second);
        let mut third = permits.give(ANYONE);
        assert!(!is_withdrawn(&mut first));
        permits.withdraw_all();
        assert!(is_withdrawn(&mut first) && is_withdrawn(&mut third));
    }
}
