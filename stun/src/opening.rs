//! Which protocol a TCP connection speaks, by its first bytes: one open port is enough for all of them. The same holds
//! for what comes out of TLS, for who names no protocol there (RFC 7301).

use crate::MAGIC_COOKIE;

/// What the first bytes of a connection say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sniffed {
    /// Too little to tell.
    More,
    /// STUN and TURN (RFC 8656 s3.1).
    Stun,
    /// HTTP/1.1, and WebSockets with it, or HTTP/2 with prior knowledge.
    Http,
    /// A TLS handshake (RFC 8446 s5.1).
    Tls,
    /// The PROXY protocol, version 1 or 2.
    Proxy,
    /// Nothing that we know.
    Unknown,
}

/// Every way to begin, but for STUN's. None is a prefix of another, so what is decided stays decided.
const STARTS: [(&[u8], Sniffed); 13] = [
    // A record of type "handshake", of whichever version 3.x.
    (&[0x16, 0x03], Sniffed::Tls),
    // The methods of RFC 9110 s9.3, and RFC 5789.
    (b"GET ", Sniffed::Http),
    (b"HEAD ", Sniffed::Http),
    (b"POST ", Sniffed::Http),
    (b"PUT ", Sniffed::Http),
    (b"DELETE ", Sniffed::Http),
    (b"CONNECT ", Sniffed::Http),
    (b"OPTIONS ", Sniffed::Http),
    (b"TRACE ", Sniffed::Http),
    (b"PATCH ", Sniffed::Http),
    // The client's preface of HTTP/2 (RFC 9113 s3.4).
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Sniffed::Http),
    // haproxy's proxy-protocol.txt, s2.1 and s2.2.
    (b"PROXY ", Sniffed::Proxy),
    (b"\r\n\r\n\0\r\nQUIT\n", Sniffed::Proxy),
];

/// Tells protocols apart by all that a connection has sent so far. More bytes never change what was decided, and
/// within 24 bytes everything is.
///
/// ChannelData (0x40-0x4F) shares bytes with methods of HTTP, but cannot come first: a channel needs an
/// allocation, and that a request.
pub fn sniff(bytes: &[u8]) -> Sniffed {
    if let Some(0x00 | 0x01) = bytes.first() {
        return stun(bytes);
    }
    let begun = |(start, _): &&(&[u8], Sniffed)| start.starts_with(bytes);
    match STARTS.iter().find(|(start, _)| bytes.starts_with(start)) {
        Some((_, protocol)) => *protocol,
        None if STARTS.iter().any(|start| begun(&start)) => Sniffed::More,
        None => Sniffed::Unknown,
    }
}

/// The message type's first byte has been seen: two zero bits, and of the method only numbers that are assigned
/// (RFC 8489 s18.2), which all lie below 0x080. The cookie after type and length is what makes it STUN.
fn stun(bytes: &[u8]) -> Sniffed {
    const COOKIE: [u8; 4] = MAGIC_COOKIE.to_be_bytes();
    match bytes.get(4..).unwrap_or_default() {
        cookie if cookie.starts_with(&COOKIE) => Sniffed::Stun,
        cookie if COOKIE.starts_with(cookie) => Sniffed::More,
        _ => Sniffed::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// How connections begin, and what they then speak.
    const BEGINNINGS: [(&[u8], Sniffed); 13] = [
        // A Binding request, an Allocate with attributes, a Binding success.
        (b"\x00\x01\x00\x00\x21\x12\xA4\x42twelve bytes", Sniffed::Stun),
        (b"\x00\x03\x00\x24\x21\x12\xA4\x42twelve bytes\x00\x19", Sniffed::Stun),
        (b"\x01\x01\x00\x0C\x21\x12\xA4\x42twelve bytes", Sniffed::Stun),
        // ClientHello records of TLS 1.0 and 1.2, as TLS 1.3 still sends them.
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xFC", Sniffed::Tls),
        (b"\x16\x03\x03\x00\xF4\x01\x00\x00\xF0", Sniffed::Tls),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Sniffed::Http),
        (b"POST /ws HTTP/1.1\r\n", Sniffed::Http),
        (b"PUT / HTTP/1.1\r\n", Sniffed::Http),
        (b"PATCH / HTTP/1.1\r\n", Sniffed::Http),
        (b"OPTIONS * HTTP/1.1\r\n", Sniffed::Http),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04", Sniffed::Http),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", Sniffed::Proxy),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0C", Sniffed::Proxy),
    ];

    #[test]
    fn every_beginning_is_known_however_its_bytes_arrive() {
        for (bytes, protocol) in BEGINNINGS {
            assert_eq!(sniff(bytes), protocol, "{bytes:x?}");
            let decided = (0..=bytes.len())
                .map(|length| sniff(&bytes[..length]))
                .skip_while(|sniffed| *sniffed == Sniffed::More);
            assert!(decided.clone().all(|sniffed| sniffed == protocol), "{bytes:x?}");
        }
    }

    #[test]
    fn everything_else_is_unknown_as_soon_as_that_is_certain() {
        for bytes in [
            &b"\x00\x01\x00\x00\x21\x12\xA4\x43"[..],
            &[0; 5],
            &[0x02],
            &[0x40],
            &[0x16, 0x02],
            b"get",
            b"GEX",
            b"GET\t/",
            b"BREW ",
            b"PRI / HTTP/2.0",
            b"PROXZ",
            b"\r\nGET / HTTP/1.1",
            b"SSH-2.0-",
            &[0x80],
            &[0xFF],
        ] {
            assert_eq!(sniff(bytes), Sniffed::Unknown, "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn more_bytes_never_change_what_was_decided(
            (beginning, cut) in (0..BEGINNINGS.len()).prop_flat_map(|n| {
                (Just(BEGINNINGS[n].0), 0..=BEGINNINGS[n].0.len())
            }),
            rest in prop::collection::vec(any::<u8>(), 0..32),
        ) {
            let bytes = [&beginning[..cut], &rest[..]].concat();
            let mut decided = Sniffed::More;
            for length in 0..=bytes.len() {
                let sniffed = sniff(&bytes[..length]);
                prop_assert!(decided == Sniffed::More || sniffed == decided, "{bytes:x?}");
                decided = sniffed;
            }
            prop_assert!(bytes.len() < 24 || decided != Sniffed::More);
        }
    }
}
