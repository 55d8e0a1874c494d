//! What allocations have asked of whom, so that answers find them.

use alloc::collections::{BTreeMap, VecDeque};
use core::net::SocketAddr;
use core::time::Duration;

use hairpin_stun::{Message, TransactionId};

use super::{Parties, Party};

/// Transactions of one allocation at a time; the oldest goes. An ICE agent begins one every 50 ms at most, and more slowly
/// the more are under way (RFC 8445 s14.2).
const MOST: usize = 64;

/// How long an answer may take. A client's own timer runs out before that (RFC 8489 s6.2.1).
const AGE: Duration = Duration::from_secs(40);

/// By the address asked, and the transaction id as a number.
type Key = (SocketAddr, [u8; 12]);

/// All that may still be answered.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    by_key: BTreeMap<Key, Entry>,
    /// Oldest first; each is in `by_key` as this party's.
    by_party: BTreeMap<Party, VecDeque<Key>>,
}

#[derive(Debug)]
struct Entry {
    asked: Asked,
    at: Duration,
}

/// A request that was sent.
#[derive(Debug)]
pub(super) struct Asked {
    /// Who asked.
    pub(super) party: Party,
    /// With which fragment of its own; none if it was no check.
    pub(super) own: Option<u64>,
    /// Which allocations here it was shown to.
    pub(super) whom: Parties,
}

impl Transactions {
    /// Notes a request, or that it was sent again. One that another party has under way under the same id, which is no
    /// accident, is not noted.
    pub(super) fn ask(
        &mut self,
        now: Duration,
        to: SocketAddr,
        message: &Message<'_>,
        asked: Asked,
    ) {
        let key = key(to, message.transaction_id());
        let party = asked.party;
        if let Some(known) = self.by_key.get_mut(&key) {
            if known.asked.party == party {
                *known = Entry { asked, at: now };
            }
            // Nor one that is over: who has asked first gives it up when it asks for more.
            return;
        }
        let mine = self.by_party.entry(party).or_default();
        while mine.len() >= MOST
            || mine.front().is_some_and(|oldest| is_over(self.by_key.get(oldest), now))
        {
            let Some(oldest) = mine.pop_front() else { break };
            self.by_key.remove(&oldest);
        }
        mine.push_back(key);
        self.by_key.insert(key, Entry { asked, at: now });
    }

    /// The request that this message of `from` answers. It may be answered again: a success that does not pass the asker's
    /// own test is none.
    pub(super) fn find(
        &self,
        now: Duration,
        from: SocketAddr,
        message: &Message<'_>,
    ) -> Option<&Asked> {
        let entry = self.by_key.get(&key(from, message.transaction_id()));
        entry.filter(|_| !is_over(entry, now)).map(|entry| &entry.asked)
    }

    pub(super) fn remove(&mut self, party: Party) {
        for key in self.by_party.remove(&party).unwrap_or_default() {
            self.by_key.remove(&key);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}

fn key(address: SocketAddr, TransactionId(id): TransactionId) -> Key {
    (address, id)
}

fn is_over(entry: Option<&Entry>, now: Duration) -> bool {
    entry.is_none_or(|entry| now >= entry.at + AGE)
}
