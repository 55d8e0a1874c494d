//! Which protocol a TCP connection speaks, by its first byte: one open port is enough for all of them.

/// What the first byte of a connection says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// STUN and TURN (RFC 8656 s3.1).
    Stun,
    /// HTTP, and WebSockets with it.
    Http,
    /// Nothing we serve.
    Unknown,
}

/// Tells STUN from HTTP. A STUN message begins with two zero bits (RFC 8489 s5), and no server method needs more than
/// the low two of the byte; an HTTP request begins with its method, in capitals. ChannelData (0x40-0x4F) shares
/// bytes with those capitals, but cannot come first: a channel needs an allocation, and that a request.
pub(crate) fn sniff(first: u8) -> Speaks {
    match first {
        0x00..=0x03 => Speaks::Stun,
        b'A'..=b'Z' => Speaks::Http,
        _ => Speaks::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_http_method_and_every_stun_class_is_known() {
        for method in
            ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
        {
            assert_eq!(sniff(method.as_bytes()[0]), Speaks::Http);
        }
        for stun in [0x00, 0x01] {
            assert_eq!(sniff(stun), Speaks::Stun);
        }
        for other in [0x16, 0x0D, b'g', 0x80, 0xFF, b' '] {
            assert_eq!(sniff(other), Speaks::Unknown);
        }
    }
}
