//! What must be so at any time.

use std::time::Duration;

use hairpin_matcher::Ticket;

use super::Pair;
use super::meets::may_meet;

impl Pair {
    /// What must be so whenever the matcher has nothing more to say.
    pub(super) fn check(&self) {
        assert_eq!(self.matcher.len(), self.held.len());
        assert_eq!(self.matcher.is_empty(), self.held.is_empty());
        let offered = self.held.values().filter(|held| held.offer.is_some()).count();
        assert_eq!(self.matcher.offers(), offered / 2);
        assert!(self.held.keys().all(|id| self.matcher.holds(*id)));
        if self.is_late {
            return;
        }
        if let Some((a, b)) = self.two_who_may_meet(self.now) {
            panic!("{a:#?} and {b:#?} are left waiting");
        }
        // Who is one of few is told each change, if it holds.
        if self.now >= self.changed + 3 * self.rules.tell_every {
            for (id, held) in self.held.iter().filter(|(_, held)| held.offer.is_none()) {
                let (_, told) = held.told.expect("who waits is told");
                if self.place(*id).1 < 16 {
                    assert_eq!(self.place(*id), (told.position, told.waiting), "{id:?}");
                }
            }
        }
    }

    /// Nobody could meet any earlier than that.
    pub(super) fn expect_nothing_before(&self, end: Duration) {
        let mut moments = Vec::new();
        for held in self.held.values() {
            let Ticket { since, recent, expires, .. } = &held.ticket;
            for widen in self.rules.attributes.iter().filter_map(|attribute| attribute.widen) {
                let first = (self.now.saturating_sub(*since).as_nanos() / widen.as_nanos()) as u32;
                moments.extend((first..first + 3).map(|times| *since + widen * times));
            }
            for apart in [self.rules.apart_alone, self.rules.apart_in_company] {
                moments.extend(recent.iter().map(|recent| recent.parted + apart));
            }
            moments.extend(held.offer.map(|(_, until, _)| until));
            if held.offer.is_none() {
                assert!(*expires >= end, "{:?} expires", held.ticket.id);
            }
            assert!(held.offer.is_none_or(|(_, until, _)| until >= end), "an offer is over");
        }
        moments.retain(|moment| *moment > self.now && *moment < end);
        moments.sort();
        moments.dedup();
        for moment in moments {
            let two = self.two_who_may_meet(moment);
            assert!(two.is_none(), "at {moment:?}, before {end:?}: {two:#?}");
        }
    }

    pub(super) fn two_who_may_meet(&self, at: Duration) -> Option<(&Ticket, &Ticket)> {
        let free = self.held.values().filter(|held| held.offer.is_none());
        let free: Vec<_> = free.map(|held| &held.ticket).collect();
        let others = |n: usize| free[n + 1..].iter().map(move |other| (n, *other));
        let mut pairs = (0..free.len()).flat_map(others).map(|(n, other)| (free[n], other));
        pairs.find(|(a, b)| may_meet(&self.rules, at, self.in_company, a, b))
    }
}
