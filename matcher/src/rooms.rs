//! Who waits among the same people, and in which order.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::arena::Arena;
use crate::kinds::{KindId, Kinds};
use crate::names::{Name, Names};
use crate::queue::Queue;
use crate::sketch::Sketch;
use crate::ticket::User;

/// The number of a room.
pub(crate) type RoomId = u32;

/// Where all are who look for anybody.
pub(crate) const GLOBAL: RoomId = 0;
/// Where those are who look for buddies only.
pub(crate) const BUDDIES: RoomId = 1;

/// Pools that are remembered while nobody is in them.
const REMEMBERED: usize = 64;

/// Those who wait among the same people.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// Never used twice, other than its number.
    pub(crate) serial: u64,
    pool: Option<Name>,
    /// Tickets, whatever they do.
    tickets: usize,
    /// All that are offered to nobody.
    pub(crate) queue: Queue,
    /// The kinds of which somebody waits.
    pub(crate) lanes: Vec<KindId>,
    /// The kind of those whose own has no lane.
    pub(crate) rest: KindId,
    /// How long those waited who were matched.
    pub(crate) waits: Option<Box<Sketch>>,
    pub(crate) round: Round,
}

/// How far the people of a room have been told where they are; see `places.rs`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Round {
    /// When it goes on, if it does.
    pub(crate) due: Option<u64>,
    /// When it began.
    pub(crate) began: u64,
    /// Whose turn it is: so many are ahead.
    pub(crate) turn: usize,
    /// Likewise, of those behind the front who have their turn in this round.
    pub(crate) stretch: (usize, usize),
    /// Whether anything has changed, or somebody could not be told yet, since the first behind the front had its turn.
    pub(crate) is_stale: bool,
}

/// All rooms.
#[derive(Clone, Debug)]
pub(crate) struct Rooms {
    rooms: Arena<Room>,
    pools: BTreeMap<Name, RoomId>,
    serial: u64,
}

impl Rooms {
    pub(crate) fn new(kinds: &mut Kinds) -> Self {
        let mut rooms = Self { rooms: Arena::new(), pools: BTreeMap::new(), serial: 0 };
        let two = [rooms.add(None, kinds), rooms.add(None, kinds)];
        debug_assert_eq!(two, [GLOBAL, BUDDIES]);
        rooms
    }

    fn add(&mut self, pool: Option<Name>, kinds: &mut Kinds) -> RoomId {
        self.serial += 1;
        let serial = self.serial;
        self.rooms.insert(Room {
            serial,
            pool,
            tickets: 0,
            queue: Queue::default(),
            lanes: Vec::new(),
            rest: kinds.add_rest(serial),
            waits: None,
            round: Round::default(),
        })
    }

    /// The room of a pool.
    pub(crate) fn pool(&mut self, pool: &User, names: &mut Names, kinds: &mut Kinds) -> RoomId {
        let name = names.take(pool);
        if let Some(&room) = self.pools.get(&name) {
            names.release(name);
            return room;
        }
        let room = self.add(Some(name), kinds);
        self.pools.insert(name, room);
        room
    }

    pub(crate) fn enter(&mut self, room: RoomId) {
        self.rooms[room].tickets += 1;
    }

    pub(crate) fn leave(&mut self, id: RoomId, names: &mut Names, kinds: &mut Kinds) {
        let room = &mut self.rooms[id];
        room.tickets -= 1;
        if let (0, Some(pool)) = (room.tickets, room.pool)
            && self.pools.len() > REMEMBERED
        {
            kinds.release(room.rest);
            names.release(pool);
            self.pools.remove(&pool);
            self.rooms.remove(id);
        }
    }
}

impl core::ops::Index<RoomId> for Rooms {
    type Output = Room;

    fn index(&self, id: RoomId) -> &Room {
        &self.rooms[id]
    }
}

impl core::ops::IndexMut<RoomId> for Rooms {
    fn index_mut(&mut self, id: RoomId) -> &mut Room {
        &mut self.rooms[id]
    }
}
