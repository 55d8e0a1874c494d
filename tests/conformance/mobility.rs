//! RFC 8016: mobility, which is off unless it is asked for.

use std::net::SocketAddr;

use hairpin_sim::client::{Client, Received, Response, allocate_udp};
use hairpin_sim::relay::{Config, Relay, config};
use hairpin_stun::{AttributeType, Method, TransactionId};
use hairpin_turn::{Event, Mobility, Quotas, RelayTransport, RelayedAddr, Rules, Transport};

const PEER: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7)), 4000);

fn mobile() -> Relay {
    let Config { rules, own, seed } = config();
    Relay::new(Config { rules: Rules { mobility: Mobility::On, ..rules }, own, seed })
}

fn ticket(response: &Response) -> Vec<u8> {
    assert_eq!(response.error(), None);
    response.get(AttributeType::MOBILITY_TICKET).expect("a ticket").to_vec()
}

/// Allocates with a ticket.
fn allocate(relay: &mut Relay, client: &mut Client) -> (RelayedAddr, Vec<u8>) {
    let response = client.request(relay, Method::ALLOCATE, |writer| {
        allocate_udp(writer);
        writer.bytes(AttributeType::MOBILITY_TICKET, b"");
    });
    (response.relayed(), ticket(&response))
}

fn show(relay: &mut Relay, client: &mut Client, ticket: &[u8]) -> Response {
    client.request(relay, Method::REFRESH, |writer| {
        writer.bytes(AttributeType::MOBILITY_TICKET, ticket);
    })
}

/// The same person elsewhere.
fn elsewhere(client: &Client, host: u8, transport: Transport) -> Client {
    let mut moved = Client::ann(host);
    moved.username.clone_from(&client.username);
    moved.key = client.key.clone();
    moved.tuple.transport = transport;
    moved
}

fn hears(relay: &mut Relay, client: &Client, relayed: RelayedAddr) -> bool {
    relay.peer_sends(PEER, relayed, b"to the client");
    let heard = client.receive(relay).is_some();
    relay.forget();
    heard
}

#[test]
fn c179_a_ticket_is_not_given_out() {
    let mut relay = Relay::default();
    let mut ann = Client::ann(1);
    let mut allocate = |ticket: &[u8]| {
        ann.request(&mut relay, Method::ALLOCATE, |w| {
            allocate_udp(w);
            w.bytes(AttributeType::MOBILITY_TICKET, ticket);
        })
    };
    assert_eq!(allocate(b"").error(), Some(405));
    assert_eq!(allocate(b"some ticket").error(), Some(400), "who asks for one has none to show");
    // As RFC 8016 has it, the client asks again without.
    ann.allocate(&mut relay);
    let refreshed = show(&mut relay, &mut ann, b"some ticket");
    assert_eq!(refreshed.error(), None, "the attribute says nothing here");
    assert!(!refreshed.has(AttributeType::MOBILITY_TICKET));
}

#[test]
fn c179_only_who_can_move_is_given_a_ticket() {
    let mut relay = mobile();
    let mut dtls = elsewhere(&Client::ann(1), 1, Transport::Dtls);
    let response = dtls.request(&mut relay, Method::ALLOCATE, |writer| {
        allocate_udp(writer);
        writer.bytes(AttributeType::MOBILITY_TICKET, b"");
    });
    assert_eq!(response.error(), Some(405));
    let mut tcp = elsewhere(&Client::ann(2), 2, Transport::Tcp);
    let response = tcp.request(&mut relay, Method::ALLOCATE, |writer| {
        let transport = Some(RelayTransport::Tcp);
        hairpin_sim::Allocate { transport, ..Default::default() }.write(writer);
        writer.bytes(AttributeType::MOBILITY_TICKET, b"");
    });
    assert_eq!(response.error(), Some(405));
    let mut plain = Client::ann(3);
    let response = plain.request(&mut relay, Method::ALLOCATE, allocate_udp);
    assert!(!response.has(AttributeType::MOBILITY_TICKET), "nobody asked");
}

