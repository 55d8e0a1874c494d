//! Which rooms there are.

use std::collections::BTreeMap;
use std::time::Duration;

use super::code::{Code, Codes};
use crate::deadlines::Deadlines;
use crate::hub::SeatId;

/// Rooms by their codes. Each is somebody's who waits in it, and nobody has two, so there are no more than seats.
#[derive(Debug)]
pub(in crate::hub) struct Rooms {
    open: BTreeMap<Code, Room>,
    ends: Deadlines<Code>,
    /// When to stop waiting for an owner's answer.
    patience: Deadlines<Code>,
    codes: Codes,
    /// Rooms whose owner has answered, and since when.
    answered: Vec<Code>,
    answered_since: Option<Duration>,
}

#[derive(Debug)]
pub(in crate::hub) struct Room {
    pub(in crate::hub) owner: SeatId,
    pub(in crate::hub) expires: Duration,
    knock: Option<Knock>,
}

/// Somebody who would like to come in, while the owner is asked whether it is there.
#[derive(Clone, Copy, Debug)]
struct Knock {
    guest: SeatId,
    until: Duration,
}

impl Rooms {
    pub(in crate::hub) fn new(key: [u64; 2]) -> Self {
        Self {
            open: BTreeMap::new(),
            ends: Deadlines::new(),
            patience: Deadlines::new(),
            codes: Codes::new(key),
            answered: Vec::new(),
            answered_since: None,
        }
    }

    pub(in crate::hub) fn open(&mut self, owner: SeatId, expires: Duration) -> Code {
        let mut code = self.codes.next();
        while self.open.contains_key(&code) {
            code = self.codes.next();
        }
        self.open.insert(code, Room { owner, expires, knock: None });
        self.ends.arm(expires, code);
        code
    }

    pub(in crate::hub) fn find(&self, code: Code) -> Option<&Room> {
        self.open.get(&code)
    }

    /// Forgets a room: its owner, and who would have liked to come in.
    pub(in crate::hub) fn close(&mut self, code: Code) -> Option<(SeatId, Option<SeatId>)> {
        let guest = self.end_knock(code);
        let room = self.open.remove(&code)?;
        self.ends.disarm(room.expires, code);
        Some((room.owner, guest))
    }

    /// Somebody would like to come in, and waits until then at most.
    pub(in crate::hub) fn knock(&mut self, code: Code, guest: SeatId, until: Duration) {
        if let Some(room) = self.open.get_mut(&code) {
            room.knock = Some(Knock { guest, until });
            self.patience.arm(until, code);
        }
    }

    /// Who would like to come in.
    pub(in crate::hub) fn guest(&self, code: Code) -> Option<SeatId> {
        Some(self.open.get(&code)?.knock?.guest)
    }

    /// Nobody would like to come in any more. Who did.
    pub(in crate::hub) fn end_knock(&mut self, code: Code) -> Option<SeatId> {
        let Knock { guest, until } = self.open.get_mut(&code)?.knock.take()?;
        self.patience.disarm(until, code);
        Some(guest)
    }

    /// The owner is there.
    pub(in crate::hub) fn answer(&mut self, now: Duration, code: Code) {
        if self.guest(code).is_some() && !self.answered.contains(&code) {
            self.answered.push(code);
            self.answered_since.get_or_insert(now);
        }
    }

    /// The next room whose owner has answered.
    pub(in crate::hub) fn answered(&mut self) -> Option<Code> {
        self.answered_since = None;
        self.answered.pop()
    }

    /// The next room that nobody is waited for in any longer.
    pub(in crate::hub) fn unanswered(&mut self, now: Duration) -> Option<Code> {
        self.patience.pop_due(now)
    }

    /// The next room whose time is over.
    pub(in crate::hub) fn over(&mut self, now: Duration) -> Option<Code> {
        self.ends.pop_due(now)
    }

    pub(in crate::hub) fn next_due(&self) -> Option<Duration> {
        [self.answered_since, self.patience.next(), self.ends.next()].into_iter().flatten().min()
    }
}
