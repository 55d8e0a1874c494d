//! The cookie exchange before a handshake, for which nothing is kept (RFC 6347 s4.2.1): who sends a ClientHello without the
//! right cookie is sent it, and begins a handshake by sending it back, which shows that its address is its own.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub(super) const COOKIE_LEN: usize = 32;

pub(super) type Cookie = [u8; COOKIE_LEN];

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// `{ type, version: u16, epoch: u16, sequence: u48, length: u16 }`, RFC 6347 s4.1.
const RECORD_HEADER: usize = 13;
/// `{ type, length: u24, message_seq: u16, fragment_offset: u24, fragment_length: u24 }`, RFC 6347 s4.2.2.
const HANDSHAKE_HEADER: usize = 12;
const RANDOM: usize = 32;

/// How long a cookie is good for, at most twice that.
const COOKIE_LIFE: u64 = 30;

/// A datagram that begins with a whole ClientHello.
pub(super) struct ClientHello<'d> {
    datagram: &'d [u8],
    /// Where its record ends.
    end: usize,
    version: [u8; 2],
    pub(super) random: &'d [u8],
    /// Where the cookie lies, behind the byte that says its length.
    cookie: Range<usize>,
}

impl<'d> ClientHello<'d> {
    /// `None` for anything else, and for a ClientHello in fragments: those would have to be kept.
    pub(super) fn read(datagram: &'d [u8]) -> Option<Self> {
        let (header, rest) = datagram.split_first_chunk::<RECORD_HEADER>()?;
        let [HANDSHAKE, 0xFE, _, 0, 0, .., l0, l1] = *header else { return None };
        let record = rest.get(..usize::from(u16::from_be_bytes([l0, l1])))?;
        let (header, body) = record.split_first_chunk::<HANDSHAKE_HEADER>()?;
        let [CLIENT_HELLO, n0, n1, n2, _, _, 0, 0, 0, f0, f1, f2] = *header else { return None };
        let length = u32::from_be_bytes([0, n0, n1, n2]) as usize;
        if [n0, n1, n2] != [f0, f1, f2] || length != body.len() {
            return None;
        }
        // { version: u16, random, session_id<0..32>, cookie<0..255>, .. }
        let version = *body.first_chunk()?;
        let random = body.get(2..2 + RANDOM)?;
        let session = usize::from(*body.get(2 + RANDOM)?);
        let at = 2 + RANDOM + 1 + session;
        let start = at + 1;
        let cookie = start..start + usize::from(*body.get(at)?);
        body.get(cookie.clone())?;
        let before = RECORD_HEADER + HANDSHAKE_HEADER;
        let cookie = before + cookie.start..before + cookie.end;
        Some(Self { datagram, end: RECORD_HEADER + record.len(), version, random, cookie })
    }

    /// The cookie it brings.
    pub(super) fn cookie(&self) -> &[u8] {
        &self.datagram[self.cookie.clone()]
    }

    /// The same as the client said it before it had a cookie: the first message of the first record.
    pub(super) fn without_cookie(&self) -> Vec<u8> {
        let Self { datagram, cookie, .. } = self;
        let mut first = [&datagram[..cookie.start], &datagram[cookie.end..self.end]].concat();
        first[cookie.start - 1] = 0;
        let record = ((first.len() - RECORD_HEADER) as u16).to_be_bytes();
        let [_, message @ ..] =
            ((first.len() - RECORD_HEADER - HANDSHAKE_HEADER) as u32).to_be_bytes();
        first[5..11].fill(0);
        first[11..13].copy_from_slice(&record);
        let header = &mut first[RECORD_HEADER..][..HANDSHAKE_HEADER];
        header[1..4].copy_from_slice(&message);
        header[4..6].fill(0);
        header[9..12].copy_from_slice(&message);
        first
    }

