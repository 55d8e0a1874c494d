//! Certificates come in pairs.

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
