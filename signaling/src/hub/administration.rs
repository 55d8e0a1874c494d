//! What whoever runs the server, or an app's backend, asks and says.

use std::sync::Arc;
use std::time::Duration;

use super::{Hub, SeatId, State};
use crate::attributes::WishFields;
use crate::refusal::Refusal;
use crate::wire::no_user;
use crate::{
    Denied, EndReason, Event, LiveSession, MAX_USER_LEN, PushedProfile, Record, Restored, SessionId,
};

impl Hub {
    /// How many users wait.
    pub fn queue_len(&self) -> usize {
        self.seats.waiting()
    }

    /// How many pairs there are.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// How many seats are kept for clients that have lost their connection.
    pub fn away(&self) -> usize {
        self.seats.away()
    }

    /// All pairs, in no order that means anything.
    pub fn live_sessions(&self) -> impl Iterator<Item = LiveSession> {
        self.sessions.all().map(|(id, session)| LiveSession {
            id,
            users: session.users(),
            since: session.since,
            reported: session.is_reported(),
        })
    }

    /// Ends a session; both sides hear `partner_left` with the reason `ended`. Whether there was such a session.
    pub fn end_session_by_operator(&mut self, now: Duration, session: SessionId) -> bool {
        let is_live = self.sessions.find(session).is_some();
        if is_live {
            self.part(now, session, None, EndReason::Ended);
        }
        is_live
    }

    /// Keeps a user from meeting anybody until then, or until another time than before. It stops waiting, and its
    /// session ends.
    ///
    /// # Errors
    /// This is no user's name, that time is over, or as many are barred as the hub keeps.
    pub fn bar(&mut self, now: Duration, user: &str, until: Duration) -> Result<(), Denied> {
        let user = user_named(user)?;
        if until <= now {
            return Err(Denied::Invalid("until is over".into()));
        }
        self.keep_bar(now, &user, until)?;
        if let Some(seat) = self.seats.of_user(&user)
            && let State::Paired { session, .. } = self.seats.get(seat).state
        {
            self.part(now, session, None, EndReason::Ended);
        }
        self.turn_out(now, &user, until);
        Ok(())
    }

    /// Lets a user meet others again. Whether it was barred.
    pub fn unbar(&mut self, now: Duration, user: &str) -> bool {
        let was_barred = self.is_barred(now, user);
        self.relations.bars.remove(user);
        if was_barred {
            self.record(Record::Unbarred { user: user.into() });
        }
        was_barred
    }

    /// Whether a user is barred now.
    pub fn is_barred(&self, now: Duration, user: &str) -> bool {
        self.barred_until(now, user).is_some()
    }

    /// Until when a user is barred, if it is.
    pub fn barred_until(&self, now: Duration, user: &str) -> Option<Duration> {
        self.relations.bars.until(now, user)
    }

    /// Keeps two from meeting again, and ends their session; `by` wants that. Both may be anywhere, or nowhere yet.
    ///
    /// # Errors
    /// One of these is no user's name, or as many are blocked as the hub keeps.
    pub fn block(&mut self, now: Duration, by: &str, whom: &str) -> Result<(), Denied> {
        let [by, whom] = [user_named(by)?, user_named(whom)?];
        if by == whom {
            return Err(Denied::Invalid("nobody blocks itself".into()));
        }
        self.keep_block(&by, &whom)?;
        self.keep_apart(now, &by);
        Ok(())
    }

    /// Takes a block back. Whether there was one.
    pub fn unblock(&mut self, by: &str, whom: &str) -> bool {
        self.take_block_back(by, whom)
    }

    /// Whom a user has blocked itself, or had blocked by [`Hub::block`]; not by its profile.
    pub fn blocks_of(&self, user: &str) -> impl Iterator<Item = Arc<str>> {
        self.relations.blocks.of(user).cloned()
    }

