//! A deploy: a server stops, and everybody goes on with another one that has the same secret.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::connection::Connection;
use crate::engine::{Engine, Launch, Programs, Server};
use crate::events::Events;
use crate::process;
use crate::seat::{self, Heard, Seat, Wire, pair_up};

/// How a client closes that comes back elsewhere.
const COME_BACK: u16 = 4900;
/// How long it may take beyond the spread until all are at the second server, and have heard each other there.
const PATIENCE: Duration = Duration::from_secs(60);
/// Open files beside one a client.
const SPARE_FILES: u64 = 200;
/// Arrivals are counted in tenths of a second.
const BINS_PER_SECOND: usize = 10;

/// How the first server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Stop {
    /// By SIGTERM: it sends its clients away one after the other.
    Drain,
    /// By SIGKILL: all connections end at once, and clients that do not wait come at once.
    Kill,
}

/// What became of the people.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) arrivals: Arrivals,
    /// From the signal to the first server until the last one was in its session again.
    pub(crate) took: Duration,
    /// The longest that somebody waited, after its connection had ended, to be in its session again.
    pub(crate) longest_gap: Duration,
    /// Sessions whose sides have both come, to the same session, and heard each other there.
    pub(crate) continued: usize,
}

/// When people came to the second server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrivals {
    bins: Vec<u32>,
}

impl Arrivals {
    fn count(&mut self, at: Duration) {
        let bin = (at.as_secs_f64() * BINS_PER_SECOND as f64) as usize;
        self.bins.resize(self.bins.len().max(bin + 1), 0);
        self.bins[bin] += 1;
    }

    /// How many came in each second.
    pub(crate) fn per_second(&self) -> Vec<u32> {
        self.bins.chunks(BINS_PER_SECOND).map(|bins| bins.iter().sum()).collect()
    }

    /// The most that came in a tenth of a second.
    pub(crate) fn peak(&self) -> u32 {
        self.bins.iter().copied().max().unwrap_or(0)
    }
}

/// Pairs `clients` people up on one server, ends that, and follows them to another one.
///
/// # Errors
/// When a server fails, or anybody hears what it should not.
pub(crate) fn measure(
    programs: &Programs,
    clients: usize,
    stop: Stop,
    spread: Duration,
) -> Result<Sample> {
    process::allow_open_files(clients as u64 + SPARE_FILES)?;
    let timeout = (spread * 2).as_secs() + 10;
    let more = format!("--drain-spread {} --shutdown-timeout {timeout}", spread.as_secs());
    let launch = Launch { more, ..Launch::for_web_sockets() };
    let second = Server::start(programs, Engine::Hairpin, &launch)?;
    let first = Server::start(programs, Engine::Hairpin, &launch)?;
    let seats = pair_up(first.http, clients, Wire::New)?;
    let sessions: Vec<String> = seats.iter().map(session).collect();
    let mut crowd = Crowd::new(seats, second.http)?;
    first.signal(match stop {
        Stop::Drain => Signal::TERM,
        Stop::Kill => Signal::KILL,
    })?;
    crowd.follow(stop, spread + PATIENCE)?;
    let took = crowd.start.elapsed();
    crowd.talk()?;
    seat::check(&crowd.seats)?;
    let same = |(seat, before): (&Seat, &String)| session(seat) == *before;
    let continued = crowd.seats.iter().zip(&sessions).filter(|pair| same(*pair)).count() / 2;
    ensure!(continued == clients / 2, "{continued} of {} calls went on", clients / 2);
    let (arrivals, longest_gap) = (crowd.arrivals, crowd.longest_gap);
    Ok(Sample { arrivals, took, longest_gap, continued })
}

fn session(seat: &Seat) -> String {
    seat.found.as_ref().map(|found| found.session.clone()).unwrap_or_default()
}

/// Everybody, on the way from one server to the other.
struct Crowd {
    seats: Vec<Seat>,
    places: Vec<Place>,
    second: SocketAddr,
    events: Events,
    start: Instant,
    /// Who is to come to the second server, and when.
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    arrivals: Arrivals,
    rejoined: usize,
    longest_gap: Duration,
}

/// Where somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    /// It has connected to the second server, having left the first at that time.
    Coming(Instant),
    /// The second server has said that it is a WebSocket.
    Second(Instant),
}

