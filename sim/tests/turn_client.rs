//! The client everybody here uses, against the server it is for.

use std::net::SocketAddr;
use std::time::Duration;

use hairpin_sim::relay::{EPOCH, PORT, Relay, SECRET, SERVER_V4};
use hairpin_sim::{Allocate, EvenPort, Request, TurnClient, TurnEvent, build};
use hairpin_stun::{AttributeType, Class, Message, Method, TransactionId};
use hairpin_turn::{Family, FiveTuple, RelayedAddr, Transport};

const NUMBER: u16 = 0x4000;

/// A server, and a client at an address with whatever it sends carried to and fro.
struct World {
    relay: Relay,
    tuple: FiveTuple,
    client: TurnClient,
}

impl World {
    fn new(client: TurnClient) -> Self {
        Self { relay: Relay::default(), tuple: tuple(Transport::Udp), client }
    }

    /// Carries a request there and everything back; what the last answer meant.
    fn ask(&mut self, request: Request) -> Option<TurnEvent> {
        let bytes = self.client.request(request);
        self.carry(bytes)
    }

    fn carry(&mut self, bytes: Vec<u8>) -> Option<TurnEvent> {
        self.relay.client_sends(self.tuple, &bytes);
        match self.receive()? {
            TurnEvent::Transmit(bytes) => self.carry(bytes),
            event => Some(event),
        }
    }

    fn receive(&mut self) -> Option<TurnEvent> {
        let packet = self.relay.received(&self.tuple)?;
        self.client.handle(&packet)
    }

    fn allocate(&mut self, options: Allocate) -> SocketAddr {
        match self.ask(Request::Allocate(options)) {
            Some(TurnEvent::Allocated { relayed, mapped }) => {
                assert_eq!(mapped, self.tuple.client);
                assert_eq!(self.client.relayed(), Some(relayed));
                relayed
            }
            other => panic!("{other:?}"),
        }
    }
}

fn tuple(transport: Transport) -> FiveTuple {
    let client = SocketAddr::from(([192, 0, 2, 1], 40_000));
    FiveTuple { transport, client, server: SocketAddr::new(SERVER_V4, PORT) }
}

fn peer() -> SocketAddr {
    SocketAddr::from(([198, 51, 100, 1], 7000))
}

fn ann() -> TurnClient {
    TurnClient::new("ann", "ann's password")
}

#[test]
fn an_allocation_is_what_was_asked_for() {
    let mut world = World::new(ann());
    let options = Allocate {
        family: Some(Family::V6),
        lifetime: Some(1200),
        even_port: Some(EvenPort::Alone),
        ..Allocate::default()
    };
    let relayed = world.allocate(options);
    assert!(relayed.is_ipv6() && relayed.port().is_multiple_of(2), "{relayed}");
    world.relay.advance_secs(1199);
    assert_eq!(world.relay.server.allocations(), 1);
    world.relay.advance_secs(2);
    assert_eq!(world.relay.server.allocations(), 0);
}

#[test]
fn rest_credentials_are_as_good_as_a_password() {
    let mut world = World::new(TurnClient::with_secret(SECRET, "carol", EPOCH + 600));
    world.allocate(Allocate::default());
}

#[test]
fn an_allocation_is_refreshed_and_released() {
    let mut world = World::new(ann());
    world.allocate(Allocate::default());
    assert_eq!(world.ask(Request::Refresh(900)), Some(TurnEvent::Refreshed(900)));
    assert_eq!(world.ask(Request::Refresh(0)), Some(TurnEvent::Released));
    assert_eq!(world.relay.server.allocations(), 0);
    assert_eq!(world.client.relayed(), None);
    assert_eq!(world.ask(Request::Refresh(900)), Some(TurnEvent::Refused(437)));
    assert_eq!(world.client.unanswered().count(), 0);
}

