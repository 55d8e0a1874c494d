//! Who never meets whom.

use std::sync::Arc;
use std::time::Duration;

use super::relations::Kept;
use super::{Hub, State};
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
            let own = self.seats.of_user(by).map(|seat| &*self.seats.get(seat).wishes);
            let mut all = pushed.into_iter().chain(own).flat_map(|wishes| &wishes.blocked);
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
