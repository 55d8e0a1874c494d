//! TURN clients that prepare allocations for the load: many at a time, all alike.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use hairpin_sim::{Allocate, Request, TurnClient, TurnEvent};

use crate::engine::SECRET;
use crate::socket::{Socket, Transport};

/// The only channel number the load needs: every client binds one channel.
pub(crate) const CHANNEL: u16 = 0x4000;
/// Requests that are on their way at a time: few enough for every engine's receive buffer.
const PIPELINE: usize = 32;
/// Times a UDP request is sent before it is given up.
const ATTEMPTS: usize = 5;

/// A client on its socket.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: Socket,
    pub(crate) turn: TurnClient,
}

impl Client {
    pub(crate) fn connect(transport: Transport, server: SocketAddr) -> Result<Self> {
        let expiry = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + 3600;
        let turn = TurnClient::with_secret(SECRET.as_bytes(), "bench", expiry);
        let socket = Socket::connect(transport, server)?;
        Ok(Self { socket, turn: turn.over(transport.into()) })
    }

    /// Where peers reach it.
    pub(crate) fn relayed(&self) -> Result<SocketAddr> {
        self.turn.relayed().context("a client without an allocation")
    }

    /// Asks and waits for the answer.
    pub(crate) fn ask(&mut self, request: Request) -> Result<TurnEvent> {
        self.send(request)?;
        loop {
            if let Some(event) = self.step()? {
                return Ok(event);
            }
        }
    }

    fn send(&mut self, request: Request) -> Result<()> {
        Ok(self.socket.send(&self.turn.request(request))?)
    }

    /// Takes the next packet, and what it means if it is more than a challenge, which is met. What is unanswered
    /// over UDP is sent again when nothing comes.
    fn step(&mut self) -> Result<Option<TurnEvent>> {
        for _ in 0..ATTEMPTS {
            let packet = match self.socket.receive_message() {
                Ok(packet) => packet,
                Err(error) if self.may_repeat(&error) => {
                    for request in self.turn.unanswered() {
                        self.socket.send(request)?;
                    }
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            match self.turn.handle(&packet) {
                Some(TurnEvent::Transmit(bytes)) => self.socket.send(&bytes)?,
                event => return Ok(event),
            }
            return Ok(None);
        }
        bail!("no answer to {ATTEMPTS} requests")
    }

    fn may_repeat(&self, error: &std::io::Error) -> bool {
        let timed_out = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
        timed_out && self.socket.transport() == Transport::Udp
    }
}

/// Connects `count` clients and allocates for each: a challenge, then a signed request.
pub(crate) fn allocate(
    transport: Transport,
    server: SocketAddr,
    count: usize,
) -> Result<Vec<Client>> {
    let connect = |_| Client::connect(transport, server);
    let mut clients = (0..count).map(connect).collect::<Result<Vec<_>>>()?;
    ask_all(&mut clients, |_| Request::Allocate(Allocate::default()))?;
    Ok(clients)
}

/// Binds [`CHANNEL`] of client i to `peers[i]`, which also installs the permission.
pub(crate) fn bind_channels(clients: &mut [Client], peers: &[SocketAddr]) -> Result<()> {
    ask_all(clients, |index| Request::BindChannel { number: CHANNEL, peer: peers[index] })
}

/// Permits client i's allocation to exchange indications with `peers[i]`.
pub(crate) fn permit(clients: &mut [Client], peers: &[SocketAddr]) -> Result<()> {
    ask_all(clients, |index| Request::Permit(vec![peers[index]]))
}

/// Gives every client's allocation another ten minutes.
pub(crate) fn refresh(clients: &mut [Client]) -> Result<()> {
    ask_all(clients, |_| Request::Refresh(600))
}

/// Makes a request for every client, [`PIPELINE`] of them at a time; those that are challenged answer together.
fn ask_all(clients: &mut [Client], request: impl Fn(usize) -> Request) -> Result<()> {
    let mut first = 0;
    for chunk in clients.chunks_mut(PIPELINE) {
        for (offset, client) in chunk.iter_mut().enumerate() {
            client.send(request(first + offset))?;
        }
        let mut waiting: Vec<&mut Client> = chunk.iter_mut().collect();
        first += waiting.len();
        while !waiting.is_empty() {
            let mut still_waiting = Vec::with_capacity(waiting.len());
            for client in waiting {
                match client.step().with_context(|| format!("{:?}", client.socket))? {
                    None => still_waiting.push(client),
                    Some(TurnEvent::Refused(code)) => bail!("the server answers {code}"),
                    Some(_success) => {}
                }
            }
            waiting = still_waiting;
        }
    }
    Ok(())
}
