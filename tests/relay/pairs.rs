//! ICE agents with real sockets, in pairs that call each other through a server.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use hairpin_sim::shared::{Agent, Departure};
use hairpin_sim::{Nat, NatKind, SERVER, TurnClient};

use super::wire::PATIENCE;

/// An agent with real sockets.
pub(crate) struct Person {
    pub(crate) agent: Agent,
    pub(crate) sockets: Vec<UdpSocket>,
}

impl Person {
    /// One with a socket for direct packets and one for each allocation, which are all it uses if it has any.
    pub(crate) fn new(name: &str, turn: Vec<TurnClient>, sockets: Vec<UdpSocket>) -> Self {
        for socket in &sockets {
            socket.set_nonblocking(true).expect("a plain option");
        }
        // Where it is says its socket.
        let here = sockets[0].local_addr().expect("bound").ip();
        let nats = vec![Nat::new(NatKind::Open, here, 0); sockets.len()];
        let is_relayed = !turn.is_empty();
        let agent = Agent::new(name, nats, turn, rand::random());
        Self { agent: if is_relayed { agent.relay_only() } else { agent }, sockets }
    }

    fn candidates(&mut self) -> Vec<SocketAddr> {
        match self.sockets.len() {
            1 => vec![self.sockets[0].local_addr().expect("bound")],
            _ => self.agent.candidates(),
        }
    }

    /// Sends what is to be sent, and takes what has come.
    pub(crate) fn exchange(&mut self, server: SocketAddr) {
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
        pause(people, server, Duration::from_millis(5));
    }
}

/// A call of everybody with its neighbour.
pub(crate) fn call(people: &mut [Person], server: SocketAddr) {
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
        pause(people, server, Duration::from_millis(20));
    }
    assert!(people.iter().all(|person| person.agent.garbage == 0), "nobody hears anybody else");
}

/// Lets packets come for so long.
pub(crate) fn pause(people: &mut [Person], server: SocketAddr, length: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < length {
        people.iter_mut().for_each(|person| person.exchange(server));
        // They share the processors with whoever is to answer.
        thread::sleep(Duration::from_millis(1));
    }
}
