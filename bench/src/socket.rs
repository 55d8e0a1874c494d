//! A client's way to the server, UDP, TCP or TLS behind one face.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use hairpin_stun::Reader;
use rustix::net::sockopt;

use crate::tls::{self, Sessions, Tls};

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
    /// The same stream under TLS.
    Tls,
}

impl From<Transport> for hairpin_sim::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Udp => Self::Udp,
            Transport::Tcp => Self::Tcp,
            Transport::Tls => Self::Tls,
        }
    }
}

/// A client's connected socket. It blocks, [`PATIENCE`] at most, until it is told not to.
#[derive(Debug)]
pub(crate) enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream, Reader),
    Tls(Box<Tls>, Reader),
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
            Transport::Tcp => Ok(Self::Tcp(connect_stream(server)?, Reader::new())),
            Transport::Tls => {
                let config = tls::client(Sessions::Forgotten).map_err(io::Error::other)?;
                let tls = Tls::handshake(&config, connect_stream(server)?)?;
                Ok(Self::Tls(Box::new(tls), Reader::new()))
            }
        }
    }

    pub(crate) fn transport(&self) -> Transport {
        match self {
            Self::Udp(_) => Transport::Udp,
            Self::Tcp(..) => Transport::Tcp,
            Self::Tls(..) => Transport::Tls,
        }
    }

    pub(crate) fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.set_nonblocking(true),
            Self::Tcp(stream, _) => stream.set_nonblocking(true),
            Self::Tls(tls, _) => tls.stream.set_nonblocking(true),
        }
    }

    /// Sends one whole message or frame. The load keeps so little in flight that it always fits.
    pub(crate) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        let sent = match self {
            Self::Udp(socket) => socket.send(message)?,
            Self::Tcp(stream, _) => stream.write(message)?,
            Self::Tls(tls, _) => tls.send(message)?,
        };
        if sent == message.len() { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }

    /// Receives what is there, one datagram or some bytes of the stream, and gives every whole message to `take`.
    pub(crate) fn receive(
        &mut self,
        buffer: &mut [u8],
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        match self {
            Self::Udp(socket) => {
                let len = socket.recv(buffer)?;
                take(&buffer[..len]);
            }
            Self::Tcp(stream, reader) => {
                fill(stream, reader)?;
                while let Some(frame) = next_frame(reader)? {
                    take(frame);
                }
            }
            Self::Tls(tls, reader) => {
                tls.fill(reader)?;
                while let Some(frame) = next_frame(reader)? {
                    take(frame);
                }
            }
        }
        Ok(())
    }

    /// Receives one whole STUN message or ChannelData frame, without a stream's padding.
    pub(crate) fn receive_message(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = [0; 2048];
                let len = socket.recv(&mut buffer)?;
                Ok(buffer[..len].to_vec())
            }
            Self::Tcp(stream, reader) => loop {
                if let Some(frame) = next_frame(reader)? {
                    return Ok(frame.to_vec());
                }
                fill(stream, reader)?;
            },
            Self::Tls(tls, reader) => loop {
                if let Some(frame) = next_frame(reader)? {
                    return Ok(frame.to_vec());
                }
                tls.fill(reader)?;
            },
        }
    }
}

fn connect_stream(server: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_nodelay(true)?;
    // A frame is sent whole or not at all, so all that waits for the server has to fit.
    sockopt::set_socket_send_buffer_size(&stream, BUFFER)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Receives the next bytes of a stream.
fn fill(mut stream: &TcpStream, reader: &mut Reader) -> io::Result<()> {
    match stream.read(reader.spare())? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        len => {
            reader.filled(len);
            Ok(())
        }
    }
}

fn next_frame(reader: &mut Reader) -> io::Result<Option<&[u8]>> {
    let frame = reader.next_frame().map_err(|_| ErrorKind::InvalidData)?;
    Ok(frame.map(|frame| frame.into_payload()))
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Udp(socket) => socket.as_fd(),
            Self::Tcp(stream, _) => stream.as_fd(),
            Self::Tls(tls, _) => tls.stream.as_fd(),
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
        let mut client = Socket::connect(Transport::Tcp, listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let stun = hairpin_sim::TurnClient::new("name", "password").allocate();
        let channel_data = [0x40, 0, 0, 5, b'h', b'e', b'l', b'l', b'o', 0, 0, 0];
        server.write_all(&[&stun[..], &channel_data].concat()).unwrap();
        assert_eq!(client.receive_message().unwrap(), stun);
        assert_eq!(client.receive_message().unwrap(), channel_data[..9]);
        server.write_all(&[&stun[..], &channel_data, &channel_data[..5]].concat()).unwrap();
        let mut lengths = Vec::new();
        while lengths.len() < 2 {
            client.receive(&mut [], |message| lengths.push(message.len())).unwrap();
        }
        assert_eq!(lengths, [stun.len(), 9]);
    }
}
