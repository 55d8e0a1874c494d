//! Certificates made for tests, and what becomes of files that hold them, or something else.

mod stored;

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

#[tokio::test]
async fn a_start_names_the_setting_the_file_and_the_fix() {
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
        let settings = self::settings(vec![good.clone(), files]);
        let error = start(&settings).expect_err("it cannot be used").to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let settings = self::settings(vec![good]);
    let certificates = start(&settings).expect("it can").expect("there are some");
    let [(about, line)] = &certificates.lines()[..] else { panic!("one line for each") };
    assert!(*about == "certificate" && line.starts_with("a.example until 20"), "{line}");
    assert_eq!(certificates.health(), Ok(()));
    assert!(start(&TlsSettings::default()).expect("nothing to read").is_none());
}

fn start(settings: &TlsSettings) -> Result<Option<Certificates>, StartError> {
    Certificates::start(
        settings,
        &Arc::new(Metrics::new(0)),
        &Supervisor::default(),
        Port80::NotOurs,
    )
}

fn settings(files: Vec<CertificateFiles>) -> TlsSettings {
    TlsSettings { files, ..Default::default() }
}

/// A watch over these files, looked after by hand.
fn watch(all: &[CertificateFiles]) -> Watch {
    let open = |files| Source::open(files, provider()).expect("it is usable");
    let watch = Watch {
        sources: all.iter().map(open).collect(),
        resolver: Arc::default(),
        status: Arc::default(),
        metrics: Arc::new(Metrics::new(0)),
        again: Arc::default(),
    };
    watch.publish();
    watch
}

fn served(watch: &Watch) -> Vec<String> {
    watch.resolver.pairs().iter().map(|pair| pair.names.join(" ")).collect()
}

#[test]
fn what_is_replaced_is_served_anew_however_it_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second, third] =
        ["1.example", "2.example", "3.example"].map(|name| pem(Kind::Ecdsa, &[name]));
    // As Kubernetes does it: files are links into a folder that is a link.
    let inside = |name: &str| folder.path().join(name);
    for (name, pair) in [("one", &first), ("two", &second)] {
        fs::create_dir(inside(name)).expect("it is new");
        files(&inside(name), "tls", pair);
    }
    let point = |to: &str| {
        std::os::unix::fs::symlink(to, inside("data.new")).expect("it is new");
        fs::rename(inside("data.new"), inside("data")).expect("it is there");
    };
    point("one");
    for name in ["tls.pem", "tls.key"] {
        let target = PathBuf::from("data").join(name);
        std::os::unix::fs::symlink(target, inside(name)).expect("it is new");
    }
    let linked = CertificateFiles { cert: inside("tls.pem"), key: inside("tls.key") };
    let mut watch = watch(&[linked]);
    assert_eq!(served(&watch), ["1.example"]);
    let resolver = watch.resolver.clone();
    let before = resolver.pairs();
    watch.look();
    assert!(Arc::ptr_eq(&before[0], &resolver.pairs()[0]), "nothing is new");
    point("two");
    watch.look();
    assert_eq!(served(&watch), ["2.example"]);
    assert_eq!(before[0].names, ["1.example"], "who has begun goes on with what was there");

    // In place, one after the other, as `cp` does it: in between they do not match.
    fs::write(inside("tls.pem"), &third.0).expect("it is there");
    watch.look();
    assert_eq!((served(&watch), watch.status.all()), (vec!["2.example".to_owned()], vec![]));
    fs::write(inside("tls.key"), &third.1).expect("it is there");
    watch.look();
    assert_eq!((served(&watch), watch.status.all()), (vec!["3.example".to_owned()], vec![]));
}

