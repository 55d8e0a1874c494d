//! Who is together.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::seats::SeatId;
use crate::deadlines::Deadlines;
use crate::ids::SessionIds;
use crate::tokens::Role;
use crate::{EndReason, NodeId, Protocol, SessionId};

/// How long a session that has ended is remembered, so that whoever comes back to it hears so at once.
const REMEMBERED: Duration = Duration::from_secs(600);
/// And how many at most.
const MOST_REMEMBERED: usize = 1 << 16;

/// All live pairs.
pub(super) struct Sessions {
    live: BTreeMap<SessionId, Session>,
    ends: Deadlines<SessionId>,
    ids: SessionIds,
    ended: BTreeMap<SessionId, (Duration, Ended)>,
    /// The same, the oldest first.
    ended_in_order: VecDeque<SessionId>,
}

/// A live pair, the initiator first.
#[derive(Debug)]
pub(super) struct Session {
    members: [Member; 2],
    /// Whether each has reported the other.
    reported: [bool; 2],
    /// Whether its media went over a relay, by what a client has said.
    pub(super) relayed: Option<bool>,
    pub(super) since: Duration,
    expires: Duration,
    /// Whether its end is on record.
    pub(super) end: OnRecord,
}

/// Each session ends on record once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnRecord {
    NotYet,
    /// It was put together again after that.
    Already,
}

/// How a session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    ForGood,
    /// A side that has but lost it may have it put together again.
    Lost,
}

/// One of a pair.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) side: Side,
    pub(super) user: Arc<str>,
    pub(super) protocol: Protocol,
}

/// Where a member's seat is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Here(SeatId),
    /// At another node, which knows the session by the same id.
    There(NodeId),
}

impl Session {
    pub(super) fn member(&self, role: Role) -> &Member {
        &self.members[role.index()]
    }

    pub(super) fn users(&self) -> [Arc<str>; 2] {
        self.members.each_ref().map(|member| member.user.clone())
    }

    pub(super) fn is_reported(&self) -> bool {
        self.reported.contains(&true)
    }

    /// Whether this side has reported the other.
    pub(super) fn reported_by(&mut self, role: Role) -> &mut bool {
        &mut self.reported[role.index()]
    }

    /// The members with their roles.
    pub(super) fn sides(&self) -> [(Role, Side); 2] {
        [Role::Initiator, Role::Answerer].map(|role| (role, self.member(role).side))
    }
}

impl Sessions {
    /// None yet; ids follow from the key.
    pub(super) fn new(key: [u64; 2]) -> Self {
        Self {
            live: BTreeMap::new(),
            ends: Deadlines::new(),
            ids: SessionIds::new(key),
            ended: BTreeMap::new(),
            ended_in_order: VecDeque::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    pub(super) fn new_id(&mut self) -> SessionId {
        self.ids.next()
    }

    /// Begins a session, or goes on with one that began at that time.
    pub(super) fn begin(
        &mut self,
        now: Duration,
        lifetime: Duration,
        (id, since): (SessionId, Duration),
        members: [Member; 2],
    ) {
        let expires = now.saturating_add(lifetime);
        let end = match self.ended.contains_key(&id) {
            true => OnRecord::Already,
            false => OnRecord::NotYet,
        };
        let (reported, relayed) = ([false; 2], None);
        let session = Session { members, reported, relayed, since, expires, end };
        let earlier = self.live.insert(id, session);
        debug_assert!(earlier.is_none(), "session ids are used once");
        self.ends.arm(expires, id);
    }

    pub(super) fn find(&self, id: SessionId) -> Option<&Session> {
        self.live.get(&id)
    }

    /// A session that somebody is in.
    pub(super) fn get(&self, id: SessionId) -> &Session {
        self.live.get(&id).expect(LIVE)
    }

    pub(super) fn find_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.live.get_mut(&id)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.live.iter().map(|(id, session)| (*id, session))
    }

    /// Ends a session that is live.
    pub(super) fn end(&mut self, now: Duration, id: SessionId, reason: EndReason) -> Session {
        let session = self.live.remove(&id).expect(LIVE);
        self.ends.disarm(session.expires, id);
        let how = match reason {
            EndReason::Disconnected | EndReason::Shutdown => Ended::Lost,
            EndReason::Skipped | EndReason::Ended | EndReason::Replaced | EndReason::Expired => {
                Ended::ForGood
            }
        };
        self.remember(now, id, how);
        session
    }

    /// Whether a session has ended here of late, and not only because a side has lost it.
    pub(super) fn has_ended(&self, id: SessionId) -> bool {
        self.ended.get(&id).is_some_and(|(_, how)| *how == Ended::ForGood)
    }

    fn remember(&mut self, now: Duration, id: SessionId, how: Ended) {
        while let Some(first) = self.ended_in_order.front() {
            let due =
                self.ended.get(first).is_none_or(|(at, _)| now >= at.saturating_add(REMEMBERED));
            if !due && self.ended_in_order.len() < MOST_REMEMBERED {
                break;
            }
            self.ended.remove(first);
            self.ended_in_order.pop_front();
        }
        self.ended.insert(id, (now, how));
        self.ended_in_order.push_back(id);
    }

    /// The next session that has had its time, to be ended.
    pub(super) fn expired(&mut self, now: Duration) -> Option<SessionId> {
        self.ends.pop_due(now)
    }

    pub(super) fn next_end(&self) -> Option<Duration> {
        self.ends.next()
    }
}

const LIVE: &str = "what refers to a session ends with it";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_remembered_for_a_while_and_not_without_bound() {
        let mut sessions = Sessions::new([1, 2]);
        let ids: Vec<_> = (0..MOST_REMEMBERED + 5).map(|_| sessions.new_id()).collect();
        for id in &ids {
            sessions.remember(Duration::ZERO, *id, Ended::ForGood);
        }
        assert_eq!(sessions.ended.len(), MOST_REMEMBERED);
        assert!(!sessions.has_ended(ids[4]) && sessions.has_ended(ids[5]));
        let last = sessions.new_id();
        sessions.remember(REMEMBERED, last, Ended::Lost);
        assert_eq!(sessions.ended.keys().collect::<Vec<_>>(), [&last]);
    }
}
