//! RFC 8489 s9.2.4, s14.4, s14.11, s14.12: keys by SHA-256, and usernames that are not told.

use hairpin_sim::client::{Client, Response, allocate_udp, build};
use hairpin_sim::relay::{Config, REALM, Relay, USERS, config};
use hairpin_stun::{AttributeType, Class, Key, Method, Writer, userhash};
use hairpin_turn::{Anonymity, Credentials};

const LIST: [u8; 8] = [0, 2, 0, 0, 0, 1, 0, 0];
const MD5: [u8; 4] = [0, 1, 0, 0];
const SHA256: [u8; 4] = [0, 2, 0, 0];

fn sha256_of(user: usize) -> Key {
    let (name, password) = USERS[user];
    Key::long_term_sha256(name, REALM, password)
}

/// Static users with a key by each algorithm.
fn with_sha256() -> Config {
    let mut config = config();
    let keys = USERS.iter().enumerate().map(|(n, (name, _))| ((*name).into(), sha256_of(n)));
    config.rules.credentials.users.extend(keys);
    config
}

/// What a client says of itself and how it proves it.
#[derive(Clone)]
struct Proof {
    hash: Option<[u8; 32]>,
    list: Option<&'static [u8]>,
    algorithm: Option<[u8; 4]>,
    key: Key,
    sha1: bool,
    sha256: bool,
}

fn right() -> Proof {
    let (list, algorithm) = (Some(&LIST[..]), Some(SHA256));
    Proof { hash: None, list, algorithm, key: sha256_of(0), sha1: false, sha256: true }
}

fn ask(relay: &mut Relay, client: &mut Client, method: Method, proof: &Proof) -> Response {
    client.ensure_nonce(relay);
    let id = client.transaction();
    let bytes = build(Class::Request, method, id, |w: &mut Writer<'_>| {
        if method == Method::ALLOCATE {
            allocate_udp(w);
        }
        match proof.hash {
            Some(hash) => w.bytes(AttributeType::USERHASH, &hash),
            None => w.text(AttributeType::USERNAME, &client.username),
        };
        w.text(AttributeType::REALM, REALM).bytes(AttributeType::NONCE, &client.nonce);
        if let Some(list) = proof.list {
            w.bytes(AttributeType::PASSWORD_ALGORITHMS, list);
        }
        if let Some(algorithm) = proof.algorithm {
            w.bytes(AttributeType::PASSWORD_ALGORITHM, &algorithm);
        }
        if proof.sha1 {
            w.integrity(proof.key.as_ref());
        }
        if proof.sha256 {
            w.integrity_sha256(proof.key.as_ref());
        }
    });
    client.exchange(relay, &bytes).expect("a request")
}

fn outcome(proof: &Proof) -> (Option<u16>, bool, bool) {
    let mut relay = Relay::new(with_sha256());
    let response = ask(&mut relay, &mut Client::ann(1), Method::ALLOCATE, proof);
    let message = response.message();
    (response.error(), message.has_integrity(), message.has_integrity_sha256())
}

#[test]
fn c029_c030_the_list_is_sent_exactly_when_its_bit_is_set() {
    let mut anonymous = with_sha256();
    anonymous.rules.anonymity = Anonymity::StaticUsers;
    let mut only_anonymous = config();
    only_anonymous.rules.anonymity = Anonymity::StaticUsers;
    let mut rest = config();
    rest.rules.credentials.users.clear();
    for (config, bits) in [
        (config(), &b"AAAA"[..]),
        (with_sha256(), b"AAAB"),
        (rest, b"AAAB"),
        (only_anonymous, b"AAAC"),
        (anonymous, b"AAAD"),
    ] {
        let mut relay = Relay::new(config);
        let client = Client::ann(1);
        let id = Client::ann(1).transaction();
        let anonymous = build(Class::Request, Method::ALLOCATE, id, allocate_udp);
        let challenge = client.exchange(&mut relay, &anonymous).expect("a request");
        let nonce = challenge.get(AttributeType::NONCE).expect("a nonce");
        assert_eq!(&nonce[9..13], bits);
        let list = challenge.get(AttributeType::PASSWORD_ALGORITHMS);
        assert_eq!(list, (bits[3] % 2 == 0).then_some(&LIST[..]), "{}", bits.escape_ascii());
    }
}

#[test]
fn c040_who_knows_of_no_algorithms_has_an_md5_key() {
    let mut relay = Relay::new(with_sha256());
    let mut client = Client::ann(1);
    let response = client.request(&mut relay, Method::ALLOCATE, allocate_udp);
    assert!(response.is_success());
    assert!(response.is_signed(&client.key));
}

#[test]
fn c041_one_of_the_two_or_a_list_or_an_algorithm_that_is_not_ours_is_400() {
    for (list, algorithm) in [
        (Some(&LIST[..]), None),
        (None, Some(SHA256)),
        (Some(&LIST[..4]), Some(SHA256)),
        (Some(&[0, 1, 0, 0, 0, 2, 0, 0]), Some(SHA256)),
        (Some(&[]), Some(MD5)),
        (Some(&LIST[..]), Some([0, 3, 0, 0])),
        (Some(&LIST[..]), Some([0, 2, 0, 4])),
    ] {
        let outcome = outcome(&Proof { list, algorithm, ..right() });
        assert_eq!(outcome, (Some(400), false, false), "{list:?} {algorithm:?}");
    }
}

