//! The client core `turn-client-proto` 0.7, driven over real sockets: Send and Data indications
//! first, then a channel.

use std::io;
use std::net::SocketAddr;
use std::time::Instant as StdInstant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::{sleep_until, timeout};
use turn_client_proto::api::{Transmit, TurnConfig, TurnEvent, TurnPollRet, TurnRecvRet};
use turn_client_proto::prelude::*;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::{Instant, TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use super::server::Hairpin;
use super::{Account, DEADLINE, EchoPeer, Transport};

/// Allocates; permits an echo peer and exchanges indications with it; binds a channel and exchanges
/// ChannelData; deletes the allocation.
pub(super) async fn relayed_echo(account: &Account) {
    let config = TurnConfig::new(TurnCredentials::new(&account.username, &account.password));
    let socket = Socket::connect(account).await.expect("the server is reachable");
    let (local, server) = (socket.local_addr(), account.server);
    let scenario = async {
        match account.transport {
            Transport::Udp => {
                scenario(Driver::new(TurnClientUdp::allocate(local, server, config), socket)).await
            }
            Transport::Tcp => {
                scenario(Driver::new(TurnClientTcp::allocate(local, server, config), socket)).await
            }
            Transport::Tls | Transport::Dtls => panic!("the client has neither TLS nor DTLS"),
        }
    };
    timeout(DEADLINE, scenario).await.expect("done in time").expect("the socket works");
}

async fn scenario<C: TurnClientApi>(mut driver: Driver<C>) -> io::Result<()> {
    let peer = EchoPeer::start().await;
    let event = driver.event().await?;
    assert!(matches!(event, TurnEvent::AllocationCreated(TransportType::Udp, _)), "{event:?}");

    let now = driver.now();
    driver
        .client
        .create_permission(TransportType::Udp, peer.address.ip(), now)
        .expect("there is none yet");
    let event = driver.event().await?;
    assert!(matches!(event, TurnEvent::PermissionCreated(..)), "{event:?}");
    driver.echo(peer.address, b"in an indication").await?;

    let now = driver.now();
    driver
        .client
        .bind_channel(TransportType::Udp, peer.address, now)
        .expect("there is no channel yet");
    let event = driver.event().await?;
    assert!(matches!(event, TurnEvent::ChannelCreated(..)), "{event:?}");
    driver.echo(peer.address, b"on a channel").await?;

    let now = driver.now();
    driver.client.delete(now).expect("there is an allocation");
    driver.flush().await
}

/// Moves bytes between a client core and its socket.
struct Driver<C> {
    client: C,
    socket: Socket,
    start: StdInstant,
    buffer: Vec<u8>,
}

/// What a step of the driver came to.
enum Step {
    Event(TurnEvent),
    Data { from: SocketAddr, bytes: Vec<u8> },
}

impl<C: TurnClientApi> Driver<C> {
    fn new(client: C, socket: Socket) -> Self {
        Self { client, socket, start: StdInstant::now(), buffer: vec![0; 65_536] }
    }

    fn now(&self) -> Instant {
        Instant::from_std(self.start)
    }

    async fn echo(&mut self, peer: SocketAddr, payload: &[u8]) -> io::Result<()> {
        let now = self.now();
        let sent = self.client.send_to(TransportType::Udp, peer, payload, now);
        if let Some(packet) = sent.expect("the peer is permitted") {
            self.socket.send(&packet.data.build()).await?;
        }
        match self.step().await? {
            Step::Data { from, bytes } => assert_eq!((from, &bytes[..]), (peer, payload)),
            Step::Event(event) => panic!("instead of the echo: {event:?}"),
        }
        Ok(())
    }

    async fn event(&mut self) -> io::Result<TurnEvent> {
        match self.step().await? {
            Step::Event(event) => Ok(event),
            Step::Data { from, .. } => panic!("instead of an event: data from {from}"),
        }
    }

    /// Sends, receives and waits until the client has something to say.
    async fn step(&mut self) -> io::Result<Step> {
        loop {
            let TurnPollRet::WaitUntil(deadline) = self.client.poll(self.now()) else {
                panic!("the client gave up");
            };
            self.flush().await?;
            if let Some(event) = self.client.poll_event() {
                return Ok(Step::Event(event));
            }
            if let Some(data) = self.client.poll_recv(self.now()) {
                return Ok(Step::Data { from: data.peer, bytes: data.data().to_vec() });
            }
            tokio::select! {
                length = self.socket.receive(&mut self.buffer) => {
                    if let Some(data) = self.take(length?) {
                        return Ok(data);
                    }
                }
                () = sleep_until(deadline.to_std(self.start).into()) => {}
            }
        }
    }

    /// Hands the client the first `length` bytes of the buffer.
    fn take(&mut self, length: usize) -> Option<Step> {
        let received = Transmit::new(
            self.buffer[..length].to_vec(),
            self.client.transport(),
            self.client.remote_addr(),
            self.client.local_addr(),
        );
        match self.client.recv(received, self.now()) {
            TurnRecvRet::PeerData(data) => {
                Some(Step::Data { from: data.peer, bytes: data.data().to_vec() })
            }
            TurnRecvRet::Handled => None,
            other => panic!("the client makes nothing of what it got: {other:?}"),
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        while let Some(packet) = self.client.poll_transmit(self.now()) {
            self.socket.send(&packet.data).await?;
        }
        Ok(())
    }
}

/// A connection to the TURN server.
enum Socket {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Socket {
    async fn connect(account: &Account) -> io::Result<Self> {
        match account.transport {
            Transport::Udp => {
                let socket = UdpSocket::bind("127.0.0.1:0").await?;
                socket.connect(account.server).await?;
                Ok(Self::Udp(socket))
            }
            Transport::Tcp => TcpStream::connect(account.server).await.map(Self::Tcp),
            Transport::Tls | Transport::Dtls => panic!("the client has neither TLS nor DTLS"),
        }
    }

    fn local_addr(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(stream) => stream.local_addr(),
        }
        .expect("a connected socket has an address")
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(bytes).await.map(drop),
            Self::Tcp(stream) => stream.write_all(bytes).await,
        }
    }

    async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(buffer).await,
            Self::Tcp(stream) => match stream.read(buffer).await? {
                0 => Err(io::ErrorKind::UnexpectedEof.into()),
                length => Ok(length),
            },
        }
    }
}

#[tokio::test]
async fn completes_a_relayed_echo() {
    let hairpin = Hairpin::start().await;
    for transport in [Transport::Udp, Transport::Tcp] {
        relayed_echo(&hairpin.account(transport)).await;
    }
}
