//! RFC 8656 s12.5, s3.1: clients on a byte stream.

use hairpin_sim::client::{Client, Response, allocate_udp, build, channel_data};
use hairpin_sim::relay::Relay;
use hairpin_stun::{AttributeType, Class, FramingLost, Method, Reader, TransactionId};
use hairpin_turn::{Event, ReleaseReason, Transport};

use super::{peer, peer_reaches};

fn ann() -> Client {
    Client::new(1, Transport::Tcp, "ann", "ann's password")
}

/// Ann's side of a conversation: a channel, an indication, data, padded as a stream has it.
fn conversation(client: &mut Client) -> Vec<u8> {
    let mut bytes = Vec::new();
    let id = client.transaction();
    bytes.extend(client.signed(Method::ALLOCATE, id, allocate_udp));
    let id = client.transaction();
    bytes.extend(client.signed(Method::CHANNEL_BIND, id, |w| {
        w.channel_number(0x4000).xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1));
    }));
    for data in [&b"first"[..], b"", b"second!", b"four"] {
        bytes.extend(channel_data(0x4000, data));
        bytes.resize(bytes.len().next_multiple_of(4), 0xEE);
    }
    let id = client.transaction();
    bytes.extend(build(Class::Indication, Method::SEND, id, |w| {
        w.xor_address(AttributeType::XOR_PEER_ADDRESS, peer(1)).bytes(AttributeType::DATA, b"last");
    }));
    bytes
}

/// What the peer hears and the client is answered when the conversation comes in chunks of this
/// size.
fn outcome(chunk: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let mut relay = Relay::default();
    let mut client = ann();
    client.ensure_nonce(&mut relay);
    let mut reader = Reader::new();
    for bytes in conversation(&mut client).chunks(chunk) {
        assert_eq!(relay.stream_sends(client.tuple, &mut reader, bytes), Ok(()));
    }
    assert_eq!(reader.buffered(), 0);
    let heard = relay.take_relayed().into_iter().map(|relayed| relayed.payload).collect();
    let answers = std::iter::from_fn(|| relay.received(&client.tuple)).collect();
    (heard, answers)
}

#[test]
fn c153_one_byte_at_a_time_gives_the_same_results() {
    let whole = outcome(usize::MAX);
    for chunk in [1, 2, 3, 5, 7, 64] {
        assert_eq!(outcome(chunk), whole, "{chunk}");
    }
}

#[test]
fn c154_several_messages_in_one_segment_are_taken_in_order() {
    let (heard, answers) = outcome(usize::MAX);
    assert_eq!(heard, [&b"first"[..], b"", b"second!", b"four", b"last"]);
    let methods: Vec<Method> =
        answers.into_iter().map(|bytes| Response(bytes).message().method()).collect();
    assert_eq!(methods, [Method::ALLOCATE, Method::CHANNEL_BIND]);
}

#[test]
fn c155_a_garbage_first_byte_closes() {
    for first in (4..=63).chain(80..=255) {
        let (mut relay, client, mut reader) = (Relay::default(), ann(), Reader::new());
        let taken = relay.stream_sends(client.tuple, &mut reader, &[first]);
        assert_eq!(taken, Err(FramingLost), "{first}");
    }
    let (mut relay, client, mut reader) = (Relay::default(), ann(), Reader::new());
    let not_stun = b"\x00\x01\x00\x00\x21\x12\xA4\x43";
    let taken = relay.stream_sends(client.tuple, &mut reader, not_stun);
    assert_eq!(taken, Err(FramingLost), "a wrong cookie");
}

#[test]
fn c156_closing_the_stream_frees_the_allocation() {
    let mut relay = Relay::default();
    let mut client = ann();
    let relayed = client.allocate(&mut relay);
    relay.disconnect(&client.tuple);
    assert_eq!((relay.server.allocations(), relay.sockets.len()), (0, 0));
    assert_eq!(relay.ledger.total(), 0);
    let (tuple, reason) = (client.tuple, ReleaseReason::Disconnected);
    assert_eq!(relay.events.last(), Some(&Event::Released { tuple, relayed, reason }));
    relay.disconnect(&client.tuple);
    client.allocate(&mut relay);
}

#[test]
fn c156_closing_it_while_the_socket_is_being_bound_frees_the_socket() {
    let mut relay = Relay::default();
    let mut client = ann();
    client.ensure_nonce(&mut relay);
    relay.hold_binds = true;
    for error in [None, Some(hairpin_turn::BindError::Capacity)] {
        let id = client.transaction();
        let request = client.signed(Method::ALLOCATE, id, allocate_udp);
        assert_eq!(client.exchange(&mut relay, &request), None);
        relay.disconnect(&client.tuple);
        // The 5-tuple is free at once, for the next connection from the same port.
        assert_eq!(client.exchange(&mut relay, &request), None);
        relay.bind_error = error;
        assert!(relay.bind());
        assert_eq!(relay.received(&client.tuple), None, "nobody is there to be told");
        assert!(relay.sockets.is_empty());
        relay.bind_error = None;
        assert!(relay.bind());
        assert!(relay.received(&client.tuple).is_some());
        assert_eq!((relay.server.allocations(), relay.ledger.total()), (1, 1));
        relay.disconnect(&client.tuple);
    }
}

#[test]
fn c157_the_first_frame_from_the_server_is_a_stun_message() {
    let mut relay = Relay::default();
    let mut client = ann();
    let anonymous = build(Class::Request, Method::ALLOCATE, TransactionId([1; 12]), allocate_udp);
    relay.client_sends(client.tuple, &anonymous);
    let first = relay.received(&client.tuple).map(Response).expect("an answer");
    assert_eq!(first.error(), Some(401));
    // Nothing else can come before it: data needs an allocation, and that its answer.
    let relayed = client.allocate(&mut relay);
    assert!(!peer_reaches(&mut relay, &client, relayed, peer(1)));
}

#[test]
fn c191_the_longest_messages_and_channel_data_are_taken() {
    let mut relay = Relay::default();
    let mut client = ann();
    client.allocate(&mut relay);
    client.bind_channel(&mut relay, 0x4000, peer(1));
    let mut reader = Reader::new();
    for len in [65_540, 65_544, 65_548, 65_552] {
        let id = client.transaction();
        let binding = build(Class::Request, Method::BINDING, id, |w| {
            w.bytes(AttributeType::SOFTWARE, &vec![b' '; len - 24]);
        });
        assert_eq!(binding.len(), len);
        for bytes in binding.chunks(1460) {
            assert_eq!(relay.stream_sends(client.tuple, &mut reader, bytes), Ok(()));
        }
        let answer = relay.received(&client.tuple).map(Response).expect("an answer");
        assert!(answer.is_success(), "{len}");
    }
    let mut data = channel_data(0x4000, &vec![7; 65_535]);
    data.resize(65_540, 0);
    assert_eq!(relay.stream_sends(client.tuple, &mut reader, &data), Ok(()));
    assert_eq!(relay.take_relayed().pop().map(|relayed| relayed.payload.len()), Some(65_535));
    assert_eq!(reader.buffered(), 0);
}
