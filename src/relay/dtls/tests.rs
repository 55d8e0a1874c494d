//! Sessions with the library's own client at the other end, in virtual time.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use dimpl::{Config, Dtls, DtlsCertificate, Output};
use hairpin_config::CertificateFiles;
use hairpin_turn::{StreamDeadlines, Transport};

use super::*;

fn identity() -> Identity {
    let folder = tempfile::tempdir().expect("the temporary directory is writable");
    let [cert, key] = ["cert", "key"].map(|name| folder.path().join(name));
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    std::fs::write(&cert, pair.cert.pem()).expect("it is writable");
    std::fs::write(&key, pair.signing_key.serialize_pem()).expect("it is writable");
    Identity::of(&[CertificateFiles { cert, key }]).expect("it is of ECDSA")
}

fn tuple(client: &str) -> FiveTuple {
    let client: SocketAddr = client.parse().expect("literal");
    let server = "192.0.2.10:3478".parse().expect("literal");
    FiveTuple { transport: Transport::Dtls, client, server }
}

fn sessions() -> Sessions {
    Sessions::new(identity(), at(1000), [7; 32])
}

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct Client {
    dtls: Dtls,
    tuple: FiveTuple,
    epoch: Instant,
    connected: bool,
    received: Vec<Vec<u8>>,
}

impl Client {
    fn new(identity: &Identity, address: &str) -> Self {
        let Identity { certificate: DtlsCertificate { certificate, private_key }, .. } =
            identity.clone();
        let epoch = Instant::now();
        let config = Arc::new(Config::builder().build().expect("the defaults are good"));
        let mut dtls = Dtls::new_12(config, DtlsCertificate { certificate, private_key }, epoch);
        dtls.set_active(true);
        dtls.handle_timeout(epoch).expect("it has not begun");
        let received = Vec::new();
        Self { dtls, tuple: tuple(address), epoch, connected: false, received }
    }

    /// What it sends now.
    fn outgoing(&mut self) -> Vec<Vec<u8>> {
        let mut buffer = vec![0; 1 << 16];
        let mut outgoing = Vec::new();
        loop {
            match self.dtls.poll_output(&mut buffer) {
                Output::Packet(packet) => outgoing.push(packet.to_vec()),
                Output::Connected => self.connected = true,
                Output::ApplicationData(data) => self.received.push(data.to_vec()),
                Output::Timeout(_) => return outgoing,
                _ => {}
            }
        }
    }

    /// Lets both sides talk until nobody has anything to say; what the server has received.
    fn talk(&mut self, sessions: &mut Sessions, now: Duration) -> Vec<Vec<u8>> {
        let mut heard = Vec::new();
        loop {
            let outgoing = self.outgoing();
            for datagram in &outgoing {
                let received = sessions.receive(now, &self.tuple, datagram);
                heard.extend(received.iter().map(|message| message.payload().to_vec()));
            }
            let answers = sessions.take_outgoing();
            if outgoing.is_empty() && answers.is_empty() {
                return heard;
            }
            for (to, datagram) in answers {
                assert_eq!(to, self.tuple);
                self.dtls.handle_packet(&datagram).expect("the server speaks DTLS");
            }
        }
    }
}

/// The ClientHello, with the right cookie, of a client that may never say more.
fn with_cookie(sessions: &Sessions, client: &FiveTuple) -> Vec<u8> {
    static HELLO: OnceLock<Vec<u8>> = OnceLock::new();
    let hello = HELLO.get_or_init(|| {
        let mut ann = Client::new(&sessions.identity, "192.0.2.1:5000");
        let mut empty = Sessions::new(sessions.identity.clone(), at(1000), [7; 32]);
        let first = ann.outgoing().remove(0);
        empty.receive(at(1000), &ann.tuple, &first);
        let answer = empty.take_outgoing().remove(0).1;
        ann.dtls.handle_packet(&answer).expect("it is one");
        ann.outgoing().remove(0)
    });
    let read = ClientHello::read(hello).expect("it is one");
    let cookie = sessions.cookies.cookie(at(1000), client.client, read.random);
    let old = read.cookie();
    let place = hello.windows(old.len()).position(|bytes| bytes == old).expect("it is there");
    let mut hello = hello.clone();
    hello[place..place + cookie.len()].copy_from_slice(&cookie);
    hello
}

