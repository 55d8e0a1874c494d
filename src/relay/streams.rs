//! All of a worker's TURN clients over TCP, with TLS or without.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use hairpin_stun::{ChannelNumbers, Reader};
use hairpin_turn::{ConnectionId, FiveTuple, Forward, StreamDeadlines};
use rustix::event::epoll::{self, EventFlags};

use super::carrier::Carrier;
use super::routes::{Token, watch};
use super::stream::{Queued, State, Stream};
use crate::net::Held;

/// Streams found by place and by 5-tuple, and what is to be done with them by the end of a turn.
#[derive(Default)]
pub(super) struct Streams {
    /// Those that channels may have.
    numbers: ChannelNumbers,
    /// By the number in their tokens.
    places: Vec<Option<Stream>>,
    vacant: Vec<usize>,
    by_tuple: HashMap<FiveTuple, usize, foldhash::fast::RandomState>,
    /// When each stream's deadlines are looked at next.
    timers: BTreeSet<(Duration, usize)>,
    /// Those with something to write.
    queued: Vec<usize>,
    /// Those with whole frames in their readers.
    unread: VecDeque<usize>,
    /// Those to close.
    doomed: Vec<usize>,
    /// Readers and buffers of streams that have nothing in them: most streams, most of the time.
    readers: Vec<Reader>,
    buffers: Vec<Vec<u8>>,
}

/// A stream on its way from one worker to another (RFC 6062 s5.4).
#[derive(Debug)]
pub(super) struct MovedStream {
    pub(super) stream: Stream,
    /// What was taken of it and not been answered.
    pub(super) frame: Vec<u8>,
    /// What was received behind that.
    pub(super) reader: Reader,
}

/// Empty readers and buffers kept for later, and the largest buffer that is.
const SPARE: usize = 16;
const SPARE_BYTES: usize = 64 << 10;

impl Streams {
    pub(super) fn new(numbers: ChannelNumbers) -> Self {
        Self { numbers, ..Self::default() }
    }

    /// Begins to serve a connection, and returns its place.
    ///
    /// # Errors
    /// What the system says when it cannot be watched.
    pub(super) fn open(
        &mut self,
        epoll: &OwnedFd,
        carrier: Carrier,
        tuple: FiveTuple,
        held: Held,
        now: Duration,
    ) -> io::Result<usize> {
        let stream = Stream::new(carrier, tuple, held, now);
        stream.tune();
        self.adopt(epoll, stream, now + StreamDeadlines::FIRST_FRAME)
    }

    /// Serves a stream from now on, and returns its place. Its deadlines are looked at by `look_at`.
    ///
    /// # Errors
    /// What the system says when it cannot be watched.
    pub(super) fn adopt(
        &mut self,
        epoll: &OwnedFd,
        stream: Stream,
        look_at: Duration,
    ) -> io::Result<usize> {
        let tuple = stream.tuple;
        let place = self.vacant.last().copied().unwrap_or(self.places.len());
        watch(epoll, &stream, Token::Stream(place), EventFlags::IN)?;
        match self.vacant.pop() {
            Some(_) => self.places[place] = Some(stream),
            None => self.places.push(Some(stream)),
        }
        self.by_tuple.insert(tuple, place);
        self.look_again(place, look_at);
        Ok(place)
    }

    /// The connection to a peer that a stream is the client's end of.
    pub(super) fn piped(&self, place: usize) -> Option<ConnectionId> {
        self.places.get(place)?.as_ref()?.piped
    }

    /// Takes a stream out for another worker, with what was received of it.
    pub(super) fn take(&mut self, epoll: &OwnedFd, place: usize) -> Option<Stream> {
        // It is not closed, so the set does not forget it by itself.
        epoll::delete(epoll, self.get_mut(place)?).ok()?;
        let mut stream = self.remove(place)?;
        (stream.timer, stream.state) = (None, State::default());
        Some(stream)
    }

    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut Stream> {
        self.places.get_mut(place)?.as_mut()
    }

