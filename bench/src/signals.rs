//! Pairs that exchange signals, at a rate that does not wait for the server.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::engine::{Engine, Launch, Programs, Server};
use crate::events::Events;
use crate::latency::{Histogram, Latency};
use crate::process;
use crate::seat::{Seat, Wire, pair_up};
use crate::ws;

/// Bytes of each signal, the JSON that a partner gets as it is.
pub(crate) const SIGNAL_LEN: usize = 200;
/// Sent before anything is counted.
const WARM_UP: Duration = Duration::from_secs(1);
/// How long the last signal may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Open files beside two a client.
const SPARE_FILES: u64 = 200;
/// CPUs from which on the server has some of its own: two are for the threads that send and receive.
const CPUS: usize = 4;

/// Who sends what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// What the clients speak.
    pub wire: Wire,
    /// How many pairs there are.
    pub pairs: usize,
    /// Signals a second of all clients together.
    pub rate: u32,
}

/// What became of the signals of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// From sending to the partner's having it.
    pub(crate) latency: Latency,
    /// How much later than its time each was sent, which is the generator's fault.
    pub(crate) late: Latency,
    /// All that were sent, each of which arrived once and in order.
    pub(crate) sent: u64,
    /// Server CPU microseconds a signal.
    pub(crate) micros: f64,
    /// Part of the time the server's CPUs worked for it, 0 to 1.
    pub(crate) busy: f64,
    /// Part of the time somebody else was running on them, 0 to 1; unknown if it has none of its own.
    pub(crate) disturbed: f64,
}

/// Starts a fresh hairpin, and lets pairs exchange signals for `length`.
///
/// # Errors
/// When the server fails, or a signal is lost, doubled or overtaken.
pub(crate) fn measure(programs: &Programs, load: Load, length: Duration) -> Result<Sample> {
    process::allow_open_files(load.pairs as u64 * 4 + SPARE_FILES)?;
    let cpus = process::allowed_cpus()?;
    let (generator, of_server) = match &cpus[..] {
        [first, second, rest @ ..] if cpus.len() >= CPUS => ([vec![*first], vec![*second]], rest),
        all => ([all.to_vec(), all.to_vec()], all),
    };
    let launch = Launch { cpus: of_server.to_vec(), ..Launch::for_web_sockets() };
    let server = Server::start(programs, Engine::Hairpin, &launch)?;
    let mut seats = pair_up(server.http, load.pairs * 2, load.wire)?;
    let sender = Sender::new(&seats, load)?;
    let traffic = Traffic::new(load, length.min(WARM_UP), length);
    let clocks = || -> Result<_> {
        let busy =
            of_server.iter().map(|&cpu| process::busy_time(cpu)).sum::<Result<Duration>>()?;
        Ok((server.cpu_time()?, busy, traffic.sent.load(Ordering::Relaxed)))
    };
    let [on_sending, on_receiving] = generator;
    let (late, latency, before, after) = thread::scope(|scope| {
        let receiving = scope.spawn(|| {
            process::on_cpus(&on_receiving, || receive(&mut seats, &traffic)).and_then(|done| done)
        });
        let sending = scope.spawn(|| {
            process::on_cpus(&on_sending, || sender.send(&traffic)).and_then(|done| done)
        });
        thread::sleep(traffic.warm_up.saturating_sub(traffic.start.elapsed()));
        let before = clocks();
        thread::sleep((traffic.warm_up + length).saturating_sub(traffic.start.elapsed()));
        let after = clocks();
        let late = sending.join().expect("the sender does not panic");
        let latency = receiving.join().expect("the receiver does not panic");
        Ok::<_, anyhow::Error>((late?, latency?, before?, after?))
    })?;
    let wall = length.as_secs_f64() * of_server.len() as f64;
    let cpu = (after.0 - before.0).as_secs_f64();
    let anybody = (after.1 - before.1).as_secs_f64();
    Ok(Sample {
        latency,
        late,
        sent: traffic.sent.load(Ordering::Relaxed),
        micros: cpu * 1e6 / (after.2 - before.2) as f64,
        busy: cpu / wall,
        disturbed: if cpus.len() < CPUS { 0.0 } else { (anybody - cpu).max(0.0) / wall },
    })
}

/// What sender and receiver have in common.
struct Traffic {
    load: Load,
    start: Instant,
    warm_up: Duration,
    /// How many are to be sent, the warm-up's included.
    all: u64,
    sent: AtomicU64,
    /// The number of the last message each client has heard, which its next signal acknowledges.
    heard: Vec<AtomicU64>,
}

impl Traffic {
    fn new(load: Load, warm_up: Duration, length: Duration) -> Self {
        let all = ((warm_up + length).as_secs_f64() * f64::from(load.rate)) as u64;
        let heard = (0..load.pairs * 2).map(|_| AtomicU64::new(0)).collect();
        Self { load, start: Instant::now(), warm_up, all, sent: AtomicU64::new(0), heard }
    }

    /// When a signal is to be sent.
    fn time_of(&self, number: u64) -> Duration {
        Duration::from_secs_f64(number as f64 / f64::from(self.load.rate))
    }
}

/// The clients' ends to write to, in turn.
struct Sender {
    streams: Vec<TcpStream>,
    sessions: Vec<String>,
}

impl Sender {
    fn new(seats: &[Seat], load: Load) -> Result<Self> {
        ensure!(seats.len() == load.pairs * 2, "a client is missing");
        let streams = seats.iter().map(|seat| Ok(seat.connection.stream.try_clone()?));
        let session = |seat: &Seat| Some(seat.found.as_ref()?.session.clone());
        let sessions = seats.iter().map(session).collect::<Option<_>>();
        Ok(Self {
            streams: streams.collect::<Result<_>>()?,
            sessions: sessions.context("somebody is in no session")?,
        })
    }

