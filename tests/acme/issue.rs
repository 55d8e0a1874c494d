//! The first certificate: by either proof, of an authority that knows us or not, beside other servers, after failures.

use std::os::unix::fs::PermissionsExt;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_first_certificate_is_got_on_the_port_that_serves_it_and_kept_over_a_restart() {
    let places = Places::new();
    let options = Options { binding: true, ..options(&places) };
    let Some(pebble) = Pebble::start(options).await else { return };
    let client = pebble.client().await;
    let state = tempfile::tempdir().expect("a folder");
    let state = state.path().join("made/anew");
    let key = "kid-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let config = config(&pebble, &state, &[("acme-eab", key), ("acme-contact", "ops@example.org")]);
    let site = Site::start(config.clone(), &places);
    let certificate = site.until_certified(&client, None).await;
    let ready = site.until_it_says("ok\n").await;
    assert!(ready.starts_with("HTTP/1.1 200") && ready.ends_with("ok\n"), "{ready}");
    assert_eq!(site.metric("hairpin_certificates_issued_total").await, 1.0);
    let left = site.metric("hairpin_certificate_expiry_seconds{name=\"a.example\"}").await;
    assert!((86_000.0 * 89.0..=86_400.0 * 90.0).contains(&left), "{left}");
    site.server.shutdown().await;

    for path in pebble::files(&state) {
        let mode = path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{path:?}");
        let name = path.file_name().and_then(|name| name.to_str()).expect("text");
        assert!(!name.starts_with("challenge-") && !name.ends_with(".new"), "{name}");
        let folder = path.parent().expect("it is in one").metadata().expect("it is there");
        assert_eq!(folder.permissions().mode() & 0o777, 0o700);
    }
    let orders = pebble.orders();
    let site = Site::start(config, &places);
    // At once, without asking anybody.
    assert_eq!(client.certificate(places.tls, "a.example").await, Some(certificate));
    assert!(site.server.summary().contains("a.example until "), "{}", site.server.summary());
    site.until_it_says("ok\n").await;
    assert_eq!(site.metric("hairpin_certificates_issued_total").await, 0.0);
    assert_eq!(pebble.orders(), orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_fails_is_told_and_the_other_proof_is_tried() {
    let places = Places::new().with_http();
    let [nobody] = free_addresses();
    let options = Options { tls_port: nobody.port(), ..options(&places) };
    let Some(pebble) = Pebble::start(options).await else { return };
    let client = pebble.client().await;
    let state = tempfile::tempdir().expect("a folder");
    let site = Site::start(config(&pebble, state.path(), &[]), &places);
    let said = site.until_it_says("Failed to connect").await;
    assert!(said.starts_with("HTTP/1.1 200"), "an authority must reach us: {said}");
    assert!(said.contains("no new certificate for a.example"), "{said}");
    assert_eq!(site.metric("hairpin_certificate_order_failures_total").await, 1.0);
    assert_eq!(client.certificate(places.tls, "a.example").await, None, "there is none to show");
    // Before its time: somebody has mended something.
    site.server.look_for_certificates();
    site.until_certified(&client, None).await;
    site.until_it_says("ok\n").await;

    let http = places.http.expect("it has one");
    for (host, path, location) in [
        ("a.example", "/x?y=1", "https://a.example/x?y=1"),
        ("A.example:80", "/", "https://a.example/"),
        ("evil.example", "//elsewhere/", "https://a.example//elsewhere/"),
    ] {
        let answer = get(http, path, host).await.to_lowercase();
        assert!(answer.starts_with("http/1.1 308 "), "{answer}");
        assert!(answer.contains(&format!("location: {location}\r\n")), "{answer}");
    }
    for token in ["x", "..%2f..%2flock", "../a.example.pem", ""] {
        let answer = get(http, &format!("/.well-known/acme-challenge/{token}"), "a.example").await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_failed_succeeds_once_the_server_can_be_reached() {
    let places = Places::new();
    let [closed] = free_addresses();
    let options = Options { tls_port: closed.port(), ..options(&places) };
    let Some(pebble) = Pebble::start(options).await else { return };
    let client = pebble.client().await;
    let state = tempfile::tempdir().expect("a folder");
    let config = config(&pebble, state.path(), &[]);
    let site = Site::start(config.clone(), &places);
    site.until_it_says("Failed to connect").await;
    site.server.shutdown().await;
    // A restart does not hurry: what has failed is on disk.
    let orders = pebble.orders();
    let site = Site::start(config, &places);
    site.until_it_says("Failed to connect").await;
    assert_eq!(pebble.orders(), orders);
    forward(closed, vec![places.tls]).await;
    site.server.look_for_certificates();
    site.until_certified(&client, None).await;
    site.until_it_says("ok\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_servers_that_share_a_folder_one_orders_and_each_answers() {
    let [places, others] = [Places::new(), Places::new()];
    let [front] = free_addresses();
    let options = Options { tls_port: front.port(), ..options(&places) };
    let Some(pebble) = Pebble::start(options).await else { return };
    let client = pebble.client().await;
    let state = tempfile::tempdir().expect("a folder");
    // It asks several times at once: each of the two is asked.
    forward(front, vec![places.tls, others.tls]).await;
    let config = config(&pebble, state.path(), &[]);
    let sites = [Site::start(config.clone(), &places), Site::start(config, &others)];
    let first = sites[0].until_certified(&client, None).await;
    let second = sites[1].until_certified(&client, None).await;
    assert_eq!(first, second);
    let mut issued = 0.0;
    for site in &sites {
        issued += site.metric("hairpin_certificates_issued_total").await;
        assert_eq!(site.metric("hairpin_certificate_order_failures_total").await, 0.0);
    }
    assert_eq!((issued, pebble.orders()), (1.0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_folder_and_is_not_ours_is_left_as_it_is() {
    let places = Places::new();
    let Some(pebble) = Pebble::start(options(&places)).await else { return };
    let state = tempfile::tempdir().expect("a folder");
    let config = config(&pebble, state.path(), &[]);
    // Makes the folder.
    let site = Site::start(config.clone(), &places);
    site.until_certified(&pebble.client().await, None).await;
    site.until_it_says("ok\n").await;
    site.server.shutdown().await;
    let (account, certificate) =
        (the_file(state.path(), "account.json"), the_file(state.path(), "a.example.pem"));

    std::fs::write(&certificate, "somebody's").expect("it is ours");
    let error = Server::start(config.clone(), Listeners::default()).expect_err("it is no PEM");
    let error = error.to_string();
    for words in ["state-dir = ", "a.example.pem", "holds no certificate", "restore it, or"] {
        assert!(error.contains(words), "{error}");
    }
    assert_eq!(std::fs::read_to_string(&certificate).expect("it is there"), "somebody's");

    std::fs::remove_file(&certificate).expect("it is there");
    std::fs::write(&account, "somebody's").expect("it is ours");
    let site = Site::start(config, &places);
    let said = site.until_it_says("is no account; restore it").await;
    assert!(said.contains("account.json"), "{said}");
    assert_eq!(std::fs::read_to_string(&account).expect("it is there"), "somebody's");
}