    pub(super) fn place_of(&self, tuple: &FiveTuple) -> Option<usize> {
        self.by_tuple.get(tuple).copied()
    }

    /// Takes a stream out; dropping it closes the connection.
    pub(super) fn close(&mut self, place: usize) -> Option<Stream> {
        let mut stream = self.remove(place)?;
        if stream.state.blocked {
            stream.abandon_output();
        } else {
            stream.say_goodbye();
        }
        Some(stream)
    }

    fn remove(&mut self, place: usize) -> Option<Stream> {
        let stream = self.places.get_mut(place)?.take()?;
        self.vacant.push(place);
        if stream.state.doomed {
            // Whoever gets the place next is not to be closed in its stead.
            self.doomed.retain(|doomed| *doomed != place);
        }
        // A successor on the same 5-tuple has replaced it there.
        if self.by_tuple.get(&stream.tuple) == Some(&place) {
            self.by_tuple.remove(&stream.tuple);
        }
        if let Some(at) = stream.timer {
            self.timers.remove(&(at, place));
        }
        Some(stream)
    }

    /// Sends a relayed packet at the end of the turn, unless its reader is too slow.
    pub(super) fn send_data(&mut self, tuple: &FiveTuple, forward: &Forward<'_>) -> Queued {
        let Some((place, stream)) = self.buffered(tuple) else { return Queued::Refused };
        let queued = stream.queue_data(forward);
        self.write_later(place);
        queued
    }

    /// Sends an answer at the end of the turn. A client that lets too many wait is cut off.
    pub(super) fn send_answer(&mut self, tuple: &FiveTuple, bytes: &[u8]) {
        let Some((place, stream)) = self.buffered(tuple) else { return };
        if stream.queue_answer(bytes) == Queued::Refused {
            self.doom(place);
        }
        self.write_later(place);
    }

    /// The stream of a 5-tuple, with a buffer to write to.
    fn buffered(&mut self, tuple: &FiveTuple) -> Option<(usize, &mut Stream)> {
        let place = *self.by_tuple.get(tuple)?;
        let stream = self.places.get_mut(place)?.as_mut()?;
        if stream.pending.capacity() == 0 {
            stream.pending = self.buffers.pop().unwrap_or_default();
        }
        Some((place, stream))
    }

    /// Writes to a stream at the end of the turn.
    pub(super) fn write_later(&mut self, place: usize) {
        if let Some(stream) = self.get_mut(place)
            && !std::mem::replace(&mut stream.state.queued, true)
        {
            self.queued.push(place);
        }
    }

    /// Closes a stream at the end of the turn.
    pub(super) fn doom(&mut self, place: usize) {
        if let Some(stream) = self.get_mut(place)
            && !std::mem::replace(&mut stream.state.doomed, true)
        {
            self.doomed.push(place);
        }
    }

    /// One more stream to be closed now.
    pub(super) fn next_doomed(&mut self) -> Option<usize> {
        self.doomed.pop()
    }

