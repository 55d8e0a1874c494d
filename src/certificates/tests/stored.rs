//! The folder of what is got by ACME, and the challenges that are answered from it.

use std::fs;

use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Extension};

use super::super::challenges::Proof;
use super::*;

/// A folder for what is got of an authority.
fn state_dir(root: &Path) -> StateDir {
    let directory = "https://acme.example:14000/dir?x".parse().expect("a URL");
    StateDir::open(root, &directory).expect("it can be made")
}

#[test]
fn a_folder_is_for_one_authority_and_one_writer_and_its_files_are_whole() {
    let root = tempfile::tempdir().expect("a folder");
    let dir = state_dir(root.path());
    assert_eq!(dir.path("x"), root.path().join("acme.example_14000_dir/x"));
    let lock = dir.lock().expect("it can be locked").expect("nobody has it");
    assert!(state_dir(root.path()).lock().expect("it can be asked").is_none());
    drop(lock);
    assert!(dir.lock().expect("it can be locked").is_some());

    assert_eq!(dir.read("x").expect("it is no failure"), None);
    dir.write("x", "one").expect("there is room");
    // What a run that was cut off has left.
    fs::write(dir.path("x.new"), "half of tw").expect("there is room");
    assert_eq!(dir.read("x").expect("it is there").as_deref(), Some("one"));
    dir.write("x", "two").expect("there is room");
    assert_eq!(dir.read("x").expect("it is there").as_deref(), Some("two"));
    assert!(!dir.path("x.new").exists());
    let file = fs::write(root.path().join("file"), "").map(|()| root.path().join("file"));
    let directory = "https://acme.example/dir".parse().expect("a URL");
    let refused = StateDir::open(&file.expect("written"), &directory).expect_err("it is a file");
    let refused = refused.to_string();
    assert!(refused.contains("state-dir = ") && refused.contains("volume"), "{refused}");
}

#[test]
fn a_challenge_is_answered_for_our_names_while_it_lasts_and_never_by_other_files() {
    let root = tempfile::tempdir().expect("a folder");
    let dir = Arc::new(state_dir(root.path()));
    let challenges = Challenges::new(dir.clone(), vec!["a.example".to_owned()], provider());
    dir.write("challenge-http-..", "no").expect("there is room");
    fs::write(root.path().join("secret"), "no").expect("there is room");
    let answer = challenges.answer(Proof::Http01, "a.example", "To-ken_1", "To-ken_1.x");
    let answer = answer.expect("there is room");
    assert_eq!(challenges.http("To-ken_1").as_deref(), Some("To-ken_1.x"));
    let long = "x".repeat(129);
    for token in ["To-ken", "", "..", "../../secret", "a/b", "To-ken_1\0", "%2e", &long] {
        assert_eq!(challenges.http(token), None, "{token:?}");
    }
    let refused = challenges.answer(Proof::Http01, "a.example", "../x", "no");
    assert!(refused.is_err(), "an authority does not choose the name of a file");
    drop(answer);
    assert_eq!(challenges.http("To-ken_1"), None);

    assert!(challenges.tls("a.example").is_none());
    let answer = challenges.answer(Proof::TlsAlpn01, "a.example", "token", "token.x");
    let _answer = answer.expect("there is room");
    assert!(challenges.tls("b.example").is_none() && challenges.tls("../secret").is_none());
    let shown = challenges.tls("a.example").expect("it is under way");
    let (_, certificate) = X509Certificate::from_der(&shown.cert[0]).expect("a certificate");
    let names = certificate.subject_alternative_name().expect("readable").expect("it has one");
    assert_eq!(names.value.general_names, [GeneralName::DNSName("a.example")]);
    // RFC 8737 s3: critical, an OCTET STRING of 32 bytes.
    let is_ours = |e: &&X509Extension<'_>| e.oid.to_id_string() == "1.3.6.1.5.5.7.1.31";
    let extension = certificate.extensions().iter().find(is_ours).expect("it has one");
    assert!(extension.critical);
    assert_eq!(extension.value, [&[4, 32][..], &Sha256::digest("token.x")].concat());
}
