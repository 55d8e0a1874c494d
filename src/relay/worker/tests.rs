//! A worker that is stepped by hand, with clients on real sockets.

mod order;

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Instant;

use hairpin_sim::{TurnClient, TurnEvent};
use hairpin_stun::{Class, HEADER_LEN, Key, Method, TransactionId, Writer};
use hairpin_turn::{Credentials, Fragmentation, QuotaLedger, Quotas, RelayedAddr, StreamDeadlines};

use super::super::mailbox::mailbox;
use super::super::options::report_destination;
use super::super::parcel::{Parcel, Way};
use super::super::ports::{PortTable, RelayIp};
use super::super::runs::Packet;
use super::super::sockets::{UdpSockets, bind_listener, per_worker};
use super::super::sys::SLOTS;
use super::*;
use crate::metrics::Metrics;
use crate::net::{Connection, Held, Io};
use crate::supervisor::Supervisor;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const USER: &str = "guest";
const PASSWORD: &str = "somepassword";

/// A worker, and what it counts.
struct Bench {
    worker: Worker,
    events: Vec<Event>,
    address: SocketAddr,
    postbox: Postbox,
    metrics: Metrics,
}

fn setup() -> (WorkerSetup, SocketAddr, Postbox, Metrics) {
    let sockets = bind_listener((LOOPBACK, 0).into(), 1).expect("loopback has free ports");
    let udp = UdpSockets::adopt(sockets).expect("they are bound").remove(0);
    let address = udp.address;
    let ports = 10_000..=31_999;
    let (postbox, mailbox) = mailbox().expect("a descriptor is free");
    let metrics = Metrics::new(1);
    let key = Key::long_term(USER, "test", PASSWORD);
    let secrets = vec![Box::from(&b"secret"[..])];
    let credentials = Credentials { secrets, users: vec![(USER.into(), key)] };
    let addresses = [RelayIp { bind: LOOPBACK, advertised: LOOPBACK }];
    let setup = WorkerSetup {
        index: 0,
        rules: Arc::new(Rules { realm: "test".into(), credentials, ..Rules::default() }),
        own: OwnAddresses::new(vec![address], vec![LOOPBACK], ports.clone()).into(),
        listeners: per_worker(vec![udp], 1).remove(0),
        shared: None,
        mailbox,
        postboxes: vec![postbox.clone()],
        metrics: metrics.relay(0),
        context: Arc::new(RelayContext::new(
            PortTable::new(&addresses, ports),
            QuotaLedger::new(Quotas::default(), 21_000),
            crate::net::Budgets::plenty(),
        )),
        clock: Clock::start(),
    };
    (setup, address, postbox, metrics)
}

impl Bench {
    fn new() -> Self {
        let (setup, address, postbox, metrics) = setup();
        let epoll = setup.epoll().expect("a descriptor is free");
        let worker = Worker::new(setup, epoll);
        Self { worker, events: Vec::with_capacity(EVENTS), address, postbox, metrics }
    }

    fn step(&mut self) {
        self.worker.step(&mut self.events).expect("the epoll set is there");
    }

    fn later(&mut self, by: Duration) {
        self.worker.clock = self.worker.clock.ahead(by);
    }

    fn counter(&self, series: &str) -> u64 {
        let text = self.metrics.text();
        let mut values =
            text.lines().filter_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        values.next().unwrap_or(0)
    }

    /// A client's connection, as the front door hands it over.
    fn connect(&mut self) -> TcpStream {
        let (client, connection) = connection();
        self.postbox.send_stream(connection);
        self.step();
        client
    }
}

/// A client's socket and the server's end of it.
fn connection() -> (TcpStream, Connection) {
    let listener = TcpListener::bind((LOOPBACK, 0)).expect("loopback has free ports");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
    let (served, peer) = listener.accept().expect("somebody connects");
    served.set_nonblocking(true).expect("a plain option");
    client.set_nonblocking(true).expect("a plain option");
    let local = served.local_addr().expect("bound");
    let io = Io::Tcp(served);
    (client, Connection { io, peer, local, already_read: Vec::new(), held: Held::default() })
}

/// Many clients at one socket, each with a loopback address of its own.
struct Crowd {
    socket: UdpSocket,
    slots: Slots,
    sender: Sender,
    server: SocketAddr,
}

