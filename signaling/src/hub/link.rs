//! One connection as the hub sees it.

use std::sync::Arc;
use std::time::Duration;

use crate::limit::Bucket;
use crate::{ConnectionId, SessionId, TicketId};

/// A connected client. Ten thousand of them are normal, so it stays small.
#[derive(Debug)]
pub(super) struct Link {
    /// Who it is; unknown until the first `join_queue`.
    pub(super) identity: Option<Identity>,
    pub(super) state: State,
    /// The session it was in before, for a `skip` or `end_session` that crosses a `partner_left`.
    pub(super) last_session: Option<SessionId>,
    pub(super) last_heard: Duration,
    pub(super) last_ping: Duration,
    /// When its heartbeat timer fires.
    pub(super) wake: Duration,
    pub(super) messages: Bucket,
    pub(super) bytes: Bucket,
}

/// What a client has said about itself when it joined.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) user: Arc<str>,
    /// Where it looks for partners, and where `skip` queues it again.
    pub(super) pool: Arc<str>,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Waiting(Waiting),
    Paired { session: SessionId, partner: ConnectionId },
}

/// A place in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) ticket: TicketId,
    pub(super) since: Duration,
    /// When its queue timer fires.
    pub(super) until: Duration,
    /// What the matcher has said last.
    pub(super) position: Option<usize>,
}

impl Link {
    pub(super) fn new(now: Duration, wake: Duration) -> Self {
        Self {
            identity: None,
            state: State::Idle,
            last_session: None,
            last_heard: now,
            last_ping: now,
            wake,
            messages: Bucket::default(),
            bytes: Bucket::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_small() {
        assert!(size_of::<Link>() <= 256, "{}", size_of::<Link>());
    }
}
