//! TLS on our own listeners.

use std::path::PathBuf;

/// What TLS is served with; without anything, there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates in files, at most 64. The first is for clients that name no host, or one that no certificate is for.
    pub files: Vec<CertificateFiles>,
}

/// A certificate in files, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate itself, followed by those that vouch for it.
    pub cert: PathBuf,
    /// Its private key; may be the same file.
    pub key: PathBuf,
}
