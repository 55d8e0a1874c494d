//! Debian's coturn: a second server for the same clients, and a judge of our credentials.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

use super::authority::Authority;
use super::{Account, DEADLINE, Transport};

/// A running `turnserver` on loopback, relaying to loopback; killed when dropped.
pub(super) struct Coturn {
    address: SocketAddr,
    tls: SocketAddr,
    authority: Arc<Authority>,
    _process: Child,
    _directory: TempDir,
}

/// Whom it lets in. coturn takes REST credentials or static users, not both.
pub(super) enum Auth<'a> {
    Secret(&'a str),
    User { name: &'a str, password: &'a str },
}

impl Coturn {
    pub(super) async fn start(auth: Auth<'_>) -> Self {
        let (address, tls) = (free_address(), free_address());
        let authority = Arc::new(Authority::new());
        let directory = tempfile::tempdir().expect("the temporary directory is writable");
        let file = |name: &str| directory.path().join(name);
        let mut command = Command::new("turnserver");
        command
            .args(["-n", "--no-cli", "--allow-loopback-peers", "--mobility"])
            .args(["--listening-ip", "127.0.0.1", "--listening-ip", "::1", "--realm", "interop"])
            .args(["--relay-ip", "127.0.0.1", "--relay-ip", "::1", "--lt-cred-mech"])
            .args(["--listening-port", &address.port().to_string()])
            .args(["--tls-listening-port", &tls.port().to_string()])
            .arg("--cert")
            .arg(authority.certificate())
            .arg("--pkey")
            .arg(authority.key())
            .arg("--log-file=stdout")
            .arg("--userdb")
            .arg(file("users"))
            .arg("--pidfile")
            .arg(file("pid"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        match auth {
            Auth::Secret(secret) => {
                command.args(["--use-auth-secret", "--static-auth-secret", secret])
            }
            Auth::User { name, password } => command.arg(format!("--user={name}:{password}")),
        };
        let process = command
            .spawn()
            .unwrap_or_else(|error| panic!("turnserver: {error}; tests/run installs coturn"));
        timeout(DEADLINE, listening(address)).await.expect("coturn listens in time");
        timeout(DEADLINE, listening(tls)).await.expect("coturn listens in time");
        Self { address, tls, authority, _process: process, _directory: directory }
    }

    pub(super) fn account(&self, transport: Transport, username: &str, password: &str) -> Account {
        Account {
            server: match transport {
                Transport::Udp | Transport::Tcp => self.address,
                Transport::Tls | Transport::Dtls => self.tls,
            },
            transport,
            username: username.into(),
            password: password.into(),
            authority: Arc::clone(&self.authority),
        }
    }
}

/// A loopback address whose port is free for UDP and for TCP.
fn free_address() -> SocketAddr {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let address = tcp.local_addr().expect("a bound socket has an address");
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// Returns once `address` accepts TCP connections; coturn says in no other way that it is ready.
async fn listening(address: SocketAddr) {
    let mut tries = interval(Duration::from_millis(20));
    while TcpStream::connect(address).await.is_err() {
        tries.tick().await;
    }
}

/// The control of every client in this module but coturn's own, which has one of its own: what these fail at with hairpin, they can do with coturn.
#[tokio::test]
async fn coturn_passes_the_same_clients() {
    const NAME: &str = "guest";
    const PASSWORD: &str = "somepassword";
    let coturn = Coturn::start(Auth::User { name: NAME, password: PASSWORD }).await;
    let account = |transport| coturn.account(transport, NAME, PASSWORD);
    let [udp, tcp, tls, dtls] =
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Dtls].map(account);

    super::webrtc_rs::relayed_echo(&udp).await.expect("webrtc-rs");
    let scripts = async |account: &Account| {
        for scenario in ["echo", "ice"] {
            if account.transport != Transport::Dtls {
                super::aioice::run(scenario, account).await;
            }
            super::pion::run(scenario, account).await;
        }
        if account.transport != Transport::Dtls {
            super::werift::run(account).await;
        }
    };
    tokio::join!(scripts(&udp), scripts(&tcp), scripts(&tls), scripts(&dtls));
    for account in [&udp, &tcp, &tls] {
        super::turn_client_proto::relayed_echo(account).await;
    }
    for account in [&tcp, &tls] {
        super::turn_client_proto::tcp_allocation(account).await;
    }
    for account in [&udp, &tcp] {
        super::libnice::run(account).await;
    }
}
