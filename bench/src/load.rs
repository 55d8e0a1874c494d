//! The load: packets through many flows, one thread, nothing but sending, receiving and counting.

use std::net::UdpSocket;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::events::Events;
use crate::socket::{Socket, is_dry};

/// Packets on their way at a time in a saturated run: enough to keep the server busy, few enough
/// for the 212,992-byte receive buffer Linux gives a socket that asks for nothing.
pub(crate) const WINDOW: u64 = 64;
/// A packet that is on its way for longer than this is lost, and another takes its place.
const PATIENCE: Duration = Duration::from_millis(50);
/// After this long without a single packet the server is taken for dead.
const SILENCE: Duration = Duration::from_secs(1);
/// How long the load runs at most before it counts: caches, branch predictors and clocks settle.
const WARM_UP: Duration = Duration::from_millis(300);

/// One client's stream of packets.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Where packets leave and others (or the same, echoed) arrive. Does not block.
    pub(crate) socket: Socket,
    /// The message to send, the same each time.
    pub(crate) packet: Vec<u8>,
    /// Length of a message that arrives.
    pub(crate) arriving: usize,
}

/// When packets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As soon as earlier ones have arrived: the server is never idle.
    Saturated,
    /// This many a second over all flows, evenly spaced.
    PerSecond(u32),
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.parse() {
            _ if text == "saturated" => Ok(Self::Saturated),
            Ok(rate) if rate > 0 => Ok(Self::PerSecond(rate)),
            _ => Err("\"saturated\" or a number of packets a second is wanted".to_owned()),
        }
    }
}

/// What one run counted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count<S> {
    /// Packets that arrived while counting.
    pub(crate) delivered: u64,
    /// Of all packets ever sent, the part that never arrived, 0 to 1.
    pub(crate) loss: f64,
    /// The length of the counting.
    pub(crate) wall: Duration,
    /// What was sampled when the counting began.
    pub(crate) before: S,
    /// What was sampled when it ended.
    pub(crate) after: S,
}

/// Sends through `flows` in turn for `measure`, while `echo` (if any) returns what it is sent.
/// `sample` is taken at both ends of the counting.
pub(crate) fn run<S>(
    flows: &[Flow],
    echo: Option<&UdpSocket>,
    pace: Pace,
    measure: Duration,
    sample: impl Fn() -> Result<S>,
) -> Result<Count<S>> {
    let mut generator = Generator::new(flows, echo)?;
    generator.drive(pace, measure.min(WARM_UP))?;
    let (before, delivered, start) = (sample()?, generator.delivered, Instant::now());
    generator.drive(pace, measure)?;
    // On a busy machine the server may not have had its turn at all yet.
    while generator.delivered == delivered && start.elapsed() < SILENCE {
        generator.drive(pace, measure)?;
    }
    let (after, wall) = (sample()?, start.elapsed());
    let delivered = generator.delivered - delivered;
    generator.drain()?;
    ensure!(delivered > 0, "nothing arrived");
    let lost = generator.sent.saturating_sub(generator.delivered);
    let loss = lost as f64 / generator.sent as f64;
    Ok(Count { delivered, loss, wall, before, after })
}

struct Generator<'a> {
    flows: &'a [Flow],
    echo: Option<&'a UdpSocket>,
    events: Events,
    /// Whose turn it is to send.
    next: usize,
    sent: u64,
    delivered: u64,
    /// Packets given up, so that others may take their places in the window.
    written_off: u64,
    /// Datagrams taken from one flow before the others get a turn: as many as there can be.
    batch: usize,
    /// Bytes of an unfinished frame, by flow; stays 0 over UDP.
    partial: Vec<usize>,
    buffer: [u8; 65536],
}

impl<'a> Generator<'a> {
    fn new(flows: &'a [Flow], echo: Option<&'a UdpSocket>) -> Result<Self> {
        let events = Events::new()?;
        for (number, flow) in flows.iter().enumerate() {
            flow.socket.set_nonblocking()?;
            events.watch(&flow.socket, number)?;
        }
        if let Some(echo) = echo {
            echo.set_nonblocking(true)?;
            events.watch(echo, flows.len())?;
        }
        let partial = vec![0; flows.len()];
        let batch = (WINDOW as usize).div_ceil(flows.len());
        let (next, sent, delivered, written_off) = (0, 0, 0, 0);
        let buffer = [0; 65536];
        Ok(Self { flows, echo, events, next, sent, delivered, written_off, batch, partial, buffer })
    }

    fn drive(&mut self, pace: Pace, length: Duration) -> Result<()> {
        match pace {
            Pace::Saturated => self.saturate(length),
            Pace::PerSecond(rate) => self.pace(rate, length),
        }
    }

