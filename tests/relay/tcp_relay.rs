//! TCP allocations (RFC 6062) over real sockets, with several workers: a stream reaches any of them.

use std::net::SocketAddr;
use std::time::Duration;

use hairpin::Server;
use hairpin_sim::TurnEvent;
use hairpin_sim::client::build;
use hairpin_turn::{ConnectionId, RelayTransport};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use hairpin_sim::{Allocate, Request};

use super::wire::{Client, PATIENCE, Wire};
use super::{builder, counter_until, loopback, start};

/// Enough that a second stream hardly ever reaches the worker of the first.
const WORKERS: usize = 4;

async fn server() -> Server {
    start(builder().set("workers", WORKERS.to_string())).await
}

async fn ask(client: &mut Client, request: Request) -> TurnEvent {
    let bytes = client.turn.request(request);
    client.wire.send(&bytes).await;
    client.event().await
}

/// A control connection with a relayed address.
async fn allocated(server: &Server) -> (Client, SocketAddr) {
    let mut control = Client::tcp(server.addresses().turn_tcp[0]).await;
    let transport = Some(RelayTransport::Tcp);
    let allocate = Request::Allocate(Allocate { transport, ..Allocate::default() });
    match ask(&mut control, allocate).await {
        TurnEvent::Allocated { relayed, .. } => (control, relayed),
        other => panic!("{other:?} in answer to Allocate"),
    }
}

/// A data connection of whoever asks, and what has come by it already.
async fn bound_early(server: &Server, id: ConnectionId) -> (TcpStream, Vec<u8>) {
    let mut client = Client::tcp(server.addresses().turn_tcp[0]).await;
    assert_eq!(ask(&mut client, Request::BindConnection(id)).await, TurnEvent::ConnectionBound);
    let Wire::Tcp(stream, reader) = client.wire else { unreachable!("it is TCP") };
    (stream, reader.received().to_vec())
}

/// A data connection by which nothing has come yet.
async fn bound(server: &Server, id: ConnectionId) -> TcpStream {
    let (stream, early) = bound_early(server, id).await;
    assert_eq!(early, b"");
    stream
}

async fn connect(control: &mut Client, peer: SocketAddr) -> ConnectionId {
    match ask(control, Request::Connect(peer)).await {
        TurnEvent::Connected(id) => id,
        other => panic!("{other:?} in answer to Connect"),
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(loopback(0)).await.expect("loopback has free ports");
    let address = listener.local_addr().expect("bound");
    (listener, address)
}

async fn read(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    let all = timeout(PATIENCE, stream.read_exact(&mut read)).await;
    all.expect("it comes in time").expect("it all comes");
    read
}

/// Everything until the other end says that there is no more, or breaks.
async fn read_to_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let all = timeout(PATIENCE, stream.read_to_end(&mut read)).await;
    let _ = all.expect("it ends in time");
    read
}

#[tokio::test]
async fn c169_a_client_connects_to_a_peer_whichever_worker_its_stream_reaches() {
    let server = server().await;
    let (mut control, relayed) = allocated(&server).await;
    for round in 0..2 * WORKERS {
        let (listener, address) = listener().await;
        let id = connect(&mut control, address).await;
        let (mut peer, from) = listener.accept().await.expect("it connects");
        assert_eq!(from, relayed, "from the relayed address");
        peer.write_all(b"early").await.expect("the kernel takes it");
        let (mut stream, mut early) = bound_early(&server, id).await;
        let rest = b"early".len() - early.len();
        early.extend(read(&mut stream, rest).await);
        assert_eq!(early, b"early", "{round}");
        stream.write_all(b"\x00\x01\x00\x00 no frame").await.expect("it is open");
        assert_eq!(read(&mut peer, 13).await, b"\x00\x01\x00\x00 no frame");
        // An end is passed on, and the other way stays open.
        stream.shutdown().await.expect("it is open");
        assert_eq!(read_to_end(&mut peer).await, b"");
        peer.write_all(b"last words").await.expect("it is open");
        drop(peer);
        assert_eq!(read_to_end(&mut stream).await, b"last words");
    }
    server.shutdown().await;
}

