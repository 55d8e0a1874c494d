//! Telling people where they are in the queue.
//!
//! Who begins to wait is told at once. Then each room with a change has rounds, [`Rules::tell_every`](crate::Rules)
//! apart: the first hundred have a turn in each round, and of those behind a stretch, further back each time, so that all
//! have had a turn after 64 rounds at most. Who has a turn is told if its place has changed by a sixteenth or more. However
//! many there are, no more than [`TURNS`] have a turn in an eighth of that time, in all rooms together.

use alloc::collections::{BTreeSet, VecDeque};
use core::time::Duration;

use crate::kinds::Kinds;
use crate::rooms::{Room, RoomId, Rooms, Round};
use crate::tickets::{Held, Slot, Tickets, Told};
use crate::{Output, Place, TicketId};

/// Turns in a slice.
const TURNS: usize = 128;
/// Slices in a round.
const SLICES: u64 = 8;
/// So many are the front of a room.
const FRONT: usize = 100;
/// Rounds until everybody has had a turn.
const ROUNDS: usize = 64;

/// When whose place is told.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    every: u64,
    /// Between two slices.
    pause: u64,
    /// When the next slice may be.
    next: u64,
    /// Rooms in which somebody may have to be told, by when they go on.
    rooms: BTreeSet<(u64, RoomId)>,
}

impl Places {
    pub(crate) fn new(every: u64) -> Self {
        let pause = (every / SLICES).max(1_000_000);
        Self { every, pause, next: 0, rooms: BTreeSet::new() }
    }

    /// Somebody has come or gone.
    pub(crate) fn change(&mut self, rooms: &mut Rooms, id: RoomId, now: u64) {
        let Room { queue, round, .. } = &mut rooms[id];
        round.is_stale = true;
        if queue.is_empty() {
            // There is nobody to be told.
            if let Some(due) = round.due.take() {
                self.rooms.remove(&(due, id));
            }
        } else if round.due.is_none() {
            let due = round.began.saturating_add(self.every).max(now.saturating_add(self.pause));
            round.due = Some(due);
            self.rooms.insert((due, id));
        }
    }

    /// When [`Places::tell`] is due.
    pub(crate) fn next(&self) -> Option<u64> {
        self.rooms.first().map(|&(due, _)| due.max(self.next))
    }

    /// One slice, if it is due. Says how many have had a turn.
    pub(crate) fn tell(
        &mut self,
        now: u64,
        rooms: &mut Rooms,
        tickets: &mut Tickets,
        kinds: &Kinds,
        outputs: &mut VecDeque<Output>,
    ) -> usize {
        if self.next > now {
            return 0;
        }
        let mut left = TURNS;
        while let Some(&(due, id)) = self.rooms.first()
            && due <= now
            && left > 0
        {
            self.rooms.pop_first();
            let mut round = rooms[id].round;
            round.begin(now, rooms[id].queue.len());
            let room = &rooms[id];
            let is_over = self.go_on(now, &mut round, room, tickets, kinds, outputs, &mut left);
            let next = match is_over {
                true if round.is_done(room.queue.len()) && !round.is_stale => None,
                true => Some(round.began.saturating_add(self.every)),
                false => Some(now),
            };
            round.due = next.map(|next| next.max(now.saturating_add(self.pause)));
            self.rooms.extend(round.due.map(|due| (due, id)));
            rooms[id].round = round;
        }
        self.next = now.saturating_add(self.pause);
        TURNS - left
    }

    /// Goes on with a round, and says whether it is over.
    #[expect(clippy::too_many_arguments, reason = "a room's round is told by many things")]
    fn go_on(
        &self,
        now: u64,
        round: &mut Round,
        room: &Room,
        tickets: &mut Tickets,
        kinds: &Kinds,
        outputs: &mut VecDeque<Output>,
        left: &mut usize,
    ) -> bool {
        let waiting = room.queue.len();
        let (from, to) = round.stretch;
        let mut cursor = room.queue.nth(round.turn);
        while *left > 0 {
            if round.turn == FRONT.min(waiting) && from > round.turn {
                round.turn = from;
                cursor = room.queue.nth(from);
            }
            if round.turn >= to.min(waiting) && round.turn >= FRONT.min(waiting) {
                round.turn = 0;
                return true;
            }
            let Some(entry) = room.queue.next(&mut cursor) else {
                round.turn = 0;
                return true;
            };
            *left -= 1;
            round.turn += 1;
            let held = &mut tickets[entry.slot()];
            let place = [round.turn, waiting].map(count);
            if !differs(held.told.position, place[0]) && !differs(held.told.waiting, place[1]) {
                continue;
            }
            if now < held.told.at.saturating_add(self.every) {
                round.is_stale = true;
                continue;
            }
            outputs.push_back(say(now, held, room, kinds, place));
        }
        false
    }

    /// What is said to somebody who begins to wait.
    pub(crate) fn first(
        now: u64,
        slot: Slot,
        rooms: &Rooms,
        tickets: &mut Tickets,
        kinds: &Kinds,
    ) -> Output {
        let held = &mut tickets[slot];
        let room = &rooms[held.room];
        let place = [room.queue.rank(held.age()) + 1, room.queue.len()].map(count);
        say(now, held, room, kinds, place)
    }
}

impl Round {
    /// The front again, and the next stretch behind it.
    fn begin(&mut self, now: u64, waiting: usize) {
        if self.turn > 0 {
            return;
        }
        self.began = now;
        let mut from = self.stretch.1;
        if from < FRONT || from >= waiting {
            from = FRONT;
            self.is_stale = false;
        }
        self.stretch = (from, from + FRONT.max(waiting / ROUNDS + 1));
    }

    /// Whether the last has had its turn.
    fn is_done(&self, waiting: usize) -> bool {
        self.stretch.1 >= waiting
    }
}

/// Whether it is worth a message.
fn differs(told: u32, now: u32) -> bool {
    told.abs_diff(now) > told.min(now) / 16
}

fn say(now: u64, held: &mut Held, room: &Room, kinds: &Kinds, place: [u32; 2]) -> Output {
    let [position, waiting] = place;
    held.told = Told { at: now, position, waiting };
    let waited = now.saturating_sub(held.since);
    let like_it = kinds[held.origin].waits.as_ref().and_then(|waits| waits.remaining(waited));
    let eta = like_it.or_else(|| room.waits.as_ref()?.remaining(waited));
    let eta = eta.map(Duration::from_nanos);
    Output::Waiting { id: TicketId(held.id), place: Place { position, waiting, eta } }
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
