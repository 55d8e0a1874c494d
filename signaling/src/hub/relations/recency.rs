//! Bounded memory of users, most of whom never come again: strangers make up as many names as they like.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What is known of users who were there of late. When there are too many, or too much is known, who was there the
/// longest time ago is forgotten.
#[derive(Debug)]
pub(super) struct Recency<V> {
    known: BTreeMap<Arc<str>, Known<V>>,
    /// The same, who was there the longest time ago first.
    order: BTreeMap<u64, Arc<str>>,
    last: u64,
    bytes: usize,
    most: Most,
}

/// How much is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub(super) users: usize,
    pub(super) bytes: usize,
}

#[derive(Debug)]
struct Known<V> {
    order: u64,
    bytes: usize,
    what: V,
}

/// How much room something takes, about.
pub(super) trait Size {
    fn bytes(&self) -> usize;
}

impl<V: Size + Default> Recency<V> {
    pub(super) fn new(most: Most) -> Self {
        Self { known: BTreeMap::new(), order: BTreeMap::new(), last: 0, bytes: 0, most }
    }

    pub(super) fn get(&self, user: &str) -> Option<&V> {
        self.known.get(user).map(|known| &known.what)
    }

    /// Changes what is known of a user, who thereby was there last.
    pub(super) fn change<T>(&mut self, user: &Arc<str>, change: impl FnOnce(&mut V) -> T) -> T {
        let mut what = self.forget(user).unwrap_or_default();
        let changed = change(&mut what);
        let bytes = size_of::<Known<V>>() + user.len() + what.bytes();
        self.last += 1;
        self.bytes += bytes;
        self.order.insert(self.last, user.clone());
        self.known.insert(user.clone(), Known { order: self.last, bytes, what });
        while self.known.len() > self.most.users || self.bytes > self.most.bytes {
            let Some((_, oldest)) = self.order.first_key_value() else { break };
            let oldest = oldest.clone();
            self.forget(&oldest);
        }
        changed
    }

    pub(super) fn forget(&mut self, user: &str) -> Option<V> {
        let Known { order, bytes, what } = self.known.remove(user)?;
        self.order.remove(&order);
        self.bytes -= bytes;
        Some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Size for u32 {
        fn bytes(&self) -> usize {
            0
        }
    }

    impl Size for String {
        fn bytes(&self) -> usize {
            self.len()
        }
    }

    #[test]
    fn who_was_there_the_longest_time_ago_is_forgotten_first() {
        let mut memory = Recency::<u32>::new(Most { users: 3, bytes: usize::MAX });
        for user in ["a", "b", "c", "a", "d"] {
            memory.change(&user.into(), |count| *count += 1);
        }
        assert_eq!(
            ["a", "b", "c", "d"].map(|user| memory.get(user).copied()),
            [Some(2), None, Some(1), Some(1)]
        );
    }

    #[test]
    fn what_is_known_is_bounded_in_bytes_and_all_of_it_is_given_back() {
        let mut memory = Recency::<String>::new(Most { users: 1000, bytes: 10_000 });
        for n in 0..1000 {
            memory.change(&format!("user-{n}").into(), |text| *text = "x".repeat(n));
            assert!(memory.bytes <= 10_000 && memory.known.len() == memory.order.len());
        }
        assert!(memory.get("user-999").is_some() && memory.get("user-0").is_none());
        for n in 0..1000 {
            memory.forget(&format!("user-{n}"));
        }
        assert_eq!((memory.bytes, memory.order.len()), (0, 0));
        memory.change(&"big".into(), |text| *text = "x".repeat(20_000));
        assert_eq!((memory.bytes, memory.known.len()), (0, 0), "what is too big is not kept");
    }
}