    /// Writes what the turn has brought, each stream in one call.
    pub(super) fn flush(&mut self, epoll: &OwnedFd, now: Duration) {
        for place in std::mem::take(&mut self.queued) {
            let Some(stream) = self.places.get_mut(place).and_then(Option::as_mut) else {
                continue;
            };
            stream.state.queued = false;
            if stream.piped.is_some() {
                continue;
            }
            let blocked = stream.write().map(|()| stream.waiting() > 0);
            let taken = std::mem::take(&mut stream.taken);
            stream.deadlines.written(now, taken, stream.waiting());
            let watched = blocked.and_then(|blocked| {
                if std::mem::replace(&mut stream.state.blocked, blocked) == blocked {
                    return Ok(());
                }
                let flags = if blocked { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
                let data = epoll::EventData::new_u64(Token::Stream(place).to_u64());
                Ok(epoll::modify(epoll, &*stream, data, flags)?)
            });
            if stream.pending.is_empty() {
                let buffer = std::mem::take(&mut stream.pending);
                if self.buffers.len() < SPARE && buffer.capacity() <= SPARE_BYTES {
                    self.buffers.push(buffer);
                }
            }
            if let Err(error) = watched {
                tracing::debug!(client = %stream.tuple.client, %error, "stream broke");
                self.doom(place);
            } else if stream.state.blocked {
                self.look_by(place, now + StreamDeadlines::WRITE);
            }
        }
    }

    /// The reader of a stream, or an empty one.
    pub(super) fn take_reader(&mut self, place: usize) -> Reader {
        let reader = self.get_mut(place).and_then(|stream| stream.reader.take());
        reader.or_else(|| self.readers.pop()).unwrap_or_else(|| Reader::under(self.numbers))
    }

    /// Moves into a stream's reader what it has received before.
    ///
    /// # Errors
    /// `UnexpectedEof` when the client has closed, or there is no such stream any more.
    pub(super) fn refill(&mut self, place: usize, reader: &mut Reader) -> io::Result<usize> {
        let stream = self.get_mut(place).ok_or(io::ErrorKind::UnexpectedEof)?;
        stream.refill(reader)
    }

    /// Gives a stream its reader back, if there is something in it.
    pub(super) fn put_reader(&mut self, place: usize, reader: Reader) {
        if reader.buffered() == 0 {
            if self.readers.len() < SPARE {
                self.readers.push(reader);
            }
        } else if let Some(stream) = self.get_mut(place) {
            stream.reader = Some(reader);
        }
    }

    /// Serves a stream again in the next turn: it has more frames than one turn may take.
    pub(super) fn read_later(&mut self, place: usize) {
        if let Some(stream) = self.get_mut(place)
            && !std::mem::replace(&mut stream.state.unread, true)
        {
            self.unread.push_back(place);
        }
    }

    /// How many streams wait to be served again.
    pub(super) fn unread(&self) -> usize {
        self.unread.len()
    }

    /// The next stream to be served again.
    pub(super) fn next_unread(&mut self) -> Option<usize> {
        let place = self.unread.pop_front()?;
        if let Some(stream) = self.get_mut(place) {
            stream.state.unread = false;
        }
        Some(place)
    }

    /// Makes sure that a stream's deadlines are looked at by `at`.
    pub(super) fn look_by(&mut self, place: usize, at: Duration) {
        let Some(stream) = self.get_mut(place) else { return };
        if stream.timer.is_none_or(|timer| at < timer) {
            self.look_again(place, at);
        }
    }

    /// Has a stream's deadlines looked at now: its allocation has ended, perhaps before its time.
    pub(super) fn look_now(&mut self, tuple: &FiveTuple, now: Duration) {
        if let Some(place) = self.place_of(tuple) {
            self.look_by(place, now);
        }
    }

    fn look_again(&mut self, place: usize, at: Duration) {
        let Some(stream) = self.get_mut(place) else { return };
        if let Some(before) = stream.timer.replace(at) {
            self.timers.remove(&(before, place));
        }
        self.timers.insert((at, place));
    }

    /// When deadlines are to be looked at next.
    pub(super) fn next_timer(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Dooms streams whose time is over, looking at no more than `most`. A stream whose allocation was renewed in the
    /// meantime is looked at again at its new end.
    pub(super) fn handle_timeout(
        &mut self,
        now: Duration,
        most: usize,
        allocation_ends: impl Fn(&FiveTuple) -> Option<Duration>,
    ) {
        for _ in 0..most {
            let Some(&(at, place)) = self.timers.first().filter(|(at, _)| *at <= now) else {
                return;
            };
            self.timers.remove(&(at, place));
            let Some(stream) = self.get_mut(place) else { continue };
            stream.timer = None;
            if stream.piped.is_some() {
                // It ends with its peer, or its allocation.
                continue;
            }
            let deadline = stream.deadlines.deadline(allocation_ends(&stream.tuple));
            if deadline <= now {
                self.doom(place);
            } else {
                self.look_again(place, deadline);
            }
        }
    }
}
