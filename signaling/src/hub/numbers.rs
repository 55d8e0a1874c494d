//! The numbers that clients count by.

use std::time::Duration;

use super::Hub;
use super::SeatId;
use super::story::Number;
use crate::wire::ServerMessage;

impl Hub {
    /// What a message says besides: its own number, which the client is told has arrived, and how far the client has
    /// heard. It knows its newest resume token, since it has heard what came with it.
    pub(super) fn take_numbers(
        &mut self,
        now: Duration,
        seat: SeatId,
        number: Option<u64>,
        ack: Option<u64>,
    ) -> Number {
        self.seats.confirm_token(seat);
        if let Some(ack) = ack {
            self.seats.acknowledged(seat, ack);
        }
        let (Some(story), Some(number)) = (self.seats.story_mut(seat), number) else {
            return Number::Next;
        };
        let number = story.hear(number);
        if number != Number::Ahead && !std::mem::replace(&mut story.ack_due, true) {
            self.acks.push(seat);
            self.acks_since.get_or_insert(now);
        }
        number
    }

    /// Tells clients how far their messages have arrived.
    pub(super) fn send_acks(&mut self) {
        self.acks_since = None;
        for seat in std::mem::take(&mut self.acks) {
            let Some(seat) = self.seats.find_mut(seat) else { continue };
            let Some((id, connection)) = seat.take_ack() else { continue };
            self.send(connection, &ServerMessage::Ack { id });
        }
    }
}
