//! The codec on arbitrary bytes: it panics on none, its views agree with each other, and what it
//! reads it can write and read again.
#![no_main]

use hairpin_stun::{
    AttributeType, ChannelData, ChannelNumber, FirstByte, Frame, FramingLost, HEADER_LEN, Head,
    IntegrityError, Key, MAX_FRAME_LEN, Message, Reader, Writer, decode, next_frame,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::parse(bytes) {
        views_agree(bytes, message);
        survives_rewriting(message);
    }
    if let Ok(data) = ChannelData::parse(bytes) {
        assert_eq!(FirstByte::of(bytes[0]), FirstByte::ChannelData);
        assert!(bytes.get(data.payload).is_some());
    }
    frames_cover(bytes);
});

fn views_agree(bytes: &[u8], message: Message<'_>) {
    assert!(bytes.starts_with(message.as_bytes()));
    // RFC 7983 leaves STUN the first bytes 0 to 3; RFC 8489 alone would go to 63.
    if FirstByte::of(bytes[0]) == FirstByte::Stun {
        let len = message.as_bytes().len();
        assert_eq!(next_frame(bytes), Frame::Complete { len, padded: len });
    }
    for attribute in message.attributes() {
        assert_eq!(&bytes[attribute.range()], attribute.value);
        let first = message.get(attribute.kind).expect("it is there");
        assert_eq!(message.get_all(attribute.kind).next(), Some(first));
        assert_eq!(message.get_range(attribute.kind).map(|range| &bytes[range]), Some(first));
        decode_as_everything(message, attribute.value);
    }
    for kind in message.unknown_required(&[AttributeType::USERNAME]) {
        assert!(kind.is_comprehension_required() && kind != AttributeType::USERNAME);
    }
    let _ = message.check_integrity_sha256(b"a key nobody has");
}

fn decode_as_everything(message: Message<'_>, value: &[u8]) {
    let _ = decode::xor_address(value, message.transaction_id());
    let _ = decode::address(value);
    let _ = decode::u32(value);
    let _ = decode::short_text(value);
    let _ = decode::channel_number(value);
    let _ = decode::requested_transport(value);
    let _ = decode::address_family(value);
    if let Some((code, reason)) = decode::error_code(value) {
        assert!((300..700).contains(&code) && reason.chars().count() < 128);
    }
    assert_eq!(decode::unknown_attributes(value).count(), value.len() / 2);
}

fn survives_rewriting(message: Message<'_>) {
    const SEALS: [AttributeType; 3] = [
        AttributeType::MESSAGE_INTEGRITY,
        AttributeType::MESSAGE_INTEGRITY_SHA256,
        AttributeType::FINGERPRINT,
    ];
    let content = || message.attributes().filter(|a| !SEALS.contains(&a.kind));
    let key = Key::long_term("user", "realm", "password");

    let mut buffer = vec![0; message.as_bytes().len() + 64];
    let id = message.transaction_id();
    let mut writer = Writer::new(&mut buffer, message.class(), message.method(), id);
    for attribute in content() {
        writer.bytes(attribute.kind, attribute.value);
    }
    let Ok(length) = writer.integrity(key.as_ref()).fingerprint().finish() else {
        // Only a message that was full without the seals has no room for them.
        assert!(message.as_bytes().len() > HEADER_LEN + 0xFFFC - 32);
        return;
    };

    let rewritten = Message::parse(&buffer[..length]).expect("what we write, we read");
    assert_eq!(rewritten.check_integrity(key.as_ref()), Ok(()));
    let other = Key::long_term("user", "realm", "guess");
    assert_eq!(rewritten.check_integrity(other.as_ref()), Err(IntegrityError::Mismatch));
    assert!(content().map(|a| (a.kind, a.value)).eq(
        rewritten.attributes().filter(|a| !SEALS.contains(&a.kind)).map(|a| (a.kind, a.value))
    ));
}

/// Cuts the bytes into frames as a stream would be, whole and in pieces.
fn frames_cover(bytes: &[u8]) {
    let mut whole = Vec::new();
    let end = frames(bytes, |frame| whole.push(frame.to_vec()));
    for piece in [1, 7, 1000] {
        let mut read = Vec::new();
        let framed = read_frames(bytes, piece, |frame| read.push(frame.to_vec()));
        assert_eq!((&read, framed.is_ok()), (&whole, end != Frame::Garbage));
    }
}

fn frames(mut bytes: &[u8], mut frame: impl FnMut(&[u8])) -> Frame {
    while let Frame::Complete { len, padded } = next_frame(bytes) {
        assert!(0 < len && len <= padded && padded - len < 4 && padded <= MAX_FRAME_LEN);
        frame(&bytes[..len]);
        bytes = &bytes[padded..];
    }
    assert!(next_frame(bytes) == Frame::Garbage || bytes.len() < MAX_FRAME_LEN);
    next_frame(bytes)
}

/// The same by [`Reader`], so many bytes at a time. Each frame's surroundings are scribbled on.
fn read_frames(
    bytes: &[u8],
    piece: usize,
    mut frame: impl FnMut(&[u8]),
) -> Result<(), FramingLost> {
    let number = ChannelNumber::new(0x4FFF).expect("the last channel");
    let mut reader = Reader::new();
    for mut bytes in bytes.chunks(piece) {
        while !bytes.is_empty() {
            let n = reader.push(bytes);
            assert!(n > 0, "there is room for what comes");
            bytes = &bytes[n..];
            while let Some(packet) = reader.next_frame()? {
                frame(packet.payload());
                let head = Head::padded_channel_data(number, packet.payload().len());
                head.map(|head| packet.enclose(&head));
            }
        }
    }
    Ok(())
}
