//! The PROXY protocol, versions 1 and 2: what a proxy says of its client before the client's own bytes
//! (haproxy's proxy-protocol.txt).
//!
//! Who sends it can say anything, so only a configured source is asked, and must send it: a proxy that may leave it out
//! lets its clients write one of their own ("MUST not try to guess whether the protocol header is present or not").

use core::net::{IpAddr, SocketAddr};
use core::str;

/// What stands before a client's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProxyHeader {
    /// The connection is the proxy's own (a health check), or its client has no address that TCP knows: the connection's
    /// own addresses count.
    Local,
    /// It is a client's.
    Client {
        /// Where the client is, an IPv4-mapped address as IPv4.
        source: SocketAddr,
        /// Where it has connected to, in the same form.
        destination: SocketAddr,
    },
}

/// No PROXY header, or one that is broken or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoProxyHeader;

/// The longest header taken: version 2 has room for more than addresses, of which proxies use some hundred bytes.
pub const MAX_PROXY_HEADER_LEN: usize = 2048;

/// "108 bytes is large enough" with a terminating zero (s2.1).
const MAX_V1_LEN: usize = 107;
const V1: &[u8] = b"PROXY ";
const V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEADER_LEN: usize = 16;

/// The header at the beginning of all that a connection has sent so far, and its length; `None` while there is too little
/// to tell. More bytes never change what was decided.
///
/// ```
/// use hairpin_stun::{ProxyHeader, proxy_header};
///
/// let bytes = b"PROXY TCP4 192.0.2.1 192.0.2.7 50000 443\r\nGET / HTTP/1.1\r\n";
/// let (header, len) = proxy_header(bytes)?.expect("it is whole");
/// let [source, destination] = ["192.0.2.1:50000", "192.0.2.7:443"].map(|it| it.parse().unwrap());
/// assert_eq!((header, &bytes[len..len + 3]), (ProxyHeader::Client { source, destination }, &b"GET"[..]));
/// # Ok::<(), hairpin_stun::NoProxyHeader>(())
/// ```
///
/// # Errors
/// When they can be no such header, whatever follows.
pub fn proxy_header(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, NoProxyHeader> {
    let begins = |start: &[u8]| bytes.starts_with(start) || start.starts_with(bytes);
    if begins(V1) {
        version_1(bytes)
    } else if begins(V2) {
        version_2(bytes)
    } else {
        Err(NoProxyHeader)
    }
}

/// A line of text (s2.1).
fn version_1(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, NoProxyHeader> {
    let bytes = &bytes[..bytes.len().min(MAX_V1_LEN)];
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
        return if bytes.len() < MAX_V1_LEN { Ok(None) } else { Err(NoProxyHeader) };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or(NoProxyHeader)?;
    let line = str::from_utf8(line).map_err(|_| NoProxyHeader)?;
    let mut words = line.split(' ').skip(1);
    let mut next = || words.next().ok_or(NoProxyHeader);
    let family = next()?;
    if family == "UNKNOWN" {
        // "the receiver must ignore anything presented before the CRLF is found"
        return Ok(Some((ProxyHeader::Local, end + 1)));
    }
    let ip = |text: &str| match family {
        "TCP4" => text.parse().map(IpAddr::V4).map_err(|_| NoProxyHeader),
        "TCP6" => text.parse().map(IpAddr::V6).map_err(|_| NoProxyHeader),
        _ => Err(NoProxyHeader),
    };
    let [source, destination] = [ip(next()?)?, ip(next()?)?];
    let [from, to] = [port(next()?)?, port(next()?)?];
    match words.next() {
        None => Ok(Some((client((source, from), (destination, to)), end + 1))),
        Some(_) => Err(NoProxyHeader),
    }
}

/// Digits only: `u16` would also take "+8".
fn port(text: &str) -> Result<u16, NoProxyHeader> {
    let digits = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    Some(text).filter(|_| digits).and_then(|text| text.parse().ok()).ok_or(NoProxyHeader)
}

/// A signature, a command, a family, a length, and as much as that says (s2.2).
fn version_2(bytes: &[u8]) -> Result<Option<(ProxyHeader, usize)>, NoProxyHeader> {
    // What is wrong is said as soon as it is there.
    match bytes.get(12) {
        None => return Ok(None),
        Some(0x20 | 0x21) => {}
        Some(_) => return Err(NoProxyHeader),
    }
    // Unspecified, or one of TCP, UDP and a socket in the file system.
    let room = match bytes.get(13) {
        None => return Ok(None),
        Some(0x00) => 0,
        Some(0x11 | 0x12) => 12,
        Some(0x21 | 0x22) => 36,
        Some(0x31 | 0x32) => 216,
        Some(_) => return Err(NoProxyHeader),
    };
    let Some((header, rest)) = bytes.split_first_chunk::<V2_HEADER_LEN>() else { return Ok(None) };
    let [.., command, family, l0, l1] = *header;
    let len = usize::from(u16::from_be_bytes([l0, l1]));
    let is_local = command == 0x20;
    if V2_HEADER_LEN + len > MAX_PROXY_HEADER_LEN || (!is_local && len < room) {
        return Err(NoProxyHeader);
    }
    let Some(body) = rest.get(..len) else { return Ok(None) };
    let header = match (is_local, family) {
        (false, 0x11) => addresses::<4>(body),
        (false, 0x21) => addresses::<16>(body),
        // "falls back to the UNSPEC mode for the valid combinations above that it does not support"
        _ => Some(ProxyHeader::Local),
    };
    Ok(Some((header.ok_or(NoProxyHeader)?, V2_HEADER_LEN + len)))
}

/// Two addresses, then two ports.
fn addresses<const N: usize>(body: &[u8]) -> Option<ProxyHeader>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = body.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let [s0, s1, d0, d1] = *rest.first_chunk()?;
    let [from, to] = [[s0, s1], [d0, d1]].map(u16::from_be_bytes);
    Some(client(((*source).into(), from), ((*destination).into(), to)))
}

fn client(source: (IpAddr, u16), destination: (IpAddr, u16)) -> ProxyHeader {
    let [source, destination] =
        [source, destination].map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port));
    ProxyHeader::Client { source, destination }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let len = (body.len() as u16).to_be_bytes();
        [&V2[..], &[command, family], &len, body].concat()
    }

    fn told(source: &str, destination: &str) -> ProxyHeader {
        let [source, destination] = [source, destination].map(|it| it.parse().expect("literal"));
        ProxyHeader::Client { source, destination }
    }

    /// Headers as proxies write them, and what they say.
    fn headers() -> Vec<(Vec<u8>, ProxyHeader)> {
        let four = [192, 0, 2, 1, 192, 0, 2, 7, 0xC3, 0x50, 0x01, 0xBB];
        let mut six = [0; 36];
        six[..2].copy_from_slice(&[0x20, 0x01]);
        six[15] = 1;
        six[16..18].copy_from_slice(&[0x20, 0x01]);
        six[31] = 7;
        six[32..].copy_from_slice(&four[8..]);
        let mut mapped = [0; 36];
        mapped[10..16].copy_from_slice(&[0xFF, 0xFF, 192, 0, 2, 1]);
        mapped[26..32].copy_from_slice(&[0xFF, 0xFF, 192, 0, 2, 7]);
        mapped[32..].copy_from_slice(&four[8..]);
        let longer = [&four[..], b"\x03\x00\x04abcd\xE0\x00\x01x"].concat();
        let v4 = told("192.0.2.1:50000", "192.0.2.7:443");
        let v6 = told("[2001::1]:50000", "[2001::7]:443");
        let local = ProxyHeader::Local;
        [
            (b"PROXY TCP4 192.0.2.1 192.0.2.7 50000 443\r\n".to_vec(), v4),
            (b"PROXY TCP6 2001::1 2001::7 50000 443\r\n".to_vec(), v6),
            (b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:192.0.2.7 50000 443\r\n".to_vec(), v4),
            (b"PROXY UNKNOWN\r\n".to_vec(), local),
            (b"PROXY UNKNOWN ffff::1 whatever 1 2\r\n".to_vec(), local),
            (v2(0x21, 0x11, &four), v4),
            (v2(0x21, 0x11, &longer), v4),
            (v2(0x21, 0x21, &six), v6),
            (v2(0x21, 0x21, &mapped), v4),
            (v2(0x20, 0x00, &[]), local),
            (v2(0x20, 0x11, &four), local),
            (v2(0x21, 0x00, b"\xE0\x00\x01x"), local),
            (v2(0x21, 0x12, &four), local),
            (v2(0x21, 0x31, &[0; 216]), local),
        ]
        .into()
    }

    #[test]
    fn headers_are_read_however_their_bytes_arrive_and_what_follows_is_left() {
        for (bytes, header) in headers() {
            for len in 0..bytes.len() {
                assert_eq!(proxy_header(&bytes[..len]), Ok(None), "{bytes:x?} {len}");
            }
            let followed = [&bytes[..], b"GET / HTTP/1.1\r\n\r\n"].concat();
            for given in [&bytes, &followed] {
                assert_eq!(proxy_header(given), Ok(Some((header, bytes.len()))), "{given:x?}");
            }
        }
    }

    #[test]
    fn nothing_else_is_one() {
        let long_line = [&b"PROXY UNKNOWN "[..], &[b'x'; 200]].concat();
        for bytes in [
            &b"GET / HTTP/1.1"[..],
            b"PROXY\t",
            b"proxy ",
            b"\x16\x03\x01",
            b"PROXY TCP4 192.0.2.1 192.0.2.7 50000 443\n",
            b"PROXY TCP4  192.0.2.1 192.0.2.7 50000 443\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.7 50000\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.7 50000 443 \r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.7 +5000 443\r\n",
            b"PROXY TCP4 192.0.2.1 192.0.2.7 65536 443\r\n",
            b"PROXY TCP4 192.0.2.01 192.0.2.7 50000 443\r\n",
            b"PROXY TCP4 2001::1 2001::7 50000 443\r\n",
            b"PROXY TCP6 192.0.2.1 192.0.2.7 50000 443\r\n",
            b"PROXY UDP4 192.0.2.1 192.0.2.7 50000 443\r\n",
            b"PROXY \r\n",
            &long_line,
            b"\r\n\r\n\0\r\nQUIT\r",
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x21, 0x13, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x21, &[0; 35]),
            &v2(0x21, 0x11, &[0; MAX_PROXY_HEADER_LEN]),
        ] {
            assert_eq!(proxy_header(bytes), Err(NoProxyHeader), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn more_bytes_never_change_what_was_decided(
            (header, cut) in (0..headers().len()).prop_flat_map(|n| {
                let header = headers().swap_remove(n).0;
                let len = header.len();
                (Just(header), 0..=len)
            }),
            rest in prop::collection::vec(any::<u8>(), 0..MAX_PROXY_HEADER_LEN + 64),
        ) {
            let bytes = [&header[..cut], &rest[..]].concat();
            let mut decided = Ok(None);
            for len in 0..=bytes.len() {
                let said = proxy_header(&bytes[..len]);
                prop_assert!(decided == Ok(None) || said == decided);
                decided = said;
            }
            prop_assert!(bytes.len() < MAX_PROXY_HEADER_LEN || decided != Ok(None));
        }
    }
}
