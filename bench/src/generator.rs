//! The thread that sends and receives: it spins, so that the server never pays for waking it.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::events::Events;
use crate::latency::{Histogram, Latency, read_stamp, stamp};
use crate::load::{Flow, Pace, WINDOW};
use crate::socket::is_dry;

/// A packet that is on its way for longer than this is lost, and another takes its place.
const PATIENCE: Duration = Duration::from_millis(50);

/// Sends through flows in turn, and counts what comes back.
pub(crate) struct Generator<'a> {
    flows: &'a mut [Flow],
    echoes: &'a [UdpSocket],
    pace: Pace,
    events: Events,
    /// Whose turn it is to send.
    next: usize,
    sent: u64,
    delivered: u64,
    /// Packets given up, so that others may take their places in the window.
    written_off: u64,
    receiver: Receiver,
}

/// Takes what arrives.
struct Receiver {
    /// Packets that may be waiting at once: as many are taken from the echo peer's socket in a turn, and from
    /// a flow its share.
    window: u32,
    /// What stamps count from.
    start: Instant,
    latencies: Histogram,
    buffer: Vec<u8>,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(flows: &'a mut [Flow], echoes: &'a [UdpSocket], pace: Pace) -> Result<Self> {
        let events = Events::new()?;
        for (number, flow) in flows.iter().enumerate() {
            flow.socket.set_nonblocking()?;
            events.watch(&flow.socket, number)?;
        }
        for (number, echo) in echoes.iter().enumerate() {
            echo.set_nonblocking(true)?;
            events.watch(echo, flows.len() + number)?;
        }
        let window = match pace {
            Pace::Saturated { window } => window,
            Pace::PerSecond(_) => WINDOW,
        };
        Ok(Self {
            flows,
            echoes,
            pace,
            events,
            next: 0,
            sent: 0,
            delivered: 0,
            written_off: 0,
            receiver: Receiver::new(window),
        })
    }

    /// Sends and receives for `length`.
    pub(crate) fn drive(&mut self, length: Duration) -> Result<()> {
        match self.pace {
            Pace::Saturated { window } => self.saturate(window, length),
            Pace::PerSecond(rate) => self.pace(rate, length),
        }
    }

    /// Keeps `window` packets on their way. The thread spins and never sleeps: waking it would be
    /// the server's work, as it never is with a client on another machine.
    fn saturate(&mut self, window: u32, length: Duration) -> Result<()> {
        let start = Instant::now();
        let (mut checked, mut sent_by_then) = (start, self.sent);
        loop {
            let settled = self.delivered + self.written_off;
            // What was written off may arrive after all, then `settled` is ahead for a while.
            self.send(u64::from(window).saturating_sub(self.sent.saturating_sub(settled)))?;
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
        self.pace_while(rate, || Ok(start.elapsed() < length))
    }

    /// Sends `rate` packets a second as long as `also` says so, which is called again and again meanwhile.
    pub(crate) fn pace_while(
        &mut self,
        rate: u32,
        mut also: impl FnMut() -> Result<bool>,
    ) -> Result<()> {
        let (start, sent_before) = (Instant::now(), self.sent);
        loop {
            let due = (start.elapsed().as_secs_f64() * f64::from(rate)) as u64;
            self.send(due.saturating_sub(self.sent - sent_before))?;
            self.receive(Duration::ZERO)?;
            if !also()? {
                return Ok(());
            }
        }
    }

    /// Receives until nothing has come for [`PATIENCE`]. Tells which part of all packets ever sent never came.
    pub(crate) fn drain(&mut self) -> Result<f64> {
        while self.receive(PATIENCE)? {}
        Ok(self.sent.saturating_sub(self.delivered) as f64 / self.sent as f64)
    }

    /// Messages that have arrived.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// How long stamped packets took since the last [`Generator::forget_latencies`].
    pub(crate) fn latency(&self) -> Option<Latency> {
        self.receiver.latencies.summary()
    }

    pub(crate) fn forget_latencies(&mut self) {
        self.receiver.latencies = Histogram::new();
    }

    fn send(&mut self, count: u64) -> Result<()> {
        for _ in 0..count {
            let flow = &mut self.flows[self.next];
            if let Some(at) = flow.stamps {
                stamp(&mut flow.packet, at.sent, self.receiver.nanos());
            }
            flow.socket.send(&flow.packet)?;
            self.next = (self.next + 1) % self.flows.len();
        }
        self.sent += count;
        Ok(())
    }

    /// Counts and echoes what is there, or comes within `wait`. Tells whether there was anything.
    fn receive(&mut self, wait: Duration) -> Result<bool> {
        let mut any = false;
        let share = self.receiver.window.div_ceil(self.flows.len() as u32);
        for number in self.events.wait(wait)? {
            any = true;
            match self.flows.get_mut(number) {
                Some(flow) => self.delivered += self.receiver.take(flow, share)?,
                None => self.receiver.reflect(&self.echoes[number - self.flows.len()])?,
            }
        }
        Ok(any)
    }
}

impl Receiver {
    fn new(window: u32) -> Self {
        let (start, latencies) = (Instant::now(), Histogram::new());
        Self { window, start, latencies, buffer: vec![0; 1 << 16] }
    }

