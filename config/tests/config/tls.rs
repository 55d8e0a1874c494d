//! Certificates come in pairs.

use hairpin_config::Redirect;

use crate::{complaints, config};

#[test]
fn files_are_paired_in_their_order() {
    let config = config(&[
        ("cert", "/a/fullchain.pem"),
        ("pkey", "/a/privkey.pem"),
        ("cert", "both.pem"),
        ("pkey", "both.pem"),
    ]);
    let pairs: Vec<_> = config
        .tls
        .files
        .iter()
        .map(|files| [&files.cert, &files.key].map(|path| path.display().to_string()))
        .collect();
    assert_eq!(pairs, [["/a/fullchain.pem", "/a/privkey.pem"], ["both.pem", "both.pem"]]);
}

#[test]
fn a_certificate_without_a_key_is_refused_and_so_is_a_key_alone() {
    for settings in
        [&[("cert", "a.pem")][..], &[("cert", "a.pem"), ("cert", "b.pem"), ("pkey", "a.key")]]
    {
        let text = complaints(settings);
        assert!(text.starts_with("pkey = ") && text.contains("for each certificate"), "{text}");
    }
    let text = complaints(&[("pkey", "a.key")]);
    assert!(text.starts_with("cert = ") && text.contains("for each certificate"), "{text}");
    let twice = [("cert", "a.pem"), ("pkey", "a.key"), ("cert", "a.pem"), ("pkey", "a.key")];
    let text = complaints(&twice);
    assert!(text.contains("has one certificate twice"), "{text}");
}

#[test]
fn a_domain_is_enough_for_acme() {
    let tls = config(&[("domain", "Call.Example.org"), ("domain", "call.example.org")]).tls;
    let acme = tls.acme.expect("there is a name");
    assert_eq!(acme.domains, ["call.example.org"]);
    assert_eq!(acme.state_dir.to_str(), Some("/var/lib/hairpin"));
    assert_eq!(acme.directory.origin(), "https://acme-v02.api.letsencrypt.org");
    assert_eq!(tls.redirect, Redirect::WherePossible);
    assert!(config(&[]).tls.acme.is_none());
    let account = config(&[("domain", "a.example"), ("acme-eab", "kid-1:AAEC")]).tls.acme;
    let account = account.and_then(|acme| acme.external_account).expect("there is one");
    assert_eq!((&*account.id, &*account.key), ("kid-1", &[0, 1, 2][..]));
    assert!(!format!("{account:?}").contains("kid"));
}

#[test]
fn what_no_authority_would_take_is_refused() {
    for (name, value, words) in [
        ("domain", "*.example.org", "only DNS can prove"),
        ("domain", "localhost", "is not a public host name"),
        ("domain", "192.0.2.1", "is not a public host name"),
        ("domain", "../a.example", "is not a public host name"),
        ("acme-directory", "http://acme.example/dir", "is not https"),
        ("acme-contact", "mailto:a@b.example,c@d.example", "is not a mail address"),
        ("acme-contact", "nobody", "is not a mail address"),
        ("acme-eab", "kid", "has no colon"),
        ("acme-eab", "kid:***", "not base64url"),
    ] {
        let text = complaints(&[("domain", "a.example"), (name, value)]);
        assert!(text.starts_with(name) && text.contains(words), "{text}");
    }
}

#[test]
fn port_80_redirects_only_where_there_is_something_to_redirect_to() {
    let redirect = |settings: &[(&str, &str)]| config(settings).tls.redirect;
    assert_eq!(redirect(&[]), Redirect::Off);
    assert_eq!(redirect(&[("redirect-listen", "none")]), Redirect::Off);
    let domain = ("domain", "a.example");
    assert_eq!(redirect(&[domain, ("redirect-listen", "none")]), Redirect::Off);
    let at = Redirect::At(vec!["127.0.0.1:80".parse().expect("an address")]);
    assert_eq!(redirect(&[domain, ("redirect-listen", "127.0.0.1:80")]), at);
    let text = complaints(&[("redirect-listen", "127.0.0.1:80")]);
    assert!(text.contains("has nowhere to send anybody"), "{text}");
}
