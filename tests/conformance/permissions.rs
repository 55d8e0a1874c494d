//! RFC 8656 s9, s10: permissions.

use std::net::SocketAddr;

use hairpin_sim::client::Client;
use hairpin_stun::{AttributeType, Method};
use hairpin_turn::{DropReason, Event};

use super::{addr, allocated, client_reaches, peer, peer_reaches, peer_v6};

#[test]
fn c109_no_peer_is_400() {
    let (mut relay, mut client, _) = allocated();
    let response = client.permit(&mut relay, &[]);
    assert_eq!(response.error(), Some(400));
    assert!(response.is_signed(&client.key));
}

#[test]
fn c110_a_malformed_peer_is_400_and_none_is_installed() {
    let (mut relay, mut client, relayed) = allocated();
    for malformed in
        [&[][..], &[0, 1, 0, 0], &[0, 3, 0, 0, 1, 2, 3, 4], &[0, 1, 0, 0, 1, 2, 3, 4, 5]]
    {
        let response = client.request(&mut relay, Method::CREATE_PERMISSION, |w| {
            w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1))
                .bytes(AttributeType::XOR_PEER_ADDRESS, malformed);
        });
        assert_eq!(response.error(), Some(400), "{malformed:?}");
        assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)));
    }
}

#[test]
fn c111_several_peers_in_one_request_are_all_installed() {
    let (mut relay, mut client, relayed) = allocated();
    let peers: Vec<SocketAddr> = (1..=8).map(peer).collect();
    assert!(client.permit(&mut relay, &peers).is_success());
    for peer in peers {
        assert!(peer_reaches(&mut relay, &client, relayed, peer));
    }
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(9)));
}

#[test]
fn c112_another_family_is_443() {
    let (mut relay, mut client, relayed) = allocated();
    assert_eq!(client.permit(&mut relay, &[peer(1), peer_v6(1)]).error(), Some(443));
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)), "none is installed");
    let mut client = Client::ann(2);
    client.allocate_v6(&mut relay);
    assert_eq!(client.permit(&mut relay, &[peer(1)]).error(), Some(443));
    assert!(client.permit(&mut relay, &[peer_v6(1)]).is_success());
}

#[test]
fn c113_a_denied_peer_is_403() {
    let (mut relay, mut client, relayed) = allocated();
    let metadata = addr("169.254.169.254:80");
    assert_eq!(client.permit(&mut relay, &[peer(1), metadata]).error(), Some(403));
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)), "none is installed");
}

#[test]
fn c114_no_capacity_is_508_and_none_is_installed() {
    let (mut relay, mut client, relayed) = allocated();
    let peers: Vec<SocketAddr> = (1..=7).map(peer).collect();
    assert!(client.permit(&mut relay, &peers).is_success());
    relay.advance_secs(200);
    assert_eq!(client.permit(&mut relay, &[peer(1), peer(8), peer(9)]).error(), Some(508));
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(8)));
    assert!(client.permit(&mut relay, &[peer(8), peer(8), peer(2)]).is_success(), "eight in all");
    relay.advance_secs(101);
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)), "a 508 refreshes none either");
    assert!(peer_reaches(&mut relay, &client, relayed, peer(2)));
    let fresh: Vec<SocketAddr> = (11..=16).map(peer).collect();
    assert!(client.permit(&mut relay, &fresh).is_success(), "the expired make room");
}

#[test]
fn c115_the_port_is_ignored() {
    let (mut relay, mut client, relayed) = allocated();
    client.permit(&mut relay, &[addr("198.51.100.1:0")]);
    for port in [1, 80, 7000, 65_535] {
        let peer = SocketAddr::new(peer(1).ip(), port);
        assert!(peer_reaches(&mut relay, &client, relayed, peer));
        assert!(client_reaches(&mut relay, &mut client, peer));
    }
}

#[test]
fn c116_a_permission_lasts_300_seconds() {
    let (mut relay, mut client, relayed) = allocated();
    client.permit(&mut relay, &[peer(1)]);
    relay.advance_secs(299);
    assert!(peer_reaches(&mut relay, &client, relayed, peer(1)));
    assert!(client_reaches(&mut relay, &mut client, peer(1)));
    relay.advance_secs(2);
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)));
    assert!(!client_reaches(&mut relay, &mut client, peer(1)));
    assert_eq!(relay.events.last(), Some(&Event::Dropped(DropReason::NoPermission)));
}

#[test]
fn c117_a_repetition_gives_300_seconds_again() {
    let (mut relay, mut client, relayed) = allocated();
    client.permit(&mut relay, &[peer(1)]);
    relay.advance_secs(200);
    client.permit(&mut relay, &[peer(1)]);
    relay.advance_secs(299);
    assert!(peer_reaches(&mut relay, &client, relayed, peer(1)));
}

#[test]
fn c118_traffic_never_refreshes_it() {
    let (mut relay, mut client, relayed) = allocated();
    client.permit(&mut relay, &[peer(1)]);
    for second in 1..=301 {
        relay.advance_secs(1);
        let live = second < 300;
        assert_eq!(peer_reaches(&mut relay, &client, relayed, peer(1)), live, "{second}");
        assert_eq!(client_reaches(&mut relay, &mut client, peer(1)), live, "{second}");
    }
}

#[test]
fn c119_a_permission_is_one_allocations_own() {
    let (mut relay, mut ann, _) = allocated();
    let mut bob = Client::bob(2);
    let bobs = bob.allocate(&mut relay);
    ann.permit(&mut relay, &[peer(1)]);
    assert!(!peer_reaches(&mut relay, &bob, bobs, peer(1)));
    assert!(!client_reaches(&mut relay, &mut bob, peer(1)));
}
