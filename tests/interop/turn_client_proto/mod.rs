//! The client core `turn-client-proto` 0.7, driven over real sockets.

mod driver;
mod socket;

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpListener;
use turn_client_proto::api::{TurnConfig, TurnEvent};
use turn_client_proto::prelude::*;
use turn_client_proto::tcp::TurnClientTcp;
use turn_client_proto::types::stun::attribute::{
    AttributeStaticType, AttributeType, MessageIntegritySha256,
};
use turn_client_proto::types::stun::message::IntegrityAlgorithm;
use turn_client_proto::types::{AddressFamily, TransportType, TurnCredentials};
use turn_client_proto::udp::TurnClientUdp;

use super::server::Hairpin;
use super::{Account, EchoPeer, Transport};
use driver::Driver;

/// Allocates; permits an echo peer and exchanges indications with it; binds a channel and exchanges
/// ChannelData; deletes the allocation.
pub(super) async fn relayed_echo(account: &Account) {
    let peer = EchoPeer::start().await;
    relayed(account, config(account), &[peer.address]).await;
}

/// By which attributes a client signed.
type Signed = HashSet<AttributeType>;

fn config(account: &Account) -> TurnConfig {
    TurnConfig::new(TurnCredentials::new(&account.username, &account.password))
}

/// An allocation with a relayed address for each of the peers, which all send back what they get.
async fn relayed(account: &Account, config: TurnConfig, peers: &[SocketAddr]) -> Signed {
    let done = if account.transport == Transport::Udp {
        let driver = Driver::new(account, config, TurnClientUdp::allocate).await;
        echoes(driver.expect("the server is reachable"), peers).await
    } else {
        let driver = Driver::new(account, config, TurnClientTcp::allocate).await;
        echoes(driver.expect("the server is reachable"), peers).await
    };
    done.expect("the sockets work")
}

async fn echoes<C: TurnClientApi>(
    mut driver: Driver<C>,
    peers: &[SocketAddr],
) -> io::Result<Signed> {
    for _ in peers {
        let event = driver.event().await?;
        assert!(matches!(event, TurnEvent::AllocationCreated(TransportType::Udp, _)), "{event:?}");
    }
    for (number, peer) in peers.iter().enumerate() {
        permit(&mut driver, TransportType::Udp, peer.ip()).await?;
        driver.echo(TransportType::Udp, *peer, b"in an indication").await?;
        // It numbers channels by relayed address, where RFC 8656 s12 has them by allocation: the second would be refused.
        if number > 0 {
            continue;
        }

        let now = driver.now();
        driver.client.bind_channel(TransportType::Udp, *peer, now).expect("there is none yet");
        let event = driver.event().await?;
        assert!(matches!(event, TurnEvent::ChannelCreated(..)), "{event:?}");
        driver.echo(TransportType::Udp, *peer, b"on a channel").await?;
    }
    end(driver).await
}

async fn permit<C: TurnClientApi>(
    driver: &mut Driver<C>,
    transport: TransportType,
    peer: IpAddr,
) -> io::Result<()> {
    let now = driver.now();
    driver.client.create_permission(transport, peer, now).expect("there is none yet");
    let event = driver.event().await?;
    assert!(matches!(event, TurnEvent::PermissionCreated(..)), "{event:?}");
    Ok(())
}

async fn end<C: TurnClientApi>(mut driver: Driver<C>) -> io::Result<Signed> {
    let now = driver.now();
    driver.client.delete(now).expect("there is an allocation");
    driver.flush().await?;
    Ok(driver.signed)
}

/// Signs with SHA-256 and nothing else (RFC 8489 s9.2).
pub(super) async fn sha256(account: &Account) {
    let peer = EchoPeer::start().await;
    let mut config = config(account);
    config.set_supported_integrity(IntegrityAlgorithm::Sha256);
    let signed = relayed(account, config, &[peer.address]).await;
    assert_eq!(signed, Signed::from([MessageIntegritySha256::TYPE]));
}

/// A relayed address of each family in one allocation (RFC 8656 s7.1), and a peer on each.
pub(super) async fn dual(account: &Account) {
    let v4 = EchoPeer::start_pair(Ipv4Addr::LOCALHOST.into()).await;
    let v6 = EchoPeer::start_pair(Ipv6Addr::LOCALHOST.into()).await;
    let mut config = config(account);
    config.add_address_family(AddressFamily::IPV6);
    relayed(account, config, &[v4.address, v6.address]).await;
}

/// Connects to a peer over TCP (RFC 6062). It cannot be connected to: what it waits for is a request, and a
/// ConnectionAttempt is an indication.
pub(super) async fn tcp_allocation(account: &Account) {
    let mut config = config(account);
    config.set_allocation_transport(TransportType::Tcp);
    let driver = Driver::new(account, config, TurnClientTcp::allocate).await;
    connects(driver.expect("the server is reachable")).await.expect("the sockets work");
}

async fn connects(mut driver: Driver<TurnClientTcp>) -> io::Result<()> {
    const TCP: TransportType = TransportType::Tcp;
    let event = driver.event().await?;
    assert!(matches!(event, TurnEvent::AllocationCreated(TCP, _)), "{event:?}");
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let peer = listener.local_addr()?;
    permit(&mut driver, TCP, peer.ip()).await?;

    let now = driver.now();
    driver.client.tcp_connect(peer, now).expect("the peer is permitted");
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let (mut reader, mut writer) = stream.split();
        tokio::io::copy(&mut reader, &mut writer).await
    });
    let event = driver.event().await?;
    assert!(matches!(event, TurnEvent::TcpConnected(to) if to == peer), "{event:?}");
    driver.echo(TCP, peer, b"to a peer").await?;

    end(driver).await?;
    echo.abort();
    Ok(())
}

#[tokio::test]
async fn completes_a_relayed_echo() {
    let hairpin = Hairpin::start().await;
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        relayed_echo(&hairpin.account(transport)).await;
    }
}

#[tokio::test]
async fn signs_with_sha256() {
    let hairpin = Hairpin::start().await;
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        sha256(&hairpin.account(transport)).await;
    }
}

#[tokio::test]
async fn one_allocation_has_both_families() {
    let hairpin = Hairpin::start().await;
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        dual(&hairpin.account(transport)).await;
    }
}

#[tokio::test]
async fn connects_to_a_peer_over_tcp() {
    let hairpin = Hairpin::start().await;
    for transport in [Transport::Tcp, Transport::Tls] {
        tcp_allocation(&hairpin.account(transport)).await;
    }
}
