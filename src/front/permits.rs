//! How many connections may be open without having said what they are.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::oneshot;

/// A bounded number of permits. When there is none left, the one that was given out first is withdrawn: whoever
/// opens connections and says nothing pushes out its own, and a client that speaks at once gets in meanwhile. If
/// newcomers were refused instead, such a one would keep everybody out for as long as silence is allowed.
#[derive(Clone, Debug)]
pub(crate) struct Permits {
    given: Arc<Mutex<Given>>,
    most: usize,
}

/// Permits by age. Dropping a permit's sender withdraws it.
#[derive(Debug, Default)]
struct Given {
    holders: BTreeMap<u64, oneshot::Sender<Infallible>>,
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
        Self { given: Arc::default(), most }
    }

    /// A new permit, in place of the oldest if there are too many.
    pub(crate) fn give(&self) -> Permit {
        let (holder, withdrawn) = oneshot::channel();
        let mut given = self.given();
        if given.holders.len() >= self.most {
            given.holders.pop_first();
        }
        let number = given.next;
        given.next += 1;
        given.holders.insert(number, holder);
        Permit { number, withdrawn, permits: self.clone() }
    }

    /// Withdraws every permit.
    pub(crate) fn withdraw_all(&self) {
        self.given().holders.clear();
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().expect("nothing panics while it holds this lock")
    }
}

impl Permit {
    /// Returns when the permit is withdrawn.
    pub(crate) async fn withdrawn(&mut self) {
        let Err(_) = (&mut self.withdrawn).await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.given().holders.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn is_withdrawn(permit: &mut Permit) -> bool {
        permit.withdrawn().now_or_never().is_some()
    }

    #[test]
    fn when_there_are_too_many_the_oldest_goes() {
        let permits = Permits::new(2);
        let [mut first, mut second] = [permits.give(), permits.give()];
        assert!(!is_withdrawn(&mut first));
        let mut third = permits.give();
        assert!(is_withdrawn(&mut first));
        assert!(!is_withdrawn(&mut second) && !is_withdrawn(&mut third));
    }

    #[test]
    fn what_is_given_back_makes_room() {
        let permits = Permits::new(2);
        let [mut first, second] = [permits.give(), permits.give()];
        drop(second);
        let mut third = permits.give();
        assert!(!is_withdrawn(&mut first));
        permits.withdraw_all();
        assert!(is_withdrawn(&mut first) && is_withdrawn(&mut third));
    }
}
