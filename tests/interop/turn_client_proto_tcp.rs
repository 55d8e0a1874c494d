//! `turn-client-proto` with a TCP allocation (RFC 6062): a peer it connects to.
//!
//! Peers that connect to it, it does not hear of: it takes ConnectionAttempt for a signed request, where RFC 6062 s5.3 has
//! an indication. coturn's client knows that, between two of which `turnutils_uclient -T` goes both ways.

use std::net::SocketAddr;
use std::time::Instant as StdInstant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep_until, timeout};
use turn_client_proto::api::{
    Socket5Tuple, Transmit, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet,
};
use turn_client_proto::prelude::*;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::{Instant, TransportType, TurnCredentials};

use super::server::Hairpin;
use super::{Account, DEADLINE, Transport};

/// The client core with its control connection and one data connection.
struct Driver {
    client: TurnClientTcp,
    start: StdInstant,
    control: TcpStream,
    data: Option<TcpStream>,
}

/// What the client has to say next.
#[derive(Debug)]
enum Step {
    Event(TurnEvent),
    Data { from: SocketAddr, bytes: Vec<u8> },
}

impl Driver {
    /// A client with an allocation, and its relayed address.
    async fn allocated(account: &Account) -> (Self, SocketAddr) {
        let credentials = TurnCredentials::new(&account.username, &account.password);
        let mut config = TurnConfig::new(credentials);
        config.set_allocation_transport(TransportType::Tcp);
        let control = TcpStream::connect(account.server).await.expect("the server listens");
        let local = control.local_addr().expect("connected");
        let client = TurnClientTcp::allocate(local, account.server, config);
        let mut driver = Self { client, start: StdInstant::now(), control, data: None };
        match driver.step().await {
            Step::Event(TurnEvent::AllocationCreated(TransportType::Tcp, relayed)) => {
                (driver, relayed)
            }
            other => panic!("{other:?} instead of an allocation"),
        }
    }

    fn now(&self) -> Instant {
        Instant::from_std(self.start)
    }

    async fn permit(&mut self, peer: SocketAddr) {
        let now = self.now();
        let asked = self.client.create_permission(TransportType::Tcp, peer.ip(), now);
        asked.expect("there is none yet");
        let step = self.step().await;
        assert!(matches!(step, Step::Event(TurnEvent::PermissionCreated(..))), "{step:?}");
    }

    /// Sends to the peer and hears it, by a stream each.
    async fn exchange(&mut self, peer: &mut TcpStream, address: SocketAddr) {
        let now = self.now();
        let sent = self.client.send_to(TransportType::Tcp, address, b"to the peer", now);
        let packet = sent.expect("it is connected").expect("at once");
        self.write(packet.from, &packet.data.build()).await;
        let mut heard = [0; 11];
        peer.read_exact(&mut heard).await.expect("it is open");
        assert_eq!(&heard, b"to the peer");
        peer.write_all(b"and back").await.expect("it is open");
        match self.step().await {
            Step::Data { from, bytes } => {
                assert_eq!((from, &bytes[..]), (address, &b"and back"[..]))
            }
            other => panic!("{other:?} instead of data"),
        }
    }

    async fn connected(&mut self, peer: SocketAddr) {
        match self.step().await {
            Step::Event(TurnEvent::TcpConnected(connected)) => assert_eq!(connected, peer),
            other => panic!("{other:?} instead of a connection"),
        }
    }

    async fn write(&mut self, from: SocketAddr, bytes: &[u8]) {
        let is_control = self.control.local_addr().expect("connected") == from;
        let stream = if is_control { &mut self.control } else { self.data.as_mut().expect("open") };
        stream.write_all(bytes).await.expect("the server reads");
    }

    /// Sends, receives and connects until the client has something to say.
    async fn step(&mut self) -> Step {
        let (mut on_control, mut on_data) = (vec![0; 4096], vec![0; 4096]);
        loop {
            let deadline = match self.client.poll(self.now()) {
                TurnPollRet::WaitUntil(deadline) => deadline,
                TurnPollRet::AllocateTcpSocket { id, socket, peer_addr } => {
                    self.open(id, socket, peer_addr).await;
                    continue;
                }
                other => panic!("the client gave up: {other:?}"),
            };
            while let Some(packet) = self.client.poll_transmit(self.now()) {
                self.write(packet.from, &packet.data).await;
            }
            if let Some(event) = self.client.poll_event() {
                return Step::Event(event);
            }
            if let Some(data) = self.client.poll_recv(self.now()) {
                return Step::Data { from: data.peer, bytes: data.data().to_vec() };
            }
            let data = async {
                match &mut self.data {
                    Some(data) => data.read(&mut on_data).await.map(|n| (false, n)),
                    None => std::future::pending().await,
                }
            };
            let control = async { self.control.read(&mut on_control).await.map(|n| (true, n)) };
            let read = tokio::select! {
                read = control => read,
                read = data => read,
                () = sleep_until(deadline.to_std(self.start).into()) => continue,
            };
            let (is_control, length) = read.expect("the connection is open");
            assert!(length > 0, "the server has closed");
            let (stream, bytes) = match is_control {
                true => (&self.control, &on_control[..length]),
                false => (self.data.as_ref().expect("it was read"), &on_data[..length]),
            };
            let local = stream.local_addr().expect("connected");
            let remote = self.client.remote_addr();
            let received = Transmit::new(bytes.to_vec(), TransportType::Tcp, remote, local);
            match self.client.recv(received, self.now()) {
                TurnRecvRet::PeerData(data) => {
                    return Step::Data { from: data.peer, bytes: data.data().to_vec() };
                }
                TurnRecvRet::Handled => {}
                other => panic!("the client makes nothing of what it got: {other:?}"),
            }
        }
    }

    async fn open(&mut self, id: u32, socket: Socket5Tuple, peer: SocketAddr) {
        let stream = TcpStream::connect(socket.to).await.expect("the server listens");
        let local = stream.local_addr().expect("connected");
        self.data = Some(stream);
        let opened = self.client.allocated_tcp_socket(id, socket, peer, Some(local), self.now());
        opened.expect("it asked for it");
    }
}

#[tokio::test]
async fn connects_to_a_peer() {
    let hairpin = Hairpin::start().await;
    let scenario = async {
        let (mut driver, relayed) = Driver::allocated(&hairpin.account(Transport::Tcp)).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let address = listener.local_addr().expect("bound");
        driver.permit(address).await;
        let now = driver.now();
        driver.client.tcp_connect(address, now).expect("there is an allocation");
        driver.connected(address).await;
        let (mut peer, from) = listener.accept().await.expect("it has connected");
        assert_eq!(from, relayed);
        driver.exchange(&mut peer, address).await;
    };
    timeout(DEADLINE, scenario).await.expect("done in time");
}
