//! Mobility (RFC 8016) over real sockets, with several workers: a new socket mostly reaches another one than the
//! allocation is in.

use std::net::SocketAddr;

use hairpin::Server;
use hairpin_sim::client::{Client, Response, allocate_udp, channel_data};
use hairpin_stun::{AttributeType, Key, Method, Writer};
use hairpin_turn::Transport;
use tokio::net::UdpSocket;

use super::wire::{Wire, receive_from};
use super::{PASSWORD, USER, builder, counter_until, loopback, start};

const CHANNEL: u16 = 0x4001;

/// Somebody somewhere.
struct Mobile {
    wire: Wire,
    client: Client,
}

impl Mobile {
    fn new(wire: Wire) -> Self {
        let mut client = Client::new(1, Transport::Udp, USER, PASSWORD);
        client.realm = "test".into();
        client.key = Key::long_term(USER, "test", PASSWORD);
        client.nonce = b"none yet".to_vec();
        Self { wire, client }
    }

    async fn udp(server: &Server) -> Self {
        Self::new(Wire::udp(server.addresses().turn_udp[0]).await)
    }

    async fn tcp(server: &Server) -> Self {
        Self::new(Wire::tcp(server.addresses().turn_tcp[0]).await)
    }

    /// Asks, and asks again with the nonce it is given.
    async fn ask(&mut self, method: Method, attributes: impl Fn(&mut Writer<'_>)) -> Response {
        loop {
            let id = self.client.transaction();
            self.wire.send(&self.client.signed(method, id, &attributes)).await;
            let response = Response(self.wire.receive().await.expect("the server answers"));
            match response.error() {
                Some(438) => {
                    self.client.nonce = response.get(AttributeType::NONCE).expect("one").to_vec();
                }
                _ => return response,
            }
        }
    }

    async fn show(&mut self, ticket: &[u8]) -> Result<Vec<u8>, u16> {
        let write = |writer: &mut Writer<'_>| {
            writer.bytes(AttributeType::MOBILITY_TICKET, ticket);
        };
        let response = self.ask(Method::REFRESH, write).await;
        match response.error() {
            Some(code) => Err(code),
            None => Ok(ticket_of(&response)),
        }
    }

    /// To the peer and back.
    async fn talk(&mut self, peer: &UdpSocket, relayed: SocketAddr, text: &str) {
        self.wire.send(&channel_data(CHANNEL, text.as_bytes())).await;
        let mut buffer = [0; 64];
        let (length, from) = receive_from(peer, &mut buffer).await;
        assert_eq!((&buffer[..length], from), (text.as_bytes(), relayed));
        peer.send_to(text.as_bytes(), relayed).await.expect("loopback takes it");
        let heard = self.wire.receive().await.expect("it is open");
        assert_eq!(&heard[4..4 + text.len()], text.as_bytes());
    }
}

fn ticket_of(response: &Response) -> Vec<u8> {
    response.get(AttributeType::MOBILITY_TICKET).expect("a ticket").to_vec()
}

#[tokio::test]
async fn c180_an_allocation_moves_whichever_worker_its_client_reaches() {
    let server = start(builder().set("workers", "4").set("mobility", "true")).await;
    let peer = UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    let address = peer.local_addr().expect("bound");
    let mut first = Mobile::udp(&server).await;
    let allocated = first.ask(Method::ALLOCATE, |writer| {
        allocate_udp(writer);
        writer.bytes(AttributeType::MOBILITY_TICKET, b"");
    });
    let allocated = allocated.await;
    let (relayed, mut ticket) = (allocated.relayed().0, ticket_of(&allocated));
    let bound = first.ask(Method::CHANNEL_BIND, |writer| {
        writer.bytes(AttributeType::CHANNEL_NUMBER, &[0x40, 0x01, 0, 0]);
        writer.xor_address(AttributeType::XOR_PEER_ADDRESS, address);
    });
    assert_eq!(bound.await.error(), None);
    first.talk(&peer, relayed, "at home").await;
    // That all of these reach the first one's worker has a probability of one in 65,000.
    for round in 0..8 {
        for mut moved in [Mobile::udp(&server).await, Mobile::tcp(&server).await] {
            let next = moved.show(&ticket).await.expect("it is good");
            moved.talk(&peer, relayed, &format!("{round} times.")).await;
            // What is asked for is heard at home as well.
            let refreshed = moved.ask(Method::REFRESH, |_| {}).await;
            assert_eq!(refreshed.error(), None);
            assert_eq!(Mobile::udp(&server).await.show(&ticket).await, Err(437), "used");
            ticket = next;
        }
    }
    // Back where it began.
    first.show(&ticket).await.expect("it is good");
    first.talk(&peer, relayed, "home again").await;
    let ended = first.ask(Method::REFRESH, |writer| _ = writer.u32(AttributeType::LIFETIME, 0));
    assert_eq!(ended.await.error(), None);
    counter_until(&server, "hairpin_allocations", |allocations| allocations == 0).await;
    server.shutdown().await;
}
