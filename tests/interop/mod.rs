//! Other people's TURN software against ours.
//!
//! Every client here completes a relayed exchange through hairpin, and through Debian's coturn as
//! well: a client that fails against both has a fault of its own.
//!
//! Needs Debian's `coturn`, libnice and pion, a Python with aioice and openapi-spec-validator, and in target/node `werift`,
//! `ws` and `@asyncapi/specs`; `tests/run` installs them.

mod aioice;
mod authority;
mod coturn;
mod documents;
mod dtls;
mod http;
mod libnice;
mod modes;
mod nat_discovery;
mod old_wire;
mod page;
mod pion;
mod program;
mod rest_credentials;
mod server;
mod shared_port;
mod turn_client_proto;
mod uclient;
mod webrtc_rs;
mod werift;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use authority::Authority;

/// How long any exchange may take before the test fails: far more than one needs, so that a busy
/// machine does not matter.
const DEADLINE: Duration = Duration::from_secs(30);

/// How a client reaches the TURN server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Transport {
    Udp,
    Tcp,
    Tls,
    Dtls,
}

impl Transport {
    const ALL: [Self; 4] = [Self::Udp, Self::Tcp, Self::Tls, Self::Dtls];

    /// As the scripts of this folder take it.
    fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Dtls => "dtls",
        }
    }
}

/// A TURN server and credentials it should accept.
#[derive(Clone, Debug)]
struct Account {
    server: SocketAddr,
    transport: Transport,
    username: String,
    password: String,
    /// Whom its certificate is from.
    authority: Arc<Authority>,
}

/// A UDP peer that sends back whatever it gets, until it is dropped.
struct EchoPeer {
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl EchoPeer {
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("loopback has a free UDP port");
        Self::on(vec![socket])
    }

    /// On a port and the next one, as RTP and RTCP have them.
    async fn start_pair(ip: IpAddr) -> Self {
        loop {
            let first = UdpSocket::bind((ip, 0)).await.expect("loopback has a free UDP port");
            let port = first.local_addr().expect("a bound socket has an address").port();
            if let Ok(second) = UdpSocket::bind((ip, port.wrapping_add(1))).await {
                return Self::on(vec![first, second]);
            }
        }
    }

    fn on(sockets: Vec<UdpSocket>) -> Self {
        let address = sockets[0].local_addr().expect("a bound socket has an address");
        Self { address, tasks: sockets.into_iter().map(|one| tokio::spawn(echo(one))).collect() }
    }
}

async fn echo(socket: UdpSocket) {
    let mut buffer = vec![0; 65_536];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        // A relay that is gone answers with ICMP, which the next receive reports: no matter.
        let _ = socket.send_to(&buffer[..length], from).await;
    }
}

impl Drop for EchoPeer {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}