impl Crowd {
    fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("there are free ports");
        socket.set_nonblocking(true).expect("a plain option");
        report_destination(socket.as_fd(), false).expect("a plain option");
        // The usual buffer holds fewer answers than a turn may bring, with what the kernel adds to each.
        rustix::net::sockopt::set_socket_recv_buffer_size(&socket, 208 << 10)
            .expect("a plain option");
        Self { socket, slots: Slots::new(), sender: Sender::new(), server }
    }

    fn send(&mut self, client: usize, bytes: &[u8]) {
        let [.., a, b] = (client as u32).to_be_bytes();
        let from = Some(Ipv4Addr::new(127, 1, a, b).into());
        let (fragmentation, traffic_class) = (Fragmentation::Allowed, 0);
        let packet = Packet { from, to: self.server, fragmentation, traffic_class, bytes };
        assert_eq!(self.sender.send(self.socket.as_fd(), &[packet]), 0);
    }

    /// What has come, and for whom.
    fn receive(&mut self) -> Vec<(usize, Vec<u8>)> {
        let mut batch = self.slots.batch();
        let received = batch.receive(self.socket.as_fd(), usize::MAX).expect("nothing refuses");
        let address = |ip| match ip {
            Some(IpAddr::V4(ip)) => (ip.to_bits() & 0xFFFF) as usize,
            other => panic!("{other:?} is no address of ours"),
        };
        received.map(|d| (address(d.arrived.destination), d.packet.payload().to_vec())).collect()
    }
}

