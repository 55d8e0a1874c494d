//! CPU time per relayed packet: which cases there are, and how one is measured.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hairpin_sim::TurnClient;

use crate::engine::{Engine, Launch, Programs, Server};
use crate::latency::{Latency, STAMP_LEN};
use crate::load::{self, Flow, Pace, Stamps};
use crate::process::{self, Cpus};
use crate::socket::{Transport, udp_socket};
use crate::tls::KeyKind;
use crate::turn::{self, CHANNEL, Client};
use crate::{homes, ice};

/// Where in the data a stamp begins: behind what tells what it is.
const STAMP_AT: usize = 4;

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Route {
    /// Client, server, peer, and back the same way: two relayed packets a round.
    Echo,
    /// Client to client, both relayed by the same server: counted once, when it arrives.
    Pair,
}

impl Route {
    /// Relayed packets for each packet that arrives at a client.
    fn hops(self) -> f64 {
        match self {
            Self::Echo => 2.0,
            Self::Pair => 1.0,
        }
    }
}

/// How a client wraps its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Framing {
    /// ChannelData, as Chromium sends.
    Channel,
    /// Send and Data indications, as Firefox sends.
    Indication,
}

/// How many workers the server has, and which of them serve the two clients of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// There is one.
    One,
    /// There are two, each on a CPU of its own, and one of them serves both clients.
    TwoWithin,
    /// There are two, and each serves one of the clients.
    TwoAcross,
}

impl Workers {
    fn count(self) -> usize {
        match self {
            Self::One => 1,
            Self::TwoWithin | Self::TwoAcross => 2,
        }
    }
}

/// Where relayed addresses are, and who is there to talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// A port for each allocation; one peer echoes for all clients.
    Range,
    /// The same with a peer for each client, to be compared with what follows.
    RangeWithPeers,
    /// One port for all allocations, each with a peer of its own; hairpin only.
    Shared,
}

/// One thing to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    /// Which way packets go.
    pub route: Route,
    /// How they are wrapped.
    pub framing: Framing,
    /// What clients speak to the server over; peers are always reached over UDP.
    pub transport: Transport,
    /// When packets are sent.
    pub pace: Pace,
    /// Clients, each with one allocation; at least 2, and even, with [`Route::Pair`].
    pub allocations: usize,
    /// Bytes of application data in a packet.
    pub size: usize,
    /// Where they are relayed.
    pub ports: Ports,
    /// Who serves the clients; more than one worker with [`Route::Pair`] and hairpin only.
    pub workers: Workers,
}

/// What one measurement of one engine found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Server CPU microseconds per relayed packet.
    pub(crate) micros: f64,
    /// Part of the time each of the server's CPUs was running it, 0 to 1. Near 1 in a saturated run, else the
    /// load generator was the narrow place and the figure includes the server's falling asleep.
    pub(crate) busy: f64,
    /// Part of the packets that got lost, 0 to 1.
    pub(crate) loss: f64,
    /// Part of the time somebody else was running on the server's CPUs, 0 to 1.
    pub(crate) disturbed: f64,
    /// How long packets were on their way; known of paced runs.
    pub(crate) latency: Option<Latency>,
}

/// Starts a fresh `engine`, prepares `case` and measures for `length`.
///
/// # Errors
/// When the server does not start, refuses a request, delivers a wrong payload or nothing at all.
pub(crate) fn measure(
    programs: &Programs,
    engine: Engine,
    case: &Case,
    length: Duration,
) -> Result<Sample> {
    let cpus = Cpus::pick(case.workers.count())?;
    let launch = Launch {
        cpus: cpus.server.clone(),
        workers: Some(case.workers.count()),
        certificate: (case.transport == Transport::Tls).then_some(KeyKind::EcdsaP256),
        more: match case.ports {
            Ports::Range | Ports::RangeWithPeers => String::new(),
            Ports::Shared => "--relay-ports shared --shared-relay-port 0".to_owned(),
        },
        ..Launch::default()
    };
    let server = Server::start(programs, engine, &launch)?;
    let clocks = || Ok((server.cpu_time()?, cpus.server_busy_time()?));
    let count = process::on_cpus(&[cpus.generator], || {
        let mut setup = Setup::new(&server, case)?;
        load::run(&mut setup.flows, &setup.echoes, case.pace, length, clocks)
    })?;
    let count = count.with_context(|| format!("{engine}: {case}"))?;
    let cpu = (count.after.0 - count.before.0).as_secs_f64();
    let anybody = (count.after.1 - count.before.1).as_secs_f64();
    let wall = count.wall.as_secs_f64() * cpus.server.len() as f64;
    let packets = count.delivered as f64 * case.route.hops();
    Ok(Sample {
        micros: cpu * 1e6 / packets,
        busy: cpu / wall,
        loss: count.loss,
        disturbed: (anybody - cpu).max(0.0) / wall,
        latency: count.latency,
    })
}

/// Clients that are ready to send, and the peers that echo: one for all, or one for each.
pub(crate) struct Setup {
    pub(crate) flows: Vec<Flow>,
    pub(crate) echoes: Vec<UdpSocket>,
}

