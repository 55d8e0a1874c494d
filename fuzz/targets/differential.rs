//! Our reader of messages beside two by other people: `stun-types`, and webrtc-rs's `stun`, a translation of pion's. All three are given the
//! same bytes, and whatever they read differently has its reason here, or is a mistake of ours.
#![no_main]

use std::net::SocketAddr;

use hairpin_stun::{
    AttributeType, Class, HEADER_LEN, Key, MAGIC_COOKIE, Message, Method, ParseError, Writer,
    decode,
};
use libfuzzer_sys::fuzz_target;
use stun_types::attribute::{RawAttribute, XorSocketAddr};
use stun_types::message::{
    LongTermKeyCredentials, Message as StunTypes, MessageClass, MessageIntegrityCredentials,
    Method as StunTypesMethod,
};
use webrtc_stun::attributes::{ATTR_ERROR_CODE, AttrType};
use webrtc_stun::error_code::ErrorCodeAttribute;
use webrtc_stun::fingerprint::FINGERPRINT;
use webrtc_stun::integrity::MessageIntegrity;
use webrtc_stun::message::{Getter as _, Message as Webrtc, MessageClass as WebrtcClass};
use webrtc_stun::xoraddr::XorMappedAddress;

const SEALS: [AttributeType; 3] = [
    AttributeType::MESSAGE_INTEGRITY,
    AttributeType::MESSAGE_INTEGRITY_SHA256,
    AttributeType::FINGERPRINT,
];

const ADDRESSES: [AttributeType; 2] =
    [AttributeType::XOR_MAPPED_ADDRESS, AttributeType::XOR_PEER_ADDRESS];