fn binding(id: u16) -> Vec<u8> {
    let mut buffer = [0; HEADER_LEN];
    let [a, b] = id.to_be_bytes();
    let id = TransactionId([a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    Writer::new(&mut buffer, Class::Request, Method::BINDING, id).finish().expect("a header fits");
    buffer.to_vec()
}

/// The transaction ids of the Binding answers a client has got, which are 32 bytes long each.
fn answered(client: &mut TcpStream) -> Vec<u16> {
    let mut bytes = vec![0; 1 << 20];
    let length = match client.read(&mut bytes) {
        Ok(length) => length,
        Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
        Err(e) => panic!("{e}"),
    };
    let id = |answer: &[u8]| u16::from_be_bytes([answer[8], answer[9]]);
    bytes[..length].chunks(32).map(id).collect()
}

/// How many of `wanted` descriptors the process may have.
fn descriptors(wanted: u64) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = Rlimit { current: maximum, maximum };
    setrlimit(Resource::Nofile, raised).expect("up to the hard limit everybody may");
    maximum.map_or(wanted, |maximum| maximum.saturating_sub(500).min(wanted)) as usize
}

#[test]
fn ten_thousand_allocations_that_expire_at_once_stop_nobody() {
    const WINDOW: usize = 64;
    let count = descriptors(10_000);
    let mut bench = Bench::new();
    let mut crowd = Crowd::new(bench.address);
    let mut clients: Vec<_> = (0..count).map(|_| TurnClient::new(USER, PASSWORD)).collect();
    for first in (0..count).step_by(WINDOW) {
        let window = first..(first + WINDOW).min(count);
        for client in window.clone() {
            let request = clients[client].allocate();
            crowd.send(client, &request);
        }
        let mut missing = window.len();
        while missing > 0 {
            bench.step();
            for (client, answer) in crowd.receive() {
                match clients[client].handle(&answer) {
                    Some(TurnEvent::Transmit(request)) => crowd.send(client, &request),
                    Some(TurnEvent::Allocated { .. }) => missing -= 1,
                    other => panic!("{other:?} in answer to Allocate"),
                }
            }
        }
    }
    assert_eq!(bench.counter("hairpin_allocations "), count as u64);

    bench.later(Duration::from_secs(601));
    let (mut left, mut turns, mut slowest) = (count as u64, 0, Duration::ZERO);
    while left > 0 {
        // Somebody who has nothing to do with it.
        crowd.send(count, &binding(turns));
        let began = Instant::now();
        bench.step();
        slowest = slowest.max(began.elapsed());
        assert_eq!(crowd.receive().len(), 1, "answered in the turn it came");
        let after = bench.counter("hairpin_allocations ");
        assert!(left - after <= 64, "{} in one turn", left - after);
        (left, turns) = (after, turns + 1);
    }
    println!("{count} allocations expired in {turns} turns; the slowest took {slowest:?}");
}

#[test]
fn neither_a_busy_stream_nor_a_flood_of_datagrams_or_parcels_keeps_others_waiting() {
    let mut bench = Bench::new();
    let mut crowd = Crowd::new(bench.address);
    let (mut busy, mut modest) = (bench.connect(), bench.connect());
    let all: Vec<u16> = (0..1000).collect();
    let requests: Vec<u8> = all.iter().flat_map(|id| binding(*id)).collect();
    busy.write_all(&requests).expect("the socket takes it");
    modest.write_all(&binding(7)).expect("the socket takes it");
    for id in 0..2 * SLOTS as u16 {
        crowd.send(0, &binding(id));
    }
    let nobody = RelayedAddr((LOOPBACK, 31_999).into());
    for _ in 0..8 {
        let mut parcel = Parcel::default();
        for _ in 0..PARCEL_PACKETS / 2 {
            parcel.push(Way::Hairpin { to: nobody, from: nobody }, 0, b"x");
        }
        bench.postbox.send_parcel(parcel).expect("there is room");
    }

    bench.step();
    let mut answers = answered(&mut busy);
    assert!((1..=64).contains(&answers.len()), "{} frames in one turn", answers.len());
    assert_eq!(answered(&mut modest), [7]);
    assert_eq!(crowd.receive().len(), SLOTS);
    let dropped = "hairpin_dropped_packets_total{reason=\"no_allocation\"} ";
    assert_eq!(bench.counter(dropped), PARCEL_PACKETS as u64);

    let mut turns = 1;
    while answers.len() < all.len() {
        bench.step();
        answers.extend(answered(&mut busy));
        turns += 1;
        assert!(turns < 100, "it goes on with {} of {}", answers.len(), all.len());
    }
    assert_eq!(answers, all, "every one, in order");
    assert_eq!(crowd.receive().len(), SLOTS);
    assert_eq!(bench.counter(dropped), 4 * PARCEL_PACKETS as u64);
}

#[test]
fn a_silent_stream_is_closed_when_its_allocation_has_expired() {
    let mut bench = Bench::new();
    let mut stream = bench.connect();
    let mut client = TurnClient::new(USER, PASSWORD);
    let mut request = client.allocate();
    loop {
        stream.write_all(&request).expect("the socket takes it");
        bench.step();
        let mut answer = [0; 1024];
        let length = stream.read(&mut answer).expect("answered in the turn it came");
        match client.handle(&answer[..length]) {
            Some(TurnEvent::Transmit(next)) => request = next,
            Some(TurnEvent::Allocated { .. }) => break,
            other => panic!("{other:?} in answer to Allocate"),
        }
    }
    // Longer than it may be silent without an allocation.
    bench.later(StreamDeadlines::IDLE * 2);
    bench.step();
    assert_eq!(bench.counter("hairpin_tcp_connections "), 1);
    bench.later(Duration::from_secs(600));
    bench.step();
    assert_eq!(bench.counter("hairpin_allocations "), 0);
    assert_eq!(bench.counter("hairpin_tcp_connections "), 0);
    assert_eq!(stream.read(&mut [0; 8]).expect("it was closed in order"), 0);
}

#[test]
fn a_client_that_closes_and_comes_back_in_one_turn_is_served() {
    let mut bench = Bench::new();
    let (old, connection_of_old) = connection();
    let (peer, local) = (connection_of_old.peer, connection_of_old.local);
    bench.postbox.send_stream(connection_of_old);
    bench.step();
    drop(old);
    // From the same port, as a client that binds it may.
    let (mut new, connection_of_new) = connection();
    new.write_all(&binding(3)).expect("the socket takes it");
    bench.postbox.send_stream(Connection { peer, local, ..connection_of_new });
    bench.step();
    assert_eq!(bench.counter("hairpin_tcp_connections "), 1);
    bench.step();
    assert_eq!(answered(&mut new), [3]);
}

#[test]
fn a_client_that_asks_and_never_reads_is_cut_off_and_its_neighbour_is_not() {
    let mut bench = Bench::new();
    let (mut greedy, mut modest) = (bench.connect(), bench.connect());
    let requests: Vec<u8> = (0..200).flat_map(binding).collect();
    let mut turns = 0;
    while bench.counter("hairpin_tcp_connections ") == 2 {
        greedy.write_all(&requests).expect("the server reads what it is sent");
        for _ in 0..4 {
            // With something to do for certain, a step does not wait.
            modest.write_all(&binding(1)).expect("the socket takes it");
            bench.step();
            assert_eq!(answered(&mut modest), [1]);
        }
        turns += 1;
        assert!(turns < 10_000, "what waits for a reader is bounded");
    }
    assert_eq!(bench.counter("hairpin_tcp_connections "), 1);
}

#[tokio::test]
async fn a_worker_ends_when_asked_and_its_panic_is_a_failure_of_the_server() {
    for panics in [false, true] {
        let (setup, _, postbox, _) = setup();
        let epoll = setup.epoll().expect("a descriptor is free");
        let supervisor = Supervisor::default();
        let thread = supervisor
            .thread("relay-0".into(), move || Worker::new(setup, epoll).run())
            .expect("there are threads");
        if panics {
            postbox.send_panic();
            assert_eq!(supervisor.failed().await, "relay-0 panicked: asked for");
        } else {
            supervisor.stop();
            postbox.send_stop();
        }
        thread.join().expect("its panics are caught");
        assert_eq!(supervisor.has_failed(), panics);
    }
}
