//! Bytes between a client's data connection and its peer, both ways and as they are (RFC 6062 s5.4).
//!
//! What one side does not take, the other is not read for: a little waits here, the rest with who sends it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};

use hairpin_stun::Reader;
use rustix::event::epoll::EventFlags;

use super::stream::Stream;

/// Times a side is read in a turn, before others get theirs.
const ROUNDS: usize = 8;

/// Bytes of the peer's read at a time.
const PIECE: usize = 16 << 10;

/// Bytes of the peer's that wait here for the client.
const WAITING: usize = 64 << 10;

/// How far a pipe has come to its end.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    /// Each side has said that no more comes, and has been told so of the other.
    client_done: bool,
    peer_done: bool,
    client_told: bool,
    peer_told: bool,
}

/// What a turn has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pumped {
    /// It goes on when a socket is ready.
    Waiting,
    /// It has had its share, and there may be more.
    More,
    /// Both sides have said all, and heard it.
    Over,
}

impl Pipe {
    /// Moves what there is. `reader` holds what was received from the client, `stream.pending` what the client has not taken.
    ///
    /// # Errors
    /// What the system says when either connection is broken.
    pub(super) fn pump(
        &mut self,
        stream: &mut Stream,
        reader: &mut Reader,
        peer: &mut TcpStream,
    ) -> io::Result<Pumped> {
        let [to_peer, to_client] =
            [self.push_to_peer(stream, reader, peer)?, self.push_to_client(stream, peer)?];
        Ok(match self {
            Self { client_told: true, peer_told: true, .. } => Pumped::Over,
            _ if to_peer == Pumped::More || to_client == Pumped::More => Pumped::More,
            _ => Pumped::Waiting,
        })
    }

    /// What the client's socket is to be watched for; `None` when it is done with.
    pub(super) fn client_interest(&self, stream: &Stream, reader: &Reader) -> Option<EventFlags> {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, !self.client_done && reader.buffered() == 0);
        flags.set(EventFlags::OUT, stream.waiting() > 0);
        (!self.client_done || !self.client_told).then_some(flags)
    }

    /// The same for the peer's.
    pub(super) fn peer_interest(&self, stream: &Stream, reader: &Reader) -> Option<EventFlags> {
        let mut flags = EventFlags::empty();
        flags.set(EventFlags::IN, !self.peer_done && stream.waiting() < WAITING);
        flags.set(EventFlags::OUT, reader.buffered() > 0);
        (!self.peer_done || !self.peer_told).then_some(flags)
    }

    fn push_to_peer(
        &mut self,
        stream: &mut Stream,
        reader: &mut Reader,
        peer: &mut TcpStream,
    ) -> io::Result<Pumped> {
        for _ in 0..ROUNDS {
            while reader.buffered() > 0 {
                match later(peer.write(reader.received()))? {
                    Some(written) => reader.consume(written),
                    None => return Ok(Pumped::Waiting),
                }
            }
            if self.client_done {
                if !std::mem::replace(&mut self.peer_told, true) {
                    peer.shutdown(Shutdown::Write)?;
                }
                return Ok(Pumped::Waiting);
            }
            match next_of(stream, reader) {
                Ok(0) => return Ok(Pumped::Waiting),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => self.client_done = true,
                Err(error) => return Err(error),
            }
        }
        Ok(Pumped::More)
    }

    fn push_to_client(&mut self, stream: &mut Stream, peer: &mut TcpStream) -> io::Result<Pumped> {
        for _ in 0..ROUNDS {
            if stream.waiting() > 0 {
                stream.write()?;
            }
            if stream.waiting() >= WAITING {
                return Ok(Pumped::Waiting);
            }
            if self.peer_done {
                if stream.waiting() == 0 && !std::mem::replace(&mut self.client_told, true) {
                    stream.finish()?;
                }
                return Ok(Pumped::Waiting);
            }
            let waiting = stream.pending.len();
            stream.pending.resize(waiting + PIECE, 0);
            let read = later(peer.read(&mut stream.pending[waiting..]));
            stream
                .pending
                .truncate(waiting + *read.as_ref().ok().and_then(Option::as_ref).unwrap_or(&0));
            match read? {
                None => return Ok(Pumped::Waiting),
                Some(0) => self.peer_done = true,
                Some(_) => {}
            }
        }
        Ok(Pumped::More)
    }
}

/// What was received before and is not in the reader comes first: TLS takes in no more until then.
fn next_of(stream: &mut Stream, reader: &mut Reader) -> io::Result<usize> {
    match stream.refill(reader)? {
        0 => stream.receive(reader),
        refilled => Ok(refilled),
    }
}

/// `None` when it is to be tried again later.
fn later(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Ok(n) => Ok(Some(n)),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(e),
    }
}
