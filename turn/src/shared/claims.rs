//! Which allocations expect checks on which pair of fragments.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::hash::Hasher;
use core::time::Duration;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

use super::pace::Pace;
use super::{Parties, Party, Scope};

/// Pairs that one allocation claims at most. A call has one; after an ICE restart, for a while, two.
const PAIRS: usize = 4;

/// A pair of ICE fragments, by keyed hashes, as one end of a call has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) own: u64,
    pub(super) remote: u64,
}

impl Pair {
    pub(super) fn new(own: &[u8], remote: &[u8], seed: u64) -> Self {
        let shared = SharedSeed::from_u64(seed);
        let hash = |fragment: &[u8]| {
            let mut hasher = FoldHasher::with_seed(seed, &shared);
            hasher.write(fragment);
            hasher.finish()
        };
        Self { own: hash(own), remote: hash(remote) }
    }

    /// As the other end has it.
    pub(super) fn turned(self) -> Self {
        Self { own: self.remote, remote: self.own }
    }
}

/// All claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// No list is empty, and none is longer than [`Parties::MOST`].
    by_pair: BTreeMap<Pair, Vec<Place>>,
    /// The latest is last; each is in `by_pair`, or was crowded out there.
    by_party: BTreeMap<Party, Vec<Pair>>,
}

#[derive(Debug)]
struct Place {
    party: Party,
    scope: Option<Scope>,
    refreshed: Duration,
}

impl Claims {
    /// Has a party claim a pair, or claim it again. False when it claims new ones too often.
    pub(super) fn claim(
        &mut self,
        now: Duration,
        party: Party,
        scope: Option<Scope>,
        pair: Pair,
        pace: &mut Pace,
    ) -> bool {
        if !self.has(party, pair) {
            if !pace.claim(now) {
                return false;
            }
            let pairs = self.by_party.entry(party).or_default();
            if pairs.len() == PAIRS {
                let oldest = pairs.remove(0);
                self.leave(party, oldest);
            }
            self.by_party.entry(party).or_default().push(pair);
        }
        let places = self.by_pair.entry(pair).or_default();
        if let Some(place) = places.iter_mut().find(|place| place.party == party) {
            place.refreshed = now;
            return true;
        }
        if places.len() == Parties::MOST {
            crowd_out(places, scope);
        }
        places.push(Place { party, scope, refreshed: now });
        true
    }

    /// Whether a party claims a pair, even if it was crowded out.
    pub(super) fn has(&self, party: Party, pair: Pair) -> bool {
        self.by_party.get(&party).is_some_and(|pairs| pairs.contains(&pair))
    }

    /// Who claims a pair, but for one party. Those of a scope come alone, where there are any: a check from within a session
    /// is no business of strangers who know its fragments.
    pub(super) fn claimants(
        &self,
        pair: Pair,
        but: Option<Party>,
        scope: Option<Scope>,
    ) -> Parties {
        let places = self.by_pair.get(&pair).map_or(&[][..], Vec::as_slice);
        let others = || places.iter().filter(|place| Some(place.party) != but);
        let same = |place: &&Place| scope.is_some() && place.scope == scope;
        let found: Parties = others().filter(same).map(|place| place.party).collect();
        // The other may have its credentials from elsewhere.
        if found.is_empty() { others().map(|place| place.party).collect() } else { found }
    }

    pub(super) fn remove(&mut self, party: Party) {
        for pair in self.by_party.remove(&party).unwrap_or_default() {
            self.leave(party, pair);
        }
    }

    /// How many places are taken.
    pub(super) fn len(&self) -> usize {
        self.by_pair.values().map(Vec::len).sum()
    }

    fn leave(&mut self, party: Party, pair: Pair) {
        let Some(places) = self.by_pair.get_mut(&pair) else { return };
        places.retain(|place| place.party != party);
        if places.is_empty() {
            self.by_pair.remove(&pair);
        }
    }
}

