//! Users, words and pools by number, so that strangers' texts are read once.

use alloc::sync::Arc;

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;

use crate::arena::Arena;
use crate::ticket::User;
use crate::tickets::Slot;

/// The number of a text. The same text has one number as long as anybody uses it.
pub(crate) type Name = u32;

/// Texts, each with how often it is used and, if it is a user, the ticket of that one.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    seed: Seed,
    numbers: Numbers,
    texts: Arena<Text>,
}

#[derive(Clone, Debug)]
struct Text {
    text: User,
    uses: u32,
    /// [`NOBODY`] if it is no user's who has a ticket.
    ticket: Slot,
}

const NOBODY: Slot = Slot::MAX;

impl Names {
    pub(crate) fn new(seed: Seed) -> Self {
        Self { seed, numbers: Numbers::new(), texts: Arena::new() }
    }

    /// The number of a text, which is [released](Names::release) as often as it is taken.
    pub(crate) fn take(&mut self, text: &User) -> Name {
        let hash = self.seed.of_text(text);
        let known = self.numbers.find(hash, |name| *self.texts[name].text == **text);
        if let Some(name) = known {
            self.texts[name].uses += 1;
            return name;
        }
        let name = self.texts.insert(Text { text: Arc::clone(text), uses: 1, ticket: NOBODY });
        self.numbers.insert(hash, name);
        name
    }

    pub(crate) fn release(&mut self, name: Name) {
        let text = &mut self.texts[name];
        text.uses -= 1;
        if text.uses == 0 {
            let hash = self.seed.of_text(&text.text);
            self.numbers.remove(hash, name);
            self.texts.remove(name);
        }
    }

    /// The ticket of a user.
    pub(crate) fn ticket(&self, user: Name) -> Option<Slot> {
        let ticket = self.texts[user].ticket;
        (ticket != NOBODY).then_some(ticket)
    }

    pub(crate) fn set_ticket(&mut self, user: Name, ticket: Option<Slot>) {
        self.texts[user].ticket = ticket.unwrap_or(NOBODY);
    }

    /// How many texts there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }
}

/// What makes hashes that a stranger cannot foresee.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(pub(crate) [u64; 2]);

impl Seed {
    fn of_text(self, text: &str) -> u32 {
        SipHasher13::new_with_keys(self.0[0], self.0[1]).hash(text.as_bytes()) as u32
    }

    /// Of numbers, one after the other.
    pub(crate) fn of_numbers(self, numbers: impl Iterator<Item = u64>) -> u32 {
        let mix = |hash, number| self.mix(hash ^ number);
        let hash = numbers.fold(self.0[0], mix);
        (hash >> 32) as u32 ^ hash as u32
    }

    pub(crate) fn of_number(self, number: u64) -> u32 {
        self.of_numbers(core::iter::once(number))
    }

    /// Both halves of a product with what nobody else knows.
    fn mix(self, number: u64) -> u64 {
        let factor = self.0[1] ^ 0x9e37_79b9_7f4a_7c15 | 1;
        let product = u128::from(number) * u128::from(factor);
        (product >> 64) as u64 ^ product as u64
    }
}

/// Numbers by the hash of what they stand for. The hash is kept, so that growing looks nowhere else.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(HashTable<(u32, u32)>);

impl Numbers {
    pub(crate) fn new() -> Self {
        Self(HashTable::new())
    }

    pub(crate) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let found = self.0.find(wide(hash), |&(of, number)| of == hash && is_it(number));
        found.map(|&(_, number)| number)
    }

    pub(crate) fn insert(&mut self, hash: u32, number: u32) {
        self.0.insert_unique(wide(hash), (hash, number), |&(hash, _)| wide(hash));
    }

    pub(crate) fn remove(&mut self, hash: u32, number: u32) {
        if let Ok(entry) = self.0.find_entry(wide(hash), |&(_, at)| at == number) {
            entry.remove();
        }
        if self.0.is_empty() && self.0.capacity() > 1024 {
            self.0 = HashTable::new();
        }
    }
}

/// The table takes its buckets from the lower bits and its marks from the uppermost ones.
pub(crate) fn wide(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_until_nobody_uses_it() {
        let mut names = Names::new(Seed([1, 2]));
        let text: User = "ann".into();
        let name = names.take(&text);
        assert_eq!(names.take(&"ann".into()), name);
        assert_ne!(names.take(&"bob".into()), name);
        names.release(name);
        assert_eq!((names.len(), Arc::strong_count(&text)), (2, 2));
        names.release(name);
        assert_eq!((names.len(), Arc::strong_count(&text)), (1, 1));
    }

    #[test]
    fn another_seed_makes_other_hashes() {
        let [a, b] = [Seed([1, 2]), Seed([1, 5])];
        assert_ne!(a.of_text("ann"), b.of_text("ann"));
        assert_ne!(a.of_number(7), b.of_number(7));
    }
}
