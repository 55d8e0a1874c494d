//! Challenges of an ACME authority: it asks, and whoever of the servers that share a folder is asked answers.

use std::io;
use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

use super::state_dir::StateDir;

/// What names of files begin with that answer a challenge.
pub(super) const PREFIX: &str = "challenge-";

/// The protocol by which an authority asks (RFC 8737 s6.2).
pub(super) const ACME_TLS: &[u8] = b"acme-tls/1";

/// Longer than any token; what is longer is asked for by strangers.
const MAX_TOKEN: usize = 128;

/// How a name is proved to be ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proof {
    /// By a certificate, on port 443 (RFC 8737).
    TlsAlpn01,
    /// By a page, on port 80 (RFC 8555 s8.3).
    Http01,
}

/// Answers to challenges that are under way.
#[derive(Debug)]
pub(super) struct Challenges {
    dir: Arc<StateDir>,
    domains: Vec<String>,
    provider: Arc<CryptoProvider>,
}

/// An answer, for as long as it is wanted.
#[derive(Debug)]
pub(super) struct Answer {
    dir: Arc<StateDir>,
    file: String,
}

impl Drop for Answer {
    fn drop(&mut self) {
        // What stays is swept away before the next order.
        let _ = self.dir.remove(&self.file);
    }
}

impl Challenges {
    pub(super) fn new(
        dir: Arc<StateDir>,
        domains: Vec<String>,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self { dir, domains, provider }
    }

    /// From now on the authority gets its answer, until that is dropped.
    pub(super) fn answer(
        &self,
        proof: Proof,
        domain: &str,
        token: &str,
        key_authorization: &str,
    ) -> io::Result<Answer> {
        let file = match proof {
            Proof::TlsAlpn01 => format!("{PREFIX}tls-{domain}"),
            Proof::Http01 if is_token(token) => format!("{PREFIX}http-{token}"),
            Proof::Http01 => return Err(io::Error::other("the authority's token is none")),
        };
        self.dir.write(&file, key_authorization)?;
        Ok(Answer { dir: self.dir.clone(), file })
    }

    /// What HTTP-01 answers.
    pub(super) fn http(&self, token: &str) -> Option<String> {
        let is_one = is_token(token);
        is_one.then(|| self.dir.read(&format!("{PREFIX}http-{token}")).ok().flatten()).flatten()
    }

    /// What TLS-ALPN-01 shows to whoever asks for this name: a certificate that vouches for itself, with the answer in it
    /// (RFC 8737 s3).
    pub(super) fn tls(&self, host: &str) -> Option<Arc<CertifiedKey>> {
        let domain = self.domains.iter().find(|domain| **domain == host)?;
        let key_authorization = self.dir.read(&format!("{PREFIX}tls-{domain}")).ok().flatten()?;
        let key = KeyPair::generate().ok()?;
        let mut params = CertificateParams::new([domain.clone()]).ok()?;
        let digest = Sha256::digest(key_authorization);
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
        let certificate = params.self_signed(&key).ok()?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = self.provider.key_provider.load_private_key(key).ok()?;
        Some(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
    }
}

/// Letters of base64url (RFC 8555 s8.3): never a path.
fn is_token(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=MAX_TOKEN).contains(&text.len()) && text.bytes().all(letter)
}
