//! A TURN client as a state machine: no socket, no clock, no randomness.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hairpin_stun::{
    AttributeType, ChannelData, Class, Key, Message, Method, TransactionId, decode,
};
use hairpin_turn::{ConnectionId, Transport, rest_credentials};

use crate::request::{Allocate, Request, build, channel_data, send_indication, sign};

/// Times one request is signed again because the server calls its nonce stale.
const STALE_NONCES: u32 = 3;

/// A client that behaves: it answers the server's challenge, keeps its nonce fresh, and holds one allocation.
///
/// 1. What the methods return goes to the server, one datagram or frame each.
/// 2. What comes from the server goes to [`handle`](Self::handle), which tells what it means; a
///    [`TurnEvent::Transmit`] goes back to the server.
/// 3. Time is the caller's. Who may lose packets sends all that is [`unanswered`](Self::unanswered) again.
#[derive(Debug)]
pub struct TurnClient {
    username: String,
    password: String,
    transport: Transport,
    challenge: Option<Challenge>,
    unanswered: BTreeMap<[u8; 12], Unanswered>,
    /// Where peers reach the allocation, while there is one.
    relayed: Option<SocketAddr>,
    /// Peers by the numbers of bound channels.
    channels: BTreeMap<u16, SocketAddr>,
    transactions: u64,
}

/// What the server said last of how to sign.
#[derive(Debug)]
struct Challenge {
    realm: String,
    nonce: Vec<u8>,
    key: Key,
}

#[derive(Debug)]
struct Unanswered {
    request: Request,
    bytes: Vec<u8>,
    is_signed: bool,
    stale_nonces: u32,
}

/// What a packet from the server means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEvent {
    /// Send this to the server.
    Transmit(Vec<u8>),
    /// The client's own address as the server sees it.
    Mapped(SocketAddr),
    /// The allocation is there.
    Allocated {
        /// Where peers reach it.
        relayed: SocketAddr,
        /// The client's own address as the server sees it.
        mapped: SocketAddr,
    },
    /// The allocation lives for so many more seconds.
    Refreshed(u32),
    /// Peers at these IP addresses may send.
    Permitted(Vec<SocketAddr>),
    /// The channel with this number leads to this peer.
    ChannelBound(u16, SocketAddr),
    /// The connection to a peer is there, for a stream that asks for it.
    Connected(ConnectionId),
    /// A peer has connected; the same.
    ConnectionAttempt {
        /// Its number.
        id: ConnectionId,
        /// The peer as the relay sees it.
        peer: SocketAddr,
    },
    /// From now on this stream is a connection to a peer.
    ConnectionBound,
    /// A packet from a peer.
    Data {
        /// The peer as the relay sees it.
        peer: SocketAddr,
        /// What it sent.
        payload: Vec<u8>,
    },
    /// The allocation is gone.
    Released,
    /// A request was refused with this error code.
    Refused(u16),
}

