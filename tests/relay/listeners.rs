//! Where the server answers, and from where.

use std::net::{Ipv4Addr, SocketAddr};

use hairpin::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::wire::{Client, PATIENCE, Wire, binding, http_get, mapped, receive_from};
use super::{builder, loopback, start};

#[tokio::test]
async fn c017_a_response_leaves_from_the_address_the_request_arrived_at() {
    let server = start(
        Server::builder()
            .set("listening-ip", "0.0.0.0")
            .set("listening-port", "0")
            .set("http-listen", "127.0.0.1:0")
            .set("admin-listen", "none"),
    )
    .await;
    let port = server.addresses().turn_udp[0].port();
    let client = UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    for last in 1..=3 {
        let asked = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
        client.send_to(&binding(last), asked).await.expect("all of 127/8 is this machine");
        let mut answer = [0; 128];
        let received = tokio::time::timeout(PATIENCE, client.recv_from(&mut answer)).await;
        let (length, from) = received.expect("answered in time").expect("nothing refuses");
        assert_eq!(from, asked);
        assert_eq!(mapped(&answer[..length], last), client.local_addr().expect("bound"));
    }
    server.shutdown().await;
}

#[tokio::test]
async fn c059_stun_is_served_over_udp_and_every_tcp_port_and_http_too() {
    let server = start(builder()).await;
    let addresses = server.addresses().clone();
    let mut wires = vec![Wire::udp(addresses.turn_udp[0]).await];
    for tcp in [addresses.turn_tcp[0], addresses.http[0]] {
        wires.push(Wire::tcp(tcp).await);
        let ice = http_get(tcp, "/v1/ice").await;
        assert!(ice.contains("iceServers"), "{ice}");
    }
    for (id, wire) in (0..).zip(&mut wires) {
        wire.send(&binding(id)).await;
        let answer = wire.receive().await.expect("the connection stays open");
        assert_eq!(mapped(&answer, id), wire.local());
    }
    server.shutdown().await;
}

#[tokio::test]
async fn c059_both_families_are_served() {
    let server = start(builder().set("listening-ip", "::1").set("relay-ip", "::1")).await;
    let addresses = server.addresses().clone();
    assert_eq!(addresses.turn_udp.len(), 2, "127.0.0.1 and ::1");
    for address in addresses.turn_udp {
        let mut wire = Wire::udp(address).await;
        wire.send(&binding(7)).await;
        let answer = wire.receive().await.expect("UDP does not close");
        assert_eq!(mapped(&answer, 7), wire.local());
        // No family asked: IPv4, even from IPv6 (c078).
        let relayed = Client::udp(address).await.allocate().await.expect("there is room");
        assert!(relayed.is_ipv4());
    }
    server.shutdown().await;
}

#[tokio::test]
async fn c060_udp_and_tcp_and_each_port_are_five_tuples_of_their_own() {
    let server = start(builder()).await;
    let addresses = server.addresses().clone();
    let (mut udp, tcp) = three_sockets_on_one_port(addresses.turn_udp[0]).await;
    let mut relayed = vec![udp.allocate().await.expect("there is room")];
    let mut streams = Vec::new();
    for (socket, server) in tcp.into_iter().zip([addresses.turn_tcp[0], addresses.http[0]]) {
        let stream = socket.connect(server).await.expect("the server listens");
        let mut client = Client::new(Wire::Tcp(stream, Default::default()));
        relayed.push(client.allocate().await.expect("there is room"));
        streams.push(client);
    }
    relayed.sort_unstable();
    relayed.dedup();
    assert_eq!(relayed.len(), 3);
    server.shutdown().await;
}

/// A UDP client and two TCP sockets with one address and port. Another program may hold the UDP socket's number
/// in TCP; then another number is tried.
async fn three_sockets_on_one_port(server: SocketAddr) -> (Client, [TcpSocket; 2]) {
    let bind = |local| -> std::io::Result<TcpSocket> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        socket.bind(local)?;
        Ok(socket)
    };
    for _ in 0..100 {
        let udp = Client::udp(server).await;
        let local = udp.wire.local();
        if let (Ok(one), Ok(other)) = (bind(local), bind(local)) {
            return (udp, [one, other]);
        }
    }
    panic!("no number is free in both UDP and TCP");
}