    /// Keeps [`WINDOW`] packets on their way. The thread spins and never sleeps: waking it would be
    /// the server's work, as it never is with a client on another machine.
    fn saturate(&mut self, length: Duration) -> Result<()> {
        let start = Instant::now();
        let (mut checked, mut sent_by_then) = (start, self.sent);
        loop {
            let settled = self.delivered + self.written_off;
            // What was written off may arrive after all, then `settled` is ahead for a while.
            self.send(WINDOW.saturating_sub(self.sent.saturating_sub(settled)))?;
            self.receive(Duration::ZERO)?;
            let now = Instant::now();
            if now - checked >= PATIENCE {
                // Everything sent before the last check has had its time.
                self.written_off =
                    self.written_off.max(sent_by_then.saturating_sub(self.delivered));
                (checked, sent_by_then) = (now, self.sent);
            }
            if now - start >= length {
                return Ok(());
            }
        }
    }

    /// Sends `rate` packets a second, each at its own time, spinning too.
    fn pace(&mut self, rate: u32, length: Duration) -> Result<()> {
        let start = Instant::now();
        let sent_before = self.sent;
        loop {
            let elapsed = start.elapsed();
            let due = (elapsed.as_secs_f64() * f64::from(rate)) as u64;
            self.send(due.saturating_sub(self.sent - sent_before))?;
            self.receive(Duration::ZERO)?;
            if elapsed >= length {
                return Ok(());
            }
        }
    }

    /// Receives until nothing has come for [`PATIENCE`].
    fn drain(&mut self) -> Result<()> {
        while self.receive(PATIENCE)? {}
        Ok(())
    }

    fn send(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let flow = &self.flows[self.next];
            flow.socket.send(&flow.packet)?;
            self.next = (self.next + 1) % self.flows.len();
        }
        self.sent += count;
        Ok(())
    }

    /// Counts and echoes what is there, or comes within `wait`. Tells whether there was anything.
    fn receive(&mut self, wait: Duration) -> Result<bool> {
        let (mut any, batch) = (false, self.batch);
        for number in self.events.wait(wait)? {
            any = true;
            match (self.flows.get(number), self.echo) {
                (Some(flow), _) => {
                    self.delivered +=
                        count(flow, batch, &mut self.partial[number], &mut self.buffer)?;
                }
                (None, Some(echo)) => reflect(echo, &mut self.buffer)?,
                (None, None) => unreachable!("only flows and the echo peer are watched"),
            }
        }
        Ok(any)
    }
}

/// Takes up to `batch` datagrams (or a stream's next bytes) that have arrived for `flow`; tells how many whole messages that completes.
fn count(flow: &Flow, batch: usize, partial: &mut usize, buffer: &mut [u8]) -> Result<u64> {
    let mut messages = 0;
    for _ in 0..batch {
        match flow.socket.receive(buffer) {
            Ok(0) => bail!("the server closed a connection"),
            Ok(len) => {
                *partial += len;
                messages += (*partial / flow.arriving) as u64;
                *partial %= flow.arriving;
            }
            Err(error) if is_dry(&error) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(messages)
}

/// Sends what has arrived at the peer back to where it came from.
fn reflect(echo: &UdpSocket, buffer: &mut [u8]) -> Result<()> {
    for _ in 0..WINDOW {
        match echo.recv_from(buffer) {
            Ok((len, from)) => _ = echo.send_to(&buffer[..len], from)?,
            Err(error) if is_dry(&error) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::Transport;

    /// A flow whose "server" is the echo peer itself.
    fn flows(echo: &UdpSocket, count: usize) -> Vec<Flow> {
        let flow = |_| {
            let socket = Socket::connect(Transport::Udp, echo.local_addr().unwrap()).unwrap();
            Flow { socket, packet: vec![0x40; 164], arriving: 164 }
        };
        (0..count).map(flow).collect()
    }

    fn nothing() -> Result<()> {
        Ok(())
    }

    #[test]
    fn a_saturated_run_over_a_plain_echo_loses_nothing() {
        let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
        let flows = flows(&echo, 5);
        let measure = Duration::from_millis(50);
        let count = run(&flows, Some(&echo), Pace::Saturated, measure, nothing).unwrap();
        assert_eq!(count.loss, 0.0);
        assert!(count.delivered > WINDOW, "{count:?}");
    }

    #[test]
    fn a_paced_run_keeps_its_rate() {
        let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
        let flows = flows(&echo, 3);
        let measure = Duration::from_millis(500);
        let count = run(&flows, Some(&echo), Pace::PerSecond(1000), measure, nothing).unwrap();
        let rate = count.delivered as f64 / count.wall.as_secs_f64();
        assert!((rate - 1000.0).abs() < 100.0, "{rate}");
    }

    #[test]
    fn a_server_that_swallows_everything_is_an_error_and_no_figure() {
        let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
        let flows = flows(&hole, 1);
        assert!(run(&flows, None, Pace::Saturated, PATIENCE, nothing).is_err());
    }
}