impl TurnClient {
    /// A client with these long-term credentials and nothing allocated, over UDP.
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
            transport: Transport::Udp,
            challenge: None,
            unanswered: BTreeMap::new(),
            relayed: None,
            channels: BTreeMap::new(),
            transactions: 0,
        }
    }

    /// A client with REST credentials for `user`, which expire at a Unix time.
    pub fn with_secret(secret: &[u8], user: &str, expires_unix: u64) -> Self {
        let issued = rest_credentials(secret, user, expires_unix);
        Self::new(&issued.username, &issued.password)
    }

    /// The same client over another transport.
    pub fn over(self, transport: Transport) -> Self {
        Self { transport, ..self }
    }

    /// Where peers reach the client, while it has an allocation that it has not given back.
    pub fn relayed(&self) -> Option<SocketAddr> {
        self.relayed
    }

    /// Asks for something.
    pub fn request(&mut self, request: Request) -> Vec<u8> {
        self.ask(request, 0)
    }

    /// Asks for an allocation.
    pub fn allocate(&mut self) -> Vec<u8> {
        self.request(Request::Allocate(Allocate::default()))
    }

    /// Lets peers at the IP addresses of `peers` send.
    pub fn permit(&mut self, peers: &[SocketAddr]) -> Vec<u8> {
        self.request(Request::Permit(peers.into()))
    }

    /// Binds a channel to a peer.
    pub fn bind_channel(&mut self, number: u16, peer: SocketAddr) -> Vec<u8> {
        self.request(Request::BindChannel { number, peer })
    }

    /// Gives the allocation back.
    pub fn release(&mut self) -> Vec<u8> {
        self.request(Request::Refresh(0))
    }

    /// Sends to a peer through the relay in a Send indication, as Firefox does.
    pub fn send(&mut self, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
        send_indication(self.transaction(), peer, payload)
    }

    /// Sends to a peer through the relay over its channel, as Chromium does. A stream wants padding (RFC 8656
    /// s12.5).
    pub fn send_on_channel(&self, number: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = channel_data(number, payload);
        if self.transport.is_stream() {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }

    /// The bytes of every request that has no answer yet, the oldest first.
    pub fn unanswered(&self) -> impl Iterator<Item = &[u8]> {
        self.unanswered.values().map(|request| &request.bytes[..])
    }

    /// Takes a packet from the server; `None` if it means nothing. A success that is not signed as its request was
    /// means nothing either (RFC 8489 s9.2.5).
    pub fn handle(&mut self, packet: &[u8]) -> Option<TurnEvent> {
        if let Ok(data) = ChannelData::parse(packet) {
            let peer = *self.channels.get(&data.number.get())?;
            return Some(TurnEvent::Data { peer, payload: packet[data.payload].to_vec() });
        }
        let message = Message::parse(packet).ok()?;
        let id = message.transaction_id().0;
        match message.class() {
            Class::Indication if message.method() == Method::CONNECTION_ATTEMPT => {
                attempt(&message)
            }
            Class::Indication => data(&message),
            Class::Success if self.is_genuine(&message) => {
                let Unanswered { request, .. } = self.unanswered.remove(&id)?;
                self.accepted(&message, request)
            }
            Class::Error => {
                let unanswered = self.unanswered.remove(&id)?;
                self.refused(&message, unanswered)
            }
            Class::Success | Class::Request => None,
        }
    }

    fn is_genuine(&self, success: &Message<'_>) -> bool {
        let Some(request) = self.unanswered.get(&success.transaction_id().0) else { return false };
        let key = self.challenge.as_ref().map(|challenge| challenge.key.as_ref());
        !request.is_signed || key.is_some_and(|key| success.check_integrity(key).is_ok())
    }

    fn accepted(&mut self, message: &Message<'_>, request: Request) -> Option<TurnEvent> {
        let address = |kind| decode::xor_address(message.get(kind)?, message.transaction_id());
        Some(match request {
            Request::Binding => TurnEvent::Mapped(address(AttributeType::XOR_MAPPED_ADDRESS)?),
            Request::Allocate(_) => {
                let relayed = address(AttributeType::XOR_RELAYED_ADDRESS)?;
                self.relayed = Some(relayed);
                TurnEvent::Allocated {
                    relayed,
                    mapped: address(AttributeType::XOR_MAPPED_ADDRESS)?,
                }
            }
            Request::Refresh(0) => {
                self.relayed = None;
                self.channels.clear();
                TurnEvent::Released
            }
            Request::Refresh(_) => {
                TurnEvent::Refreshed(decode::u32(message.get(AttributeType::LIFETIME)?)?)
            }
            Request::Permit(peers) => TurnEvent::Permitted(peers),
            Request::BindChannel { number, peer } => {
                self.channels.insert(number, peer);
                TurnEvent::ChannelBound(number, peer)
            }
            Request::Connect(_) => TurnEvent::Connected(connection_id(message)?),
            Request::BindConnection(_) => TurnEvent::ConnectionBound,
        })
    }

    fn refused(&mut self, message: &Message<'_>, unanswered: Unanswered) -> Option<TurnEvent> {
        let Unanswered { request, is_signed, stale_nonces, .. } = unanswered;
        let (code, _) = decode::error_code(message.get(AttributeType::ERROR_CODE)?)?;
        let again = match code {
            401 => !is_signed,
            438 => stale_nonces < STALE_NONCES,
            _ => false,
        };
        if !again {
            return Some(TurnEvent::Refused(code));
        }
        let realm = decode::text(message.get(AttributeType::REALM)?)?.to_owned();
        let nonce = message.get(AttributeType::NONCE)?.to_vec();
        let key = Key::long_term(&self.username, &realm, &self.password);
        self.challenge = Some(Challenge { realm, nonce, key });
        Some(TurnEvent::Transmit(self.ask(request, stale_nonces + u32::from(is_signed))))
    }

    fn ask(&mut self, request: Request, stale_nonces: u32) -> Vec<u8> {
        let id = self.transaction();
        let challenge = self.challenge.as_ref().filter(|_| request != Request::Binding);
        let bytes = build(Class::Request, request.method(), id, |writer| {
            request.write(writer);
            if let Some(Challenge { realm, nonce, key }) = challenge {
                sign(writer, &self.username, realm, nonce, key);
            }
        });
        let is_signed = challenge.is_some();
        let unanswered = Unanswered { request, bytes: bytes.clone(), is_signed, stale_nonces };
        self.unanswered.insert(id.0, unanswered);
        bytes
    }

    fn transaction(&mut self) -> TransactionId {
        self.transactions += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.transactions.to_be_bytes());
        TransactionId(id)
    }
}

fn connection_id(message: &Message<'_>) -> Option<ConnectionId> {
    decode::u32(message.get(AttributeType::CONNECTION_ID)?).map(ConnectionId)
}

/// What a ConnectionAttempt indication tells.
fn attempt(message: &Message<'_>) -> Option<TurnEvent> {
    let peer = message.get(AttributeType::XOR_PEER_ADDRESS)?;
    let peer = decode::xor_address(peer, message.transaction_id())?;
    Some(TurnEvent::ConnectionAttempt { id: connection_id(message)?, peer })
}

/// What a Data indication carries.
fn data(message: &Message<'_>) -> Option<TurnEvent> {
    let peer = message.get(AttributeType::XOR_PEER_ADDRESS)?;
    Some(TurnEvent::Data {
        peer: decode::xor_address(peer, message.transaction_id())?,
        payload: message.get(AttributeType::DATA)?.to_vec(),
    })
}
