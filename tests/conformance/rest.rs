//! draft-uberti-behave-turn-rest: credentials that carry their own proof.

use hairpin_sim::client::{Client, allocate_udp};
use hairpin_sim::relay::{EPOCH, Relay, config};
use hairpin_stun::Method;
use hairpin_turn::{RestCredentials, Transport, rest_credentials};

use super::peer;

fn client(host: u8, issued: &RestCredentials) -> Client {
    Client::new(host, Transport::Udp, &issued.username, &issued.password)
}

fn allocate(relay: &mut Relay, client: &mut Client) -> Option<u16> {
    client.request(relay, Method::ALLOCATE, allocate_udp).error()
}

#[test]
fn c185_username_is_expiry_and_id_and_password_an_hmac() {
    let issued = rest_credentials(b"north", "id", 1_800_000_600);
    assert_eq!(issued.username, "1800000600:id");
    // printf 1800000600:id | openssl dgst -sha1 -hmac north -binary | base64
    assert_eq!(issued.password, "6yACAyn/5X/Qszc8GH0aQZY9pko=");
    let mut relay = Relay::default();
    assert_eq!(allocate(&mut relay, &mut client(1, &issued)), None);
    let mut forged = issued.clone();
    forged.username = "1800000601:id".into();
    assert_eq!(allocate(&mut relay, &mut client(2, &forged)), Some(401));
}

#[test]
fn c186_expired_at_allocate_is_401() {
    let mut relay = Relay::default();
    let issued = rest_credentials(b"north", "id", EPOCH + 600);
    relay.advance_secs(599);
    assert_eq!(allocate(&mut relay, &mut client(1, &issued)), None);
    relay.advance_secs(1);
    assert_eq!(allocate(&mut relay, &mut client(2, &issued)), Some(401));
}

#[test]
fn c187_a_live_allocation_outlives_its_credential() {
    let mut relay = Relay::default();
    let mut client = client(1, &rest_credentials(b"north", "id", EPOCH + 60));
    client.allocate(&mut relay);
    for _ in 0..6 {
        relay.advance_secs(500);
        assert!(client.refresh(&mut relay, 600).is_success());
    }
    assert!(client.permit(&mut relay, &[peer(1)]).is_success());
    assert!(client.bind_channel(&mut relay, 0x4000, peer(1)).is_success());
    // Its end is its end: the 5-tuple is a stranger's afterwards.
    assert!(client.refresh(&mut relay, 0).is_success());
    assert_eq!(client.refresh(&mut relay, 600).error(), Some(401));
    assert_eq!(allocate(&mut relay, &mut client), Some(401));
}

#[test]
fn c187_nobody_else_profits_from_a_live_allocation() {
    let mut relay = Relay::default();
    let mut owner = client(1, &rest_credentials(b"north", "owner", EPOCH + 60));
    owner.allocate(&mut relay);
    relay.advance_secs(120);
    let mut expired = client(1, &rest_credentials(b"north", "other", EPOCH + 60));
    assert_eq!(expired.refresh(&mut relay, 0).error(), Some(401));
    let mut valid = client(1, &rest_credentials(b"north", "other", EPOCH + 600));
    assert_eq!(valid.refresh(&mut relay, 0).error(), Some(441));
    let mut guesser = client(1, &rest_credentials(b"south", "owner", EPOCH + 60));
    assert_eq!(guesser.refresh(&mut relay, 0).error(), Some(401));
    assert_eq!(relay.server.allocations(), 1);
}

#[test]
fn c188_several_secrets_live_during_a_rotation() {
    let mut rotating = config();
    rotating.rules.credentials.secrets = vec![(*b"new").into(), (*b"old").into()];
    let mut relay = Relay::new(rotating);
    for (host, secret, error) in [(1, "new", None), (2, "old", None), (3, "older", Some(401))] {
        let issued = rest_credentials(secret.as_bytes(), "id", EPOCH + 600);
        assert_eq!(allocate(&mut relay, &mut client(host, &issued)), error, "{secret}");
    }
}

#[test]
fn c188_a_nonce_of_the_old_secret_is_good_during_a_rotation() {
    let mut rotating = config();
    rotating.rules.credentials.secrets.insert(0, (*b"new").into());
    let (mut before, mut after) = (Relay::default(), Relay::new(rotating));
    let mut client = Client::ann(1);
    client.ensure_nonce(&mut before);
    assert_eq!(allocate(&mut after, &mut client), None);
}

#[test]
fn c188_a_non_numeric_expiry_is_401() {
    let mut relay = Relay::default();
    for username in ["soon:id", ":id", "", "+1900000000:id", "1900000000x:id", "id:+1900000000"] {
        let password = hairpin_stun::rest_password(b"north", username, &mut [0; 28]).to_owned();
        let mut client = Client::new(1, Transport::Udp, username, &password);
        assert_eq!(allocate(&mut relay, &mut client), Some(401), "{username:?}");
    }
}

/// As coturn reads them: the id may come first when it is no number.
#[test]
fn c188_the_expiry_may_follow_the_id() {
    let mut relay = Relay::default();
    for (username, error) in [
        ("id:1800000600", None),
        ("id:1799999999", Some(401)),
        ("id:room:1800000600", Some(401)),
        // Two numbers: the first is the expiry.
        ("1799999999:1800000600", Some(401)),
        ("1800000600:1799999999", None),
    ] {
        let password = hairpin_stun::rest_password(b"north", username, &mut [0; 28]).to_owned();
        let mut client = Client::new(1, Transport::Udp, username, &password);
        assert_eq!(allocate(&mut relay, &mut client), error, "{username:?}");
        client.refresh(&mut relay, 0);
    }
}

#[test]
fn c188_an_expiry_more_than_ten_years_ahead_is_401() {
    const YEAR: u64 = 31_556_952;
    let mut relay = Relay::default();
    for (expiry, error) in [
        (EPOCH + 10 * YEAR - 60, None),
        (EPOCH + 10 * YEAR + 60, Some(401)),
        ((EPOCH + 600) * 1000, Some(401)),
        (u64::MAX, Some(401)),
    ] {
        let mut client = client(1, &rest_credentials(b"north", "id", expiry));
        assert_eq!(allocate(&mut relay, &mut client), error, "{expiry}");
        client.refresh(&mut relay, 0);
    }
}
