//! RFC 6062: TCP allocations.

use std::num::NonZeroU32;

use hairpin_sim::client::{Client, Response};
use hairpin_sim::relay::{Config, PORT, Relay, SERVER_V4, config};
use hairpin_stun::{AttributeType, Class, Message, Method, Writer, decode};
use hairpin_turn::{ConnectReach, ConnectionId, PeerAddr, RelayedAddr, Rules, TcpRelay, Transport};

use super::{addr, peer, peer_v6};

fn tcp(host: u8, user: &str) -> Client {
    Client::new(host, Transport::Tcp, user, &format!("{user}'s password"))
}

fn allocate_tcp(w: &mut Writer<'_>) {
    w.requested_transport(6);
}

/// Ann's control connection, with a relayed address that peers reach over TCP.
fn allocated() -> (Relay, Client, RelayedAddr) {
    let (mut relay, mut ann) = (Relay::default(), tcp(1, "ann"));
    let relayed = ann.request(&mut relay, Method::ALLOCATE, allocate_tcp).relayed();
    (relay, ann, relayed)
}

/// Another stream of Ann's.
fn data_stream() -> Client {
    tcp(2, "ann")
}

fn connect(relay: &mut Relay, client: &mut Client, to: std::net::SocketAddr) -> Option<Response> {
    client.ensure_nonce(relay);
    let id = client.transaction();
    let request = client.signed(Method::CONNECT, id, |w| {
        w.xor_address(AttributeType::XOR_PEER_ADDRESS, to);
    });
    client.exchange(relay, &request)
}

/// A connection of Ann's to a peer.
fn connected(relay: &mut Relay, ann: &mut Client, to: std::net::SocketAddr) -> ConnectionId {
    assert_eq!(connect(relay, ann, to), None, "it is under way");
    assert!(relay.connect());
    connection_id(&Response(relay.received(&ann.tuple).expect("an answer")))
}

fn connection_id(response: &Response) -> ConnectionId {
    assert_eq!(response.error(), None);
    let id = response.get(AttributeType::CONNECTION_ID).and_then(decode::u32);
    ConnectionId(id.expect("a success has a CONNECTION-ID"))
}

fn bind(relay: &mut Relay, client: &mut Client, id: ConnectionId) -> Response {
    client.request(relay, Method::CONNECTION_BIND, |w| {
        w.u32(AttributeType::CONNECTION_ID, id.0);
    })
}

/// The error code that comes without being asked for again.
fn late_error(relay: &mut Relay, client: &Client) -> Option<u16> {
    relay.received(&client.tuple).and_then(|bytes| Response(bytes).error())
}

#[test]
fn c164_transport_6_over_datagrams_is_400() {
    for transport in [Transport::Udp, Transport::Dtls] {
        let mut ann = Client::new(1, transport, "ann", "ann's password");
        let response = ann.request(&mut Relay::default(), Method::ALLOCATE, allocate_tcp);
        assert_eq!(response.error(), Some(400), "{transport:?}");
    }
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut ann = Client::new(1, transport, "ann", "ann's password");
        let response = ann.request(&mut Relay::default(), Method::ALLOCATE, allocate_tcp);
        assert!(response.is_success() && response.lifetime() == Some(600), "{transport:?}");
    }
}

#[test]
fn c164_where_it_is_switched_off_transport_6_is_442() {
    let Config { rules, own, seed } = config();
    let rules = Rules { tcp_relay: TcpRelay::Off, ..rules };
    let mut relay = Relay::new(Config { rules, own, seed });
    let response = tcp(1, "ann").request(&mut relay, Method::ALLOCATE, allocate_tcp);
    assert_eq!(response.error(), Some(442));
}

#[test]
fn c165_attributes_of_datagrams_do_not_go_with_tcp() {
    for (kind, value) in [
        (AttributeType::EVEN_PORT, &[0][..]),
        (AttributeType::EVEN_PORT, &[0x80]),
        (AttributeType::DONT_FRAGMENT, &[]),
        (AttributeType::RESERVATION_TOKEN, &[7; 8]),
    ] {
        let response = tcp(1, "ann").request(&mut Relay::default(), Method::ALLOCATE, |w| {
            allocate_tcp(w);
            w.bytes(kind, value);
        });
        // An attribute that is not understood anywhere is told first.
        let unknown = response.unknown_attributes().contains(&kind);
        assert_eq!(response.error(), Some(if unknown { 420 } else { 400 }), "{kind:?}");
    }
}

