//! The relay over real sockets: what the state machine alone cannot show.

#[cfg(feature = "tls")]
mod all_at_once;
mod command;
mod crowds;
mod cuts;
mod dont_fragment;
pub(crate) mod embedding;
mod icmp;
mod limits;
mod listeners;
mod mobility;
mod own_addresses;
pub(crate) mod pairs;
mod proxied;
mod shared;
mod streams;
mod tcp_relay;
#[cfg(feature = "tls")]
mod tls;
mod traffic_class;
mod wire;
mod workers;

use std::net::{Ipv4Addr, SocketAddr};

use hairpin::{Builder, Server};

const USER: &str = "guest";
const PASSWORD: &str = "somepassword";

/// A server on loopback that relays to loopback.
fn builder() -> Builder {
    closed().set("allowed-peer-ip", "127.0.0.1")
}

/// A server on loopback to which loopback is no allowed peer, as by default.
fn closed() -> Builder {
    Server::builder()
        .set("shutdown-timeout", "0")
        .set("listening-ip", "127.0.0.1")
        .set("listening-port", "0")
        .set("alt-listening-port", "none")
        .set("relay-ip", "127.0.0.1")
        .set("user", format!("{USER}:{PASSWORD}"))
        .set("realm", "test")
        .set("http-listen", "127.0.0.1:0")
        .set("admin-listen", "127.0.0.1:0")
}

async fn start(builder: Builder) -> Server {
    builder.start().await.expect("loopback has free ports")
}

/// The name and password that whoever asks `/v1/ice` is given.
async fn granted(server: &Server) -> [String; 2] {
    let answer = wire::http_get(server.addresses().http[0], "/v1/ice").await;
    let grant: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
    let ice_server = &grant["iceServers"][1];
    ["username", "credential"].map(|key| ice_server[key].as_str().expect("a string").to_owned())
}

/// A sample of the server's counters, zero where it has none yet.
async fn counter(server: &Server, name: &str) -> u64 {
    let admin = server.addresses().admin.expect("the admin listener is configured");
    let text = wire::http_get(admin, "/metrics").await;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
        .unwrap_or(0)
}

/// Waits until a counter satisfies a condition.
async fn counter_until(server: &Server, name: &str, enough: impl Fn(u64) -> bool) -> u64 {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
    let waited = tokio::time::timeout(wire::PATIENCE, async {
        loop {
            let value = counter(server, name).await;
            if enough(value) {
                return value;
            }
            ticks.tick().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{name} never got there"))
}

/// So many consecutive ports that are free on loopback now, and that the system gives to nobody who does not ask for
/// them by number. They are not held: another program may be as lucky, but hardly within a test.
fn free_ports(count: u16) -> std::ops::RangeInclusive<u16> {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range");
    let range = range.expect("Linux says which ports it chooses from");
    let mut bounds = range.split_whitespace().map(|bound| bound.parse::<u16>().expect("a port"));
    let (first, last) = (bounds.next().expect("the first"), bounds.next().expect("the last"));
    for _ in 0..10_000 {
        let start = rand::random_range(10_000..=u16::MAX - count);
        let ports = start..=start + (count - 1);
        let is_ours = *ports.end() < first || start > last;
        let is_free = |port| std::net::UdpSocket::bind(loopback(port)).is_ok();
        if is_ours && ports.clone().all(is_free) {
            return ports;
        }
    }
    panic!("no {count} ports are free beside those the system chooses from, {first} to {last}");
}

const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}
