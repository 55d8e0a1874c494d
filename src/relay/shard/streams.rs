//! TURN clients on byte streams: from a connection to its frames, and to its end.

use std::io;

use hairpin_stun::Reader;
use hairpin_turn::{FiveTuple, Now};
use rustix::event::epoll::EventFlags;

use super::super::carrier::Carrier;
use super::super::gathered::Gathered;
use super::{OF_A_STREAM, Shard};
use crate::net::Connection;

/// Frames taken from one stream before the others get their turn.
const FRAMES: usize = 64;

impl Shard {
    /// Begins to serve a TURN client's connection.
    ///
    /// # Errors
    /// What the system says when it cannot be watched.
    pub(in super::super) fn open_stream(
        &mut self,
        now: Now,
        connection: Connection,
        out: &mut Gathered<'_>,
    ) -> io::Result<()> {
        let Connection { io, peer: client, local: server, already_read, held } = connection;
        let carrier = Carrier::new(io)?;
        let transport = carrier.transport();
        let tuple = FiveTuple { transport, client, server };
        // The client knows that its last connection is over before we do.
        if let Some(place) = self.streams.place_of(&tuple) {
            self.close_stream(now, place, out);
        }
        let place = self.streams.open(&self.epoll, carrier, tuple, held, now.monotonic)?;
        self.metrics.stream_opened(transport);
        let mut reader = self.streams.take_reader(place);
        let mut rest = already_read.as_slice();
        while !rest.is_empty() {
            match reader.push(rest) {
                // More than the longest frame has been read before anybody looked for one.
                0 => {
                    self.streams.doom(place);
                    break;
                }
                taken => rest = &rest[taken..],
            }
        }
        self.take_frames(now, place, reader, out);
        Ok(())
    }

    /// Serves a stream that epoll has told of. Returns how many frames there were.
    pub(in super::super) fn serve_stream(
        &mut self,
        now: Now,
        place: usize,
        flags: EventFlags,
        out: &mut Gathered<'_>,
    ) -> usize {
        if let Some(id) = self.streams.piped(place) {
            return self.serve_piped(id, flags);
        }
        if flags.contains(EventFlags::OUT) {
            self.streams.write_later(place);
        }
        if flags == EventFlags::OUT {
            return 0;
        }
        let mut reader = self.streams.take_reader(place);
        let Some(stream) = self.streams.get_mut(place) else { return 0 };
        if stream.state.unread {
            // It has its turn below, and is not read before it has been.
            self.streams.put_reader(place, reader);
            return 0;
        }
        match stream.receive(&mut reader) {
            Ok(_) => self.take_frames(now, place, reader, out),
            Err(_) => {
                self.streams.doom(place);
                0
            }
        }
    }

    /// Serves streams that had more frames than a turn may take. Returns how many frames there were.
    pub(in super::super) fn serve_unread(&mut self, now: Now, out: &mut Gathered<'_>) -> usize {
        let mut found = 0;
        for _ in 0..self.streams.unread() {
            let Some(place) = self.streams.next_unread() else { break };
            if let Some(id) = self.streams.piped(place) {
                found += self.serve_piped(id, EventFlags::IN);
                continue;
            }
            let reader = self.streams.take_reader(place);
            found += self.take_frames(now, place, reader, out);
        }
        found
    }

    pub(super) fn take_frames(
        &mut self,
        now: Now,
        place: usize,
        mut reader: Reader,
        out: &mut Gathered<'_>,
    ) -> usize {
        let Some(tuple) = self.streams.get_mut(place).map(|stream| stream.tuple) else { return 0 };
        let before = self.core.allocated_until(now, &tuple);
        let mut found = 0;
        let drained = loop {
            if found == FRAMES {
                break false;
            }
            match reader.next_frame() {
                Ok(Some(frame)) => {
                    found += 1;
                    if let Some(forward) = self.core.handle_client(now, tuple, frame) {
                        self.forward(now, forward, OF_A_STREAM, |route, bytes| {
                            out.keep(route, bytes)
                        });
                    }
                    self.settle(now, out);
                    if let Some(diverted) = self.diverted.take() {
                        self.divert(place, reader, diverted);
                        return found;
                    }
                }
                // What TLS has opened may be more than fitted in, and no event will tell of it.
                Ok(None) => match self.streams.refill(place, &mut reader) {
                    Ok(0) => break true,
                    Ok(_) => {}
                    Err(_) => {
                        self.streams.doom(place);
                        return found;
                    }
                },
                Err(_) => {
                    self.streams.doom(place);
                    return found;
                }
            }
        };
        let ends = self.core.allocated_until(now, &tuple);
        if let Some(stream) = self.streams.get_mut(place) {
            if found > 0 {
                stream.deadlines.frame(now.monotonic);
            }
            // Before: a Refresh that ends an allocation is as good a sign of life as any.
            if found > 0 && before.or(ends).is_some() {
                stream.deadlines.allocated(now.monotonic);
            }
            if drained {
                stream.deadlines.left_over(now.monotonic, reader.buffered());
            }
            let deadline = stream.deadlines.deadline(ends);
            let wants_write = stream.wants_write();
            self.streams.look_by(place, deadline);
            if wants_write {
                self.streams.write_later(place);
            }
        }
        if !drained {
            self.streams.read_later(place);
        }
        self.streams.put_reader(place, reader);
        found
    }

    pub(super) fn close_stream(&mut self, now: Now, place: usize, out: &mut Gathered<'_>) {
        let Some(stream) = self.streams.close(place) else { return };
        self.metrics.stream_closed(stream.tuple.transport);
        self.core.handle_disconnect(now, &stream.tuple);
        if let Some(id) = stream.piped {
            self.forget_peer(id);
        }
        self.settle(now, out);
    }
}