#[tokio::test]
async fn c094_relay_ports_lie_in_the_range_and_in_no_order() {
    let server = start(builder().set("min-port", "40000").set("max-port", "49999")).await;
    let mut clients = Vec::new();
    let mut ports = Vec::new();
    for _ in 0..40 {
        let mut client = Client::udp(server.addresses().turn_udp[0]).await;
        ports.push(client.allocate().await.expect("there is room").port());
        clients.push(client);
    }
    assert!(ports.iter().all(|port| (40_000..50_000).contains(port)), "{ports:?}");
    let neighbours = ports.windows(2).filter(|pair| pair[0].abs_diff(pair[1]) <= 16).count();
    // Two of 10,000 random ports are that near with a probability of 0.3 %.
    assert!(neighbours <= 4, "{ports:?}");
    server.shutdown().await;
}

#[tokio::test]
async fn c127_peers_see_the_relayed_address_and_c131_the_largest_datagram_is_handled_or_counted() {
    let server = start(builder()).await;
    let addresses = server.addresses().clone();
    let peer = UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    let peer_address = peer.local_addr().expect("bound");
    let mut buffer = vec![0; 65_536];

    let mut tcp = Client::tcp(addresses.turn_tcp[0]).await;
    let relayed = tcp.allocate().await.expect("there is room");
    tcp.permit(peer_address).await;
    tcp.send(peer_address, b"to the peer").await;
    let (length, from) = receive_from(&peer, &mut buffer).await;
    assert_eq!((&buffer[..length], from), (&b"to the peer"[..], relayed));

    // Over TCP even the largest has room for its header.
    let largest = vec![0xA5; 65_507];
    peer.send_to(&largest, relayed).await.expect("loopback takes it");
    assert_eq!(tcp.data().await, (peer_address, largest.clone()));

    // Over UDP it has not: it is counted, and what comes after it arrives.
    let mut udp = Client::udp(addresses.turn_udp[0]).await;
    let relayed = udp.allocate().await.expect("there is room");
    udp.permit(peer_address).await;
    peer.send_to(&largest, relayed).await.expect("loopback takes it");
    peer.send_to(b"after", relayed).await.expect("loopback takes it");
    assert_eq!(udp.data().await, (peer_address, b"after".to_vec()));
    let too_long = "hairpin_dropped_packets_total{reason=\"too_long\"}";
    super::counter_until(&server, too_long, |dropped| dropped == 1).await;
    server.shutdown().await;
}

#[tokio::test]
async fn turn_ports_may_leave_http_to_a_listener_behind_a_proxy() {
    let server = start(builder().set("no-http-on-turn", "true")).await;
    let addresses = server.addresses();
    assert_eq!(request(addresses.turn_tcp[0]).await, "");
    assert!(request(addresses.http[0]).await.starts_with("HTTP/1.1 4"), "no upgrade was asked for");
    let mut wire = Wire::tcp(addresses.turn_tcp[0]).await;
    wire.send(&binding(1)).await;
    assert_eq!(mapped(&wire.receive().await.expect("STUN is on"), 1), wire.local());
    server.shutdown().await;
}

/// What is answered to a request for `/ws` that upgrades nothing.
async fn request(to: SocketAddr) -> String {
    let mut http = TcpStream::connect(to).await.expect("it listens");
    let request = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    http.write_all(request).await.expect("sent");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, http.read_to_end(&mut answer)).await;
    let _ = read.expect("it is closed");
    String::from_utf8(answer).expect("HTTP is text")
}

#[tokio::test]
async fn without_http_the_tcp_ports_speak_stun_alone_and_the_summary_says_so() {
    let server = start(
        Server::builder()
            .set("listening-ip", "127.0.0.1")
            .set("listening-port", "0")
            .set("relay-ip", "127.0.0.1")
            .set("http-listen", "none")
            .set("admin-listen", "none"),
    )
    .await;
    let tcp = server.addresses().turn_tcp[0];
    assert_eq!(request(tcp).await, "", "HTTP is off");
    let mut wire = Wire::tcp(tcp).await;
    wire.send(&binding(1)).await;
    assert_eq!(mapped(&wire.receive().await.expect("STUN is on"), 1), wire.local());
    let summary = server.summary();
    assert!(summary.contains("HTTP and WebSocket    off"), "{summary}");
    assert!(!summary.contains("http://"), "{summary}");
    server.shutdown().await;
}
