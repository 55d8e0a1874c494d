//! Addresses of the machine that are public: in a network namespace of the test's own, they harm nobody.

use std::net::SocketAddr;
use std::process::Command;

use hairpin::{Builder, Server, StartError};

use super::wire::Client;
use super::{PASSWORD, USER, counter, counter_until, start};

/// Set in the namespace, to the name of the test that is run there.
const INSIDE: &str = "INSIDE_A_NAMESPACE";

/// Whether the test runs in a network namespace of its own. If not, it is run there by another process, and here there is
/// nothing left to do.
pub(super) fn in_a_namespace(test: &str) -> bool {
    if std::env::var(INSIDE).is_ok_and(|inside| inside == test) {
        ip("link set lo up");
        return true;
    }
    let unshare = || {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net"]);
        command
    };
    match unshare().arg("true").output() {
        Ok(output) if output.status.success() => {
            let this = std::env::current_exe().expect("the test is a file");
            let mut run = unshare();
            run.arg(this).args(["--exact", test, "--nocapture"]).env(INSIDE, test);
            let output = run.output().expect("unshare works here");
            let (out, err) =
                (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
            assert!(output.status.success() && out.contains("1 passed"), "{out}\n{err}");
        }
        Ok(output) => crate::report_skipped(String::from_utf8_lossy(&output.stderr).trim()),
        Err(error) => crate::report_skipped(&format!("unshare: {error}")),
    }
    false
}

pub(super) fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).status().expect("iproute2 is there");
    assert!(done.success(), "ip {arguments}");
}

/// A server that finds its relay addresses out.
pub(super) fn detecting() -> Builder {
    Server::builder()
        .set("shutdown-timeout", "0")
        .set("listening-ip", "127.0.0.1")
        .set("listening-port", "0")
        .set("alt-listening-port", "none")
        .set("user", format!("{USER}:{PASSWORD}"))
        .set("realm", "test")
        .set("http-listen", "127.0.0.1:0")
        .set("admin-listen", "127.0.0.1:0")
}

