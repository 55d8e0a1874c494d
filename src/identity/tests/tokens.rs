//! What is in a token.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hairpin_signaling::MAX_USER_LEN;
use jsonwebtoken::Header;
use serde_json::{Value, json};

use super::issuer::{KeyServer, Signer, claims};
use super::*;

const SECRET: &str = "thirty-two bytes are long enough";
const HS256: Signer = Signer::Secret(SECRET);

/// A verifier that has the secret, and the keys of all signers.
async fn knows_all() -> (Verifier, KeyServer) {
    let server = KeyServer::of(&[Signer::Rsa, Signer::Ec, Signer::Ed]).await;
    let verifier = verifier(&IdentitySettings { jwks_url: Some(server.url()), ..settings(SECRET) });
    let keys = verifier.key_set().expect("it has a set").clone();
    assert!(keys.refresh_for_a_test().await);
    (verifier, server)
}

#[tokio::test]
async fn every_algorithm_is_read_by_a_key_of_its_kind() {
    let (verifier, _server) = knows_all().await;
    for signer in [HS256, Signer::Rsa, Signer::Ec, Signer::Ed] {
        let identity = verifier.verify(&signer.sign(&claims("ann"))).expect("a good token");
        assert_eq!(&*identity.user, "ann", "{signer:?}");
        let left = identity.lasts.as_secs();
        assert!((3625..=3630).contains(&left), "an hour and the leeway: {left}");
    }
}

#[tokio::test]
async fn a_signature_of_another_counts_nothing() {
    let (verifier, _server) = knows_all().await;
    let forged = |signer: Signer, kid: &str| {
        let mut header = Header::new(signer.key_algorithm());
        header.kid = Some(kid.to_owned());
        signer.sign_as(&header, &claims("ann"))
    };
    for token in [
        Signer::Secret("another secret of the same length").sign(&claims("ann")),
        forged(Signer::Ed2, "ed"),
    ] {
        let bad = verifier.verify(&token).expect_err("forged");
        assert_eq!(why(bad), "token_invalid: the token's signature is wrong");
    }
    // What is changed afterwards.
    for signer in [HS256, Signer::Rsa, Signer::Ec, Signer::Ed] {
        let token = signer.sign(&claims("ann"));
        let parts: Vec<&str> = token.split('.').collect();
        let other = BASE64_URL_SAFE_NO_PAD.encode(claims("bob").to_string());
        for changed in [
            format!("{}.{other}.{}", parts[0], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}.{}", parts[0], parts[1], &parts[2][..parts[2].len() - 4]),
        ] {
            assert!(verifier.verify(&changed).is_err(), "{signer:?}");
        }
    }
}

#[tokio::test]
async fn a_token_that_names_no_algorithm_or_another_one_is_refused() {
    let (verifier, _server) = knows_all().await;
    let body = BASE64_URL_SAFE_NO_PAD.encode(claims("ann").to_string());
    for head in [
        json!({ "alg": "none" }),
        json!({ "alg": "None", "typ": "JWT" }),
        json!({ "alg": "" }),
        json!({ "typ": "JWT" }),
        json!([]),
    ] {
        let head = BASE64_URL_SAFE_NO_PAD.encode(head.to_string());
        for token in
            [format!("{head}.{body}."), format!("{head}.{body}"), format!("{head}.{body}.AAAA")]
        {
            let bad = verifier.verify(&token).expect_err("unsigned");
            assert!(why(bad).starts_with("token_invalid: this is no JWT"), "{token}");
        }
    }
    let more = HS256.sign_as(&Header::new(Algorithm::HS512), &claims("ann"));
    let bad = verifier.verify(&more).expect_err("another algorithm");
    assert!(why(bad).contains("no keys for"));
    let critical = Header { crit: Some(vec!["b64".into()]), ..Header::new(Algorithm::HS256) };
    assert!(
        why(verifier.verify(&HS256.sign_as(&critical, &claims("ann"))).expect_err("critical"))
            .contains("critical")
    );
}

/// A public key is known to all: it must never be taken for a secret.
#[tokio::test]
async fn a_public_key_is_no_secret() {
    let server = KeyServer::of(&[Signer::Rsa]).await;
    let public = Signer::Rsa.public();
    let only_keys =
        IdentitySettings { secrets: vec![], jwks_url: Some(server.url()), ..settings(SECRET) };
    let both = IdentitySettings { jwks_url: Some(server.url()), ..settings(SECRET) };
    for settings in [only_keys, both] {
        let verifier = verifier(&settings);
        assert!(verifier.key_set().expect("a set").refresh_for_a_test().await);
        for secret in [public["n"].as_str().expect("a modulus"), &public.to_string()] {
            let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
            for kid in [None, Some("rsa".to_owned())] {
                let header = Header { kid, ..Header::new(Algorithm::HS256) };
                let token = jsonwebtoken::encode(&header, &claims("ann"), &key).expect("signed");
                assert!(verifier.verify(&token).is_err());
            }
        }
    }
}

#[test]
fn a_secret_is_no_public_key_and_a_server_without_keys_reads_no_token_of_theirs() {
    let verifier = verifier(&settings(SECRET));
    for signer in [Signer::Rsa, Signer::Ec, Signer::Ed] {
        let bad = verifier.verify(&signer.sign(&claims("ann"))).expect_err("no such keys");
        assert!(why(bad).contains("no keys for"), "{signer:?}");
    }
}

#[test]
fn each_secret_counts_while_it_is_given() {
    let mut both = settings(SECRET);
    both.secrets.push(b"the one before, as long as the other".as_slice().into());
    let verifier = verifier(&both);
    for secret in [SECRET, "the one before, as long as the other"] {
        assert!(verifier.verify(&Signer::Secret(secret).sign(&claims("ann"))).is_ok());
    }
}

