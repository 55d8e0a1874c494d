//! A TURN client that says what it is told to, true or forged: its requests are those of
//! [`TurnClient`](crate::TurnClient), its credentials and attributes are a test's to change.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hairpin_stun::{
    AttributeType, ChannelData, ChannelNumber, ChannelNumbers, Class, Key, Message, Method,
    TransactionId, Writer, decode,
};
use hairpin_turn::{Family, FiveTuple, RelayedAddr, Transport};

pub use crate::request::{build, channel_data};

use crate::relay::{PORT, REALM, Relay, SERVER_V4, USERS};
use crate::request::{Allocate, Request, send_indication, sign};

/// One client on one 5-tuple. Everything it authenticates with may be changed by a test.
#[derive(Clone)]
pub struct Client {
    /// Where it is and how it reaches the server.
    pub tuple: FiveTuple,
    /// USERNAME.
    pub username: String,
    /// REALM.
    pub realm: String,
    /// NONCE; what the server said last.
    pub nonce: Vec<u8>,
    /// The key of MESSAGE-INTEGRITY.
    pub key: Key,
    /// Whether requests end with FINGERPRINT.
    pub fingerprint: bool,
    transactions: u64,
}

impl Client {
    /// Ann at 192.0.2.`host`, over UDP.
    pub fn ann(host: u8) -> Self {
        Self::new(host, Transport::Udp, USERS[0].0, USERS[0].1)
    }

    /// Bob at 192.0.2.`host`, over UDP.
    pub fn bob(host: u8) -> Self {
        Self::new(host, Transport::Udp, USERS[1].0, USERS[1].1)
    }

