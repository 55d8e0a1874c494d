//! One relayed address for all allocations, over real sockets and several workers.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use hairpin::{Builder, Server};
use hairpin_sim::shared::{Agent, Departure, Via};
use hairpin_sim::{Nat, NatKind, SERVER, TurnClient};

use super::wire::{Client, PATIENCE};
use super::{PASSWORD, USER, builder, counter, counter_until, loopback, start};

const DROPPED: &str = "hairpin_dropped_packets_total{reason=\"nobody_there\"}";

fn shared() -> Builder {
    builder().set("relay-ports", "shared").set("shared-relay-port", "0").set("workers", "4")
}

/// An agent with real sockets.
struct Person {
    agent: Agent,
    sockets: Vec<UdpSocket>,
}

impl Person {
    fn new(name: &str, turn: usize) -> Self {
        let socket = |_| {
            let socket = UdpSocket::bind(loopback(0)).expect("loopback has free ports");
            socket.set_nonblocking(true).expect("a plain option");
            socket
        };
        // Where it is says its socket.
        let nats = vec![Nat::new(NatKind::Open, loopback(0).ip(), 0); turn + 1];
        let clients = std::iter::repeat_with(|| TurnClient::new(USER, PASSWORD)).take(turn);
        let agent = Agent::new(name, nats, clients.collect(), rand::random());
        let agent = if turn > 0 { agent.relay_only() } else { agent };
        Self { agent, sockets: (0..=turn).map(socket).collect() }
    }

    fn candidates(&mut self) -> Vec<SocketAddr> {
        match self.sockets.len() {
            1 => vec![self.sockets[0].local_addr().expect("bound")],
            _ => self.agent.candidates(),
        }
    }

    /// Sends what is to be sent, and takes what has come.
    fn exchange(&mut self, server: SocketAddr) {
        for Departure { socket, to, bytes } in self.agent.take_departures() {
            let to = if to == SERVER { server } else { to };
            // A full buffer loses packets, as networks do.
            let _ = self.sockets[socket].send_to(&bytes, to);
        }
        let mut buffer = [0; 2048];
        for (place, socket) in self.sockets.iter().enumerate() {
            loop {
                match socket.recv_from(&mut buffer) {
                    Ok((len, from)) => self.agent.receive(place, from, &buffer[..len]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

/// Goes round until all is as it should be.
fn until(
    people: &mut [Person],
    server: SocketAddr,
    what: &str,
    mut each: impl FnMut(&mut Agent),
    is_done: impl Fn(&mut Person) -> bool,
) {
    let begun = Instant::now();
    while !people.iter_mut().all(&is_done) {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        for person in people.iter_mut() {
            if !is_done(person) {
                each(&mut person.agent);
            }
            person.exchange(server);
        }
        // Who goes round faster than anybody answers only repeats itself.
        let pause = Instant::now();
        while pause.elapsed() < Duration::from_millis(5) {
            people.iter_mut().for_each(|person| person.exchange(server));
        }
    }
}

/// A call of everybody with its neighbour.
fn call(people: &mut [Person], server: SocketAddr) {
    people.iter_mut().for_each(|person| person.agent.gather());
    let gathered = |person: &mut Person| person.candidates().len() >= person.sockets.len().min(1);
    until(people, server, "allocations", |_| (), gathered);
    for pair in 0..people.len() / 2 {
        for (from, to) in [(2 * pair, 2 * pair + 1), (2 * pair + 1, 2 * pair)] {
            let own = people[from].agent.own().clone();
            let candidates = people[from].candidates();
            people[to].agent.set_remote(own, &candidates);
        }
    }
    until(people, server, "checks", Agent::check, |person| person.agent.is_connected());
    // What is sent before the other side's check has succeeded is lost.
    let begun = Instant::now();
    while !people.iter().all(|person| person.agent.received >= 5) {
        assert!(begun.elapsed() < PATIENCE, "data");
        for person in people.iter_mut() {
            person.agent.check();
            person.agent.talk();
            person.exchange(server);
        }
        let pause = Instant::now();
        while pause.elapsed() < Duration::from_millis(20) {
            people.iter_mut().for_each(|person| person.exchange(server));
        }
    }
    assert!(people.iter().all(|person| person.agent.garbage == 0), "nobody hears anybody else");
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
    let people = (0..2000).map(|index| Person::new(&format!("fragment{index}"), turn(index)));
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
    let people =
        (0..20).map(|index| Person::new(&format!("fragment{index}"), 2 - index % 4 / 3 * 2));
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
