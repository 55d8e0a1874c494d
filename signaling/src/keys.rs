//! What a hub makes its names and tokens with.

use std::fmt;
use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

/// The secrets of a hub. It has no entropy of its own.
#[derive(Clone)]
pub struct Keys {
    /// 128 random bits, other ones for every hub, but in a test.
    pub seed: [u64; 2],
    /// What pair and place tokens are signed with: the first signs, all are accepted. Servers that share one put calls
    /// together again that began at the other, and so does one that keeps it when it is started anew.
    pub secrets: Vec<Box<[u8]>>,
}

impl Keys {
    /// With one secret.
    pub fn new(seed: [u64; 2], secret: &[u8]) -> Self {
        Self { seed, secrets: vec![secret.into()] }
    }

    /// What the matcher of this hub's tickets is to hash with.
    pub fn matcher(&self) -> [u64; 2] {
        self.derive(4)
    }

    /// A key for one purpose, from which the seed cannot be told.
    pub(crate) fn derive(&self, purpose: u64) -> [u64; 2] {
        let mut hasher = SipHasher24::new_with_keys(self.seed[0], self.seed[1]);
        hasher.write_u64(purpose);
        let key = hasher.finish128();
        [key.h1, key.h2]
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}
