//! Ports held back for somebody's next allocation (RFC 8656 s7.2).

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use crate::{Owner, User};

/// RESERVATION-TOKEN: names a relayed transport address that is held (RFC 8656 s18.10). Random, so that nobody guesses
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ReservationToken(pub [u8; 8]);

/// What is held under tokens, over all shards. `T` is what the caller holds: a port, a socket.
///
/// The RFC leaves open who may claim a reservation. Here it is the user who made it, from any 5-tuple: it counts
/// against that user's bounds, and others have no business with it. Each is claimed once, or comes back.
#[derive(Debug)]
pub struct Reservations<T> {
    held: BTreeMap<ReservationToken, (Owner, T)>,
    /// Oldest first; a claimed one's entry stays until its time.
    ends: VecDeque<(Duration, ReservationToken)>,
}

impl<T> Reservations<T> {
    /// How long a reservation is held: "at least 30 seconds" (RFC 8656 s7.2), and here as long as a request is repeated.
    pub const HELD: Duration = Duration::from_secs(40);

    /// Holds `what` for `owner`, whom it counts against. `false` if the token is taken: choose another.
    pub fn hold(&mut self, now: Duration, token: ReservationToken, owner: Owner, what: T) -> bool {
        if self.held.contains_key(&token) {
            return false;
        }
        self.ends.push_back((now + Self::HELD, token));
        self.held.insert(token, (owner, what));
        true
    }

    /// Whom a token's reservation counts against, if `user` may claim it.
    pub fn owner(&self, token: ReservationToken, user: &User) -> Option<&Owner> {
        self.held.get(&token).map(|(owner, _)| owner).filter(|owner| owner.user == *user)
    }

    /// Takes what is held under a token.
    pub fn take(&mut self, token: ReservationToken) -> Option<(Owner, T)> {
        self.held.remove(&token)
    }

    /// The next reservation whose time is over; call it until there is none, before all else.
    pub fn expired(&mut self, now: Duration) -> Option<(Owner, T)> {
        while let Some(&(_, token)) = self.ends.front().filter(|(end, _)| *end <= now) {
            self.ends.pop_front();
            if let Some(held) = self.held.remove(&token) {
                return Some(held);
            }
        }
        None
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

impl<T> Default for Reservations<T> {
    fn default() -> Self {
        Self { held: BTreeMap::new(), ends: VecDeque::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Network;

    fn owner(name: &str) -> Owner {
        Owner { user: User::Rest(name.into()), network: Network::of([192, 0, 2, 1].into()) }
    }

    const NOW: Duration = Duration::from_secs(100);
    const TOKEN: ReservationToken = ReservationToken([7; 8]);

    #[test]
    fn it_is_its_makers_once() {
        let mut reservations = Reservations::default();
        assert!(reservations.hold(NOW, TOKEN, owner("ann"), 50_001));
        assert!(!reservations.hold(NOW, TOKEN, owner("bob"), 50_003), "tokens are unique");
        assert_eq!(reservations.owner(TOKEN, &owner("bob").user), None);
        assert_eq!(reservations.owner(TOKEN, &owner("ann").user), Some(&owner("ann")));
        assert_eq!(reservations.take(TOKEN), Some((owner("ann"), 50_001)));
        assert_eq!(reservations.take(TOKEN), None);
        assert_eq!(reservations.expired(NOW + Duration::from_secs(60)), None);
        assert!(reservations.is_empty() && reservations.ends.is_empty());
    }

    #[test]
    fn what_nobody_claims_comes_back_after_its_time() {
        let mut reservations = Reservations::default();
        reservations.hold(NOW, TOKEN, owner("ann"), 50_001);
        assert_eq!(reservations.expired(NOW + Duration::from_secs(30)), None);
        let end = NOW + Reservations::<u16>::HELD;
        assert_eq!(reservations.expired(end), Some((owner("ann"), 50_001)));
        assert_eq!(reservations.owner(TOKEN, &owner("ann").user), None);
    }
}
