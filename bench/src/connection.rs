//! A client's WebSocket.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::socket::is_dry;
use crate::ws::{self, Frame};

/// Connections that are being set up at a time; a listener's backlog holds more.
const PIPELINE: usize = 64;
/// How long a server may take to answer the request for a WebSocket.
const PATIENCE: Duration = Duration::from_secs(30);

/// A WebSocket, or a connection that has asked to become one.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Connects `count` clients to the WebSocket of `server`. From then on they do not block.
    pub(crate) fn open_many(server: SocketAddr, count: usize) -> Result<Vec<Self>> {
        let mut connections: Vec<Self> = Vec::with_capacity(count);
        while connections.len() < count {
            let first = connections.len();
            for number in first..count.min(first + PIPELINE) {
                let connection = Self::ask(server);
                connections
                    .push(connection.with_context(|| format!("connection {number} of {count}"))?);
            }
            for connection in &mut connections[first..] {
                while !connection.is_open()? {
                    connection.receive()?;
                }
                connection.stream.set_nonblocking(true)?;
            }
        }
        Ok(connections)
    }

    /// Connects, and asks for a WebSocket.
    pub(crate) fn ask(server: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(ws::upgrade_request(server).as_bytes())?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Whether the server has said that it is a WebSocket now. Not to be asked once it has.
    pub(crate) fn is_open(&mut self) -> Result<bool> {
        ws::take_upgrade(&mut self.received)
    }

    pub(crate) fn send(&self, text: &str) -> Result<()> {
        Ok((&self.stream).write_all(&ws::text_frame(text))?)
    }

    /// Closes it as a client does that comes back: by a code of its own.
    pub(crate) fn close(self, code: u16) -> Result<()> {
        Ok((&self.stream).write_all(&ws::close_frame(code))?)
    }

    /// Takes what has arrived, if anything has.
    pub(crate) fn receive(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the server closed the connection"),
            Ok(len) => self.received.extend_from_slice(&buffer[..len]),
            Err(error) if is_dry(&error) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The next message of those that have arrived whole. Pings are answered.
    pub(crate) fn next_text(&mut self) -> Result<Option<String>> {
        while let Some(frame) = ws::take_frame(&mut self.received)? {
            match frame {
                Frame::Text(text) => return Ok(Some(text)),
                Frame::Ping(payload) => ws::send_pong(&self.stream, &payload)?,
                Frame::Pong => {}
                Frame::Close(code) => bail!("the server closed the WebSocket with {code:?}"),
            }
        }
        Ok(None)
    }
}