    /// Anybody, anyhow.
    pub fn new(host: u8, transport: Transport, username: &str, password: &str) -> Self {
        let client = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)), 40_000);
        Self {
            tuple: FiveTuple { transport, client, server: SocketAddr::new(SERVER_V4, PORT) },
            username: username.into(),
            realm: REALM.into(),
            nonce: Vec::new(),
            key: Key::long_term(username, REALM, password),
            fingerprint: false,
            transactions: u64::from(host) << 32,
        }
    }

    /// A transaction id not used before.
    pub fn transaction(&mut self) -> TransactionId {
        self.transactions += 1;
        let mut id = *b"clnt\0\0\0\0\0\0\0\0";
        id[4..].copy_from_slice(&self.transactions.to_be_bytes());
        TransactionId(id)
    }

    /// A request with valid credentials: asks for a nonce first if there is none yet.
    pub fn request(
        &mut self,
        relay: &mut Relay,
        method: Method,
        attributes: impl FnOnce(&mut Writer<'_>),
    ) -> Response {
        self.ensure_nonce(relay);
        let id = self.transaction();
        let request = self.signed(method, id, attributes);
        self.exchange(relay, &request).expect("a request with credentials is answered")
    }

    /// The bytes of a signed request.
    pub fn signed(
        &self,
        method: Method,
        id: TransactionId,
        attributes: impl FnOnce(&mut Writer<'_>),
    ) -> Vec<u8> {
        build(Class::Request, method, id, |writer| {
            attributes(writer);
            sign(writer, &self.username, &self.realm, &self.nonce, &self.key);
            if self.fingerprint {
                writer.fingerprint();
            }
        })
    }

    /// Sends bytes, and takes the answer.
    pub fn exchange(&self, relay: &mut Relay, bytes: &[u8]) -> Option<Response> {
        relay.client_sends(self.tuple, bytes);
        relay.received(&self.tuple).map(Response)
    }

    /// Has a nonce from now on.
    pub fn ensure_nonce(&mut self, relay: &mut Relay) {
        if self.nonce.is_empty() {
            let id = self.transaction();
            let request = build(Class::Request, Method::ALLOCATE, id, allocate_udp);
            let challenge = self.exchange(relay, &request).expect("a challenge");
            self.nonce = challenge.get(AttributeType::NONCE).expect("a nonce").to_vec();
        }
    }

    /// The request of a client that behaves, and the answer.
    pub fn ask(&mut self, relay: &mut Relay, request: &Request) -> Response {
        self.request(relay, request.method(), |writer| request.write(writer))
    }

    /// Allocates with success.
    pub fn allocate(&mut self, relay: &mut Relay) -> RelayedAddr {
        self.ask(relay, &Request::Allocate(Allocate::default())).relayed()
    }

    /// Allocates an IPv6 address with success.
    pub fn allocate_v6(&mut self, relay: &mut Relay) -> RelayedAddr {
        let allocate = Allocate { family: Some(Family::V6), ..Allocate::default() };
        self.ask(relay, &Request::Allocate(allocate)).relayed()
    }

    /// Asks for a lifetime of so many seconds.
    pub fn refresh(&mut self, relay: &mut Relay, seconds: u32) -> Response {
        self.ask(relay, &Request::Refresh(seconds))
    }

    /// Asks for permissions.
    pub fn permit(&mut self, relay: &mut Relay, peers: &[SocketAddr]) -> Response {
        self.ask(relay, &Request::Permit(peers.into()))
    }

    /// Asks for a channel.
    pub fn bind_channel(&mut self, relay: &mut Relay, number: u16, peer: SocketAddr) -> Response {
        self.ask(relay, &Request::BindChannel { number, peer })
    }

    /// Sends data to a peer in a Send indication.
    pub fn send(&mut self, relay: &mut Relay, peer: SocketAddr, data: &[u8]) {
        let indication = send_indication(self.transaction(), peer, data);
        relay.client_sends(self.tuple, &indication);
    }

    /// Sends data over a channel.
    pub fn send_channel(&mut self, relay: &mut Relay, number: u16, data: &[u8]) {
        relay.client_sends(self.tuple, &channel_data(number, data));
    }

    /// The next packet that came from a peer.
    pub fn receive(&self, relay: &mut Relay) -> Option<Received> {
        relay.received(&self.tuple).map(|bytes| Received::read(&bytes))
    }
}

/// REQUESTED-TRANSPORT: UDP.
pub fn allocate_udp(writer: &mut Writer<'_>) {
    Allocate::default().write(writer);
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response(pub Vec<u8>);

impl Response {
    /// The message.
    pub fn message(&self) -> Message<'_> {
        Message::parse(&self.0).expect("the server sends well-formed messages")
    }

    /// ERROR-CODE; `None` for success.
    pub fn error(&self) -> Option<u16> {
        let value = self.get(AttributeType::ERROR_CODE);
        let class = self.message().class();
        assert_eq!(class, if value.is_some() { Class::Error } else { Class::Success });
        value.map(|value| decode::error_code(value).expect("a well-formed ERROR-CODE").0)
    }

    /// Whether all went well.
    pub fn is_success(&self) -> bool {
        self.error().is_none()
    }

    /// The value of an attribute.
    pub fn get(&self, kind: AttributeType) -> Option<&[u8]> {
        self.message().get(kind)
    }

    /// Whether there is an attribute.
    pub fn has(&self, kind: AttributeType) -> bool {
        self.get(kind).is_some()
    }

    /// An address.
    pub fn xor_address(&self, kind: AttributeType) -> Option<SocketAddr> {
        decode::xor_address(self.get(kind)?, self.message().transaction_id())
    }

    /// LIFETIME in seconds.
    pub fn lifetime(&self) -> Option<u32> {
        decode::u32(self.get(AttributeType::LIFETIME)?)
    }

    /// The relayed address of a success.
    pub fn relayed(&self) -> RelayedAddr {
        assert_eq!(self.error(), None);
        let relayed = self.xor_address(AttributeType::XOR_RELAYED_ADDRESS);
        RelayedAddr(relayed.expect("an Allocate success has a relayed address"))
    }

    /// Whether it is signed with a key.
    pub fn is_signed(&self, key: &Key) -> bool {
        self.message().check_integrity(key.as_ref()).is_ok()
    }

    /// UNKNOWN-ATTRIBUTES.
    pub fn unknown_attributes(&self) -> Vec<AttributeType> {
        let value = self.get(AttributeType::UNKNOWN_ATTRIBUTES).unwrap_or_default();
        decode::unknown_attributes(value).collect()
    }
}

/// Data from a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// As ChannelData, with all that followed the length's bytes.
    Channel {
        /// The channel number.
        number: u16,
        /// As long as the header says.
        data: Vec<u8>,
        /// What followed.
        padding: Vec<u8>,
    },
    /// As a Data indication.
    Data {
        /// The peer.
        peer: SocketAddr,
        /// DATA.
        data: Vec<u8>,
    },
}

impl Received {
    /// Reads a packet from a relay.
    pub fn read(bytes: &[u8]) -> Self {
        if let Ok(channel) = ChannelData::parse_under(ChannelNumbers::Rfc5766, bytes) {
            let (data, padding) = (&bytes[channel.payload.clone()], &bytes[channel.payload.end..]);
            let number = ChannelNumber::get(channel.number);
            return Self::Channel { number, data: data.into(), padding: padding.into() };
        }
        let message = Message::parse(bytes).expect("ChannelData or a message");
        assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
        assert_eq!(message.as_bytes().len(), bytes.len());
        let peer = message.get(AttributeType::XOR_PEER_ADDRESS).expect("a peer");
        Self::Data {
            peer: decode::xor_address(peer, message.transaction_id()).expect("an address"),
            data: message.get(AttributeType::DATA).expect("data").into(),
        }
    }

    /// ChannelData without padding.
    pub fn channel(number: u16, data: &[u8]) -> Self {
        Self::Channel { number, data: data.into(), padding: Vec::new() }
    }

    /// A Data indication.
    pub fn data(peer: SocketAddr, data: &[u8]) -> Self {
        Self::Data { peer, data: data.into() }
    }
}
