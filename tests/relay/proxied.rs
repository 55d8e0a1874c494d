//! Behind a proxy that says by a PROXY header whose connection it is.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hairpin::Server;
use hairpin_stun::Reader;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::wire::{Client, PATIENCE, Wire, binding, mapped};
use super::{builder, counter, free_ports, loopback, start};

/// A server that believes loopback.
async fn server() -> Server {
    start(builder().set("proxy-protocol-from", "127.0.0.0/8")).await
}

/// A connection whose client is here, as a proxy says.
async fn proxied(server: &Server, client: &str) -> TcpStream {
    let to = server.addresses().turn_tcp[0];
    let mut stream = TcpStream::connect(to).await.expect("the server listens");
    let (ip, port) = client.split_once(' ').expect("an address and a port");
    let header = format!("PROXY TCP4 {ip} 192.0.2.7 {port} 443\r\n");
    stream.write_all(header.as_bytes()).await.expect("the server reads");
    stream
}

fn over(stream: TcpStream) -> Wire {
    Wire::Tcp(stream, Reader::new())
}

async fn is_closed(mut stream: TcpStream) -> bool {
    let read = tokio::time::timeout(PATIENCE, stream.read(&mut [0; 64])).await;
    read.expect("answered or closed").unwrap_or(0) == 0
}

/// The address that the server sees.
async fn seen(wire: &mut Wire) -> SocketAddr {
    wire.send(&binding(1)).await;
    mapped(&wire.receive().await.expect("answered"), 1)
}

#[tokio::test]
async fn behind_a_proxy_the_address_that_counts_is_the_clients() {
    let limited = builder().set("proxy-protocol-from", "127.0.0.0/8");
    let server = start(limited.set("max-connections-per-address", "1")).await;
    let mut ada = over(proxied(&server, "198.51.100.1 4000").await);
    let mut bob = over(proxied(&server, "198.51.100.2 4000").await);
    assert_eq!(seen(&mut ada).await, "198.51.100.1:4000".parse().expect("literal"));
    assert_eq!(seen(&mut bob).await, "198.51.100.2:4000".parse().expect("literal"));
    let mut again = proxied(&server, "198.51.100.1 4001").await;
    again.write_all(&binding(1)).await.expect("sent");
    assert!(is_closed(again).await, "one address may have one");

    // As for nonces, which are good at the address that they were given to.
    let mut client = Client::new(ada);
    let request = client.turn.allocate();
    client.wire.send(&request).await;
    let challenge = client.wire.receive().await.expect("challenged");
    let Some(hairpin_sim::TurnEvent::Transmit(proven)) = client.turn.handle(&challenge) else {
        panic!("a challenge is answered");
    };
    bob.send(&proven).await;
    let refused = bob.receive().await.expect("answered");
    assert_eq!(&refused[..2], [0x01, 0x13], "an Allocate error");
    client.wire.send(&proven).await;
    assert_eq!(&client.wire.receive().await.expect("answered")[..2], [0x01, 0x03]);
    server.shutdown().await;
}

#[tokio::test]
async fn a_proxy_has_to_say_whose_connection_it_is_and_nobody_else_may() {
    let believing = server().await;
    let mut silent = TcpStream::connect(believing.addresses().turn_tcp[0]).await.expect("listens");
    silent.write_all(&binding(1)).await.expect("sent");
    assert!(is_closed(silent).await, "without a header");
    believing.shutdown().await;

    let other = start(builder().set("proxy-protocol-from", "192.0.2.0/24")).await;
    let mut stranger = proxied(&other, "198.51.100.1 4000").await;
    let _ = stranger.write_all(&binding(1)).await;
    assert!(is_closed(stranger).await, "a stranger's header is not believed");
    let mut plain = Wire::tcp(other.addresses().turn_tcp[0]).await;
    assert_eq!(seen(&mut plain).await, plain.local());
    other.shutdown().await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_may_follow_what_a_proxy_says() {
    let authority = crate::tls::Authority::new();
    let believing = builder().set("proxy-protocol-from", "127.0.0.0/8");
    let server = start(authority.certify(believing)).await;
    let stream = proxied(&server, "198.51.100.1 4000").await;
    let stream = authority.connect_over(stream, &["stun.turn"]).await;
    let mut wire = Wire::Tls(Box::new(stream), Reader::new());
    assert_eq!(seen(&mut wire).await, "198.51.100.1:4000".parse().expect("literal"));
    server.shutdown().await;
}

/// haproxy, which ends with its test.
struct Haproxy(Child);

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn haproxy_speaks_for_its_clients_by_both_versions_and_checks_our_health() {
    let server = server().await;
    let ports = free_ports(2);
    let to = server.addresses().turn_tcp[0];
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("haproxy.cfg");
    let mut text =
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
            .to_owned();
    for (port, send) in ports.clone().zip(["send-proxy", "send-proxy-v2"]) {
        text += &format!(
            "listen {send}\n bind 127.0.0.1:{port}\n server hairpin {to} {send} check inter 50ms\n"
        );
    }
    std::fs::write(&config, text).expect("written");
    let child = Command::new("haproxy")
        .args(["-db", "-f"])
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("haproxy is installed: tests/run does so");
    let _haproxy = Haproxy(child);
    for port in ports {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let connected = async {
            loop {
                ticks.tick().await;
                if let Ok(stream) = TcpStream::connect(loopback(port)).await {
                    return stream;
                }
            }
        };
        let stream = tokio::time::timeout(PATIENCE, connected).await.expect("haproxy listens");
        let mut client = Client::new(over(stream));
        // What is mapped is where the client is, not haproxy.
        let relayed = client.allocate().await.expect("there is room");
        assert!(relayed.ip().is_loopback());
        client.release().await;
    }
    assert_eq!(counter(&server, "hairpin_allocations_total").await, 2);
    server.shutdown().await;
}