/// Makes room for one of `newcomer`: of the scope that has the most places then, the one that was refreshed the longest time
/// ago. So one session's allocations, and all that are of none, take no place that another has a right to.
fn crowd_out(places: &mut Vec<Place>, newcomer: Option<Scope>) {
    let of = |scope| places.iter().filter(|place| place.scope == scope).count();
    let goes = |(_, place): &(usize, &Place)| {
        let itself = place.scope == newcomer;
        let share = of(place.scope) + usize::from(itself);
        (Reverse(share), place.scope.is_some(), !itself, place.refreshed)
    };
    let index = places.iter().enumerate().min_by_key(goes).map(|(index, _)| index);
    index.into_iter().for_each(|index| _ = places.remove(index));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AllocationId;

    fn party(index: u64) -> Party {
        Party { shard: 0, id: AllocationId::from_u64(index) }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    const OURS: Pair = Pair { own: 1, remote: 2 };

    fn claim(claims: &mut Claims, now: u64, who: u64, scope: Option<u64>, pair: Pair) -> bool {
        claims.claim(at(now), party(who), scope.map(Scope), pair, &mut Pace::default())
    }

    fn claimants(claims: &Claims, scope: Option<u64>) -> Vec<u64> {
        let found = claims.claimants(OURS, None, scope.map(Scope));
        found.iter().map(|party| party.id.to_u64()).collect()
    }

    #[test]
    fn whoever_claims_a_pair_first_keeps_it_from_nobody() {
        let mut claims = Claims::default();
        for stranger in 0..100 {
            claim(&mut claims, stranger, stranger, None, OURS);
        }
        claim(&mut claims, 100, 1000, None, OURS);
        assert!(claimants(&claims, None).contains(&1000));
        // Another comes: the oldest goes.
        claim(&mut claims, 101, 1001, None, OURS);
        assert_eq!(claimants(&claims, None), [98, 99, 1000, 1001]);
    }

    #[test]
    fn those_of_no_session_take_no_place_from_those_of_one() {
        let mut claims = Claims::default();
        claim(&mut claims, 0, 1, Some(7), OURS);
        claim(&mut claims, 0, 2, Some(7), OURS);
        for stranger in 10..100 {
            claim(&mut claims, stranger, stranger, None, OURS);
        }
        assert_eq!(claimants(&claims, Some(7)), [1, 2]);
        assert_eq!(claimants(&claims, None), [1, 2, 98, 99]);
        // Nor does a single other session.
        for stranger in 100..200 {
            claim(&mut claims, stranger, stranger, Some(8), OURS);
        }
        assert_eq!(claimants(&claims, Some(7)), [1, 2]);
    }

    #[test]
    fn who_was_crowded_out_is_back_with_its_next_check() {
        let mut claims = Claims::default();
        for who in 0..5 {
            claim(&mut claims, who, who, None, OURS);
        }
        assert!(!claimants(&claims, None).contains(&0));
        assert!(claims.has(party(0), OURS));
        let mut pace = Pace::default();
        while pace.claim(at(9)) {}
        assert!(claims.claim(at(9), party(0), None, OURS, &mut pace), "it is not new to it");
        assert!(claimants(&claims, None).contains(&0));
    }

    #[test]
    fn an_allocation_has_few_claims_and_leaves_none_behind() {
        let mut claims = Claims::default();
        for remote in 0..100 {
            claim(&mut claims, remote, 1, None, Pair { own: 1, remote });
        }
        assert_eq!(claims.len(), PAIRS);
        assert!(claims.has(party(1), Pair { own: 1, remote: 99 }));
        claims.remove(party(1));
        assert!(claims.by_pair.is_empty() && claims.by_party.is_empty());
    }

    #[test]
    fn new_pairs_are_claimed_at_a_pace() {
        let (mut claims, mut pace) = (Claims::default(), Pace::default());
        let mut claim =
            |remote| claims.claim(at(5), party(1), None, Pair { own: 1, remote }, &mut pace);
        assert_eq!((0..100).filter(|remote| claim(*remote)).count(), 4);
        assert!(claim(3), "what it has it may claim again");
        assert!(!claim(4));
    }
}
