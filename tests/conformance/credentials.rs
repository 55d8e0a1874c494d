//! RFC 8489 s9.2: long-term credentials.

use std::time::Duration;

use hairpin_sim::client::{Client, Response, allocate_udp, build};
use hairpin_sim::relay::{REALM, Relay, config};
use hairpin_stun::{AttributeType, Class, Key, Method, TransactionId, Writer};
use hairpin_turn::Features;

use super::{addr, allocated, peer};

const ID: TransactionId = TransactionId(*b"transaction!");

/// A client that has a nonce and no allocation.
fn challenged() -> (Relay, Client) {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut relay);
    (relay, client)
}

fn allocate(relay: &mut Relay, client: &mut Client) -> Response {
    client.request(relay, Method::ALLOCATE, allocate_udp)
}

/// A 4xx answer that invites the client to try again with what it carries.
fn assert_challenge(response: &Response, code: u16) {
    assert_eq!(response.error(), Some(code));
    assert_eq!(response.get(AttributeType::REALM), Some(REALM.as_bytes()));
    assert!(response.has(AttributeType::NONCE));
}

#[test]
fn c027_missing_integrity_is_401_unsigned() {
    for method in
        [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND]
    {
        // USERNAME without integrity is what libjuice sends first.
        for attributes in [
            |_: &mut Writer<'_>| {},
            |w: &mut Writer<'_>| {
                w.text(AttributeType::USERNAME, "ann");
            },
        ] {
            let mut relay = Relay::default();
            let bytes = build(Class::Request, method, ID, attributes);
            let response = Client::ann(1).exchange(&mut relay, &bytes).expect("a request");
            assert_challenge(&response, 401);
            assert!(!response.message().has_integrity());
        }
    }
}

#[test]
fn c028_the_nonce_starts_with_the_cookie_and_four_characters_of_features() {
    let (_, client) = challenged();
    assert!(client.nonce.starts_with(b"obMatJos2AAAA"), "{:?}", client.nonce.escape_ascii());
    assert!(client.nonce.is_ascii());
}

#[test]
fn c029_features_are_encoded_as_the_rfc_counts_them() {
    let encoded = |password_algorithms, username_anonymity| {
        Features { password_algorithms, username_anonymity }.encode()
    };
    assert_eq!(&encoded(false, false), b"AAAA");
    assert_eq!(&encoded(true, false), b"AAAB");
    assert_eq!(&encoded(false, true), b"AAAC");
    assert_eq!(&encoded(true, true), b"AAAD");
}

#[test]
fn c030_without_its_bit_there_are_no_password_algorithms() {
    let mut relay = Relay::default();
    let bytes = build(Class::Request, Method::ALLOCATE, ID, allocate_udp);
    let response = Client::ann(1).exchange(&mut relay, &bytes).expect("a request");
    assert!(response.get(AttributeType::NONCE).is_some_and(|n| n.starts_with(b"obMatJos2AAAA")));
    assert!(!response.has(AttributeType::PASSWORD_ALGORITHMS));
}

#[test]
fn c031_integrity_without_the_rest_is_400_without_a_challenge() {
    let (mut relay, client) = challenged();
    for missing in [AttributeType::USERNAME, AttributeType::REALM, AttributeType::NONCE] {
        let bytes = build(Class::Request, Method::ALLOCATE, ID, |w| {
            allocate_udp(w);
            for (kind, value) in [
                (AttributeType::USERNAME, client.username.as_bytes()),
                (AttributeType::REALM, client.realm.as_bytes()),
                (AttributeType::NONCE, client.nonce.as_slice()),
            ] {
                if kind != missing {
                    w.bytes(kind, value);
                }
            }
            w.integrity(client.key.as_ref());
        });
        let response = client.exchange(&mut relay, &bytes).expect("a request");
        assert_eq!(response.error(), Some(400), "{missing:?}");
        assert!(!response.has(AttributeType::REALM) && !response.has(AttributeType::NONCE));
    }
}

#[test]
fn c031_a_userhash_we_never_asked_for_is_nobody_we_know() {
    let (mut relay, client) = challenged();
    let hash = hairpin_stun::userhash(&client.username, REALM);
    let bytes = build(Class::Request, Method::ALLOCATE, ID, |w| {
        w.bytes(AttributeType::USERHASH, &hash)
            .text(AttributeType::REALM, REALM)
            .bytes(AttributeType::NONCE, &client.nonce)
            .integrity(client.key.as_ref());
    });
    assert_challenge(&client.exchange(&mut relay, &bytes).expect("a request"), 401);
}

