//! Looking for a partner.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::link::{Identity, Waiting};
use super::{Hub, State};
use crate::refusal::{ErrorCode, Refusal};
use crate::timers::Timer;
use crate::wire::ServerMessage;
use crate::{ConnectionId, DEFAULT_POOL, EndReason, Event, Output, Seek, TicketId};

impl Hub {
    /// `join_queue`, in whatever state the client is.
    ///
    /// Whoever waits in the same pool already keeps its place and is told it again. Whoever is in a session
    /// leaves it, as with `skip`: a client that has lost track of its session asks for the next
    /// partner, and an error would leave it stuck until the session expires.
    pub(super) fn join_queue(
        &mut self,
        now: Duration,
        id: ConnectionId,
        user: &str,
        pool: &str,
    ) -> Result<(), Refusal> {
        let user = self.identify(now, id, user)?;
        let pool = self.shared_pool(id, pool);
        let link =
            self.links.get_mut(&id).expect("a client's message is read while it is connected");
        let moves = link.identity.as_ref().is_some_and(|before| before.pool != pool);
        link.identity = Some(Identity { user, pool });
        match link.state {
            State::Waiting(Waiting { ticket, position, .. }) if !moves => {
                // Without a position yet, the matcher's first word is still on its way.
                if let Some(position) = position {
                    self.tell_position(ticket, position);
                }
                return Ok(());
            }
            State::Waiting(_) => self.leave_queue(id),
            State::Paired { session, .. } => self.part(now, session, Some(id), EndReason::Skipped),
            State::Idle => {}
        }
        self.enqueue(now, id);
        Ok(())
    }

    /// The user of a connection: fixed by its first `join_queue`, changed by a later one only when idle.
    fn identify(
        &mut self,
        now: Duration,
        id: ConnectionId,
        user: &str,
    ) -> Result<Arc<str>, Refusal> {
        let link = self.links.get(&id).expect("a client's message is read while it is connected");
        match &link.identity {
            Some(identity) if *identity.user == *user => return Ok(identity.user.clone()),
            Some(_) if link.state != State::Idle => {
                let message = "leave the queue or the session before you change your userId";
                return Err(Refusal::new(ErrorCode::UserChange, message));
            }
            Some(identity) => {
                self.users.remove(&identity.user);
            }
            None => {}
        }
        let user = Arc::from(user);
        self.take_over(now, id, &user);
        Ok(user)
    }

    /// A pool's name, shared with what has it already where that is cheap to find.
    fn shared_pool(&self, id: ConnectionId, pool: &str) -> Arc<str> {
        let current = self.links.get(&id).and_then(|link| link.identity.as_ref());
        match current {
            Some(identity) if *identity.pool == *pool => identity.pool.clone(),
            _ if pool == DEFAULT_POOL => self.default_pool.clone(),
            _ => Arc::from(pool),
        }
    }

    /// Queues an idle client in its pool.
    pub(super) fn enqueue(&mut self, now: Duration, id: ConnectionId) {
        let link = self.links.get_mut(&id).expect("only connected clients are queued");
        debug_assert_eq!(link.state, State::Idle);
        self.last_ticket += 1;
        let ticket = TicketId(self.last_ticket);
        let until = now.saturating_add(self.config.queue_timeout);
        link.state = State::Waiting(Waiting { ticket, since: now, until, position: None });
        self.tickets.insert(ticket, id);
        self.timers.arm(until, Timer::Queue(ticket));
        self.event(Event::Queued);
        self.seek(ticket);
    }

    /// Asks the matcher for a partner for a ticket that is live.
    pub(super) fn seek(&mut self, ticket: TicketId) {
        let identity =
            self.tickets.get(&ticket).and_then(|id| self.links.get(id)?.identity.as_ref());
        let Identity { user, pool } =
            identity.expect("who waits is connected and has a name").clone();
        self.outputs.push_back(Output::Seek(Seek { ticket, user, pool }));
    }

    /// Leaves the queue; whoever does not wait has nothing to leave, and that is no error: a match may
    /// just have come first.
    pub(super) fn leave_queue(&mut self, id: ConnectionId) {
        if let Some(State::Waiting(waiting)) = self.links.get(&id).map(|link| link.state) {
            self.take_ticket(waiting.ticket);
            self.outputs.push_back(Output::Unseek(waiting.ticket));
        }
    }

    /// Ends a ticket that has waited in vain.
    pub(super) fn queue_timeout(&mut self, ticket: TicketId) {
        if let Some((id, _)) = self.take_ticket(ticket) {
            self.outputs.push_back(Output::Unseek(ticket));
            self.send(id, &ServerMessage::QueueTimeout {});
            self.event(Event::QueueTimeout);
        }
    }

    pub(super) fn tell_position(&mut self, ticket: TicketId, position: usize) {
        let Some(&id) = self.tickets.get(&ticket) else { return };
        if let Some(State::Waiting(waiting)) = self.links.get_mut(&id).map(|link| &mut link.state) {
            waiting.position = Some(position);
        }
        self.send(id, &ServerMessage::Queued { position });
    }

    /// Takes a ticket out of the queue, if it is still there: whose it was, and since when.
    pub(super) fn take_ticket(&mut self, ticket: TicketId) -> Option<(ConnectionId, Duration)> {
        let id = self.tickets.remove(&ticket)?;
        let link = self.links.get_mut(&id).expect("who waits is connected");
        let State::Waiting(waiting) = mem::replace(&mut link.state, State::Idle) else {
            unreachable!("a ticket's owner waits");
        };
        self.timers.disarm(waiting.until, Timer::Queue(ticket));
        Some((id, waiting.since))
    }
}