#[test]
fn c180_an_allocation_moves_with_all_that_it_has() {
    for transport in [Transport::Udp, Transport::Tcp, Transport::Tls] {
        let mut relay = mobile();
        let mut ann = Client::ann(1);
        let (relayed, first) = allocate(&mut relay, &mut ann);
        assert!(ann.bind_channel(&mut relay, 0x4001, PEER).is_success());
        let mut moved = elsewhere(&ann, 9, transport);
        let second = ticket(&show(&mut relay, &mut moved, &first));
        assert_ne!(first, second);
        // The old 5-tuple is in use until the client is heard from the new one.
        assert!(hears(&mut relay, &ann, relayed));
        ann.send_channel(&mut relay, 0x4001, b"still here");
        assert_eq!(relay.take_relayed().len(), 1);
        moved.send_channel(&mut relay, 0x4001, b"here now");
        let passed = relay.take_relayed();
        assert_eq!((passed[0].from, &passed[0].payload[..]), (relayed, &b"here now"[..]));
        relay.peer_sends(PEER, relayed, b"welcome");
        let heard = moved.receive(&mut relay);
        assert!(matches!(heard, Some(Received::Channel { .. })), "{heard:?}");
        assert!(!hears(&mut relay, &ann, relayed));
        ann.send_channel(&mut relay, 0x4001, b"gone");
        assert_eq!(relay.take_relayed(), []);
        assert_eq!(ann.refresh(&mut relay, 600).error(), Some(437));
        assert_eq!(moved.refresh(&mut relay, 600).error(), None);
        // And back again, with the ticket that was given out last.
        assert_eq!(show(&mut relay, &mut ann, &first).error(), Some(437), "it has been used");
        ticket(&show(&mut relay, &mut ann, &second));
        assert!(ann.permit(&mut relay, &[PEER]).is_success());
        assert!(hears(&mut relay, &ann, relayed), "a request is a sign of life, too");
        assert_eq!(show(&mut relay, &mut moved, &second).error(), Some(437));
    }
}

#[test]
fn c180_a_ticket_is_its_users_and_forged_ones_are_nobodys() {
    let mut relay = mobile();
    let mut ann = Client::ann(1);
    let (_, first) = allocate(&mut relay, &mut ann);
    let mut bob = Client::bob(2);
    assert_eq!(show(&mut relay, &mut bob, &first).error(), Some(441));
    assert_eq!(show(&mut relay, &mut ann, &first).error(), Some(400), "it is there already");
    let mut moved = elsewhere(&ann, 3, Transport::Udp);
    for at in 0..first.len() {
        let mut forged = first.clone();
        forged[at] ^= 1;
        assert_eq!(show(&mut relay, &mut moved, &forged).error(), Some(400), "{at}");
    }
    for forged in [&b""[..], b"x", &first[1..], &[first.as_slice(), b"\0\0\0\0"].concat()] {
        assert_eq!(show(&mut relay, &mut moved, forged).error(), Some(400));
    }
    // Where one has an allocation, another cannot be had.
    moved.allocate(&mut relay);
    assert_eq!(show(&mut relay, &mut moved, &first).error(), Some(400));
    assert_eq!(relay.server.allocations(), 2);
    // It has cost nothing: the ticket is still good.
    ticket(&show(&mut relay, &mut elsewhere(&ann, 4, Transport::Tcp), &first));
}

#[test]
fn c180_a_lost_answer_strands_nobody() {
    let mut relay = mobile();
    let mut ann = Client::ann(1);
    let (relayed, first) = allocate(&mut relay, &mut ann);
    ann.permit(&mut relay, &[PEER]);
    let mut second = elsewhere(&ann, 2, Transport::Udp);
    second.ensure_nonce(&mut relay);
    let request = second.signed(Method::REFRESH, TransactionId([7; 12]), |writer| {
        writer.bytes(AttributeType::MOBILITY_TICKET, &first);
    });
    let answer = second.exchange(&mut relay, &request).expect("an answer");
    assert_eq!(second.exchange(&mut relay, &request), Some(answer.clone()), "the same again");
    // It never heard, and has gone on.
    let mut third = elsewhere(&ann, 3, Transport::Tcp);
    let next = ticket(&show(&mut relay, &mut third, &first));
    assert_eq!(second.refresh(&mut relay, 600).error(), Some(437), "it is not there");
    assert!(third.permit(&mut relay, &[PEER]).is_success());
    assert!(hears(&mut relay, &third, relayed));
    // It heard, was silent, and has gone on with what it heard.
    let mut fourth = elsewhere(&ann, 4, Transport::Udp);
    let after = ticket(&show(&mut relay, &mut fourth, &next));
    let mut fifth = elsewhere(&ann, 5, Transport::Udp);
    ticket(&show(&mut relay, &mut fifth, &after));
    fifth.send(&mut relay, PEER, b"here");
    assert_eq!(relay.take_relayed().len(), 1);
    assert!(hears(&mut relay, &fifth, relayed));
    for used in [first, next, after] {
        let mut sixth = elsewhere(&ann, 6, Transport::Udp);
        assert_eq!(show(&mut relay, &mut sixth, &used).error(), Some(437));
    }
}