impl Setup {
    pub(crate) fn new(server: &Server, case: &Case) -> Result<Self> {
        let mut clients = match case.route {
            Route::Echo => turn::allocate(case.transport, server.turn, case.allocations)?,
            Route::Pair => pairs(server, case)?,
        };
        let echoes = match (case.route, case.ports) {
            (Route::Pair, _) => Vec::new(),
            (Route::Echo, Ports::Range) => vec![echo_peer()?],
            (Route::Echo, _) => clients.iter().map(|_| echo_peer()).collect::<Result<_>>()?,
        };
        let peers: Vec<SocketAddr> = match case.route {
            Route::Echo => {
                let echoes = echoes.iter().cycle().take(clients.len());
                echoes.map(UdpSocket::local_addr).collect::<Result<_, _>>()?
            }
            Route::Pair => partners(&clients)?,
        };
        match case.framing {
            Framing::Channel => turn::bind_channels(&mut clients, &peers)?,
            Framing::Indication => turn::permit(&mut clients, &peers)?,
        }
        match (case.ports, case.route) {
            (Ports::Shared, Route::Echo) => ice::with_peers(&mut clients, &echoes)?,
            (Ports::Shared, Route::Pair) => ice::in_pairs(&mut clients, &peers)?,
            (Ports::Range | Ports::RangeWithPeers, _) => {}
        }
        let flow = |(mut client, peer): (Client, &SocketAddr)| {
            let packet = wrap(&mut client.turn, case.framing, *peer, &payload(case.size));
            Flow { socket: client.socket, packet, arriving: 0, stamps: None }
        };
        let mut flows: Vec<Flow> = clients.into_iter().zip(&peers).map(flow).collect();
        probe(&mut flows, &echoes, case)?;
        Ok(Self { flows, echoes })
    }
}

fn echo_peer() -> Result<UdpSocket> {
    let echo = udp_socket()?;
    echo.set_read_timeout(Some(Duration::from_secs(1)))?;
    Ok(echo)
}

/// Clients in pairs as they are to talk to each other, served by the workers the case names.
fn pairs(server: &Server, case: &Case) -> Result<Vec<Client>> {
    let count = case.allocations.next_multiple_of(2);
    if case.workers == Workers::One {
        return turn::allocate(case.transport, server.turn, count);
    }
    // The kernel deals clients to workers like cards: of twice as many, each worker gets enough.
    let clients = turn::allocate(case.transport, server.turn, count * 2 + 16)?;
    homes::pair_up(server, clients, count, case.workers)
}

/// Clients 0 and 1 are each other's peers, 2 and 3, and so on.
fn partners(clients: &[Client]) -> Result<Vec<SocketAddr>> {
    let relayed = |index: usize| clients[index ^ 1].relayed();
    (0..clients.len()).map(relayed).collect()
}

/// The message that carries `payload` to the server.
fn wrap(turn: &mut TurnClient, framing: Framing, peer: SocketAddr, payload: &[u8]) -> Vec<u8> {
    match framing {
        Framing::Channel => turn.send_on_channel(CHANNEL, payload),
        Framing::Indication => turn.send(peer, payload),
    }
}

/// Application data no header could be mistaken for. It begins as RTP does: a shared relay port looks at what is STUN (RFC 7983).
fn payload(size: usize) -> Vec<u8> {
    (0..size).map(|index| (index * 7 + 0x83) as u8).collect()
}

/// Sends one packet through every flow, checks that its payload arrives whole, and learns how long the message is
/// it arrives in, and where in it the payload begins. From then on packets of a paced run are stamped.
fn probe(flows: &mut [Flow], echoes: &[UdpSocket], case: &Case) -> Result<()> {
    let payload = payload(case.size);
    let find = |message: &[u8]| message.windows(payload.len()).position(|found| found == payload);
    let is_stamped = matches!(case.pace, Pace::PerSecond(_));
    let least = STAMP_AT + STAMP_LEN;
    ensure!(!is_stamped || case.size >= least, "a stamp takes {least} bytes of data");
    let mut buffer = [0; 2048];
    for sender in 0..flows.len() {
        let sent = find(&flows[sender].packet).context("a packet without its payload")?;
        let flow = &mut flows[sender];
        flow.socket.send(&flow.packet)?;
        let receiver = match echoes.iter().cycle().nth(sender) {
            Some(echo) => {
                let (len, from) = echo.recv_from(&mut buffer).context("nothing at the peer")?;
                ensure!(buffer[..len] == payload, "the peer got something else than was sent");
                echo.send_to(&buffer[..len], from)?;
                sender
            }
            None => sender ^ 1,
        };
        let arrived = flows[receiver].socket.receive_message();
        let arrived = arrived.context("nothing arrived at a client")?;
        let at = find(&arrived).context("a client got something else than was sent")?;
        flows[receiver].arriving = arrived.len();
        // All flows of a case are alike, so what is true of the sender's packets is true of the receiver's.
        let stamps = Stamps { sent: sent + STAMP_AT, arriving: at + STAMP_AT };
        flows[receiver].stamps = is_stamped.then_some(stamps);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use hairpin_sim::Transport::Tcp;
    use hairpin_stun::{AttributeType, Message, decode};

    const PEER: &str = "127.0.0.1:9";

    #[test]
    fn channel_data_is_padded_over_a_stream_only() {
        let wrap = |mut client: TurnClient| {
            wrap(&mut client, Framing::Channel, PEER.parse().unwrap(), &payload(5))
        };
        let client = || TurnClient::new("name", "password");
        assert_eq!(wrap(client()), [0x40, 0, 0, 5, 131, 138, 145, 152, 159]);
        assert_eq!(wrap(client().over(Tcp)), [0x40, 0, 0, 5, 131, 138, 145, 152, 159, 0, 0, 0]);
    }

    #[test]
    fn an_indication_names_its_peer_and_carries_the_payload() {
        let peer = PEER.parse().unwrap();
        let mut client = TurnClient::new("name", "password");
        let packet = wrap(&mut client, Framing::Indication, peer, &payload(160));
        let message = Message::parse(&packet).unwrap();
        let value = message.get(AttributeType::XOR_PEER_ADDRESS).unwrap();
        assert_eq!(decode::xor_address(value, message.transaction_id()), Some(peer));
        assert_eq!(message.get(AttributeType::DATA).unwrap(), payload(160));
    }
}
