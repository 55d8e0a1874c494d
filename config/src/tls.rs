//! TLS on our own listeners.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::error::{Invalid, Parsed};
use crate::http_url::HttpUrl;

/// What TLS is served with; without anything, there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates in files, at most 64. The first is for clients that name no host, or one that no certificate is for.
    pub files: Vec<CertificateFiles>,
    /// Certificates that the server gets and renews itself; `None` is none.
    pub acme: Option<AcmeSettings>,
    /// Where plain HTTP is answered with a redirection to https, and ACME's challenges on port 80.
    pub redirect: Redirect,
}

impl TlsSettings {
    /// Whether there is to be any TLS.
    pub fn is_on(&self) -> bool {
        !self.files.is_empty() || self.acme.is_some()
    }
}

/// Where requests by plain HTTP are sent to https.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Redirect {
    /// Nowhere.
    #[default]
    Off,
    /// On port 80 of every address, if it may be bound; nobody asked for it by name.
    WherePossible,
    /// Here; what cannot be bound ends the start.
    At(Vec<SocketAddr>),
}

/// Certificates by ACME (RFC 8555).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcmeSettings {
    /// The host names to get them for, one each, in lower case; not empty, at most 16.
    pub domains: Vec<String>,
    /// The folder where the account and the certificates are kept; made if it is not there.
    pub state_dir: PathBuf,
    /// Where the authority's directory is; `https`.
    pub directory: HttpUrl,
    /// The mail addresses it may write to.
    pub contacts: Vec<String>,
    /// PEM file of the roots that the authority's own certificate is checked with; `None` is the system's.
    pub root: Option<PathBuf>,
    /// The account at the authority that ours is bound to (RFC 8555 s7.3.4).
    pub external_account: Option<ExternalAccount>,
}

/// What an authority that knows its customers gives them: the name of a key, and the key. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalAccount {
    /// Its name.
    pub id: String,
    /// For HMAC-SHA256.
    pub key: Arc<[u8]>,
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ExternalAccount")
    }
}

impl FromStr for ExternalAccount {
    type Err = Invalid;

    fn from_str(text: &str) -> Parsed<Self> {
        let refused = |problem| {
            let fix =
                "give the key's id, a colon and the key in base64url, as the authority shows them";
            Invalid::new(problem, fix)
        };
        let (id, key) = text.split_once(':').ok_or_else(|| refused("has no colon"))?;
        if id.is_empty() || id.chars().any(char::is_control) {
            return Err(refused("names no key"));
        }
        let key = Base64UrlUnpadded::decode_vec(key.trim_end_matches('='));
        let key = key.ok().filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| refused("has a key that is not base64url"))?;
        Ok(Self { id: id.to_owned(), key: key.into() })
    }
}

/// A certificate in files, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate itself, followed by those that vouch for it.
    pub cert: PathBuf,
    /// Its private key; may be the same file.
    pub key: PathBuf,
}
