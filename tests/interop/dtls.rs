//! coturn's client over DTLS (RFC 7350). It draws whether it begins with 1.0 or 1.2, and tries the other one when it is told
//! that it is too old.

use std::process::Stdio;

use tokio::process::Command;
use tokio::time::timeout;

use super::authority::Authority;
use super::{DEADLINE, EchoPeer};

/// Clients, and messages of each.
const CLIENTS: usize = 4;
const MESSAGES: usize = 50;

async fn server(authority: &Authority) -> hairpin::Server {
    hairpin::Server::builder()
        .set("listening-ip", "127.0.0.1")
        .set("listening-port", "0")
        .set("alt-listening-port", "none")
        .set("relay-ip", "127.0.0.1")
        .set("allowed-peer-ip", "127.0.0.1")
        .set("user", "guest:somepassword")
        .set("realm", "interop")
        .set("http-listen", "127.0.0.1:0")
        .set("cert", authority.certificate().to_str().expect("UTF-8"))
        .set("pkey", authority.key().to_str().expect("UTF-8"))
        .set("dtls", "true")
        .start()
        .await
        .expect("loopback has free ports")
}

async fn run(port: u16, options: &[&str]) -> String {
    let output = Command::new("turnutils_uclient")
        .args(["-S", "-u", "guest", "-w", "somepassword", "-p", &port.to_string()])
        .args(["-m", &CLIENTS.to_string(), "-n", &MESSAGES.to_string(), "-z", "5"])
        .args(options)
        .arg("127.0.0.1")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(DEADLINE, output).await.expect("it ends in time");
    let output = output.expect("tests/run installs coturn");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn coturns_client_loses_nothing_over_dtls() {
    let authority = Authority::new();
    let server = server(&authority).await;
    let port = server.addresses().turn_udp[0].port();
    let peer = EchoPeer::start().await;
    let [ip, peer_port] = [peer.address.ip().to_string(), peer.address.port().to_string()];
    let to_peer = ["-e", &ip, "-r", &peer_port];
    let runs = [
        [&to_peer[..], &["-c", "-s"]].concat(),
        [&to_peer[..], &["-c", "-s", "-l", "1200"]].concat(),
        vec!["-y", "-c", "-s"],
    ];
    let runs = runs.iter().map(|options| async move { (options, run(port, options).await) });
    for (options, output) in futures_util::future::join_all(runs).await {
        let sent = number_after(&output, "tot_send_msgs=");
        assert!(sent >= Some(CLIENTS * MESSAGES), "{options:?}\n{output}");
        assert_eq!(number_after(&output, "tot_recv_msgs="), sent, "{options:?}\n{output}");
        assert_eq!(number_after(&output, "Total lost packets "), Some(0), "{options:?}\n{output}");
    }
    server.shutdown().await;
}

/// The number that follows the last occurrence of `label`.
fn number_after(text: &str, label: &str) -> Option<usize> {
    let (_, rest) = text.rsplit_once(label)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
