//! What somebody who has said who it is may ask.

use std::sync::Arc;
use std::time::Duration;

use super::{Hub, SeatId};
use crate::IceServers;
use crate::refusal::{ErrorCode, Refusal};
use crate::wire::ClientMessage;

impl Hub {
    /// A message that needs a seat.
    pub(super) fn asked_by(
        &mut self,
        now: Duration,
        seat: SeatId,
        message: ClientMessage<'_>,
        ice: &mut impl IceServers,
    ) -> Result<(), Refusal> {
        match message {
            ClientMessage::Signal { session, signal } => self.signal(seat, session, signal),
            ClientMessage::Skip { session } => self.skip(now, seat, session),
            ClientMessage::EndSession { session } => self.end_session(now, seat, session),
            ClientMessage::IceServers => self.ask_for_ice(now, seat, ice),
            ClientMessage::Message { session, text } => self.pass_words(now, seat, session, &text),
            ClientMessage::Path { session, relayed } => self.note_path(seat, session, relayed),
            ClientMessage::Report { session, reason } => self.report(now, seat, session, &reason),
            ClientMessage::Block { user } => self.ask_to_block(now, seat, user.map(Arc::from)),
            ClientMessage::Unblock { user } => self.ask_to_unblock(seat, &user),
            _ => Err(Refusal::new(ErrorCode::UnknownType, "not yet")),
        }
    }
}