#[test]
fn data_goes_both_ways_in_indications_and_on_a_channel() {
    let mut world = World::new(ann());
    let relayed = RelayedAddr(world.allocate(Allocate::default()));
    let from_peer =
        |payload: &[u8]| Some(TurnEvent::Data { peer: peer(), payload: payload.to_vec() });
    let permitted = world.ask(Request::Permit(vec![peer()]));
    assert_eq!(permitted, Some(TurnEvent::Permitted(vec![peer()])));
    let indication = world.client.send(peer(), b"in an indication");
    assert_eq!(world.carry(indication), None);
    world.relay.peer_sends(peer(), relayed, b"in an indication too");
    assert_eq!(world.receive(), from_peer(b"in an indication too"));

    let bound = world.ask(Request::BindChannel { number: NUMBER, peer: peer() });
    assert_eq!(bound, Some(TurnEvent::ChannelBound(NUMBER, peer())));
    let channel_data = world.client.send_on_channel(NUMBER, b"on a channel");
    assert_eq!(world.carry(channel_data), None);
    world.relay.peer_sends(peer(), relayed, b"on a channel too");
    assert_eq!(world.receive(), from_peer(b"on a channel too"));

    let sent: Vec<Vec<u8>> = world.relay.take_relayed().into_iter().map(|p| p.payload).collect();
    assert_eq!(sent, [&b"in an indication"[..], b"on a channel"]);
}

#[test]
fn channel_data_is_padded_over_a_stream_only() {
    assert_eq!(ann().send_on_channel(NUMBER, b"hello"), b"\x40\x00\x00\x05hello");
    let padded = ann().over(Transport::Tcp).send_on_channel(NUMBER, b"hello");
    assert_eq!(padded, b"\x40\x00\x00\x05hello\0\0\0");
}

#[test]
fn a_stale_nonce_is_replaced_and_the_request_repeated() {
    let mut world = World::new(ann());
    world.allocate(Allocate { lifetime: Some(3600), ..Allocate::default() });
    // Nonces live for an hour at most, the allocation is refreshed within it.
    world.relay.advance(Duration::from_secs(1800));
    assert_eq!(world.ask(Request::Refresh(3600)), Some(TurnEvent::Refreshed(3600)));
    world.relay.advance(Duration::from_secs(1801));
    let request = world.client.request(Request::Refresh(3600));
    world.relay.client_sends(world.tuple, &request);
    let Some(TurnEvent::Transmit(again)) = world.receive() else { panic!("the nonce is stale") };
    assert_ne!(again, request);
    assert_eq!(world.carry(again), Some(TurnEvent::Refreshed(3600)));
}

#[test]
fn a_server_that_calls_every_nonce_stale_is_not_asked_for_ever() {
    let mut client = ann();
    let mut bytes = client.allocate();
    let mut asked = 0;
    let refused = loop {
        asked += 1;
        assert!(asked < 10);
        let id = Message::parse(&bytes).expect("a request").transaction_id();
        let answer = error(id, 438);
        match client.handle(&answer) {
            Some(TurnEvent::Transmit(again)) => bytes = again,
            other => break other,
        }
    };
    assert_eq!(refused, Some(TurnEvent::Refused(438)));
}

#[test]
fn a_wrong_password_is_refused_once_it_was_tried() {
    let mut world = World::new(TurnClient::new("ann", "wrong"));
    assert_eq!(world.ask(Request::Allocate(Allocate::default())), Some(TurnEvent::Refused(401)));
}

#[test]
fn what_was_lost_is_there_to_be_sent_again() {
    let mut world = World::new(ann());
    let first = world.client.allocate();
    let again: Vec<Vec<u8>> = world.client.unanswered().map(<[u8]>::to_vec).collect();
    assert_eq!(again, [first]);
    let allocated = world.carry(again[0].clone());
    assert!(matches!(allocated, Some(TurnEvent::Allocated { .. })), "{allocated:?}");
}

#[test]
fn a_success_that_nobody_signed_is_no_answer() {
    let mut world = World::new(ann());
    world.allocate(Allocate::default());
    let request = world.client.request(Request::Refresh(900));
    let id = Message::parse(&request).expect("a request").transaction_id();
    let forged = build(Class::Success, Method::REFRESH, id, |writer| {
        writer.u32(AttributeType::LIFETIME, 1);
    });
    assert_eq!(world.client.handle(&forged), None);
    assert_eq!(world.carry(request), Some(TurnEvent::Refreshed(900)));
}

fn error(id: TransactionId, code: u16) -> Vec<u8> {
    build(Class::Error, Method::ALLOCATE, id, |writer| {
        writer
            .error_code(code, "")
            .text(AttributeType::REALM, "example.org")
            .bytes(AttributeType::NONCE, b"a nonce");
    })
}
