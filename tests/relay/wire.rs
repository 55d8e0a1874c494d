//! A TURN client on a real socket, and a peer to talk to.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hairpin_sim::client::Response;
use hairpin_sim::{TurnClient, TurnEvent, build};
use hairpin_stun::{AttributeType, Class, Method, Reader, TransactionId};
use hairpin_turn::Transport;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::client::TlsStream;

/// How long anything may take before a test fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// How a client reaches the server.
pub(super) enum Wire {
    Udp(UdpSocket),
    Tcp(TcpStream, Reader),
    Tls(Box<TlsStream<TcpStream>>, Reader),
}

impl Wire {
    pub(super) async fn udp(server: SocketAddr) -> Self {
        Self::udp_from(server.ip(), server).await
    }

    /// From this address, at any port.
    pub(super) async fn udp_from(client: IpAddr, server: SocketAddr) -> Self {
        let any = SocketAddr::new(client, 0);
        let socket = UdpSocket::bind(any).await.expect("loopback has free ports");
        socket.connect(server).await.expect("loopback is reachable");
        Self::Udp(socket)
    }

    pub(super) async fn tcp(server: SocketAddr) -> Self {
        Self::Tcp(TcpStream::connect(server).await.expect("the server listens"), Reader::new())
    }

    pub(super) fn local(&self) -> SocketAddr {
        match self {
            Self::Udp(socket) => socket.local_addr(),
            Self::Tcp(stream, _) => stream.local_addr(),
            Self::Tls(stream, _) => stream.get_ref().0.local_addr(),
        }
        .expect("the socket is bound")
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) {
        match self {
            Self::Udp(socket) => drop(socket.send(bytes).await.expect("loopback takes it")),
            Self::Tcp(stream, _) => stream.write_all(bytes).await.expect("the server reads"),
            Self::Tls(stream, _) => {
                stream.write_all(bytes).await.expect("the server reads");
                stream.flush().await.expect("the server reads");
            }
        }
    }

    /// One message or ChannelData; `None` when the server has closed the connection.
    pub(super) async fn receive(&mut self) -> Option<Vec<u8>> {
        let received = tokio::time::timeout(PATIENCE, self.receive_patiently()).await;
        received.expect("the server did not answer in time")
    }

    async fn receive_patiently(&mut self) -> Option<Vec<u8>> {
        match self {
            Self::Udp(socket) => {
                let mut buffer = vec![0; 65_536];
                let length = socket.recv(&mut buffer).await.expect("nothing refuses on loopback");
                buffer.truncate(length);
                Some(buffer)
            }
            Self::Tcp(stream, reader) => next_frame(stream, reader).await,
            Self::Tls(stream, reader) => next_frame(stream, reader).await,
        }
    }

    fn transport(&self) -> Transport {
        match self {
            Self::Udp(_) => Transport::Udp,
            Self::Tcp(..) => Transport::Tcp,
            Self::Tls(..) => Transport::Tls,
        }
    }
}

/// The next frame of a stream, unless it ends.
async fn next_frame(stream: &mut (impl AsyncRead + Unpin), reader: &mut Reader) -> Option<Vec<u8>> {
    loop {
        if let Some(frame) = reader.next_frame().expect("the server keeps the framing") {
            return Some(frame.payload().to_vec());
        }
        // A reset is a way to close, too.
        match stream.read(reader.spare()).await.unwrap_or(0) {
            0 => return None,
            length => reader.filled(length),
        }
    }
}

/// What a peer's socket gets next.
pub(super) async fn receive_from(socket: &UdpSocket, buffer: &mut [u8]) -> (usize, SocketAddr) {
    let received = tokio::time::timeout(PATIENCE, socket.recv_from(buffer)).await;
    received.expect("nothing came in time").expect("nothing refuses")
}

/// A client with credentials.
pub(super) struct Client {
    pub(super) wire: Wire,
    pub(super) turn: TurnClient,
}

impl Client {
    pub(super) fn new(wire: Wire) -> Self {
        let turn = TurnClient::new(super::USER, super::PASSWORD).over(wire.transport());
        Self { wire, turn }
    }

    pub(super) async fn udp(server: SocketAddr) -> Self {
        Self::new(Wire::udp(server).await)
    }

    pub(super) async fn tcp(server: SocketAddr) -> Self {
        Self::new(Wire::tcp(server).await)
    }

    /// What the server says next that means something.
    pub(super) async fn event(&mut self) -> TurnEvent {
        loop {
            let packet = self.wire.receive().await.expect("the connection is open");
            match self.turn.handle(&packet) {
                Some(TurnEvent::Transmit(bytes)) => self.wire.send(&bytes).await,
                Some(event) => return event,
                None => {}
            }
        }
    }

    /// The relayed address, or the error code.
    pub(super) async fn allocate(&mut self) -> Result<SocketAddr, u16> {
        let request = self.turn.allocate();
        self.wire.send(&request).await;
        match self.event().await {
            TurnEvent::Allocated { relayed, mapped } => {
                assert_eq!(mapped, self.wire.local());
                Ok(relayed)
            }
            TurnEvent::Refused(code) => Err(code),
            other => panic!("{other:?} in answer to Allocate"),
        }
    }

    pub(super) async fn permit(&mut self, peer: SocketAddr) {
        self.try_permit(peer).await.expect("the peer is allowed");
    }

    /// The error code, if the peer is refused.
    pub(super) async fn try_permit(&mut self, peer: SocketAddr) -> Result<(), u16> {
        let request = self.turn.permit(&[peer]);
        self.wire.send(&request).await;
        match self.event().await {
            TurnEvent::Permitted(peers) => {
                assert_eq!(peers, [peer]);
                Ok(())
            }
            TurnEvent::Refused(code) => Err(code),
            other => panic!("{other:?} in answer to CreatePermission"),
        }
    }

    pub(super) async fn send(&mut self, peer: SocketAddr, payload: &[u8]) {
        let indication = self.turn.send(peer, payload);
        self.wire.send(&indication).await;
    }

    pub(super) async fn data(&mut self) -> (SocketAddr, Vec<u8>) {
        match self.event().await {
            TurnEvent::Data { peer, payload } => (peer, payload),
            other => panic!("{other:?} instead of data"),
        }
    }

    pub(super) async fn release(&mut self) {
        let request = self.turn.release();
        self.wire.send(&request).await;
        assert_eq!(self.event().await, TurnEvent::Released);
    }
}

/// A Binding request.
pub(super) fn binding(id: u8) -> Vec<u8> {
    build(Class::Request, Method::BINDING, TransactionId([id; 12]), |_| {})
}

/// The XOR-MAPPED-ADDRESS of a Binding success with this transaction id.
pub(super) fn mapped(answer: &[u8], id: u8) -> SocketAddr {
    let response = Response(answer.to_vec());
    let message = response.message();
    assert_eq!((message.class(), message.method()), (Class::Success, Method::BINDING));
    assert_eq!(message.transaction_id(), TransactionId([id; 12]));
    response.xor_address(AttributeType::XOR_MAPPED_ADDRESS).expect("it is always there")
}

/// The body of an HTTP answer.
pub(super) async fn http_get(server: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).await.expect("the server listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer))
        .await
        .expect("the server answers in time")
        .expect("the answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    body.to_owned()
}
