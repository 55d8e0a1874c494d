//! The codec's share of STUN basics, credentials, ChannelData and the published vectors.

use std::net::SocketAddr;

use hairpin_stun::{
    AttributeType, ChannelData, ChannelNumber, Class, FirstByte, IntegrityError, Key, Message,
    Method, ParseError, TransactionId, Writer, decode, rest_password, userhash,
};

const ID: TransactionId = TransactionId(*b"transaction!");

/// A Binding request with the attributes `fill` writes.
fn request(fill: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut buf = vec![0xEE; 2048];
    let mut writer = Writer::new(&mut buf, Class::Request, Method::BINDING, ID);
    fill(&mut writer);
    let len = writer.finish().expect("2048 bytes are enough");
    buf.truncate(len);
    buf
}

fn vector(name: &str) -> Vec<u8> {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/stun-vectors.json")).expect("JSON");
    let hex = vectors[name].as_str().expect("a vector of this name");
    let byte = |i| u8::from_str_radix(&hex[i..i + 2], 16).expect("two hexadecimal digits");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn text(message: &Message<'_>, kind: AttributeType) -> String {
    decode::text(message.get(kind).expect("the attribute")).expect("UTF-8").to_owned()
}

#[test]
fn c001_first_two_bits_are_zero() {
    for bits in [0x40, 0x80, 0xC0] {
        let mut bytes = request(|_| {});
        bytes[0] |= bits;
        assert_eq!(Message::parse(&bytes).err(), Some(ParseError::NotStun), "{bits:#x}");
    }
}

#[test]
fn c002_cookie_is_0x2112a442() {
    let bytes = request(|_| {});
    assert_eq!(bytes[4..8], [0x21, 0x12, 0xA4, 0x42]);
    for at in 4..8 {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert_eq!(Message::parse(&bytes).err(), Some(ParseError::NotStun), "{at}");
    }
}

#[test]
fn c003_length_is_a_multiple_of_four_within_the_datagram() {
    let bytes = request(|w| _ = w.bytes(AttributeType::DATA, b"data"));
    let with_length = |length: u8| {
        let mut bytes = bytes.clone();
        bytes[3] = length;
        Message::parse(&bytes).err()
    };
    assert_eq!(with_length(8), None);
    for length in [1, 2, 3, 5, 6, 7] {
        assert_eq!(with_length(length), Some(ParseError::Misaligned), "{length}");
    }
    assert_eq!(with_length(12), Some(ParseError::Truncated));
    for cut in 0..bytes.len() {
        assert_eq!(Message::parse(&bytes[..cut]).err(), Some(ParseError::Truncated), "{cut}");
    }
}

#[test]
fn c004_attribute_overrunning_the_message_is_refused() {
    let bytes = request(|w| _ = w.bytes(AttributeType::DATA, b"data"));
    for length in [5_u16, 8, 0x7FFF, 0xFFFF] {
        // Bytes behind the message do not lend themselves to its attributes.
        let mut bytes = [&bytes[..], &[0; 64]].concat();
        bytes[22..24].copy_from_slice(&length.to_be_bytes());
        let error = Message::parse(&bytes).err();
        assert_eq!(error, Some(ParseError::AttributeOverrun), "{length}");
    }
}

#[test]
fn c005_first_of_duplicate_attributes_wins() {
    let bytes = request(|w| {
        w.u32(AttributeType::LIFETIME, 1).u32(AttributeType::LIFETIME, 2);
    });
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.get(AttributeType::LIFETIME), Some(&[0, 0, 0, 1][..]));
    assert_eq!(message.get_range(AttributeType::LIFETIME), Some(24..28));
    assert_eq!(message.get_all(AttributeType::LIFETIME).count(), 2);
}

#[test]
fn c006_padding_is_ignored_on_receipt_and_zero_when_sent() {
    let mut bytes = request(|w| {
        w.bytes(AttributeType::DATA, b"d").u32(AttributeType::LIFETIME, 600);
    });
    assert_eq!(bytes[24..28], *b"d\0\0\0");
    bytes[25..28].copy_from_slice(b"xyz");
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.get(AttributeType::DATA), Some(&b"d"[..]));
    assert_eq!(message.get(AttributeType::LIFETIME), Some(&[0, 0, 2, 88][..]));
}