#[test]
fn c166_connect_needs_a_peer_an_allocation_and_leave() {
    let (mut relay, mut ann, relayed) = allocated();
    let without = ann.request(&mut relay, Method::CONNECT, |_| {});
    assert_eq!(without.error(), Some(400));
    let mut other = data_stream();
    let nothing = connect(&mut relay, &mut other, peer(1)).expect("an answer");
    assert_eq!(nothing.error(), Some(437));
    let listener = std::net::SocketAddr::new(SERVER_V4, PORT);
    for denied in
        [addr("10.0.0.1:80"), addr("127.0.0.1:80"), listener, relayed.0, addr("198.51.100.1:0")]
    {
        let refused = connect(&mut relay, &mut ann, denied).expect("an answer");
        assert_eq!(refused.error(), Some(403), "{denied}");
    }
    let family = connect(&mut relay, &mut ann, peer_v6(1)).expect("an answer");
    assert_eq!(family.error(), Some(443));
    assert!(relay.connections.under_way.is_empty());
}

#[test]
fn c166_an_allocation_of_datagrams_has_no_connections() {
    let (mut relay, mut ann) = (Relay::default(), tcp(1, "ann"));
    ann.allocate(&mut relay);
    let refused = connect(&mut relay, &mut ann, peer(1)).expect("an answer");
    assert_eq!(refused.error(), Some(437));
}

#[test]
fn c166_a_relayed_address_of_ours_is_connected_to_as_such() {
    let (mut relay, mut ann, _) = allocated();
    let mut bob = tcp(3, "bob");
    let bobs = bob.request(&mut relay, Method::ALLOCATE, allocate_tcp).relayed();
    assert_eq!(connect(&mut relay, &mut ann, bobs.0), None);
    let asked = relay.connections.under_way.values().next().expect("it is asked for");
    assert_eq!((asked.1, asked.2), (PeerAddr(bobs.0), ConnectReach::Ourselves));
}

#[test]
fn c167_a_second_connection_to_a_peer_is_446() {
    let (mut relay, mut ann, _) = allocated();
    assert_eq!(connect(&mut relay, &mut ann, peer(1)), None);
    let again = |relay: &mut Relay, ann: &mut Client| {
        connect(relay, ann, peer(1)).expect("an answer").error()
    };
    assert_eq!(again(&mut relay, &mut ann), Some(446), "while it is under way");
    relay.connect();
    let id = connection_id(&Response(relay.received(&ann.tuple).expect("an answer")));
    assert_eq!(again(&mut relay, &mut ann), Some(446), "while it waits for the client");
    assert!(bind(&mut relay, &mut data_stream(), id).is_success());
    assert_eq!(again(&mut relay, &mut ann), Some(446), "while it is used");
    relay.connection_closes(id);
    assert_eq!(connect(&mut relay, &mut ann, peer(1)), None, "now it may be had again");
}

#[test]
fn c168_a_connection_that_fails_or_takes_too_long_is_447() {
    let (mut relay, mut ann, _) = allocated();
    assert_eq!(connect(&mut relay, &mut ann, peer(1)), None);
    relay.fail_to_connect();
    let answer = Response(relay.received(&ann.tuple).expect("an answer"));
    assert!(answer.error() == Some(447) && answer.is_signed(&ann.key));
    assert_eq!(connect(&mut relay, &mut ann, peer(1)), None);
    relay.advance_secs(29);
    assert_eq!(late_error(&mut relay, &ann), None);
    relay.advance_secs(1);
    assert_eq!(late_error(&mut relay, &ann), Some(447));
    assert!(relay.connections.under_way.is_empty(), "it is given up");
}

#[test]
fn c168_there_is_room_for_so_many_and_no_more() {
    let (mut relay, mut ann, _) = allocated();
    for host in 1..=4 {
        connected(&mut relay, &mut ann, peer(host));
    }
    assert_eq!(connect(&mut relay, &mut ann, peer(5)).expect("an answer").error(), Some(508));
}

#[test]
fn c169_a_connection_that_nobody_comes_for_is_closed_after_30_seconds() {
    let (mut relay, mut ann, _) = allocated();
    let id = connected(&mut relay, &mut ann, peer(1));
    relay.advance_secs(29);
    assert!(relay.connections.open.contains_key(&id));
    relay.advance_secs(1);
    assert_eq!(relay.connections.closed, [id]);
    assert_eq!(bind(&mut relay, &mut data_stream(), id).error(), Some(400));
    // One that somebody has come for stays.
    let id = connected(&mut relay, &mut ann, peer(1));
    assert!(bind(&mut relay, &mut data_stream(), id).is_success());
    relay.advance_secs(500);
    assert!(relay.connections.open.contains_key(&id));
}

