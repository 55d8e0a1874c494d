//! What the fuzzer chooses, and what it means on the wire.

use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;

use arbitrary::Arbitrary;
use hairpin_sim::relay::{PORT, REALM, SERVER_V4, SERVER_V6};
use hairpin_stun::{AttributeType, Class, Key, Method, TransactionId, Writer, userhash};
use hairpin_turn::{BindError, FiveTuple, Transport};

/// The relay addresses of the server.
pub(crate) const RELAYS: [IpAddr; 2] = [SERVER_V4, SERVER_V6];

/// Few, so that they are used again.
pub(crate) const RELAY_PORTS: RangeInclusive<u16> = 50_000..=50_015;

/// The server's listener.
const LISTENER: SocketAddr = SocketAddr::new(SERVER_V4, PORT);
const LISTENER_V6: SocketAddr = SocketAddr::new(SERVER_V6, PORT);

/// One thing that happens.
#[derive(Arbitrary, Debug)]
pub(crate) enum Step {
    /// Bytes nobody checked reach the server's port.
    Bytes { from: Source, bytes: Vec<u8> },
    /// A client sends a request.
    Request { client: Client, request: Request },
    /// A client sends ChannelData.
    ChannelData { client: Client, channel: u8, payload: Vec<u8> },
    /// A client sends a Send indication.
    Send { client: Client, peer: Peer, payload: Vec<u8> },
    /// Bytes reach the relay socket of an allocation, the n-th of those that live.
    FromPeer { allocation: u8, peer: Peer, bytes: Vec<u8> },
    /// Another shard hands over a packet for one of our relayed addresses.
    FromShard { to: Peer, from: Peer, bytes: Vec<u8> },
    /// A peer connects to the relay socket of an allocation, the n-th of those that live.
    PeerConnects { allocation: u8, peer: Peer },
    /// The first connection that was asked for comes to be, or fails.
    Connection(Attempt),
    /// A connection to a peer closes, the n-th of those that are there.
    ConnectionCloses { nth: u8 },
    /// From now on, sockets are bound or not.
    Binding(Binding),
    /// A stream closes.
    Disconnect(Client),
    /// Time passes.
    Wait { seconds: u16 },
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Attempt {
    Succeeds,
    Fails,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Binding {
    Works,
    UserQuota,
    AddressQuota,
    TotalQuota,
    Capacity,
}

impl Binding {
    pub(crate) fn error(self) -> Option<BindError> {
        match self {
            Self::Works => None,
            Self::UserQuota => Some(BindError::UserQuota),
            Self::AddressQuota => Some(BindError::AddressQuota),
            Self::TotalQuota => Some(BindError::TotalQuota),
            Self::Capacity => Some(BindError::Capacity),
        }
    }
}

/// Who sends bytes: a client, a stranger, the server itself, nobody.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Source {
    Client(Client),
    Stranger(u16),
    Listener,
    PortZero,
}

impl Source {
    pub(crate) fn tuple(self) -> FiveTuple {
        let client = match self {
            Self::Client(client) => return client.tuple(),
            Self::Stranger(port) => SocketAddr::from(([192, 0, 2, 99], port)),
            Self::Listener => LISTENER,
            Self::PortZero => parse("192.0.2.99:0"),
        };
        FiveTuple { transport: Transport::Udp, client, server: LISTENER }
    }
}

/// Who has credentials. Two of the same user, and each transport and family.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Client {
    Alice,
    AliceOverTcp,
    AliceOnAnotherStream,
    Bob,
    BobOverV6,
}

impl Client {
    pub(crate) const ALL: [Self; 5] =
        [Self::Alice, Self::AliceOverTcp, Self::AliceOnAnotherStream, Self::Bob, Self::BobOverV6];

    pub(crate) fn tuple(self) -> FiveTuple {
        let (transport, client, server) = match self {
            Self::Alice => (Transport::Udp, "192.0.2.1:1", LISTENER),
            Self::AliceOverTcp => (Transport::Tcp, "192.0.2.1:1", LISTENER),
            Self::AliceOnAnotherStream => (Transport::Tcp, "192.0.2.1:3", LISTENER),
            Self::Bob => (Transport::Udp, "192.0.2.2:2", LISTENER),
            Self::BobOverV6 => (Transport::Udp, "[2001:db8::2]:2", LISTENER_V6),
        };
        FiveTuple { transport, client: parse(client), server }
    }

    pub(crate) fn user(self) -> &'static str {
        match self {
            Self::Alice | Self::AliceOverTcp | Self::AliceOnAnotherStream => "alice",
            Self::Bob | Self::BobOverV6 => "bob",
        }
    }
}

/// The long-term key of a user.
pub(crate) fn key(user: &str) -> Key {
    Key::long_term(user, REALM, "password")
}

/// The same by SHA-256.
pub(crate) fn key_sha256(user: &str) -> Key {
    Key::long_term_sha256(user, REALM, "password")
}

/// Whom packets are for.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub(crate) enum Peer {
    Public,
    SameHost,
    PublicV6,
    Private,
    Loopback,
    Listener,
    /// The relayed address with this number, whether or not it lives.
    Relayed(u8),
    RelayedV6(u8),
    Any([u8; 4], u16),
    AnyV6([u8; 16], u16),
}

