//! Several workers: clients spread over them, packets cross between them, quotas and ports span them.

use super::wire::{Client, receive_from};
use super::{builder, closed, counter, counter_until, free_ports, start};

#[tokio::test]
async fn hairpins_reach_every_worker_and_no_socket() {
    let server = start(builder().set("workers", "4")).await;
    let addresses = server.addresses().clone();
    let mut clients = Vec::new();
    for i in 0..16 {
        let mut client = match i % 4 {
            0 => Client::tcp(addresses.turn_tcp[0]).await,
            _ => Client::udp(addresses.turn_udp[0]).await,
        };
        let relayed = client.allocate().await.expect("there is room");
        clients.push((client, relayed));
    }
    let all: Vec<_> = clients.iter().map(|(_, relayed)| *relayed).collect();
    for (client, _) in &mut clients {
        client.permit(all[0]).await;
    }
    // Everybody to everybody, themselves too. That all 16 are on one of the 4 workers has a probability of one in a
    // billion.
    let mut sent = 0;
    for (from, relayed) in all.iter().enumerate() {
        for (to, target) in all.iter().enumerate() {
            let payload = format!("{from} to {to}");
            clients[from].0.send(*target, payload.as_bytes()).await;
            let (peer, received) = clients[to].0.data().await;
            assert_eq!((peer, received), (*relayed, payload.into_bytes()));
            sent += 1;
        }
    }
    let relayed = |direction| format!("hairpin_relayed_packets_total{{direction=\"{direction}\"}}");
    assert_eq!(counter(&server, &relayed("hairpin")).await, sent);
    assert_eq!(counter(&server, &relayed("to_peer")).await, 0);
    assert_eq!(counter(&server, &relayed("to_client")).await, 0);
    server.shutdown().await;
}

#[tokio::test]
async fn a_relayed_address_of_ours_without_an_allocation_is_a_peer_only_if_allowed() {
    // Not allowed: dropped, and counted, though the permission for our own address is given.
    let server = start(closed()).await;
    let mut client = Client::udp(server.addresses().turn_udp[0]).await;
    let relayed = client.allocate().await.expect("there is room");
    client.permit(relayed).await;
    for (port, reason) in [(relayed.port() ^ 1, "nobody_there"), (1023, "peer_denied")] {
        client.send(super::loopback(port), b"to nobody").await;
        let reason = format!("hairpin_dropped_packets_total{{reason=\"{reason}\"}}");
        counter_until(&server, &reason, |dropped| dropped == 1).await;
    }
    assert_eq!(counter(&server, "hairpin_relayed_packets_total{direction=\"to_peer\"}").await, 0);
    server.shutdown().await;

    // Allowed: reached through the socket.
    let server = start(builder()).await;
    let mut client = Client::udp(server.addresses().turn_udp[0]).await;
    let relayed = client.allocate().await.expect("there is room");
    // 127.0.0.1 is both our relay address and an allowed peer: a program on a port of the relay range.
    let peer = tokio::net::UdpSocket::bind(super::loopback(0)).await.expect("a free port");
    let peer_address = peer.local_addr().expect("bound");
    client.permit(peer_address).await;
    client.send(peer_address, b"to a neighbour").await;
    let mut buffer = [0; 64];
    let (length, from) = receive_from(&peer, &mut buffer).await;
    assert_eq!((&buffer[..length], from), (&b"to a neighbour"[..], relayed));
    server.shutdown().await;
}

#[tokio::test]
async fn c089_c090_quotas_and_ports_span_the_workers_and_come_back() {
    let ports = free_ports(4);
    let server = start(
        builder()
            .set("workers", "4")
            .set("min-port", ports.start().to_string())
            .set("max-port", ports.end().to_string())
            .set("user", "second:somepassword")
            .set("user-quota", "3"),
    )
    .await;
    let udp = server.addresses().turn_udp[0];
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut client = Client::udp(udp).await;
        client.allocate().await.expect("three are allowed");
        held.push(client);
    }
    let mut fourth = Client::udp(udp).await;
    assert_eq!(fourth.allocate().await, Err(486), "the user's quota");

    let mut others = Vec::new();
    for expected in [None, Some(508)] {
        let mut client = Client::udp(udp).await;
        client.turn = hairpin_sim::TurnClient::new("second", "somepassword");
        assert_eq!(client.allocate().await.err(), expected, "the last port, then none");
        others.push(client);
    }
    held[0].release().await;
    counter_until(&server, "hairpin_allocations", |allocations| allocations == 3).await;
    fourth.allocate().await.expect("quota and port have come back");
    server.shutdown().await;
}