#[test]
fn a_new_pair_that_cannot_be_used_is_told_and_the_old_one_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let pair = pem(Kind::Ecdsa, &["a.example"]);
    let all = files(folder.path(), "it", &pair);
    let mut watch = watch(std::slice::from_ref(&all));
    let refusals = |watch: &Watch| {
        let text = watch.metrics.text();
        let line = text.lines().find(|line| line.starts_with("hairpin_certificate_files_refused"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<u32>().ok()).expect("it is counted")
    };
    for (times, broken) in ["", "no PEM", &pem(Kind::Ecdsa, &["a.example"]).0].iter().enumerate() {
        fs::write(&all.cert, broken).expect("it is there");
        watch.look();
        assert_eq!(refusals(&watch), times as u32, "somebody may be writing");
        (0..3).for_each(|_| watch.look());
        assert_eq!(refusals(&watch), times as u32 + 1, "it is said once");
        let [trouble] = &watch.status.all()[..] else { panic!("one thing is wrong") };
        assert!(trouble.contains("it.") && trouble.contains("; "), "{trouble}");
        assert_eq!(served(&watch), ["a.example"]);
    }
    fs::remove_file(&all.cert).expect("it is there");
    (0..2).for_each(|_| watch.look());
    assert!(watch.status.all()[0].contains("cannot be read"), "{:?}", watch.status.all());
    fs::write(&all.cert, &pair.0).expect("the folder is there");
    watch.look();
    assert_eq!((refusals(&watch), watch.status.all()), (4, vec![]), "as it was");
}

#[tokio::test]
async fn what_expires_is_told_by_health_and_counted_in_seconds() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = i64::try_from(Clock::unix()).expect("it is not so late");
    let day = 86_400;
    let made = |name: &str, from: i64, until: i64| {
        let pem = pem_at(Kind::Ecdsa, &[name], now + from, now + until);
        files(folder.path(), name, &pem)
    };
    let good = made("good.example", -day, 30 * day);
    let soon = made("soon.example", -80 * day, 9 * day + 60);
    let short = made("short.example", -day, 2 * day);
    let old = made("old.example", -90 * day, -day);
    let early = made("early.example", day, 90 * day);
    let health = |all: &[&CertificateFiles]| {
        let settings = self::settings(all.iter().map(|files| (*files).clone()).collect());
        start(&settings).expect("they are usable").expect("there are some").health()
    };
    assert_eq!(health(&[&good, &short]), Ok(()), "three days are not little of three days");
    let Err(Trouble::Degraded(words)) = health(&[&good, &soon, &old, &early]) else {
        panic!("some are well")
    };
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines.len(), 3, "{words}");
    assert!(lines[0].contains("soon.example expires in 9 days"), "{words}");
    assert!(lines[1].contains("old.example has expired"), "{words}");
    assert!(lines[2].contains("early.example is not yet valid"), "{words}");
    let Err(Trouble::Expired(words)) = health(&[&old]) else { panic!("there is no other") };
    assert!(words.contains("has expired"), "{words}");

    let text = watch(&[good, old]).metrics.text();
    let left = |name: &str| {
        let series = format!("hairpin_certificate_expiry_seconds{{name=\"{name}\"}} ");
        let value = text.lines().find_map(|line| line.strip_prefix(&series)?.parse::<f64>().ok());
        value.expect("it is there") / 86_400.0
    };
    assert!((29.9..=30.0).contains(&left("good.example")));
    assert!((-1.1..=-1.0).contains(&left("old.example")));
}

#[tokio::test(start_paused = true)]
async fn the_watch_looks_by_itself_and_at_once_when_told_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let [first, second] = ["1.example", "2.example"].map(|name| pem(Kind::Ecdsa, &[name]));
    let settings = self::settings(vec![files(folder.path(), "it", &first)]);
    let certificates = start(&settings).expect("it is usable").expect("there is one");
    let until = async |name: &str| {
        let began = tokio::time::Instant::now();
        while certificates.shared.resolver.pairs()[0].name() != name {
            assert!(began.elapsed() < 2 * watch::INTERVAL, "{name}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    files(folder.path(), "it", &second);
    until("2.example").await;
    files(folder.path(), "it", &first);
    certificates.look_now();
    until("1.example").await;
}
