//! Many connections that want nothing, or one address that wants all.

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};

use hairpin::Builder;
use hairpin_sim::TurnClient;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::wire::{Client, PATIENCE, Wire, binding, mapped};
use super::{PASSWORD, USER, builder, counter, counter_until, free_ports, granted, start};

/// A running command that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command with a limit on open files, and where its TURN ports are.
fn limited(open_files: usize) -> (Running, SocketAddr, SocketAddr) {
    let mut child = Command::new("sh")
        .args(["-c", &format!("ulimit -n {open_files}; exec \"$0\" \"$@\"")])
        .arg(env!("CARGO_BIN_EXE_hairpin"))
        .args(["--listening-ip=127.0.0.1", "--listening-port=0", "--relay-ip=127.0.0.1"])
        .args(["--http-listen=none", "--admin-listen=none", "--workers=1", "--realm=test"])
        .arg(format!("--user={USER}:{PASSWORD}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command is built");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let running = Running(child);
    let (mut udp, mut tcp) = (None, None);
    for line in stdout.lines().map(|line| line.expect("the summary is text")) {
        let address = |name| line.trim().strip_prefix(name).map(|rest| rest.trim().to_owned());
        if let Some(address) = address("STUN/TURN over UDP") {
            udp = Some(address.parse().expect("an address"));
        }
        if let Some(address) = address("STUN/TURN over TCP") {
            tcp = Some(address.parse().expect("an address"));
        }
        if address("open files").is_some() {
            assert!(line.contains(&open_files.to_string()), "{line}");
            break;
        }
    }
    (running, udp.expect("the summary has it"), tcp.expect("the summary has it"))
}

#[tokio::test]
async fn silent_connections_never_starve_allocations_of_descriptors() {
    let (_running, udp, tcp) = limited(400);
    let mut silent = Vec::new();
    for _ in 0..420 {
        silent.push(TcpStream::connect(tcp).await.expect("the server listens"));
    }
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = Client::udp(udp).await;
        client.allocate().await.expect("descriptors are left for the relay");
        clients.push(client);
    }
    drop(silent);
}

#[tokio::test]
async fn one_address_has_no_more_turn_connections_than_it_may() {
    let server = start(builder().set("max-connections-per-address", "2")).await;
    let tcp = server.addresses().turn_tcp[0];
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut wire = Wire::tcp(tcp).await;
        wire.send(&binding(1)).await;
        assert_eq!(mapped(&wire.receive().await.expect("it is served"), 1), wire.local());
        open.push(wire);
    }
    let mut third = Wire::tcp(tcp).await;
    third.send(&binding(1)).await;
    assert!(third.receive().await.is_none(), "it is closed");
    counter_until(&server, "hairpin_refused_connections_total{limit=\"turn_tcp\"}", |n| n == 1)
        .await;
    drop(open.pop());
    counter_until(&server, "hairpin_tcp_connections", |open| open == 1).await;
    let mut again = Wire::tcp(tcp).await;
    again.send(&binding(1)).await;
    assert!(again.receive().await.is_some(), "there is room again");
    server.shutdown().await;
}

/// A server with 64 relay ports.
fn small() -> Builder {
    let ports = free_ports(64);
    builder().set("min-port", ports.start().to_string()).set("max-port", ports.end().to_string())
}

/// Clients with allocations, as many as the server gives at this address, and what it says to one more.
async fn allocate_all(
    from: IpAddr,
    server: SocketAddr,
    [name, password]: [&str; 2],
) -> (Vec<Client>, u16) {
    let mut held = Vec::new();
    loop {
        let mut client = Client::new(Wire::udp_from(from, server).await);
        client.turn = TurnClient::new(name, password);
        match client.allocate().await {
            Ok(_) => held.push(client),
            Err(code) => return (held, code),
        }
    }
}

const GUEST: [&str; 2] = [USER, PASSWORD];
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

#[tokio::test]
async fn one_address_takes_a_quarter_of_the_relay_ports_and_leaves_the_rest_to_others() {
    let server = start(small()).await;
    let udp = server.addresses().turn_udp[0];
    let (mut hog, code) = allocate_all(HERE, udp, GUEST).await;
    assert_eq!((hog.len(), code), (16, 486));
    let refused = "hairpin_refused_allocations_total{limit=\"address\"}";
    counter_until(&server, refused, |refused| refused == 1).await;
    // A quarter of the 48 that are left free.
    assert_eq!(allocate_all(ELSEWHERE, udp, GUEST).await.0.len(), 12);
    for mut client in hog.drain(..) {
        client.release().await;
    }
    assert_eq!(allocate_all(HERE, udp, GUEST).await.0.len(), 13, "what is given back can be had");
    server.shutdown().await;
}

#[tokio::test]
async fn a_user_quota_bounds_who_has_an_identity_and_the_address_whoever_asked_for_credentials() {
    let server = start(small().set("user-quota", "20").set("ice-host", "localhost")).await;
    let udp = server.addresses().turn_udp[0];
    let (person, code) = allocate_all(HERE, udp, GUEST).await;
    assert_eq!((person.len(), code), (20, 486), "more than a quarter of 64");
    let [name, password] = granted(&server).await;
    let (held, code) = allocate_all(ELSEWHERE, udp, [&name, &password]).await;
    assert_eq!((held.len(), code), (11, 486), "a quarter of the 44 that are left free");
    let refused = async |limit| {
        counter(&server, &format!("hairpin_refused_allocations_total{{limit=\"{limit}\"}}")).await
    };
    assert_eq!((refused("user").await, refused("address").await), (1, 1));
    server.shutdown().await;
}

/// Idle ones would keep health checks out.
#[tokio::test]
async fn idle_admin_connections_make_room_for_a_health_check() {
    let server = start(builder()).await;
    let admin = server.addresses().admin.expect("it is configured");
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(admin).await.expect("it listens"));
    }
    let mut read = Vec::new();
    let oldest = tokio::time::timeout(PATIENCE, idle[0].read_to_end(&mut read)).await;
    drop(oldest.expect("the oldest is closed"));
    assert_eq!(super::wire::http_get(admin, "/healthz").await, "ok\n");
    server.shutdown().await;
}
