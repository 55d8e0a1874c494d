//! Certificates made for tests, and what becomes of files that hold them, or something else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use hairpin_config::{CertificateFiles, TlsSettings};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ED25519};
use time::OffsetDateTime;

use super::pair::{Half, Pair};
use super::*;

/// Of what kind a key is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Rsa,
    Ecdsa,
    Ed25519,
}

impl Kind {
    fn key(self) -> KeyPair {
        match self {
            Self::Rsa => KeyPair::from_pem(rsa_key()),
            Self::Ecdsa => KeyPair::generate(),
            Self::Ed25519 => KeyPair::generate_for(&PKCS_ED25519),
        }
        .expect("a key")
    }
}

/// ring makes none; one does for all tests.
fn rsa_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        let arguments =
            ["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"];
        let output = Command::new("openssl").args(arguments).output().expect("there is openssl");
        String::from_utf8(output.stdout).expect("PEM is text")
    })
}

fn time(unix: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(unix).expect("in our era")
}

fn params(names: &[&str], from: i64, until: i64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    (params.not_before, params.not_after) = (time(from), time(until));
    params
}

/// A certificate that vouches for itself and its key, in PEM.
pub(super) fn pem_at(kind: Kind, names: &[&str], from: i64, until: i64) -> (String, String) {
    let key = kind.key();
    let certificate = params(names, from, until).self_signed(&key).expect("a certificate");
    (certificate.pem(), key.serialize_pem())
}

/// The same, good for a year.
pub(super) fn pem(kind: Kind, names: &[&str]) -> (String, String) {
    let now = i64::try_from(Clock::unix()).expect("it is not so late");
    pem_at(kind, names, now - 60, now + 365 * 86_400)
}

/// The same, read.
pub(super) fn made_at(kind: Kind, names: &[&str], from: i64, until: i64) -> Pair {
    let (cert, key) = pem_at(kind, names, from, until);
    Pair::read(cert.as_bytes(), key.as_bytes(), &provider()).expect("it is usable")
}

fn provider() -> Arc<CryptoProvider> {
    Certificates::provider().expect("tests have TLS")
}

/// A pair of files in this folder.
pub(super) fn files(folder: &Path, name: &str, (cert, key): &(String, String)) -> CertificateFiles {
    let path = |end: &str| -> PathBuf { folder.join(format!("{name}.{end}")) };
    let files = CertificateFiles { cert: path("pem"), key: path("key") };
    fs::write(&files.cert, cert).expect("it can be written");
    fs::write(&files.key, key).expect("it can be written");
    files
}

#[test]
fn every_kind_of_key_is_read_with_its_names() {
    for kind in [Kind::Rsa, Kind::Ecdsa, Kind::Ed25519] {
        let (cert, key) = pem_at(kind, &["A.example", "*.b.example", "192.0.2.1"], 100, 900);
        let pair = Pair::read(cert.as_bytes(), key.as_bytes(), &provider()).expect("it is usable");
        assert_eq!(pair.names, ["a.example", "*.b.example", "192.0.2.1"], "{kind:?}");
        assert_eq!((pair.not_before, pair.not_after), (100, 900));
        assert!(pair.is_valid(100) && pair.is_valid(900) && !pair.is_valid(901));
        let both = [cert, key].concat();
        Pair::read(both.as_bytes(), both.as_bytes(), &provider()).expect("one file does for both");
    }
}

#[test]
fn a_chain_is_served_whole() {
    let mut authority = params(&[], 0, 1 << 32);
    authority.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, Kind::Ecdsa.key()).expect("a root");
    let key = Kind::Ecdsa.key();
    let leaf = params(&["a.example"], 0, 1 << 32).signed_by(&key, &authority).expect("a leaf");
    let key = key.serialize_pem();
    let read = |first: &str, second: &str| {
        Pair::read([first, second].concat().as_bytes(), key.as_bytes(), &provider())
    };
    let pair = read(&leaf.pem(), &authority.pem()).expect("it is usable");
    assert_eq!(pair.key.cert, [leaf.der().clone(), authority.der().clone()]);
    let refused = read(&authority.pem(), &leaf.pem()).expect_err("upside down");
    assert_eq!(refused.half, Half::Certificate);
    assert!(refused.fix.contains("first"), "{refused:?}");
}

#[test]
fn what_cannot_be_used_is_refused_with_its_half_and_a_fix() {
    let (cert, key) = pem(Kind::Ecdsa, &["a.example"]);
    let (_, stranger) = pem(Kind::Ecdsa, &["a.example"]);
    let (_, other_kind) = pem(Kind::Ed25519, &["a.example"]);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    for (cert, key, half, words) in [
        ("", &*key, Half::Certificate, "is empty"),
        ("hello", &key, Half::Certificate, "holds no certificate"),
        (&key, &key, Half::Certificate, "holds no certificate"),
        (&cert[..cert.len() / 2], &key, Half::Certificate, "is not PEM"),
        (garbage, &key, Half::Certificate, "cannot be understood"),
        (&cert, "", Half::Key, "is empty"),
        (&cert, &cert, Half::Key, "holds no private key"),
        (&cert, encrypted, Half::Key, "passphrase"),
        (&cert, no_key, Half::Key, "cannot be used"),
        (&cert, &stranger, Half::Key, "is not the key of its certificate"),
        (&cert, &other_kind, Half::Key, "is not the key of its certificate"),
    ] {
        let refused = Pair::read(cert.as_bytes(), key.as_bytes(), &provider()).expect_err(words);
        assert_eq!(refused.half, half, "{refused:?}");
        assert!(refused.problem.contains(words) && !refused.fix.is_empty(), "{refused:?}");
    }
}

#[test]
fn a_start_names_the_setting_the_file_and_the_fix() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = files(folder.path(), "good", &pem(Kind::Ecdsa, &["a.example"]));
    let absent = CertificateFiles { cert: folder.path().join("absent.pem"), ..good.clone() };
    let swapped = CertificateFiles { cert: good.cert.clone(), key: good.cert.clone() };
    let huge = CertificateFiles { cert: "/dev/zero".into(), ..good.clone() };
    let folder = CertificateFiles { cert: folder.path().to_owned(), ..good.clone() };
    for (files, words) in [
        (absent, ["cert = ", "absent.pem", "cannot be read", "give the path"]),
        (swapped, ["pkey = ", "good.pem", "no private key", "privkey.pem"]),
        (huge, ["cert = ", "/dev/zero", "longer than", "give the path"]),
        (folder, ["cert = ", "", "cannot be read", "give the path"]),
    ] {
        let settings = TlsSettings { files: vec![good.clone(), files] };
        let error = Certificates::start(&settings).expect_err("it cannot be used").to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let settings = TlsSettings { files: vec![good] };
    let certificates = Certificates::start(&settings).expect("it can").expect("there are some");
    let [(about, line)] = &certificates.lines()[..] else { panic!("one line for each") };
    assert!(*about == "certificate" && line.starts_with("a.example until 20"), "{line}");
    assert!(Certificates::start(&TlsSettings::default()).expect("nothing to read").is_none());
}
