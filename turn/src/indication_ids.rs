//! Transaction ids for Data indications.

use hairpin_stun::TransactionId;
use sha2::{Digest, Sha256};

/// The RFC says random; ours start at a random one and count,
/// because nobody answers an indication, and a counter is what a packet can afford.
pub(crate) struct IndicationIds {
    head: [u8; 4],
    next: u64,
}

impl IndicationIds {
    /// From a digest, which says nothing of the seed.
    pub(crate) fn new(seed: u64) -> Self {
        let digest = Sha256::new().chain_update(b"indications").chain_update(seed.to_be_bytes());
        let [a, b, c, d, e, f, g, h, i, j, k, l, ..] = <[u8; 32]>::from(digest.finalize());
        Self { head: [a, b, c, d], next: u64::from_be_bytes([e, f, g, h, i, j, k, l]) }
    }

    pub(crate) fn next(&mut self) -> TransactionId {
        self.next = self.next.wrapping_add(1);
        let mut id = [0; 12];
        id[..4].copy_from_slice(&self.head);
        id[4..].copy_from_slice(&self.next.to_be_bytes());
        TransactionId(id)
    }
}
