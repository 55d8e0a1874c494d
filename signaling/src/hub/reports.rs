//! Complaints of partners.

use std::sync::Arc;
use std::time::Duration;

use super::{Hub, SeatId, State};
use crate::refusal::Refusal;
use crate::wire::{ServerMessage, SessionRef};
use crate::{Record, SessionId};

impl Hub {
    /// `report`: about the partner somebody has, or one it had of late. Each side of a session is heard once.
    pub(super) fn report(
        &mut self,
        now: Duration,
        seat: SeatId,
        session: SessionRef,
        reason: &str,
    ) -> Result<(), Refusal> {
        let by = self.seats.get(seat).user.clone();
        let (session_id, about) = self.partner_meant(seat, session)?;
        if self.counts(seat, session_id) {
            self.record(Record::Report {
                session: session_id,
                by: by.clone(),
                about: about.clone(),
                reason: reason.into(),
            });
            self.count_report(now, &about, &by);
        }
        self.tell(seat, &ServerMessage::Reported { session_id });
        Ok(())
    }

    /// The session that is meant, which may be over, and who the other one in it is.
    pub(super) fn partner_meant(
        &self,
        seat: SeatId,
        session: SessionRef,
    ) -> Result<(SessionId, Arc<str>), Refusal> {
        if let Ok((live, role)) = self.session_meant(seat, session) {
            return Ok((live, self.sessions.get(live).member(role.other()).user.clone()));
        }
        let session = match session {
            SessionRef::Mine => None,
            SessionRef::Of(session) => Some(session),
            SessionRef::Nobodys => return Err(Refusal::no_session()),
        };
        let met = self.relations.acquaintances.of(&self.seats.get(seat).user, session);
        met.map(|met| (met.session, met.user.clone())).ok_or_else(Refusal::no_session)
    }

    /// Whether somebody reports its partner in this session for the first time. From now on it has.
    fn counts(&mut self, seat: SeatId, session: SessionId) -> bool {
        let seat = self.seats.get(seat);
        match seat.state {
            State::Paired { session: live, role } if live == session => {
                let live = self.sessions.find_mut(session);
                live.is_some_and(|live| !std::mem::replace(live.reported_by(role), true))
            }
            _ => self.relations.acquaintances.report(&seat.user.clone(), session),
        }
    }

    /// Bars who is reported by too many. The session in which that happens goes on: its partner may end it.
    fn count_report(&mut self, now: Duration, about: &Arc<str>, by: &Arc<str>) {
        let reports = &mut self.relations.reports;
        let count = reports.add(now, self.config.report_window, about, by);
        let enough = self.config.reports_to_bar;
        if enough == 0 || count < enough || self.is_barred(now, about) {
            return;
        }
        // Who has served its time begins anew.
        self.relations.reports.forget(about);
        // There may be no room: that has been said.
        let _ = self.bar_until(now, about, now.saturating_add(self.config.bar_time));
    }
}
