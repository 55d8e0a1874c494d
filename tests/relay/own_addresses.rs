//! Addresses of the machine that are public: in a network namespace of the test's own, they harm nobody.

use std::net::SocketAddr;
use std::process::Command;

use hairpin::{Builder, Server};

use super::wire::Client;
use super::{PASSWORD, USER, counter, counter_until, start};

/// Set in the namespace, to the name of the test that is run there.
const INSIDE: &str = "INSIDE_A_NAMESPACE";

/// Whether the test runs in a network namespace of its own. If not, it is run there by another process, and here there is
/// nothing left to do.
fn in_a_namespace(test: &str) -> bool {
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

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).status().expect("iproute2 is there");
    assert!(done.success(), "ip {arguments}");
}

/// A server that relays at this address.
fn server(relay_ip: &str) -> Builder {
    Server::builder()
        .set("shutdown-timeout", "0")
        .set("listening-port", "0")
        .set("alt-listening-port", "none")
        .set("relay-ip", relay_ip)
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
    let server = server("11.0.0.1")
        .set("listening-ip", "0.0.0.0")
        .set("min-port", "61000")
        .set("max-port", "61999");
    let server = start(server).await;
    let listener = server.addresses().turn_udp[0];
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
