//! Who never meets whom.

use std::sync::Arc;
use std::time::Duration;

use super::relations::Kept;
use super::{Hub, SeatId, State};
use crate::budgets::Wish;
use crate::refusal::{ErrorCode, Refusal};
use crate::wire::{ServerMessage, SessionRef, invalid};
use crate::{Denied, EndReason, Event, Record};

impl Hub {
    /// Makes a block last.
    pub(super) fn keep_block(&mut self, by: &Arc<str>, whom: &Arc<str>) -> Result<(), Denied> {
        match self.relations.blocks.add(by, whom) {
            Ok(Kept::New) => {
                self.record(Record::Blocked { by: by.clone(), whom: whom.clone() });
                self.seek_anew(by);
                Ok(())
            }
            Ok(Kept::Already) => Ok(()),
            Err(denied) => {
                if let Denied::Full(_) = denied {
                    self.event(Event::Full);
                }
                Err(denied)
            }
        }
    }

    /// Makes blocks last that somebody has named who waits for nothing yet. It may name more than it may keep: those
    /// hold while it is here.
    pub(super) fn keep_blocks(&mut self, now: Duration, seat: SeatId, blocked: &[Arc<str>]) {
        let seat = self.seats.get(seat);
        let (connection, by) = (seat.connection(), seat.user.clone());
        for whom in blocked.iter().filter(|whom| **whom != by) {
            if self.relations.blocks.has(&by, whom) {
                continue;
            }
            let kept = self.afford(now, connection, Wish::Block, &by).is_ok()
                && self.keep_block(&by, whom).is_ok();
            if !kept {
                return;
            }
        }
    }

    /// `block`: the partner somebody has, or had last, or anybody it names.
    pub(super) fn ask_to_block(
        &mut self,
        now: Duration,
        seat: SeatId,
        whom: Option<Arc<str>>,
    ) -> Result<(), Refusal> {
        let whom = match whom {
            Some(whom) => whom,
            None => self.partner_meant(seat, SessionRef::Mine)?.1,
        };
        let (connection, by) = {
            let seat = self.seats.get(seat);
            (seat.connection(), seat.user.clone())
        };
        if whom == by {
            return Err(invalid("userId is your own, and nobody blocks itself"));
        }
        let kept = if self.relations.blocks.has(&by, &whom) {
            Ok(())
        } else {
            self.afford(now, connection, Wish::Block, &by)
                .and_then(|()| self.keep_block(&by, &whom).map_err(not_kept))
        };
        // Whoever wants to be rid of somebody is, even if it cannot be for good.
        if let State::Paired { session, role } = self.seats.get(seat).state
            && self.sessions.get(session).member(role.other()).user == whom
        {
            self.part(now, session, Some(role), EndReason::Ended);
        }
        kept?;
        self.tell(seat, &ServerMessage::Blocked { user_id: &whom });
        Ok(())
    }

    /// `unblock`: what an app's backend or a token says goes on.
    pub(super) fn ask_to_unblock(&mut self, seat: SeatId, whom: &str) -> Result<(), Refusal> {
        let seat_of = self.seats.get_mut(seat);
        let by = seat_of.user.clone();
        let wishes = &mut seat_of.wishes;
        wishes.blocked = wishes.blocked.iter().filter(|name| &***name != whom).cloned().collect();
        if !self.take_block_back(&by, whom) {
            self.seek_anew(&by);
        }
        self.tell(seat, &ServerMessage::Unblocked { user_id: whom });
        Ok(())
    }

    pub(super) fn take_block_back(&mut self, by: &str, whom: &str) -> bool {
        let was_there = self.relations.blocks.remove(by, whom);
        if was_there {
            self.record(Record::Unblocked { by: by.into(), whom: whom.into() });
            self.seek_anew(by);
        }
        was_there
    }

    /// Whether two are not to meet, whichever of them wants that, and wherever it has said so.
    pub(super) fn are_apart(&self, a: &str, b: &str) -> bool {
        let says = |by: &str, whom: &str| {
            let pushed = self.relations.profiles.wishes(by);
            let seat = self.seats.of_user(by).map(|seat| self.seats.get(seat));
            let own = seat.map(|seat| &*seat.wishes);
            let claimed = seat.and_then(|seat| self.claims(seat.connection()?));
            let said = [pushed, claimed, own].into_iter().flatten();
            let mut all = said.flat_map(|wishes| &wishes.blocked);
            all.any(|blocked| **blocked == *whom)
        };
        self.relations.blocks.between(a, b) || says(a, b) || says(b, a)
    }

    /// Ends a user's session if it is with somebody whom it is not to meet.
    pub(super) fn keep_apart(&mut self, now: Duration, user: &str) {
        let Some(seat) = self.seats.of_user(user) else { return };
        let State::Paired { session, .. } = self.seats.get(seat).state else { return };
        let [a, b] = self.sessions.get(session).users();
        if self.are_apart(&a, &b) {
            self.part(now, session, None, EndReason::Ended);
        }
    }

    /// Whoever waits does so with what is known of it now.
    pub(super) fn seek_anew(&mut self, user: &str) {
        let Some(seat) = self.seats.of_user(user) else { return };
        if let State::Waiting(waiting) = self.seats.get(seat).state {
            self.withdraw(seat);
            self.seek(waiting.ticket);
        }
    }
}

fn not_kept(denied: Denied) -> Refusal {
    match denied {
        Denied::Invalid(message) => invalid(message),
        Denied::Full(message) => Refusal::new(ErrorCode::TooOften, message),
    }
}
