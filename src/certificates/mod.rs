//! Certificates: what TLS is served with, and by which of them.
//!
//! They come from files. Who accepts TLS asks the resolver, which always has the newest; who is connected already keeps
//! what the handshake was made with.

mod pair;
mod resolver;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use hairpin_config::{CertificateFiles, TlsSettings};
use rustls::crypto::CryptoProvider;
use rustls::server::ResolvesServerCert;

use crate::clock::Clock;
use crate::error::StartError;
use pair::{Half, Pair, Unusable};
use resolver::Resolver;

/// More than any chain or key has.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// The certificates of a server. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Certificates {
    resolver: Arc<Resolver>,
}

impl Certificates {
    /// Reads what the settings name. `None`: they name nothing, and there is no TLS.
    ///
    /// # Errors
    /// A file that cannot be read or used, by its setting; or this build has no TLS.
    pub(crate) fn start(settings: &TlsSettings) -> Result<Option<Self>, StartError> {
        let Some(first) = settings.files.first() else { return Ok(None) };
        let provider = Self::provider().ok_or_else(|| StartError::Certificates {
            setting: "cert",
            path: first.cert.clone(),
            problem: "this build has no TLS".to_owned(),
            fix: "build it with the feature tls".to_owned(),
        })?;
        let pairs = settings.files.iter().map(|files| read(files, &provider));
        let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Self { resolver: Arc::new(Resolver::new(pairs)) }))
    }

    /// What chooses a certificate for a handshake: one for the host that the client names, of a kind that it can check;
    /// else the first.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        self.resolver.clone()
    }

    /// The cryptography of TLS; `None` in a build without it.
    pub(crate) fn provider() -> Option<Arc<CryptoProvider>> {
        #[cfg(feature = "tls")]
        return Some(Arc::new(rustls::crypto::ring::default_provider()));
        #[cfg(not(feature = "tls"))]
        return None;
    }

    /// For the summary: what each line is about, and what it says.
    pub(crate) fn lines(&self) -> Vec<(&'static str, String)> {
        let line = |pair: &Arc<Pair>| {
            let until = Clock::text(std::time::Duration::from_secs(pair.not_after));
            ("certificate", format!("{} until {}", pair.names.join(", "), &until[..10]))
        };
        self.resolver.pairs().iter().map(line).collect()
    }
}

fn read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Pair, StartError> {
    let refused = |half, problem, fix| {
        let (setting, path) = match half {
            Half::Certificate => ("cert", &files.cert),
            Half::Key => ("pkey", &files.key),
        };
        StartError::Certificates { setting, path: path.clone(), problem, fix }
    };
    let contents = |half, path| {
        contents(path).map_err(|error| {
            let fix = match error.kind() {
                io::ErrorKind::PermissionDenied => "let the user that hairpin runs as read it",
                _ => "give the path of a PEM file",
            };
            refused(half, format!("cannot be read ({error})"), fix.to_owned())
        })
    };
    let cert = contents(Half::Certificate, &files.cert)?;
    let key = contents(Half::Key, &files.key)?;
    Pair::read(&cert, &key, provider)
        .map_err(|Unusable { half, problem, fix }| refused(half, problem, fix.to_owned()))
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_FILE_BYTES} bytes")));
    }
    Ok(contents)
}
