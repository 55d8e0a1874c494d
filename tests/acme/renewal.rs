//! What happens as time goes by. Certificates live for seconds here, which is what these tests wait for.

use super::*;

/// So short a life is renewed every four seconds.
const LIFE: u64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn it_is_renewed_and_served_on_while_the_authority_is_gone_until_it_is_back() {
    let places = Places::new();
    let options = Options { validity: LIFE, ..options(&places) };
    let Some(mut pebble) = Pebble::start(options).await else { return };
    let client = pebble.client().await;
    let state = tempfile::tempdir().expect("a folder");
    let site = Site::start(config(&pebble, state.path(), &[]), &places);
    let first = site.until_certified(&client, None).await;
    let mut kept = client.connect(site.tls, "a.example").await.expect("it is good");
    let second = site.until_certified(&client, Some(&first)).await;
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: a.example\r\n\r\n").await.expect("it is open");
    let mut byte = [0; 1];
    kept.read_exact(&mut byte).await.expect("who has come before stays");

    pebble.end();
    let said = site.until_it_says("no new certificate for a.example").await;
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    assert_eq!(client.certificate(site.tls, "a.example").await, Some(second), "it is served on");
    let said = site.until_it_says("the certificate of a.example has expired").await;
    assert!(said.starts_with("HTTP/1.1 200"), "an authority must reach us: {said}");
    assert!(site.metric("hairpin_certificate_expiry_seconds{name=\"a.example\"}").await < 0.0);
    let refused = client.connect(site.tls, "a.example").await.expect_err("it has expired");
    assert!(refused.to_string().to_lowercase().contains("expired"), "{refused}");

    // With another root and no memory of our account, which is what a restart of pebble comes to.
    pebble.options.validity = 86_400;
    pebble.begin().await;
    let client = pebble.client().await;
    site.server.look_for_certificates();
    site.until_it_says("accountDoesNotExist").await;
    site.server.look_for_certificates();
    site.until_certified(&client, None).await;
    site.until_it_says("ok\n").await;
    the_file(state.path(), "account.json.old");
}
