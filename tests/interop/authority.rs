//! An authority of these tests' own, and a server's certificate from it: clients trust it and nobody else.

use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// The certificate of a server on loopback, in files, which are removed when it is dropped.
#[derive(Debug)]
pub(super) struct Authority(TempDir);

impl Authority {
    pub(super) fn new() -> Self {
        let key = || KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        // Without names of their own both would have one, and each would seem to vouch for itself.
        params.distinguished_name.push(DnType::CommonName, "interop tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, key()).expect("a root");
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let server = key();
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name.push(DnType::CommonName, "localhost");
        let certificate = params.signed_by(&server, &issuer).expect("a certificate");
        let this = Self(tempfile::tempdir().expect("the temporary directory is writable"));
        for (path, pem) in [
            (this.root(), issuer.pem()),
            (this.certificate(), certificate.pem()),
            (this.key(), server.serialize_pem()),
        ] {
            fs::write(path, pem).expect("the temporary directory is writable");
        }
        this
    }

    /// The root that clients are to trust.
    pub(super) fn root(&self) -> PathBuf {
        self.0.path().join("root.pem")
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.0.path().join("certificate.pem")
    }

    pub(super) fn key(&self) -> PathBuf {
        self.0.path().join("key.pem")
    }
}
