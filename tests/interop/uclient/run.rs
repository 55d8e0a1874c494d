//! One run of the client, and how it came out.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::Peers;
use super::cases::Outcome;
use crate::interop::server::SECRET;
use crate::interop::{Account, DEADLINE, Transport};

pub(super) const CLIENTS: u32 = 2;
pub(super) const MESSAGES: u32 = 10;

/// How long one has whose end says nothing.
const OWN_AFFAIR: Duration = Duration::from_secs(8);

/// What the client shows who it is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// The account's name and password (`-u`, `-w`).
    User,
    /// The secret that it makes them of itself (`-W`).
    Secret,
}

/// What a run of the client printed and how it ended: with a code, or by us.
pub(super) struct Run {
    output: String,
    code: Option<i32>,
}

impl Run {
    /// `options` are the client's own, with `PEER`, `PEER6`, `SECRET` and the files of the account's authority as words.
    pub(super) async fn new(
        account: &Account,
        credentials: Credentials,
        options: &str,
        peers: &Peers,
        outcome: Outcome,
    ) -> Self {
        let mut command = Command::new("turnutils_uclient");
        command
            .args(["-m", &CLIENTS.to_string(), "-n", &MESSAGES.to_string()])
            .args(["-z", interval(account.transport)])
            .args(["-u", &account.username, "-p", &account.server.port().to_string()])
            .args(flags(account.transport));
        if !options.contains("-W ") {
            match credentials {
                Credentials::User => command.args(["-w", &account.password]),
                Credentials::Secret => command.args(["-W", SECRET]),
            };
        }
        for word in options.split(' ') {
            match word {
                "PEER" => command.args(target(&peers.v4)),
                "PEER6" => command.args(target(&peers.v6)),
                "SECRET" => command.arg(SECRET),
                "CERT" => command.arg(account.authority.certificate()),
                "KEY" => command.arg(account.authority.key()),
                "ROOT" => command.arg(account.authority.root()),
                word => command.arg(word),
            };
        }
        command.arg(account.server.ip().to_string()).stdin(Stdio::null()).kill_on_drop(true);
        let limit = if outcome == Outcome::GoesOn { OWN_AFFAIR } else { DEADLINE };
        match timeout(limit, command.output()).await {
            Ok(output) => {
                let output = output.unwrap_or_else(|e| {
                    panic!("turnutils_uclient: {e}; tests/run installs coturn")
                });
                Self {
                    output: String::from_utf8_lossy(&output.stdout).into_owned(),
                    code: output.status.code(),
                }
            }
            Err(_) => Self { output: String::new(), code: None },
        }
    }

    /// Whether this is how it came out, or what came instead. The code alone says little: it is 0 even when all was lost,
    /// so the summary is read.
    pub(super) fn is(&self, outcome: Outcome) -> Result<(), String> {
        let output = &self.output;
        let sent = number_after(output, "tot_send_msgs=").unwrap_or(0);
        let received = number_after(output, "tot_recv_msgs=").unwrap_or(0);
        let lost = number_after(output, "Total lost packets ");
        let dropped = number_after(output, "total send dropped ");
        let all_sent = sent >= CLIENTS * MESSAGES && dropped == Some(0);
        let holds = match outcome {
            Outcome::All => all_sent && received == sent && lost == Some(0) && self.code == Some(0),
            Outcome::Half => all_sent && received * 2 == sent && self.code == Some(0),
            Outcome::Leaves => lost.is_none() && self.code.is_some(),
            Outcome::GoesOn => true,
            Outcome::NotRun(_) => unreachable!("it was run"),
        };
        if holds { Ok(()) } else { Err(format!("code {:?}\n{}", self.code, ending(output))) }
    }
}

/// The client is told where to send in two options.
fn target(peer: &crate::interop::EchoPeer) -> [String; 4] {
    let address = peer.address;
    ["-e".into(), address.ip().to_string(), "-r".into(), address.port().to_string()]
}

/// Milliseconds between a client's messages. It takes what one record of TLS holds for one message, and counts the others
/// in it as lost (with coturn as with us), so they are kept apart.
fn interval(transport: Transport) -> &'static str {
    if transport == Transport::Tls { "150" } else { "5" }
}

fn flags(transport: Transport) -> &'static [&'static str] {
    match transport {
        Transport::Udp => &[],
        Transport::Tcp => &["-t"],
        Transport::Tls => &["-t", "-S"],
        Transport::Dtls => &["-S"],
    }
}

/// The number that follows the last occurrence of `label`.
fn number_after(text: &str, label: &str) -> Option<u32> {
    let (_, rest) = text.rsplit_once(label)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// The last lines, which have the summary, and the errors before them.
fn ending(output: &str) -> String {
    let lines: Vec<&str> = output.lines().collect();
    let last = lines.len().saturating_sub(8);
    let errors = lines[..last].iter().filter(|line| line.contains("rror"));
    errors.take(8).chain(&lines[last..]).copied().collect::<Vec<_>>().join("\n")
}
