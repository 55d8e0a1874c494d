//! Who is together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::seats::SeatId;
use crate::SessionId;
use crate::deadlines::Deadlines;
use crate::ids::SessionIds;

/// All live pairs.
pub(super) struct Sessions {
    live: BTreeMap<SessionId, Session>,
    ends: Deadlines<SessionId>,
    ids: SessionIds,
}

/// A live pair. The first side is the initiator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Session {
    pub(super) sides: [SeatId; 2],
    pub(super) since: Duration,
    expires: Duration,
}

impl Sessions {
    /// None yet; ids follow from the seed.
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self { live: BTreeMap::new(), ends: Deadlines::new(), ids: SessionIds::new(seed) }
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn begin(
        &mut self,
        now: Duration,
        lifetime: Duration,
        sides: [SeatId; 2],
    ) -> SessionId {
        let id = self.ids.next();
        let expires = now.saturating_add(lifetime);
        self.live.insert(id, Session { sides, since: now, expires });
        self.ends.arm(expires, id);
        id
    }

    /// Ends a session that is live.
    pub(super) fn end(&mut self, id: SessionId) -> Session {
        let session = self.live.remove(&id).expect("what refers to a session ends with it");
        self.ends.disarm(session.expires, id);
        session
    }

    /// The next session that has had its time, to be ended.
    pub(super) fn expired(&mut self, now: Duration) -> Option<SessionId> {
        self.ends.pop_due(now)
    }

    pub(super) fn next_end(&self) -> Option<Duration> {
        self.ends.next()
    }
}
