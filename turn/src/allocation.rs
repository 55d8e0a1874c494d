//! One allocation (RFC 8656 s3), and what is known of it before it has an address.

use alloc::boxed::Box;
use core::time::Duration;

use hairpin_stun::{Key, TransactionId};

use crate::channels::Channels;
use crate::permissions::Permissions;
use crate::{Family, FiveTuple, RelayedAddr, User};

/// A relayed transport address and who may use it how. Servers hold these by the ten thousand: a
/// test keeps them small.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) claim: Claim,
    pub(crate) relayed: RelayedAddr,
    pub(crate) expires: Duration,
    pub(crate) permissions: Permissions,
    pub(crate) channels: Channels,
}

/// Who asked for an allocation, and how: all that authentication settled.
#[derive(Debug)]
pub(crate) struct Claim {
    pub(crate) tuple: FiveTuple,
    /// All later requests must bear it (RFC 8656 s5).
    pub(crate) username: Box<str>,
    /// Whose quota counts.
    pub(crate) user: User,
    /// Kept, so that a REST credential can expire without the allocation's refreshes failing.
    pub(crate) key: Key,
    /// The Allocate request's, to know a retransmission from a second Allocate (RFC 8656 s7.2).
    pub(crate) transaction: TransactionId,
}

/// An allocation whose relay socket is being bound.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) claim: Claim,
    pub(crate) lifetime: Duration,
    /// Whether the answer carries FINGERPRINT.
    pub(crate) fingerprint: bool,
    /// The client went away meanwhile: what is bound is to be closed again.
    pub(crate) abandoned: bool,
}

impl Allocation {
    /// A new allocation has no permissions and no channels.
    pub(crate) fn new(claim: Claim, relayed: RelayedAddr, expires: Duration) -> Self {
        let (permissions, channels) = Default::default();
        Self { claim, relayed, expires, permissions, channels }
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(self.relayed.0.ip())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Besides it an allocation costs two table entries, a timer, and on the heap its username, a
    /// permission (40 bytes) and a channel (56 bytes).
    #[test]
    fn an_allocation_is_small() {
        assert!(size_of::<Allocation>() <= 256, "{}", size_of::<Allocation>());
    }
}
