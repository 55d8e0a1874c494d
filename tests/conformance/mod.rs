//! What a TURN server owes on the wire: one test per duty, filed by RFC section, named by its
//! number.
//!
//! They run against the state machine in virtual time, so 300 seconds take none.

mod allocate;
mod bandwidth;
mod channels;
mod credentials;
mod deviations;
mod dual;
mod icmp;
mod mobility;
mod nat_discovery;
mod own_addresses;
mod page;
mod password_algorithms;
mod permissions;
mod refresh;
mod requests;
mod reservations;
mod rest;
mod safety;
mod send_data;
mod streams;
mod stun_basics;
mod stun_codec;
mod tcp_relay;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hairpin_sim::client::Client;
use hairpin_sim::relay::Relay;
use hairpin_turn::RelayedAddr;

/// A peer at 198.51.100.`host`.
fn peer(host: u8) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(198, 51, 100, host)), 7000)
}

/// A peer at 2001:db8:1::`host`.
fn peer_v6(host: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, host)), 7000)
}

/// An address from text.
fn addr(text: &str) -> SocketAddr {
    text.parse().expect(text)
}

/// Ann with an allocation.
fn allocated() -> (Relay, Client, RelayedAddr) {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    let relayed = client.allocate(&mut relay);
    (relay, client, relayed)
}

/// Whether data from the peer reaches the client, by channel or not.
fn peer_reaches(
    relay: &mut Relay,
    client: &Client,
    relayed: RelayedAddr,
    peer: SocketAddr,
) -> bool {
    relay.peer_sends(peer, relayed, b"ping");
    client.receive(relay).is_some()
}

/// Whether data from the client reaches the peer in a Send indication.
fn client_reaches(relay: &mut Relay, client: &mut Client, peer: SocketAddr) -> bool {
    client.send(relay, peer, b"pong");
    !relay.take_relayed().is_empty()
}
