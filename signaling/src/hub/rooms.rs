//! Rooms: two who know each other meet by a code. The matcher has no part in it.

mod code;
mod register;

use std::sync::Arc;
use std::time::Duration;

pub(super) use self::code::Code;
pub(super) use self::register::Rooms;
use super::introductions::{ANSWER, Presence};
use super::{Hub, SeatId, State};
use crate::budgets::Wish;
use crate::refusal::Refusal;
use crate::wire::{ServerMessage, Whom, invalid};
use crate::{ConnectionId, IceServers, Outside, Tokens};

impl Hub {
    /// `create_room`: a code for whoever is to come. Somebody has one room at a time.
    pub(super) fn create_room(
        &mut self,
        now: Duration,
        id: ConnectionId,
        seat: Option<SeatId>,
        whom: Whom,
        tokens: &mut impl Tokens,
    ) -> Result<(), Refusal> {
        let user = self.may_use_rooms(now, id, seat, whom, tokens)?;
        self.afford(now, Some(id), Wish::Join, &user)?;
        let seat = self.seated(now, id, seat, &user)?;
        self.leave_all(now, seat);
        let code = self.rooms.open(seat, now.saturating_add(self.config.room_lifetime));
        self.seats.get_mut(seat).state = State::Hosting(code);
        self.tell_room(now, seat);
        Ok(())
    }

    /// `join_room`: whoever knows the code meets who waits in the room. Rooms that one is not to enter are none.
    pub(super) fn join_room(
        &mut self,
        now: Duration,
        id: ConnectionId,
        seat: Option<SeatId>,
        (whom, code): (Whom, &str),
        outside: &mut impl Outside,
    ) -> Result<(), Refusal> {
        let user = self.may_use_rooms(now, id, seat, whom, outside)?;
        let code = Code::parse(code);
        if seat.is_some_and(|seat| code.is_some_and(|code| self.knocks_at(seat, code))) {
            return Ok(());
        }
        // Before anything is looked up: who has guessed too often learns nothing from one more.
        let origin = self.connections.origin(id);
        let may_guess = self.budgets.may_take(now, Wish::WrongCode, &user, origin, &self.config);
        may_guess.map_err(|wait| Refusal::too_often(Wish::WrongCode.what(), wait))?;
        let room = code.and_then(|code| Some((code, self.rooms.find(code)?.owner)));
        let own = |(_, owner): &(Code, SeatId)| self.seats.get(*owner).user == user;
        if room.as_ref().is_some_and(own) {
            return Err(invalid("code is of your own room: it is for somebody else"));
        }
        let enters = |(code, owner): &(Code, SeatId)| {
            self.rooms.guest(*code).is_none()
                && !self.are_apart(&self.seats.get(*owner).user, &user)
                && !self.claims_keep_apart(id, &user, *owner)
        };
        let Some((code, owner)) = room.filter(enters) else {
            self.afford(now, Some(id), Wish::WrongCode, &user)?;
            return Err(Refusal::no_room());
        };
        self.afford(now, Some(id), Wish::Join, &user)?;
        let guest = self.seated(now, id, seat, &user)?;
        self.leave_all(now, guest);
        self.seats.get_mut(guest).state = State::Knocking(code);
        self.rooms.knock(code, guest, now.saturating_add(ANSWER));
        // Whoever is away may come back in time.
        if self.ask_whether_there(now, owner) == Presence::There {
            self.let_in(now, code, outside);
        }
        Ok(())
    }

    /// Somebody stops waiting in a room, or in front of one.
    pub(super) fn leave_room(&mut self, seat: SeatId) {
        match self.seats.get(seat).state {
            State::Hosting(code) => self.close_room(code),
            State::Knocking(code) => {
                self.rooms.end_knock(code);
                self.seats.get_mut(seat).state = State::Idle;
            }
            State::Idle | State::Waiting(_) | State::Paired { .. } => {}
        }
    }

    /// Somebody would like to come in and has lost its connection.
    pub(super) fn stop_knocking(&mut self, seat: SeatId) {
        if let State::Knocking(code) = self.seats.get(seat).state {
            self.turn_away_guest(code);
        }
    }

    /// Tells somebody of its room.
    pub(super) fn tell_room(&mut self, now: Duration, seat: SeatId) {
        let State::Hosting(code) = self.seats.get(seat).state else { return };
        let Some(room) = self.rooms.find(code) else { return };
        let left = room.expires.saturating_sub(now).as_millis();
        let expires_in_ms = u64::try_from(left).unwrap_or(u64::MAX);
        self.tell(seat, &ServerMessage::RoomCreated { code: code.as_str(), expires_in_ms });
    }

    /// Does what is due in rooms.
    pub(super) fn see_to_rooms(&mut self, now: Duration, ice: &mut impl IceServers) {
        self.open_doors(now, ice);
        while let Some(code) = self.rooms.unanswered(now) {
            self.turn_away_guest(code);
        }
        while let Some(code) = self.rooms.over(now) {
            let owner = self.rooms.find(code).map(|room| room.owner);
            self.close_room(code);
            if let Some(owner) = owner {
                self.tell(owner, &ServerMessage::RoomClosed { code: code.as_str() });
            }
        }
    }

    /// Owners that were asked have answered.
    pub(super) fn open_doors(&mut self, now: Duration, ice: &mut impl IceServers) {
        while let Some(code) = self.rooms.answered() {
            self.let_in(now, code, ice);
        }
    }

    /// The two meet, if both are still there and want to.
    fn let_in(&mut self, now: Duration, code: Code, ice: &mut impl IceServers) {
        let Some(guest) = self.rooms.guest(code) else { return };
        let Some(owner) = self.rooms.find(code).map(|room| room.owner) else { return };
        if self.seats.get(owner).connection().is_none() || self.draining.is_some() {
            return;
        }
        if self.are_apart(&self.seats.get(owner).user, &self.seats.get(guest).user) {
            return self.turn_away_guest(code);
        }
        self.rooms.close(code);
        self.unite(now, [owner, guest], ice);
    }

    fn close_room(&mut self, code: Code) {
        self.turn_away_guest(code);
        if let Some((owner, _)) = self.rooms.close(code) {
            self.seats.get_mut(owner).state = State::Idle;
        }
    }

    fn turn_away_guest(&mut self, code: Code) {
        if let Some(guest) = self.rooms.end_knock(code) {
            self.seats.get_mut(guest).state = State::Idle;
            self.refuse_seat(guest, &Refusal::no_room());
        }
    }

    fn knocks_at(&self, seat: SeatId, code: Code) -> bool {
        self.seats.get(seat).state == State::Knocking(code)
    }

    /// Who it is that asks for a room, if anybody may have one.
    fn may_use_rooms(
        &mut self,
        now: Duration,
        id: ConnectionId,
        seat: Option<SeatId>,
        whom: Whom,
        tokens: &mut impl Tokens,
    ) -> Result<Arc<str>, Refusal> {
        if self.draining.is_some() {
            return Err(Refusal::shutting_down());
        }
        let user = self.named(now, id, seat, whom, tokens)?;
        self.may_meet(now, &user)?;
        Ok(user)
    }
}
