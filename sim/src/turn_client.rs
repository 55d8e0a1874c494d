//! A TURN client as a state machine, in the least that a call needs.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use hairpin_stun::{AttributeType, Class, Key, Message, Method, TransactionId, decode};

use crate::client::{allocate_udp, build};

/// A client that answers one challenge, holds one allocation and sends with Send indications, as Firefox
/// does. Packets are not lost in its world: it never sends twice.
#[derive(Debug)]
pub struct TurnClient {
    username: String,
    password: String,
    challenge: Option<Challenge>,
    requests: BTreeMap<[u8; 12], Request>,
    sent: u64,
}

#[derive(Debug)]
struct Challenge {
    realm: String,
    nonce: Vec<u8>,
    key: Key,
}

/// A request that has not been answered yet.
#[derive(Clone, Debug)]
enum Request {
    Allocate,
    Permit(Vec<SocketAddr>),
    Release,
}

/// What a packet from the server means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnEvent {
    /// Send this to the server.
    Transmit(Vec<u8>),
    /// The allocation is there.
    Allocated {
        /// Where peers reach it.
        relayed: SocketAddr,
        /// The client's own address as the server sees it.
        mapped: SocketAddr,
    },
    /// Peers at these IP addresses may send.
    Permitted(Vec<SocketAddr>),
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
    /// A client with these credentials and nothing allocated.
    pub fn new(username: &str, password: &str) -> Self {
        Self {
            username: username.into(),
            password: password.into(),
            challenge: None,
            requests: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Asks for an allocation.
    pub fn allocate(&mut self) -> Vec<u8> {
        self.request(Request::Allocate)
    }

    /// Lets peers at the IP addresses of `peers` send.
    pub fn permit(&mut self, peers: &[SocketAddr]) -> Vec<u8> {
        self.request(Request::Permit(peers.into()))
    }

    /// Gives the allocation back.
    pub fn release(&mut self) -> Vec<u8> {
        self.request(Request::Release)
    }

    /// Sends to a peer through the relay.
    pub fn send(&mut self, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
        let id = self.transaction();
        build(Class::Indication, Method::SEND, id, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            writer.bytes(AttributeType::DATA, payload);
        })
    }

    /// Takes a packet from the server; `None` if it means nothing.
    pub fn handle(&mut self, packet: &[u8]) -> Option<TurnEvent> {
        let message = Message::parse(packet).ok()?;
        if message.class() == Class::Indication {
            return data(&message);
        }
        let request = self.requests.remove(&message.transaction_id().0)?;
        match message.class() {
            Class::Error => self.refused(&message, request),
            _ => accepted(&message, request),
        }
    }

    fn refused(&mut self, message: &Message<'_>, request: Request) -> Option<TurnEvent> {
        let (code, _) = decode::error_code(message.get(AttributeType::ERROR_CODE)?)?;
        let stale = code == 438 || code == 401 && self.challenge.is_none();
        if !stale {
            return Some(TurnEvent::Refused(code));
        }
        let realm = decode::text(message.get(AttributeType::REALM)?)?.to_owned();
        let nonce = message.get(AttributeType::NONCE)?.to_vec();
        let key = Key::long_term(&self.username, &realm, &self.password);
        self.challenge = Some(Challenge { realm, nonce, key });
        Some(TurnEvent::Transmit(self.request(request)))
    }

    fn request(&mut self, request: Request) -> Vec<u8> {
        let id = self.transaction();
        self.requests.insert(id.0, request.clone());
        let method = match request {
            Request::Allocate => Method::ALLOCATE,
            Request::Permit(_) => Method::CREATE_PERMISSION,
            Request::Release => Method::REFRESH,
        };
        build(Class::Request, method, id, |writer| {
            match request {
                Request::Allocate => allocate_udp(writer),
                Request::Permit(peers) => {
                    for peer in peers {
                        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
                    }
                }
                Request::Release => {
                    writer.u32(AttributeType::LIFETIME, 0);
                }
            }
            if let Some(Challenge { realm, nonce, key }) = &self.challenge {
                writer
                    .text(AttributeType::USERNAME, &self.username)
                    .text(AttributeType::REALM, realm)
                    .bytes(AttributeType::NONCE, nonce)
                    .integrity(key.as_ref());
            }
        })
    }

    fn transaction(&mut self) -> TransactionId {
        self.sent += 1;
        let mut id = [0; 12];
        id[4..].copy_from_slice(&self.sent.to_be_bytes());
        TransactionId(id)
    }
}

fn accepted(message: &Message<'_>, request: Request) -> Option<TurnEvent> {
    let address = |kind| decode::xor_address(message.get(kind)?, message.transaction_id());
    Some(match request {
        Request::Allocate => TurnEvent::Allocated {
            relayed: address(AttributeType::XOR_RELAYED_ADDRESS)?,
            mapped: address(AttributeType::XOR_MAPPED_ADDRESS)?,
        },
        Request::Permit(peers) => TurnEvent::Permitted(peers),
        Request::Release => TurnEvent::Released,
    })
}

fn data(message: &Message<'_>) -> Option<TurnEvent> {
    let peer = message.get(AttributeType::XOR_PEER_ADDRESS)?;
    Some(TurnEvent::Data {
        peer: decode::xor_address(peer, message.transaction_id())?,
        payload: message.get(AttributeType::DATA)?.to_vec(),
    })
}
