//! coturn's two clients of NAT behaviour discovery (RFC 5780), where there is no NAT.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::DEADLINE;

const FIRST: Ipv4Addr = Ipv4Addr::LOCALHOST;
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A server at two ports of two addresses, and the first of the ports.
async fn server() -> (hairpin::Server, u16) {
    // Somebody else may take the ports in between.
    for _ in 0..10 {
        let ports = [free_port(), free_port()];
        let server = hairpin::Server::builder()
            .set("nat-discovery", "true")
            .set("listening-ip", FIRST.to_string())
            .set("listening-ip", SECOND.to_string())
            .set("listening-port", ports[0].to_string())
            .set("alt-listening-port", ports[1].to_string())
            .set("no-tcp", "true")
            .set("http-listen", "127.0.0.1:0")
            .set("admin-listen", "none")
            .set("workers", "2")
            .start()
            .await;
        match server {
            Ok(server) => return (server, ports[0]),
            Err(hairpin::StartError::Bind { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("loopback has free UDP ports");
}

/// Free for UDP at both addresses.
fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind((FIRST, 0)).expect("loopback has a free UDP port");
        let port = socket.local_addr().expect("a bound socket has an address").port();
        if UdpSocket::bind((SECOND, port)).is_ok() {
            return port;
        }
    }
}

async fn run(program: &str, options: &[&str], port: u16) -> String {
    let output = Command::new(program)
        .args(options)
        .args(["-p", &port.to_string(), &FIRST.to_string()])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(DEADLINE, output).await.expect("it ends in time");
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; tests/run installs it"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The client, its options, and what it must say, by lines.
type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

const CASES: &[Case] = &[
    (
        "turnutils_natdiscovery",
        &["-m", "-f"],
        &["NAT with Endpoint Independent Mapping!", "NAT with Endpoint Independent Filtering!"],
    ),
    (
        "turnutils_natdiscovery",
        &["-m", "-f", "-P"],
        &["NAT with Endpoint Independent Mapping!", "NAT with Endpoint Independent Filtering!"],
    ),
    ("turnutils_natdiscovery", &["-t", "-T", "1"], &["RFC 5780 response 2"]),
    (
        "turnutils_natdiscovery",
        &["-c", "-L", "127.0.0.1", "-A", "127.0.0.3"],
        &["RFC 5780 response 2"],
    ),
    ("turnutils_natdiscovery", &["-H"], &["Received a request (maybe a successful hairpinning)"]),
    ("turnutils_stunclient", &[], &["RFC 5780 response 3"]),
    ("turnutils_stunclient", &["-f"], &["RFC 5780 response 3"]),
];

#[tokio::test]
async fn coturns_clients_find_out_that_there_is_no_nat() {
    let (server, port) = server().await;
    let runs = CASES.iter().map(|case| async move { (case, run(case.0, case.1, port).await) });
    for ((program, options, said), output) in futures_util::future::join_all(runs).await {
        for line in *said {
            assert!(
                output.lines().any(|has| has == *line),
                "{program} {options:?}: {line}\n{output}"
            );
        }
        assert!(!output.contains("timeout"), "{program} {options:?}\n{output}");
    }
    server.shutdown().await;
}
