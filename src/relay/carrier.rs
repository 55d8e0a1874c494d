//! What carries a stream's bytes: a socket, or TLS over one, driven by hand where tasks would be too many.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use hairpin_stun::Reader;
use hairpin_turn::Transport;
use rustls::ServerConnection;

use crate::net::Io;

/// A non-blocking socket, with TLS or without. Nobody else here knows which.
pub(super) enum Carrier {
    Tcp(TcpStream),
    /// On the heap: it is more than a KiB.
    Tls(Box<Tls>),
}

/// TLS after its handshake. What is decrypted is taken out at once, so it waits for nobody but a reader that is full; what
/// is encrypted goes on once the socket has taken what was encrypted before.
pub(super) struct Tls {
    socket: TcpStream,
    session: ServerConnection,
    /// Bytes of plaintext that are encrypted, not all of which the socket has taken.
    sealed: usize,
}

impl Carrier {
    /// Takes over what the front door has opened.
    ///
    /// # Errors
    /// What the system says when the socket cannot be had from the runtime.
    pub(super) fn new(io: Io) -> io::Result<Self> {
        match io {
            Io::Tcp(socket) => Ok(Self::Tcp(socket)),
            Io::Tls(stream) => {
                let (socket, session) = stream.into_inner();
                let socket = socket.into_std()?;
                Ok(Self::Tls(Box::new(Tls { socket, session, sealed: 0 })))
            }
        }
    }

    pub(super) fn transport(&self) -> Transport {
        match self {
            Self::Tcp(_) => Transport::Tcp,
            Self::Tls(_) => Transport::Tls,
        }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        match self {
            Self::Tcp(socket) => socket,
            Self::Tls(tls) => &tls.socket,
        }
    }

    /// Reads once into a reader, and returns how much that was. Nothing waiting is no bytes.
    ///
    /// # Errors
    /// What the system or TLS says; `UnexpectedEof` when the client has closed.
    pub(super) fn receive(&mut self, reader: &mut Reader) -> io::Result<usize> {
        let socket = match self {
            Self::Tcp(socket) => socket,
            Self::Tls(tls) => return tls.receive(reader),
        };
        match passed(socket.read(reader.spare()))? {
            None => Ok(0),
            Some(0) => Err(ErrorKind::UnexpectedEof.into()),
            Some(n) => {
                reader.filled(n);
                Ok(n)
            }
        }
    }

    /// Moves what has been decrypted and not been taken into a reader that has room, and returns how much that was.
    ///
    /// # Errors
    /// `UnexpectedEof` when that was all, and the client has closed.
    pub(super) fn refill(&mut self, reader: &mut Reader) -> io::Result<usize> {
        match self {
            Self::Tcp(_) => Ok(0),
            Self::Tls(tls) => tls.refill(reader),
        }
    }

    /// Writes what is pending as far as the socket takes it. Returns how many bytes it has taken, TLS's own among them.
    ///
    /// # Errors
    /// What the system says when the connection is broken.
    pub(super) fn write(&mut self, pending: &mut Vec<u8>) -> io::Result<usize> {
        let socket = match self {
            Self::Tcp(socket) => socket,
            Self::Tls(tls) => return tls.write(pending),
        };
        let written = passed(socket.write(pending))?.unwrap_or(0);
        pending.drain(..written);
        Ok(written)
    }

    /// Bytes it holds that the socket has not taken yet.
    pub(super) fn waiting(&self) -> usize {
        match self {
            Self::Tcp(_) => 0,
            // What TLS says for itself is a few bytes.
            Self::Tls(tls) => tls.sealed.max(usize::from(tls.session.wants_write())),
        }
    }

    /// Says that nothing more will come (RFC 8446 s6.1), if the socket takes it.
    pub(super) fn close(&mut self) {
        if let Self::Tls(tls) = self {
            tls.session.send_close_notify();
            // Who has closed before us does not hear it.
            let _ = tls.session.write_tls(&mut tls.socket);
        }
    }
}

impl Tls {
    fn receive(&mut self, reader: &mut Reader) -> io::Result<usize> {
        // What is there already comes first, and no more is read while some of it is left.
        let before = self.refill(reader)?;
        if before > 0 {
            return Ok(before);
        }
        // Its end comes out below, behind what came before it.
        if passed(self.session.read_tls(&mut self.socket))?.is_some()
            && let Err(error) = self.session.process_new_packets()
        {
            // The client is told what was wrong, if the socket takes it.
            let _ = self.session.write_tls(&mut self.socket);
            return Err(io::Error::new(ErrorKind::InvalidData, error));
        }
        self.refill(reader)
    }

    fn refill(&mut self, reader: &mut Reader) -> io::Result<usize> {
        match passed(self.session.reader().read(reader.spare()))? {
            None => Ok(0),
            Some(0) => Err(ErrorKind::UnexpectedEof.into()),
            Some(n) => {
                reader.filled(n);
                Ok(n)
            }
        }
    }

    /// As much goes into one record as is there together, up to what a record holds.
    fn write(&mut self, pending: &mut Vec<u8>) -> io::Result<usize> {
        let (mut taken, mut sealed) = (0, 0);
        let broken = loop {
            match self.write_sealed() {
                Ok(written) => taken += written,
                Err(error) => break Some(error),
            }
            if self.session.wants_write() || sealed == pending.len() {
                break None;
            }
            match self.session.writer().write(&pending[sealed..]) {
                Ok(0) => break Some(ErrorKind::WriteZero.into()),
                Ok(n) => (sealed, self.sealed) = (sealed + n, n),
                Err(error) => break Some(error),
            }
        };
        pending.drain(..sealed);
        broken.map_or(Ok(taken), Err)
    }

    /// Writes what is encrypted as far as the socket takes it, and returns how much that was.
    fn write_sealed(&mut self) -> io::Result<usize> {
        let mut taken = 0;
        while self.session.wants_write() {
            match passed(self.session.write_tls(&mut self.socket))? {
                None => return Ok(taken),
                Some(written) => taken += written,
            }
        }
        self.sealed = 0;
        Ok(taken)
    }
}

/// What a call has moved; `None` when it has to be made again later.
fn passed(moved: io::Result<usize>) -> io::Result<Option<usize>> {
    match moved {
        Ok(n) => Ok(Some(n)),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(e),
    }
}
