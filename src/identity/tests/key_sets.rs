//! Keys that are fetched, from servers that have good days and bad ones. Time is the runtime's, and jumps.

use hairpin_config::HttpUrl;
use jsonwebtoken::Header;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::issuer::{KeyServer, Mood, Signer, claims, key_set};
use super::*;

/// A verifier whose keys are kept fresh.
struct Kept {
    verifier: Verifier,
    metrics: Arc<Metrics>,
    task: JoinHandle<()>,
}

impl Kept {
    fn of(url: HttpUrl) -> Self {
        let metrics = Arc::new(Metrics::new(0));
        let settings = IdentitySettings { jwks_url: Some(url), ..Config::default().identity };
        let verifier = Verifier::new(&settings, metrics.clone()).expect("it can be asked");
        let task = tokio::spawn(verifier.key_set().expect("a set").clone().keep_fresh());
        Self { verifier, metrics, task }
    }

    fn state(&self) -> State {
        self.verifier.key_set().expect("a set").state()
    }

    /// Waits until this is so.
    async fn until(&self, so: impl Fn(&Self) -> bool) {
        let late = Instant::now() + Duration::from_secs(3600);
        while !so(self) {
            assert!(Instant::now() < late, "never: {:?}", self.state());
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn accepts(&self, signer: Signer) -> bool {
        self.verifier.verify(&signer.sign(&claims("ann"))).is_ok()
    }

    fn says(&self, signer: Signer) -> BadToken {
        self.verifier.verify(&signer.sign(&claims("ann"))).expect_err("it does not count")
    }

    fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        value.expect("the metric is there")
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_at_the_start_and_again_within_ten_minutes() {
    let server = KeyServer::of(&[Signer::Rsa, Signer::Ed]).await;
    let kept = Kept::of(server.url());
    kept.until(|kept| kept.accepts(Signer::Rsa)).await;
    assert!(kept.accepts(Signer::Ed));
    assert_eq!(server.asked(), 1);
    assert_eq!(kept.metric("hairpin_token_keys "), 2.0);
    sleep(Duration::from_secs(299)).await;
    assert_eq!(server.asked(), 1);
    sleep(Duration::from_secs(305)).await;
    assert_eq!(server.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_new_is_looked_for_and_one_that_is_gone_counts_no_more() {
    let server = KeyServer::of(&[Signer::Ed]).await;
    let kept = Kept::of(server.url());
    kept.until(|kept| kept.accepts(Signer::Ed)).await;
    sleep(Duration::from_secs(60)).await;
    server.rotate(&[Signer::Ed2]);
    assert!(matches!(kept.says(Signer::Ed2), BadToken::Unverified { .. }));
    let begun = Instant::now();
    kept.until(|kept| kept.accepts(Signer::Ed2)).await;
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(server.asked(), 2);
    assert!(matches!(kept.says(Signer::Ed), BadToken::Unverified { .. }));
    sleep(Duration::from_secs(12)).await;
    assert!(matches!(kept.says(Signer::Ed), BadToken::Invalid(_)), "it was looked for in vain");
}

#[tokio::test(start_paused = true)]
async fn strangers_with_keys_they_make_up_cause_one_fetch_in_ten_seconds() {
    let server = KeyServer::of(&[Signer::Ed]).await;
    let kept = Kept::of(server.url());
    kept.until(|kept| kept.accepts(Signer::Ed)).await;
    for n in 0..600 {
        let kid = Some(format!("made up {n}"));
        let header = Header { kid, ..Header::new(Algorithm::EdDSA) };
        let bad = kept.verifier.verify(&Signer::Ed2.sign_as(&header, &claims("eve")));
        assert!(bad.is_err());
        sleep(Duration::from_millis(100)).await;
    }
    assert!((4..=8).contains(&server.asked()), "{} in a minute", server.asked());
    assert!(kept.accepts(Signer::Ed), "and nobody else notices");
    let long = Header { kid: Some("k".repeat(257)), ..Header::new(Algorithm::EdDSA) };
    let bad = kept.verifier.verify(&Signer::Ed2.sign_as(&long, &claims("eve")));
    assert!(matches!(bad, Err(BadToken::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn while_a_server_is_slow_or_down_or_talks_nonsense_the_keys_that_are_known_go_on() {
    let server = KeyServer::of(&[Signer::Ed]).await;
    let kept = Kept::of(server.url());
    kept.until(|kept| kept.accepts(Signer::Ed)).await;
    for mood in [
        Mood::Silent,
        Mood::Down,
        Mood::Status(500),
        Mood::Status(302),
        Mood::Says("<html>".into()),
        Mood::Says("{}".into()),
        Mood::Says(r#"{"keys": []}"#.into()),
        Mood::Says(json!({ "keys": [{ "kty": "oct", "k": "AAAA", "kid": "ed" }] }).to_string()),
        Mood::Says(" ".repeat(300 << 10)),
    ] {
        let failures = kept.metric("hairpin_token_key_fetch_failures_total ");
        server.be(mood.clone());
        kept.until(|kept| kept.metric("hairpin_token_key_fetch_failures_total ") > failures).await;
        assert!(kept.accepts(Signer::Ed), "{mood:?}");
        let State::There { failure, .. } = kept.state() else { panic!("{mood:?}") };
        let failure = failure.expect("it says why");
        assert!(
            failure.contains("http://127.0.0.1") && !failure.contains("keys.json"),
            "{failure}"
        );
    }
    sleep(Duration::from_secs(3600)).await;
    let State::There { age, .. } = kept.state() else { panic!("there are keys") };
    assert!(age > Duration::from_secs(3600));
    server.rotate(&[Signer::Ed]);
    kept.until(|kept| matches!(kept.state(), State::There { failure: None, .. })).await;
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_nobody_can_be_told_and_it_is_tried_again_soon() {
    let server = KeyServer::start(Mood::Status(503)).await;
    let kept = Kept::of(server.url());
    assert_eq!(kept.state(), State::Never(None));
    kept.until(|kept| matches!(kept.state(), State::Never(Some(_)))).await;
    assert!(matches!(kept.says(Signer::Ec), BadToken::Unverified { .. }));
    sleep(Duration::from_secs(600)).await;
    assert!((10..=25).contains(&server.asked()), "{}", server.asked());
    server.rotate(&[Signer::Ec]);
    kept.until(|kept| kept.accepts(Signer::Ec)).await;
}

#[tokio::test]
async fn a_token_that_names_no_key_is_read_by_those_of_its_kind() {
    let server = KeyServer::of(&[Signer::Rsa, Signer::Ed2, Signer::Ed]).await;
    let settings = IdentitySettings { jwks_url: Some(server.url()), ..Config::default().identity };
    let verifier = verifier(&settings);
    assert!(verifier.key_set().expect("a set").refresh_for_a_test().await);
    let read = |kid: Option<&str>| {
        let header = Header { kid: kid.map(Into::into), ..Header::new(Algorithm::EdDSA) };
        verifier.verify(&Signer::Ed.sign_as(&header, &claims("ann")))
    };
    assert!(read(None).is_ok());
    assert!(read(Some("ed2")).is_err(), "it names the wrong one");
    assert!(matches!(read(Some("rsa")), Err(BadToken::Invalid(_))), "one of another kind");
}

/// What a broken or evil server publishes must do nothing but be left out.
#[test]
fn keys_that_cannot_be_used_are_left_out() {
    let good = Signer::Ed.public();
    let changed = |key: Signer, field: &str, value: Value| {
        let mut key = key.public();
        key[field] = value;
        key
    };
    let short = "AAAA";
    let mut bad = vec![
        json!(null),
        json!({}),
        json!({ "kty": "oct", "k": "c2VjcmV0", "alg": "HS256" }),
        changed(Signer::Ed, "x", json!(short)),
        changed(Signer::Ed, "x", json!("")),
        changed(Signer::Ed, "use", json!("enc")),
        changed(Signer::Ed, "alg", json!("RS256")),
        changed(Signer::Ed, "key_ops", json!(["sign"])),
        changed(Signer::Ed, "crv", json!("Ed448")),
        changed(Signer::Ec, "x", json!(short)),
        changed(Signer::Ec, "crv", json!("P-384")),
        changed(Signer::Ec, "x", Signer::Ed.public()["x"].clone()),
        changed(Signer::Rsa, "n", json!(short)),
        changed(Signer::Rsa, "n", json!("A".repeat(4096))),
        changed(Signer::Rsa, "alg", json!("RS512")),
        changed(Signer::Rsa, "e", json!("")),
        changed(Signer::Rsa, "e", json!("A".repeat(400))),
    ];
    for key in &bad {
        let set = json!({ "keys": [key] }).to_string();
        assert!(keys::Keys::read(set.as_bytes()).is_err(), "{key}");
    }
    bad.push(good);
    let set = json!({ "keys": bad }).to_string();
    assert_eq!(keys::Keys::read(set.as_bytes()).map(|keys| keys.len()), Ok(1));
    let many = json!({ "keys": vec![Signer::Ed.public(); 1000] }).to_string();
    assert_eq!(keys::Keys::read(many.as_bytes()).map(|keys| keys.len()), Ok(64));
    assert!(keys::Keys::read(key_set(&[]).as_bytes()).is_err());
}

proptest::proptest! {
    #[test]
    fn no_set_of_keys_makes_it_panic(
        kty in "RSA|EC|OKP|oct", crv in "P-256|Ed25519", n in "[A-Za-z0-9_-]{0,700}", e in "[A-Za-z0-9_-]{0,8}",
        x in "[A-Za-z0-9_-]{0,50}", y in "[A-Za-z0-9_-]{0,50}",
    ) {
        let key = json!({ "kty": kty, "crv": crv, "n": n, "e": e, "x": x, "y": y, "kid": "ed" });
        let set = json!({ "keys": [key] }).to_string();
        if let Ok(keys) = keys::Keys::read(set.as_bytes()) {
            for signer in [Signer::Rsa, Signer::Ec, Signer::Ed] {
                let algorithm = signer.key_algorithm();
                for key in keys.find(None, algorithm) {
                    proptest::prop_assert!(signed_by(&signer.sign(&claims("ann")), algorithm, [&key.key]).is_err());
                }
            }
        }
    }
}
