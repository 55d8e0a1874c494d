//! What a client asked for is done before what its peer sent after that is looked at.

use super::*;

const CHANNEL: u16 = 0x4000;

/// A client with an allocation, on a socket of its own.
struct Caller {
    socket: UdpSocket,
    client: TurnClient,
    relayed: SocketAddr,
}

impl Bench {
    /// The next step does not wait.
    fn give_something_else_to_do(&self) {
        self.postbox.send_parcel(Parcel::default()).expect("there is room");
    }
}

impl Caller {
    fn new(bench: &mut Bench) -> Self {
        let socket = UdpSocket::bind((LOOPBACK, 0)).expect("loopback has free ports");
        socket.connect(bench.address).expect("a plain option");
        socket.set_nonblocking(true).expect("a plain option");
        let relayed = bench.address;
        let mut caller = Self { socket, client: TurnClient::new(USER, PASSWORD), relayed };
        let mut request = caller.client.allocate();
        loop {
            caller.send(&request);
            bench.step();
            match caller.events().remove(0) {
                TurnEvent::Transmit(signed) => request = signed,
                TurnEvent::Allocated { relayed, .. } => return Self { relayed, ..caller },
                other => panic!("{other:?} in answer to Allocate"),
            }
        }
    }

    fn send(&self, bytes: &[u8]) {
        self.socket.send(bytes).expect("the socket takes it");
    }

    /// A relayed address that is not its own.
    fn partner(&self) -> SocketAddr {
        SocketAddr::new(LOOPBACK, self.relayed.port() ^ 1)
    }

    fn bind_channel(&mut self) {
        let request = self.client.bind_channel(CHANNEL, self.partner());
        self.send(&request);
    }

    /// A packet from the partner's worker.
    fn parcel(&self) -> Parcel {
        let mut parcel = Parcel::default();
        let (to, from) = (RelayedAddr(self.relayed), RelayedAddr(self.partner()));
        parcel.push(Way::Hairpin { to, from }, 0, b"hello");
        parcel
    }

    /// What has come. A packet on a channel that is not known to be bound yet means nothing.
    fn events(&mut self) -> Vec<TurnEvent> {
        let mut buffer = [0; 1500];
        let mut events = Vec::new();
        while let Ok(length) = self.socket.recv(&mut buffer) {
            events.extend(self.client.handle(&buffer[..length]));
        }
        events
    }

    fn bound_and_greeted(&self) -> [TurnEvent; 2] {
        let peer = self.partner();
        let data = TurnEvent::Data { peer, payload: b"hello".into() };
        [TurnEvent::ChannelBound(CHANNEL, peer), data]
    }
}

#[test]
fn a_channel_is_bound_before_a_parcel_of_the_same_turn_is_opened() {
    let mut bench = Bench::new();
    let mut caller = Caller::new(&mut bench);
    bench.postbox.send_parcel(caller.parcel()).expect("there is room");
    caller.bind_channel();
    bench.step();
    assert_eq!(caller.events(), caller.bound_and_greeted());
}

#[test]
fn a_parcel_that_comes_during_a_turn_is_not_opened_before_the_sockets_are_read_again() {
    let mut bench = Bench::new();
    let mut caller = Caller::new(&mut bench);
    bench.give_something_else_to_do();
    bench.worker.wait(&mut bench.events).expect("the epoll set is there");
    caller.bind_channel();
    bench.postbox.send_parcel(caller.parcel()).expect("there is room");
    bench.worker.turn(&bench.events);
    assert_eq!(caller.events(), []);
    bench.step();
    assert_eq!(caller.events(), caller.bound_and_greeted());
}

#[test]
fn a_client_that_permits_a_peer_is_heard_before_the_peers_packet_of_the_same_turn() {
    let mut bench = Bench::new();
    let mut caller = Caller::new(&mut bench);
    let peer = UdpSocket::bind((LOOPBACK, 0)).expect("loopback has free ports");
    // Epoll tells first of what has had nothing for longest, and then got something first.
    bench.give_something_else_to_do();
    bench.step();
    peer.send_to(b"hello", caller.relayed).expect("the socket takes it");
    let partner = caller.partner();
    let request = caller.client.permit(&[partner]);
    caller.send(&request);
    bench.step();
    let peer = peer.local_addr().expect("bound");
    let data = TurnEvent::Data { peer, payload: b"hello".into() };
    assert_eq!(caller.events(), [TurnEvent::Permitted(vec![partner]), data]);
}
