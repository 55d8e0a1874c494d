//! Who never meets whom again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::Denied;

/// How many one user may have.
const MOST_OF_ONE: usize = 200;
/// And all together, in number and in bytes of names.
const MOST: usize = 1 << 19;
const MOST_BYTES: usize = 32 << 20;

/// Blocks, by who made them. They last: when there is no room for more, there are no more.
#[derive(Debug, Default)]
pub(in crate::hub) struct Blocks {
    by: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    count: usize,
    bytes: usize,
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Kept {
    New,
    /// It was there.
    Already,
}

impl Blocks {
    /// # Errors
    /// There is no room for another one.
    pub(in crate::hub) fn add(&mut self, by: &Arc<str>, whom: &Arc<str>) -> Result<Kept, Denied> {
        let own = self.by.get(by);
        if own.is_some_and(|own| own.contains(whom)) {
            return Ok(Kept::Already);
        }
        if own.is_some_and(|own| own.len() >= MOST_OF_ONE) {
            let message = format!("a user blocks at most {MOST_OF_ONE} others: unblock one first");
            return Err(Denied::Invalid(message));
        }
        let bytes = whom.len() + if own.is_none() { by.len() } else { 0 };
        if self.count >= MOST || self.bytes + bytes > MOST_BYTES {
            return Err(Denied::Full(format!("the server keeps at most {MOST} blocks")));
        }
        self.by.entry(by.clone()).or_default().insert(whom.clone());
        (self.count, self.bytes) = (self.count + 1, self.bytes + bytes);
        Ok(Kept::New)
    }

    /// Whether there was one.
    pub(in crate::hub) fn remove(&mut self, by: &str, whom: &str) -> bool {
        let Some(own) = self.by.get_mut(by) else { return false };
        if !own.remove(whom) {
            return false;
        }
        (self.count, self.bytes) = (self.count - 1, self.bytes - whom.len());
        if own.is_empty() {
            self.by.remove(by);
            self.bytes -= by.len();
        }
        true
    }

    pub(in crate::hub) fn of(&self, by: &str) -> impl Iterator<Item = &Arc<str>> {
        self.by.get(by).into_iter().flatten()
    }

    pub(in crate::hub) fn has(&self, by: &str, whom: &str) -> bool {
        self.by.get(by).is_some_and(|own| own.contains(whom))
    }

    /// Whether either has blocked the other.
    pub(in crate::hub) fn between(&self, a: &str, b: &str) -> bool {
        self.has(a, b) || self.has(b, a)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_bounded_for_one_and_for_all_and_give_their_room_back() {
        let mut blocks = Blocks::default();
        let name = |n: usize| -> Arc<str> { format!("{n:0>40}").into() };
        for n in 0..MOST_OF_ONE {
            assert_eq!(blocks.add(&"a".into(), &name(n)), Ok(Kept::New));
        }
        assert!(matches!(blocks.add(&"a".into(), &"one-more".into()), Err(Denied::Invalid(_))));
        assert_eq!(blocks.add(&"a".into(), &name(7)), Ok(Kept::Already));
        let mut by = 0;
        while blocks.add(&name(by / 100), &name(by + 1_000_000)).is_ok() {
            by += 1;
        }
        assert!(blocks.count <= MOST && blocks.bytes <= MOST_BYTES);
        assert!(matches!(blocks.add(&"b".into(), &name(1)), Err(Denied::Full(_))));
        assert!(blocks.remove("a", &name(0)) && !blocks.remove("a", &name(0)));
        assert_eq!(blocks.add(&"b".into(), &"c".into()), Ok(Kept::New));
        assert!(blocks.between("b", "c") && blocks.between("c", "b") && !blocks.between("a", "b"));
        for n in 0..MOST_OF_ONE {
            blocks.remove("a", &name(n));
        }
        for n in 0..by {
            assert!(blocks.remove(&name(n / 100), &name(n + 1_000_000)));
        }
        assert!(blocks.remove("b", "c"));
        assert_eq!((blocks.count, blocks.bytes, blocks.by.len()), (0, 0, 0));
    }
}
