//! A certificate and its key, read from PEM (RFC 7468), and what a server must know of it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use crate::clock::Clock;

/// Less than this, or a sixth of its life, is little: 15 days of the usual 90 would be a sixth, and renewal is at a third.
const SOON: u64 = 14 * 86_400;

/// A certificate that can be served: its chain, and the key that it is for.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: Arc<CertifiedKey>,
    /// What it is for: host names in lower case, which may begin with `*.`, and addresses.
    pub(super) names: Vec<String>,
    /// By which its authority knows it.
    number: String,
    /// From when it is good, in seconds since 1970.
    pub(super) not_before: u64,
    /// And until when.
    pub(super) not_after: u64,
}

/// How much of a certificate's life is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    /// It has not begun.
    Early,
    Good,
    /// So little that somebody must look: whatever renews it should have done so.
    Soon,
    Expired,
}

/// Why there is no such thing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable {
    pub(super) half: Half,
    pub(super) problem: String,
    pub(super) fix: &'static str,
}

/// Which of the two is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Certificate,
    Key,
}

impl Unusable {
    fn new(half: Half, problem: impl Into<String>, fix: &'static str) -> Self {
        Self { half, problem: problem.into(), fix }
    }

    fn certificate(problem: impl Into<String>) -> Self {
        let fix = "give a PEM file of the certificate, followed by those that vouch for it, such as certbot's fullchain.pem";
        Self::new(Half::Certificate, problem, fix)
    }

    fn key(problem: impl Into<String>) -> Self {
        let fix = "give a PEM file of its private key, RSA of 2048 bits or more, ECDSA P-256 or P-384 or Ed25519, such as certbot's privkey.pem";
        Self::new(Half::Key, problem, fix)
    }
}

impl Pair {
    /// Of the contents of two files, which may be the same.
    pub(super) fn read(
        cert: &[u8],
        key: &[u8],
        provider: &CryptoProvider,
    ) -> Result<Self, Unusable> {
        let chain = chain(cert)?;
        let key = private_key(key)?;
        let key = provider
            .key_provider
            .load_private_key(key)
            .map_err(|error| Unusable::key(format!("holds a key that cannot be used ({error})")))?;
        let first = parse(&chain[0])?;
        let (names, validity) = (names(&first), first.validity());
        let number = first.raw_serial_as_string();
        let [not_before, not_after] = [validity.not_before, validity.not_after]
            .map(|time| u64::try_from(time.timestamp()).unwrap_or(0));
        let key = CertifiedKey::new(chain, key);
        match key.keys_match() {
            Ok(()) | Err(TlsError::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(_) => return Err(mismatch(&key)),
        }
        Ok(Self { key: Arc::new(key), names, number, not_before, not_after })
    }

    /// What it is called by: the first of its names.
    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("(no name)", String::as_str)
    }

    /// Its serial number, which no other certificate of its authority has.
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "for who renews"))]
    pub(super) fn number(&self) -> String {
        self.number.clone()
    }

    /// The day on which it expires.
    pub(super) fn until(&self) -> String {
        let mut text = Clock::text(Duration::from_secs(self.not_after));
        text.truncate("2026-11-21".len());
        text
    }

    /// How much of its life is left at this time.
    pub(super) fn age(&self, unix: u64) -> Age {
        let left = self.not_after.saturating_sub(unix);
        let life = self.not_after.saturating_sub(self.not_before);
        match () {
            () if unix > self.not_after => Age::Expired,
            () if unix < self.not_before => Age::Early,
            () if left < (life / 6).min(SOON) => Age::Soon,
            () => Age::Good,
        }
    }

    /// What an operator must know of that, if there is something.
    pub(super) fn complaint(&self, unix: u64) -> Option<String> {
        let (name, until) = (self.name(), self.until());
        match self.age(unix) {
            Age::Good => None,
            Age::Early => Some(format!(
                "the certificate of {name} is not yet valid: look at this machine's clock, or wait"
            )),
            Age::Soon => {
                let left = self.not_after.saturating_sub(unix);
                let (number, unit) = match left / 86_400 {
                    0 => (left / 3600, "hours"),
                    days => (days, "days"),
                };
                Some(format!("the certificate of {name} expires in {number} {unit}, {until}"))
            }
            Age::Expired => Some(format!("the certificate of {name} has expired, {until}")),
        }
    }

    /// Whether it is good at this time, in seconds since 1970.
    pub(super) fn is_valid(&self, unix: u64) -> bool {
        (self.not_before..=self.not_after).contains(&unix)
    }

    /// Whether it is for this host, by its own name or by `*.` in place of the first label (RFC 9525 s6.3). Names are in
    /// lower case.
    pub(super) fn is_for(&self, host: &str) -> bool {
        let parent = host.split_once('.').map(|(_, parent)| parent);
        let matches = |name: &str| match name.strip_prefix("*.") {
            Some(wild) => parent == Some(wild),
            None => name == host,
        };
        self.names.iter().any(|name| matches(name))
    }
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    if pem.is_empty() {
        return Err(Unusable::certificate("is empty"));
    }
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| Unusable::certificate(not_pem(&error)))?;
    if chain.is_empty() {
        return Err(Unusable::certificate("holds no certificate"));
    }
    chain.iter().try_for_each(|certificate| parse(certificate).map(|_| ()))?;
    Ok(chain)
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, Unusable> {
    if pem.is_empty() {
        return Err(Unusable::key("is empty"));
    }
    let is_encrypted = || {
        let text = String::from_utf8_lossy(pem);
        text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
    };
    if is_encrypted() {
        let fix =
            "take the passphrase off: `openssl pkey -in IT -out PLAIN`, readable for hairpin alone";
        return Err(Unusable::new(Half::Key, "holds a key under a passphrase", fix));
    }
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| match error {
        PemError::NoItemsFound => Unusable::key("holds no private key"),
        error => Unusable::key(not_pem(&error)),
    })
}

fn not_pem(error: &PemError) -> String {
    format!("is not PEM ({error})")
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Unusable> {
    match X509Certificate::from_der(certificate) {
        Ok((_, certificate)) => Ok(certificate),
        Err(_) => Err(Unusable::certificate("holds a certificate that cannot be understood")),
    }
}

/// The names of a certificate: those that clients look at; without any, the common name, which they do not.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let mut names = Vec::new();
    let alternative = certificate.subject_alternative_name().ok().flatten();
    for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(name) => names.push(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => names.extend(address(bytes).map(|ip| ip.to_string())),
            _ => {}
        }
    }
    if names.is_empty() {
        let common = certificate.subject().iter_common_name().next();
        names.extend(common.and_then(|name| name.as_str().ok()).map(str::to_ascii_lowercase));
    }
    names
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// What is wrong with a certificate and a key that do not belong together.
fn mismatch(key: &CertifiedKey) -> Unusable {
    let belongs = |certificate: &CertificateDer<'static>| {
        let alone = CertifiedKey::new(vec![certificate.clone()], key.key.clone());
        alone.keys_match().is_ok()
    };
    if key.cert.iter().skip(1).any(belongs) {
        let fix = "put the certificate itself first, and behind it those that vouch for it";
        return Unusable::new(Half::Certificate, "begins with another's certificate", fix);
    }
    let fix = "give the key that the certificate was made for, in the same place of the list";
    Unusable::new(Half::Key, "is not the key of its certificate", fix)
}