#[test]
fn c170_a_peer_with_permission_is_announced() {
    let (mut relay, mut ann, relayed) = allocated();
    assert_eq!(relay.peer_connects(peer(1), relayed), None, "nobody has let it in");
    assert_eq!(relay.received(&ann.tuple), None);
    ann.permit(&mut relay, &[peer(1)]);
    let id = relay.peer_connects(peer(1), relayed).expect("now it is let in");
    let bytes = relay.received(&ann.tuple).expect("an indication");
    let attempt = Message::parse(&bytes).expect("well-formed");
    let kind = (attempt.class(), attempt.method());
    assert_eq!(kind, (Class::Indication, Method::CONNECTION_ATTEMPT));
    let value = attempt.get(AttributeType::XOR_PEER_ADDRESS).expect("a peer");
    assert_eq!(decode::xor_address(value, attempt.transaction_id()), Some(peer(1)));
    let number = attempt.get(AttributeType::CONNECTION_ID).and_then(decode::u32);
    assert_eq!(number, Some(id.0));
    assert!(bind(&mut relay, &mut data_stream(), id).is_success());
    relay.advance_secs(300);
    assert_eq!(relay.peer_connects(peer(2), relayed), None);
    assert_eq!(relay.peer_connects(peer(1), relayed), None, "the permission is over");
    assert!(relay.connections.open.contains_key(&id), "what is there stays");
}

#[test]
fn c170_a_datagram_of_a_peer_is_nothing_to_a_tcp_allocation() {
    let (mut relay, mut ann, relayed) = allocated();
    ann.permit(&mut relay, &[peer(1)]);
    relay.peer_sends(peer(1), relayed, b"ping");
    let mut bob = Client::bob(3);
    let bobs = bob.allocate(&mut relay);
    bob.permit(&mut relay, &[relayed.0]);
    ann.permit(&mut relay, &[bobs.0]);
    bob.send(&mut relay, relayed.0, b"from within");
    assert_eq!(relay.received(&ann.tuple), None);
}

#[test]
fn c171_connection_bind_needs_a_stream_and_a_number_that_waits() {
    let (mut relay, mut ann, _) = allocated();
    let id = connected(&mut relay, &mut ann, peer(1));
    let mut over_udp = Client::ann(2);
    assert_eq!(bind(&mut relay, &mut over_udp, id).error(), Some(400));
    assert_eq!(bind(&mut relay, &mut ann, id).error(), Some(400), "the control connection");
    let unknown = ConnectionId(id.0 ^ 1);
    assert_eq!(bind(&mut relay, &mut data_stream(), unknown).error(), Some(400));
    let without = data_stream().request(&mut relay, Method::CONNECTION_BIND, |_| {});
    assert_eq!(without.error(), Some(400));
    assert!(bind(&mut relay, &mut data_stream(), id).is_success());
    assert_eq!(bind(&mut relay, &mut tcp(4, "ann"), id).error(), Some(400), "it is used");
}

#[test]
fn c172_a_connection_is_for_who_has_the_allocation() {
    let (mut relay, mut ann, _) = allocated();
    let id = connected(&mut relay, &mut ann, peer(1));
    assert_eq!(bind(&mut relay, &mut tcp(3, "bob"), id).error(), Some(441));
    let mut forger = data_stream();
    forger.key = tcp(1, "bob").key;
    assert_eq!(bind(&mut relay, &mut forger, id).error(), Some(401));
    assert_eq!(relay.connections.open[&id], None);
    let answer = bind(&mut relay, &mut data_stream(), id);
    assert!(answer.is_success() && answer.is_signed(&ann.key));
    assert_eq!(relay.connections.open[&id], Some(data_stream().tuple));
}

#[test]
fn c172_a_rest_credential_that_has_run_out_still_binds_for_its_allocation() {
    use hairpin_sim::relay::{EPOCH, SECRET};
    let issued = hairpin_turn::rest_credentials(SECRET, "cleo", EPOCH + 60);
    let cleo = |host| Client::new(host, Transport::Tcp, &issued.username, &issued.password);
    let (mut relay, mut control) = (Relay::default(), cleo(1));
    control.request(&mut relay, Method::ALLOCATE, allocate_tcp).relayed();
    relay.advance_secs(120);
    let id = connected(&mut relay, &mut control, peer(1));
    assert!(bind(&mut relay, &mut cleo(2), id).is_success());
}

