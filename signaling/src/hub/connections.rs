//! Sockets as the hub sees them: who is there, who is alive, and how much each says.

use std::collections::BTreeMap;
use std::time::Duration;

use super::seats::SeatId;
use crate::deadlines::Deadlines;
use crate::limit::Bucket;
use crate::{Config, ConnectionId, Origin};

/// All connections. What somebody is and does is not here but in its seat.
pub(super) struct Connections {
    open: BTreeMap<ConnectionId, Connection>,
    beats: Deadlines<ConnectionId>,
}

/// Ten thousand of them are normal, so it stays small.
struct Connection {
    /// Who sits behind it; nobody before the first `join_queue`.
    seat: Option<SeatId>,
    /// Whose bounds it shares.
    origin: Option<Origin>,
    last_heard: Duration,
    /// When it last said something itself: pings are answered by a browser whose page sleeps.
    /// In milliseconds.
    last_said: u64,
    last_ping: Duration,
    /// When its next heartbeat is due.
    beat: Duration,
    /// By when it must show life, because somebody waits for it.
    answer_by: Option<Duration>,
    messages: Bucket,
    bytes: Bucket,
}

/// Why a message is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// Its connection is gone.
    Gone,
    TooBig,
    /// One more than the rates allow.
    Flood,
}

/// What a heartbeat found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Ping(ConnectionId),
    Dead(ConnectionId),
}

impl Connections {
    pub(super) fn new() -> Self {
        Self { open: BTreeMap::new(), beats: Deadlines::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn contains(&self, id: ConnectionId) -> bool {
        self.open.contains_key(&id)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ConnectionId> + '_ {
        self.open.keys().copied()
    }

    pub(super) fn open(
        &mut self,
        now: Duration,
        id: ConnectionId,
        origin: Option<Origin>,
        config: &Config,
    ) {
        let beat = now.saturating_add(config.heartbeat_interval.min(config.heartbeat_timeout));
        let earlier = self.open.insert(
            id,
            Connection {
                seat: None,
                origin,
                last_heard: now,
                last_said: 0,
                last_ping: now,
                beat,
                answer_by: None,
                messages: Bucket::default(),
                bytes: Bucket::default(),
            },
        );
        debug_assert!(earlier.is_none(), "connection ids are used once");
        self.beats.arm(beat, id);
    }

    /// Forgets a connection, and says who sat behind it.
    pub(super) fn close(&mut self, id: ConnectionId) -> Option<SeatId> {
        let connection = self.open.remove(&id)?;
        self.beats.disarm(connection.beat, id);
        connection.seat
    }

    pub(super) fn seat(&self, id: ConnectionId) -> Option<SeatId> {
        self.open.get(&id)?.seat
    }

    pub(super) fn origin(&self, id: ConnectionId) -> Option<Origin> {
        self.open.get(&id)?.origin
    }

    pub(super) fn set_seat(&mut self, id: ConnectionId, seat: SeatId) {
        if let Some(connection) = self.open.get_mut(&id) {
            connection.seat = Some(seat);
        }
    }

    /// A sign of life, by whoever sits behind it. `None` if there is no such connection.
    pub(super) fn alive(&mut self, now: Duration, id: ConnectionId) -> Option<Option<SeatId>> {
        let connection = self.open.get_mut(&id)?;
        connection.last_heard = now;
        connection.answer_by = None;
        Some(connection.seat)
    }

    /// When it was heard last.
    pub(super) fn last_heard(&self, id: ConnectionId) -> Option<Duration> {
        Some(self.open.get(&id)?.last_heard)
    }

    /// When its client said something last.
    pub(super) fn last_said(&self, id: ConnectionId) -> Option<Duration> {
        Some(Duration::from_millis(self.open.get(&id)?.last_said))
    }

    /// It must show life within this time, or is dead. A ping is to be sent.
    pub(super) fn probe(&mut self, now: Duration, id: ConnectionId, within: Duration) {
        let Some(connection) = self.open.get_mut(&id) else { return };
        let by = now.saturating_add(within);
        connection.answer_by = Some(connection.answer_by.map_or(by, |earlier| earlier.min(by)));
        if by < connection.beat {
            self.beats.disarm(connection.beat, id);
            connection.beat = by;
            self.beats.arm(by, id);
        }
    }

    /// Counts a message of `len` bytes, which is a sign of life; says why it is not to be read, if it is not.
    pub(super) fn count(
        &mut self,
        now: Duration,
        id: ConnectionId,
        len: usize,
        config: &Config,
    ) -> Result<Option<SeatId>, Unread> {
        let seat = self.alive(now, id).ok_or(Unread::Gone)?;
        let connection = self.open.get_mut(&id).ok_or(Unread::Gone)?;
        connection.last_said = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        if len > config.max_message_bytes {
            return Err(Unread::TooBig);
        }
        let allowed = connection.messages.take(now, config.messages, 1)
            && connection.bytes.take(now, config.bytes, len);
        if allowed { Ok(seat) } else { Err(Unread::Flood) }
    }

    /// Looks after the next connection whose heartbeat is due.
    pub(super) fn beat(&mut self, now: Duration, config: &Config) -> Option<Beat> {
        while let Some(id) = self.beats.pop_due(now) {
            let connection = self.open.get_mut(&id).expect("closing disarms the heartbeat");
            let silent = connection.last_heard.saturating_add(config.heartbeat_timeout);
            let dead_at = connection.answer_by.map_or(silent, |by| by.min(silent));
            if now >= dead_at {
                return Some(Beat::Dead(id));
            }
            let ping = now >= connection.last_ping.saturating_add(config.heartbeat_interval);
            if ping {
                connection.last_ping = now;
            }
            connection.beat =
                dead_at.min(connection.last_ping.saturating_add(config.heartbeat_interval));
            self.beats.arm(connection.beat, id);
            if ping {
                return Some(Beat::Ping(id));
            }
        }
        None
    }

    pub(super) fn next_beat(&self) -> Option<Duration> {
        self.beats.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_stays_small() {
        assert!(size_of::<Connection>() <= 128, "{}", size_of::<Connection>());
    }
}
