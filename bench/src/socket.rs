//! A client's way to the server, UDP or TCP behind one face.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use hairpin_stun::HEADER_LEN;
use rustix::net::sockopt;

/// Room for what a load keeps on its way when it all waits in one socket: 256 packets of 1400 bytes, each counted
/// by Linux with the memory it sits in.
const BUFFER: usize = 1 << 20;
/// How long a server may take to answer one request before it is asked again, or given up over TCP.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a client speaks to the server over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Transport {
    /// One datagram a message.
    Udp,
    /// A stream of frames (RFC 8656 s12.5: ChannelData is padded to four bytes).
    Tcp,
}

/// A client's connected socket. It blocks, [`PATIENCE`] at most, until it is told not to.
#[derive(Debug)]
pub(crate) enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Socket {
    pub(crate) fn connect(transport: Transport, server: SocketAddr) -> io::Result<Self> {
        match transport {
            Transport::Udp => {
                let socket = udp_socket()?;
                socket.connect(server)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                Ok(Self::Udp(socket))
            }
            Transport::Tcp => {
                let stream = TcpStream::connect(server)?;
                stream.set_nodelay(true)?;
                // A frame is sent whole or not at all, so all that waits for the server has to fit.
                sockopt::set_socket_send_buffer_size(&stream, BUFFER)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::Udp(_) => Transport::Udp,
            Self::Tcp(_) => Transport::Tcp,
        }
    }

    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.set_nonblocking(true),
            Self::Tcp(stream) => stream.set_nonblocking(true),
        }
    }

    /// Sends one whole message or frame. The load keeps so little in flight that it always fits.
    pub(crate) fn send(&self, message: &[u8]) -> io::Result<()> {
        let sent = match self {
            Self::Udp(socket) => socket.send(message)?,
            Self::Tcp(stream) => (&mut &*stream).write(message)?,
        };
        if sent == message.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }

    /// Receives what is there: one datagram, or some bytes of the stream.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer),
            Self::Tcp(stream) => (&mut &*stream).read(buffer),
        }
    }

    /// Receives one whole STUN message or ChannelData frame, padding of a stream included.
    pub(crate) fn receive_message<'b>(&self, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
        let len = match self {
            Self::Udp(socket) => socket.recv(buffer)?,
            Self::Tcp(stream) => {
                let mut stream = stream;
                stream.read_exact(&mut buffer[..4])?;
                let body = usize::from(u16::from_be_bytes([buffer[2], buffer[3]]));
                let is_channel_data = buffer[0] & 0xC0 == 0x40;
                let len =
                    if is_channel_data { 4 + body.next_multiple_of(4) } else { HEADER_LEN + body };
                stream.read_exact(buffer.get_mut(4..len).ok_or(ErrorKind::InvalidData)?)?;
                len
            }
        };
        Ok(&buffer[..len])
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Tcp(stream) => stream.as_fd(),
        }
    }
}

/// A UDP socket on loopback whose receive buffer holds what a load keeps on its way.
pub(crate) fn udp_socket() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    // Without limit where we may, else as much as anybody gets.
    sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER)
        .or_else(|_| sockopt::set_socket_recv_buffer_size(&socket, BUFFER))?;
    Ok(socket)
}

/// Whether a non-blocking socket merely has nothing more for us.
pub(crate) fn is_dry(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_stream_is_cut_into_messages_and_padded_frames() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Socket::connect(Transport::Tcp, listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let mut stun = [0_u8; HEADER_LEN + 4];
        stun[3] = 4;
        let channel_data = [0x40, 0, 0, 5, b'h', b'e', b'l', b'l', b'o', 0, 0, 0];
        server.write_all(&[&stun[..], &channel_data].concat()).unwrap();
        let mut buffer = [0; 64];
        assert_eq!(client.receive_message(&mut buffer).unwrap(), stun);
        assert_eq!(client.receive_message(&mut buffer).unwrap(), channel_data);
    }
}