#[tokio::test]
async fn c170_a_permitted_peer_connects_and_another_is_closed() {
    let server = server().await;
    let (mut control, relayed) = allocated(&server).await;
    let mut early = TcpStream::connect(relayed).await.expect("it listens");
    assert_eq!(read_to_end(&mut early).await, b"", "nobody has let it in");
    control.permit(loopback(0)).await;
    let mut peer = TcpStream::connect(relayed).await.expect("it listens");
    peer.write_all(b"hello").await.expect("the kernel takes it");
    let TurnEvent::ConnectionAttempt { id, peer: from } = control.event().await else {
        panic!("the client is told");
    };
    assert_eq!(from, peer.local_addr().expect("connected"));
    let (mut stream, mut early) = bound_early(&server, id).await;
    let rest = b"hello".len() - early.len();
    early.extend(read(&mut stream, rest).await);
    assert_eq!(early, b"hello");
    stream.write_all(b"and back").await.expect("it is open");
    assert_eq!(read(&mut peer, 8).await, b"and back");
    server.shutdown().await;
}

#[tokio::test]
async fn c168_a_peer_that_is_not_there_is_447() {
    let server = server().await;
    let (mut control, _) = allocated(&server).await;
    let (listener, address) = listener().await;
    drop(listener);
    assert_eq!(ask(&mut control, Request::Connect(address)).await, TurnEvent::Refused(447));
    server.shutdown().await;
}

#[tokio::test]
async fn c172_another_user_is_refused_on_any_worker_and_the_connection_stays() {
    let server = start(builder().set("workers", "4").set("user", "other:password")).await;
    let (mut control, _) = allocated(&server).await;
    let (listener, address) = listener().await;
    let id = connect(&mut control, address).await;
    let (_peer, _) = listener.accept().await.expect("it connects");
    for _ in 0..WORKERS {
        let mut other = Client::tcp(server.addresses().turn_tcp[0]).await;
        other.turn = hairpin_sim::TurnClient::new("other", "password");
        let refused = ask(&mut other, Request::BindConnection(id)).await;
        assert_eq!(refused, TurnEvent::Refused(441));
    }
    drop(bound(&server, id).await);
    server.shutdown().await;
}

/// More than all buffers on the way hold, to a side that reads only once nothing moves any more.
#[tokio::test]
async fn c173_who_does_not_read_is_not_written_to_and_nothing_is_lost() {
    const BYTES: usize = 24 << 20;
    let server = server().await;
    let (mut control, _) = allocated(&server).await;
    let (listener, address) = listener().await;
    let id = connect(&mut control, address).await;
    let (peer, _) = listener.accept().await.expect("it connects");
    let stream = bound(&server, id).await;
    let (mut from, mut to) = (stream, peer);
    for _ in 0..2 {
        let sent: Vec<u8> = (0..BYTES).map(|i| (i * 7 + i / 251) as u8).collect();
        let mut done = 0;
        // Until nothing is taken for a while: the way is full.
        while let Ok(written) = timeout(Duration::from_millis(100), from.write(&sent[done..])).await
        {
            done += written.expect("it is open");
            assert!(done < BYTES, "somebody holds all of it");
        }
        let write = async {
            from.write_all(&sent[done..]).await.expect("it is open");
        };
        let ((), received) = tokio::join!(write, read(&mut to, BYTES));
        assert!(received == sent, "in order and whole");
        std::mem::swap(&mut from, &mut to);
    }
    server.shutdown().await;
}

#[tokio::test]
async fn c174_connections_end_with_the_control_connection() {
    let server = server().await;
    let (mut control, relayed) = allocated(&server).await;
    let (listener, address) = listener().await;
    let id = connect(&mut control, address).await;
    let (mut used, _) = listener.accept().await.expect("it connects");
    let mut stream = bound(&server, id).await;
    control.permit(loopback(0)).await;
    let mut unbound = TcpStream::connect(relayed).await.expect("it listens");
    assert!(matches!(control.event().await, TurnEvent::ConnectionAttempt { .. }));
    drop(control);
    for stream in [&mut used, &mut stream, &mut unbound] {
        assert_eq!(read_to_end(stream).await, b"");
    }
    counter_until(&server, "hairpin_allocations", |allocations| allocations == 0).await;
    // The port is free again, whatever lingers of its connections.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a plain option");
    socket.bind(relayed).expect("nobody listens there any more");
    server.shutdown().await;
}