#[test]
fn c008_class_is_read_apart_from_the_method() {
    let types = [
        (0x0001, Class::Request, Method::BINDING),
        (0x0011, Class::Indication, Method::BINDING),
        (0x0101, Class::Success, Method::BINDING),
        (0x0111, Class::Error, Method::BINDING),
        (0x0016, Class::Indication, Method::SEND),
        (0x0113, Class::Error, Method::ALLOCATE),
        (0x3EEF, Class::Request, Method(0xFFF)),
        (0x3FFF, Class::Error, Method(0xFFF)),
    ];
    for (message_type, class, method) in types {
        let mut buf = [0; 20];
        Writer::new(&mut buf, class, method, ID).finish().expect("a header");
        assert_eq!(buf[..2], u16::to_be_bytes(message_type), "{class:?} {method:?}");
        let message = Message::parse(&buf).expect("a message");
        assert_eq!((message.class(), message.method()), (class, method));
    }
}

#[test]
fn c013_attributes_after_integrity_are_ignored() {
    let bytes = request(|w| {
        w.u32(AttributeType::LIFETIME, 1)
            .integrity(b"key")
            .bytes(AttributeType(0x7FFF), b"required, unknown, unprotected")
            .u32(AttributeType::LIFETIME, 2)
            .integrity(b"another key")
            .integrity_sha256(b"key")
            .bytes(AttributeType::DATA, b"unprotected")
            .integrity_sha256(b"another key")
            .fingerprint();
    });
    let message = Message::parse(&bytes).expect("a message");
    let kinds: Vec<_> = message.attributes().map(|a| a.kind).collect();
    let meant = [
        AttributeType::LIFETIME,
        AttributeType::MESSAGE_INTEGRITY,
        AttributeType::MESSAGE_INTEGRITY_SHA256,
        AttributeType::FINGERPRINT,
    ];
    assert_eq!(kinds, meant);
    assert_eq!(message.get(AttributeType::DATA), None);
    assert_eq!(message.get_range(AttributeType::DATA), None);
    assert_eq!(message.unknown_required(&meant).next(), None);
    assert_eq!(message.check_integrity(b"key"), Ok(()));
    assert_eq!(message.check_integrity_sha256(b"key"), Ok(()));
}

#[test]
fn c013_integrity_after_integrity_sha256_is_ignored() {
    let bytes = request(|w| _ = w.integrity_sha256(b"key").integrity(b"key"));
    let message = Message::parse(&bytes).expect("a message");
    assert!(!message.has_integrity() && message.has_integrity_sha256());
    assert_eq!(message.check_integrity(b"key"), Err(IntegrityError::Missing));
}

#[test]
fn c014_fingerprint_is_last_and_right() {
    let bytes = request(|w| _ = w.u32(AttributeType::LIFETIME, 600).fingerprint());
    assert!(Message::parse(&bytes).is_ok());
    for at in 8..bytes.len() {
        let mut bytes = bytes.clone();
        // Turning FINGERPRINT into another attribute leaves a message without one.
        let is_type = (28..30).contains(&at);
        bytes[at] ^= 1;
        assert_eq!(Message::parse(&bytes).is_ok(), is_type, "{at}");
    }

    let bytes = request(|w| _ = w.fingerprint().u32(AttributeType::LIFETIME, 600));
    assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Fingerprint));
    let bytes = request(|w| _ = w.bytes(AttributeType::FINGERPRINT, &[]));
    assert_eq!(Message::parse(&bytes).err(), Some(ParseError::Fingerprint));
}

#[test]
fn c016_ipv6_is_xored_with_cookie_and_transaction_id() {
    let address: SocketAddr = "[2001:db8::ff00:42:8329]:3478".parse().expect("an address");
    let bytes = request(|w| _ = w.xor_address(AttributeType::XOR_MAPPED_ADDRESS, address));
    let value = &bytes[24..];
    assert_eq!(value[..2], [0, 2]);
    assert_eq!(value[2..4], (3478_u16 ^ 0x2112).to_be_bytes());
    let mask = [&[0x21, 0x12, 0xA4, 0x42][..], &ID.0].concat();
    let octets: Vec<u8> = value[4..].iter().zip(mask).map(|(a, b)| a ^ b).collect();
    assert_eq!(octets, "2001:db8::ff00:42:8329".parse::<std::net::Ipv6Addr>().unwrap().octets());
    assert_eq!(decode::xor_address(value, ID), Some(address));
    assert_eq!(decode::xor_address(&value[..19], ID), None);
}

