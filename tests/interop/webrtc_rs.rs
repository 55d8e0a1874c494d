//! The TURN client of webrtc-rs (crate `turn` 0.17). It speaks UDP only.

use std::error::Error;
use std::sync::Arc;

use tokio::net::UdpSocket;
use tokio::time::timeout;
use turn::client::{Client, ClientConfig};
use webrtc_util::Conn;

use super::server::Hairpin;
use super::{Account, DEADLINE, EchoPeer, Transport};

/// Enough round trips that the client has bound a channel, which it does on its own after the
/// first indication, and sends ChannelData.
const ROUND_TRIPS: u32 = 20;

/// Allocates, then sends to an echo peer and waits for each answer.
pub(super) async fn relayed_echo(account: &Account) -> Result<(), Box<dyn Error>> {
    assert_eq!(account.transport, Transport::Udp);
    let client = Client::new(ClientConfig {
        stun_serv_addr: account.server.to_string(),
        turn_serv_addr: account.server.to_string(),
        username: account.username.clone(),
        password: account.password.clone(),
        // The server's is taken from its 401.
        realm: String::new(),
        software: String::new(),
        rto_in_ms: 0,
        conn: Arc::new(UdpSocket::bind("127.0.0.1:0").await?),
        vnet: None,
    })
    .await?;
    client.listen().await?;

    timeout(DEADLINE, async {
        let mapped = client.send_binding_request().await?;
        assert_eq!(mapped.ip(), account.server.ip(), "there is no NAT on loopback");
        let relay = client.allocate().await?;
        exchange(&relay).await?;
        relay.close().await?;
        client.close().await?;
        Ok(())
    })
    .await?
}

async fn exchange(relay: &impl Conn) -> Result<(), Box<dyn Error>> {
    let peer = EchoPeer::start().await;
    let mut buffer = [0; 1500];
    for number in 0..ROUND_TRIPS {
        let sent = format!("round trip {number}");
        relay.send_to(sent.as_bytes(), peer.address).await?;
        let (length, from) = relay.recv_from(&mut buffer).await?;
        assert_eq!((&buffer[..length], from), (sent.as_bytes(), peer.address));
    }
    Ok(())
}

#[tokio::test]
async fn completes_a_relayed_echo_over_udp() {
    let hairpin = Hairpin::start().await;
    relayed_echo(&hairpin.account(Transport::Udp)).await.expect("allocates and relays");
}
