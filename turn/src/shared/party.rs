//! Who is at a shared address.

use core::net::SocketAddr;

use crate::AllocationId;

/// An allocation, of whichever shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Party {
    /// The shard's number.
    pub shard: u16,
    /// The allocation in it.
    pub id: AllocationId,
}

/// Who sends to a shared address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// Somebody in the network.
    Peer(SocketAddr),
    /// Another allocation here.
    Party(Party),
}

/// The session that a server of ours issued credentials for (see [`Pseudonyms`](crate::Pseudonyms)): both people of a
/// session have the same, and nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Scope(pub u64);

/// Some allocations, at most [`Parties::MOST`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parties([Option<Party>; Parties::MOST]);

impl Parties {
    /// How many claim a pair at most, and so get a copy of a check.
    pub const MOST: usize = 4;

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0[0].is_none()
    }

    /// Whether this one is among them.
    pub fn contains(&self, party: Party) -> bool {
        self.0.contains(&Some(party))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Party> {
        self.0.iter().flatten().copied()
    }
}

impl From<Party> for Parties {
    fn from(party: Party) -> Self {
        Self::from_iter([party])
    }
}

/// Whoever comes after the last place is left out.
impl FromIterator<Party> for Parties {
    fn from_iter<I: IntoIterator<Item = Party>>(parties: I) -> Self {
        let mut places = [None; Self::MOST];
        for (place, party) in places.iter_mut().zip(parties) {
            *place = Some(party);
        }
        Self(places)
    }
}
