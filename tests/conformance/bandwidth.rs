//! What one user, and all users, may relay a second.

use std::num::NonZeroU64;

use hairpin_sim::client::Client;
use hairpin_sim::relay::{Relay, config};
use hairpin_turn::{DropReason, Event, Quotas};

use super::peer;

const DATA: [u8; 1000] = [7; 1000];

/// How many of 100 packets of 1,000 bytes pass from a client to a peer.
fn passed(relay: &mut Relay, client: &mut Client) -> usize {
    client.permit(relay, &[peer(1)]);
    relay.forget();
    for _ in 0..100 {
        client.send(relay, peer(1), &DATA);
    }
    let passed = relay.take_relayed().len();
    let dropped = Event::Dropped(DropReason::BandwidthLimit);
    assert_eq!(relay.events.iter().filter(|event| **event == dropped).count(), 100 - passed);
    passed
}

#[test]
fn c163_a_cap_of_a_user_holds_over_all_its_allocations_and_both_ways() {
    let quotas = Quotas { user_bytes_per_second: NonZeroU64::new(20_000), ..Quotas::default() };
    let mut relay = Relay::with_quotas(config(), quotas);
    let (mut ann, mut again, mut bob) = (Client::ann(1), Client::ann(2), Client::bob(3));
    let relayed = ann.allocate(&mut relay);
    again.allocate(&mut relay);
    bob.allocate(&mut relay);
    assert_eq!(passed(&mut relay, &mut ann), 10, "half a second's worth at once");
    assert_eq!(passed(&mut relay, &mut again), 0, "it is one user");
    relay.peer_sends(peer(1), relayed, &DATA);
    assert_eq!(ann.receive(&mut relay), None, "and both ways");
    assert_eq!(passed(&mut relay, &mut bob), 10, "nobody else is held up");
    relay.advance_secs(60);
    relay.peer_sends(peer(1), relayed, &DATA);
    assert!(ann.receive(&mut relay).is_some());
    assert_eq!(passed(&mut relay, &mut again), 9);
}

#[test]
fn c163_a_cap_of_the_server_holds_over_all_users() {
    let quotas = Quotas { total_bytes_per_second: NonZeroU64::new(20_000), ..Quotas::default() };
    let mut relay = Relay::with_quotas(config(), quotas);
    let (mut ann, mut bob) = (Client::ann(1), Client::bob(2));
    ann.allocate(&mut relay);
    bob.allocate(&mut relay);
    assert_eq!(passed(&mut relay, &mut ann), 10);
    assert_eq!(passed(&mut relay, &mut bob), 0);
}

#[test]
fn c163_without_a_cap_nothing_is_dropped() {
    let mut relay = Relay::default();
    let mut ann = Client::ann(1);
    ann.allocate(&mut relay);
    assert_eq!(passed(&mut relay, &mut ann), 100);
}