    /// Sends every signal at its time, or as soon after as it can. Spins, so that it is not late.
    fn send(&self, traffic: &Traffic) -> Result<Latency> {
        let mut late = Histogram::new();
        for number in 0..traffic.all {
            let time = traffic.time_of(number);
            let now = loop {
                let now = traffic.start.elapsed();
                if now >= time {
                    break now;
                }
                std::hint::spin_loop();
            };
            if time >= traffic.warm_up {
                late.record((now - time).as_nanos() as u64);
            }
            let client = (number % self.streams.len() as u64) as usize;
            // Each client's own number, from 1; join_queue had none.
            let own = number / self.streams.len() as u64 + 1;
            let text = self.text(traffic, client, own);
            (&self.streams[client]).write_all(&ws::text_frame(&text))?;
            traffic.sent.store(number + 1, Ordering::Relaxed);
        }
        late.summary().context("nothing was sent")
    }

    fn text(&self, traffic: &Traffic, client: usize, own: u64) -> String {
        let numbers = match traffic.load.wire {
            Wire::New => {
                let ack = traffic.heard[client].load(Ordering::Relaxed);
                format!(r#""id":{own},"ack":{ack},"#)
            }
            Wire::Old => String::new(),
        };
        let session = &self.sessions[client];
        let signal = signal(own, traffic.start.elapsed());
        format!(
            r#"{{"type":"signal",{numbers}"data":{{"sessionId":"{session}","signal":{signal}}}}}"#
        )
    }
}

/// As long as a candidate is; what is to be read again is at its end.
fn signal(number: u64, at: Duration) -> String {
    let end = format!(r#"","number":"{number:010}","at":"{:020}"}}"#, at.as_nanos());
    let begin = r#"{"candidate":"candidate:1 1 udp 2122260223 192.0.2.1 50000 typ host "#;
    format!("{begin}{:x<width$}{end}", "", width = SIGNAL_LEN - begin.len() - end.len())
}

/// A signal's own number, and when it was sent, from the message a partner gets. `None`: it is something else.
fn read_signal(text: &str) -> Option<(u64, u64)> {
    let rest = text.strip_suffix("\"}}}")?;
    let (rest, at) = rest.split_at_checked(rest.len().checked_sub(20)?)?;
    let rest = rest.strip_suffix("\",\"at\":\"")?;
    let number = rest.get(rest.len().checked_sub(10)?..)?;
    Some((number.parse().ok()?, at.parse().ok()?))
}

/// A message's number, if it is numbered.
fn read_number(text: &str) -> Option<u64> {
    text.strip_prefix("{\"seq\":")?.split_once(',')?.0.parse().ok()
}

/// Takes what arrives until every signal has, and times those that were sent after the warm-up.
fn receive(seats: &mut [Seat], traffic: &Traffic) -> Result<Latency> {
    let mut events = Events::new()?;
    for (number, seat) in seats.iter().enumerate() {
        traffic.heard[number].store(seat.received, Ordering::Relaxed);
        events.watch(&seat.connection.stream, number)?;
    }
    let (mut latencies, mut arrived) = (Histogram::new(), 0);
    let mut last = vec![0; seats.len()];
    let deadline = traffic.start + traffic.time_of(traffic.all) + PATIENCE;
    while arrived < traffic.all {
        for number in events.wait(Duration::ZERO)? {
            let connection = &mut seats[number].connection;
            connection.receive()?;
            while let Some(text) = connection.next_text()? {
                if let Some(seq) = read_number(&text) {
                    traffic.heard[number].store(seq, Ordering::Relaxed);
                }
                let Some((own, at)) = read_signal(&text) else {
                    ensure!(text.starts_with("{\"type\":\"ack\""), "nobody expects {text}");
                    continue;
                };
                ensure!(own == last[number] + 1, "signal {own} comes after {}", last[number]);
                last[number] = own;
                arrived += 1;
                if at >= traffic.warm_up.as_nanos() as u64 {
                    latencies
                        .record((traffic.start.elapsed().as_nanos() as u64).saturating_sub(at));
                }
            }
        }
        ensure!(Instant::now() < deadline, "{arrived} of {} signals arrived", traffic.all);
    }
    latencies.summary().context("nothing arrived")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_as_long_as_it_is_said_to_be_and_is_read_again_behind_what_a_server_adds() {
        let signal = signal(17, Duration::from_nanos(123_456));
        assert_eq!(signal.len(), SIGNAL_LEN);
        assert!(
            serde_json::from_str::<serde_json::Value>(&signal).unwrap()["candidate"].is_string()
        );
        let plain =
            format!(r#"{{"type":"signal","payload":{{"sessionId":"s","signal":{signal}}}}}"#);
        assert_eq!((read_number(&plain), read_signal(&plain)), (None, Some((17, 123_456))));
        let numbered = plain.replacen('{', "{\"seq\":12,", 1);
        assert_eq!(
            (read_number(&numbered), read_signal(&numbered)),
            (Some(12), Some((17, 123_456)))
        );
        for other in [r#"{"type":"ack","payload":{"id":3}}"#, "", "\"}}}"] {
            assert_eq!(read_signal(other), None);
        }
    }

    #[test]
    fn signals_are_due_at_their_rate() {
        let load = Load { wire: Wire::New, pairs: 5, rate: 1000 };
        let traffic = Traffic::new(load, Duration::from_secs(1), Duration::from_secs(2));
        assert_eq!((traffic.all, traffic.heard.len()), (3000, 10));
        assert_eq!(traffic.time_of(1500), Duration::from_millis(1500));
    }
}
