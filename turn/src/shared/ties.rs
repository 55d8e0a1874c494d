//! Which allocation gets what comes from whom, beside checks.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::{Party, Source};

/// Sources that one allocation is tied to at most; the oldest goes. A call has one, or a few while a pair is being chosen.
const SOURCES: usize = 16;

/// Allocations of one browser that are tied to a source: one for each TURN URL that it was given.
const MEMBERS: usize = 8;

/// All ties.
#[derive(Debug, Default)]
pub(super) struct Ties {
    by_source: BTreeMap<Source, Tie>,
    /// What each party is a member of, the latest last.
    by_party: BTreeMap<Party, Vec<Source>>,
    changes: VecDeque<Change>,
}

#[derive(Debug)]
struct Tie {
    /// The fragment, by its hash, of the browser that all members are of.
    own: u64,
    /// Whom the source has answered, the latest last. Never empty.
    members: Vec<Party>,
    /// The one of them that gets what comes.
    holder: Party,
}

/// A source has another holder than before, or one more that may become it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who sends.
    pub source: Source,
    /// Who got what it sends.
    pub before: Option<Party>,
    /// Who gets it now.
    pub after: Option<Party>,
}

impl Ties {
    /// `source` has answered a check of `party`, which calls itself `own`, with success.
    pub(super) fn succeeded(&mut self, source: Source, party: Party, own: u64) {
        let before = self.holder(source);
        let same = |tie: &Tie| tie.own == own || tie.members.contains(&party);
        match self.by_source.get_mut(&source) {
            // An ICE restart: the fragment is new, the browser is not.
            Some(tie) if same(tie) => tie.own = own,
            // A new call from there.
            Some(_) => self.untie(source),
            None => {}
        }
        let fresh = || Tie { own, members: Vec::new(), holder: party };
        let tie = self.by_source.entry(source).or_insert_with(fresh);
        let mut joined = false;
        if !tie.members.contains(&party) {
            let spare = tie.members.iter().position(|member| *member != tie.holder);
            let leaver = spare.filter(|_| tie.members.len() == MEMBERS);
            let leaver = leaver.map(|spare| tie.members.remove(spare));
            tie.members.push(party);
            joined = true;
            leaver.into_iter().for_each(|leaver| self.unlist(leaver, source));
        }
        let after = self.holder(source);
        if joined || before != after {
            self.changes.push_back(Change { source, before, after });
        }
        self.unlist(party, source);
        let sources = self.by_party.entry(party).or_default();
        sources.push(source);
        if sources.len() > SOURCES {
            let oldest = sources[0];
            self.leave(oldest, party);
        }
    }

    /// `party` has sent data to `source`, and gets what comes from there. False if it is not tied to it.
    pub(super) fn sent(&mut self, source: Source, party: Party) -> bool {
        let before = self.holder(source);
        let tie = self.by_source.get_mut(&source).filter(|tie| tie.members.contains(&party));
        let Some(tie) = tie else { return false };
        tie.holder = party;
        self.tell(source, before);
        true
    }

    pub(super) fn holder(&self, source: Source) -> Option<Party> {
        self.by_source.get(&source).map(|tie| tie.holder)
    }

    /// Who is tied to a source, the latest first.
    pub(super) fn members(&self, source: Source) -> impl Iterator<Item = Party> {
        let tie = self.by_source.get(&source);
        tie.into_iter().flat_map(|tie| tie.members.iter().rev().copied())
    }

    /// Whether a party is tied to a source.
    pub(super) fn has(&self, source: Source, party: Party) -> bool {
        self.by_source.get(&source).is_some_and(|tie| tie.members.contains(&party))
    }

    /// Forgets a party, as a member and as a source.
    pub(super) fn remove(&mut self, party: Party) {
        for source in self.by_party.get(&party).cloned().unwrap_or_default() {
            self.leave(source, party);
        }
        let source = Source::Party(party);
        let before = self.holder(source);
        self.untie(source);
        self.tell(source, before);
    }

    pub(super) fn poll_change(&mut self) -> Option<Change> {
        self.changes.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.by_source.len()
    }

    fn leave(&mut self, source: Source, party: Party) {
        let before = self.holder(source);
        self.unlist(party, source);
        if let Some(tie) = self.by_source.get_mut(&source) {
            tie.members.retain(|member| *member != party);
            match tie.members.last() {
                None => _ = self.by_source.remove(&source),
                Some(latest) if tie.holder == party => tie.holder = *latest,
                Some(_) => {}
            }
        }
        self.tell(source, before);
    }

    fn untie(&mut self, source: Source) {
        for member in self.by_source.remove(&source).map(|tie| tie.members).unwrap_or_default() {
            self.unlist(member, source);
        }
    }

    fn unlist(&mut self, party: Party, source: Source) {
        let Some(sources) = self.by_party.get_mut(&party) else { return };
        sources.retain(|other| *other != source);
        if sources.is_empty() {
            self.by_party.remove(&party);
        }
    }

    fn tell(&mut self, source: Source, before: Option<Party>) {
        let after = self.holder(source);
        if before != after {
            self.changes.push_back(Change { source, before, after });
        }
    }
}