#[test]
fn a_client_shakes_hands_and_messages_go_both_ways() {
    let mut sessions = sessions();
    let mut ann = Client::new(&sessions.identity.clone(), "192.0.2.1:5000");
    assert!(ann.talk(&mut sessions, at(1000)).is_empty());
    assert!(ann.connected);
    assert_eq!((sessions.by_tuple.len(), sessions.half_open.total()), (1, 0));
    for size in [1, 1200, 9000] {
        ann.dtls.send_application_data(&vec![3; size]).expect("it is connected");
        sessions.send(&ann.tuple, &vec![4; size]);
        assert_eq!(ann.talk(&mut sessions, at(1001)), [vec![3; size]]);
        assert_eq!(std::mem::take(&mut ann.received), [vec![4; size]]);
    }
    sessions.send(&ann.tuple, &vec![4; 20_000]);
    assert!(sessions.take_outgoing().is_empty(), "no record is so long");
    ann.dtls.close().expect("it is connected");
    ann.talk(&mut sessions, at(1002));
    assert_eq!((sessions.next_ended(), sessions.by_tuple.len()), (Some(ann.tuple), 0));
    assert_eq!((sessions.places.total(), sessions.timers.len()), (0, 0));
}

#[test]
fn a_stranger_leaves_nothing_and_another_address_has_no_use_for_its_cookie() {
    let mut sessions = sessions();
    let identity = sessions.identity.clone();
    let mut ann = Client::new(&identity, "192.0.2.1:5000");
    let hello = ann.outgoing().remove(0);
    for port in 1..2000 {
        let stranger = tuple(&format!("198.51.100.7:{port}"));
        sessions.receive(at(1000), &stranger, &hello);
        let answer = sessions.take_outgoing().pop().expect("a cookie").1;
        assert!(answer.len() < hello.len());
    }
    assert_eq!(sessions.by_tuple.len(), 0);
    sessions.receive(at(1000), &ann.tuple, &hello);
    let answer = sessions.take_outgoing().remove(0).1;
    ann.dtls.handle_packet(&answer).expect("it is one");
    let with_cookie = ann.outgoing().remove(0);
    sessions.receive(at(1000), &tuple("192.0.2.2:5000"), &with_cookie);
    assert_eq!(sessions.by_tuple.len(), 0);
    sessions.receive(at(1000), &ann.tuple, &with_cookie);
    assert_eq!(sessions.by_tuple.len(), 1);
}

#[test]
fn a_thousand_half_open_handshakes_are_bounded_and_end_soon() {
    let mut sessions = sessions();
    let identity = sessions.identity.clone();
    for port in 1..=1000 {
        let client = tuple(&format!("198.51.100.7:{port}"));
        let hello = with_cookie(&sessions, &client);
        sessions.receive(at(1000), &client, &hello);
        sessions.take_outgoing();
    }
    assert_eq!(sessions.by_tuple.len(), HANDSHAKES / 4, "what one address may have");
    let mut ann = Client::new(&identity, "192.0.2.1:5000");
    ann.talk(&mut sessions, at(1000));
    assert!(ann.connected, "there is room for others");
    let end = 1000 + StreamDeadlines::FIRST_FRAME.as_secs();
    for second in 1000..=end {
        sessions.handle_timeout(at(second), usize::MAX >> 1, |_| None);
        sessions.take_outgoing();
    }
    assert_eq!((sessions.by_tuple.len(), sessions.half_open.total()), (0, 0));
}