    /// What is said to a client that knows no DTLS 1.2, which is all that is served; older ones must not be (RFC 8996 s5).
    pub(super) fn refusal(&self) -> Option<Vec<u8>> {
        // Versions are counted down: 0xFEFF is 1.0.
        let is_old = matches!(self.version, [0xFE, 0xFE | 0xFF]);
        // { fatal, protocol_version }, in a record like the client's.
        is_old.then(|| [&[ALERT], &self.datagram[1..11], &[0, 2, 2, 70]].concat())
    }

    /// The HelloVerifyRequest that answers it: shorter than any ClientHello, so that a forged source gains nothing.
    pub(super) fn verify(&self, cookie: &Cookie) -> Vec<u8> {
        // { version: DTLS 1.0 (RFC 6347 s4.2.1), cookie<0..255> }
        const BODY: usize = 3 + COOKIE_LEN;
        let mut answer = Vec::with_capacity(RECORD_HEADER + HANDSHAKE_HEADER + BODY);
        answer.extend([HANDSHAKE, 0xFE, 0xFF]);
        // Epoch and sequence of the client's own record (RFC 6347 s4.2.1).
        answer.extend(&self.datagram[3..11]);
        answer.extend([0, (HANDSHAKE_HEADER + BODY) as u8]);
        answer.extend([HELLO_VERIFY_REQUEST, 0, 0, BODY as u8, 0, 0, 0, 0, 0, 0, 0, BODY as u8]);
        answer.extend([0xFE, 0xFF, COOKIE_LEN as u8]);
        answer.extend(cookie);
        answer
    }
}

/// Makes cookies that only their addressee can send back.
pub(super) struct Cookies(Hmac<Sha256>);

