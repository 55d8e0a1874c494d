//! What holds for all input: no panic, and what is written is what is read.

use std::net::SocketAddr;

use hairpin_stun::{
    AttributeType, BufferTooSmall, ChannelData, ChannelNumber, Class, Frame, Head, Message, Method,
    OwnedPacket, TransactionId, Writer, decode, next_frame,
};
use proptest::collection::vec;
use proptest::prelude::*;

/// Bytes that get past the header checks now and then: a STUN header in front of anything.
fn datagrams() -> impl Strategy<Value = Vec<u8>> {
    let framed = (any::<[u8; 2]>(), any::<[u8; 12]>(), attributes()).prop_map(|(t, id, body)| {
        let length = u16::try_from(body.len()).expect("bodies are short").to_be_bytes();
        let header = [&[t[0] & 0x3F, t[1]][..], &length, b"\x21\x12\xA4\x42", &id].concat();
        [header, body].concat()
    });
    prop_oneof![vec(any::<u8>(), 0..200), framed]
}

/// Attribute-like bytes: often well-formed, of types that mean something to the codec.
fn attributes() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![
        Just(0x0008_u16),
        Just(0x001C),
        Just(0x8028),
        Just(0x0013),
        Just(0x0012),
        any::<u16>()
    ];
    let length = prop_oneof![4 => 0_u16..40, 1 => any::<u16>()];
    let attribute = (kind, length).prop_map(|(kind, length)| {
        let value = vec![0x5A; usize::from(length.min(64)).next_multiple_of(4)];
        [&kind.to_be_bytes()[..], &length.to_be_bytes(), &value].concat()
    });
    vec(attribute, 0..8).prop_map(|attributes| attributes.concat())
}

