//! How long everybody else waits while ten thousand allocations end at once.
//!
//! An allocation lives for 600 seconds at least, so the end that is measured is not expiry: every client deletes its
//! allocation (Refresh with a lifetime of 0), as fast as the server answers, while a call goes on.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use hairpin_sim::TurnEvent;

use crate::engine::{Engine, Launch, Programs, Server};
use crate::events::Events;
use crate::generator::Generator;
use crate::latency::Latency;
use crate::load::Pace;
use crate::process::{self, Cpus};
use crate::relay::{Case, Framing, Ports, Route, Setup, Workers};
use crate::socket::{Transport, is_dry};
use crate::turn::{self, Client};

/// Packets a second of the call.
const RATE: u32 = 2000;
/// How long the call is watched before the first deletion, and after the last one: a server may answer first and
/// clear up later.
const AROUND: Duration = Duration::from_millis(500);
/// Deletions on their way at a time: few enough for every engine's receive buffer.
const WINDOW: usize = 64;
/// Deletions sent before the call has its turn again.
const AT_ONCE: usize = 8;
/// After this long without an answer the deletions that have none are sent again.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long it may all take.
const DEADLINE: Duration = Duration::from_secs(30);
/// Open files beside one for each client.
const SPARE_FILES: u64 = 200;

/// What a call noticed of the end of many allocations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Its round trips before.
    pub(crate) before: Latency,
    /// Its round trips from the first deletion until [`AROUND`] after the last.
    pub(crate) meanwhile: Latency,
    /// From the first deletion sent until the last was answered.
    pub(crate) took: Duration,
    /// Server CPU microseconds of a deletion, the call's packets included.
    pub(crate) micros: f64,
}

/// Starts a fresh `engine`, makes `count` allocations over UDP and deletes them all.
///
/// # Errors
/// When the server does not start or refuses a request, or the call dies.
pub(crate) fn measure(programs: &Programs, engine: Engine, count: usize) -> Result<Sample> {
    process::allow_open_files(count as u64 + SPARE_FILES)?;
    let cpus = Cpus::pick(1)?;
    let server = Server::start(programs, engine, &Launch::on_one_cpu(cpus.server[0]))?;
    let sample = process::on_cpus(&[cpus.generator], || delete_all(&server, count))?;
    sample.with_context(|| format!("{engine}: the end of {count} allocations"))
}

fn delete_all(server: &Server, count: usize) -> Result<Sample> {
    let mut clients = turn::allocate(Transport::Udp, server.turn, count)?;
    let pace = Pace::PerSecond(RATE);
    let mut call = Setup::new(
        server,
        &Case {
            route: Route::Echo,
            framing: Framing::Channel,
            transport: Transport::Udp,
            pace,
            allocations: 1,
            size: 160,
            ports: Ports::Range,
            workers: Workers::One,
        },
    )?;
    let mut generator = Generator::new(&mut call.flows, &call.echoes, pace)?;
    generator.drive(AROUND)?;
    let before = generator.latency().context("nothing came back")?;
    generator.forget_latencies();
    let mut deletions = Deletions::new(&mut clients)?;
    let cpu_before = server.cpu_time()?;
    let start = Instant::now();
    generator.pace_while(RATE, || deletions.step())?;
    let (took, cpu) = (start.elapsed(), server.cpu_time()? - cpu_before);
    generator.drive(AROUND)?;
    let meanwhile = generator.latency().context("nothing came back")?;
    Ok(Sample { before, meanwhile, took, micros: cpu.as_secs_f64() * 1e6 / count as f64 })
}

/// Requests of many clients, [`WINDOW`] of them unanswered at a time.
struct Deletions<'a> {
    clients: &'a mut [Client],
    /// Signed beforehand, which is no server's work.
    requests: Vec<Vec<u8>>,
    events: Events,
    /// The first client that has not asked yet.
    next: usize,
    /// Clients whose allocation is gone.
    gone: usize,
    start: Instant,
    /// When an answer came last.
    progress: Instant,
}

impl<'a> Deletions<'a> {
    fn new(clients: &'a mut [Client]) -> Result<Self> {
        let events = Events::new()?;
        for (number, client) in clients.iter().enumerate() {
            client.socket.set_nonblocking()?;
            events.watch(&client.socket, number)?;
        }
        let requests = clients.iter_mut().map(|client| client.turn.release()).collect();
        let now = Instant::now();
        Ok(Self { clients, requests, events, next: 0, gone: 0, start: now, progress: now })
    }

    /// Sends a few more and takes the answers that are there; false when all have been answered.
    fn step(&mut self) -> Result<bool> {
        let room = WINDOW.saturating_sub(self.next - self.gone).min(AT_ONCE);
        for number in self.next..self.clients.len().min(self.next + room) {
            self.clients[number].socket.send(&self.requests[number])?;
            self.next = number + 1;
        }
        for number in self.events.wait(Duration::ZERO)? {
            let client = &mut self.clients[number];
            let answer = match client.socket.receive_message() {
                Ok(answer) => answer,
                Err(error) if is_dry(&error) => continue,
                Err(error) => return Err(error.into()),
            };
            match client.turn.handle(&answer) {
                // Refused: it was gone already, only the answer was lost.
                Some(TurnEvent::Released | TurnEvent::Refused(437)) => self.gone += 1,
                Some(TurnEvent::Transmit(bytes)) => client.socket.send(&bytes)?,
                None => {}
                Some(other) => bail!("{other:?} in answer to a deletion"),
            }
            self.progress = Instant::now();
        }
        if self.progress.elapsed() > PATIENCE {
            self.ask_again()?;
        }
        ensure!(self.start.elapsed() < DEADLINE, "{} of {} deleted", self.gone, self.next);
        Ok(self.gone < self.clients.len())
    }

    fn ask_again(&mut self) -> Result<()> {
        for client in &mut self.clients[..self.next] {
            for request in client.turn.unanswered() {
                client.socket.send(request)?;
            }
        }
        self.progress = Instant::now();
        Ok(())
    }
}
