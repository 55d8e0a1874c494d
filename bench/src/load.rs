//! The load: packets through many flows, one thread, nothing but sending, receiving and counting.

use std::net::UdpSocket;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::generator::Generator;
use crate::latency::Latency;
use crate::socket::Socket;

/// Packets on their way at a time in a saturated run that names no other number: enough to keep the server
/// busy, few enough for the 212,992-byte receive buffer Linux gives a socket that asks for nothing.
pub(crate) const WINDOW: u32 = 64;
/// After this long without a single packet the server is taken for dead.
const SILENCE: Duration = Duration::from_secs(1);
/// How long the load runs at most before it counts: caches, branch predictors and clocks settle.
const WARM_UP: Duration = Duration::from_millis(300);

/// One client's stream of packets.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Where packets leave and others (or the same, echoed) arrive. Does not block.
    pub(crate) socket: Socket,
    /// The message to send, the same each time but for its stamp.
    pub(crate) packet: Vec<u8>,
    /// Length of a message that arrives, a stream's padding not counted.
    pub(crate) arriving: usize,
    /// Where packets carry the time they were sent at, if they are to tell how long they took.
    pub(crate) stamps: Option<Stamps>,
}

/// Where the data begins that a stamp is written into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamps {
    /// In the message that is sent.
    pub(crate) sent: usize,
    /// In a message that arrives.
    pub(crate) arriving: usize,
}

/// When packets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// As soon as earlier ones have arrived, with this many on their way at a time: the server is never idle.
    Saturated {
        /// Packets on their way.
        window: u32,
    },
    /// This many a second over all flows, evenly spaced.
    PerSecond(u32),
}

impl FromStr for Pace {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text.parse() {
            _ if text == "saturated" => Ok(Self::Saturated { window: WINDOW }),
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
    /// From the sending of a packet to its arrival, when packets are stamped.
    pub(crate) latency: Option<Latency>,
}

/// Sends through `flows` in turn for `measure`, while `echoes` (if any) return what they are sent.
/// `sample` is taken at both ends of the counting.
pub(crate) fn run<S>(
    flows: &mut [Flow],
    echoes: &[UdpSocket],
    pace: Pace,
    measure: Duration,
    sample: impl Fn() -> Result<S>,
) -> Result<Count<S>> {
    let mut generator = Generator::new(flows, echoes, pace)?;
    generator.drive(measure.min(WARM_UP))?;
    generator.forget_latencies();
    let (before, delivered, start) = (sample()?, generator.delivered(), Instant::now());
    generator.drive(measure)?;
    // On a busy machine the server may not have had its turn at all yet.
    while generator.delivered() == delivered && start.elapsed() < SILENCE {
        generator.drive(measure)?;
    }
    let (after, wall) = (sample()?, start.elapsed());
    let (delivered, latency) = (generator.delivered() - delivered, generator.latency());
    let loss = generator.drain()?;
    ensure!(delivered > 0, "nothing arrived");
    Ok(Count { delivered, loss, wall, before, after, latency })
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::*;
    use crate::socket::Transport;

    /// Flows whose "server" is the echo peer itself.
    fn flows(echo: &UdpSocket, count: usize) -> Vec<Flow> {
        let stamps = Some(Stamps { sent: 4, arriving: 4 });
        let flow = |_| {
            let socket = Socket::connect(Transport::Udp, echo.local_addr().unwrap()).unwrap();
            Flow { socket, packet: vec![0x40; 164], arriving: 164, stamps }
        };
        (0..count).map(flow).collect()
    }

    fn nothing() -> Result<()> {
        Ok(())
    }

    #[test]
    fn a_saturated_run_over_a_plain_echo_loses_nothing_at_any_window() {
        for window in [16, 64, 256] {
            let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut flows = flows(&echo, 5);
            let (pace, measure) = (Pace::Saturated { window }, Duration::from_millis(50));
            let count = run(&mut flows, from_ref(&echo), pace, measure, nothing).unwrap();
            assert_eq!(count.loss, 0.0);
            assert!(count.delivered > u64::from(window), "{count:?}");
        }
    }

    #[test]
    fn a_paced_run_never_exceeds_its_rate_and_tells_how_long_packets_took() {
        let echo = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut flows = flows(&echo, 3);
        let measure = Duration::from_millis(500);
        let start = std::time::Instant::now();
        let count =
            run(&mut flows, from_ref(&echo), Pace::PerSecond(1000), measure, nothing).unwrap();
        // Each has its time to be sent at, however late a busy machine lets us send it.
        let due = start.elapsed().as_secs_f64() * 1000.0;
        assert!(count.delivered > 0 && count.delivered as f64 <= due, "{count:?} of {due}");
        let latency = count.latency.unwrap();
        assert!(latency.p50 <= latency.p99 && latency.p99 <= latency.worst, "{latency:?}");
        assert!(latency.p50 > Duration::ZERO && latency.p50 < measure, "{latency:?}");
    }

    #[test]
    fn a_server_that_swallows_everything_is_an_error_and_no_figure() {
        let hole = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut flows = flows(&hole, 1);
        assert!(run(&mut flows, &[], Pace::Saturated { window: 64 }, WARM_UP, nothing).is_err());
    }
}