fn classes() -> impl Strategy<Value = Class> {
    prop_oneof![
        Just(Class::Request),
        Just(Class::Indication),
        Just(Class::Success),
        Just(Class::Error)
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_panic(bytes in datagrams()) {
        let _ = ChannelData::parse(&bytes);
        if let Frame::Complete { len, padded } = next_frame(&bytes) {
            prop_assert!(0 < len && len <= padded && padded <= bytes.len());
        }
        if let Ok(message) = Message::parse(&bytes) {
            prop_assert!(message.as_bytes().len() <= bytes.len());
            let _ = (message.check_integrity(b"key"), message.check_integrity_sha256(b"key"));
            prop_assert!(message.unknown_required(&[]).all(|t| t.is_comprehension_required()));
            for attribute in message.attributes() {
                prop_assert_eq!(&bytes[attribute.range()], attribute.value);
                prop_assert!(message.get(attribute.kind).is_some());
            }
        }
    }

    #[test]
    fn any_value_is_decoded_without_panic(
        value in vec(any::<u8>(), 0..800),
        id in any::<[u8; 12]>(),
    ) {
        let _ = decode::xor_address(&value, TransactionId(id));
        let _ = decode::address(&value);
        let _ = decode::u32(&value);
        let _ = decode::text(&value);
        let _ = decode::short_text(&value);
        let _ = decode::channel_number(&value);
        let _ = decode::requested_transport(&value);
        let _ = decode::address_family(&value);
        let _ = decode::error_code(&value);
        prop_assert_eq!(decode::unknown_attributes(&value).count(), value.len() / 2);
    }

    #[test]
    fn a_message_reads_as_it_was_written(
        class in classes(),
        method in 0_u16..0x1000,
        id in any::<[u8; 12]>(),
        address in any::<SocketAddr>(),
        lifetime in any::<u32>(),
        data in vec(any::<u8>(), 0..100),
        text in ".{0,100}",
        key in vec(any::<u8>(), 0..100),
    ) {
        let (method, id) = (Method(method), TransactionId(id));
        let mut buf = [0xEE; 1024];
        let len = Writer::new(&mut buf, class, method, id)
            .xor_address(AttributeType::XOR_PEER_ADDRESS, address)
            .address(AttributeType::MAPPED_ADDRESS, address)
            .u32(AttributeType::LIFETIME, lifetime)
            .bytes(AttributeType::DATA, &data)
            .text(AttributeType::SOFTWARE, &text)
            .integrity(&key)
            .integrity_sha256(&key)
            .fingerprint()
            .finish()
            .expect("1024 bytes are enough");

        let message = Message::parse(&buf[..len]).expect("a message");
        prop_assert_eq!(message.as_bytes().len(), len);
        prop_assert_eq!((message.class(), message.method()), (class, method));
        prop_assert_eq!(message.transaction_id(), id);
        let get = |kind| message.get(kind).expect("written");
        // Flow label and scope of an IPv6 address are not on the wire.
        let address = SocketAddr::new(address.ip(), address.port());
        let peer = decode::xor_address(get(AttributeType::XOR_PEER_ADDRESS), id);
        prop_assert_eq!(peer, Some(address));
        prop_assert_eq!(decode::address(get(AttributeType::MAPPED_ADDRESS)), Some(address));
        prop_assert_eq!(decode::u32(get(AttributeType::LIFETIME)), Some(lifetime));
        prop_assert_eq!(get(AttributeType::DATA), &data);
        prop_assert_eq!(decode::text(get(AttributeType::SOFTWARE)), Some(&text[..]));
        prop_assert_eq!(message.check_integrity(&key), Ok(()));
        prop_assert_eq!(message.check_integrity_sha256(&key), Ok(()));
        prop_assert!(message.get(AttributeType::FINGERPRINT).is_some());
    }

    #[test]
    fn a_buffer_of_any_size_is_enough_or_an_error(
        size in 0_usize..200,
        data in vec(any::<u8>(), 0..150),
    ) {
        let id = TransactionId([7; 12]);
        let needed = 20 + 4 + data.len().next_multiple_of(4) + 24 + 8;
        let mut buf = vec![0; size];
        let written = Writer::new(&mut buf, Class::Request, Method::BINDING, id)
            .bytes(AttributeType::DATA, &data)
            .integrity(b"key")
            .fingerprint()
            .finish();
        prop_assert_eq!(written, if size < needed { Err(BufferTooSmall) } else { Ok(needed) });
    }

    #[test]
    fn what_encloses_a_payload_is_read_back_with_the_payload_in_it(
        payload in vec(any::<u8>(), 0..200),
        peer in any::<SocketAddr>(),
    ) {
        let number = ChannelNumber::new(0x4ABC).expect("a channel number");
        let mut packet = OwnedPacket::from(payload.as_slice());

        let plain = Head::channel_data(number, payload.len()).expect("it is short");
        let bytes = packet.packet().enclose(&plain);
        let data = ChannelData::parse(bytes).expect("ChannelData");
        prop_assert_eq!((data.number, &bytes[data.payload.clone()]), (number, &payload[..]));
        prop_assert_eq!(data.payload.end, bytes.len());

        let padded = Head::padded_channel_data(number, payload.len()).expect("it is short");
        let bytes = packet.packet().enclose(&padded);
        let whole = Frame::Complete { len: 4 + payload.len(), padded: bytes.len() };
        prop_assert_eq!(next_frame(bytes), whole);

        let id = TransactionId([7; 12]);
        let head = Head::data_indication(peer, id, payload.len()).expect("it is short");
        let bytes = packet.packet().enclose(&head);
        let message = Message::parse(bytes).expect("a message");
        prop_assert_eq!(message.get(AttributeType::DATA), Some(&payload[..]));
        let read = message.get(AttributeType::XOR_PEER_ADDRESS).expect("written");
        let peer = SocketAddr::new(peer.ip(), peer.port());
        prop_assert_eq!(decode::xor_address(read, id), Some(peer));
        prop_assert_eq!(packet.payload(), &payload[..]);
    }
}

#[test]
fn one_attribute_too_many_is_remembered_to_the_end() {
    let mut buf = [0; 40];
    let written = Writer::new(&mut buf, Class::Request, Method::BINDING, TransactionId([0; 12]))
        .bytes(AttributeType::DATA, &[0; 17])
        .u32(AttributeType::LIFETIME, 600)
        .finish();
    assert_eq!(written, Err(BufferTooSmall));
}

#[test]
fn a_message_is_never_longer_than_its_length_can_say() {
    let id = TransactionId([0; 12]);
    let mut buf = vec![0; 100_000];
    let mut write = |len| {
        Writer::new(&mut buf, Class::Request, Method::BINDING, id)
            .bytes(AttributeType::DATA, &vec![0; len])
            .finish()
    };
    assert_eq!(write(0xFFF8), Ok(20 + 0xFFFC));
    assert_eq!(write(0xFFF9), Err(BufferTooSmall));
    assert_eq!(write(70_000), Err(BufferTooSmall));
}