#[test]
fn c032_an_unknown_user_is_401() {
    let (mut relay, mut client) = challenged();
    client.username = "nobody".into();
    let response = allocate(&mut relay, &mut client);
    assert_challenge(&response, 401);
    assert!(!response.message().has_integrity());
}

#[test]
fn c033_a_wrong_password_is_401_and_never_400() {
    let (mut relay, mut client) = challenged();
    client.key = Key::long_term("ann", REALM, "wrong");
    assert_challenge(&allocate(&mut relay, &mut client), 401);

    let (mut relay, mut client, _) = allocated();
    client.key = Key::long_term("ann", REALM, "wrong");
    assert_challenge(&client.refresh(&mut relay, 0), 401);
    assert_eq!(relay.server.allocations(), 1);
}

#[test]
fn c034_a_wrong_password_with_a_stale_nonce_is_401() {
    let (mut relay, mut client) = challenged();
    relay.advance_secs(3601);
    client.key = Key::long_term("ann", REALM, "wrong");
    assert_challenge(&allocate(&mut relay, &mut client), 401);
}

#[test]
fn c035_a_stale_nonce_is_438_with_a_fresh_one() {
    let (mut relay, mut client) = challenged();
    relay.advance_secs(3601);
    let response = allocate(&mut relay, &mut client);
    assert_challenge(&response, 438);
    client.nonce = response.get(AttributeType::NONCE).expect("a challenge").to_vec();
    assert!(allocate(&mut relay, &mut client).is_success());
}

#[test]
fn c036_a_nonce_is_of_no_use_from_another_address() {
    let (mut relay, mut client) = challenged();
    client.tuple.client = addr("192.0.2.99:40000");
    assert_challenge(&allocate(&mut relay, &mut client), 438);
    // Another port of the same address is libwebrtc's next try after a 437, with the nonce it has.
    client.tuple.client = addr("192.0.2.1:40001");
    assert!(allocate(&mut relay, &mut client).is_success());
}

#[test]
fn c037_a_nonce_expires_within_an_hour_and_cannot_be_guessed() {
    let mut eternal = config();
    eternal.rules.stale_nonce = Duration::from_secs(1 << 30);
    let mut relay = Relay::new(eternal);
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut relay);
    let issued = client.nonce.clone();
    relay.advance_secs(3600);
    assert!(allocate(&mut relay, &mut client).is_success());
    relay.advance_secs(1);
    assert_eq!(client.refresh(&mut relay, 0).error(), Some(438));

    // Same second, same client, another secret: nothing of the unpredictable part is the same.
    let mut other = config();
    other.rules.credentials.secrets = vec![(*b"south").into()];
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut Relay::new(other));
    assert_ne!(client.nonce[16..], issued[16..]);
}

#[test]
fn c038_a_forged_nonce_is_438_and_leaves_no_state() {
    let (mut relay, mut client) = challenged();
    let good = client.nonce.clone();
    let before = relay.server.table_bytes();
    let flipped = [&good[..good.len() - 1], &[good[good.len() - 1] ^ 1]].concat();
    for nonce in
        [flipped, good[..20].to_vec(), b"f//499k954d6OL34oL9FSTvy64sA".to_vec(), vec![0xFF; 24]]
    {
        client.nonce = nonce;
        assert_challenge(&allocate(&mut relay, &mut client), 438);
    }
    assert_eq!((relay.server.allocations(), relay.server.table_bytes()), (0, before));
}

#[test]
fn c039_a_wrong_realm_is_401() {
    let (mut relay, mut client) = challenged();
    client.realm = "example.com".into();
    assert_challenge(&allocate(&mut relay, &mut client), 401);
    client.key = Key::long_term("ann", "example.com", "ann's password");
    assert_challenge(&allocate(&mut relay, &mut client), 401);
}

#[test]
fn c047_the_key_is_md5_of_user_realm_and_password() {
    let key = Key::long_term("user", "realm", "pass");
    let hex: String = key.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "8493fbc53ba582fb4c044c456bdc40eb");
}