impl Peer {
    pub(crate) fn address(self) -> SocketAddr {
        match self {
            Self::Public => parse("198.51.100.1:1000"),
            Self::SameHost => parse("198.51.100.1:2000"),
            Self::PublicV6 => parse("[2001:db8:1::1]:1000"),
            Self::Private => parse("10.0.0.1:1000"),
            Self::Loopback => parse("127.0.0.1:1000"),
            Self::Listener => LISTENER,
            Self::Relayed(number) => relayed(SERVER_V4, number),
            Self::RelayedV6(number) => relayed(SERVER_V6, number),
            Self::Any(ip, port) => (ip, port).into(),
            Self::AnyV6(ip, port) => (ip, port).into(),
        }
    }
}

/// The relayed address with a number.
fn relayed(ip: IpAddr, number: u8) -> SocketAddr {
    SocketAddr::new(ip, RELAY_PORTS.start() + u16::from(number) % RELAY_PORTS.len() as u16)
}

/// A request or, rarely of use, anything else with attributes.
#[derive(Arbitrary, Debug)]
pub(crate) struct Request {
    pub(crate) method: RequestMethod,
    pub(crate) id: u8,
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) proof: Proof,
    pub(crate) fingerprint: bool,
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestMethod {
    Binding,
    Allocate,
    Refresh,
    CreatePermission,
    ChannelBind,
    Connect,
    ConnectionBind,
    Other(u8),
}

/// How a request proves who sends it.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    Right,
    /// By a key of SHA-256, and a hash in place of the name.
    Sha256,
    WrongKey,
    OtherUser,
    OldNonce,
    None,
}

#[derive(Arbitrary, Debug)]
pub(crate) enum Attribute {
    Lifetime(u32),
    RequestedTransport(u8),
    Family(u8),
    Peer(Peer),
    Channel(u8),
    EvenPort(u8),
    AdditionalFamily(u8),
    /// The number of the reservation.
    Reservation(u8),
    /// The number of a connection, the n-th of those that are there.
    Connection(u8),
    Raw(u16, Vec<u8>),
}

impl Request {
    /// The request as it goes over the wire.
    ///
    /// `connections` are the numbers of those there are.
    pub(crate) fn encode(&self, client: Client, nonce: &str, connections: &[u32]) -> Vec<u8> {
        let mut buffer = vec![0; 65_536];
        let method = match self.method {
            RequestMethod::Binding => Method::BINDING,
            RequestMethod::Allocate => Method::ALLOCATE,
            RequestMethod::Refresh => Method::REFRESH,
            RequestMethod::CreatePermission => Method::CREATE_PERMISSION,
            RequestMethod::ChannelBind => Method::CHANNEL_BIND,
            RequestMethod::Connect => Method::CONNECT,
            RequestMethod::ConnectionBind => Method::CONNECTION_BIND,
            RequestMethod::Other(number) => Method(number.into()),
        };
        let mut writer = Writer::new(&mut buffer, Class::Request, method, id(self.id));
        for attribute in &self.attributes {
            attribute.write(&mut writer, connections);
        }
        let user = match self.proof {
            Proof::OtherUser if client.user() == "alice" => "bob",
            Proof::OtherUser => "alice",
            _ => client.user(),
        };
        if self.proof != Proof::None {
            let nonce = if self.proof == Proof::OldNonce { "obMatJos2AAAAold" } else { nonce };
            writer.text(AttributeType::REALM, REALM).text(AttributeType::NONCE, nonce);
            if self.proof == Proof::Sha256 {
                writer
                    .bytes(AttributeType::USERHASH, &userhash(user, REALM))
                    .bytes(AttributeType::PASSWORD_ALGORITHMS, &[0, 2, 0, 0, 0, 1, 0, 0])
                    .bytes(AttributeType::PASSWORD_ALGORITHM, &[0, 2, 0, 0])
                    .integrity_sha256(key_sha256(user).as_ref());
            } else {
                let key = key(if self.proof == Proof::WrongKey { "mallory" } else { user });
                writer.text(AttributeType::USERNAME, user).integrity(key.as_ref());
            }
        }
        if self.fingerprint {
            writer.fingerprint();
        }
        let length = writer.finish();
        // Too long for a message: an empty datagram.
        buffer.truncate(length.unwrap_or(0));
        buffer
    }
}

impl Attribute {
    fn write(&self, writer: &mut Writer<'_>, connections: &[u32]) {
        match self {
            Self::Connection(nth) => {
                let id = connections.get(usize::from(*nth)).copied().unwrap_or(u32::from(*nth));
                writer.u32(AttributeType::CONNECTION_ID, id)
            }
            Self::Lifetime(seconds) => writer.u32(AttributeType::LIFETIME, *seconds),
            Self::RequestedTransport(protocol) => writer.requested_transport(*protocol),
            Self::Family(family) => {
                writer.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, *family)
            }
            Self::Peer(peer) => writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer.address()),
            Self::Channel(number) => writer.channel_number(channel(*number)),
            Self::AdditionalFamily(family) => {
                writer.address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, *family)
            }
            Self::EvenPort(flags) => writer.bytes(AttributeType::EVEN_PORT, &[*flags]),
            Self::Reservation(number) => {
                let token = u64::from(*number).to_be_bytes();
                writer.bytes(AttributeType::RESERVATION_TOKEN, &token)
            }
            Self::Raw(kind, value) => writer.bytes(AttributeType(*kind), value),
        };
    }
}

/// Few channel numbers, the last one of RFC 5766 alone.
pub(crate) fn channel(number: u8) -> u16 {
    [0x4000, 0x4001, 0x4FFF, 0x5000][usize::from(number % 4)]
}

pub(crate) fn id(number: u8) -> TransactionId {
    TransactionId([number; 12])
}

fn parse(address: &str) -> SocketAddr {
    address.parse().expect("a literal")
}