    /// Takes up to `batch` datagrams (or so many times a stream's next bytes) that have arrived for `flow`;
    /// tells how many messages those are.
    fn take(&mut self, flow: &mut Flow, batch: u32) -> Result<u64> {
        let Self { start, latencies, buffer, .. } = self;
        let Flow { socket, arriving, stamps, .. } = flow;
        let mut count = 0;
        let mut take = |message: &[u8]| {
            // Anything else is no packet of the load: an answer that came twice, say.
            if message.len() == *arriving {
                count += 1;
                if let Some(at) = stamps {
                    let now = start.elapsed().as_nanos() as u64;
                    latencies.record(now.saturating_sub(read_stamp(message, at.arriving)));
                }
            }
        };
        for _ in 0..batch {
            match socket.receive(buffer, &mut take) {
                Ok(()) => {}
                Err(error) if is_dry(&error) => break,
                Err(error) => return Err(error).context("the server is gone"),
            }
        }
        Ok(count)
    }

    /// Sends what has arrived at the peer back to where it came from.
    fn reflect(&mut self, echo: &UdpSocket) -> Result<()> {
        for _ in 0..self.window {
            match echo.recv_from(&mut self.buffer) {
                Ok((len, from)) => _ = echo.send_to(&self.buffer[..len], from)?,
                Err(error) if is_dry(&error) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The time as stamps have it.
    fn nanos(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use super::*;
    use crate::load::Stamps;
    use crate::socket::{Socket, Transport};

    #[test]
    fn frames_cut_across_reads_are_counted_once_and_keep_their_stamps() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Socket::connect(Transport::Tcp, listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        socket.set_nonblocking().unwrap();
        let stamps = Some(Stamps { sent: 4, arriving: 4 });
        let packet = [&[0x40, 0, 0, 15][..], &[0; 16]].concat();
        let mut flow = Flow { socket, packet, arriving: 19, stamps };
        stamp(&mut flow.packet, 4, 0);
        let stream = flow.packet.repeat(3);
        let mut receiver = Receiver::new(16);
        let mut count = 0;
        for piece in [&stream[..7], &stream[7..33], &stream[33..]] {
            server.write_all(piece).unwrap();
            let mut events = Events::new().unwrap();
            events.watch(&flow.socket, 0).unwrap();
            assert_eq!(events.wait(PATIENCE * 100).unwrap().count(), 1);
            count += receiver.take(&mut flow, 16).unwrap();
        }
        assert_eq!(count, 3);
        assert!(receiver.latencies.summary().unwrap().worst < PATIENCE * 100);
    }
}