#[test]
fn c048_the_server_is_told_keys_and_never_passwords() {
    let credentials = config().rules.credentials;
    let (name, key) = &credentials.users[0];
    assert_eq!(key.as_ref(), Key::long_term(name, REALM, "ann's password").as_ref());
    assert!(!format!("{credentials:?}").contains("north"));
    assert!(!format!("{key:?}").contains("password"));
}

#[test]
fn c049_any_wrong_byte_of_an_integrity_is_refused() {
    // Time cannot be measured here; that the comparison looks at every byte can.
    let (mut relay, client) = challenged();
    let good = client.signed(Method::ALLOCATE, ID, allocate_udp);
    for at in good.len() - 20..good.len() {
        let mut forged = good.clone();
        forged[at] ^= 0x10;
        let response = client.exchange(&mut relay, &forged).expect("a request");
        assert_eq!(response.error(), Some(401));
    }
    assert!(client.exchange(&mut relay, &good).expect("a request").is_success());
}

#[test]
fn c050_c051_answers_to_the_authenticated_are_signed_and_repeat_no_credentials() {
    let (mut relay, mut client) = challenged();
    let mismatch = client.refresh(&mut relay, 600);
    let no_transport = client.request(&mut relay, Method::ALLOCATE, |_| {});
    let allocated = allocate(&mut relay, &mut client);
    let forbidden = client.permit(&mut relay, &[addr("127.0.0.1:1")]);
    let permitted = client.permit(&mut relay, &[peer(1)]);
    let bound = client.bind_channel(&mut relay, 0x4000, peer(1));
    let no_channel = client.bind_channel(&mut relay, 0x3FFF, peer(1));
    let refreshed = client.refresh(&mut relay, 0);
    let codes =
        [mismatch, no_transport, allocated, forbidden, permitted, bound, no_channel, refreshed]
            .map(|response| {
                assert!(response.is_signed(&client.key));
                for kind in [
                    AttributeType::USERNAME,
                    AttributeType::USERHASH,
                    AttributeType::REALM,
                    AttributeType::NONCE,
                ] {
                    assert!(!response.has(kind), "{kind:?} in {:?}", response.message());
                }
                response.error()
            });
    let (ok, bad, gone, no) = (None, Some(400), Some(437), Some(403));
    assert_eq!(codes, [gone, bad, ok, no, ok, ok, bad, ok]);
}

#[test]
fn c052_realm_username_and_password_need_not_be_ascii() {
    let (user, realm, password) = ("マトリックス", "bücher.example", "pässwörd");
    let mut config = config();
    config.rules.realm = realm.into();
    config.rules.credentials.users = vec![(user.into(), Key::long_term(user, realm, password))];
    let mut relay = Relay::new(config);
    let mut client = Client::ann(1);
    (client.username, client.realm) = (user.into(), realm.into());
    client.key = Key::long_term(user, realm, password);
    assert!(allocate(&mut relay, &mut client).is_success());
}

#[test]
fn c053_a_flood_of_strangers_leaves_no_state() {
    let mut relay = Relay::default();
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut relay);
    relay.forget();
    let before = relay.server.table_bytes();
    let anonymous = build(Class::Request, Method::ALLOCATE, ID, allocate_udp);
    client.key = Key::long_term("ann", REALM, "wrong");
    let wrong = client.signed(Method::ALLOCATE, ID, allocate_udp);
    for source in 0..50_000_u32 {
        client.tuple.client = (std::net::Ipv4Addr::from_bits(0xC612_0000 + source), 4000).into();
        relay.client_sends(client.tuple, if source % 2 == 0 { &anonymous } else { &wrong });
        relay.client_sends(client.tuple, b"\x40\x00\x00\x04flood");
        relay.forget();
    }
    assert_eq!(relay.server.table_bytes(), before, "zero bytes a source");
    assert_eq!((relay.server.allocations(), relay.server.poll_timeout()), (0, None));
}

#[test]
fn c054_a_nonce_survives_a_restart_and_is_good_on_every_node() {
    let (relay, mut client) = challenged();
    let mut other = config();
    other.seed ^= 0xFFFF;
    let mut restarted = Relay::new(other);
    restarted.now = relay.now;
    assert!(allocate(&mut restarted, &mut client).is_success());
}
