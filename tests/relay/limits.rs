//! Garbage by the ten thousand, and a server that is as it was.

use tokio::net::UdpSocket;

use super::wire::{Client, Wire, binding, mapped};
use super::{builder, counter, counter_until, granted, loopback, start};

#[tokio::test]
async fn garbage_datagrams_are_dropped_counted_and_leave_nothing() {
    let server = start(builder()).await;
    let udp = server.addresses().turn_udp[0];
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let socket = UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    let malformed = "hairpin_dropped_packets_total{reason=\"malformed\"}";
    for round in 1..=20_u64 {
        for _ in 0..500 {
            let length = random() as usize % 200;
            // The first byte says neither STUN nor ChannelData, so each is one drop of one kind.
            let packet: Vec<u8> =
                (0..length).map(|i| if i == 0 { 0x80 } else { random() as u8 }).collect();
            socket.send_to(&packet, udp).await.expect("loopback takes it");
        }
        // In step with the server, so that none is lost on the way.
        counter_until(&server, malformed, |dropped| dropped == round * 500).await;
    }
    let mut wire = Wire::udp(udp).await;
    wire.send(&binding(1)).await;
    assert_eq!(mapped(&wire.receive().await.expect("UDP does not close"), 1), wire.local());
    assert_eq!(counter(&server, "hairpin_allocations").await, 0);
    server.shutdown().await;
}

#[tokio::test]
async fn truncated_and_flipped_requests_never_upset_the_server() {
    let server = start(builder()).await;
    let udp = server.addresses().turn_udp[0];
    let mut client = Client::udp(udp).await;
    let request = client.turn.allocate();
    let socket = UdpSocket::bind(loopback(0)).await.expect("loopback has free ports");
    for length in 0..request.len() {
        socket.send_to(&request[..length], udp).await.expect("loopback takes it");
    }
    for at in 0..request.len() * 8 {
        let mut flipped = request.clone();
        flipped[at / 8] ^= 1 << (at % 8);
        socket.send_to(&flipped, udp).await.expect("loopback takes it");
    }
    client.allocate().await.expect("the server is as it was");
    counter_until(&server, "hairpin_allocations", |allocations| allocations == 1).await;
    server.shutdown().await;
}

#[tokio::test]
async fn a_wrong_password_is_401_and_counted() {
    let server = start(builder()).await;
    let mut client = Client::udp(server.addresses().turn_udp[0]).await;
    client.turn = hairpin_sim::TurnClient::new(super::USER, "wrong");
    assert_eq!(client.allocate().await, Err(401));
    let refusals = "hairpin_refusals_total{code=\"401\",method=\"allocate\"}";
    counter_until(&server, refusals, |refused| refused == 1).await;
    // What every client gets to its first request is none.
    let challenges = "hairpin_challenges_total{method=\"allocate\"}";
    assert_eq!(counter(&server, challenges).await, 1);
    server.shutdown().await;
}

#[tokio::test]
async fn a_quota_counts_a_person_and_not_its_credentials() {
    // A static user whose name somebody may choose as user id is another person.
    let server = start(builder().set("user-quota", "1").set("ice-host", "localhost")).await;
    let udp = server.addresses().turn_udp[0];
    let stranger = async || {
        let mut client = Client::udp(udp).await;
        let [name, password] = granted(&server).await;
        client.turn = hairpin_sim::TurnClient::new(&name, &password);
        client
    };
    let (mut first, mut second) = (stranger().await, stranger().await);
    first.allocate().await.expect("within the quota");
    assert_eq!(second.allocate().await, Err(486), "fresh credentials are no new quota");
    Client::udp(udp).await.allocate().await.expect("the static user is somebody else");
    server.shutdown().await;
}
