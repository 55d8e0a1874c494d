//! Other people who talk through the same server, without browsers.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hairpin_sim::TurnClient;
use hairpin_turn::rest_credentials;
use tokio::task::{JoinHandle, spawn_blocking};

use super::netns::{Host, SERVER};
use super::server::SECRET;
use crate::relay::pairs::{Person, call, pause};

/// Each says something so often.
const PACE: Duration = Duration::from_millis(100);

/// Pairs of ICE agents, whose calls are relayed. They hang up with their value.
pub(super) struct Crowd {
    done: Arc<AtomicBool>,
    talking: JoinHandle<usize>,
}

impl Crowd {
    /// So many pairs, all on one host; they are connected when this returns.
    pub(super) async fn on(host: &Host, pairs: usize) -> Self {
        let sockets = host.run(move || {
            (0..4 * pairs).map(|_| UdpSocket::bind(("0.0.0.0", 0))).collect::<Result<Vec<_>, _>>()
        });
        let mut sockets = sockets.expect("a host has free ports").into_iter();
        let server = SocketAddr::from((SERVER, 3478));
        let expiry = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let person = |index: usize| {
            let name = format!("fragment{index}");
            let credentials = rest_credentials(SECRET.as_bytes(), &name, expiry + 600);
            let client = TurnClient::new(&credentials.username, &credentials.password);
            Person::new(&name, vec![client], sockets.by_ref().take(2).collect())
        };
        let mut people: Vec<Person> = (0..2 * pairs).map(person).collect();
        let called = spawn_blocking(move || {
            call(&mut people, server);
            people
        });
        let people = called.await.expect("all calls come about");
        let done = Arc::new(AtomicBool::new(false));
        let talking = spawn_blocking({
            let done = done.clone();
            move || talk(people, server, &done)
        });
        Self { done, talking }
    }

    /// Ends the calls; nobody has heard anybody else in them, and each has heard its partner.
    pub(super) async fn has_talked_all_the_while(mut self) {
        self.done.store(true, Ordering::Relaxed);
        let rounds = (&mut self.talking).await.expect("the calls went well");
        println!("the crowd has talked for {rounds} rounds");
        assert!(rounds > 10, "{rounds}");
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

/// How often everybody has said something until it was done.
fn talk(mut people: Vec<Person>, server: SocketAddr, done: &AtomicBool) -> usize {
    let before: Vec<usize> = people.iter().map(|person| person.agent.received).collect();
    let mut rounds = 0;
    while !done.load(Ordering::Relaxed) {
        people.iter_mut().for_each(|person| person.agent.talk());
        pause(&mut people, server, PACE);
        rounds += 1;
    }
    for (person, before) in people.iter_mut().zip(before) {
        let heard = person.agent.received - before;
        assert!(heard * 10 >= rounds * 9, "{heard} of {rounds} packets came");
        assert_eq!(person.agent.garbage, 0, "nobody hears anybody else");
        person.agent.release(0);
    }
    pause(&mut people, server, PACE);
    rounds
}