fn addr(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

/// Asks again and again for permission until the answer is this.
async fn permit_until(client: &mut Client, peer: SocketAddr, wanted: Result<(), u16>) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(10));
    let waited = tokio::time::timeout(super::wire::PATIENCE, async {
        while client.try_permit(peer).await != wanted {
            ticks.tick().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{peer} never became {wanted:?}"));
}

#[tokio::test]
async fn c189_our_public_addresses_are_no_peers_nor_are_those_that_come_later() {
    const TEST: &str = "relay::own_addresses::c189_our_public_addresses_are_no_peers_nor_are_those_that_come_later";
    if !in_a_namespace(TEST) {
        return;
    }
    ip("address add 11.0.0.1/32 dev lo");
    ip("address add 11.0.0.2/32 dev lo");
    // What is routed here belongs here, though no interface has it.
    ip("route add local 11.0.1.0/24 dev lo");
    let server = detecting()
        .set("relay-ip", "11.0.0.1")
        .set("listening-ip", "0.0.0.0")
        .set("min-port", "61000")
        .set("max-port", "61999");
    let server = start(server).await;
    let listener = server.addresses().turn_udp[1];
    let mut client = Client::udp(addr(&format!("127.0.0.1:{}", listener.port()))).await;
    let relayed = client.allocate().await.expect("there is room");
    assert_eq!(relayed.ip(), addr("11.0.0.1:0").ip());

    for ours in ["11.0.0.1:53", "11.0.0.2:53", "11.0.1.7:53"] {
        assert_eq!(client.try_permit(addr(ours)).await, Err(403), "{ours}");
    }
    let peer = |port: u16| SocketAddr::new(addr("11.0.0.9:0").ip(), port);
    client.permit(peer(53)).await;
    ip("address add 11.0.0.9/32 dev lo");
    permit_until(&mut client, peer(53), Err(403)).await;
    assert_eq!(client.try_permit(peer(listener.port())).await, Err(403), "a nested relay");
    // The permission is older than the address: nothing is sent all the same.
    client.send(peer(53), b"past the firewall").await;
    client.send(peer(listener.port()), b"nested").await;
    let denied = "hairpin_dropped_packets_total{reason=\"peer_denied\"}";
    counter_until(&server, denied, |dropped| dropped == 2).await;
    assert_eq!(counter(&server, "hairpin_relayed_packets_total{direction=\"to_peer\"}").await, 0);

    ip("address del 11.0.0.9/32 dev lo");
    permit_until(&mut client, peer(53), Ok(())).await;
    server.shutdown().await;
}

/// A server knows what its own allocations hold and not what another's do.
#[tokio::test]
async fn two_servers_of_one_address_reach_each_other_once_both_allow_it() {
    const TEST: &str =
        "relay::own_addresses::two_servers_of_one_address_reach_each_other_once_both_allow_it";
    if !in_a_namespace(TEST) {
        return;
    }
    ip("address add 11.0.0.1/32 dev lo");
    let server = |min, max| {
        detecting().set("relay-ip", "11.0.0.1").set("min-port", min).set("max-port", max)
    };
    let allowing = |min, max| server(min, max).set("allowed-peer-ip", "11.0.0.1");
    let strict = start(server("61000", "61099")).await;
    let first = start(allowing("62000", "62099")).await;
    let second = start(allowing("63000", "63099")).await;
    let client = async |server: &Server| {
        let mut client = Client::udp(server.addresses().turn_udp[0]).await;
        let relayed = client.allocate().await.expect("there is room");
        (client, relayed)
    };
    let (mut eve, _) = client(&strict).await;
    let (mut ada, adas) = client(&first).await;
    let (mut bob, bobs) = client(&second).await;
    assert_eq!(eve.try_permit(bobs).await, Err(403));
    ada.permit(bobs).await;
    bob.permit(adas).await;
    ada.send(bobs, b"to bob").await;
    assert_eq!(bob.data().await, (adas, b"to bob".to_vec()));
    bob.send(adas, b"to ada").await;
    assert_eq!(ada.data().await, (bobs, b"to ada".to_vec()));
    for server in [strict, first, second] {
        server.shutdown().await;
    }
}

#[tokio::test]
async fn c192_a_machine_with_ipv6_alone_hands_out_no_loopback_address() {
    if !in_a_namespace(
        "relay::own_addresses::c192_a_machine_with_ipv6_alone_hands_out_no_loopback_address",
    ) {
        return;
    }
    ip("address add 2600::1/128 dev lo");
    let server = start(detecting()).await;
    assert_eq!(server.addresses().relay, [addr("[2600::1]:0").ip()]);
    let mut client = Client::udp(server.addresses().turn_udp[0]).await;
    assert_eq!(client.allocate().await, Err(440));
    assert!(server.summary().contains("(440)"), "{}", server.summary());
    server.shutdown().await;
}

#[tokio::test]
async fn c192_a_machine_with_nothing_but_loopback_relays_there() {
    if !in_a_namespace(
        "relay::own_addresses::c192_a_machine_with_nothing_but_loopback_relays_there",
    ) {
        return;
    }
    let server = start(detecting()).await;
    assert_eq!(server.addresses().relay, [super::loopback(0).ip()]);
    let mut client = Client::udp(server.addresses().turn_udp[0]).await;
    client.allocate().await.expect("for two tabs on one machine");
    assert!(!server.summary().contains("(440)"), "{}", server.summary());
    server.shutdown().await;
}

#[tokio::test]
async fn a_relay_address_that_this_machine_lacks_is_refused_by_its_field() {
    for (name, value, field) in [
        ("relay-ip", "192.0.2.77", "relay-ip"),
        ("external-ip", "203.0.113.7/192.0.2.77", "external-ip"),
    ] {
        let refused = detecting().set(name, value).start().await.expect_err("nobody has it");
        let StartError::RelayAddress { address, .. } = &refused else { panic!("{refused}") };
        assert_eq!(*address, addr("192.0.2.77:0").ip());
        let complaint = refused.to_string();
        for wanted in [field, "192.0.2.77", "127.0.0.1"] {
            assert!(complaint.contains(wanted), "{wanted:?} is missing in {complaint}");
        }
    }
}

#[tokio::test]
async fn without_an_ipv4_relay_address_the_summary_says_what_follows() {
    let server = start(detecting().set("relay-ip", "::1")).await;
    let summary = server.summary();
    for wanted in ["IPv4", "440", "relay-ip"] {
        assert!(summary.contains(wanted), "{wanted:?} is missing in:\n{summary}");
    }
    server.shutdown().await;
}