#[test]
fn c173_the_stream_of_another_shards_connection_is_handed_over_whole() {
    let three = NonZeroU32::new(3).expect("three");
    let shard = |number| {
        let mut relay = Relay::default();
        relay.server = relay.server.one_of(number, three);
        relay
    };
    let (mut here, mut home) = (shard(0), shard(2));
    let mut ann = tcp(1, "ann");
    ann.request(&mut home, Method::ALLOCATE, allocate_tcp).relayed();
    let id = connected(&mut home, &mut ann, peer(1));
    assert_eq!(id.0 % 3, 2, "the number says whose it is");

    let mut stream = data_stream();
    stream.ensure_nonce(&mut here);
    let transaction = stream.transaction();
    let request = stream.signed(Method::CONNECTION_BIND, transaction, |w| {
        w.u32(AttributeType::CONNECTION_ID, id.0);
    });
    assert_eq!(stream.exchange(&mut here, &request), None, "it is answered elsewhere");
    assert_eq!(here.connections.handed_over, [(stream.tuple, 2, request.clone())]);
    let answer = stream.exchange(&mut home, &request).expect("an answer");
    assert!(answer.is_success() && home.connections.open[&id] == Some(stream.tuple));
}

#[test]
fn c173_nothing_that_proves_nothing_and_no_control_connection_is_handed_over() {
    let mut relay = Relay::default();
    relay.server = relay.server.one_of(0, NonZeroU32::new(2).expect("two"));
    let mut ann = tcp(1, "ann");
    ann.request(&mut relay, Method::ALLOCATE, allocate_tcp).relayed();
    assert_eq!(bind(&mut relay, &mut ann, ConnectionId(7)).error(), Some(400));
    assert_eq!(bind(&mut relay, &mut Client::ann(2), ConnectionId(7)).error(), Some(400));
    let stranger = data_stream();
    let unsigned = hairpin_sim::build(
        Class::Request,
        Method::CONNECTION_BIND,
        hairpin_stun::TransactionId([7; 12]),
        |w| _ = w.u32(AttributeType::CONNECTION_ID, 7),
    );
    let challenge = stranger.exchange(&mut relay, &unsigned).expect("an answer");
    assert_eq!(challenge.error(), Some(401));
    assert_eq!(relay.connections.handed_over, []);
}

#[test]
fn c174_connections_end_with_their_allocation() {
    type End = fn(&mut Relay, &mut Client);
    let ends: [End; 3] = [
        |relay, _| relay.advance_secs(600),
        |relay, ann| relay.disconnect(&ann.tuple),
        |relay, ann| assert!(ann.refresh(relay, 0).is_success()),
    ];
    for end in ends {
        let (mut relay, mut ann, relayed) = allocated();
        let used = connected(&mut relay, &mut ann, peer(1));
        assert!(bind(&mut relay, &mut data_stream(), used).is_success());
        relay.advance_secs(580);
        ann.permit(&mut relay, &[peer(3)]);
        let waiting = relay.peer_connects(peer(3), relayed).expect("it is let in");
        assert!(relay.received(&ann.tuple).is_some(), "Ann is told");
        assert_eq!(connect(&mut relay, &mut ann, peer(2)), None);
        relay.forget();
        end(&mut relay, &mut ann);
        assert_eq!(relay.connections.closed.len(), 3);
        assert!(
            relay.connections.closed.contains(&used) && relay.connections.closed.contains(&waiting)
        );
        assert!(relay.connections.open.is_empty() && relay.connections.under_way.is_empty());
        assert!(relay.sockets.is_empty());
    }
}

#[test]
fn c175_a_tcp_allocation_takes_no_datagrams() {
    let (mut relay, mut ann, _) = allocated();
    ann.permit(&mut relay, &[peer(1)]);
    ann.send(&mut relay, peer(1), b"nothing");
    assert!(relay.take_relayed().is_empty());
    assert_eq!(ann.bind_channel(&mut relay, 0x4000, peer(1)).error(), Some(403));
    ann.send_channel(&mut relay, 0x4000, b"nothing");
    assert!(relay.take_relayed().is_empty() && relay.received(&ann.tuple).is_none());
}