impl Crowd {
    fn new(seats: Vec<Seat>, second: SocketAddr) -> Result<Self> {
        let events = Events::new()?;
        for (number, seat) in seats.iter().enumerate() {
            events.watch(&seat.connection.stream, number)?;
        }
        Ok(Self {
            places: vec![Place::First; seats.len()],
            seats,
            second,
            events,
            start: Instant::now(),
            due: BinaryHeap::new(),
            arrivals: Arrivals::default(),
            rejoined: 0,
            longest_gap: Duration::ZERO,
        })
    }

    /// Until all are in their sessions again.
    fn follow(&mut self, stop: Stop, patience: Duration) -> Result<()> {
        while self.rejoined < self.seats.len() {
            self.go()?;
            for number in self.ready(Duration::from_millis(1))? {
                match self.places[number] {
                    Place::First => self.hear_of_the_end(number, stop)?,
                    Place::Coming(left) => self.arrive(number, left)?,
                    Place::Second(left) => self.hear(number, left)?,
                }
            }
            let (rejoined, all) = (self.rejoined, self.seats.len());
            ensure!(self.start.elapsed() < patience, "{rejoined} of {all} are in their sessions");
        }
        Ok(())
    }

    fn ready(&mut self, wait: Duration) -> Result<Vec<usize>> {
        Ok(self.events.wait(wait)?.collect())
    }

    /// Whoever's time it is leaves the first server for the second.
    fn go(&mut self) -> Result<()> {
        while let Some(&Reverse((due, number))) = self.due.peek()
            && due <= Instant::now()
        {
            self.due.pop();
            let connection = Connection::ask(self.second).context("the second server")?;
            connection.stream.set_nonblocking(true)?;
            self.events.watch(&connection.stream, number)?;
            let earlier = std::mem::replace(&mut self.seats[number].connection, connection);
            // A server that was killed does not take it any more.
            let _ = earlier.close(COME_BACK);
            let now = Instant::now();
            self.arrivals.count(now - self.start);
            self.places[number] = Place::Coming(now);
        }
        Ok(())
    }

    /// The first server sends somebody away, or is gone.
    fn hear_of_the_end(&mut self, number: usize, stop: Stop) -> Result<()> {
        let mut wait = None;
        let heard = self.seats[number].receive(|heard| {
            if let Heard::Goaway(time) = heard {
                wait = Some(time);
            }
        });
        match (stop, heard) {
            (Stop::Drain, heard) => heard?,
            (Stop::Kill, Ok(())) => {}
            (Stop::Kill, Err(_)) => wait = Some(Duration::ZERO),
        }
        if let Some(wait) = wait {
            self.due.push(Reverse((Instant::now() + wait, number)));
        }
        Ok(())
    }

    fn arrive(&mut self, number: usize, left: Instant) -> Result<()> {
        let seat = &mut self.seats[number];
        seat.connection.receive()?;
        if seat.connection.is_open()? {
            seat.come_back()?;
            self.places[number] = Place::Second(left);
        }
        Ok(())
    }

    fn hear(&mut self, number: usize, left: Instant) -> Result<()> {
        let mut rejoined = 0;
        self.seats[number].receive(|heard| rejoined += usize::from(heard == Heard::Rejoined))?;
        if rejoined > 0 {
            self.rejoined += rejoined;
            self.longest_gap = self.longest_gap.max(left.elapsed());
        }
        Ok(())
    }

    /// Everybody says something to its partner, and hears what that says.
    fn talk(&mut self) -> Result<()> {
        self.seats.iter().try_for_each(Seat::signal)?;
        let (start, mut heard) = (Instant::now(), 0);
        while heard < self.seats.len() {
            for number in self.ready(Duration::from_millis(100))? {
                self.seats[number].receive(|what| heard += usize::from(what == Heard::Signal))?;
            }
            let all = self.seats.len();
            ensure!(start.elapsed() < PATIENCE, "{heard} of {all} have heard their partners");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_counted_by_the_second_and_the_peak_by_the_tenth() {
        let mut arrivals = Arrivals::default();
        for millis in [0, 50, 99, 100, 950, 999, 1000, 2050] {
            arrivals.count(Duration::from_millis(millis));
        }
        assert_eq!(arrivals.per_second(), [6, 1, 1]);
        assert_eq!(arrivals.peak(), 3);
        assert_eq!((Arrivals::default().per_second(), Arrivals::default().peak()), (vec![], 0));
    }
}
