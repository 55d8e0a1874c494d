//! Who we are to DTLS clients, and how handshakes are held.

use std::cell::Cell;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dimpl::crypto::{CryptoProvider, HashAlgorithm, HmacProvider, rust_crypto};
use dimpl::{Config, CryptoError, DtlsCertificate};
use hairpin_config::CertificateFiles;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::hello::Cookie;

/// A certificate with its key, and the settings of every session.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(super) config: Arc<Config>,
    pub(super) certificate: DtlsCertificate,
}

impl Identity {
    /// The first certificate that DTLS can use: the library signs by ECDSA alone.
    ///
    /// # Errors
    /// A sentence that says what there is instead, and what to do.
    pub(crate) fn of(files: &[CertificateFiles]) -> Result<Self, String> {
        let config = Config::builder()
            .with_crypto_provider(CryptoProvider {
                hmac_provider: &VouchedHmac,
                ..rust_crypto::default_provider()
            })
            .require_client_certificate(false)
            .handshake_timeout(Duration::from_secs(10))
            .build()
            .map_err(|error| format!("the cryptography of DTLS does not work: {error}"))?;
        let of = |files: &CertificateFiles| {
            let certificate = CertificateDer::from_pem_file(&files.cert).ok()?.to_vec();
            let private_key = key(&files.key)?;
            let keys = config.crypto_provider().key_provider;
            keys.load_private_key(&private_key).ok()?;
            Some(DtlsCertificate { certificate, private_key })
        };
        let certificate = files.iter().find_map(of).ok_or(
            "dtls: no `cert` has a key of ECDSA P-256 or P-384, and DTLS knows no other; give one, or switch it off",
        )?;
        Ok(Self { config: Arc::new(config), certificate })
    }
}

fn key(path: &Path) -> Option<Vec<u8>> {
    Some(PrivateKeyDer::from_pem_file(path).ok()?.secret_der().to_vec())
}

/// A key is no business of a log.
impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

thread_local! {
    static VOUCHED: Cell<Option<Cookie>> = const { Cell::new(None) };
}

/// Has the library take this cookie for its own, in what it does meanwhile. A session's own cookie would be kept from the
/// first ClientHello on; ours was checked before there is a session.
pub(super) fn vouching<T>(cookie: Cookie, begin: impl FnOnce() -> T) -> T {
    VOUCHED.set(Some(cookie));
    let begun = begin();
    VOUCHED.set(None);
    begun
}

/// The library's HMAC but for a cookie that is vouched for. That is the HMAC of the client's random under a secret of the
/// session's, and the only one made while a handshake begins: keys are derived when the client has answered.
#[derive(Debug)]
struct VouchedHmac;

impl HmacProvider for VouchedHmac {
    fn hmac(
        &self,
        hash: HashAlgorithm,
        key: &[u8],
        data: &[u8],
        out: &mut [u8],
    ) -> Result<usize, CryptoError> {
        if let Some(cookie) = VOUCHED.get()
            && let Some(out) = out.first_chunk_mut()
        {
            *out = cookie;
            return Ok(cookie.len());
        }
        rust_crypto::default_provider().hmac_provider.hmac(hash, key, data, out)
    }
}