#[test]
fn c180_a_closed_stream_is_waited_for_and_its_end_comes_all_the_same() {
    let mut relay = mobile();
    let mut ann = elsewhere(&Client::ann(1), 1, Transport::Tcp);
    let (relayed, first) = allocate(&mut relay, &mut ann);
    ann.permit(&mut relay, &[PEER]);
    relay.disconnect(&ann.tuple);
    assert_eq!(relay.server.allocations(), 1);
    assert!(!hears(&mut relay, &ann, relayed), "whoever has this address next does not hear it");
    let mut moved = elsewhere(&ann, 2, Transport::Udp);
    let next = ticket(&show(&mut relay, &mut moved, &first));
    assert!(hears(&mut relay, &moved, relayed), "it was nowhere else");
    // The old stream closes before anything comes from the new place: it is where it said it is.
    let mut third = elsewhere(&ann, 3, Transport::Tcp);
    ticket(&show(&mut relay, &mut third, &next));
    third.permit(&mut relay, &[PEER]);
    relay.disconnect(&third.tuple);
    relay.advance_secs(3700);
    assert_eq!((relay.server.allocations(), relay.ledger.total()), (0, 0));
    moved.nonce.clear();
    assert_eq!(show(&mut relay, &mut moved, &next).error(), Some(437));
}

#[test]
fn c180_it_counts_where_it_was_made_and_ends_from_elsewhere() {
    let Config { rules, own, seed } = config();
    let rules = Rules { mobility: Mobility::On, ..rules };
    let quotas = Quotas { user: Some(1), ..Quotas::default() };
    let mut relay = Relay::with_quotas(Config { rules, own, seed }, quotas);
    let mut ann = Client::ann(1);
    for round in 0..3 {
        let (_, first) = allocate(&mut relay, &mut ann);
        let mut moved = elsewhere(&ann, 2, Transport::Udp);
        let next = ticket(&show(&mut relay, &mut moved, &first));
        if round > 0 {
            moved.send(&mut relay, PEER, b"here");
        }
        let ticket = if round == 2 { next } else { first };
        let mut gone = if round == 0 { moved } else { elsewhere(&ann, 3, Transport::Udp) };
        let ended = gone.request(&mut relay, Method::REFRESH, |writer| {
            writer.u32(AttributeType::LIFETIME, 0);
            writer.bytes(AttributeType::MOBILITY_TICKET, &ticket);
        });
        match round {
            1 => assert_eq!(ended.error(), Some(437), "used"),
            _ => assert_eq!(ended.error(), None),
        }
        if round == 1 {
            let mut there = elsewhere(&ann, 2, Transport::Udp);
            assert_eq!(there.refresh(&mut relay, 0).error(), None);
        }
        assert_eq!((relay.server.allocations(), relay.ledger.total()), (0, 0), "{round}");
    }
}

#[test]
fn c180_both_of_two_move_and_the_one_that_is_left_still_can() {
    let mut relay = mobile();
    let mut ann = Client::ann(1);
    let response = ann.request(&mut relay, Method::ALLOCATE, |writer| {
        allocate_udp(writer);
        writer.bytes(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]);
        writer.bytes(AttributeType::MOBILITY_TICKET, b"");
    });
    let first = ticket(&response);
    let mut moved = elsewhere(&ann, 2, Transport::Udp);
    let next = ticket(&show(&mut relay, &mut moved, &first));
    let v6: SocketAddr = "[2001:db8::99]:4000".parse().expect("literal");
    assert!(moved.permit(&mut relay, &[PEER, v6]).is_success());
    assert_eq!(ann.refresh(&mut relay, 600).error(), Some(437));
    let ended = moved.request(&mut relay, Method::REFRESH, |writer| {
        writer.u32(AttributeType::LIFETIME, 0);
        writer.bytes(AttributeType::REQUESTED_ADDRESS_FAMILY, &[1, 0, 0, 0]);
    });
    assert_eq!(ended.error(), None);
    ticket(&show(&mut relay, &mut ann, &next));
    ann.send(&mut relay, v6, b"from the first place");
    assert_eq!(relay.take_relayed().len(), 1);
    let moves = relay.events.iter().filter(|event| matches!(event, Event::Moved { .. }));
    assert_eq!(moves.count(), 2);
}
