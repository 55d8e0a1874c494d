//! What a TURN client asks, and the bytes of it.

use std::net::SocketAddr;

use hairpin_stun::{AttributeType, Class, Key, Method, TransactionId, Writer};
use hairpin_turn::{ConnectionId, Family, RelayTransport, ReservationToken};

/// A request of a TURN client, as its attributes say it and before it is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// What is my address? It is never signed.
    Binding,
    /// An allocation.
    Allocate(Allocate),
    /// Another lifetime for the allocation, in seconds; 0 deletes it.
    Refresh(u32),
    /// Permissions for the IP addresses of these peers.
    Permit(Vec<SocketAddr>),
    /// A channel, which is also a permission.
    BindChannel {
        /// The channel's number.
        number: u16,
        /// The peer at its other end.
        peer: SocketAddr,
    },
    /// A connection to a peer (RFC 6062 s4.3).
    Connect(SocketAddr),
    /// This stream for a connection to a peer (RFC 6062 s4.3, s4.4).
    BindConnection(ConnectionId),
}

/// What an allocation is to be like. The default leaves all to the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocate {
    /// REQUESTED-TRANSPORT; UDP if it is not said.
    pub transport: Option<RelayTransport>,
    /// REQUESTED-ADDRESS-FAMILY.
    pub family: Option<Family>,
    /// LIFETIME in seconds.
    pub lifetime: Option<u32>,
    /// EVEN-PORT.
    pub even_port: Option<EvenPort>,
    /// ADDITIONAL-ADDRESS-FAMILY: IPv6 beside IPv4.
    pub both_families: bool,
    /// RESERVATION-TOKEN.
    pub reservation: Option<ReservationToken>,
}

/// What EVEN-PORT asks for beside an even port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EvenPort {
    /// Nothing.
    Alone,
    /// That the next port is reserved (R=1).
    WithNext,
}

impl Request {
    /// Its method.
    pub fn method(&self) -> Method {
        match self {
            Self::Binding => Method::BINDING,
            Self::Allocate(_) => Method::ALLOCATE,
            Self::Refresh(_) => Method::REFRESH,
            Self::Permit(_) => Method::CREATE_PERMISSION,
            Self::BindChannel { .. } => Method::CHANNEL_BIND,
            Self::Connect(_) => Method::CONNECT,
            Self::BindConnection(_) => Method::CONNECTION_BIND,
        }
    }

    /// Writes its attributes.
    pub fn write(&self, writer: &mut Writer<'_>) {
        match self {
            Self::Binding => {}
            Self::Allocate(allocate) => allocate.write(writer),
            Self::Refresh(lifetime) => _ = writer.u32(AttributeType::LIFETIME, *lifetime),
            Self::Permit(peers) => {
                for &peer in peers {
                    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
                }
            }
            Self::BindChannel { number, peer } => {
                writer.channel_number(*number).xor_address(AttributeType::XOR_PEER_ADDRESS, *peer);
            }
            Self::Connect(peer) => _ = writer.xor_address(AttributeType::XOR_PEER_ADDRESS, *peer),
            Self::BindConnection(id) => _ = writer.u32(AttributeType::CONNECTION_ID, id.0),
        }
    }
}

impl Allocate {
    /// Writes its attributes.
    pub fn write(&self, writer: &mut Writer<'_>) {
        let is_tcp = self.transport == Some(RelayTransport::Tcp);
        writer.requested_transport(if is_tcp { 6 } else { 17 });
        if let Some(family) = self.family {
            let family = match family {
                Family::V4 => 1,
                Family::V6 => 2,
            };
            writer.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
        }
        if let Some(lifetime) = self.lifetime {
            writer.u32(AttributeType::LIFETIME, lifetime);
        }
        if let Some(even) = self.even_port {
            let flags = if even == EvenPort::WithNext { 0x80 } else { 0 };
            writer.bytes(AttributeType::EVEN_PORT, &[flags]);
        }
        if self.both_families {
            writer.address_family(AttributeType::ADDITIONAL_ADDRESS_FAMILY, 2);
        }
        if let Some(ReservationToken(token)) = self.reservation {
            writer.bytes(AttributeType::RESERVATION_TOKEN, &token);
        }
    }
}

/// Writes the attributes of long-term credentials behind all others (RFC 8489 s9.2.3).
pub(crate) fn sign(writer: &mut Writer<'_>, username: &str, realm: &str, nonce: &[u8], key: &Key) {
    writer
        .text(AttributeType::USERNAME, username)
        .text(AttributeType::REALM, realm)
        .bytes(AttributeType::NONCE, nonce)
        .integrity(key.as_ref());
}

/// The bytes of a Send indication.
pub(crate) fn send_indication(id: TransactionId, peer: SocketAddr, data: &[u8]) -> Vec<u8> {
    build(Class::Indication, Method::SEND, id, |writer| {
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer).bytes(AttributeType::DATA, data);
    })
}

/// The bytes of ChannelData, without padding.
pub fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let len = u16::try_from(data.len()).expect("data fits a datagram");
    [&number.to_be_bytes(), &len.to_be_bytes(), data].concat()
}

/// The bytes of a message.
pub fn build(
    class: Class,
    method: Method,
    id: TransactionId,
    attributes: impl FnOnce(&mut Writer<'_>),
) -> Vec<u8> {
    let mut bytes = vec![0; 0x1_0010];
    let mut writer = Writer::new(&mut bytes, class, method, id);
    attributes(&mut writer);
    let len = writer.finish().expect("the buffer takes the longest message there is");
    bytes.truncate(len);
    // It may be kept until it is answered.
    bytes.shrink_to_fit();
    bytes
}