#[test]
fn c021_error_code_is_300_to_699_with_a_short_reason() {
    assert_eq!(decode::error_code(&[0, 0, 4, 38, b'S']), Some((438, "S")));
    assert_eq!(decode::error_code(&[0xFF, 0xFF, 0xFC, 1]), Some((401, "")), "reserved bits");
    for (class, number) in [(0, 0), (2, 99), (7, 0), (4, 100), (4, 255)] {
        assert_eq!(decode::error_code(&[0, 0, class, number]), None, "{class} {number}");
    }
    assert_eq!(decode::error_code(&[0, 0, 4]), None);

    let reason = "ä".repeat(200);
    let bytes = request(|w| _ = w.error_code(699, &reason));
    let message = Message::parse(&bytes).expect("a message");
    let value = message.get(AttributeType::ERROR_CODE).expect("written");
    assert_eq!(value[..4], [0, 0, 6, 99]);
    assert_eq!(decode::error_code(value), Some((699, &*"ä".repeat(127))));
    let too_long = [&[0, 0, 4, 0][..], "ä".repeat(128).as_bytes()].concat();
    assert_eq!(decode::error_code(&too_long), None);
}

#[test]
fn c022_realm_and_nonce_are_fewer_than_128_characters() {
    for character in ["a", "ä", "マ", "🛰"] {
        let longest = character.repeat(127);
        assert_eq!(decode::short_text(longest.as_bytes()), Some(&*longest));
        assert_eq!(decode::short_text(character.repeat(128).as_bytes()), None);
    }
    assert_eq!(decode::short_text(&[b'a'; 764]), None);
    assert_eq!(decode::short_text(b"\xC3"), None, "not UTF-8");
}

#[test]
fn c024_rfc5769_sample_request() {
    let bytes = vector("reqstc");
    let message = Message::parse(&bytes).expect("a message with a right FINGERPRINT");
    assert_eq!((message.class(), message.method()), (Class::Request, Method::BINDING));
    let id = *b"\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae";
    assert_eq!(message.transaction_id(), TransactionId(id));
    assert_eq!(text(&message, AttributeType::SOFTWARE), "STUN test client");
    assert_eq!(text(&message, AttributeType::USERNAME), "evtj:h6vY");
    assert_eq!(message.get(AttributeType::PRIORITY), Some(&[0x6e, 0x00, 0x01, 0xff][..]));
    assert_eq!(message.check_integrity(b"VOkJxbRl1RmTxUk/WvJxBt"), Ok(()));
    assert_eq!(message.check_integrity(b"VOkJxbRl1RmTxUk/WvJxBT"), Err(IntegrityError::Mismatch));
}

#[test]
fn c024_rfc5769_sample_responses() {
    let samples =
        [("respv4", "192.0.2.1:32853"), ("respv6", "[2001:db8:1234:5678:11:2233:4455:6677]:32853")];
    for (name, mapped) in samples {
        let bytes = vector(name);
        let message = Message::parse(&bytes).expect("a message with a right FINGERPRINT");
        assert_eq!((message.class(), message.method()), (Class::Success, Method::BINDING));
        assert_eq!(text(&message, AttributeType::SOFTWARE), "test vector");
        let value = message.get(AttributeType::XOR_MAPPED_ADDRESS).expect("a mapped address");
        let address = decode::xor_address(value, message.transaction_id());
        assert_eq!(address, Some(mapped.parse().expect("an address")));
        assert_eq!(message.check_integrity(b"VOkJxbRl1RmTxUk/WvJxBt"), Ok(()));
    }
}

/// RFC 5769 prepares the password with SASLprep, which RFC 8489 replaced by OpaqueString: the
/// latter refuses the soft hyphen, so only the test needs the former.
#[test]
fn c024_rfc5769_long_term_request() {
    let bytes = vector("reqltc");
    let message = Message::parse(&bytes).expect("a message");
    let username = text(&message, AttributeType::USERNAME);
    assert_eq!(username, "マトリックス");
    assert_eq!(text(&message, AttributeType::NONCE), "f//499k954d6OL34oL9FSTvy64sA");
    let realm = text(&message, AttributeType::REALM);
    assert_eq!(realm, "example.org");
    let password = stringprep::saslprep("The\u{AD}M\u{AA}tr\u{2168}").expect("a password");
    assert_eq!(password, "TheMatrIX");
    let key = Key::long_term(&username, &realm, &password);
    assert_eq!(message.check_integrity(key.as_ref()), Ok(()));
}