impl Cookies {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        Self(Hmac::new_from_slice(&secret).expect("a key may have any length"))
    }

    /// The cookie for a client now.
    pub(super) fn cookie(&self, now: Duration, client: SocketAddr, random: &[u8]) -> Cookie {
        self.at(now.as_secs() / COOKIE_LIFE, client, random)
    }

    /// Whether a ClientHello brings the cookie that the client was sent a while ago at most.
    pub(super) fn is_verified(
        &self,
        now: Duration,
        client: SocketAddr,
        hello: &ClientHello<'_>,
    ) -> bool {
        let slot = now.as_secs() / COOKIE_LIFE;
        let is_of = |slot| {
            let cookie = self.at(slot, client, hello.random);
            bool::from(subtle::ConstantTimeEq::ct_eq(&cookie[..], hello.cookie()))
        };
        is_of(slot) || slot.checked_sub(1).is_some_and(is_of)
    }

    fn at(&self, slot: u64, client: SocketAddr, random: &[u8]) -> Cookie {
        let mut mac = self.0.clone();
        mac.update(&slot.to_be_bytes());
        match client {
            SocketAddr::V4(client) => mac.update(&client.ip().octets()),
            SocketAddr::V6(client) => mac.update(&client.ip().octets()),
        }
        mac.update(&client.port().to_be_bytes());
        mac.update(random);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A ClientHello as the second message of the second record, with four bytes behind the cookie.
    pub(in super::super) fn hello(random: [u8; RANDOM], cookie: &[u8]) -> Vec<u8> {
        let mut body = vec![0xFE, 0xFD];
        body.extend(random);
        body.push(0);
        body.push(cookie.len() as u8);
        body.extend(cookie);
        body.extend([1, 2, 3, 4]);
        let length = body.len() as u8;
        let mut datagram = vec![HANDSHAKE, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 1, 0];
        datagram.push(HANDSHAKE_HEADER as u8 + length);
        datagram.extend([CLIENT_HELLO, 0, 0, length, 0, 1, 0, 0, 0, 0, 0, length]);
        datagram.extend(body);
        datagram
    }

    fn client(text: &str) -> SocketAddr {
        text.parse().expect("literal")
    }

    const NOW: Duration = Duration::from_secs(1000);

    #[test]
    fn a_cookie_is_its_addressees_alone_and_for_a_while() {
        let cookies = Cookies::new([7; 32]);
        let ann = client("192.0.2.1:5000");
        let cookie = cookies.cookie(NOW, ann, &[1; RANDOM]);
        let is_good = |at: u64, who: &str, random: u8, cookies: &Cookies| {
            let datagram = hello([random; RANDOM], &cookie);
            let hello = ClientHello::read(&datagram).expect("it is one");
            cookies.is_verified(Duration::from_secs(at), client(who), &hello)
        };
        for (at, who, random, good) in [
            (1000, "192.0.2.1:5000", 1, true),
            (1025, "192.0.2.1:5000", 1, true),
            (1060, "192.0.2.1:5000", 1, false),
            (900, "192.0.2.1:5000", 1, false),
            (1000, "192.0.2.1:5001", 1, false),
            (1000, "192.0.2.2:5000", 1, false),
            (1000, "192.0.2.1:5000", 2, false),
        ] {
            assert_eq!(is_good(at, who, random, &cookies), good, "{at} {who} {random}");
        }
        assert!(!is_good(1000, "192.0.2.1:5000", 1, &Cookies::new([8; 32])));
        let datagram = hello([1; RANDOM], b"");
        let hello = ClientHello::read(&datagram).expect("it is one");
        assert!(!cookies.is_verified(NOW, ann, &hello), "none is not one");
    }

    #[test]
    fn a_hello_without_its_cookie_is_the_first_one() {
        let with = hello([1; RANDOM], &[9; COOKIE_LEN]);
        let with = ClientHello::read(&with).expect("it is one");
        assert_eq!(with.cookie(), [9; COOKIE_LEN]);
        let mut first = hello([1; RANDOM], b"");
        (first[10], first[RECORD_HEADER + 5]) = (0, 0);
        assert_eq!(with.without_cookie(), first);
    }

    #[test]
    fn the_answer_to_a_stranger_is_shorter_than_what_it_answers() {
        let first = hello([1; RANDOM], b"");
        let answer = ClientHello::read(&first).expect("it is one").verify(&[9; COOKIE_LEN]);
        assert_eq!(answer.len(), RECORD_HEADER + HANDSHAKE_HEADER + 3 + COOKIE_LEN);
        assert!(answer.len() <= first.len(), "a real one has ciphers and extensions besides");
        assert_eq!(answer[3..11], first[3..11], "epoch and sequence");
    }

    #[test]
    fn dtls_1_0_is_told_that_it_is_too_old() {
        let refusal = |version: [u8; 2]| {
            let mut datagram = hello([1; RANDOM], b"");
            datagram[RECORD_HEADER + HANDSHAKE_HEADER..][..2].copy_from_slice(&version);
            ClientHello::read(&datagram).expect("it is one").refusal()
        };
        let alert = vec![ALERT, 0xFE, 0xFD, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 2, 70];
        assert_eq!(refusal([0xFE, 0xFF]), Some(alert));
        assert_eq!(refusal([0xFE, 0xFD]), None);
        assert_eq!(refusal([0xFE, 0xFC]), None, "1.3 says 1.2 here");
    }

    proptest::proptest! {
        /// Any bytes, and any change to a ClientHello, are read or refused.
        #[test]
        fn nothing_breaks_the_reader(bytes: Vec<u8>, at in 0..90_usize, byte: u8, cut in 0..100_usize) {
            let read = |bytes: &[u8]| {
                if let Some(hello) = ClientHello::read(bytes) {
                    let first = hello.without_cookie();
                    let again = ClientHello::read(&first).expect("it is one still");
                    assert!(again.cookie().is_empty() && again.random == hello.random);
                    hello.verify(&[0; COOKIE_LEN]);
                }
            };
            read(&bytes);
            let mut changed = hello([1; RANDOM], &[2; COOKIE_LEN]);
            let len = changed.len();
            changed[at % len] = byte;
            read(&changed);
            changed.truncate(cut);
            read(&changed);
        }
    }
}