/// Somebody in the middle who strikes SHA-256 out of a challenge must change the nonce, and that is no nonce of ours.
#[test]
fn c041_nobody_can_bid_a_client_down() {
    let mut relay = Relay::new(with_sha256());
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut relay);
    assert!(client.nonce.starts_with(b"obMatJos2AAAB"));
    client.nonce[12] = b'A';
    let response = client.request(&mut relay, Method::ALLOCATE, allocate_udp);
    assert_eq!(response.error(), Some(438));
    assert!(response.has(AttributeType::PASSWORD_ALGORITHMS));
    assert_eq!(relay.server.allocations(), 0);
}

#[test]
fn c042_c043_a_key_by_sha256_is_verified_and_answered_in_the_form_of_the_request() {
    assert_eq!(outcome(&right()), (None, false, true));
    assert_eq!(outcome(&Proof { key: sha256_of(1), ..right() }), (Some(401), false, false));
    let md5 = Key::long_term(USERS[0].0, REALM, USERS[0].1);
    assert_eq!(outcome(&Proof { key: md5.clone(), ..right() }), (Some(401), false, false));
    // The key's algorithm and the form of the integrity are two things.
    let md5_key = Proof { algorithm: Some(MD5), key: md5, ..right() };
    assert_eq!(outcome(&md5_key), (None, false, true));
    assert_eq!(outcome(&Proof { sha1: true, sha256: false, ..md5_key }), (None, true, false));
}

#[test]
fn c042_the_key_of_an_allocation_is_kept() {
    let mut relay = Relay::new(with_sha256());
    let mut client = Client::ann(1);
    assert!(ask(&mut relay, &mut client, Method::ALLOCATE, &right()).is_success());
    let refreshed = ask(&mut relay, &mut client, Method::REFRESH, &right());
    assert!(refreshed.is_success() && refreshed.message().has_integrity_sha256());
    assert!(client.refresh(&mut relay, 600).is_success(), "the same user by its other key");
    assert_eq!(relay.server.allocations(), 1);
}

#[test]
fn c042_a_rest_user_has_a_key_by_sha256_until_it_expires_and_its_allocation_longer() {
    let mut config = config();
    config.rules.credentials.users.clear();
    let mut relay = Relay::new(config);
    let issued = hairpin_turn::rest_credentials(b"north", "eve", relay.now.unix + 10);
    let mut client = Client::ann(1);
    client.username = issued.username.clone();
    let key = Key::long_term_sha256(&issued.username, REALM, &issued.password);
    let proof = Proof { key, ..right() };
    assert!(ask(&mut relay, &mut client, Method::ALLOCATE, &proof).is_success());
    relay.advance_secs(20);
    assert!(ask(&mut relay, &mut client, Method::REFRESH, &proof).is_success());
    client.tuple.client.set_port(40_001);
    assert_eq!(ask(&mut relay, &mut client, Method::ALLOCATE, &proof).error(), Some(401));
}

#[test]
fn c042_a_user_of_whom_there_is_but_an_md5_key_leaves_all_without_sha256() {
    let mut config = with_sha256();
    config.rules.credentials.users.push(("old".into(), Key::long_term("old", REALM, "pw")));
    let mut relay = Relay::new(config);
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut relay);
    assert!(client.nonce.starts_with(b"obMatJos2AAAA"));
    assert!(client.request(&mut relay, Method::ALLOCATE, allocate_udp).is_success());
}

#[test]
fn c045_a_userhash_is_its_user_where_anonymity_was_offered() {
    let hash = |user: &str| Some(userhash(user, REALM));
    let mut config = with_sha256();
    config.rules.anonymity = Anonymity::StaticUsers;
    let mut relay = Relay::new(config);
    let mut client = Client::ann(1);
    let nobody = Proof { hash: hash("nobody"), ..right() };
    assert_eq!(ask(&mut relay, &mut client, Method::ALLOCATE, &nobody).error(), Some(401));
    let bob = Proof { hash: hash("bob"), ..right() };
    assert_eq!(ask(&mut relay, &mut client, Method::ALLOCATE, &bob).error(), Some(401));
    let ann = Proof { hash: hash("ann"), ..right() };
    let response = ask(&mut relay, &mut client, Method::ALLOCATE, &ann);
    assert!(response.is_success() && response.message().has_integrity_sha256());
    assert!(!response.has(AttributeType::USERHASH));
    assert!(ask(&mut relay, &mut client, Method::REFRESH, &right()).is_success(), "or by name");
    assert_eq!(outcome(&ann).0, Some(401), "not where it was not offered");
}

#[test]
fn c046_of_both_integrities_the_better_one_is_verified() {
    assert_eq!(outcome(&Proof { sha1: true, ..right() }), (None, false, true));
    let mut relay = Relay::new(with_sha256());
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut relay);
    let id = client.transaction();
    let wrong = build(Class::Request, Method::ALLOCATE, id, |w| {
        allocate_udp(w);
        w.text(AttributeType::USERNAME, "ann")
            .text(AttributeType::REALM, REALM)
            .bytes(AttributeType::NONCE, &client.nonce)
            .integrity(client.key.as_ref())
            .integrity_sha256(b"somebody else's");
    });
    assert_eq!(client.exchange(&mut relay, &wrong).expect("a request").error(), Some(401));
}

#[test]
fn a_challenge_is_at_most_four_times_a_request_under_the_default_realm() {
    let mut rules = with_sha256().rules;
    rules.realm = hairpin_turn::Rules::default().realm;
    rules.anonymity = Anonymity::StaticUsers;
    assert_eq!(rules.challenge_len(), 80);
    rules.credentials = Credentials::default();
    assert_eq!(rules.challenge_len(), 80);
}