/// What a verifier says at this time to claims that are signed well.
fn read(settings: &IdentitySettings, unix: u64, claims: &Value) -> Result<Identity, String> {
    let token = HS256.sign(claims);
    verifier(settings).read(unix, &token).map_err(|bad| why(bad.1))
}

#[test]
fn the_end_and_the_beginning_are_held_to_with_leeway() {
    let settings = settings(SECRET);
    assert_eq!(settings.leeway, LEEWAY);
    let lasting = |unix, exp: Value| {
        let claims = json!({ "sub": "ann", "exp": exp });
        read(&settings, unix, &claims).map(|identity| identity.lasts.as_secs_f64())
    };
    assert_eq!(lasting(1000, json!(1600)), Ok(630.0));
    assert_eq!(lasting(1629, json!(1600)), Ok(1.0));
    assert_eq!(lasting(1629, json!(1600.5)), Ok(1.5));
    let expired = lasting(1630, json!(1600)).expect_err("over");
    assert!(expired.starts_with("token_expired: "), "{expired}");
    assert!(lasting(1000, json!(1e300)).is_ok_and(|left| left.is_finite()));
    for exp in [Value::Null, json!("1600"), json!([1600]), json!(true)] {
        let bad = lasting(1000, exp.clone()).expect_err("no time");
        assert!(bad.starts_with("token_invalid: the token") && bad.contains("exp"), "{exp}: {bad}");
    }
    let beginning = |unix, nbf: Value| {
        read(&settings, unix, &json!({ "sub": "ann", "exp": 9000, "nbf": nbf })).err()
    };
    assert_eq!(beginning(970, json!(1000)), None);
    assert!(beginning(969, json!(1000)).is_some_and(|bad| bad.contains("not count yet")));
    assert!(beginning(2000, json!("1000")).is_some_and(|bad| bad.contains("nbf")));
}

#[test]
fn the_audience_is_one_of_ours() {
    let ours =
        IdentitySettings { audiences: vec!["hairpin".into(), "calls".into()], ..settings(SECRET) };
    let says = |aud: Value| read(&ours, 1000, &json!({ "sub": "ann", "exp": 9000, "aud": aud }));
    for good in [json!("hairpin"), json!(["mail", "calls"]), json!(["hairpin"])] {
        assert!(says(good.clone()).is_ok(), "{good}");
    }
    for bad in [
        Value::Null,
        json!("mail"),
        json!([]),
        json!(["mail", 1]),
        json!({ "hairpin": 1 }),
        json!("hairpin2"),
    ] {
        assert!(says(bad.clone()).is_err_and(|why| why.contains("audience")), "{bad}");
    }
}

#[test]
fn the_issuer_is_one_of_ours() {
    let ours =
        IdentitySettings { issuers: vec!["https://auth.example/".into()], ..settings(SECRET) };
    let says = |iss: Value| read(&ours, 1000, &json!({ "sub": "ann", "exp": 9000, "iss": iss }));
    assert!(says(json!("https://auth.example/")).is_ok());
    for bad in
        [Value::Null, json!("https://auth.example"), json!(["https://auth.example/"]), json!("")]
    {
        assert!(says(bad.clone()).is_err_and(|why| why.contains("issuer")), "{bad}");
    }
}

#[test]
fn the_subject_is_a_user_id() {
    let says = |sub: Value| read(&settings(SECRET), 1000, &json!({ "sub": sub, "exp": 9000 }));
    let longest = "u".repeat(MAX_USER_LEN);
    assert_eq!(says(json!(longest)).map(|identity| identity.user.len()), Ok(128));
    for bad in [Value::Null, json!(""), json!(7), json!(["ann"]), json!(longest + "u")] {
        assert!(says(bad.clone()).is_err_and(|why| why.contains("sub")), "{bad}");
    }
    assert!(read(&settings(SECRET), 1000, &json!({ "exp": 9000 })).is_err());
    assert!(read(&settings(SECRET), 1000, &json!("ann")).is_err());
}

#[test]
fn wishes_are_taken_as_they_are() {
    let claims = json!({ "sub": "ann", "exp": 9000, "blocked": ["bob"], "seeks": { "gender": "man" }, "buddies": null });
    let wishes = read(&settings(SECRET), 1000, &claims).expect("a good token").wishes;
    assert_eq!(wishes.blocked, Some(json!(["bob"])));
    assert_eq!(wishes.seeks, Some(json!({ "gender": "man" })));
    assert_eq!((wishes.buddies, wishes.attributes), (None, None));
}

#[test]
fn what_became_of_tokens_is_counted() {
    let metrics = Arc::new(Metrics::new(0));
    let verifier = Verifier::new(&settings(SECRET), metrics.clone()).expect("no URL");
    for _ in 0..2 {
        assert!(verifier.verify(&HS256.sign(&claims("ann"))).is_ok());
    }
    assert!(verifier.verify("no token").is_err());
    let text = metrics.text();
    assert!(text.contains("hairpin_tokens_total{verdict=\"accepted\"} 2"), "{text}");
    assert!(text.contains("hairpin_tokens_total{verdict=\"malformed\"} 1"));
}

#[test]
fn nothing_of_a_token_is_in_what_is_said_of_it() {
    let verifier = verifier(&settings(SECRET));
    for token in
        ["secretsecret", "secretsecret.secretsecret.secretsecret", &"secretsecret".repeat(1000)]
    {
        let bad = verifier.verify(token).expect_err("no token");
        assert!(!format!("{bad:?}{}", bad.message()).contains("secretsecret"));
    }
}
