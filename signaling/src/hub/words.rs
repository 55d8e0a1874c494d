//! What is said within a session beside its signals.

use std::time::Duration;

use super::sessions::Side;
use super::{Hub, SeatId, State};
use crate::budgets::Wish;
use crate::refusal::Refusal;
use crate::tokens::Role;
use crate::wire::{ServerMessage, SessionRef};
use crate::{Output, PartnerNews, SessionId};

impl Hub {
    /// `message`: words for the partner. Like a signal they are kept only until the partner has heard them.
    pub(super) fn pass_words(
        &mut self,
        now: Duration,
        from: SeatId,
        session: SessionRef,
        text: &str,
    ) -> Result<(), Refusal> {
        let (session_id, role) = self.session_meant(from, session)?;
        let seat = self.seats.get(from);
        let (connection, user) = (seat.connection(), seat.user.clone());
        self.afford(now, connection, Wish::Message, &user)?;
        match self.sessions.get(session_id).member(role.other()).side {
            Side::Here(partner) => self.tell(partner, &ServerMessage::Message { session_id, text }),
            Side::There(node) => {
                let news = PartnerNews::Message(text.into());
                self.outputs.push_back(Output::ToNode { node, session: session_id, news });
            }
        }
        Ok(())
    }

    /// `path`: how a client's media goes. Once over a relay is over a relay. Who says so when the session has just ended
    /// is too late.
    pub(super) fn note_path(
        &mut self,
        seat: SeatId,
        session: SessionRef,
        relayed: bool,
    ) -> Result<(), Refusal> {
        let last = self.seats.get(seat).last_session;
        match self.session_meant(seat, session) {
            Ok((session, _)) => {
                if let Some(session) = self.sessions.find_mut(session) {
                    session.relayed = Some(session.relayed.unwrap_or_default() || relayed);
                }
                Ok(())
            }
            Err(_) if last.is_some_and(|last| session.means(last)) => Ok(()),
            Err(refusal) => Err(refusal),
        }
    }

    /// The session somebody is in, if that is the one it means.
    pub(super) fn session_meant(
        &self,
        seat: SeatId,
        session: SessionRef,
    ) -> Result<(SessionId, Role), Refusal> {
        match self.seats.get(seat).state {
            State::Paired { session: live, role } if session.means(live) => Ok((live, role)),
            _ => Err(Refusal::no_session()),
        }
    }
}