    /// Takes an app's word for what a user is and seeks, in place of what it said before. Its word counts more than the
    /// user's own, and less than a token's; an empty one takes it back.
    ///
    /// # Errors
    /// This is no user's name, a field is not of the form it has in `join_queue` and is named, or the hub keeps no more.
    pub fn set_profile(
        &mut self,
        now: Duration,
        user: &str,
        said: PushedProfile,
    ) -> Result<(), Denied> {
        let user = user_named(user)?;
        let fields = WishFields {
            buddies: said.buddies.as_ref(),
            blocked: said.blocked.as_ref(),
            attributes: said.attributes.as_ref(),
            seeks: said.seeks.as_ref(),
        };
        let wishes = self.config.attributes.wishes(fields).map_err(invalid)?;
        let kept = self.relations.profiles.set(&user, said, wishes);
        kept.inspect_err(|_| self.event(Event::Full))?;
        self.keep_apart(now, &user);
        self.seek_anew(&user);
        Ok(())
    }

    /// What an app has said of a user.
    pub fn profile(&self, user: &str) -> Option<&PushedProfile> {
        self.relations.profiles.said(user)
    }

    /// Takes over what is on record. To be called before anybody comes; nothing of it is put on record again.
    ///
    /// # Errors
    /// More than the hub keeps; the rest is taken over all the same.
    pub fn restore(&mut self, now: Duration, restored: Restored) -> Result<(), Denied> {
        let Restored { blocks, bars, reports } = restored;
        let mut kept = Ok(());
        for (by, whom) in blocks {
            kept = self.relations.blocks.add(&by, &whom).map(|_| ()).and(kept);
        }
        for (user, until) in bars.into_iter().filter(|(_, until)| now < *until) {
            kept = self.relations.bars.add(now, &user, until).and(kept);
        }
        let window = self.config.report_window;
        for past in reports.into_iter().filter(|past| now < past.at.saturating_add(window)) {
            self.relations.reports.add(past.at, window, &past.about, &past.by);
        }
        kept
    }

    /// Keeps a user from meeting anybody from now on. What it is in goes on.
    pub(super) fn bar_until(
        &mut self,
        now: Duration,
        user: &Arc<str>,
        until: Duration,
    ) -> Result<(), Denied> {
        self.keep_bar(now, user, until)?;
        self.turn_out(now, user, until);
        Ok(())
    }

    fn keep_bar(&mut self, now: Duration, user: &Arc<str>, until: Duration) -> Result<(), Denied> {
        self.relations.bars.add(now, user, until).inspect_err(|_| self.event(Event::Full))?;
        self.record(Record::Barred { user: user.clone(), until });
        Ok(())
    }

    /// Somebody who is barred and in no session hears so, and does not wait any more.
    fn turn_out(&mut self, now: Duration, user: &str, until: Duration) {
        let Some(seat) = self.seats.of_user(user) else { return };
        match self.seats.get(seat).state {
            State::Paired { .. } => {}
            State::Idle | State::Waiting(_) | State::Hosting(_) | State::Knocking(_) => {
                self.leave_queue(seat);
                self.refuse_seat(seat, &Refusal::barred(until.saturating_sub(now)));
            }
        }
    }

    /// # Errors
    /// A user is barred; says for how long.
    pub(super) fn may_meet(&self, now: Duration, user: &str) -> Result<(), Refusal> {
        match self.barred_until(now, user) {
            Some(until) => Err(Refusal::barred(until.saturating_sub(now))),
            None => Ok(()),
        }
    }

    /// Tells somebody, there or not, that it cannot have something.
    pub(super) fn refuse_seat(&mut self, seat: SeatId, refusal: &Refusal) {
        self.tell(seat, &refusal.into());
        self.event(Event::Refused(refusal.code));
    }

    pub(super) fn record(&mut self, record: Record) {
        self.outputs.push_back(crate::Output::Record(record));
    }
}

fn user_named(user: &str) -> Result<Arc<str>, Denied> {
    let is_one = (1..=MAX_USER_LEN).contains(&user.len());
    if is_one { Ok(user.into()) } else { Err(invalid(no_user())) }
}

fn invalid(refusal: Refusal) -> Denied {
    Denied::Invalid(refusal.message.into_owned())
}