#[test]
fn only_so_many_handshakes_begin_in_a_turn() {
    let mut sessions = sessions();
    for port in 1..=10 {
        let client = tuple(&format!("198.51.100.7:{port}"));
        let hello = with_cookie(&sessions, &client);
        sessions.receive(at(1000), &client, &hello);
    }
    assert_eq!(sessions.by_tuple.len(), BEGINNINGS);
}

#[test]
fn garbage_and_what_is_changed_on_the_way_change_nothing() {
    let mut sessions = sessions();
    let identity = sessions.identity.clone();
    let mut ann = Client::new(&identity, "192.0.2.1:5000");
    let mut rng = 12_345_u32;
    let mut random = || {
        rng = rng.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (rng >> 16) as u8
    };
    for round in 0..500 {
        let mut garbage: Vec<u8> = (0..round % 90).map(|_| random()).collect();
        garbage.insert(0, 20 + random() % 44);
        sessions.receive(at(1000), &ann.tuple, &garbage);
    }
    assert_eq!(sessions.by_tuple.len(), 0);
    sessions.take_outgoing();
    ann.talk(&mut sessions, at(1000));
    for round in 0..500 {
        ann.dtls.send_application_data(b"hello").expect("it is connected");
        for mut datagram in ann.outgoing() {
            let place = usize::from(random()) % datagram.len();
            datagram[place] ^= 1 << (round % 8);
            // The library does not look at a record's version.
            let received = sessions.receive(at(1000), &ann.tuple, &datagram);
            assert!(received.is_empty() || place < 3 && received[0].payload() == b"hello");
            let garbage: Vec<u8> = (0..40).map(|_| random()).collect();
            sessions.receive(at(1000), &ann.tuple, &garbage);
        }
    }
    sessions.take_outgoing();
    ann.dtls.send_application_data(b"still there?").expect("it is connected");
    assert_eq!(ann.talk(&mut sessions, at(1001)), [b"still there?"]);
}

#[test]
fn a_session_ends_with_its_allocation_or_a_while_without_one() {
    let mut sessions = sessions();
    let identity = sessions.identity.clone();
    let mut ann = Client::new(&identity, "192.0.2.1:5000");
    ann.talk(&mut sessions, at(1000));
    ann.dtls.send_application_data(b"Allocate").expect("it is connected");
    ann.talk(&mut sessions, at(1001));
    sessions.allocated(&ann.tuple);
    let ends = |_: &FiveTuple| Some(at(1601));
    for second in 1002..1601 {
        sessions.handle_timeout(at(second), 10, ends);
    }
    assert_eq!(sessions.by_tuple.len(), 1);
    sessions.handle_timeout(at(1601), 10, |_| None);
    assert_eq!(sessions.next_ended(), Some(ann.tuple));
    assert_eq!(sessions.take_outgoing().len(), 1, "it is told");
}

#[test]
fn a_client_that_begins_anew_is_let_in_and_nobody_else_ends_its_session() {
    let mut sessions = sessions();
    let identity = sessions.identity.clone();
    let mut ann = Client::new(&identity, "192.0.2.1:5000");
    ann.talk(&mut sessions, at(1000));
    let mut forged = Client::new(&identity, "192.0.2.1:5000");
    let hello = forged.outgoing().remove(0);
    sessions.receive(at(1001), &ann.tuple, &hello);
    sessions.take_outgoing();
    assert_eq!(sessions.next_ended(), None, "whoever forges its address gets no cookie");
    let mut again = Client::new(&identity, "192.0.2.1:5000");
    again.talk(&mut sessions, at(1001));
    assert_eq!(sessions.next_ended(), Some(ann.tuple), "what it had is over");
    again.epoch += at(2);
    again.dtls.handle_timeout(again.epoch).expect("it repeats itself");
    again.talk(&mut sessions, at(1003));
    assert!(again.connected);
}
