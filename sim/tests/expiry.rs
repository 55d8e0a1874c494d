//! Ten thousand allocations that end in one moment: each call does a little, packets pass between
//! two calls, and what is over is over before its turn comes.

use std::time::Duration;

use hairpin_sim::client::{Client, allocate_udp};
use hairpin_sim::relay::{Config, Relay, SERVER_V4, config, own_addresses};
use hairpin_stun::Method;
use hairpin_turn::{DropReason, Event, Quotas};

const CROWD: usize = 10_000;
const PEER: ([u8; 4], u16) = ([198, 51, 100, 1], 7000);
const CHANNEL: u16 = 0x4000;

/// A relay with one client that stays, and a crowd whose time is over now.
fn crowd() -> (Relay, Client, Vec<Client>) {
    let own = own_addresses(&[SERVER_V4], 49_152..=65_535);
    let quotas = Quotas { address: Some(CROWD as u32), ..Quotas::default() };
    let mut relay = Relay::with_quotas(Config { own, ..config() }, quotas);
    let mut stays = Client::bob(2);
    stays.allocate(&mut relay);
    stays.refresh(&mut relay, 3600);
    stays.bind_channel(&mut relay, CHANNEL, PEER.into());
    let mut first = Client::ann(1);
    first.ensure_nonce(&mut relay);
    let crowd = (0..CROWD as u16)
        .map(|port| {
            let mut client = Client::ann(1);
            client.nonce = first.nonce.clone();
            client.tuple.client.set_port(10_000 + port);
            client.allocate(&mut relay);
            client
        })
        .collect();
    relay.sleep_secs(599);
    stays.bind_channel(&mut relay, CHANNEL, PEER.into());
    relay.sleep_secs(1);
    relay.forget();
    (relay, stays, crowd)
}

#[test]
fn a_crowd_that_expires_at_once_is_taken_away_little_by_little() {
    let (mut relay, mut stays, _) = crowd();
    assert_eq!(relay.server.allocations(), CROWD + 1);
    let mut calls = 0;
    while relay.server.poll_timeout().is_some_and(|timeout| timeout <= relay.now.monotonic) {
        let before = relay.sockets.len();
        relay.handle_timeout();
        calls += 1;
        assert!((1..=64).contains(&(before - relay.sockets.len())), "a little, and not nothing");
        stays.send_channel(&mut relay, CHANNEL, b"goes on");
        assert_eq!(relay.take_relayed().len(), 1);
    }
    assert_eq!(calls, CROWD.div_ceil(64));
    assert_eq!((relay.server.allocations(), relay.sockets.len()), (1, 1));
    assert_eq!(relay.ledger.total(), 1);
}

#[test]
fn what_is_over_is_gone_before_it_is_taken_away() {
    let (mut relay, _, mut crowd) = crowd();
    let last = crowd.last_mut().expect("a crowd");
    last.send(&mut relay, PEER.into(), b"too late");
    assert_eq!(relay.events, [Event::Dropped(DropReason::NoAllocation)]);
    assert_eq!(last.refresh(&mut relay, 600).error(), Some(437));

    // That it was asked about made its 5-tuple free, and no other.
    assert_eq!(relay.server.allocations(), CROWD);
    let first = &mut crowd[0];
    relay.forget();
    first.allocate(&mut relay);
    let released = relay.events.iter().filter(|event| matches!(event, Event::Released { .. }));
    assert_eq!(released.count(), 1);
    assert_eq!(relay.server.allocations(), CROWD, "one went, one came");
    relay.advance(Duration::ZERO);
    assert_eq!(relay.server.allocations(), 2);
    assert_eq!(first.request(&mut relay, Method::ALLOCATE, allocate_udp).error(), Some(437));
}