#[tokio::test]
async fn two_clients_connect_through_their_relayed_addresses() {
    let server = server().await;
    let (mut ann, anns) = allocated(&server).await;
    let (mut bob, bobs) = allocated(&server).await;
    let nobody = ask(&mut ann, Request::Connect(bobs));
    // Bob has let nobody in: it is there for a moment, and then not.
    let id = match nobody.await {
        TurnEvent::Connected(id) => Some(id),
        TurnEvent::Refused(447) => None,
        other => panic!("{other:?} in answer to Connect"),
    };
    if let Some(id) = id {
        let mut closed = Client::tcp(server.addresses().turn_tcp[0]).await;
        match ask(&mut closed, Request::BindConnection(id)).await {
            TurnEvent::ConnectionBound => {
                let Wire::Tcp(mut stream, _) = closed.wire else { unreachable!("it is TCP") };
                assert_eq!(read_to_end(&mut stream).await, b"");
            }
            refused => assert_eq!(refused, TurnEvent::Refused(400)),
        }
    }
    bob.permit(anns).await;
    let id = connect(&mut ann, bobs).await;
    let mut from_ann = bound(&server, id).await;
    let TurnEvent::ConnectionAttempt { id, peer } = bob.event().await else {
        panic!("Bob is told");
    };
    assert_eq!(peer, anns);
    let mut to_bob = bound(&server, id).await;
    from_ann.write_all(b"through two relays").await.expect("it is open");
    assert_eq!(read(&mut to_bob, 18).await, b"through two relays");
    to_bob.write_all(b"and back").await.expect("it is open");
    assert_eq!(read(&mut from_ann, 8).await, b"and back");
    server.shutdown().await;
}

/// Allocations that come and go by the same ports, where connections of theirs linger.
#[tokio::test]
async fn a_port_can_be_had_again_at_once() {
    let ports = super::free_ports(1);
    let port = *ports.start();
    let range = builder().set("min-port", port.to_string()).set("max-port", port.to_string());
    let server = start(range).await;
    for _ in 0..3 {
        let (mut control, relayed) = allocated(&server).await;
        assert_eq!(relayed.port(), port);
        let (listener, address) = listener().await;
        let id = connect(&mut control, address).await;
        let (peer, _) = listener.accept().await.expect("it connects");
        let stream = bound(&server, id).await;
        control.release().await;
        drop((peer, stream));
    }
    server.shutdown().await;
}

/// A client has nothing more to do with a stream that became no connection, and may wait for its end.
#[tokio::test]
async fn a_stream_that_became_no_connection_is_closed_and_a_control_connection_stays() {
    let server = server().await;
    let (mut control, _) = allocated(&server).await;
    let (_listener, address) = listener().await;
    let id = connect(&mut control, address).await;
    let unknown = ConnectionId(id.0 ^ 0x4000_0000);
    for _ in 0..WORKERS {
        let mut client = Client::tcp(server.addresses().turn_tcp[0]).await;
        let refused = ask(&mut client, Request::BindConnection(unknown)).await;
        assert_eq!(refused, TurnEvent::Refused(400));
        let Wire::Tcp(mut stream, _) = client.wire else { unreachable!("it is TCP") };
        assert_eq!(read_to_end(&mut stream).await, b"");
    }
    let refused = ask(&mut control, Request::BindConnection(id)).await;
    assert_eq!(refused, TurnEvent::Refused(400));
    let refused = ask(&mut control, Request::Connect(address)).await;
    assert_eq!(refused, TurnEvent::Refused(446));
    server.shutdown().await;
}

#[tokio::test]
async fn an_unsigned_connection_bind_is_challenged_where_it_arrives() {
    use hairpin_stun::{AttributeType, Class, Method, TransactionId};
    let server = server().await;
    for worker in 0..WORKERS {
        let mut wire = Wire::tcp(server.addresses().turn_tcp[0]).await;
        let id = TransactionId([worker as u8; 12]);
        let request = build(Class::Request, Method::CONNECTION_BIND, id, |w| {
            _ = w.u32(AttributeType::CONNECTION_ID, 1);
        });
        wire.send(&request).await;
        let answer = hairpin_sim::client::Response(wire.receive().await.expect("an answer"));
        assert_eq!(answer.error(), Some(401));
    }
    server.shutdown().await;
}
