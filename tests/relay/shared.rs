//! One relayed address for all allocations, over real sockets and several workers.

use std::net::{SocketAddr, UdpSocket};

use hairpin::{Builder, Server};
use hairpin_sim::TurnClient;
use hairpin_sim::shared::Via;

use super::pairs::{Person, call};
use super::wire::Client;
use super::{PASSWORD, USER, builder, counter, counter_until, loopback, start};

const DROPPED: &str = "hairpin_dropped_packets_total{reason=\"nobody_there\"}";

fn shared() -> Builder {
    builder().set("relay-ports", "shared").set("shared-relay-port", "0").set("workers", "4")
}

fn person(index: usize, turn: usize) -> Person {
    let clients = std::iter::repeat_with(|| TurnClient::new(USER, PASSWORD)).take(turn);
    let socket = || UdpSocket::bind(loopback(0)).expect("loopback has free ports");
    let sockets = std::iter::repeat_with(socket).take(turn + 1);
    Person::new(&format!("fragment{index}"), clients.collect(), sockets.collect())
}

async fn blocking(
    server: &Server,
    mut people: Vec<Person>,
    work: impl FnOnce(&mut [Person], SocketAddr) + Send + 'static,
) -> Vec<Person> {
    let address = server.addresses().turn_udp[0];
    let work = tokio::task::spawn_blocking(move || {
        work(&mut people, address);
        people
    });
    work.await.expect("the calls are well")
}

#[tokio::test]
async fn a_thousand_pairs_share_one_port() {
    let _ = hairpin::raise_open_files_limit();
    let server = start(shared()).await;
    let [address] = server.addresses().shared_relay[..] else { panic!("one of IPv4") };
    // In every second pair only one side is relayed.
    let turn = |index: usize| usize::from(index % 4 != 3);
    let people = (0..2000).map(|index| person(index, turn(index)));
    let people = blocking(&server, people.collect(), call).await;
    let allocations = people.iter().filter(|person| person.sockets.len() > 1).count() as u64;
    assert_eq!(counter(&server, "hairpin_allocations").await, allocations);
    for person in people.iter().filter(|person| person.sockets.len() == 1) {
        assert_eq!(person.agent.selected(), Some((Via::Direct, address)));
    }
    let work = |people: &mut [Person], server| {
        for person in people.iter_mut().filter(|person| person.sockets.len() > 1) {
            person.agent.release(0);
            person.exchange(server);
        }
    };
    let people = blocking(&server, people, work).await;
    counter_until(&server, "hairpin_allocations", |held| held < allocations / 50).await;
    drop(people);
}

#[tokio::test]
async fn the_listening_port_itself_is_shared_with_two_turn_urls_each() {
    let server = start(builder().set("relay-ports", "listening").set("workers", "3")).await;
    assert_eq!(server.addresses().shared_relay, server.addresses().turn_udp);
    let people = (0..20).map(|index| person(index, 2 - index % 4 / 3 * 2));
    blocking(&server, people.collect(), call).await;
    // It is still a STUN server.
    let mut client = Client::udp(server.addresses().turn_udp[0]).await;
    client.wire.send(&super::wire::binding(7)).await;
    let answer = client.wire.receive().await.expect("UDP does not close");
    assert_eq!(super::wire::mapped(&answer, 7), client.wire.local());
}

#[tokio::test]
async fn what_nobody_is_tied_to_is_dropped_and_counted() {
    let server = start(shared()).await;
    let address = server.addresses().shared_relay[0];
    let stranger = UdpSocket::bind(loopback(0)).expect("loopback has free ports");
    for garbage in
        [&[22, 254, 253][..], &[0x80; 100], &[0; 30], b"", b"\0\x01\0\0!\x12\xa4Babcdefghijkl"]
    {
        stranger.send_to(garbage, address).expect("loopback takes it");
    }
    counter_until(&server, DROPPED, |dropped| dropped >= 2).await;
    assert_eq!(counter(&server, "hairpin_relayed_packets_total{direction=\"to_client\"}").await, 0);
}

#[tokio::test]
async fn no_port_of_ones_own_is_to_be_had() {
    use hairpin_sim::{Allocate, EvenPort, Request, TurnEvent};
    let server = start(shared()).await;
    let mut client = Client::udp(server.addresses().turn_udp[0]).await;
    let even =
        Request::Allocate(Allocate { even_port: Some(EvenPort::Alone), ..Default::default() });
    let bytes = client.turn.request(even);
    client.wire.send(&bytes).await;
    assert_eq!(client.event().await, TurnEvent::Refused(508));
    let bytes = client.turn.allocate();
    client.wire.send(&bytes).await;
    let TurnEvent::Allocated { relayed, .. } = client.event().await else { panic!("refused") };
    assert_eq!(relayed, server.addresses().shared_relay[0]);
    assert!(server.summary().contains(&relayed.to_string()), "{}", server.summary());
    assert!(server.summary().contains("ICE clients alone"), "{}", server.summary());
}
