//! coturn's load client, `turnutils_uclient`.
//!
//! It runs with `-c`: without, it asks for reserved pairs of ports (EVEN-PORT with R=1,
//! RESERVATION-TOKEN), which hairpin does not hold. The channel numbers it draws (0x4000-0x7FFF)
//! are RFC 5766's, of which RFC 8656 left a quarter; a server that keeps to it answers the others
//! with 400 (c137), and the client gives up. So the tests with many clients use Send indications
//! (`-s`), and the one over a channel starts it again until it has drawn a number that exists.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::time::timeout;

use super::server::Hairpin;
use super::{Account, DEADLINE, EchoPeer, Transport};

const CLIENTS: u32 = 4;
const MESSAGES: u32 = 50;

/// What a run of the client printed.
pub(super) struct Run {
    clients: u32,
    output: String,
}

impl Run {
    /// Each client sends to an echo peer.
    pub(super) async fn to_peer(account: &Account) -> Self {
        let peer = EchoPeer::start().await;
        let port = peer.address.port().to_string();
        Self::new(account, &["-e", "127.0.0.1", "-r", &port]).await
    }

    /// The clients send to each other's relayed addresses.
    pub(super) async fn client_to_client(account: &Account) -> Self {
        Self::new(account, &["-y"]).await
    }

    /// Over a channel: one client to an echo peer.
    ///
    /// The number is drawn anew every second and valid once in four times, so a minute without luck has a
    /// probability of (3/4)^60, three in a hundred million.
    async fn to_peer_over_a_channel(account: &Account) -> Self {
        let peer = EchoPeer::start().await;
        let port = peer.address.port().to_string();
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            let run = Self::with(account, 1, &["-e", "127.0.0.1", "-r", &port]).await;
            if !run.output.contains("channel bind: error 400") {
                return run;
            }
        }
        panic!("turnutils_uclient never drew a channel number of RFC 8656");
    }

    async fn new(account: &Account, options: &[&str]) -> Self {
        let options: Vec<_> = ["-s"].iter().chain(options).copied().collect();
        Self::with(account, CLIENTS, &options).await
    }

    async fn with(account: &Account, clients: u32, options: &[&str]) -> Self {
        let mut command = Command::new("turnutils_uclient");
        command
            .args(["-c", "-z", "5"])
            .args(["-m", &clients.to_string(), "-n", &MESSAGES.to_string()])
            .args(["-u", &account.username, "-w", &account.password])
            .args(["-p", &account.server.port().to_string()])
            .args(options)
            .args((account.transport == Transport::Tcp).then_some("-t"))
            .arg(account.server.ip().to_string())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = timeout(DEADLINE, command.output()).await.expect("done in time");
        let output =
            output.unwrap_or_else(|e| panic!("turnutils_uclient: {e}; tests/run installs coturn"));
        Self { clients, output: String::from_utf8_lossy(&output.stdout).into_owned() }
    }

    /// Fails unless every message came back. The exit code says nothing of the kind: it is 0 even
    /// when all are lost, so the summary is read.
    pub(super) fn lost_nothing(&self) {
        let output = &self.output;
        let received = number_after(output, "tot_recv_msgs=");
        assert_eq!(received, Some(self.clients * MESSAGES), "received:\n{output}");
        assert_eq!(number_after(output, "Total lost packets "), Some(0), "lost:\n{output}");
    }
}

/// The number that follows the last occurrence of `label`.
fn number_after(text: &str, label: &str) -> Option<u32> {
    let (_, rest) = text.rsplit_once(label)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[tokio::test]
async fn loses_nothing_to_a_peer_over_udp() {
    let hairpin = Hairpin::start().await;
    Run::to_peer(&hairpin.account(Transport::Udp)).await.lost_nothing();
}

#[tokio::test]
async fn loses_nothing_to_a_peer_over_tcp() {
    let hairpin = Hairpin::start().await;
    Run::to_peer(&hairpin.account(Transport::Tcp)).await.lost_nothing();
}

#[tokio::test]
async fn loses_nothing_client_to_client_and_never_leaves_the_process() {
    const HAIRPINS: &str = r#"hairpin_relayed_packets_total{direction="hairpin"}"#;
    const TO_PEERS: &str = r#"hairpin_relayed_packets_total{direction="to_peer"}"#;
    let hairpin = Hairpin::start().await;
    for transport in [Transport::Udp, Transport::Tcp] {
        let before = hairpin.counter(HAIRPINS).await;
        Run::client_to_client(&hairpin.account(transport)).await.lost_nothing();
        let passed = hairpin.counter(HAIRPINS).await - before;
        assert!(passed >= u64::from(CLIENTS * MESSAGES), "{passed} hairpins over {transport:?}");
    }
    assert_eq!(hairpin.counter(TO_PEERS).await, 0);
}

#[tokio::test]
async fn loses_nothing_over_a_channel() {
    let hairpin = Hairpin::start().await;
    Run::to_peer_over_a_channel(&hairpin.account(Transport::Udp)).await.lost_nothing();
}
