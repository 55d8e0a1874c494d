//! ICMP errors about relayed datagrams (RFC 8656 s11.5), from the kernel and from a router, in network namespaces of the
//! test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use hairpin_sim::{Allocate, Request, TurnEvent};
use hairpin_stun::{AttributeType, Class, Message, Method, decode};
use hairpin_turn::Family;

use super::dont_fragment::send_whole;
use super::own_addresses::{detecting, in_a_namespace, ip};
use super::wire::Client;
use super::{builder, counter, start};

/// What the client is told next of an error: peer, type, code and data.
async fn error(client: &mut Client) -> (SocketAddr, (u8, u16, u32)) {
    let bytes = client.wire.receive().await.expect("datagrams have no end");
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!((message.class(), message.method()), (Class::Indication, Method::DATA));
    assert_eq!(message.get(AttributeType::DATA), None);
    let peer = message.get(AttributeType::XOR_PEER_ADDRESS).expect("a peer");
    let icmp = message.get(AttributeType::ICMP).expect("an error");
    let peer = decode::xor_address(peer, message.transaction_id()).expect("an address");
    (peer, decode::icmp(icmp).expect("it is whole"))
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

#[tokio::test]
async fn c132_a_port_where_nobody_listens_is_told_and_loses_no_packet() {
    const TEST: &str = "relay::icmp::c132_a_port_where_nobody_listens_is_told_and_loses_no_packet";
    if !in_a_namespace(TEST) {
        return;
    }
    let server = start(builder()).await;
    let mut client = Client::udp(server.addresses().turn_udp[0]).await;
    client.allocate().await.expect("there is room");
    let (peer, nobody) = (std::net::UdpSocket::bind("127.0.0.1:0"), addr("127.0.0.1:9"));
    let peer = peer.expect("loopback has free ports");
    peer.set_read_timeout(Some(super::wire::PATIENCE)).expect("a plain option");
    let to = peer.local_addr().expect("bound");
    client.permit(nobody).await;
    let mut buffer = [0; 16];
    for i in 0..50 {
        client.send(nobody, b"anybody there?").await;
        client.send(to, &[i]).await;
        assert_eq!(error(&mut client).await, (nobody, (3, 3, 0)));
        assert_eq!(peer.recv(&mut buffer).map(|_| buffer[0]).ok(), Some(i));
    }
    let lost = counter(&server, "hairpin_dropped_packets_total{reason=\"send_failed\"}").await;
    assert_eq!(lost, 0);
    server.shutdown().await;
}

/// A router beside the test's namespace, which ends with it. Behind it are 12.0.0.0/24 and 2600:12::/64, over a link with an
/// MTU of 1280 bytes.
struct Router(Child);

/// What the router does once it has a link to the test's namespace.
const SETUP: &str = "
    ip link set lo up
    ip link add far0 mtu 1280 type veth peer name far1
    ip address add 11.0.0.254/24 dev near
    ip address add 2600:11::254/64 dev near nodad
    ip address add 12.0.0.254/24 dev far0
    ip address add 2600:12::254/64 dev far0 nodad
    for link in near far0 far1; do ip link set $link up; done
    ip neighbour add 12.0.0.9 lladdr 02:00:00:00:00:09 dev far0
    ip neighbour add 2600:12::9 lladdr 02:00:00:00:00:09 dev far0
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/ipv6/conf/all/forwarding
";

impl Router {
    fn new() -> Self {
        let script = format!("set -e\necho there\nread link\n{SETUP}\necho ready\nexec cat");
        let child = Command::new("unshare")
            .args(["--net", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut router = Self(child.expect("unshare works here"));
        let mut said = BufReader::new(router.0.stdout.take().expect("it is piped")).lines();
        assert_eq!(said.next().expect("it runs").ok().as_deref(), Some("there"));
        let pid = router.0.id();
        ip(&format!("link add near type veth peer name near netns {pid}"));
        ip("address add 11.0.0.1/24 dev near");
        ip("address add 2600:11::1/64 dev near nodad");
        ip("link set near up");
        ip("route add 12.0.0.0/24 via 11.0.0.254");
        let mut go = router.0.stdin.as_ref().expect("it is piped");
        go.write_all(b"link\n").expect("it reads");
        assert_eq!(said.next().expect("it is set up").ok().as_deref(), Some("ready"));
        ip("route add 2600:12::/64 via 2600:11::254");
        router
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // Its shell ends when nobody talks to it any more.
        drop(self.0.stdin.take());
        self.0.wait().expect("it is a child of ours");
    }
}

#[tokio::test]
async fn c134_a_datagram_too_long_for_the_path_is_told_with_the_mtu() {
    const TEST: &str = "relay::icmp::c134_a_datagram_too_long_for_the_path_is_told_with_the_mtu";
    if !in_a_namespace(TEST) {
        return;
    }
    let _router = Router::new();
    let server = detecting().set("listening-ip", "::1");
    let server = start(server.set("relay-ip", "11.0.0.1").set("relay-ip", "2600:11::1")).await;
    // What is too long for our own link the kernel says; over IPv6, where no router cuts anything up, it remembers the path.
    for (listener, family, peer, too_long, known) in [
        (0, Family::V4, "12.0.0.9:7000", (3, 4), 1500),
        (1, Family::V6, "[2600:12::9]:7000", (2, 0), 1280),
    ] {
        let mut client = Client::udp(server.addresses().turn_udp[listener]).await;
        let wanted = Allocate { family: Some(family), ..Allocate::default() };
        let request = client.turn.request(Request::Allocate(wanted));
        client.wire.send(&request).await;
        assert!(matches!(client.event().await, TurnEvent::Allocated { .. }));
        let peer = addr(peer);
        client.permit(peer).await;
        for (length, mtu) in [(1400, 1280), (1600, known)] {
            let whole = send_whole(peer, &vec![7; length]);
            client.wire.send(&whole).await;
            let (kind, code) = too_long;
            assert_eq!(error(&mut client).await, (peer, (kind, code, mtu)), "{length} bytes");
        }
        // Cut up they go on, and so does what is short: nothing is said of either before the last one.
        client.send(peer, &[7; 1400]).await;
        client.wire.send(&send_whole(peer, &[7; 1000])).await;
        client.wire.send(&send_whole(peer, &[7; 1600])).await;
        assert_eq!(error(&mut client).await.1.2, known);
    }
    server.shutdown().await;
}
