//! Who vouches for the server's certificate, and whose word browsers take.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::netns::Host;

/// A certificate authority of the test's own.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "hairpin's test authority");
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// The flags of a server with a certificate for `name`, whose files are in `folder`.
    pub(super) fn flags(&self, name: &str, folder: &Path) -> Vec<String> {
        let params = CertificateParams::new([name.to_owned()]).expect("a host's name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let file = |file: &str, text: String| {
            let path = folder.join(file);
            fs::write(&path, text).expect("a host's home is writable");
            path.display().to_string()
        };
        let cert = file("cert.pem", certificate.pem() + &self.0.pem());
        let pkey = file("key.pem", key.serialize_pem());
        ["--cert", &cert, "--pkey", &pkey].map(str::to_owned).into()
    }

    /// Has the browsers of a host take this authority's word.
    pub(super) fn is_trusted_by(&self, host: &Host) {
        trust(host, &self.0.pem());
    }
}

/// Has the browsers of a host that are started from now on take the word of whoever has this certificate.
pub(super) fn trust(host: &Host, root: &str) {
    let folder = host.home.join(".pki/nssdb");
    fs::create_dir_all(&folder).expect("a host's home is writable");
    let file = host.home.join("authority.pem");
    fs::write(&file, root).expect("a host's home is writable");
    let database = format!("sql:{}", folder.display());
    let file = file.display().to_string();
    for arguments in
        [&["-N", "--empty-password"][..], &["-A", "-t", "C,,", "-n", "authority", "-i", &file]]
    {
        let done = std::process::Command::new("certutil")
            .args(["-d", &database])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("certutil: {error}; tests/run installs libnss3-tools"));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
