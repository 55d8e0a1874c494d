//! RFC 8656 s8: Refresh.

use hairpin_stun::{AttributeType, Method};
use hairpin_turn::{Event, ReleaseReason};

use super::{allocated, peer, peer_reaches};

#[test]
fn c102_lifetime_0_frees_at_once() {
    let (mut relay, mut client, relayed) = allocated();
    let response = client.refresh(&mut relay, 0);
    assert!(response.is_success() && response.is_signed(&client.key));
    assert_eq!(response.lifetime(), Some(0));
    assert_eq!((relay.server.allocations(), relay.sockets.len()), (0, 0));
    assert_eq!(relay.ledger.total(), 0);
    let (tuple, reason) = (client.tuple, ReleaseReason::Deleted);
    assert!(relay.events.contains(&Event::Released { tuple, relayed, reason }));
    assert_eq!(relay.server.poll_timeout(), None);
}

#[test]
fn c103_a_second_time_is_437() {
    let (mut relay, mut client, _) = allocated();
    client.refresh(&mut relay, 0);
    assert_eq!(client.refresh(&mut relay, 0).error(), Some(437));
}

#[test]
fn c104_lifetimes_are_clamped_and_the_value_set_is_told() {
    let (mut relay, mut client, _) = allocated();
    for (asked, granted) in [(1, 600), (600, 600), (1234, 1234), (3600, 3600), (u32::MAX, 3600)] {
        assert_eq!(client.refresh(&mut relay, asked).lifetime(), Some(granted), "{asked}");
    }
    let response = client.request(&mut relay, Method::REFRESH, |_| {});
    assert_eq!(response.lifetime(), Some(600));
    relay.advance_secs(599);
    assert_eq!(relay.server.allocations(), 1);
    assert!(client.refresh(&mut relay, 700).is_success());
    relay.advance_secs(699);
    assert_eq!(relay.server.allocations(), 1);
    relay.advance_secs(1);
    assert_eq!(relay.server.allocations(), 0);
}

#[test]
fn c104_a_malformed_lifetime_is_400() {
    let (mut relay, mut client, _) = allocated();
    let response = client.request(&mut relay, Method::REFRESH, |w| {
        w.bytes(AttributeType::LIFETIME, &[0]);
    });
    assert_eq!(response.error(), Some(400));
    assert_eq!(relay.server.allocations(), 1);
}

#[test]
fn c105_another_family_than_the_allocations_is_443() {
    let (mut relay, mut client, _) = allocated();
    for (family, error) in [(1, None), (2, Some(443))] {
        let response = client.request(&mut relay, Method::REFRESH, |w| {
            w.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, family);
        });
        assert_eq!(response.error(), error, "{family}");
    }
}

/// There are no dual allocations yet, so this is all that can be asked of a family that is not there.
#[test]
fn c106_deleting_a_family_that_is_not_there_deletes_nothing() {
    let (mut relay, mut client, _) = allocated();
    let response = client.request(&mut relay, Method::REFRESH, |w| {
        w.u32(AttributeType::LIFETIME, 0);
        w.address_family(AttributeType::REQUESTED_ADDRESS_FAMILY, 2);
    });
    assert_eq!(response.error(), Some(443));
    assert_eq!(relay.server.allocations(), 1);
}

#[test]
fn c107_a_refresh_touches_no_permission_and_no_channel() {
    let (mut relay, mut client, relayed) = allocated();
    client.refresh(&mut relay, 3600);
    client.bind_channel(&mut relay, 0x4000, peer(1));
    relay.advance_secs(299);
    client.refresh(&mut relay, 3600);
    assert!(peer_reaches(&mut relay, &client, relayed, peer(1)));
    relay.advance_secs(2);
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)));
    relay.advance_secs(297);
    client.refresh(&mut relay, 3600);
    client.permit(&mut relay, &[peer(1)]);
    relay.advance_secs(2);
    client.send_channel(&mut relay, 0x4000, b"data");
    assert!(relay.to_peers.is_empty(), "the channel is gone at 600 s");
}

#[test]
fn c108_data_refreshes_nothing() {
    let (mut relay, mut client, relayed) = allocated();
    client.bind_channel(&mut relay, 0x4000, peer(1));
    for second in 0..600 {
        relay.advance_secs(1);
        client.send_channel(&mut relay, 0x4000, b"data");
        client.send(&mut relay, peer(1), b"data");
        relay.peer_sends(peer(1), relayed, b"data");
        relay.forget();
        assert_eq!(relay.server.allocations(), usize::from(second < 599), "{second}");
    }
}