fuzz_target!(|bytes: &[u8]| {
    compare(bytes);
    // Few random bytes have a cookie and a length: here all have, so that the attributes are looked at.
    let mut message = bytes.to_vec();
    message.resize(bytes.len().max(HEADER_LEN), 0);
    let length = u16::try_from(message.len() - HEADER_LEN).unwrap_or(u16::MAX);
    message[2..4].copy_from_slice(&length.to_be_bytes());
    message[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    compare(&message);
    if let Ok(message) = Message::parse(&message) {
        what_we_sign_they_accept(message);
    }
});

fn compare(bytes: &[u8]) {
    // What follows a message in its datagram is nothing of its (RFC 8489 s5: the length is the message's). stun-types takes it
    // for attributes, and webrtc-rs for a part of what a FINGERPRINT covers.
    let length = bytes.get(2..4).map_or(0, |l| usize::from(u16::from_be_bytes([l[0], l[1]])));
    let bytes = &bytes[..bytes.len().min(HEADER_LEN + length)];
    let ours = Message::parse(bytes);
    beside_webrtc(bytes, ours);
    beside_stun_types(bytes, ours);
}

fn beside_webrtc(bytes: &[u8], ours: Result<Message<'_>, ParseError>) {
    let mut theirs = Webrtc::new();
    let read = theirs.unmarshal_binary(bytes);
    let ours = match ours {
        Ok(message) => message,
        // RFC 8489 s5: "The most significant 2 bits of every STUN message MUST be zeroes." They do not look at them.
        Err(ParseError::NotStun) if bytes[0] & 0xC0 != 0 => return,
        // They leave FINGERPRINT to the caller. It says of itself that it is not right, or is not last (RFC 8489 s14.7: "When
        // present, the FINGERPRINT attribute MUST be the last attribute in the message"), which they take as they find it.
        Err(ParseError::Fingerprint) => {
            let is_last =
                theirs.attributes.0.last().is_some_and(|last| last.typ == their(SEALS[2]));
            assert!(read.is_err() || !is_last || FINGERPRINT.check(&theirs).is_err());
            return;
        }
        Err(error) => return assert!(read.is_err(), "{error:?} is no error to webrtc-rs"),
    };
    read.expect("what we read, webrtc-rs reads");
    let class = match ours.class() {
        Class::Request => 0,
        Class::Indication => 1,
        Class::Success => 2,
        Class::Error => 3,
    };
    let their_class = [
        webrtc_stun::message::CLASS_REQUEST,
        webrtc_stun::message::CLASS_INDICATION,
        webrtc_stun::message::CLASS_SUCCESS_RESPONSE,
        webrtc_stun::message::CLASS_ERROR_RESPONSE,
    ];
    let same: WebrtcClass = their_class[class];
    assert_eq!(theirs.typ.class, same);
    assert_eq!(theirs.typ.value(), u16::from_be_bytes([bytes[0], bytes[1]]));
    assert_eq!(theirs.transaction_id.0, ours.transaction_id().0);
    if ours.get(AttributeType::FINGERPRINT).is_some() {
        assert!(FINGERPRINT.check(&theirs).is_ok());
    }

    // They list all attributes. What follows an integrity attribute is not protected by it, and is ignored but for
    // MESSAGE-INTEGRITY-SHA256 and FINGERPRINT (RFC 8489 s14.5, s14.6).
    let mut sealed = 0;
    let meant = theirs.attributes.0.iter().filter(|attribute| {
        let means_anything = sealed == 0
            || attribute.typ == their(SEALS[2])
            || attribute.typ == their(SEALS[1]) && sealed == 1;
        match attribute.typ {
            t if t == their(SEALS[0]) => sealed = sealed.max(1),
            t if t == their(SEALS[1]) => sealed = 2,
            _ => {}
        }
        means_anything
    });
    let same = meant.zip(ours.attributes()).all(|(theirs, ours)| {
        // 0x8020 was XOR-MAPPED-ADDRESS in a draft of 2006, and is read as such by them. It means nothing by IANA's list, and optional
        // attributes that mean nothing are ignored (RFC 8489 s14).
        let renamed = ours.kind.0 == 0x8020 && theirs.typ.0 == 0x0020;
        (theirs.typ.0 == ours.kind.0 || renamed) && theirs.value == ours.value
    });
    assert!(same);
    let meant = theirs.attributes.0.len() - ignored(&theirs);
    assert_eq!(meant, ours.attributes().count());
    addresses_beside_webrtc(&theirs, ours);
}

/// How many attributes mean nothing, being behind an integrity attribute.
fn ignored(message: &Webrtc) -> usize {
    let kinds: Vec<u16> = message.attributes.0.iter().map(|attribute| attribute.typ.0).collect();
    let first = |kind: AttributeType| kinds.iter().position(|&k| k == kind.0);
    let [sha1, sha256] = [first(SEALS[0]), first(SEALS[1])];
    let is_ignored = |&(at, kind): &(usize, &u16)| {
        let behind = |seal: Option<usize>| seal.is_some_and(|seal| at > seal);
        (behind(sha1) || behind(sha256)) && *kind != SEALS[2].0 && Some(at) != sha256
    };
    kinds.iter().enumerate().filter(is_ignored).count()
}

fn addresses_beside_webrtc(theirs: &Webrtc, ours: Message<'_>) {
    for kind in ADDRESSES {
        let Some(value) = ours.get(kind) else { continue };
        // By the name of a draft, which see above, they may find another one before it.
        if theirs.get(their(kind)).ok().as_deref() != Some(value) {
            continue;
        }
        let mut address = XorMappedAddress::default();
        let read = address.get_from_as(theirs, their(kind));
        match decode::xor_address(value, ours.transaction_id()) {
            // RFC 8489 s14.1: "The first 8 bits of the MAPPED-ADDRESS MUST be set to 0 and MUST be ignored by receivers." They
            // take them for a part of the family.
            Some(_) if value[0] != 0 => assert!(read.is_err()),
            Some(ours) => {
                read.expect("an address that we read, they read");
                assert_eq!(SocketAddr::new(address.ip, address.port), ours);
            }
            // RFC 8489 s14.1: "If the address family is IPv4, the address MUST be 32 bits. If the address family is IPv6, the
            // address MUST be 128 bits." They take what is shorter, and fill it up.
            None => assert!(read.is_err() || ![8, 20].contains(&value.len()) || value[1] == 2),
        }
    }
    let mut error = ErrorCodeAttribute::default();
    let code = ours.get(AttributeType::ERROR_CODE).and_then(decode::error_code);
    // RFC 8489 s14.8: the bits in front of the class are reserved, "and MUST be ignored on receipt"; they take them for a part of
    // it. Of what we refuse they ask nothing but four bytes.
    if let (Some((code, reason)), Ok(value)) = (code, theirs.get(ATTR_ERROR_CODE))
        && value[2] < 8
    {
        error.get_from(theirs).expect("an error that we read, they read");
        assert_eq!((error.code.0, &error.reason[..]), (code, reason.as_bytes()));
    }
}

fn beside_stun_types(bytes: &[u8], ours: Result<Message<'_>, ParseError>) {
    let theirs = StunTypes::from_bytes(bytes);
    let message = match ours {
        Ok(message) => message,
        Err(error) => {
            // They stop at the first attribute that means nothing because it is behind an integrity attribute or FINGERPRINT, and do not look
            // whether the rest is well-formed. A message that is not, is dropped (RFC 8489 s6.3: "checks that the message ... has
            // sensible values"), and FINGERPRINT is the last attribute (s14.7).
            return assert!(
                theirs.is_err() || is_followed(bytes),
                "{error:?} is no error to stun-types"
            );
        }
    };
    let theirs = theirs.expect("what we read, stun-types reads");
    let class = match message.class() {
        Class::Request => MessageClass::Request,
        Class::Indication => MessageClass::Indication,
        Class::Success => MessageClass::Success,
        Class::Error => MessageClass::Error,
    };
    assert!(theirs.has_class(class) && theirs.has_method(StunTypesMethod::new(message.method().0)));
    let id = message.transaction_id().0.iter().fold(0, |id, &byte| id << 8 | u128::from(byte));
    assert_eq!(u128::from(theirs.transaction_id()), id);

    // Where we go on to MESSAGE-INTEGRITY-SHA256 and FINGERPRINT behind what is ignored, they stop: "agents MUST ignore all other
    // attributes that follow MESSAGE-INTEGRITY" does not say that what follows these is none (RFC 8489 s14.5).
    let read: Vec<RawAttribute<'_>> = theirs.iter_attributes().map(|(_, raw)| raw).collect();
    let all: Vec<_> = message.attributes().collect();
    for (theirs, ours) in read.iter().zip(&all) {
        assert_eq!((theirs.header.get_type().value(), &*theirs.value), (ours.kind.0, ours.value));
        if ADDRESSES.contains(&ours.kind) {
            let read = XorSocketAddr::from_raw(theirs).ok().map(|address| address.addr(id.into()));
            assert_eq!(decode::xor_address(ours.value, message.transaction_id()), read);
        }
    }
    assert!(read.len() <= all.len());
    assert!(read.len() == all.len() || is_followed(bytes), "attributes that they do not have");
}

/// Whether something stands behind an integrity attribute or FINGERPRINT.
fn is_followed(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(HEADER_LEN..).unwrap_or_default();
    while let [t0, t1, l0, l1, after @ ..] = rest {
        let padded = usize::from(u16::from_be_bytes([*l0, *l1])).next_multiple_of(4);
        rest = after.get(padded..).unwrap_or_default();
        if SEALS.contains(&AttributeType(u16::from_be_bytes([*t0, *t1]))) && !rest.is_empty() {
            return true;
        }
    }
    false
}

/// What we write over the attributes of a message, both verify, and neither with another key. And all agree on what such a message is with
/// more behind its integrity, whose FINGERPRINT is right.
fn what_we_sign_they_accept(message: Message<'_>) {
    let mut buffer = vec![0; message.as_bytes().len() + 128];
    let id = message.transaction_id();
    let [key, other] =
        ["password", "another"].map(|password| Key::long_term("user", "realm", password));
    let attributes: Vec<_> = message.attributes().collect();
    let (before, behind) = attributes.split_at(attributes.len() / 2);

    let mut writer = Writer::new(&mut buffer, Class::Request, Method::ALLOCATE, id);
    for attribute in attributes.iter().filter(|attribute| !SEALS.contains(&attribute.kind)) {
        writer.bytes(attribute.kind, attribute.value);
    }
    if let Ok(length) = writer.integrity(key.as_ref()).fingerprint().finish() {
        verify(&buffer[..length]);
    }
    let mut writer = Writer::new(&mut buffer, Class::Request, Method::ALLOCATE, id);
    for attribute in before.iter().filter(|attribute| attribute.kind != AttributeType::FINGERPRINT)
    {
        writer.bytes(attribute.kind, attribute.value);
    }
    writer.integrity(key.as_ref());
    for attribute in behind.iter().filter(|attribute| attribute.kind != AttributeType::FINGERPRINT)
    {
        writer.bytes(attribute.kind, attribute.value);
    }
    if let Ok(length) = writer.integrity_sha256(other.as_ref()).fingerprint().finish() {
        let message = Message::parse(&buffer[..length]).expect("what we write, we read");
        assert!(message.get(AttributeType::FINGERPRINT).is_some());
        compare(&buffer[..length]);
    }
}

fn verify(bytes: &[u8]) {
    let mut theirs = Webrtc::new();
    theirs.unmarshal_binary(bytes).expect("webrtc-rs reads what we write");
    assert!(FINGERPRINT.check(&theirs).is_ok());
    for (password, is_right) in [("password", true), ("guess", false)] {
        let [user, realm, password] = ["user", "realm", password].map(str::to_owned);
        let (of_webrtc, of_stun_types) = (
            MessageIntegrity::new_long_term_integrity(
                user.clone(),
                realm.clone(),
                password.clone(),
            ),
            MessageIntegrityCredentials::from(LongTermKeyCredentials::new(user, password, realm)),
        );
        assert_eq!(of_webrtc.check(&mut theirs).is_ok(), is_right);
        let theirs = StunTypes::from_bytes(bytes).expect("stun-types reads what we write");
        assert_eq!(theirs.validate_integrity(&of_stun_types).is_ok(), is_right);
    }
}

fn their(kind: AttributeType) -> AttrType {
    AttrType(kind.0)
}