#[test]
fn c025_rfc8489_b1_request() {
    let bytes = vector("rfc8489_b1");
    let message = Message::parse(&bytes).expect("a message");
    let (username, realm) = ("マトリックス", "example.org");
    let hash = message.get(AttributeType::USERHASH);
    assert_eq!(hash, Some(&userhash(username, realm)[..]));
    let nonce = text(&message, AttributeType::NONCE);
    assert_eq!(nonce, "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA");
    assert_eq!(text(&message, AttributeType::REALM), realm);
    assert_eq!(message.get(AttributeType::PASSWORD_ALGORITHM), Some(&[0, 2, 0, 0][..]));
    let key = Key::long_term_sha256(username, realm, "TheMatrIX");
    assert_eq!(message.verify(&key), Ok(()));
    assert_eq!(message.check_integrity_sha256(key.as_ref()), Ok(()));
    assert_eq!(message.check_integrity(key.as_ref()), Err(IntegrityError::Missing));
}

/// That a correctly truncated value is refused is shown beside the HMAC itself, in
/// `stun/src/integrity.rs`.
#[test]
fn c044_integrity_sha256_is_32_bytes() {
    let bytes = request(|w| _ = w.integrity_sha256(b"key"));
    assert_eq!(bytes[20..24], [0x00, 0x1C, 0, 32]);
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.check_integrity_sha256(b"key"), Ok(()));

    let bytes = request(|w| _ = w.bytes(AttributeType::MESSAGE_INTEGRITY_SHA256, &bytes[24..52]));
    let message = Message::parse(&bytes).expect("a message");
    assert_eq!(message.check_integrity_sha256(b"key"), Err(IntegrityError::Mismatch));
}

#[test]
fn c045_userhash_is_sha256_of_user_and_realm() {
    let expected = b"\x6a\x30\x29\x11\x6b\x47\xaa\x98\xbc\xaa\x32\x53\x99\x73\x3d\xc1\
        \xa2\x3c\xd5\x7e\x26\xb8\x1b\xef\x3f\xf6\x53\x1c\xe6\x24\xe2\xda";
    assert_eq!(&userhash("user", "realm"), expected);
}

#[test]
fn c047_md5_key_of_user_realm_pass() {
    let key = Key::long_term("user", "realm", "pass");
    assert_eq!(key.as_ref(), b"\x84\x93\xfb\xc5\x3b\xa5\x82\xfb\x4c\x04\x4c\x45\x6b\xdc\x40\xeb");
    assert_eq!(format!("{key:?}"), "Key(…)", "a key is as good as the password");
}

#[test]
fn c148_channel_data_starts_with_64_to_79() {
    for first in 0..=255 {
        let parsed = ChannelData::parse(&[first, 0x01, 0, 2, b'h', b'i']);
        match first {
            64..=79 => {
                let number = ChannelNumber::new(u16::from_be_bytes([first, 0x01]));
                let expected = ChannelData { number: number.expect("in range"), payload: 4..6 };
                assert_eq!(parsed, Ok(expected), "{first}");
            }
            _ => assert_eq!(parsed, Err(ParseError::NotChannelData), "{first}"),
        }
        let expected = match first {
            0..=3 => FirstByte::Stun,
            20..=63 => FirstByte::Dtls,
            64..=79 => FirstByte::ChannelData,
            80..=127 => FirstByte::OldChannelData,
            _ => FirstByte::Other,
        };
        assert_eq!(FirstByte::of(first), expected, "{first}");
    }
}

#[test]
fn c149_channel_data_shorter_than_its_length_is_refused() {
    let whole = b"\x40\x00\x00\x05hello";
    assert!(ChannelData::parse(whole).is_ok());
    for cut in 0..whole.len() {
        assert_eq!(ChannelData::parse(&whole[..cut]), Err(ParseError::Truncated), "{cut}");
    }
}

#[test]
fn c150_channel_data_longer_than_its_length_is_cut() {
    for padding in ["", "\0\0\0", "something else altogether"] {
        let bytes = [b"\x40\x00\x00\x05hello", padding.as_bytes()].concat();
        let payload = ChannelData::parse(&bytes).expect("ChannelData").payload;
        assert_eq!(&bytes[payload], b"hello");
    }
}

#[test]
fn c151_channel_data_may_be_empty() {
    let payload = ChannelData::parse(b"\x40\x00\x00\x00").expect("ChannelData").payload;
    assert_eq!(payload, 4..4);
}

/// The expected value is what `openssl dgst -sha1 -hmac north -binary | base64` says of the
/// username.
#[test]
fn c185_rest_password_is_base64_of_hmac_sha1() {
    let mut out = [0; 28];
    let password = rest_password(b"north", "1700000000:alice", &mut out);
    assert_eq!(password, "Cd/49soE35ICqcJF/bCTn8Z4OyE=");
}
