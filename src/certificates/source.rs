//! Where a certificate is read from, and what reading it comes to.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hairpin_config::CertificateFiles;
use rustls::crypto::CryptoProvider;

use super::pair::{Half, Pair, Unusable};
use crate::error::StartError;

/// More than any chain or key has.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Files that hold a certificate and its key, and the one that is served of them.
#[derive(Debug)]
pub(super) struct Source {
    cert: Place,
    key: Place,
    /// For whom it must be, where it may be absent: what we get ourselves.
    domain: Option<String>,
    provider: Arc<CryptoProvider>,
    /// What is served.
    pair: Option<Arc<Pair>>,
    /// What was read last, or why nothing could be.
    last: Option<Reading>,
    /// What of that was judged last.
    judged: Option<Reading>,
    /// What is wrong with what is there now, if something is.
    trouble: Option<Refused>,
}

/// `None`: it is not there, and need not be.
type Reading = Result<Option<Contents>, Refused>;

/// One of the two files, and the setting that names it.
#[derive(Clone, Debug)]
struct Place {
    setting: &'static str,
    path: PathBuf,
}

/// Both files, byte for byte.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// Why a file will not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) setting: &'static str,
    pub(super) path: PathBuf,
    pub(super) problem: String,
    pub(super) fix: String,
}

/// What a look at a source has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    Nothing,
    /// There is another certificate, which is good.
    New,
    /// There is something else, which is not.
    Refused,
}

impl Source {
    /// Files that must be there.
    ///
    /// # Errors
    /// They cannot be read, or not be used.
    pub(super) fn open(
        files: &CertificateFiles,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Refused> {
        let cert = Place { setting: "cert", path: files.cert.clone() };
        let key = Place { setting: "pkey", path: files.key.clone() };
        let mut source = Self {
            cert,
            key,
            domain: None,
            provider,
            pair: None,
            last: None,
            judged: None,
            trouble: None,
        };
        source.first()?;
        Ok(source)
    }

    /// A file of both, for this name, which may not be there yet.
    ///
    /// # Errors
    /// It is there, and cannot be used.
    #[cfg(feature = "tls")]
    pub(super) fn stored(
        path: PathBuf,
        domain: String,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, Refused> {
        let place = Place { setting: "state-dir", path };
        let (cert, key, domain) = (place.clone(), place, Some(domain));
        let mut source = Self {
            cert,
            key,
            domain,
            provider,
            pair: None,
            last: None,
            judged: None,
            trouble: None,
        };
        source.first()?;
        Ok(source)
    }

    fn first(&mut self) -> Result<(), Refused> {
        let contents = self.read()?;
        self.pair =
            contents.as_ref().map(|contents| self.judge(contents)).transpose()?.map(Arc::new);
        self.judged = Some(Ok(contents));
        Ok(())
    }

    /// What is served of it.
    pub(super) fn pair(&self) -> Option<&Arc<Pair>> {
        self.pair.as_ref()
    }

    /// What is wrong with what is there now, if something is.
    pub(super) fn trouble(&self) -> Option<&Refused> {
        self.trouble.as_ref()
    }

    /// Reads it anew. Two files cannot be replaced at once, so what is good is taken at once, and what is not is judged when
    /// it is the same the next time.
    pub(super) fn look(&mut self) -> Look {
        let reading = self.read();
        if self.judged.as_ref() == Some(&reading) {
            self.last = Some(reading);
            return Look::Nothing;
        }
        let judged = reading
            .clone()
            .and_then(|contents| contents.map(|contents| self.judge(&contents)).transpose());
        match judged {
            // What was there goes on, and whoever renews makes another.
            Ok(None) => {
                self.judged = Some(reading);
                Look::Nothing
            }
            Ok(Some(pair)) => {
                (self.pair, self.trouble) = (Some(Arc::new(pair)), None);
                self.judged = Some(reading);
                Look::New
            }
            Err(refused) if self.last.as_ref() == Some(&reading) => {
                self.trouble = Some(refused);
                self.judged = Some(reading);
                Look::Refused
            }
            Err(_) => {
                self.last = Some(reading);
                Look::Nothing
            }
        }
    }

    fn read(&self) -> Reading {
        let read = |half: &Place| {
            contents(&half.path).map_err(|error| {
                let fix = match error.kind() {
                    io::ErrorKind::PermissionDenied => "let the user that hairpin runs as read it",
                    _ => "give the path of a PEM file",
                };
                half.refused(format!("cannot be read ({error})"), fix)
            })
        };
        if self.domain.is_some() && !self.cert.path.exists() {
            return Ok(None);
        }
        Ok(Some(Contents { cert: read(&self.cert)?, key: read(&self.key)? }))
    }

    fn judge(&self, contents: &Contents) -> Result<Pair, Refused> {
        let pair = Pair::read(&contents.cert, &contents.key, &self.provider);
        let Some(domain) = &self.domain else {
            return pair.map_err(|Unusable { half, problem, fix }| match half {
                Half::Certificate => self.cert.refused(problem, fix),
                Half::Key => self.key.refused(problem, fix),
            });
        };
        let fix = "restore it, or take it away to have a new one";
        match pair {
            Ok(pair) if pair.is_for(domain) => Ok(pair),
            Ok(pair) => Err(self.cert.refused(format!("is for {:?}", pair.names), fix)),
            Err(unusable) => Err(self.cert.refused(unusable.problem, fix)),
        }
    }
}

impl Place {
    fn refused(&self, problem: String, fix: &str) -> Refused {
        let Self { setting, path } = self.clone();
        Refused { setting, path, problem, fix: fix.to_owned() }
    }
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    File::open(path)?.take(MAX_FILE_BYTES + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("it is longer than {MAX_FILE_BYTES} bytes")));
    }
    Ok(contents)
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, path, problem, fix } = self;
        write!(f, "{setting} = {path:?}: {problem}; {fix}")
    }
}

impl From<Refused> for StartError {
    fn from(Refused { setting, path, problem, fix }: Refused) -> Self {
        Self::Certificates { setting, path, problem, fix }
    }
}

/// A key is no business of a log.
impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contents")
    }
}
